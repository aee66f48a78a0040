"""Solves with tabulated forcing: the knots are stepped on, wherever the interpolant is found."""

import functools

import diffrax
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import sciml_jax as sj

TS = np.linspace(0.0, 3.0, 13)
VALUES = np.random.default_rng(1).normal(size=13)
T1 = 2.9
TIGHT = {"rtol": 1e-10, "atol": 1e-10}


def driven(t, y, forcing):
    return forcing(t) - y


def exact(ts, values, constant=False):
    """`y' = u(t) - y` from y(ts[0]) = 1 to T1, piece by piece."""
    y = 1.0
    for a, b, left, right in zip(ts[:-1], ts[1:], values[:-1], values[1:]):
        if a >= T1:
            break
        h, slope = min(b, T1) - a, 0.0 if constant else (right - left) / (b - a)
        y = (y - left + slope) * np.exp(-h) + left - slope + slope * h
    return y


def problem(forcing):
    return sj.ODEProblem(driven, jnp.ones(1), 0.0, T1, forcing)


@functools.cache
def ends(method, kind):
    """`(ts, values) -> y(T1)`, compiled once for all tests."""
    return jax.jit(lambda ts, values: sj.solve(problem(sj.interpolate(ts, values, kind)), method, **TIGHT).y1[0])


@pytest.mark.parametrize("method", [sj.Tsit5(), sj.Rodas5P()], ids=["Tsit5", "Rodas5P"])
def test_linear_forcing_costs_no_accuracy_and_hardly_any_rejection(method):
    sol = sj.solve(problem(sj.interpolate(TS, VALUES)), method, **TIGHT)
    assert abs(float(sol.y1[0]) - exact(TS, VALUES)) < 2e-11
    assert int(sol.stats.num_rejected) <= 8
    free = sj.solve(problem(sj.interpolate(TS, VALUES, tstops=False)), method, **TIGHT)
    assert int(free.stats.num_rejected) > 10 * max(int(sol.stats.num_rejected), 4)


def test_a_constant_piece_ends_with_its_own_value():
    sol = sj.solve(problem(sj.interpolate(TS, VALUES, sj.PiecewiseConstant())), **TIGHT)
    np.testing.assert_allclose(sol.y1[0], exact(TS, VALUES, constant=True), atol=2e-11)
    assert int(sol.stats.num_rejected) <= 8


def test_backward_time_passes_the_same_knots():
    end = sj.ODEProblem(driven, jnp.array([exact(TS, VALUES)]), T1, 0.0, sj.interpolate(TS, VALUES))
    sol = sj.solve(end, **TIGHT)
    np.testing.assert_allclose(sol.y1, 1.0, atol=1e-9)
    assert int(sol.stats.num_rejected) <= 8


def test_a_solve_finds_the_interpolant_that_a_plain_function_closes_over():
    forcing = sj.interpolate(TS, VALUES)
    sol = sj.solve(sj.ODEProblem(lambda t, y, args: forcing(t) - y, jnp.ones(1), 0.0, T1), **TIGHT)
    assert abs(float(sol.y1[0]) - exact(TS, VALUES)) < 2e-11
    assert int(sol.stats.num_rejected) <= 8


def test_a_gradient_flows_through_a_closure_over_an_interpolant():
    def end(values):
        forcing = sj.interpolate(TS, values)
        return sj.solve(sj.ODEProblem(lambda t, y, args: forcing(t) - y, jnp.ones(1), 0.0, T1), **TIGHT).y1[0]

    expected = jax.jit(jax.grad(ends(sj.Tsit5(), None), 1))(jnp.asarray(TS), jnp.asarray(VALUES))
    np.testing.assert_allclose(jax.jit(jax.grad(end))(jnp.asarray(VALUES)), expected, rtol=1e-10, atol=1e-13)


def test_the_same_knots_by_hand_give_the_same_steps():
    forcing = sj.interpolate(TS, VALUES, tstops=False)
    sol = sj.solve(problem(forcing), controller=sj.PIDController(tstops=forcing.knots), **TIGHT)
    found = sj.solve(problem(sj.interpolate(TS, VALUES)), **TIGHT)
    assert int(sol.stats.num_steps) == int(found.stats.num_steps)


