"""The ready-made events: preset and periodic times, rest, positivity, projection, saving, limited steps."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import sciml_jax as sj

from .problems import TIGHT


def decay(t, y, k):
    return -k * y


def add(t, y, args):
    return y + 1.0


# --- times ---


def dosed(k, dose, times, t1=4.0):
    """y' = -k y from 0, with doses."""
    problem = sj.ODEProblem(decay, jnp.zeros(1), 0.0, t1, k)
    event = sj.PresetTimes(times, lambda t, y, args, dose=dose: y + dose)
    return sj.solve(problem, sj.Tsit5(), events=[event], **TIGHT).y1[0]


def dosed_exactly(k, dose, times, t1=4.0):
    return jnp.sum(dose * jnp.exp(-k * (t1 - times)))


def test_doses_add_exponentials_and_so_do_their_derivatives():
    point = jnp.asarray(0.7), jnp.asarray(2.0), jnp.array([1.0, 2.0])
    found = jax.jit(jax.value_and_grad(dosed, (0, 1, 2)))(*point)
    expected = jax.value_and_grad(dosed_exactly, (0, 1, 2))(*point)
    jax.tree_util.tree_map(functools.partial(np.testing.assert_allclose, rtol=1e-9), found, expected)


def test_doses_count_at_both_ends_in_any_order_and_outside_of_the_interval_not():
    times = jnp.array([4.0, 0.0, 9.0, 2.0, -1.0])
    found = dosed(jnp.asarray(0.7), jnp.asarray(2.0), times)
    np.testing.assert_allclose(found, dosed_exactly(0.7, 2.0, times[jnp.array([0, 1, 3])]), rtol=1e-9)


def periodic(period, start, k):
    problem = sj.ODEProblem(decay, jnp.zeros(1), 0.0, 5.0, k)
    event = sj.Periodic(period, add, start=start, max_triggers=6)
    sol = sj.solve(problem, sj.Tsit5(), events=[event], **TIGHT)
    return sol.y1[0], sol.events[0].ts


def test_periodic_events_move_with_their_period_and_start():
    def exact(period, start, k):
        times = start + period * jnp.arange(4)
        return jnp.sum(jnp.exp(-k * (5.0 - times))), jnp.pad(times, (0, 2), constant_values=jnp.nan)

    point = 1.3, 0.4, 0.7
    found = periodic(*point), jax.jit(jax.jacrev(periodic, (0, 1, 2)))(*point)
    expected = exact(*point), jax.jacfwd(exact, (0, 1, 2))(*point)
    jax.tree_util.tree_map(functools.partial(np.testing.assert_allclose, rtol=1e-9, atol=1e-12), found, expected)


def test_periodic_events_are_counted_up_to_the_end_and_by_default_begin_after_one_period():
    problem = sj.ODEProblem(lambda t, y, args: 0.0 * y, jnp.zeros(1), 0.0, 0.3)
    for backwards in (False, True):
        if backwards:
            problem = sj.ODEProblem(problem.vector_field, problem.y0, 0.3, 0.0)
        log = sj.solve(problem, sj.Tsit5(), events=[sj.Periodic(0.1, add)]).events[0]
        assert int(log.count) == 3
        np.testing.assert_allclose(log.ts, [0.2, 0.1, 0.0] if backwards else [0.1, 0.2, 0.3], atol=1e-15)
        assert float(log.ts[-1]) == problem.t1
    with pytest.raises(sj.SolveError, match="max_triggers"):
        sj.solve(problem, sj.Tsit5(), events=[sj.Periodic(0.1, add, max_triggers=2)])
    assert int(sj.solve(problem, sj.Tsit5(), events=[sj.Periodic(9.0, add)]).events[0].count) == 0


# --- rest ---


def logistic(t, y, a):
    return a - y**2


def test_an_integration_ends_where_it_comes_to_rest():
    problem = sj.ODEProblem(logistic, jnp.array([0.1, 2.0]), 0.0, 1e6, jnp.array([1.0, 4.0]))
    sol = sj.solve(problem, sj.Tsit5(), events=[sj.TerminateSteadyState(1e-6, 1e-9)], rtol=1e-8, atol=1e-10)
    assert int(sol.status) == sj.Status.EVENT
    np.testing.assert_allclose(sol.y1, [1.0, 2.0], rtol=1e-6)
    # The same norm as that of DynamicSS: at most one there, and more than one a moment before.
    norm = lambda y: np.sqrt(np.mean((np.asarray(logistic(0.0, y, problem.args)) / (1e-9 + 1e-6 * np.abs(y))) ** 2))
    assert norm(sol.y1) <= 1.0
    before = sj.solve(sj.ODEProblem(logistic, problem.y0, 0.0, sol.stats.t_last - 1.0, problem.args), sj.Tsit5())
    assert norm(before.y1) > 1.0
    later = sj.solve(problem, sj.Tsit5(), events=[sj.TerminateSteadyState(1e-6, 1e-9, min_t=50.0)])
    assert float(later.stats.t_last) >= 50.0 > float(sol.stats.t_last)


