"""Eigenvalues and time scales against Jacobians written out by hand, and NumPy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import sciml_jax as sj
from sciml_jax import zoo
from sciml_jax.equations.stability import jacobian_spectrum, stiffness_ratio


def robertson_jacobian(y):
    return np.array(
        [
            [-0.04, 1e4 * y[2], 1e4 * y[1]],
            [0.04, -1e4 * y[2] - 6e7 * y[1], -1e4 * y[1]],
            [0.0, 6e7 * y[1], 0.0],
        ]
    )


def hires_jacobian(y):
    j = np.zeros((8, 8))
    j[0, :3] = -1.71, 0.43, 8.32
    j[1, :2] = 1.71, -8.75
    j[2, 2:5] = -10.03, 0.43, 0.035
    j[3, 1:4] = 8.32, 1.71, -1.12
    j[4, 4:7] = -1.745, 0.43, 0.43
    j[5, 3:8] = 0.69, 1.71, -280 * y[7] - 0.43, 0.69, -280 * y[5]
    j[6, 5:8] = 280 * y[7], -1.81, 280 * y[5]
    j[7] = -j[6]
    return j


def decaying(matrix, zero):
    real = np.linalg.eigvals(matrix).real
    return -real[real < -zero]


def test_robertson_leaves_out_the_conserved_total():
    problem = zoo.robertson(40.0)
    y = problem.references[40.0]
    rates = decaying(robertson_jacobian(y), 1e-9)
    assert len(rates) == 2
    spectrum = jacobian_spectrum(problem.problem, 40.0, y)
    assert float(spectrum.ratio) == pytest.approx(rates.max() / rates.min(), rel=1e-9)
    assert 1 / float(spectrum.fastest) == pytest.approx(rates.max(), rel=1e-12)
    assert float(stiffness_ratio(problem.problem, 40.0, y)) == float(spectrum.ratio) > 1e3


def test_hires_has_the_eigenvalues_of_its_jacobian():
    problem = zoo.hires()
    y = np.asarray(problem.references[max(problem.references)])
    expected = np.sort_complex(np.linalg.eigvals(hires_jacobian(y)))
    spectrum = jacobian_spectrum(problem.problem, 321.8122, y)
    assert np.allclose(np.sort_complex(np.asarray(spectrum.eigenvalues)), expected, rtol=1e-10, atol=1e-12)
    rates = decaying(hires_jacobian(y), 1e-12)
    assert float(spectrum.ratio) == pytest.approx(rates.max() / rates.min(), rel=1e-9)
    assert np.all(np.diff(np.asarray(spectrum.eigenvalues).real) <= 0)


def test_van_der_pol_at_rest_has_the_roots_of_a_quadratic():
    """At (2, 0), `lambda^2 + 3 mu lambda + 1 = 0`; state and time by default those of the start."""
    mu = 1000.0
    fast = (3 * mu + np.sqrt(9 * mu**2 - 4)) / 2
    spectrum = jacobian_spectrum(zoo.van_der_pol(mu).problem)
    assert float(spectrum.ratio) == pytest.approx(fast**2, rel=1e-9)
    assert float(spectrum.slowest) == pytest.approx(fast, rel=1e-9)
    assert float(spectrum.radius) == pytest.approx(fast, rel=1e-12)
    # On the way from there the slow mode grows, and the fast one decays alone.
    moving = jacobian_spectrum(zoo.van_der_pol(mu).problem, 0.0, jnp.array([1.5, -1.0]))
    assert float(moving.ratio) == 1.0 and float(moving.growth) > 0.1


def test_nothing_decays_in_an_oscillator():
    problem = sj.ODEProblem(lambda t, y, args: jnp.stack([y[1], -y[0]]), jnp.array([1.0, 0.0]), 0.0, 1.0)
    assert np.isnan(float(stiffness_ratio(problem)))
    assert float(jacobian_spectrum(problem).radius) == pytest.approx(1.0, rel=1e-14)


def dae_field(t, y, args):
    """`x' = -2 x + z`, `w' = -30 w`, and `0 = x - 4 z + t`, as `[w', 0, x']` of `(x, w, z)`."""
    x, w, z = y
    return jnp.stack([-30 * w, x - 4 * z + t, -2 * x + z])


def test_algebraic_equations_are_eliminated():
    """`z = (x + t)/4`, so `x' = -1.75 x`: for a matrix that is singular and not diagonal."""
    mass = jnp.array([[0.0, 2.0, 0.0], [0.0, 0.0, 0.0], [0.5, 0.0, 0.0]])
    problem = sj.ODEProblem(dae_field, jnp.ones(3), 0.0, 1.0, mass_matrix=mass)
    spectrum = jacobian_spectrum(problem)
    assert np.allclose(spectrum.eigenvalues, [-3.5, -15.0], rtol=1e-13)
    assert float(spectrum.ratio) == pytest.approx(15 / 3.5, rel=1e-13)


@pytest.mark.parametrize("mass", [np.array([1.0, 1.0, 0.0]), np.diag([1.0, 1.0, 0.0])], ids=["vector", "matrix"])
def test_robertson_as_an_algebraic_system_has_the_same_time_scales(mass):
    ode = zoo.robertson(40.0)
    y = ode.references[40.0]

    def field(t, y, args):
        rates = ode.problem.vector_field(t, y, args)
        return jnp.stack([rates[0], rates[1], jnp.sum(y) - 1])

    dae = sj.ODEProblem(field, y, 0.0, 40.0, ode.problem.args, mass_matrix=jnp.asarray(mass))
    spectrum = jacobian_spectrum(dae, 40.0)
    assert spectrum.eigenvalues.shape == (2,)
    assert float(spectrum.ratio) == pytest.approx(float(stiffness_ratio(ode.problem, 40.0, y)), rel=1e-8)


def test_constraints_of_higher_index_are_refused():
    """`x' = z`, `0 = x - sin t`."""
    field = lambda t, y, args: jnp.stack([y[1], y[0] - jnp.sin(t)])
    problem = sj.ODEProblem(field, jnp.zeros(2), 0.0, 1.0, mass_matrix=jnp.array([1.0, 0.0]))
    with pytest.raises(ValueError, match=r"\(index 1\)"):
        stiffness_ratio(problem)


def test_a_given_jacobian_is_used():
    field = lambda t, y, args: -y
    jacobian = lambda t, y, args: jnp.diag(jnp.array([-1.0, -7.0])) * (1 + t)
    problem = sj.ODEProblem(field, jnp.ones(2), 0.0, 1.0, jacobian=jacobian)
    spectrum = jacobian_spectrum(problem, 1.0)
    assert np.allclose(spectrum.eigenvalues, [-2.0, -14.0])
    assert float(spectrum.ratio) == pytest.approx(7.0)


def test_states_may_be_complex_pytrees():
    field = lambda t, y, args: {"a": (-1 + 5j) * y["a"], "b": -3.0 * y["b"]}
    problem = sj.ODEProblem(field, {"a": jnp.array(1.0 + 0j), "b": jnp.ones(1)}, 0.0, 1.0)
    spectrum = jacobian_spectrum(problem)
    expected = np.array([-1 - 5j, -1 + 5j, -3])
    assert np.allclose(np.sort_complex(np.asarray(spectrum.eigenvalues)), np.sort_complex(expected))
    assert float(spectrum.ratio) == pytest.approx(3.0)


def test_the_ratio_along_a_solution_is_that_of_each_state():
    problem = zoo.robertson(40.0)
    ts = jnp.array([0.1, 1.0, 40.0])
    solution = sj.solve(problem.problem, sj.Rodas5P(), saveat=ts, rtol=1e-8, atol=1e-12)
    along = jax.jit(jax.vmap(lambda t, y: stiffness_ratio(problem.problem, t, y)))(ts, solution.ys)
    one = [float(stiffness_ratio(problem.problem, t, y)) for t, y in zip(ts, solution.ys, strict=True)]
    assert np.allclose(along, one, rtol=1e-6) and np.all(np.diff(along) > 0)


def test_wrong_input_is_refused():
    problem = zoo.robertson().problem
    with pytest.raises(TypeError, match="`problem` must be an instance of `ODEProblem`"):
        stiffness_ratio(jnp.eye(2), 0.0, jnp.ones(2))
    with pytest.raises(ValueError, match="`y` must have the structure and shapes"):
        stiffness_ratio(problem, 0.0, jnp.ones(2))
    zero = sj.ODEProblem(lambda t, y, args: y, jnp.ones(2), 0.0, 1.0, mass_matrix=jnp.zeros(2))
    with pytest.raises(ValueError, match="must not be zero"):
        stiffness_ratio(zero)

    def traced(mass):
        return stiffness_ratio(sj.ODEProblem(lambda t, y, args: -y, jnp.ones(2), 0.0, 1.0, mass_matrix=mass))

    with pytest.raises(TypeError, match="must be known when tracing"):
        jax.jit(traced)(jnp.eye(2))
