"""Runge-Kutta-Chebyshev: stability on the negative axis, order, the choice of stages, derivatives, wrong input."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import observed_order
from scipy.linalg import expm

import sciml_jax as sj
from sciml_jax.equations.methods.spectral_radius import estimate_spectral_radius
from sciml_jax.zoo.modulated_hopf import modulated_hopf_field

N = 100
GRID = np.arange(1, N + 1) / (N + 1)
LAPLACIAN = (np.diag(np.ones(N - 1), 1) - 2 * np.eye(N) + np.diag(np.ones(N - 1), -1)) * (N + 1) ** 2
RADIUS = 4.0 * (N + 1) ** 2
START = jnp.asarray(np.sin(np.pi * GRID) + 0.5 * (np.abs(GRID - 0.5) < 0.2))
END = 0.1


class Field:
    """What a method's `step` asks for, for a state that is one array."""

    def __init__(self, field):
        self.field = field

    def vector_field(self, t, y):
        return (self.field(t, y[0]),)


def heat(t, y, diffusivity):
    """Zero at both ends, second differences."""
    padded = jnp.pad(y, 1)
    return diffusivity * (padded[2:] - 2 * y + padded[:-2]) * (N + 1) ** 2


def solve(method, rtol=1e-4, diffusivity=1.0, **options):
    problem = sj.ODEProblem(heat, START, 0.0, END, diffusivity)
    return sj.solve(problem, method, rtol=rtol, atol=rtol, max_steps=20000, **options)


@functools.cache
def heat_at_the_end():
    return expm(END * LAPLACIAN) @ np.asarray(START)


def amplification(stages, z):
    """The factor of one step for y' = z y, h = 1, with this number of stages."""
    method = sj.RKC(spectral_radius=0.65 * (stages**2 - 1) * 0.999, max_stages=stages)
    assert int(method.stages(1.0, method.spectral_radius)) == stages
    step = jax.jit(lambda z: method.step(Field(lambda t, y: z * y), 0.0, 1.0, (jnp.ones_like(z),), None).y1[0])
    return np.asarray(step(jnp.asarray(z)))


@pytest.mark.parametrize("stages", [2, 3, 10, 100])
def test_a_step_is_damped_up_to_the_edge_and_unstable_beyond(stages):
    edge = 0.65 * (stages**2 - 1)
    inside = amplification(stages, -np.linspace(0.0, edge, 4001))
    assert np.max(np.abs(inside)) < 1 + 1e-12
    assert np.max(np.abs(inside[400:])) < 0.97
    assert np.max(np.abs(amplification(stages, -edge * np.linspace(1.05, 1.5, 50)))) > 1.2


@pytest.mark.parametrize("stages", [2, 5, 40])
def test_every_number_of_stages_has_order_two(stages):
    """On a nonlinear problem that depends on time, with the radius that gives this number of stages."""
    args, y0 = jnp.array([0.9, 1.3]), jnp.array([0.5, 0.2])

    @functools.partial(jax.jit, static_argnums=0)
    def end(n):
        method = sj.RKC(spectral_radius=0.64 * (stages**2 - 1) * n / 1.5, max_stages=stages)
        field = Field(lambda t, y: modulated_hopf_field(t, y, args))
        knots = jnp.linspace(0.1, 1.6, n + 1)
        return jax.lax.scan(
            lambda y, ends: (method.step(field, *ends, (y,), None).y1[0], None), y0, (knots[:-1], knots[1:])
        )[0]

    counts = [32, 64, 128, 256, 512]
    exact = end(4096)
    errors = [np.max(np.abs(end(n) - exact)) for n in counts]
    assert abs(observed_order([1.5 / n for n in counts], errors) - 2) < 0.1, errors


def test_only_the_stages_that_are_needed_are_evaluated():
    evaluated = []

    def field(t, y):
        jax.debug.callback(lambda: evaluated.append(1))
        return -y

    method = sj.RKC(spectral_radius=0.65 * 15**2, max_stages=64)
    jax.block_until_ready(jax.jit(lambda y: method.step(Field(field), 0.0, 1.0, (y,), None).y1)(jnp.ones(3)))
    jax.effects_barrier()
    # The first stage is f0; the sixteenth argument is y1, where f1 is evaluated.
    assert int(method.stages(1.0, method.spectral_radius)) == 16
    assert len(evaluated) == 17


@functools.cache
def heat_solution(rtol):
    return solve(sj.RKC(spectral_radius=RADIUS), rtol, saveat=sj.SaveAt(t0=True, steps=1))


def evaluations(sol, method):
    """An upper bound: rejected steps are counted with the largest number of stages."""
    sizes = np.diff(np.asarray(sol.ts)[np.isfinite(sol.ts)])
    stages = np.asarray(method.stages(jnp.asarray(sizes), RADIUS))
    return int(stages.sum() + int(sol.stats.num_rejected) * stages.max())


def test_the_heat_equation_takes_a_fraction_of_the_evaluations_of_tsit5():
    method = sj.RKC(spectral_radius=RADIUS)
    sol, explicit = heat_solution(1e-4), solve(sj.Tsit5())
    for found in (sol, explicit):
        np.testing.assert_allclose(found.y1, heat_at_the_end(), atol=1e-3)
    assert evaluations(sol, method) < int(explicit.stats.num_vector_field) / 8
    assert int(sol.stats.num_steps) < int(explicit.stats.num_steps) / 15