def test_at_rest_the_gradient_is_that_of_the_steady_state():
    end = lambda a: sj.solve(
        sj.ODEProblem(logistic, jnp.array([0.1]), 0.0, 1e3, a), sj.Tsit5(), events=[sj.TerminateSteadyState()]
    ).y1[0]
    exact = jax.grad(lambda a: sj.solve(sj.SteadyStateProblem(logistic, jnp.array([0.9]), a)).y1[0])(1.21)
    np.testing.assert_allclose(jax.grad(end)(1.21), exact, rtol=1e-4)


def test_rest_of_a_differential_algebraic_equation_needs_its_constraints_too():
    problem = sj.DAEProblem(
        lambda t, y, z, a: a - z, lambda t, y, z, a: z - y**2, jnp.ones(1), jnp.ones(1), 0.0, 1e4, 4.0
    )
    sol = sj.solve(problem, sj.Rodas5P(), events=[sj.TerminateSteadyState(1e-6, 1e-9)])
    assert int(sol.status) == sj.Status.EVENT
    np.testing.assert_allclose([sol.y1[0][0], sol.y1[1][0]], [2.0, 4.0], rtol=1e-5)


# --- positivity ---


def draining(t, y, args):
    """The example of Shampine et al.: y' = -|y|, which leaves to minus infinity once it is below zero."""
    return -jnp.abs(y)


@pytest.mark.parametrize("method", [sj.Tsit5(), sj.BDF()])
def test_positivity_holds_at_every_step_where_the_plain_solve_does_not(method):
    problem = sj.ODEProblem(draining, jnp.ones(2), 0.0, 40.0)
    options = {"saveat": sj.SaveAt(steps=1, t1=True), "rtol": 1e-3, "atol": 1e-6}
    plain = sj.solve(problem, method, **options)
    assert np.nanmin(plain.ys) < 0
    sol = sj.solve(problem, method, events=[sj.Positivity()], **options)
    assert np.nanmin(sol.ys) >= 0
    np.testing.assert_allclose(sol.y1, np.exp(-40.0), atol=2e-6)
    assert int(sol.stats.num_steps) < 2 * int(plain.stats.num_steps)


def test_positivity_of_some_entries_leaves_the_others_alone():
    field = lambda t, y, args: {"a": -jnp.abs(y["a"]), "b": -jnp.ones(2)}
    problem = sj.ODEProblem(field, {"a": jnp.ones(2), "b": jnp.zeros(2)}, 0.0, 40.0)
    event = sj.Positivity({"a": np.array([True, True]), "b": False})
    sol = sj.solve(problem, sj.Tsit5(), events=[event], rtol=1e-3, atol=1e-6)
    np.testing.assert_allclose(sol.y1["b"], -40.0, rtol=1e-12)
    assert np.all(sol.y1["a"] >= 0) and np.all(sol.y1["a"] < 1e-5)


def test_a_violation_above_the_tolerance_rejects_the_step():
    # One huge step of an explicit method would end far below zero: its size is halved until it does not.
    problem = sj.ODEProblem(lambda t, y, args: -y * (y > 0), jnp.ones(1), 0.0, 30.0)
    options = {"rtol": 1.0, "atol": 1e-2, "dt0": 30.0}
    sol = sj.solve(problem, sj.Heun(), events=[sj.Positivity()], saveat=sj.SaveAt(steps=1), **options)
    assert int(sol.stats.num_rejected) > 0 and np.nanmin(sol.ys) >= 0


def test_where_the_equation_leads_below_zero_positivity_does_not_pretend():
    problem = sj.ODEProblem(lambda t, y, args: -jnp.ones(1), jnp.ones(1), 0.0, 2.0)
    sol = sj.solve(problem, sj.Tsit5(), events=[sj.Positivity()], max_steps=200, on_failure="status")
    assert not sj.Status(int(sol.status)).is_success


# --- projection ---


def kepler(t, y, args):
    return jnp.concatenate([y[2:], -y[:2] / jnp.sum(y[:2] ** 2) ** 1.5])


def invariants(y):
    """Energy and angular momentum."""
    return jnp.stack([(y[2] ** 2 + y[3] ** 2) / 2 - 1 / jnp.sqrt(y[0] ** 2 + y[1] ** 2), y[0] * y[3] - y[1] * y[2]])


