"""Dirichlet values hold exactly on boundaries of any shape, and problems with them are solved."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import sciml_jax as sj

pinn = sj.pinn
SQUARE = pinn.Box({"x": (-1.0, 1.0), "y": (-1.0, 1.0)})
UNIT = pinn.Box({"x": (0.0, 1.0), "y": (0.0, 1.0)})
CORNER = SQUARE - pinn.Box({"x": (0.0, 1.0), "y": (-1.0, 0.0)})
DISC = pinn.Ball((0.0, 0.0), 0.5)
HOLED = SQUARE - DISC
SHAPES = {
    "L-shape": CORNER,
    "hole": HOLED,
    "polygon": pinn.Polygon([(-1.0, -1.0), (0.0, -1.0), (0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (-1.0, 1.0)]),
}
bubble = lambda z: jnp.sin(jnp.pi * z[0]) * jnp.sin(jnp.pi * z[1])


def network(domain, pieces):
    return pinn.ExactBoundary(sj.networks.MLP(2, 1, 12, 2, key=0), domain, pieces)


@pytest.mark.parametrize("name", SHAPES)
def test_values_hold_on_the_boundary_with_a_factor_of_slope_one(name):
    shape = SHAPES[name]
    net = network(shape, [(shape, bubble)])
    points, normals = shape.draw_boundary(jax.random.key(0), 200)
    values = jax.jit(jax.vmap(net))(points)[:, 0]
    # Random points of a slanted or round boundary lie beside it by their rounding.
    np.testing.assert_allclose(values, jax.vmap(bubble)(points), atol=1e-7 if name == "polygon" else 1e-14)
    inside = shape.interior(jax.random.key(1), 500)
    assert float(jnp.min(jax.vmap(net.factor)(inside))) > 0.0
    far = jnp.all(jnp.abs(jnp.abs(points) - 1) + jnp.abs(jnp.abs(points[:, ::-1]) - 1) > 0.4, axis=1)
    far = far & (jnp.linalg.norm(points, axis=1) > 0.45)
    slope = jax.vmap(lambda z, n: -jax.jvp(net.factor, (z,), (n,))[1])(points - 1e-5 * normals, normals)
    assert int(jnp.sum(far)) > 20
    assert float(jnp.max(jnp.abs(slope[far] - 1))) < 1e-3


def test_pieces_hold_different_values():
    """Zero on the square and one on the hole; a function serves as a piece too."""
    sides = lambda z: (1 - z[0] ** 2) * (1 - z[1] ** 2)
    net = network(HOLED, [(sides, 0.0), (DISC, lambda z: 1.0 + z[0])])
    wall, _ = SQUARE.draw_boundary(jax.random.key(0), 50)
    rim, _ = DISC.draw_boundary(jax.random.key(0), 50)
    np.testing.assert_allclose(jax.vmap(net)(wall)[:, 0], 0.0, atol=1e-14)
    np.testing.assert_allclose(jax.vmap(net)(rim)[:, 0], 1.0 + rim[:, 0], atol=1e-14)


def test_slopes_on_the_walls_are_those_just_inside():
    net = network(HOLED, [(SQUARE, 0.0), (DISC, 1.0)])
    for piece, sign in ((DISC, 1.0), (SQUARE, -1.0)):
        points, normals = piece.draw_boundary(jax.random.key(0), 20)
        slope = jax.vmap(lambda z, n: jax.jvp(net, (z,), (n,))[1])
        step = sign * 1e-6 * normals
        np.testing.assert_allclose(slope(points, normals), slope(points + step, normals), atol=2e-4)


def poisson(domain):
    """Laplace u = -2 pi^2 sin(pi x) sin(pi y), without a condition."""

    def residual(u, z, params):
        u_xx, u_yy = domain.partials(u, z, "xx", "yy")
        return u_xx + u_yy + 2 * jnp.pi**2 * bubble(z)

    return pinn.PDEProblem(domain, residual)


def relative_error(sol):
    z = sol.domain.interior(jax.random.key(9), 1000)
    truth = jax.vmap(bubble)(z)
    return float(jnp.linalg.norm(sol(z) - truth) / jnp.linalg.norm(truth))


class WithRadius(eqx.Module):
    """A network of the point and its distance to the origin, where an L-shape has its corner."""

    net: sj.networks.MLP

    def __call__(self, z):
        return self.net(jnp.append(z, jnp.linalg.norm(z)))


@pytest.mark.full
def test_poisson_on_an_l_shape_is_solved_with_exact_walls():
    """At the inner corner the factor bends like the radius, and the network must: it gets the radius as an input."""
    corner = lambda z: (z[1] - z[0] + jnp.linalg.norm(z)) * (1 - z[0] ** 2) * (1 - z[1] ** 2)
    net = pinn.ExactBoundary(WithRadius(sj.networks.MLP(3, 1, 16, 2, key=0)), CORNER, [(corner, 0.0)])
    sol = sj.solve(poisson(CORNER), pinn.PINN(network=net, num_points=1200, num_steps=200), key=0)
    assert relative_error(sol) < 1e-4
    wall, _ = CORNER.draw_boundary(jax.random.key(0), 100)
    np.testing.assert_allclose(sol(wall), 0.0, atol=1e-13)


def test_poisson_around_a_hole_is_solved_with_exact_values():
    """The disc's values come from the solution, those of the square are zero; G in between is not the solution."""
    domain, disc = UNIT - pinn.Ball((0.5, 0.5), 0.25), pinn.Ball((0.5, 0.5), 0.25)
    sides = lambda z: 16 * z[0] * (1 - z[0]) * z[1] * (1 - z[1])
    scaled = sj.networks.Chain(lambda z: 2 * z - 1, sj.networks.MLP(2, 1, 16, 2, key=0))
    net = pinn.ExactBoundary(scaled, domain, [(sides, 0.0), (disc, bubble)])
    sol = sj.solve(poisson(domain), pinn.PINN(network=net, num_points=400, num_steps=120, block=40), key=0)
    error = relative_error(sol)
    assert error < 1e-4
    assert 0.1 * error < float(sol.error_estimate) < 10 * error


def test_what_has_no_distance_is_refused():
    net = sj.networks.MLP(2, 1, 4, 1, key=0)
    for pieces, message in (
        ([], "must be pairs"),
        ([CORNER], "must be pairs"),
        ([(pinn.PointCloud([(0.0, 1.0)]), 0.0)], "no distance function"),
        ([(CORNER, "zero")], "number or a function"),
        ([(DISC, 0.0)], "must not cut through"),
    ):
        with pytest.raises((TypeError, ValueError), match=message):
            pinn.ExactBoundary(net, CORNER, pieces)
    with pytest.raises(TypeError, match="must be a geometry"):
        pinn.ExactBoundary(net, [(CORNER, 0.0)], [])