def test_fixed_steps_stop_on_the_knots_too():
    forcing = sj.interpolate(TS, VALUES)
    options = {"dt0": 0.1, "controller": sj.FixedStep(), "saveat": sj.SaveAt(steps=1), "max_steps": 64}
    sol = sj.solve(problem(forcing), sj.RK4(), **options)
    assert set(TS[1:-1]) <= set(np.asarray(sol.ts))
    np.testing.assert_allclose(sol.y1[0], exact(TS, VALUES), atol=1e-6)


@pytest.mark.parametrize("kind", [sj.PiecewiseLinear(), sj.PiecewiseConstant()], ids=["linear", "constant"])
def test_derivatives_with_respect_to_the_table_are_exact(kind):
    """Times included: a jump that moves shifts the solution, which only the moving stop can tell."""
    constant = isinstance(kind, sj.PiecewiseConstant)
    by_ts, by_values = jax.jit(jax.grad(ends(sj.Tsit5(), kind), (0, 1)))(jnp.asarray(TS), jnp.asarray(VALUES))
    difference = lambda fn, x: np.array([(fn(x + 1e-5 * e) - fn(x - 1e-5 * e)) / 2e-5 for e in np.eye(13)])
    expected = difference(lambda values: exact(TS, values, constant), VALUES)
    np.testing.assert_allclose(by_values, expected, atol=2e-9)
    # The reference starts on the first knot, the solve at zero.
    expected = difference(lambda ts: exact(ts, VALUES, constant), TS)[1:]
    np.testing.assert_allclose(by_ts[1:], expected, atol=2e-9)


def test_tables_that_share_knots_move_them_once():
    """Two jumps at one time, both derivatives with respect to it: the sum, not twice the sum."""

    def end(ts):
        both = {"u": sj.interpolate(ts, VALUES, sj.PiecewiseConstant()), "v": sj.interpolate(ts, 2 * VALUES)}
        field = lambda t, y, args: args["u"](t) + args["v"](t) - y
        return sj.solve(sj.ODEProblem(field, jnp.zeros(1), 0.0, T1, both), **TIGHT).y1[0]

    alone = lambda values, constant: lambda ts: exact(ts, values, constant)
    derivative = jax.jit(lambda ts, move: jax.jvp(end, (ts,), (move,))[1])
    move = np.eye(13)[4]
    expected = sum(
        (fn(TS + 1e-5 * move) - fn(TS - 1e-5 * move)) / 2e-5 for fn in (alone(VALUES, True), alone(2 * VALUES, False))
    )
    np.testing.assert_allclose(derivative(jnp.asarray(TS), jnp.asarray(move)), expected, atol=2e-9)


def test_a_batch_of_tables_each_with_its_own_knots():
    ts, values = np.stack([TS, TS * 1.1]), np.stack([VALUES, 2 * VALUES])
    batched = jax.vmap(ends(sj.Tsit5(), sj.PiecewiseLinear()))(ts, values)
    np.testing.assert_allclose(batched, [exact(*row) for row in zip(ts, values)], atol=3e-11)


def test_traced_times_that_are_not_sorted_fail_with_a_status():
    run = jax.jit(lambda ts: sj.solve(problem(sj.interpolate(ts, VALUES)), **TIGHT).status)
    assert int(run(jnp.asarray(TS[::-1].copy()))) == sj.Status.BAD_INPUT
    assert int(run(jnp.asarray(TS))) == sj.Status.SUCCESS


def test_leaving_a_table_with_nan_outside_fails():
    short = sj.interpolate(TS[:8], VALUES[:8], outside=float("nan"))
    sol = sj.solve(problem(short), on_failure="status")
    assert int(sol.status) == sj.Status.NON_FINITE and abs(float(sol.stats.t_last) - TS[7]) < 1e-2


def test_diffrax_steps_on_the_knots_too():
    ours = sj.solve(problem(sj.interpolate(TS, VALUES, sj.PiecewiseConstant())), diffrax.Tsit5(), **TIGHT)
    np.testing.assert_allclose(ours.y1[0], exact(TS, VALUES, constant=True), atol=1e-10)
    assert int(ours.stats.num_rejected) <= 20
