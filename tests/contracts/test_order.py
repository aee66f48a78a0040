"""Fixed steps converge with the stated order, at the steps and between them."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
from helpers import observed_order

import sciml_jax as sj
from sciml_jax.zoo.modulated_hopf import modulated_hopf_field

from . import flows
from .methods import every

COUNTS = (8, 16, 32, 64, 128, 256)
TIMES = jnp.asarray(np.sort(np.random.default_rng(3).uniform(0.11, 1.59, 40)))
SPAN = 1.5


@functools.cache
def trajectories(listed):
    """For every number of steps: saved states, dense states, and dense states on both sides of each interior knot."""
    start = flows.theta()

    @jax.jit
    def solve(dt):
        problem = sj.ODEProblem(modulated_hopf_field, start["y0"], start["t0"], start["t1"], start["args"])
        saveat = sj.SaveAt(ts=TIMES, t1=True, dense=True)
        sol = sj.solve(
            problem, listed.method, saveat=saveat, controller=sj.FixedStep(), dt0=dt, max_steps=COUNTS[-1] + 1
        )
        knots = sol.dense.ends[: COUNTS[0] - 1]
        return sol.ys, sol(TIMES), sol(knots), sol(knots + 1e-13), sol.stats.num_steps

    return [jax.device_get(solve(SPAN / n)) for n in COUNTS]


def exact():
    return np.asarray(flows.exact({**flows.theta(), "ts": TIMES}))


def steps():
    return [SPAN / n for n in COUNTS]


@every()
def test_the_end_converges_with_the_order_of_the_method(listed):
    errors = [np.max(np.abs(ys[-1] - exact()[-1])) for ys, *_ in trajectories(listed)]
    assert abs(observed_order(steps(), errors) - listed.order) < 0.25, errors


@every()
def test_saved_times_between_the_steps_converge_with_the_order_of_the_dense_output(listed):
    errors = [np.max(np.abs(ys - exact())) for ys, *_ in trajectories(listed)]
    assert abs(observed_order(steps(), errors) - listed.dense_order) < 0.25, errors


@every()
def test_the_dense_output_gives_what_was_saved(listed):
    for ys, dense, *_ in trajectories(listed):
        np.testing.assert_allclose(dense, ys[:-1], rtol=0, atol=1e-14)


@every()
def test_the_dense_output_is_continuous_across_steps(listed):
    for _, _, left, right, _ in trajectories(listed):
        np.testing.assert_allclose(left, right, rtol=0, atol=2e-12)


@every()
def test_n_steps_of_an_nth_of_the_interval_are_n_steps(listed):
    assert [int(count) for *_, count in trajectories(listed)] == list(COUNTS)
