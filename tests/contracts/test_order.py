"""Fixed steps converge with the stated order, at the steps and between them."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
from helpers import observed_order

import sciml_jax as sj
from sciml_jax.zoo.modulated_hopf import modulated_hopf_field

from . import flows
from .methods import METHODS, every

ONE_ORDER = [m for m in METHODS if m.has_fixed_order]
SPAN = 1.5
MIDDLE = 0.1 + SPAN / 2
TIMES = jnp.sort(jnp.asarray([*np.random.default_rng(3).uniform(0.11, 1.59, 40), MIDDLE]))


def counts(listed):
    """Numbers of steps, all even, between the size where powers of h take over and the one where rounding does."""
    if listed.order < 6:
        return (8, 16, 32, 64, 128, 256)
    return (4, 6, 8, 12, 16, 24) if listed.order < 8 else (4, 6, 8, 10, 12, 14)


@functools.cache
def trajectories(listed):
    """For every number of steps: saved states, dense states, and dense states on both sides of each interior knot."""
    start = flows.theta()

    @jax.jit
    def solve(dt):
        problem = sj.ODEProblem(
            listed.stated(modulated_hopf_field), start["y0"], start["t0"], start["t1"], start["args"]
        )
        saveat = sj.SaveAt(ts=TIMES, t1=True, dense=True)
        sol = sj.solve(
            problem, listed.method, saveat=saveat, controller=sj.FixedStep(), dt0=dt, max_steps=counts(listed)[-1] + 1
        )
        knots = sol.dense.ends[: counts(listed)[0] - 1]
        return sol.ys, sol(TIMES), sol(knots), sol(knots + 1e-13), sol.stats.num_steps

    return [jax.device_get(solve(SPAN / n)) for n in counts(listed)]


def exact():
    return np.asarray(flows.exact({**flows.theta(), "ts": TIMES}))


def assert_order(listed, errors, order):
    """Optimised pairs of high order have a leading error so small that the next power of h shows beside it."""
    observed = observed_order([SPAN / n for n in counts(listed)], errors)
    assert -0.25 < observed - order < (0.25 if listed.order < 6 else 1.25), (observed, errors)


@every(ONE_ORDER)
def test_the_end_converges_with_the_order_of_the_method(listed):
    # Not at the end alone: the error of SSPRK33 happens to change its sign there.
    rows = [int(np.argmin(np.abs(TIMES - MIDDLE))), -1]
    errors = [np.max(np.abs(ys - exact())[rows]) for ys, *_ in trajectories(listed)]
    assert_order(listed, errors, listed.order)


@every(ONE_ORDER)
def test_saved_times_between_the_steps_converge_with_the_order_of_the_dense_output(listed):
    errors = [np.max(np.abs(ys - exact())) for ys, *_ in trajectories(listed)]
    assert_order(listed, errors, listed.dense_order)


@every()
def test_the_dense_output_gives_what_was_saved(listed):
    for ys, dense, *_ in trajectories(listed):
        # Two programs, compiled differently: equal to rounding, which the large weights of high orders enlarge.
        np.testing.assert_allclose(dense, ys[:-1], rtol=0, atol=1e-14 if listed.order < 6 else 1e-13)


@every()
def test_the_dense_output_is_continuous_across_steps(listed):
    for _, _, left, right, _ in trajectories(listed):
        np.testing.assert_allclose(left, right, rtol=0, atol=2e-12)


@every()
def test_n_steps_of_an_nth_of_the_interval_are_n_steps(listed):
    assert [int(count) for *_, count in trajectories(listed)] == list(counts(listed))
