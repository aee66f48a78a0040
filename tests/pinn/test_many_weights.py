"""Optimisers see weights in their shapes, and the error estimate needs no matrix where weights are many."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import sciml_jax as sj
from sciml_jax.pinn import error_estimate as estimates
from sciml_jax.pinn import residual_system as systems
from sciml_jax.pinn.damped_steps import start_state

from .problems import SMALL, bell
from .test_solution import PLANAR, poisson

pinn = sj.pinn


def error_of(sol, exact):
    points = sol.domain.interior(jax.random.key(9), 500)
    expected = jax.vmap(exact)(points)
    return float(jnp.linalg.norm(sol(points) - expected) / jnp.linalg.norm(expected))


def test_an_optimiser_gets_matrices_as_matrices():
    """On one long vector SOAP would be Adam."""
    seen = []

    def update(gradients, state, params=None):
        seen.append(sorted(leaf.shape for leaf in jax.tree_util.tree_leaves(params)))
        return jax.tree_util.tree_map(jnp.zeros_like, gradients), state

    optimizer = optax.GradientTransformation(lambda params: (), update)
    problem, _ = bell()
    sj.solve(problem, pinn.PINN(width=8, depth=2, num_points=20, num_steps=1, block=1, optimizer=optimizer), key=0)
    matrices = [shape for shape in seen[0] if len(shape) == 2]
    assert sorted(map(sorted, matrices)) == [[1, 8], [1, 8], [8, 8]]


@pytest.mark.parametrize(
    ("optimizer", "steps"),
    [
        pytest.param(sj.training.ss_broyden(), 200, marks=pytest.mark.full),
        (sj.training.natural_gradient(max_iterations=30), 60),
    ],
    ids=["ss_broyden", "natural_gradient"],
)
def test_deterministic_optimisers_see_all_points_and_go_deep(optimizer, steps):
    problem, exact = bell()
    method = pinn.PINN(width=8, depth=1, num_points=60, num_steps=steps, block=steps // 2, optimizer=optimizer,
                       minibatch=1.0)  # fmt: skip
    sol = sj.solve(problem, method, key=0)
    error = error_of(sol, exact)
    assert error < 1e-4
    assert 0.1 * error < float(sol.error_estimate) < 10 * error


@pytest.mark.parametrize(
    "make", [pytest.param((bell, SMALL), marks=pytest.mark.full), (poisson, PLANAR)], ids=["bell", "poisson"]
)
def test_the_error_estimate_without_a_matrix_is_within_a_factor_of_ten_of_the_truth(make):
    (problem, exact), method = make[0](), make[1]
    sol = sj.solve(problem, method, key=1)
    points = problem.domain.interior(jax.random.key(3), method.num_points)
    state = start_state(sol.vector, points)
    balance = systems.Balance(1.0)

    @jax.jit
    def both(key):
        run = lambda dense: estimates.estimate_error(sol.system, state, key, method.num_boundary, balance, dense=dense)
        return run(True).relative, run(False).relative

    with_matrix, without = map(float, both(jax.random.key(4)))
    error = error_of(sol, exact)
    assert 0.1 * error < without < 10 * error
    assert 0.2 * with_matrix < without < 5 * with_matrix


def test_above_three_thousand_weights_memory_does_not_hold_a_matrix():
    """12,961 weights: the matrix alone would take 1.3 GB."""
    problem, _ = bell()
    method = pinn.PINN(width=80, depth=3, num_points=50, num_boundary=10)
    system = method.system(problem, jax.random.key(0))
    state = start_state(system.start, problem.domain.interior(jax.random.key(1), 50))
    n = system.start.size

    def relative(vector, key):
        now = state._replace(vector=vector)
        return estimates.estimate_error(system, now, key, 10, systems.Balance(1.0)).relative

    compiled = jax.jit(relative).lower(system.start, jax.random.key(0)).compile()
    assert n > estimates.DENSE_WEIGHTS
    assert compiled.memory_analysis().temp_size_in_bytes < 0.25 * 8 * n**2


def test_sizes_of_derivatives_in_parts_are_those_at_once(monkeypatch):
    problem, _ = bell()
    system = SMALL.system(problem, jax.random.key(0))
    points = problem.domain.interior(jax.random.key(1), 7)
    sizes = lambda: jax.jit(lambda vector: systems._sizes(system.residual, vector, points))(system.start)
    at_once = sizes()
    monkeypatch.setattr(systems, "HELD", 3 * system.start.size)
    np.testing.assert_allclose(sizes(), at_once, rtol=1e-12)


@pytest.mark.parametrize("share", [0.0, 1.5])
def test_a_minibatch_is_a_share(share):
    with pytest.raises(ValueError, match=r"share in \(0, 1\]"):
        pinn.PINN(minibatch=share)


@pytest.mark.full
def test_an_inverse_problem_finds_an_unknown_function():
    """(k u')' = -f with u and one value of k known: k = 1 + x^2 / 2 from u = sin(2 x)."""
    line = pinn.Box({"x": (0.0, 1.0)})
    k, u = lambda z: 1 + z[0] ** 2 / 2, lambda z: jnp.sin(2 * z[0])
    flux = lambda k, u, z: k(z) * line.partials(u, z, "x")[0]
    divergence = lambda k, u, z: line.partials(lambda z: flux(k, u, z), z, "x")[0]

    def residual(found, z, net):
        return divergence(lambda z: net(z)[0], found, z) - divergence(k, u, z)

    points = jnp.linspace(0.0, 1.0, 40)[:, None]
    known = pinn.Condition(line.face("x", "lower"), lambda u, z, normal, net: net(z)[0] - 1.0)
    data = pinn.Data(points, jax.vmap(u)(points))
    unknown = sj.networks.MLP(1, 1, 6, 1, key=5)
    problem = pinn.PDEProblem(line, residual, [data, known], unknown=unknown)
    sol = sj.solve(problem, SMALL, key=0)
    inside = points[:30]
    np.testing.assert_allclose(jax.vmap(sol.unknown)(inside)[:, 0], jax.vmap(k)(inside), atol=1e-2)


@pytest.mark.full
def test_robin_walls_and_an_integral_determine_a_solution():
    """-u'' = 1 on (0, 1), u' = u at 0 (with outward slope -u'), and a mean: u = 1/2 + x/2 - x^2/2 has the mean 7/12."""
    line = pinn.Box({"x": (0.0, 1.0)})
    residual = lambda u, z, params: line.partials(u, z, "xx")[0] + 1.0
    wall = pinn.Robin(line.face("x", "lower"), 1.0, 1.0, 0.0)
    problem = pinn.PDEProblem(line, residual, [wall, pinn.Integral(line, 7 / 12, num_points=4000)])
    sol = sj.solve(problem, SMALL, key=0)
    assert error_of(sol, lambda z: 0.5 + z[0] / 2 - z[0] ** 2 / 2) < 2e-2


@pytest.mark.full
def test_the_stochastic_laplacian_needs_no_more_memory_per_coordinate_than_points_and_network():
    """From 100 to 1,000 coordinates: below what two Hessians' worth would be, one number per point and coordinate."""

    def temporary(d, samples=4, points=16):
        net = sj.networks.MLP(d, 1, 16, 2, key=0)
        z, keys = jnp.zeros((points, d)), jax.random.split(jax.random.key(0), points)
        trained, rest = sj.core.tree.partition(net)

        def loss(trained):
            u = lambda z: sj.core.tree.combine(trained, rest)(z)[0]
            at = jax.vmap(lambda z, key: sj.pinn.stochastic_laplacian(u, z, key, num_samples=samples))
            return jnp.mean(at(z, keys) ** 2)

        return jax.jit(jax.grad(loss)).lower(trained).compile().memory_analysis().temp_size_in_bytes / 8

    grown = temporary(1000) - temporary(100)
    # Directions and their first layer are points * samples * d numbers; a Hessian would be points * d^2.
    assert grown < 8 * 16 * 4 * 900
