"""Corners that were once wrong: derivatives at moving ends, precision, odd outputs, and what must not be kept alive."""

import gc

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import sciml_jax as sj
from sciml_jax.equations.engine.plan import Plan


def decay(t, y, rate):
    return -rate * y


PROBLEM = sj.ODEProblem(decay, jnp.ones(1), 0.0, 1.0, 0.5)


def test_dense_output_moves_with_both_ends_of_the_interval():
    def value(t0, t1, t):
        problem = sj.ODEProblem(decay, jnp.ones(1), t0, t1, 0.5)
        return sj.solve(problem, sj.Tsit5(), saveat=sj.SaveAt(dense=True), rtol=1e-9, atol=1e-11, max_steps=64)(t)[0]

    at_end = jax.grad(lambda t1: value(0.0, t1, t1))(1.0)
    np.testing.assert_allclose(at_end, -0.5 * np.exp(-0.5), rtol=1e-7)
    at_start = jax.grad(lambda t0: value(t0, 1.0, 0.5))(0.0)
    np.testing.assert_allclose(at_start, 0.5 * np.exp(-0.25), rtol=1e-7)


def test_a_tolerance_below_float32_is_raised_to_what_it_can_hold():
    problem = sj.ODEProblem(decay, jnp.ones(1, jnp.float32), 0.0, 1.0, 0.5)
    with pytest.warns(UserWarning, match="float64"):
        sol = sj.solve(problem, sj.Tsit5(), rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(sol.y1, np.exp(-0.5), rtol=1e-5)


def test_leaves_of_different_precision_keep_it():
    y0 = {"a": jnp.float32(1.0), "b": jnp.ones(2)}
    problem = sj.ODEProblem(lambda t, y, args: jax.tree_util.tree_map(jnp.negative, y), y0, 0.0, 1.0)
    y1 = sj.solve(problem).y1
    assert (y1["a"].dtype, y1["b"].dtype) == (jnp.float32, jnp.float64)
    np.testing.assert_allclose(y1["b"], np.exp(-1.0), rtol=1e-3)


def test_a_saved_function_may_return_plain_numbers():
    ys = sj.solve(PROBLEM, sj.Tsit5(), saveat=sj.SaveAt(t0=True, t1=True, fn=lambda t, y, args: (1.0, t))).ys
    np.testing.assert_array_equal(ys[0], [1.0, 1.0])
    np.testing.assert_array_equal(ys[1], [0.0, 1.0])


def test_saving_less_often_than_there_may_be_steps_is_refused():
    with pytest.raises(ValueError, match="Pass a smaller k"):
        sj.solve(PROBLEM, sj.Tsit5(), saveat=sj.SaveAt(steps=5000))


def test_a_vector_field_of_too_few_arguments_is_refused_at_once():
    with pytest.raises(TypeError, match=r"called with \(t, y, args\); got one that takes \(t, y\)"):
        sj.ODEProblem(lambda t, y: -y, jnp.ones(1), 0.0, 1.0)


def test_a_state_that_was_exchanged_for_integers_is_refused():
    with pytest.raises(TypeError, match="`y0` must have float"):
        sj.solve(eqx.tree_at(lambda p: p.y0, PROBLEM, jnp.ones(1, int)))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"rtol": -1.0}, "not negative"),
        ({"dt0": -0.1}, "must be positive"),
        ({"on_failure": "xx"}, "'raise' or 'status'"),
        ({"saveat": [0.5, 0.2]}, "must be increasing"),
    ],
)
def test_diffrax_solvers_get_the_same_checks(options, message):
    with pytest.raises(ValueError, match=message):
        sj.solve(PROBLEM, diffrax.Tsit5(), **options)


def test_diffrax_refuses_a_vector_field_of_the_wrong_shape():
    problem = sj.ODEProblem(lambda t, y, args: y[:1], jnp.ones(2), 0.0, 1.0)
    with pytest.raises(ValueError, match="structure and shapes of the state"):
        sj.solve(problem, diffrax.Tsit5())


@pytest.mark.parametrize("method", [sj.Tsit5(), diffrax.Tsit5()], ids=["ours", "diffrax"])
def test_traced_times_outside_the_interval_become_a_status(method):
    sol = jax.jit(lambda ts: sj.solve(PROBLEM, method, saveat=ts))(jnp.array([0.5, 2.0]))
    assert int(sol.status) == sj.Status.BAD_INPUT
    assert np.all(np.isnan(sol.ys))


