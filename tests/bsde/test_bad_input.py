"""Wrong problems and options are refused with the rule, what was received, and the fix."""

import jax.numpy as jnp
import pytest

import sciml_jax as sj
from sciml_jax.bsde import FBSNN, DeepBSDE, FeynmanKac, MultilevelPicard, ParabolicProblem

from .equations import barenblatt


def total(x):
    return jnp.sum(x)


WRONG = {
    "drift": (dict(drift=jnp.zeros(3)), r"`drift` must give a number or shape \(2,\).*\(3,\)"),
    "diffusion": (dict(diffusion=jnp.ones((3, 2))), r"`diffusion` must give.*\(2, m\).*\(3, 2\)"),
    "diffusion function": (dict(diffusion=lambda t, x: jnp.ones(3)), r"`diffusion` must give"),
    "undeclared z": (dict(diffusion=jnp.ones((2, 3))), r"`z` must be declared.*z=None.*\(2, 3\).*Pass z="),
    "unknown z": (dict(z="gradient"), r"`z` must be 'sigma_grad' or 'grad'; got 'gradient'"),
    "terminal vector": (dict(terminal=lambda x: x), r"`terminal` must return one number"),
    "terminal not finite": (dict(terminal=lambda x: jnp.log(-total(x) - 1)), r"`terminal` must be finite; got nan"),
    "driver vector": (dict(driver=lambda t, x, u, z: z), r"`driver` must return one number"),
    "x0": (dict(x0=jnp.ones((2, 2))), r"`x0` must be one point.*\(2, 2\)"),
    "x0 not finite": (dict(x0=jnp.array([1.0, jnp.nan])), r"`x0` must be finite"),
    "times": (dict(t0=2.0), r"`t1` must come after `t0`"),
    "obstacle vector": (dict(obstacle=lambda t, x: x), r"`obstacle` must return one number"),
    "obstacle too high": (dict(obstacle=lambda t, x: total(x) + 0.5), r"`obstacle` must not be above.*above it by 0.5"),
    "obstacle too high elsewhere": (dict(obstacle=lambda t, x: jnp.maximum(total(x), 2.0)), r"`obstacle` must not be"),
    "terminal not finite, infinite": (dict(terminal=lambda x: total(x) / 0.0), r"`terminal` must be finite; got inf"),
    "diffusion of three axes": (dict(diffusion=jnp.ones((2, 2, 2))), r"`diffusion` must give"),
    "drift function": (dict(drift=lambda t, x: jnp.ones((2, 1))), r"`drift` must give a number"),
    "undeclared z of a function": (dict(diffusion=lambda t, x: jnp.ones((2, 1))), r"`z` must be declared"),
    "no coordinate": (dict(x0=jnp.ones(0)), r"`x0` must be one point"),
    "transition": (dict(transition=lambda t, x, dt, dw: x[0]), r"`transition` must return a point"),
}


@pytest.mark.parametrize("what", WRONG)
def test_wrong_problems_are_refused(what):
    changed, message = WRONG[what]
    good = dict(drift=0.0, diffusion=1.0, driver=None, terminal=total, x0=jnp.ones(2), t1=1.0)
    ParabolicProblem(**good)
    with pytest.raises(ValueError, match=message):
        ParabolicProblem(**(good | changed))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: DeepBSDE(guess_draws=3), "`guess_draws` must be even"),
        (lambda: DeepBSDE(num_paths=1), "`num_paths` must be at least 2"),
        (lambda: DeepBSDE(learning_rate=-1.0), "`learning_rate` must be positive"),
        (lambda: FeynmanKac(num_shifts=1), "`num_shifts` must be at least 2"),
        (lambda: MultilevelPicard(num_repeats=1), "`num_repeats` must be at least 2"),
    ],
)
def test_wrong_options_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize("method", [DeepBSDE(), FBSNN(), FeynmanKac(), MultilevelPicard()])
def test_obstacles_are_refused_where_they_are_not_treated(method):
    problem = ParabolicProblem(0.0, 1.0, None, total, jnp.ones(2), 1.0, obstacle=lambda t, x: total(x) - 1)
    with pytest.raises(ValueError, match=f"`{method.name}` does not treat obstacles.*DBDP1"):
        sj.solve(problem, method, key=0)


def test_an_unknown_reaction_to_failure_is_refused():
    problem = ParabolicProblem(0.0, 1.0, None, total, jnp.ones(2), 1.0)
    with pytest.raises(ValueError, match="`on_failure` must be 'raise' or 'return'; got 'ignore'"):
        sj.solve(problem, FeynmanKac(), key=0, on_failure="ignore")


def test_complex_starts_are_refused():
    with pytest.raises(TypeError, match="`x0` must be real; got dtype complex"):
        ParabolicProblem(0.0, 1.0, None, total, jnp.ones(2) + 1j, 1.0)


def test_lattices_need_a_prime():
    problem = ParabolicProblem(0.0, 1.0, None, total, jnp.ones(2), 1.0)
    with pytest.raises(ValueError, match="must be a prime.*got 1024"):
        sj.solve(problem, FeynmanKac(num_points=1024), key=0)


def test_a_key_is_needed():
    with pytest.raises(ValueError, match="needs `key`"):
        sj.solve(barenblatt(2), FeynmanKac())


def test_picard_refuses_gradients_with_a_varying_diffusion():
    with pytest.raises(ValueError, match="constant drift.*DeepBSDE"):
        sj.solve(barenblatt(2), MultilevelPicard(), key=0)


def test_a_driver_that_is_not_affine_has_a_status():
    problem = ParabolicProblem(0.0, 1.0, lambda t, x, u, z: -(u**2), total, jnp.ones(2), 1.0)
    sol = sj.solve(problem, FeynmanKac(num_points=61, num_shifts=2, num_steps=1), key=0, on_failure="return")
    assert sol.status == sj.bsde.BSDEStatus.NOT_LINEAR and jnp.isnan(sol.u0)
    with pytest.raises(sj.SolveError, match="NOT_LINEAR"):
        sj.solve(problem, FeynmanKac(num_points=61, num_shifts=2, num_steps=1), key=0)


def test_functions_of_the_point_are_refused_where_there_are_none():
    problem = ParabolicProblem(0.0, 1.0, None, total, jnp.ones(2), 1.0)
    sol = sj.solve(problem, FeynmanKac(num_points=61, num_shifts=2), key=0)
    with pytest.raises(TypeError, match="FBSNN"):
        sol(0.0, jnp.ones(2))
    with pytest.raises(TypeError, match="DeepBSDE"):
        sol.gradient(0.0, jnp.ones(2))