PROJECTION = sj.ManifoldProjection(lambda t, y, args: invariants(y) - args)


def orbit(t1, scale=1.0, events=(PROJECTION,), method=None, **options):
    y0 = jnp.array([0.4, 0.0, 0.0, 2.0]) * jnp.stack([1.0, 1.0, 1.0, scale])
    problem = sj.ODEProblem(kepler, y0, 0.0, t1, invariants(y0))
    options = options or {"rtol": 1e-6, "atol": 1e-6}
    return sj.solve(problem, method or sj.Tsit5(), events=list(events), **options)


def test_projection_removes_the_drift_and_costs_no_steps():
    start = np.array([0.4, 0.0, 0.0, 2.0])
    free, held = (orbit(40 * jnp.pi, events=events) for events in ((), (PROJECTION,)))
    drift = lambda sol: np.max(np.abs(invariants(sol.y1) - invariants(start)))
    assert drift(free) > 1e-6 and drift(held) < 1e-14
    # After 20 periods at the start again: without the drift of the energy the phase is kept far better.
    assert np.max(np.abs(held.y1 - start)) < 0.5 * np.max(np.abs(free.y1 - start))
    assert abs(int(held.stats.num_steps) - int(free.stats.num_steps)) < 5


@pytest.mark.full
def test_projection_keeps_the_order_of_the_method():
    end = lambda n: orbit(2.0, controller=sj.FixedStep(), dt0=2.0 / n, method=sj.RK4()).y1
    exact = orbit(2.0, events=(), method=sj.Vern9(), rtol=1e-13, atol=1e-13).y1
    errors = [float(np.max(np.abs(end(n) - exact))) for n in (100, 200)]
    assert 3.7 < np.log2(errors[0] / errors[1]) < 4.5


@pytest.mark.full
def test_projection_is_differentiable():
    position = lambda scale, events: orbit(2.0, scale, events, rtol=1e-9, atol=1e-9).y1[0]
    exact = jax.grad(lambda s: position(s, ()))(1.0)
    np.testing.assert_allclose(jax.grad(lambda s: position(s, (PROJECTION,)))(1.0), exact, rtol=1e-6)


def test_dependent_residuals_end_with_a_status():
    twice = sj.ManifoldProjection(lambda t, y, args: invariants(y)[:1] * jnp.ones(2) + 0.4999)
    with pytest.raises(sj.SolveError, match="NON_FINITE"):
        orbit(1.0, events=(twice,))


# --- saving and limits ---


def test_saving_at_steps_and_at_times_beside_the_states():
    problem = sj.ODEProblem(decay, jnp.ones(1), 0.0, 2.0, 1.0)
    square = lambda t, y, args: {"square": y[0] ** 2}
    events = [sj.Saving(square, max_saves=200), sj.Saving(square, jnp.array([0.5, 1.5]))]
    sol = sj.solve(problem, sj.Tsit5(), events=events, saveat=jnp.array([1.0]), **TIGHT)
    steps, times = sol.events
    assert int(steps.count) == int(sol.stats.num_accepted)
    np.testing.assert_allclose(steps.ys["square"], np.exp(-2 * np.asarray(steps.ts)), rtol=1e-9)
    np.testing.assert_allclose(times.ts, [0.5, 1.5], rtol=0)
    np.testing.assert_allclose(times.ys["square"], np.exp([-1.0, -3.0]), rtol=1e-9)
    np.testing.assert_allclose(sol.ys[0], np.exp([-1.0]), rtol=1e-9)


@pytest.mark.parametrize("t1", [3.0, -3.0])
def test_no_step_is_longer_than_its_limit(t1):
    problem = sj.ODEProblem(lambda t, y, args: jnp.ones(1), jnp.zeros(1), 0.0, t1, 0.07)
    event = sj.StepLimiter(lambda t, y, limit: limit * (1 + y[0] ** 2))
    sol = sj.solve(problem, sj.Tsit5(), events=[event], saveat=sj.SaveAt(t0=True, steps=1))
    ts, ys = np.asarray(sol.ts), np.asarray(sol.ys[:, 0])
    sizes, allowed = np.abs(np.diff(ts)), 0.07 * (1 + ys[:-1] ** 2)
    used = ~np.isnan(sizes)
    assert np.all(sizes[used] <= allowed[used] * (1 + 1e-9))
    # As long as allowed, but for the first three, which grow tenfold, and the last two.
    assert np.sum(sizes[used] > 0.999 * allowed[used]) >= np.sum(used) - 5
