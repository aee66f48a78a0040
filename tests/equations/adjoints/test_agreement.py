"""All adjoints give the same derivatives, those of forward sensitivities."""

import jax
import jax.numpy as jnp
import pytest

import sciml_jax as sj
from sciml_jax.zoo.van_der_pol import van_der_pol_field

from . import losses

ADJOINTS = {
    "Replay": sj.Replay(),
    "Checkpointed": sj.Checkpointed(),
    "Interpolating": sj.Interpolating(),
    "Gauss": sj.Gauss(),
    "Backsolve": sj.Backsolve(),
}


def adjoints(default, leave_out=()):
    """One test for every adjoint; those outside `default` run with `-m full` only."""
    marks = lambda name: () if name in default else pytest.mark.full
    return pytest.mark.parametrize(
        "adjoint", [pytest.param(a, id=n, marks=marks(n)) for n, a in ADJOINTS.items() if n not in leave_out]
    )


@pytest.fixture(scope="module")
def gradient_of():
    """Gradients by forward sensitivities, each computed once."""
    known = {}

    def gradient(name):
        if name not in known:
            loss, theta = getattr(losses, f"{name}_loss"), getattr(losses, name)()
            known[name] = jax.jit(jax.grad(lambda theta: loss(theta, sj.ForwardSensitivity())))(theta)
        return known[name]

    return gradient


@adjoints(["Replay", "Interpolating", "Gauss"])
def test_gradients_of_lotka_volterra_agree_with_respect_to_everything(adjoint, gradient_of):
    """`y0`, `args`, `t0`, `t1` and the save times."""
    gradient = jax.jit(jax.grad(lambda theta: losses.lotka_volterra_loss(theta, adjoint)))(losses.lotka_volterra())
    assert losses.relative_error(gradient, gradient_of("lotka_volterra")) < 1e-8


@adjoints(["Gauss"])
def test_gradients_of_a_brusselator_with_100_parameters_agree(adjoint, gradient_of):
    gradient = jax.jit(jax.grad(lambda theta: losses.brusselator_loss(theta, adjoint)))(losses.brusselator())
    assert losses.relative_error(gradient, gradient_of("brusselator")) < 1e-6


@pytest.mark.full
@adjoints(ADJOINTS, leave_out=["Backsolve"])
def test_gradients_of_the_stiff_pollution_problem_agree(adjoint, gradient_of):
    """But for Backsolve, which cannot integrate a stiff problem backwards."""
    gradient = jax.jit(jax.grad(lambda theta: losses.pollution_loss(theta, adjoint)))(losses.pollution())
    assert losses.relative_error(gradient, gradient_of("pollution")) < 1e-6


def test_forward_sensitivities_agree_with_an_exact_solution():
    """y' = a y - b t: y(t) = (y0 - b / a^2) e^(a t) + b (1 + a t) / a^2 for t0 = 0."""

    def exact(y0, args, t):
        a, b = args
        return (y0 - b / a**2) * jnp.exp(a * t) + b * (1 + a * t) / a**2

    def end(y0, args, t):
        problem = sj.ODEProblem(lambda t, y, args: args[0] * y - args[1] * t, y0, 0.0, t, args)
        return sj.solve(problem, sj.Tsit5(), rtol=1e-11, atol=1e-12, adjoint=sj.ForwardSensitivity()).y1

    point = jnp.array(0.7), jnp.array([-1.3, 0.4]), jnp.array(1.5)
    expected = jax.grad(exact, (0, 1, 2))(*point)
    assert losses.relative_error(jax.jacfwd(end, (0, 1, 2))(*point), expected) < 1e-8
    assert losses.relative_error(jax.grad(end, (0, 1, 2))(*point), expected) < 1e-8


def van_der_pol_gradients(adjoint):
    """d/dmu of the end of a van der Pol solution on its slow branch, for mu = 5 and 100; damping is about 3 mu."""

    def end(mu, t1):
        problem = sj.ODEProblem(van_der_pol_field, jnp.array([2.0, 0.0]), 0.0, t1, mu[None])
        options = {"rtol": 1e-8, "atol": 1e-10, "max_steps": 1000, "on_failure": "status"}
        return sj.solve(problem, sj.Rodas5P(), adjoint=adjoint, **options).y1[0]

    gradient = jax.jit(jax.grad(end))
    return [float(gradient(jnp.array(mu), jnp.array(t1))) for mu, t1 in ((5.0, 2.0), (100.0, 20.0))]


def test_backsolve_fails_where_the_problem_is_stiff_and_gauss_does_not():
    """What decays forwards like e^(-3 mu t) grows backwards: wrong without a sign of it, or not finite."""
    expected = van_der_pol_gradients(sj.Replay())
    for actual, right in zip(van_der_pol_gradients(sj.Gauss()), expected, strict=True):
        assert abs(actual / right - 1) < 1e-6
    mild, stiff = van_der_pol_gradients(sj.Backsolve())
    assert abs(mild / expected[0] - 1) > 1
    assert not abs(stiff / expected[1] - 1) < 0.1
