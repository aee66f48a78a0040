"""The functions phi_0 to phi_3 against their integrals, for numbers and matrices, near zero and far away."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sciml_jax.numerics.phi_functions import doubled, phi_functions, phi_matrices

RNG = np.random.default_rng(5)
ROTATION = np.linalg.qr(RNG.normal(size=(12, 12)))[0]
POINTS = {
    "negative": -np.logspace(-9, 1.5, 200),
    "positive": np.logspace(-9, 1.3, 100),
    "imaginary": 1j * np.logspace(-9, 1.5, 200),
    "oblique": (-1 + 1j) * np.logspace(-9, 1.3, 100),
    "zero": np.zeros(1),
}


def integrals(z):
    """`phi_k(z) = int_0^1 e^((1 - s) z) s^(k-1) / (k-1)! ds`, by a rule that is exact to rounding up to |z| = 30."""
    nodes, weights = np.polynomial.legendre.leggauss(80)
    s, kernel = (nodes + 1) / 2, np.exp(np.outer(z, (1 - nodes) / 2)) * weights / 2
    return [np.exp(z), kernel.sum(1), kernel @ s, kernel @ s**2 / 2]


@pytest.mark.parametrize("name", POINTS)
def test_numbers_agree_with_the_integrals_to_rounding(name):
    z = POINTS[name]
    # Where they oscillate they have zeros: relative to the envelope 1 / (1 + |z|).
    sizes = [1.0, *[1 / (1 + np.abs(z))] * 3] if name == "imaginary" else [np.abs(value) for value in integrals(z)]
    for found, expected, size in zip(phi_functions(jnp.asarray(z)), integrals(z), sizes, strict=True):
        assert np.max(np.abs(found - expected) / size) < 5e-14


def test_far_away_they_behave_as_powers():
    phis = phi_functions(jnp.asarray([-1e6, -1e12, -1e300]))
    z = np.array([1e6, 1e12, 1e300])
    np.testing.assert_array_equal(phis[0], 0.0)
    np.testing.assert_allclose(phis[1], 1 / z, rtol=1e-15)
    np.testing.assert_allclose(phis[2], (1 - 1 / z) / z, rtol=1e-15)
    np.testing.assert_allclose(phis[3], (0.5 - (1 - 1 / z) / z) / z, rtol=1e-15)


def test_doubling_gives_the_functions_at_twice_the_argument():
    z = -jnp.logspace(-3, 4, 50)
    for found, expected in zip(doubled(phi_functions(z), jnp.multiply), phi_functions(2 * z), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-13, atol=1e-300)


@pytest.mark.parametrize("norm", [1e-3, 1.0, 300.0, 1e6])
def test_functions_of_a_symmetric_matrix_are_those_of_its_eigenvalues(norm):
    eigenvalues = -norm * np.linspace(0, 1, 12)
    matrix = ROTATION @ np.diag(eigenvalues) @ ROTATION.T
    for found, values in zip(phi_matrices(jnp.asarray(matrix)), phi_functions(jnp.asarray(eigenvalues)), strict=True):
        # Rounding times the norm is the condition of the problem.
        np.testing.assert_allclose(found, ROTATION @ np.diag(values) @ ROTATION.T, atol=1e-16 * max(norm, 100))


def test_functions_of_a_nilpotent_matrix_are_polynomials():
    matrix = np.diag([3.0, 5.0], 1)
    square = matrix @ matrix
    for k, found in enumerate(phi_matrices(jnp.asarray(matrix))):
        factorials = [float(np.prod(np.arange(1, k + j + 1))) for j in range(3)]
        expected = sum(power / f for power, f in zip((np.eye(3), matrix, square), factorials, strict=True))
        np.testing.assert_allclose(found, expected, rtol=1e-14, atol=1e-14)


def test_derivatives_are_finite_and_right_at_zero_and_across_the_change_of_formula():
    """d phi_k / dz = phi_k - k phi_(k+1), and so on."""
    z = jnp.array([0.0, 0.999999, 1.000001, -0.999999, -1.000001, -1e6])
    slopes = [jax.vmap(jax.grad(lambda z, k=k: phi_functions(z)[k]))(z) for k in range(4)]
    phis = phi_functions(z)
    # Integrating by parts: phi_k' = phi_k - k phi_(k+1), k > 0.
    for k in (1, 2):
        np.testing.assert_allclose(slopes[k], phis[k] - k * phis[k + 1], rtol=1e-9, atol=1e-13)
    second = jax.vmap(jax.grad(jax.grad(lambda z: phi_functions(z)[3])))(z)
    assert np.all(np.isfinite(second))
    np.testing.assert_allclose(second[0], 2 / 120, rtol=1e-13)


def test_reverse_and_forward_derivatives_of_matrices_agree_with_differences():
    matrix = jnp.asarray(RNG.normal(size=(5, 5)) * 3)
    loss = lambda scale: sum(jnp.sum(jnp.sin(phi)) for phi in phi_matrices(scale * matrix))
    difference = (loss(0.3 + 1e-5) - loss(0.3 - 1e-5)) / 2e-5
    np.testing.assert_allclose(jax.grad(loss)(0.3), difference, rtol=1e-6)
    np.testing.assert_allclose(jax.jvp(loss, (0.3,), (1.0,))[1], difference, rtol=1e-6)


def test_float32_and_complex_keep_their_dtypes():
    assert {phi.dtype for phi in phi_functions(jnp.float32([0.1, -3.0]))} == {jnp.dtype("float32")}
    assert {phi.dtype for phi in phi_matrices(jnp.eye(2, dtype=jnp.complex64))} == {jnp.dtype("complex64")}
