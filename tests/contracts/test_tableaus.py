"""Explicit Runge-Kutta coefficients satisfy the order conditions of Butcher's rooted trees."""

import functools
import itertools

import numpy as np
import pytest

from sciml_jax.equations.methods.explicit_runge_kutta import AbstractExplicitRungeKutta

from .methods import METHODS

EXPLICIT = [m for m in METHODS if isinstance(m.method, AbstractExplicitRungeKutta)]
EMBEDDED = [m for m in EXPLICIT if m.has_error_estimate]
explicit = pytest.mark.parametrize("listed", EXPLICIT, ids=[m.name for m in EXPLICIT])
embedded = pytest.mark.parametrize("listed", EMBEDDED, ids=[m.name for m in EMBEDDED])


def partitions(total, largest):
    if total == 0:
        yield ()
    for first in range(min(total, largest), 0, -1):
        for rest in partitions(total - first, first):
            yield (first, *rest)


@functools.cache
def trees(order):
    """Rooted trees with `order` nodes; a tree is the sorted tuple of the trees that hang from its root."""
    found = set()
    for sizes in partitions(order - 1, order - 1):
        for children in itertools.product(*(trees(size) for size in sizes)):
            found.add(tuple(sorted(children)))
    return tuple(sorted(found))


def nodes(tree):
    return 1 + sum(nodes(child) for child in tree)


def density(tree):
    return nodes(tree) * int(np.prod([density(child) for child in tree], dtype=int))


def elementary_weights(tree, a):
    return np.prod([a @ elementary_weights(child, a) for child in tree], axis=0) * np.ones(len(a))


def matrix(tableau):
    stages = len(tableau.b)
    a = np.zeros((stages, stages))
    for i, row in enumerate(tableau.a, start=1):
        a[i, : len(row)] = row
    return a


def defect(weights, tableau, order):
    """The largest violation of the conditions of exactly this order."""
    a = matrix(tableau)
    return max(abs(weights @ elementary_weights(tree, a) - 1 / density(tree)) for tree in trees(order))


def test_the_numbers_of_rooted_trees_are_those_of_cayley():
    assert [len(trees(n)) for n in range(1, 7)] == [1, 1, 2, 4, 9, 20]


@explicit
def test_rows_sum_to_their_nodes(listed):
    tableau = listed.method.tableau
    np.testing.assert_allclose(matrix(tableau).sum(axis=1), [0.0, *tableau.c], rtol=0, atol=1e-14)


@explicit
def test_the_solution_meets_every_condition_up_to_its_order_and_not_beyond(listed):
    tableau = listed.method.tableau
    b = np.asarray(tableau.b)
    for order in range(1, listed.order + 1):
        assert defect(b, tableau, order) < 2e-14, order
    assert defect(b, tableau, listed.order + 1) > 1e-5


@embedded
def test_the_embedded_solution_is_one_order_lower(listed):
    tableau = listed.method.tableau
    b = np.asarray(tableau.b) - np.asarray(tableau.b_error)
    lower = listed.method.error_order - 1
    for order in range(1, lower + 1):
        assert defect(b, tableau, order) < 2e-14, order
    assert defect(b, tableau, lower + 1) > 1e-5


@explicit
def test_a_step_costs_the_evaluations_that_the_method_states(listed):
    tableau = listed.method.tableau
    last_is_first = len(tableau.a) > 0 and tuple(tableau.b[:-1]) == tuple(tableau.a[-1]) and tableau.b[-1] == 0.0
    # Each step evaluates f at its end: as the last stage, or in addition and instead of the next step's first.
    assert listed.method.evaluations_per_step == len(tableau.b) - int(last_is_first)
