"""Steady states and their derivatives against a problem that can be solved by hand."""

import jax
import jax.numpy as jnp
import pytest

import sciml_jax as sj
from tests.helpers import assert_trees_close

ARGS = jnp.array([2.0, 0.5])
METHODS = [sj.NewtonRaphson(), sj.DynamicSS()]


def field(t, y, args):
    """u' = a - u^2 v, v' = b u - v, at rest for u^3 = a / b, v = b u."""
    return {"u": args[0] - y["u"] ** 2 * y["v"][0], "v": args[1] * y["u"][None] - y["v"]}


def exact(args):
    u = (args[0] / args[1]) ** (1 / 3)
    return {"u": u, "v": args[1] * u[None]}


def problem(args=ARGS):
    return sj.SteadyStateProblem(field, {"u": jnp.array(1.0), "v": jnp.array([1.0])}, args)


def steady(args, method):
    return sj.solve(problem(args), method, rtol=1e-10, atol=1e-11).y1


@pytest.mark.parametrize("method", METHODS, ids=lambda m: m.name)
def test_state_and_derivatives_in_both_modes_are_exact(method):
    solution = jax.jit(lambda args: sj.solve(problem(args), method, rtol=1e-10, atol=1e-11))(ARGS)
    assert int(solution.status) == sj.Status.SUCCESS
    assert_trees_close(solution.y1, exact(ARGS), rtol=1e-9)
    for mode in (jax.jacfwd, jax.jacrev):
        assert_trees_close(jax.jit(mode(lambda args: steady(args, method)))(ARGS), mode(exact)(ARGS), rtol=1e-9)


def test_second_derivatives_and_vmap_are_exact():
    lanes = ARGS * jnp.linspace(0.8, 1.2, 3)[:, None]
    total = lambda function: jax.vmap(jax.hessian(lambda args: function(args)["u"] + function(args)["v"][0]))
    actual = jax.jit(total(lambda args: steady(args, sj.NewtonRaphson())))(lanes)
    assert_trees_close(actual, total(exact)(lanes), rtol=1e-10)


def test_the_initial_guess_has_no_derivative():
    def end(u):
        guess = {"u": u, "v": jnp.array([1.0])}
        return sj.solve(sj.SteadyStateProblem(field, guess, ARGS), sj.NewtonRaphson()).y1["u"]

    assert float(jax.grad(end)(1.0)) == 0.0


def test_closures_over_traced_values_are_differentiated():
    def end(a):
        here = sj.SteadyStateProblem(lambda t, y, args: a - y**3, jnp.array([1.5]))
        return sj.solve(here, sj.NewtonRaphson()).y1[0]

    gradient = jax.vmap(jax.grad(end))(jnp.array([1.0, 8.0]))
    assert_trees_close(gradient, jnp.array([1 / 3, 1 / 12]), rtol=1e-9)


def test_newton_converges_from_far_and_to_unstable_states():
    """atan has its root at 0; undamped Newton diverges from beyond 1.39. y' = y rests at 0 only."""
    for right in (jnp.arctan, lambda y: y):
        here = sj.SteadyStateProblem(lambda t, y, args, right=right: right(y), jnp.array([10.0]))
        assert abs(float(sj.solve(here, sj.NewtonRaphson(), atol=1e-12).y1[0])) < 1e-12


def test_the_default_follows_the_dynamics_to_the_stable_state():
    """y' = y - y^3 from 0.1 goes to 1; Newton finds the nearer root, 0."""
    here = sj.SteadyStateProblem(lambda t, y, args: y - y**3, jnp.array([0.1]))
    assert float(sj.solve(here).y1[0]) == pytest.approx(1.0, abs=1e-6)
    assert float(sj.solve(here, sj.NewtonRaphson()).y1[0]) == pytest.approx(0.0, abs=1e-9)


@pytest.mark.parametrize(
    ("right", "y0", "method", "status"),
    [
        (lambda y: 1 + y**2, 0.3, sj.NewtonRaphson(), sj.Status.MAX_STEPS),
        (lambda y: 0 * y + 1, 0.3, sj.NewtonRaphson(), sj.Status.SINGULAR),
        (lambda y: jnp.log(y), -1.0, sj.NewtonRaphson(), sj.Status.NON_FINITE),
        (lambda y: 0 * y + 1, 0.3, sj.DynamicSS(horizon=10.0), sj.Status.MAX_STEPS),
        (lambda y: 1 + y**2, 0.3, sj.DynamicSS(), sj.Status.STEP_TOO_SMALL),
        (lambda y: jnp.log(y), -1.0, sj.DynamicSS(), sj.Status.NON_FINITE),
    ],
)
def test_a_failure_has_a_status_and_no_state(right, y0, method, status):
    here = sj.SteadyStateProblem(lambda t, y, args: right(y), jnp.array([y0]))
    solution = sj.solve(here, method, max_steps=30 if "Newton" in method.name else 500, on_failure="status")
    assert sj.Status(int(solution.status)) == status
    assert bool(jnp.isnan(solution.y1[0]))
    with pytest.raises(sj.SolveError, match=status.name):
        sj.solve(here, method, max_steps=30 if "Newton" in method.name else 500)


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: sj.solve(problem(), sj.Tsit5()), TypeError, ("`Tsit5` solves", "SteadyStateProblem")),
        (lambda: sj.solve(problem(), adjoint=sj.Replay()), TypeError, ("`adjoint` must be", "sj.ImplicitAdjoint()")),
        (lambda: sj.solve(problem(), max_steps=None), ValueError, ("needs a bound", "max_steps=None")),
        (lambda: sj.solve(problem(), saveat=jnp.array([1.0])), TypeError, ("does not take the option `saveat`",)),
        (lambda: sj.solve(problem(), rtol=-1.0), ValueError, ("`rtol` must be finite and not negative",)),
        (lambda: sj.SteadyStateProblem(field, jnp.array([1.0j])), TypeError, ("must be real", "complex128")),
        (lambda: sj.SteadyStateProblem(field, jnp.array([jnp.nan])), ValueError, ("must be finite",)),
        (lambda: sj.DynamicSS(horizon=-1.0), ValueError, ("`horizon` must be positive",)),
        (lambda: sj.DynamicSS(method=sj.NewtonRaphson()), TypeError, ("`method` must be", "sj.Rodas5P()")),
    ],
)  # fmt: skip
def test_wrong_input_is_refused_by_name(call, error, words):
    with pytest.raises(error) as caught:
        call()
    for word in words:
        assert word in str(caught.value)
