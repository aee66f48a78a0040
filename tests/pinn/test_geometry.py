"""Geometry: points lie where they should, normals point outwards, sizes and derivatives are right."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import sciml_jax as sj

pinn = sj.pinn
KEY = jax.random.key(0)
SQUARE = pinn.Box({"x": (-1.0, 1.0), "y": (-1.0, 1.0)})
GEOMETRIES = {
    "interval": (pinn.Box({"x": (1.0, 3.0)}), 2.0, 2.0),
    "box": (pinn.Box({"t": (0.0, 2.0), "x": (-1.0, 2.0)}), 6.0, 10.0),
    "disc": (pinn.Ball((0.5, 0.0), 2.0), 4 * np.pi, 4 * np.pi),
    "ball in 4": (pinn.Ball((0.0,) * 4, 1.0), np.pi**2 / 2, 2 * np.pi**2),
    "triangle": (pinn.Polygon([(0.0, 0.0), (0.0, 3.0), (4.0, 0.0)]), 6.0, 12.0),
    "L": (SQUARE - pinn.Box({"x": (0.0, 1.0), "y": (-1.0, 0.0)}), 3.0, 8.0),
    "hole": (SQUARE - pinn.Ball((0.0, 0.0), 0.5), 4 - np.pi / 4, 8 + np.pi),
    "union": (SQUARE | pinn.Box({"x": (0.0, 2.0), "y": (0.0, 2.0)}), 7.0, 12.0),
    "intersection": (SQUARE & pinn.Box({"x": (0.0, 2.0), "y": (0.0, 2.0)}), 1.0, 4.0),
    "cylinder": (pinn.Box({"t": (0.0, 3.0)}) * pinn.Ball((0.0, 0.0), 1.0), 3 * np.pi, 8 * np.pi),
}


@jax.jit
def sampled(geometry, key):
    """Everything that the laws look at, in one program."""
    inside = geometry.interior(key, 300)
    points, normals = geometry.draw_boundary(key, 300)
    slope = -(geometry.distance(points + 1e-6 * normals) - geometry.distance(points - 1e-6 * normals)) / 2e-6
    return {
        "inside": inside, "inside contained": geometry.contains(inside), "distance": geometry.distance(inside),
        "normals": normals, "at boundary": geometry.distance(points), "slope": slope,
        "before": geometry.contains(points - 1e-5 * normals), "beyond": geometry.contains(points + 1e-5 * normals),
        "size": geometry.size, "boundary size": geometry.boundary_size,
    }  # fmt: skip


@pytest.mark.parametrize("name", GEOMETRIES)
def test_points_lie_inside_and_on_the_boundary_with_outward_unit_normals(name):
    geometry, size, boundary_size = GEOMETRIES[name]
    found = sampled(geometry, KEY)
    assert found["inside"].shape == (300, geometry.dim)
    assert bool(jnp.all(found["inside contained"]))
    assert float(jnp.min(found["distance"])) >= -1e-12
    np.testing.assert_allclose(found["size"], size, rtol=0.02)
    np.testing.assert_allclose(found["boundary size"], boundary_size, rtol=0.02)
    np.testing.assert_allclose(jnp.linalg.norm(found["normals"], axis=-1), 1.0, rtol=1e-12)
    assert bool(jnp.all(found["before"]))
    assert not bool(jnp.any(found["beyond"]))
    assert float(jnp.max(jnp.abs(found["at boundary"]))) < 1e-6
    # Near corners two sides contribute to the slope; the median point is far from them.
    assert abs(float(jnp.median(found["slope"])) - 1.0) < 0.06


def test_interior_points_are_uniform():
    """The mean of the disc is its centre, and a quarter of its points lie within half the radius."""
    disc, n = pinn.Ball((0.5, 0.0), 2.0), 4000
    points = disc.interior(KEY, n)
    radius = jnp.linalg.norm(points - disc.centre, axis=-1)
    assert abs(float(jnp.mean(radius < 1.0)) - 0.25) < 4 * np.sqrt(0.25 * 0.75 / n)
    assert float(jnp.max(jnp.abs(jnp.mean(points, axis=0) - disc.centre))) < 4 * 1.0 / np.sqrt(n)


def test_boundary_points_are_uniform_by_length():
    """Of the L's eight units of boundary, one is the inner vertical edge."""
    points, _ = GEOMETRIES["L"][0].draw_boundary(KEY, 4000)
    on_edge = (jnp.abs(points[:, 0]) < 1e-12) & (points[:, 1] < 0)
    assert abs(float(jnp.mean(on_edge)) - 1 / 8) < 4 * np.sqrt(1 / 8 * 7 / 8 / 4000)


def test_faces_hold_one_coordinate():
    box = pinn.Box({"t": (0.0, 1.0), "x": (-1.0, 1.0)})
    points, normals = box.face("t", "lower").sample(KEY, 50)
    assert float(jnp.max(jnp.abs(points[:, 0]))) == 0.0
    assert normals[0].tolist() == [-1.0, 0.0]
    points, normals = box.face("x").sample(KEY, 50)
    assert jnp.unique(points[:, 1]).tolist() == [-1.0, 1.0]
    np.testing.assert_array_equal(normals[:, 1], points[:, 1])
    cylinder = GEOMETRIES["cylinder"][0]
    points, _ = cylinder.face("t", "upper").sample(KEY, 50)
    assert float(jnp.min(points[:, 0])) == 3.0
    points, normals = cylinder.mantle.sample(KEY, 50)
    np.testing.assert_allclose(jnp.linalg.norm(points[:, 1:], axis=-1), 1.0)
    assert float(jnp.max(jnp.abs(normals[:, 0]))) == 0.0