def test_the_error_falls_as_two_thirds_of_a_power_of_the_tolerance():
    tolerances = [1e-3, 1e-4, 1e-5, 1e-6]
    errors = [np.max(np.abs(heat_solution(rtol).y1 - heat_at_the_end())) for rtol in tolerances]
    assert 0.5 < np.polyfit(np.log(tolerances), np.log(errors), 1)[0] < 0.85, errors
    assert errors[-1] < 2e-5


def test_without_a_spectral_radius_the_steps_are_the_same():
    estimated, given = solve(sj.RKC()), heat_solution(1e-4)
    assert abs(int(estimated.stats.num_accepted) - int(given.stats.num_accepted)) <= 3
    np.testing.assert_allclose(estimated.y1, given.y1, atol=2e-4)


def laplacian_2d(t, y):
    padded = jnp.pad(y, 1)
    return padded[2:, 1:-1] + padded[:-2, 1:-1] + padded[1:-1, 2:] + padded[1:-1, :-2] - 4 * y


RADII = {
    "heat": (lambda t, y: heat(t, y, 1.0), START, RADIUS),
    "heat from zero": (lambda t, y: heat(t, y, 1.0) + 1.0, jnp.zeros(N), RADIUS),
    "heat in two dimensions": (laplacian_2d, jnp.asarray(np.random.default_rng(0).normal(size=(40, 40))), 8.0),
    "rotation": (lambda t, y: 3.0 * jnp.stack([-y[1], y[0]]), jnp.array([1.0, 2.0]), 3.0),
    "one number": (lambda t, y: -5.0 * y, jnp.array(2.0), 5.0),
    "nonlinear": (lambda t, y: -(y**3), jnp.array([1.0, 2.0]), 12.0),
    "constant": (lambda t, y: 0 * y + 1.0, jnp.ones(3), 0.0),
    "complex": (lambda t, y: (-3 + 4j) * y, jnp.array([1.0 + 1j]), 5.0),
}


@pytest.mark.parametrize("name", RADII)
def test_the_estimated_spectral_radius_is_not_too_small_and_a_quarter_too_large_at_most(name):
    field, y, radius = RADII[name]
    found = estimate_spectral_radius(Field(field), 0.0, (y,), (field(0.0, y),), 5)
    assert radius <= float(found) <= 1.25 * radius


def test_where_the_stages_do_not_suffice_stability_limits_the_steps():
    few = solve(sj.RKC(spectral_radius=RADIUS, max_stages=10))
    assert int(few.stats.num_steps) > 2 * int(heat_solution(1e-4).stats.num_steps)
    np.testing.assert_allclose(few.y1, heat_at_the_end(), atol=1e-3)


def test_the_gradient_by_the_diffusivity_is_that_of_the_exact_solution_and_forward_equals_reverse():
    weights = np.cos(3 * GRID)
    method = sj.RKC(spectral_radius=1.2 * RADIUS, max_stages=60)
    end = lambda d: jnp.vdot(weights, solve(method, 1e-6, d, saveat=jnp.array([END / 3, END])).ys.sum(axis=0))
    reverse, forward = jax.jit(jax.grad(end))(1.1), jax.jit(jax.jacfwd(end))(1.1)
    exact = sum(weights @ LAPLACIAN @ expm(1.1 * t * LAPLACIAN) @ np.asarray(START) * t for t in (END / 3, END))
    np.testing.assert_allclose(reverse, forward, rtol=1e-11)
    np.testing.assert_allclose(reverse, exact, rtol=1e-3)


CASES = {
    "negative radius": ({"spectral_radius": -1.0}, ValueError, "must be positive", "-1.0", "4 * D / dx"),
    "infinite radius": ({"spectral_radius": np.inf}, ValueError, "finite", "inf", "4 * D / dx"),
    "array radius": ({"spectral_radius": jnp.ones(2)}, TypeError, "known when tracing", "[2]", "Pass a float"),
    "text for a radius": ({"spectral_radius": "large"}, TypeError, "real number", "large", "Pass a float"),
    "one stage": ({"max_stages": 1}, ValueError, "at least 2", "1", "default"),
    "half a stage": ({"max_stages": 2.5}, TypeError, "must be an integer", "2.5", "max_stages=50"),
    "no iterations": ({"power_iterations": 0}, ValueError, "at least 1", "0", "default"),
}


@pytest.mark.parametrize("name", CASES)
def test_wrong_options_are_refused_with_rule_value_and_fix(name):
    options, kind, *words = CASES[name]
    with pytest.raises(kind) as caught:
        sj.RKC(**options)
    assert all(word in str(caught.value) for word in words), str(caught.value)


def test_a_traced_radius_is_refused_and_a_concrete_array_is_a_number():
    assert sj.RKC(spectral_radius=jnp.asarray(2.0)) == sj.RKC(spectral_radius=2)
    with pytest.raises(TypeError, match="known when tracing"):
        jax.jit(lambda radius: sj.RKC(spectral_radius=radius).order)(3.0)


def test_the_spectral_radius_may_be_a_function_of_time_state_and_arguments():
    function = lambda t, y, diffusivity: diffusivity * RADIUS
    end = lambda method: jax.jit(jax.value_and_grad(lambda d: jnp.sum(solve(method, diffusivity=d).y1)))(1.0)
    np.testing.assert_allclose(end(sj.RKC(function)), end(sj.RKC(RADIUS)), rtol=1e-12)
    with pytest.raises(ValueError, match="must return a real scalar"):
        solve(sj.RKC(lambda t, y, args: y))
