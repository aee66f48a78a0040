"""The solution: gradients, pictures, files, precision, and an error estimate that can be trusted."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import sciml_jax as sj

from .problems import SMALL, bell

pinn = sj.pinn
WAVE = pinn.Box({"t": (0.0, 1.0), "x": (0.0, 1.0)})


def heat():
    """u_t = u_xx / pi^2, u(0, x) = sin(pi x), zero at both ends."""

    def residual(u, z, params):
        u_t, u_xx = WAVE.partials(u, z, "t", "xx")
        return u_t - u_xx / jnp.pi**2

    start = pinn.Dirichlet(WAVE.face("t", "lower"), lambda z: jnp.sin(jnp.pi * z[1]))
    problem = pinn.PDEProblem(WAVE, residual, [start, pinn.Dirichlet(WAVE.face("x"), 0.0)])
    return problem, lambda z: jnp.exp(-z[0]) * jnp.sin(jnp.pi * z[1])


def poisson():
    """Laplace u = -2 pi^2 sin(pi x) sin(pi y), with soft conditions on a disc."""
    disc = pinn.Ball((0.0, 0.0), 1.0)
    exact = lambda z: jnp.sin(jnp.pi * z[0]) * jnp.cos(z[1])

    def residual(u, z, params):
        u_xx, u_yy = disc.partials(u, z, "xx", "yy")
        return u_xx + u_yy + (jnp.pi**2 + 1) * exact(z)

    return pinn.PDEProblem(disc, residual, [pinn.Dirichlet(disc.boundary, exact)]), exact


def transport():
    """u_t + u_x = 0 on a ring."""
    ring = pinn.Box({"t": (0.0, 0.5), "x": (-1.0, 1.0)}, periodic="x")

    def residual(u, z, params):
        u_t, u_x = ring.partials(u, z, "t", "x")
        return u_t + u_x

    exact = lambda z: jnp.exp(jnp.sin(jnp.pi * (z[1] - z[0])))
    start = lambda z: jnp.exp(jnp.sin(jnp.pi * z[1]))
    return pinn.PDEProblem(ring, residual, [pinn.Initial(ring, start)]), exact


def logistic():
    """u' = u (1 - u), nonlinear."""
    line = pinn.Box({"t": (0.0, 4.0)})
    residual = lambda u, z, params: line.partials(u, z, "t")[0] - u(z) * (1 - u(z))
    return pinn.PDEProblem(line, residual, [pinn.Initial(line, 0.1)]), lambda z: 1 / (1 + 9 * jnp.exp(-z[0]))


