"""Columns that share a row get different colours, and few colours are needed."""

import time

import numpy as np
import pytest

from sciml_jax.numerics.coloring import Coloring, color_columns
from sciml_jax.numerics.sparsity import SparsityPattern

from .sparse_patterns import brusselator_pattern, laplacian, tridiagonal


def test_two_colours_suffice_for_the_textbook_function():
    # f(x) = (x1 + x3, x2 x3, x1)
    pattern = SparsityPattern([0, 0, 1, 1, 2], [0, 2, 1, 2, 0], (3, 3))
    coloring = color_columns(pattern)
    assert coloring.num_colors == 2
    assert coloring.is_valid(pattern)


@pytest.mark.parametrize(
    ("pattern", "fewest", "most"),
    [
        (tridiagonal(50), 3, 3),
        (laplacian(12, periodic=False), 5, 5),
        (laplacian(10, periodic=True), 5, 9),
        (laplacian(11, periodic=True), 5, 9),
        (brusselator_pattern(16), 6, 10),
        (SparsityPattern(np.arange(9), np.arange(9), (9, 9)), 1, 1),
        (SparsityPattern([], [], (4, 4)), 1, 1),
        (SparsityPattern(np.zeros(7, int), np.arange(7), (7, 7)), 7, 7),
        (SparsityPattern([0, 0, 1], [0, 4, 2], (2, 6)), 2, 2),
    ],
)
def test_the_colouring_is_valid_and_needs_few_colours(pattern, fewest, most):
    coloring = color_columns(pattern)
    assert coloring.is_valid(pattern)
    assert fewest <= coloring.num_colors <= most
    assert coloring.colors.shape == (pattern.shape[1],)


def test_random_patterns_are_coloured_validly_within_the_greedy_bound():
    generator = np.random.default_rng(0)
    for _ in range(5):
        pattern = SparsityPattern(*generator.integers(0, 60, (2, 200)), (60, 60))
        coloring = color_columns(pattern)
        shared = (pattern.to_dense().T.astype(int) @ pattern.to_dense()) > 0
        assert coloring.is_valid(pattern)
        assert pattern.max_per_row <= coloring.num_colors <= shared.sum(axis=0).max()


def test_a_colouring_with_a_conflict_is_not_valid():
    assert not Coloring([0, 1, 0, 1]).is_valid(tridiagonal(4))
    assert not Coloring([0, 1, 2]).is_valid(tridiagonal(4))
    assert Coloring([0, 1, 2, 0]).is_valid(tridiagonal(4))


def test_colourings_are_immutable_and_hash_by_content():
    one = Coloring([0, 1])
    assert hash(one) == hash(Coloring(np.array([0, 1])))
    assert one == Coloring([0, 1]) != Coloring([1, 0])
    with pytest.raises(AttributeError, match="immutable"):
        one.num_colors = 3


def test_thirty_thousand_columns_take_seconds():
    pattern = brusselator_pattern(128)
    start = time.process_time()
    coloring = color_columns(pattern)
    assert time.process_time() - start < 8  # about 1.3 s on an idle machine
    assert coloring.is_valid(pattern)
    assert coloring.num_colors <= 11
