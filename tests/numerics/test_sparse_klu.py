"""KLU's solutions and gradients agree with the dense solver's; without the package its extra is named."""

import importlib.util

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sciml_jax.numerics.sparse_klu import klu_solve
from sciml_jax.numerics.sparse_matrix import sparse_to_dense

from .sparse_patterns import laplacian, tridiagonal

PATTERN = laplacian(4, periodic=True)
GENERATOR = np.random.default_rng(0)
VALUES = jnp.asarray(GENERATOR.normal(size=PATTERN.nnz))
RHS = jnp.asarray(GENERATOR.normal(size=(16, 2)))

installed = importlib.util.find_spec("klujax") is not None
needs_klu = pytest.mark.skipif(not installed, reason="the extra `klu` is not installed")


@pytest.mark.skipif(installed, reason="the extra `klu` is installed")
def test_the_extra_is_named_where_it_is_missing():
    with pytest.raises(ImportError, match=r"sciml_jax\[klu\]"):
        klu_solve(VALUES, PATTERN, RHS)


@needs_klu
def test_one_and_several_right_hand_sides_are_solved():
    dense = sparse_to_dense(VALUES, PATTERN)
    np.testing.assert_allclose(dense @ klu_solve(VALUES, PATTERN, RHS[:, 0]), RHS[:, 0], atol=1e-12)
    np.testing.assert_allclose(dense @ jax.jit(lambda v, r: klu_solve(v, PATTERN, r))(VALUES, RHS), RHS, atol=1e-12)


@needs_klu
def test_gradients_and_batches_are_those_of_the_dense_solve():
    loss = lambda solve: lambda values, rhs: jnp.sum(jnp.sin(solve(values, rhs)))
    sparse = loss(lambda values, rhs: klu_solve(values, PATTERN, rhs))
    dense = loss(lambda values, rhs: jnp.linalg.solve(sparse_to_dense(values, PATTERN), rhs))
    batch = jnp.stack([VALUES, 1.5 * VALUES])
    for got, want in zip(
        *(jax.vmap(jax.grad(f, (0, 1)), (0, None))(batch, RHS[:, 0]) for f in (sparse, dense)), strict=True
    ):
        np.testing.assert_allclose(got, want, rtol=1e-9, atol=1e-9)


@needs_klu
def test_single_precision_and_wrong_shapes_are_refused():
    with pytest.raises(TypeError, match="double precision only; got float32"):
        klu_solve(VALUES.astype(jnp.float32), PATTERN, RHS[:, 0].astype(jnp.float32))
    with pytest.raises(ValueError, match="one row per row"):
        klu_solve(jnp.ones(tridiagonal(3).nnz), tridiagonal(3), jnp.ones(4))