def test_part_of_a_boundary_is_selected():
    right = pinn.Boundary(SQUARE, where=lambda z: z[0] > 0.999999)
    points, _ = right.sample(KEY, 30)
    assert jnp.unique(points[:, 0]).tolist() == [1.0]
    np.testing.assert_allclose(right.size, 2.0, rtol=0.05)


def test_a_point_cloud_gives_its_own_points():
    points = jnp.arange(10.0).reshape(5, 2)
    cloud = pinn.PointCloud(points, boundary_points=points[:2], normals=jnp.eye(2))
    drawn = cloud.interior(KEY, 5)
    np.testing.assert_array_equal(jnp.sort(drawn[:, 0]), points[:, 0])
    assert cloud.draw_boundary(KEY, 7)[0].shape == (7, 2)
    with pytest.raises(ValueError, match="has no boundary"):
        pinn.PointCloud(points).draw_boundary(KEY, 3)


def test_sampling_composes_with_jit_and_vmap():
    geometry = GEOMETRIES["hole"][0]
    keys = jax.random.split(KEY, 3)
    many = jax.jit(jax.vmap(lambda key: geometry.interior(key, 20)))(keys)
    np.testing.assert_array_equal(many[1], geometry.interior(keys[1], 20))


def test_partials_equal_symbolic_derivatives():
    box = pinn.Box({"t": (0.0, 1.0), "x": (-1.0, 1.0), "x2": (0.0, 1.0)})
    u = lambda z: jnp.sin(2 * z[0]) * z[1] ** 3 * jnp.exp(z[2])
    z = jnp.array([0.3, 0.7, 0.2])
    s, c, e = np.sin(0.6), np.cos(0.6), np.exp(0.2)
    expected = {
        "t": 2 * c * 0.343 * e, "x": s * 3 * 0.49 * e, "x2": s * 0.343 * e, "xx": s * 4.2 * e, "xxx": s * 6 * e,
        "tx": 2 * c * 1.47 * e, "xt": 2 * c * 1.47 * e, "tt": -4 * s * 0.343 * e, "xx2": s * 1.47 * e,
        "x2x2": s * 0.343 * e, ("x", "x2"): s * 1.47 * e, "ttxx": -4 * s * 4.2 * e,
    }  # fmt: skip
    found = box.partials(u, z, *expected)
    for name, value in zip(expected, found):
        np.testing.assert_allclose(value, expected[name], rtol=1e-13, err_msg=str(name))


def test_partials_of_a_system_have_its_shape():
    box = pinn.Box({"x": (0.0, 1.0)})
    u_x, u_xx = box.partials(lambda z: jnp.stack([z[0] ** 2, z[0] ** 3]), jnp.array([2.0]), "x", "xx")
    np.testing.assert_allclose(u_x, [4.0, 12.0])
    np.testing.assert_allclose(u_xx, [2.0, 12.0])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: SQUARE.partials(lambda z: z[0], jnp.zeros(2), "t"), "named by the coordinates 'x', 'y'"),
        (lambda: SQUARE.partials(lambda z: z[0], jnp.zeros(3), "x"), "shape \\(2,\\)"),
        (lambda: SQUARE.face("t"), "one of the coordinates"),
        (lambda: SQUARE.face("x", "left"), '"lower", "upper" or None'),
        (lambda: pinn.Box({"x": (0.0, 1.0)}, periodic="x").face("x"), "periodic coordinate has no face"),
        (lambda: pinn.Ball((0.0, 0.0), 1.0).face("x"), "Only boxes"),
        (lambda: pinn.Box({"x": (1.0, 0.0)}), "finite and increasing"),
        (lambda: pinn.Box({"x": (0.0, 1.0)}, periodic="y"), "`periodic` must name"),
        (lambda: pinn.Ball((0.0, 0.0), -1.0), "must be positive"),
        (lambda: pinn.Ball((0.0, 0.0), 1.0, names=("x",)), "must name all 2"),
        (lambda: pinn.Polygon([(0.0, 0.0), (1.0, 1.0)]), "shape \\(n, 2\\)"),
        (lambda: pinn.Polygon([(0.0, 0.0), (1.0, 1.0), (2.0, 2.0)]), "needs an area"),
        (lambda: SQUARE - pinn.Ball((0.0,), 1.0), "same coordinates"),
        (lambda: SQUARE * pinn.Ball((0.0, 0.0), 1.0), "different coordinates"),
        (lambda: SQUARE - pinn.Box({"x": (-2.0, 2.0), "y": (-2.0, 2.0)}), "must hold points"),
    ],
)
def test_wrong_geometry_is_refused_with_the_fix(call, message):
    with pytest.raises(ValueError, match=message):
        call()
