"""Parameters and moving domains are coordinates; separable networks on grids."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import sciml_jax as sj

pinn = sj.pinn
METHOD = pinn.PINN(width=8, depth=2, num_points=200, num_steps=80, block=40)


def test_a_parameter_is_a_coordinate():
    """u' = -k u for all k between 1/2 and 2 at once."""
    family = pinn.Box({"t": (0.0, 1.0), "k": (0.5, 2.0)})
    residual = lambda u, z, params: family.partials(u, z, "t")[0] + z[1] * u(z)
    method = pinn.PINN(width=8, depth=2, num_points=200, num_steps=160, block=40)
    sol = sj.solve(pinn.PDEProblem(family, residual, [pinn.Initial(family, 1.0)]), method, key=0)
    z = family.interior(jax.random.key(1), 200)
    np.testing.assert_allclose(sol(z), jnp.exp(-z[:, 0] * z[:, 1]), atol=1e-4)
    (by_rate,) = sol.partials(z, "k")
    np.testing.assert_allclose(by_rate, -z[:, 0] * jnp.exp(-z[:, 0] * z[:, 1]), atol=2e-3)


@pytest.mark.full
def test_a_moving_wall_is_fixed_by_a_coordinate_that_moves_along():
    """u_t = u_xx for 0 < x < 1 + t, in s = x / (1 + t); u = exp(-pi^2 t / 16) cos(pi x / 4) given."""
    moving = pinn.Box({"t": (0.0, 1.0), "s": (0.0, 1.0)})
    exact = lambda t, x: jnp.exp(-(jnp.pi**2) * t / 16) * jnp.cos(jnp.pi * x / 4)
    value = lambda z: exact(z[0], z[1] * (1 + z[0]))

    def residual(u, z, params):
        u_t, u_s, u_ss = moving.partials(u, z, "t", "s", "ss")
        width = 1 + z[0]
        return u_t - z[1] / width * u_s - u_ss / width**2

    problem = pinn.PDEProblem(moving, residual, [pinn.Initial(moving, value), pinn.Dirichlet(moving.face("s"), value)])
    sol = sj.solve(problem, METHOD, key=0)
    z = moving.interior(jax.random.key(1), 200)
    np.testing.assert_allclose(sol(z), jax.vmap(value)(z), atol=1e-4)


@pytest.mark.full
def test_a_separable_network_solves_a_problem_in_three_dimensions():
    """Laplace u = -3 pi^2 / 4 u_exact on the cube, u = product of cosines."""
    cube = pinn.Box({"x": (-1.0, 1.0), "y": (-1.0, 1.0), "z": (-1.0, 1.0)})
    exact = lambda z: jnp.prod(jnp.cos(jnp.pi / 2 * z))

    def residual(u, z, params):
        return sum(cube.partials(u, z, "xx", "yy", "zz")) + 0.75 * jnp.pi**2 * exact(z)

    walls = [pinn.Dirichlet(cube.face(name), 0.0) for name in "xyz"]
    network = lambda n, m, key: sj.networks.SeparableNetwork(n, m, 4, 1, rank=2, key=key)
    method = pinn.PINN(network=network, num_points=200, num_steps=40, block=20)
    sol = sj.solve(pinn.PDEProblem(cube, residual, walls), method, key=0)
    z = cube.interior(jax.random.key(1), 500)
    truth = jax.vmap(exact)(z)
    assert float(jnp.linalg.norm(sol(z) - truth) / jnp.linalg.norm(truth)) < 1e-3
