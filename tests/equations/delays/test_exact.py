"""Delay problems against their closed solutions."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import sciml_jax as sj

from .problems import (
    decay,
    decayed,
    feldstein_neves,
    feldstein_neves_solution,
    neutral_growth,
    neutral_growth_solution,
    neves_thompson,
    neves_thompson_solution,
    pantograph,
)

TIGHT = {"rtol": 1e-9, "atol": 1e-11}


def test_the_line_of_the_issue_gives_its_value():
    dde = sj.DDEProblem(
        lambda t, y, past, a: -past(t - 1.0), lambda t: jnp.array([0.0]), 0.0, 10.0, lags=(1.0,), y0=jnp.array([1.0])
    )
    sol = sj.solve(dde, sj.Tsit5(), rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(sol.y1[0], 0.0529734347, atol=1e-10)
    np.testing.assert_allclose(sol.y1[0], decayed(10, value=0), atol=2e-11)


def test_a_smooth_start_gives_saved_values_and_dense_output_on_both_sides_of_every_breaking_point():
    ts = jnp.array([0.5, 1.0, 2.0, 2.5, 3.0, 10.0])
    sol = sj.solve(decay(), sj.Tsit5(), saveat=sj.SaveAt(ts=ts, dense=True), **TIGHT)
    exact = np.array([decayed(float(t)) for t in ts])
    np.testing.assert_allclose(sol.ys[:, 0], exact, atol=1e-9)
    np.testing.assert_allclose(sol(ts)[:, 0], exact, atol=1e-9)


@pytest.mark.parametrize("rtol", [1e-4, 1e-9])
def test_lags_shorter_than_a_step_are_iterated(rtol):
    sol = sj.solve(decay(tau=1 / 16, t1=2.0), sj.Tsit5(), rtol=rtol, atol=1e-2 * rtol)
    assert abs(sol.y1[0] - decayed(2, tau=1 / 16)) < 2 * rtol
    # Loose steps are several lags long: there are 32 lags in the interval.
    assert rtol < 1e-6 or sol.stats.num_accepted < 12


def test_a_lag_that_vanishes_at_the_start_is_solved():
    assert abs(sj.solve(pantograph(), sj.Tsit5(), **TIGHT).y1 - math.exp(2)) < 5e-9


def test_lags_that_depend_on_the_state_reach_their_breaking_points():
    error = sj.solve(feldstein_neves(), sj.Tsit5(), **TIGHT).y1 - feldstein_neves_solution(5.0)
    assert abs(error) < 5e-9


@pytest.mark.full
def test_steps_end_on_breaking_points_of_lags_that_depend_on_the_state():
    sol = sj.solve(neves_thompson(), sj.Tsit5(), saveat=sj.SaveAt(steps=1, t1=True), **TIGHT)
    assert abs(sol.y1 - neves_thompson_solution(10.0)) < 1e-7
    times = np.asarray(sol.ts)
    for point in (math.e, math.e**2):
        assert np.nanmin(np.abs(times - point)) < 1e-8


def test_a_neutral_equation_has_a_slope_that_jumps_at_every_lag():
    sol = sj.solve(neutral_growth(), sj.Tsit5(), rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(sol.y1, neutral_growth_solution(3.5), rtol=1e-6)


def test_several_lags_in_a_system_of_pytrees_are_told_apart():
    # Built so that a = sin t and b = exp(-t) (1, 2), from a history of the same.
    def field(t, y, past, args):
        one, two = past(t - 0.5), jax.vmap(past)(jnp.stack([t - 1.25]))
        return {"a": jnp.cos(t) + two["a"][0] - jnp.sin(t - 1.25), "b": -jnp.exp(-0.5) * one["b"]}

    history = lambda t: {"a": jnp.sin(t), "b": jnp.exp(-t) * jnp.array([1.0, 2.0])}
    problem = sj.DDEProblem(field, history, 0.0, 3.0, lags=(0.5, 1.25))
    sol = sj.solve(problem, sj.Tsit5(), **TIGHT)
    np.testing.assert_allclose(sol.y1["a"], np.sin(3.0), atol=1e-8)
    np.testing.assert_allclose(sol.y1["b"], np.exp(-3.0) * np.array([1.0, 2.0]), atol=1e-8)


def in_full(method):
    return pytest.param(method, marks=pytest.mark.full)


@pytest.mark.parametrize(
    "method",
    [sj.Rodas5P(), in_full(sj.BDF()), in_full(sj.RadauIIA5()), in_full(sj.KenCarp4()), in_full(None)],
    ids=lambda method: type(method).__name__,
)
def test_stiff_delay_equations_take_few_steps_with_stiff_methods(method):
    def field(t, y, past, args):
        return -1000 * (y - jnp.sin(t)) + jnp.cos(t) + 5 * (past(t - 1.0) - jnp.sin(t - 1.0))

    problem = sj.DDEProblem(field, jnp.sin, 0.0, 5.0, lags=(1.0,), y0=jnp.asarray(0.5))
    sol = sj.solve(problem, method, rtol=1e-6, atol=1e-8)
    assert abs(sol.y1 - math.sin(5)) < 2e-5
    assert sol.stats.num_steps < 900
