"""Interpolants through tables: against SciPy, at knots and ends, their derivatives, and what wrong tables say."""

import functools

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.lax import optimization_barrier
from scipy.interpolate import CubicSpline, PchipInterpolator

import sciml_jax as sj
from sciml_jax.numerics.tabulated import interpolants

RNG = np.random.default_rng(0)
TS = np.sort(RNG.uniform(0.0, 5.0, 12))
VALUES = RNG.normal(size=(12, 3))
INSIDE = np.linspace(TS[0], TS[-1], 101)
KINDS = [sj.PiecewiseConstant(), sj.PiecewiseLinear(), sj.CubicSpline(), sj.CubicSpline(natural=True), sj.Pchip()]
IDS = ["constant", "linear", "spline", "natural", "pchip"]


def scipy_twin(kind, ts, values):
    if isinstance(kind, sj.Pchip):
        return PchipInterpolator(ts, values)
    return CubicSpline(ts, values, bc_type="natural" if kind.natural else "not-a-knot")


@pytest.mark.parametrize("kind", KINDS[2:], ids=IDS[2:])
@pytest.mark.parametrize("rows", [2, 3, 4, 12])
def test_cubic_kinds_equal_scipys_values_and_derivatives(kind, rows):
    ts, values = TS[:rows], VALUES[:rows]
    ours, theirs = sj.interpolate(ts, values, kind), scipy_twin(kind, ts, values)
    times = np.linspace(ts[0], ts[-1], 23)
    scale = np.max(np.abs(theirs(times, 1)))
    np.testing.assert_allclose(ours(times), theirs(times), atol=1e-13 * scale)
    np.testing.assert_allclose(ours.derivative(times), theirs(times, 1), atol=1e-12 * scale)


def test_the_default_is_linear_and_holds_the_ends():
    forcing = sj.interpolate(TS, VALUES[:, 0])
    times = np.linspace(TS[0] - 1.0, TS[-1] + 1.0, 64)
    np.testing.assert_allclose(forcing(times), np.interp(times, TS, VALUES[:, 0]), atol=1e-14)
    assert float(forcing.derivative(TS[-1] + 0.5)) == 0.0


def test_piecewise_constant_is_continuous_from_the_right():
    dose = sj.interpolate([0.0, 1.0, 2.0], [1.0, 5.0, 3.0], sj.PiecewiseConstant())
    times = jnp.array([-1.0, 0.0, 0.5, np.nextafter(1.0, 0.0), 1.0, 1.5, 2.0, 3.0])
    np.testing.assert_array_equal(dose(times), [1.0, 1.0, 1.0, 1.0, 5.0, 5.0, 3.0, 3.0])


def test_piecewise_constant_keeps_its_left_value_where_the_interval_dwarfs_the_rounding_of_time():
    dose = sj.interpolate([-1000.0, 1.0, 2.0], [1.0, 5.0, 3.0], sj.PiecewiseConstant())
    assert float(dose(np.nextafter(1.0, 0.0))) == 1.0


@pytest.mark.parametrize("kind", KINDS, ids=IDS)
def test_every_kind_meets_the_table_at_its_knots(kind):
    np.testing.assert_allclose(sj.interpolate(TS, VALUES, kind)(TS), VALUES, atol=1e-15)


@pytest.mark.parametrize("kind", KINDS, ids=IDS)
def test_linearity_in_the_values_gives_their_derivative(kind):
    """All kinds but Pchip are linear in the values; Pchip is compared with a difference."""
    move = RNG.normal(size=VALUES.shape)
    at = jax.jit(lambda values: sj.interpolate(TS, values, kind)(INSIDE))
    forward = jax.jvp(at, (VALUES,), (move,))[1]
    expected = (at(VALUES + 1e-6 * move) - at(VALUES - 1e-6 * move)) / 2e-6
    np.testing.assert_allclose(forward, expected, atol=1e-6 * np.max(np.abs(expected)))
    weights = RNG.normal(size=forward.shape)
    backward = jax.grad(lambda values: jnp.sum(weights * at(values)))(jnp.asarray(VALUES))
    np.testing.assert_allclose(jnp.sum(backward * move), jnp.sum(weights * forward), rtol=1e-11)


@pytest.mark.parametrize("kind", KINDS[1:], ids=IDS[1:])
def test_derivatives_with_respect_to_the_times_of_the_table(kind):
    move, time = RNG.normal(size=TS.shape), jnp.array([0.5 * (TS[4] + TS[5])])
    at = jax.jit(lambda ts: sj.interpolate(ts, VALUES, kind)(time))
    forward = jax.jvp(at, (TS,), (move,))[1]
    expected = (at(TS + 1e-6 * move) - at(TS - 1e-6 * move)) / 2e-6
    np.testing.assert_allclose(forward, expected, rtol=1e-5, atol=1e-6)


def test_pchip_is_monotone_and_does_not_overshoot_a_step():
    forcing = sj.interpolate(jnp.arange(6.0), jnp.array([0.0, 0.0, 0.0, 1.0, 1.0, 1.0]), sj.Pchip())
    values = forcing(jnp.linspace(0.0, 5.0, 201))
    assert np.all(np.diff(values) >= 0) and values.min() == 0.0 and values.max() == 1.0


def test_a_derivative_of_pchip_is_finite_where_the_data_are_flat():
    flat = jnp.array([0.0, 0.0, 0.0, 1.0, 1.0, 0.5])
    gradient = jax.jit(jax.grad(lambda v: sj.interpolate(jnp.arange(6.0), v, sj.Pchip())(2.3)))(flat)
    assert np.all(np.isfinite(gradient))


