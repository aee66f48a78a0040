"""Sparsity patterns: constants of the program, made from whatever describes one."""

import pickle

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.sparse
from jax.experimental.sparse import BCOO

from sciml_jax.numerics.sparsity import SparsityPattern
from sciml_jax.numerics.sparsity_sources import as_sparsity_pattern, detect_sparsity

from .sparse_patterns import brusselator, brusselator_pattern, tridiagonal

MATRIX = np.array([[1, 0, 1], [0, 1, 1], [1, 0, 0]])


def test_entries_are_sorted_and_repetitions_count_once():
    pattern = SparsityPattern([2, 0, 0, 2], [0, 2, 0, 0], (3, 3))
    assert (pattern.rows.tolist(), pattern.cols.tolist(), pattern.nnz) == ([0, 0, 2], [0, 2, 0], 3)


@pytest.mark.parametrize(
    "source",
    [
        MATRIX,
        MATRIX.astype(bool),
        MATRIX.astype(float),
        MATRIX.tolist(),
        jnp.asarray(MATRIX),
        scipy.sparse.csr_matrix(MATRIX),
        scipy.sparse.csc_array(MATRIX * 2.5),
        BCOO.fromdense(jnp.asarray(MATRIX), nse=7),
        np.nonzero(MATRIX),
        SparsityPattern(*np.nonzero(MATRIX), (3, 3)),
    ],
)
def test_every_description_of_a_pattern_gives_the_same_one(source):
    pattern = as_sparsity_pattern(source, (3, 3))
    assert pattern == SparsityPattern(*np.nonzero(MATRIX), (3, 3))
    np.testing.assert_array_equal(pattern.to_dense(), MATRIX)


def test_stored_zeros_of_a_sparse_matrix_count():
    stored = scipy.sparse.coo_matrix((np.zeros(1), ([0], [1])), shape=(2, 2))
    assert as_sparsity_pattern(stored).nnz == 1


def test_patterns_with_a_colouring_are_accepted():
    class Pattern:
        rows, cols, shape = [0], [1], (2, 2)

    class Colored:
        sparsity, colors = Pattern(), [0, 0]

    assert as_sparsity_pattern(Colored()) == as_sparsity_pattern(Pattern()) == SparsityPattern([0], [1], (2, 2))


def test_patterns_are_equal_and_hash_alike_by_content():
    one, other, wider = tridiagonal(5), tridiagonal(5), SparsityPattern([0], [0], (5, 6))
    assert one == other
    assert hash(one) == hash(other)
    assert one != tridiagonal(6) != wider
    assert SparsityPattern([0], [0], (5, 5)) != wider
    assert pickle.loads(pickle.dumps(one)) == one


def test_a_pattern_cannot_be_changed():
    pattern = tridiagonal(3)
    with pytest.raises(AttributeError, match="immutable"):
        pattern.shape = (4, 4)
    with pytest.raises(ValueError, match="read-only"):
        pattern.rows[0] = 1


def test_a_pattern_is_a_constant_of_a_compiled_function():
    traces = []

    class Holder(eqx.Module):
        pattern: SparsityPattern
        static: SparsityPattern = eqx.field(static=True)

    @jax.jit
    def count(holder, x):
        traces.append(1)
        return x * holder.pattern.nnz + holder.static.nnz

    for _ in range(2):
        assert count(Holder(tridiagonal(4), tridiagonal(2)), 1.0) == 14
    assert len(traces) == 1


def test_derived_tables_describe_the_same_matrix():
    pattern = SparsityPattern(*np.nonzero(MATRIX), (3, 3))
    values = np.arange(1.0, 6.0)
    dense, flipped = np.zeros((3, 3)), np.zeros((3, 3))
    dense[pattern.rows, pattern.cols] = values
    flipped[pattern.transpose.rows, pattern.transpose.cols] = values[pattern.by_column]
    np.testing.assert_array_equal(flipped, dense.T)
    assert pattern.diagonal.tolist() == [0, 2, -1]
    assert pattern.bandwidths == (2, 2)
    assert pattern.max_per_row == 2
    assert pattern.row_starts.tolist() == [0, 2, 4, 5]
    assert pattern.with_diagonal().nnz == 6
    order = np.array([2, 0, 1])
    np.testing.assert_array_equal(pattern.permuted(order).to_dense(), MATRIX[order][:, order])
    assert pattern.positions_in(pattern.with_diagonal()).tolist() == [0, 1, 2, 3, 4]


@pytest.mark.parametrize(
    ("build", "error", "message"),
    [
        (lambda: SparsityPattern([0, 3], [0, 1], (3, 3)), ValueError, "between 0 and 2; got 3 at position 1"),
        (lambda: SparsityPattern([-1], [0], (3, 3)), ValueError, "got -1"),
        (lambda: SparsityPattern([0, 1], [0], (3, 3)), ValueError, "got 2 and 1 indices"),
        (lambda: SparsityPattern([0.5], [0], (3, 3)), ValueError, "vector of integers"),
        (lambda: SparsityPattern([0], [0], 3), ValueError, "two nonnegative integers"),
        (lambda: as_sparsity_pattern(2.0 * np.eye(2)), ValueError, r"got the value 2.0.*matrix != 0"),
        (lambda: as_sparsity_pattern(np.ones(3)), ValueError, r"must be a matrix; got shape \(3,\)"),
        (lambda: as_sparsity_pattern(np.eye(3), (4, 4)), ValueError, r"shape \(4, 4\); got \(3, 3\)"),
        (lambda: as_sparsity_pattern((np.array([0]), np.array([0]))), ValueError, "need the shape"),
        (lambda: as_sparsity_pattern("dense"), TypeError, "got str"),
        (lambda: jax.jit(lambda m: as_sparsity_pattern(m).nnz)(jnp.eye(2)), TypeError, "known while the program"),
        (lambda: jax.jit(lambda i: SparsityPattern(i, i, (2, 2)).nnz)(jnp.arange(2)), TypeError, "outside `jit`"),
        (lambda: tridiagonal(3) | tridiagonal(4), ValueError, "same shape"),
        (lambda: tridiagonal(3).positions_in(SparsityPattern([0], [0], (3, 3))), ValueError, r"lacks \(0, 1\)"),
    ],
)
def test_wrong_patterns_are_refused_with_the_rule_and_the_fix(build, error, message):
    with pytest.raises(error, match=message):
        build()


def test_detection_names_the_extra_that_it_needs_or_finds_the_pattern():
    try:
        import asdex  # noqa: F401  # pyright: ignore[reportMissingImports]
    except ImportError:
        with pytest.raises(ImportError, match=r"sciml_jax\[sparse\]"):
            detect_sparsity(brusselator, jnp.ones(32))
    else:
        assert detect_sparsity(brusselator, jnp.ones(32)) == brusselator_pattern(4)
        assert detect_sparsity(lambda y: {"a": y[1] * y[0], "b": y[2:]}, jnp.ones(3)).nnz == 3