PLANAR = pinn.PINN(width=8, depth=2, num_points=200, num_boundary=60, num_steps=40, block=20)
CASES = {
    "logistic": (logistic, SMALL, 1e-5), "heat": (heat, PLANAR, 1e-4), "poisson": (poisson, PLANAR, 4e-3),
    "transport": (transport, PLANAR, 1e-3),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_the_error_estimate_is_within_a_factor_of_ten_of_the_truth(name):
    """The fifth problem, `bell`, is in `test_pinn`."""
    make, method, enough = CASES[name]
    problem, exact = make()
    sol = sj.solve(problem, method, key=1)
    points = problem.domain.interior(jax.random.key(9), 1000)
    expected = jax.vmap(exact)(points)
    error = float(jnp.linalg.norm(sol(points) - expected) / jnp.linalg.norm(expected))
    assert error < enough
    assert 0.1 * error < float(sol.error_estimate) < 10 * error


@pytest.fixture(scope="module")
def solved():
    problem, exact = heat()
    method = pinn.PINN(width=6, depth=1, num_points=60, num_boundary=20, num_steps=20, block=10)
    return sj.solve(problem, method, key=0), problem, method


def test_the_gradient_holds_the_first_derivatives_in_the_order_of_the_coordinates(solved):
    sol, *_ = solved
    z = jnp.array([[[0.2, 0.3]], [[0.7, 0.6]]])
    assert sol.gradient(z).shape == (2, 1, 2)
    np.testing.assert_allclose(sol.gradient(z), jnp.stack(sol.partials(z, "t", "x"), axis=-1), rtol=1e-12)


def test_a_saved_solution_is_read_back_bit_for_bit(solved, tmp_path):
    sol, problem, method = solved
    sol.save(tmp_path / "heat.sol")
    again = pinn.load_solution(tmp_path / "heat.sol", problem, method)
    z = jnp.array([[0.2, 0.3], [0.7, 0.6]])
    np.testing.assert_array_equal(again(z), sol(z))
    np.testing.assert_array_equal(again.error(z), sol.error(z))
    assert float(again.error_estimate) == float(sol.error_estimate)
    assert again.stats == sol.stats
    np.testing.assert_array_equal(again.history["loss"], sol.history["loss"])
    with pytest.raises(ValueError, match="shape"):
        pinn.load_solution(tmp_path / "heat.sol", problem, pinn.PINN(width=7, depth=1))


def test_what_is_drawn_and_not_trained_is_in_the_file(tmp_path):
    """Random frequencies of Fourier features depend on the key; the file keeps them."""
    problem, _ = bell()
    network = lambda n, m, key: sj.networks.Chain(
        sj.networks.FourierFeatures(n, 4, key=key), sj.networks.MLP(4, m, 6, 1, key=key)
    )
    method = pinn.PINN(network=network, num_points=40, num_steps=10, block=10)
    sol = sj.solve(problem, method, key=3)
    sol.save(tmp_path / "bell.sol")
    z = jnp.array([[0.5], [1.5]])
    np.testing.assert_array_equal(pinn.load_solution(tmp_path / "bell.sol", problem, method)(z), sol(z))


def test_a_file_of_something_else_is_refused(solved, tmp_path):
    from sciml_jax.core.checkpoint import save_checkpoint

    save_checkpoint(tmp_path / "other", jnp.zeros(3))
    with pytest.raises(ValueError, match=r"that `sol.save` wrote"):
        pinn.load_solution(tmp_path / "other", *solved[1:])


def test_pictures_show_the_values_on_the_domain(solved):
    plt = pytest.importorskip("matplotlib.pyplot")
    sol, *_ = solved
    ax = sol.plot()
    drawn = ax.collections[0].get_array().reshape(201, 201)
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("t", "x")
    np.testing.assert_allclose(drawn[40, 100], sol(jnp.array([0.5, 0.2])), rtol=1e-12)
    line = sol.plot(at={"t": 0.5}, of=sol.error).lines[0]
    np.testing.assert_allclose(line.get_ydata()[40], sol.error(jnp.array([0.5, 0.2])), rtol=1e-9)
    with pytest.raises(ValueError, match="one or two of the coordinates"):
        sol.plot(at={"y": 0.5})
    plt.close("all")


def test_progress_may_be_a_function_that_ends_the_training(solved):
    _, problem, method = solved
    seen = []
    sol = sj.solve(problem, method, key=0, progress=lambda sol: seen.append(sol) or True)
    assert len(seen) == 1
    assert sol.stats["num_steps"] == 10
    np.testing.assert_array_equal(seen[0].vector, sol.vector)


def test_float32_is_trained_with_soap_to_its_precision():
    """A box made in float64 serves both precisions."""
    line = pinn.Box({"t": (0.0, 2.0)})
    assert line.lower.dtype == jnp.float64
    with jax.enable_x64(False):
        assert line.lower.dtype == jnp.float32
        residual = lambda u, z, params: line.partials(u, z, "t")[0] + 2 * z[0] * u(z)
        problem = pinn.PDEProblem(line, residual, [pinn.Initial(line, 1.0)])
        method = pinn.PINN(width=8, depth=1, num_points=60, num_steps=600, block=200)
        sol = sj.solve(problem, method, key=0)
        z = jnp.linspace(0.0, 2.0, 50)[:, None]
        assert sol.vector.dtype == jnp.float32
        error = float(jnp.linalg.norm(sol(z) - jnp.exp(-(z[:, 0] ** 2))) / jnp.linalg.norm(jnp.exp(-(z[:, 0] ** 2))))
    assert error < 2e-2


@pytest.mark.parametrize(
    "make", [lambda: pinn.Box({"x": (0.0, 1.0), "y": (0.0, 1.0)}), lambda: pinn.Ball((0.0, 0.0), 1.0),
             lambda: pinn.Polygon([(0.0, 0.0), (1.0, 0.0), (0.0, 1.0)]),
             lambda: pinn.PointCloud([(0.1, 0.3), (0.2, 0.4)], [(0.0, 0.0)], [(1.0, 0.0)])],
    ids=["box", "ball", "polygon", "cloud"],
)  # fmt: skip
def test_a_geometry_made_before_float64_was_switched_on_follows_it(make):
    with jax.enable_x64(False):
        domain = make()
        assert domain.lower.dtype == jnp.float32
    assert domain.lower.dtype == jnp.float64
    assert domain.interior(jax.random.key(0), 3).dtype == jnp.float64
    assert domain.boundary.sample(jax.random.key(0), 3)[0].dtype == jnp.float64
