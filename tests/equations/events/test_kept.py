"""What is saved of a solution with events."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import sciml_jax as sj

from .problems import clock

DOUBLE_AT_ONE = sj.Event(lambda t, y, args: y[0] - 1.0, lambda t, y, args: 2 * y, direction=1)


def run(saveat, events=(DOUBLE_AT_ONE,), method=None, **options):
    options = options or {"rtol": 1e-8}
    problem = sj.ODEProblem(clock, jnp.zeros(1), 0.0, 3.0)
    return sj.solve(problem, method or sj.Tsit5(), events=list(events), saveat=saveat, **options)


def exact(t):
    return np.where(t < 1.0, t, t + 1.0)


@pytest.mark.parametrize("event", [DOUBLE_AT_ONE, sj.PresetTimes(jnp.array([1.0]), lambda t, y, args: 2 * y)])
def test_a_save_time_on_an_event_stores_the_state_after_it(event):
    ts = jnp.array([0.0, 0.5, 1.0, 1.5, 3.0])
    np.testing.assert_allclose(run(ts, [event]).ys[:, 0], exact(np.asarray(ts)), rtol=1e-13)


def test_the_dense_output_jumps_and_its_slope_does_not_see_it():
    sol = run(sj.SaveAt(dense=True, t1=True))
    ts = np.array([0.0, 0.3, 1 - 1e-9, 1 + 1e-9, 1.7, 3.0])
    np.testing.assert_allclose(sol(ts)[:, 0], exact(ts), rtol=1e-12)
    np.testing.assert_allclose(sol.derivative(ts)[:, 0], np.ones(6), rtol=1e-6)


def test_every_step_is_stored_after_its_event():
    sol = run(sj.SaveAt(steps=1), method=sj.RK4(), controller=sj.FixedStep(), dt0=0.75)
    used = ~np.isnan(sol.ts)
    assert np.any(np.abs(sol.ts[used] - 1.0) < 1e-12)
    np.testing.assert_allclose(sol.ys[used, 0], exact(np.asarray(sol.ts[used]) + 1e-13), rtol=1e-11)


def test_observe_is_kept_in_the_log_and_is_differentiable():
    keep = {"twice": lambda t, y, args: {"a": 2 * y, "t": t * jnp.ones(2)}}["twice"]

    def kept(c):
        event = sj.Event(lambda t, y, args: y[0] - args, observe=keep, max_triggers=2)
        sol = sj.solve(sj.ODEProblem(clock, jnp.zeros(1), 0.0, 3.0, c), sj.Tsit5(), events=[event])
        return sol.events[0].ys

    value, slope = kept(1.2), jax.jacrev(kept)(1.2)
    np.testing.assert_allclose(value["a"][0], [2.4], rtol=1e-12)
    np.testing.assert_allclose(value["t"], [[1.2, 1.2], [np.nan, np.nan]], rtol=1e-12)
    np.testing.assert_allclose(slope["a"][0], [2.0], rtol=1e-9)
    np.testing.assert_allclose(slope["t"], [[1.0, 1.0], [0.0, 0.0]], rtol=1e-9)