def end(rate):
    return sj.solve(sj.ODEProblem(lambda t, y, _: -rate * y, jnp.ones(1), 0.0, 1.0), sj.Tsit5()).y1[0]


def test_gradients_pass_under_debug_nans():
    with jax.debug_nans(True):
        np.testing.assert_allclose(jax.grad(end)(2.0), -np.exp(-2.0), rtol=1e-5)


def test_gradients_pass_under_strict_promotion():
    with jax.numpy_dtype_promotion("strict"):
        np.testing.assert_allclose(jax.grad(end)(2.0), -np.exp(-2.0), rtol=1e-5)


def test_a_closure_over_a_traced_value_is_not_kept_alive():
    def plans():
        gc.collect()
        return sum(isinstance(held, Plan) for held in gc.get_objects())

    before = plans()
    for _ in range(3):
        jax.grad(end)(3.0)
    assert plans() == before


RATE = 0.5


def reads_a_global(t, y, args):
    return -RATE * y


def test_an_eager_solve_sees_that_a_global_a_closure_or_an_array_has_changed():
    rates = np.array([0.5])

    def reads_a_closure(t, y, args):
        return -factor * rates[0] * y

    def value(field):
        return float(sj.solve(sj.ODEProblem(field, jnp.ones(1), 0, 1), sj.Tsit5(), rtol=1e-8, atol=1e-10).y1[0])

    global RATE
    factor = 1.0
    assert value(reads_a_global) == pytest.approx(np.exp(-0.5), rel=1e-7)
    RATE = 2.0
    assert value(reads_a_global) == pytest.approx(np.exp(-2.0), rel=1e-7)
    assert value(reads_a_closure) == pytest.approx(np.exp(-0.5), rel=1e-7)
    rates[0] = 2.0
    assert value(reads_a_closure) == pytest.approx(np.exp(-2.0), rel=1e-7)
    factor = 0.5
    assert value(reads_a_closure) == pytest.approx(np.exp(-1.0), rel=1e-7)


def switched(t, y, at):
    return jnp.where(t < at, 1.0, 3.0) * jnp.ones_like(y)


def reached(at, start=0.0):
    problem = sj.ODEProblem(switched, jnp.zeros(1), start, 1.0, at)
    return sj.solve(problem, sj.Tsit5(), controller=sj.PIDController(tstops=jnp.stack([at, 1.0])), max_steps=32).y1[0]


@pytest.mark.parametrize("derivative", [jax.grad, jax.jacfwd, lambda f: jax.vmap(jax.grad(f))])
def test_the_derivative_with_respect_to_a_time_of_change_comes_from_the_stop(derivative):
    at = jnp.array(0.4)
    np.testing.assert_allclose(reached(at), 0.4 + 3 * 0.6, rtol=1e-12)
    got = derivative(reached)(jnp.stack([at, at]) if derivative not in (jax.grad, jax.jacfwd) else at)
    np.testing.assert_allclose(got, -2.0, rtol=1e-10)


def test_the_second_derivative_passes_over_stops_too():
    def squared(at):
        return reached(at) ** 2

    np.testing.assert_allclose(jax.hessian(squared)(jnp.array(0.4)), 2 * 2.0**2, rtol=1e-9)


def test_a_gradient_where_one_component_depends_on_fixed_parameters_only():
    """A slope without a tangent of its own went into a barrier whose transpose took it for linear."""

    def height(h, g):
        falling = sj.ODEProblem(lambda t, y, g: jnp.stack([y[1], -g]), jnp.stack([h, 0.0]), 0.0, 1.0, g)
        return sj.solve(falling, sj.Tsit5()).y1[0]

    assert jax.jit(jax.grad(height))(jnp.array(20.0), jnp.array(9.8)) == pytest.approx(1.0, abs=1e-12)


def test_a_large_array_state_is_integrated():
    """Reductions of 4,096 entries and more cannot be in one kernel of XLA:CPU."""
    sol = sj.solve(sj.ODEProblem(lambda t, y, a: -y, jnp.ones(5000), 0.0, 1.0), sj.Tsit5(), rtol=1e-8, atol=1e-10)
    assert jnp.allclose(sol.y1, jnp.exp(-1.0), rtol=1e-7)
