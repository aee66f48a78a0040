"""Coloured Jacobians are exact, need one product per colour, and patterns that lack an entry are found out."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import PartitionSpec

from sciml_jax.numerics.check_sparsity import check_sparsity
from sciml_jax.numerics.coloring import color_columns
from sciml_jax.numerics.compressed_jacobian import compressed_jacobian
from sciml_jax.numerics.sparse_matrix import (
    add_to_diagonal,
    embed,
    place,
    sparse_matvec,
    sparse_rmatvec,
    sparse_to_dense,
)
from sciml_jax.numerics.sparsity import SparsityPattern

from .sparse_patterns import brusselator, brusselator_pattern, tridiagonal

PATTERN = brusselator_pattern(5)
COLORING = color_columns(PATTERN)
Y = jnp.asarray(np.random.default_rng(0).uniform(0.5, 2.0, 50))


@jax.jit
def jacobian(y):
    return compressed_jacobian(brusselator, y, PATTERN, COLORING)


def test_the_coloured_jacobian_is_the_dense_one():
    np.testing.assert_allclose(sparse_to_dense(jacobian(Y), PATTERN), jax.jacfwd(brusselator)(Y), rtol=0, atol=1e-14)


def test_one_product_with_a_vector_is_taken_per_colour():
    program = jax.make_jaxpr(lambda y: compressed_jacobian(jnp.sin, y, tridiagonal(7), color_columns(tridiagonal(7))))
    shapes = {v.aval.shape for e in program(jnp.ones(7)).eqns for v in e.outvars}
    assert (3, 7) in shapes
    assert max(len(shape) for shape in shapes) == 2


def test_it_composes_with_vmap_grad_and_float32():
    both = jax.jit(jax.vmap(jacobian))(jnp.stack([Y, 2 * Y]))
    np.testing.assert_allclose(both[1], jacobian(2 * Y), rtol=1e-13)
    loss = lambda y: jnp.sum(jacobian(y) ** 2)
    dense = lambda y: jnp.sum(jax.jacfwd(brusselator)(y) ** 2)
    np.testing.assert_allclose(jax.grad(loss)(Y), jax.grad(dense)(Y), rtol=1e-12)
    assert jacobian(Y.astype(jnp.float32)).dtype == jnp.float32


def test_it_works_inside_shard_map_with_the_default_check():
    mesh = jax.make_mesh((2,), ("batch",), axis_types=(jax.sharding.AxisType.Auto,))
    spec = PartitionSpec("batch")
    sharded = jax.shard_map(jax.vmap(jacobian), mesh=mesh, in_specs=spec, out_specs=spec)
    np.testing.assert_allclose(jax.jit(sharded)(jnp.stack([Y, 2 * Y]))[1], jacobian(2 * Y), rtol=1e-13)


def test_rectangular_and_complex_functions_are_supported():
    pattern = SparsityPattern([0, 1, 1], [0, 1, 2], (2, 3))
    function = lambda z: jnp.stack([z[0] ** 2, z[1] * z[2]])
    z = jnp.array([1.0 + 2j, 3.0, 1j])
    values = compressed_jacobian(function, z, pattern, color_columns(pattern))
    np.testing.assert_allclose(values, [2 + 4j, 1j, 3.0])


UNEVEN = SparsityPattern(np.r_[np.zeros(40, int), np.arange(40)], np.r_[np.arange(40), np.arange(40)], (40, 40))


@pytest.mark.parametrize("pattern", [PATTERN, tridiagonal(6), UNEVEN, SparsityPattern([1, 1], [0, 2], (3, 4))])
def test_products_are_those_of_the_dense_matrix(pattern):
    generator = np.random.default_rng(1)
    values = jnp.asarray(generator.normal(size=pattern.nnz))
    dense = np.asarray(sparse_to_dense(values, pattern))
    assert np.count_nonzero(dense) == pattern.nnz
    x, z = generator.normal(size=pattern.shape[1]), generator.normal(size=pattern.shape[0])
    np.testing.assert_allclose(sparse_matvec(values, pattern, jnp.asarray(x)), dense @ x, rtol=0, atol=1e-13)
    np.testing.assert_allclose(sparse_rmatvec(values, pattern, jnp.asarray(z)), dense.T @ z, rtol=0, atol=1e-13)


def test_an_infinite_component_reaches_only_the_rows_that_hold_it():
    x = jnp.array([jnp.inf, 1.0, 1.0, 1.0, 1.0])
    product = sparse_matvec(jnp.ones(tridiagonal(5).nnz), tridiagonal(5), x)
    np.testing.assert_array_equal(product, [np.inf, np.inf, 3, 3, 2])


def test_values_move_into_larger_patterns_and_take_a_shift():
    small = SparsityPattern([0, 2], [1, 2], (3, 3))
    large = small.with_diagonal()
    values = add_to_diagonal(embed(jnp.array([5.0, 7.0]), small, large), large, jnp.array([1.0, 2.0, 3.0]))
    np.testing.assert_array_equal(sparse_to_dense(values, large), [[1, 5, 0], [0, 2, 0], [0, 0, 10]])
    np.testing.assert_array_equal(add_to_diagonal(values, large, -1.0), [0, 5, 1, 9])
    with pytest.raises(ValueError, match=r"without \(0, 0\)"):
        add_to_diagonal(jnp.ones(2), small, 1.0)
    with pytest.raises(ValueError, match=r"shape \(2,\); got shape \(3,\)"):
        sparse_to_dense(jnp.ones(3), small)


@pytest.mark.parametrize("size", [6, 1000])
def test_placing_is_the_same_gathered_or_scattered(size):
    out = place(jnp.array([3.0, 4.0]), np.array([5, 1]), size)
    assert out.shape == (size,)
    np.testing.assert_array_equal(out[:6], [0, 4, 0, 0, 0, 3])
    assert jnp.sum(out) == 7


def test_a_complete_pattern_passes_the_check():
    check_sparsity(brusselator, Y, PATTERN)
    check_sparsity(brusselator, jnp.zeros(50), PATTERN)
    check_sparsity(lambda y: jnp.sqrt(y), jnp.zeros(3), SparsityPattern([0, 1, 2], [0, 1, 2], (3, 3)))


@pytest.mark.parametrize("missing", [0, 7, 100, PATTERN.nnz - 1])
def test_the_check_names_the_row_and_column_that_a_pattern_lacks(missing):
    keep = np.arange(PATTERN.nnz) != missing
    poorer = SparsityPattern(PATTERN.rows[keep], PATTERN.cols[keep], PATTERN.shape)
    with pytest.raises(ValueError, match=rf"lacks \({PATTERN.rows[missing]}, {PATTERN.cols[missing]}\)"):
        check_sparsity(brusselator, Y, poorer)


def test_the_check_sees_entries_that_vanish_at_the_given_point():
    product = lambda y: jnp.stack([y[0] * y[1], y[1]])
    with pytest.raises(ValueError, match=r"lacks \(0, 1\)"):
        check_sparsity(product, jnp.zeros(2), SparsityPattern([0, 1], [0, 1], (2, 2)))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: compressed_jacobian(jnp.sin, jnp.ones(4), tridiagonal(3), color_columns(tridiagonal(3))),
            "vector of 3",
        ),
        (lambda: compressed_jacobian(jnp.sin, jnp.ones(3), tridiagonal(3), color_columns(tridiagonal(4))), "columns"),
        (lambda: compressed_jacobian(jnp.sin, jnp.ones((3, 1)), tridiagonal(3), COLORING), "Flatten it"),
        (lambda: compressed_jacobian(jnp.sum, jnp.ones(3), tridiagonal(3), COLORING), "to one of 3 numbers"),
    ],
)
def test_functions_that_do_not_fit_the_pattern_are_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