def test_values_may_be_a_pytree_of_any_shapes_and_dtypes():
    table = {"a": VALUES.astype(np.float32), "b": (VALUES[:, 0] + 1j * VALUES[:, 1])}
    out = sj.interpolate(TS, table, sj.CubicSpline())(INSIDE[50])
    assert out["a"].shape == (3,) and out["a"].dtype == jnp.float32
    real = sj.interpolate(TS, VALUES, sj.CubicSpline())(INSIDE[50])
    np.testing.assert_allclose(out["b"], real[0] + 1j * real[1], rtol=1e-13)
    np.testing.assert_allclose(out["a"], real, rtol=3e-6, atol=1e-6)


def test_a_time_of_many_axes_puts_them_in_front():
    times = INSIDE[:6].reshape(2, 3)
    forcing = sj.interpolate(TS, VALUES, sj.Pchip())
    assert forcing(times).shape == (2, 3, 3)
    np.testing.assert_array_equal(forcing(times)[1, 2], forcing(INSIDE[5]))


def test_outside_the_table_a_number_can_be_asked_for():
    forcing = sj.interpolate(TS, VALUES[:, 0], outside=float("nan"))
    assert np.isnan(forcing(TS[0] - 0.1)) and np.isnan(forcing(TS[-1] + 0.1))
    assert np.all(np.isfinite(forcing(TS[[0, -1]])))


def test_a_batch_of_tables_is_one_vmap():
    tables = jnp.stack([VALUES[:, 0], VALUES[:, 1]])
    batched = jax.vmap(lambda v: sj.interpolate(TS, v, sj.CubicSpline())(INSIDE[40]))(tables)
    np.testing.assert_allclose(batched, sj.interpolate(TS, VALUES, sj.CubicSpline())(INSIDE[40])[:2], rtol=1e-13)


def test_traced_times_that_are_not_sorted_give_nan():
    at = jax.jit(lambda ts: sj.interpolate(ts, jnp.arange(3.0))(0.5))
    assert np.isnan(at(jnp.array([0.0, 2.0, 1.0]))) and at(jnp.array([0.0, 1.0, 2.0])) == 0.5


class Driven(eqx.Module):
    table: dict

    def __call__(self, t, y, args):
        return self.table["u"](t) - y

    def rate(self, t, y, args):
        return -self(t, y, args)


GLOBAL = sj.interpolate(TS, VALUES[:, 0])


def test_interpolants_are_found_in_modules_closures_globals_and_functions_that_are_named():
    forcing = GLOBAL
    through, held = lambda t: forcing(t), {"u": forcing}
    fields = [
        Driven(held),
        Driven(held).rate,
        lambda t, y, args: forcing(t) - y,
        lambda t, y, args: GLOBAL(t) - y,
        lambda t, y, args: through(t) - y,
        lambda t, y, args: held["u"](t) - y,
        jax.jit(lambda t, y, args: forcing(t) - y),
        jax.tree_util.Partial(lambda u, t, y, args: u(t) - y, forcing),
        functools.partial(lambda u, t, y, args: u(t) - y, forcing),
    ]
    for field in fields:
        problem = sj.ODEProblem(field, jnp.ones(1), 0.0, 1.0)
        assert [found is forcing for found in interpolants(problem.vector_field, problem.args)] == [True]
    assert list(interpolants(sj.ODEProblem(lambda t, y, args: -y, jnp.ones(1), 0.0, 1.0), (1.0, "a", None))) == []


@pytest.mark.parametrize(
    ("ts", "values", "kind", "error", "message"),
    [
        ([0.0], [1.0], None, ValueError, "at least two times"),
        ([[0.0, 1.0]], [1.0], None, ValueError, "one-dimensional"),
        ([0.0, 2.0, 1.0], [1.0, 1.0, 1.0], None, ValueError, r"increase strictly; got ts\[1\] = 2 and ts\[2\] = 1"),
        ([0.0, 1.0, 1.0], [1.0, 1.0, 1.0], None, ValueError, "one row per time"),
        ([0.0, np.nan], [1.0, 1.0], None, ValueError, "1 times that are not"),
        ([0.0, 1.0], np.ones(3), None, ValueError, r"one row for each of the 2 times; got float64\[3\]"),
        ([0.0, 1.0], 1.0, None, ValueError, "time axis first"),
        ([0.0, 1.0], (), None, ValueError, "at least one array"),
        ([0.0, 1.0], [1.0, np.inf], None, ValueError, "1 of 2 that are not"),
        ([0.0, 1.0], [1.0, 1.0j], sj.Pchip(), TypeError, "must be real"),
        ([0.0, 1.0], [1.0, 1.0], sj.Pchip, TypeError, r"got the class `Pchip`. Call it"),
        ([0.0, 1.0], [1.0, 1.0], "linear", TypeError, r"`sj.PiecewiseLinear\(\)`"),
    ],
)
def test_wrong_tables_are_refused_by_the_rule(ts, values, kind, error, message):
    with pytest.raises(error, match=message):
        sj.interpolate(ts, values, kind)


def test_a_field_may_name_a_function_of_a_library_whose_globals_cannot_be_sorted():
    field = lambda t, y, p: optimization_barrier(-p * y)
    assert list(interpolants(field, 1.0)) == []
