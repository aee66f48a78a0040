"""Explicit Runge-Kutta coefficients satisfy the order conditions of Butcher's rooted trees."""

import functools
import itertools

import numpy as np
import pytest

from sciml_jax.equations.methods.continuous_extension import AbstractContinuousRungeKutta
from sciml_jax.equations.methods.explicit_runge_kutta import AbstractExplicitRungeKutta

from .methods import METHODS

EXPLICIT = [m for m in METHODS if isinstance(m.method, AbstractExplicitRungeKutta)]
EMBEDDED = [m for m in EXPLICIT if m.has_error_estimate]
EXTENDED = [m for m in METHODS if isinstance(m.method, AbstractContinuousRungeKutta)]
explicit = pytest.mark.parametrize("listed", EXPLICIT, ids=[m.name for m in EXPLICIT])
embedded = pytest.mark.parametrize("listed", EMBEDDED, ids=[m.name for m in EMBEDDED])
extended = pytest.mark.parametrize("listed", EXTENDED, ids=[m.name for m in EXTENDED])


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


def triangle(rows, stages):
    a = np.zeros((stages, stages))
    for i, row in enumerate(rows, start=1):
        a[i, : len(row)] = row
    return a


def matrix(tableau):
    return triangle(tableau.a, len(tableau.b))


def defect(weights, a, order, fraction=1.0):
    """The largest violation of the conditions of exactly this order at a fraction of the step."""
    return max(abs(weights @ elementary_weights(tree, a) - fraction**order / density(tree)) for tree in trees(order))


def rounding(tableau):
    """What 16 digits of coefficients as large as these leave: 3e-14 for most, 6e-11 for Vern6."""
    largest = lambda numbers: max(1.0, *(abs(x) for x in numbers))
    return 8 * np.finfo(float).eps * largest(matrix(tableau).ravel()) * largest(tableau.b)


def continuous(method, fraction):
    """The stage matrix with the extra stages, and the weights of all stages at a fraction of the step."""
    tableau, extension = method.tableau, method.extension
    ends_with_f1 = tuple(tableau.b[:-1]) == tuple(tableau.a[-1])
    rows = [*tableau.a, *([] if ends_with_f1 else [tableau.b]), *extension.a]
    stages = len(rows) + 1
    f1 = stages - len(extension.c) - 1
    b = np.zeros(stages)
    b[: len(tableau.b)] = tableau.b
    s = fraction
    weights = (3 * s**2 - 2 * s**3) * b
    weights[0] += s * (1 - s) ** 2
    weights[f1] -= s**2 * (1 - s)
    for j, share in enumerate(extension.weights):
        weights += s**2 * (1 - s) ** 2 * (2 * s - 1) ** j * np.asarray(share)
    return triangle(rows, stages), weights


def test_the_numbers_of_rooted_trees_are_those_of_cayley():
    assert [len(trees(n)) for n in range(1, 11)] == [1, 1, 2, 4, 9, 20, 48, 115, 286, 719]


@explicit
def test_rows_sum_to_their_nodes(listed):
    tableau = listed.method.tableau
    np.testing.assert_allclose(matrix(tableau).sum(axis=1), [0.0, *tableau.c], rtol=0, atol=rounding(tableau))


@explicit
def test_the_solution_meets_every_condition_up_to_its_order_and_not_beyond(listed):
    tableau = listed.method.tableau
    a, b = matrix(tableau), np.asarray(tableau.b)
    for order in range(1, listed.order + 1):
        assert defect(b, a, order) < rounding(tableau), order
    # Pairs of high order are chosen for what they miss of the next order to be small: 4e-7 for Vern8.
    assert defect(b, a, listed.order + 1) > 1e-7


@embedded
def test_the_embedded_solution_is_one_order_lower(listed):
    tableau = listed.method.tableau
    a, b = matrix(tableau), np.asarray(tableau.b) - np.asarray(tableau.b_error)
    lower = listed.method.error_order - 1
    for order in range(1, lower + 1):
        assert defect(b, a, order) < rounding(tableau), order
    assert defect(b, a, lower + 1) > 1e-5


@extended
def test_the_dense_output_meets_every_condition_up_to_its_order(listed):
    """Local errors of h^dense_order between the steps, one order less than at the steps, keep the global order."""
    method = listed.method
    for fraction in (0.21, 0.5, 0.83):
        a, weights = continuous(method, fraction)
        for order in range(1, listed.dense_order):
            assert defect(weights, a, order, fraction) < rounding(method.tableau), (fraction, order)


# Condition of the method's own order between the steps. Verner's extension of the 7(6) pair misses it by very little.
LAST = {"Vern6": 2e-10, "Vern7": 5e-7, "Vern8": 5e-12, "Vern9": 5e-14}


@pytest.mark.parametrize("name", LAST)
def test_verners_dense_output_has_the_order_of_the_method(name):
    listed = next(m for m in EXTENDED if m.name == name)
    for fraction in (0.21, 0.5, 0.83):
        a, weights = continuous(listed.method, fraction)
        assert defect(weights, a, listed.order, fraction) < LAST[name]
        assert defect(weights, a, listed.order + 1, fraction) > 1e-7


@extended
def test_extra_stages_sum_to_their_nodes(listed):
    nodes = listed.method.extension.c
    a, _ = continuous(listed.method, 0.5)
    np.testing.assert_allclose(a.sum(axis=1)[-len(nodes) :], nodes, rtol=0, atol=1e-13)


@explicit
def test_a_step_costs_the_evaluations_that_the_method_states(listed):
    tableau = listed.method.tableau
    last_is_first = len(tableau.a) > 0 and tuple(tableau.b[:-1]) == tuple(tableau.a[-1]) and tableau.b[-1] == 0.0
    # Each step evaluates f at its end: as the last stage, or in addition and instead of the next step's first.
    assert listed.method.evaluations_per_step == len(tableau.b) - int(last_is_first)
