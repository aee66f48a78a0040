"""What `GroupedDirect` needs: which rates depend on what, and single rates."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import sciml_jax as sj
from sciml_jax.equations.engine.traced import TracedFunction
from sciml_jax.equations.jumps.dependence import changed_places, dependence, dependents_of, padded
from sciml_jax.equations.jumps.rows import rows_of

from .networks import chain

INDEX = np.array([3, 0, 2, 2, 1, 3])
MATRIX = np.array([[1.0, 0, 0, 2], [0, 0, 3, 0], [0, 0, 0, 0], [0, 4, 0, 0], [5, 5, 0, 0], [0, 0, 0, 6]])

PROGRAMS = {
    "indexing": lambda t, y, k: k * y[INDEX] * jnp.exp(y[INDEX[::-1]]),
    "slices": lambda t, y, k: jnp.concatenate([y[1:] * y[:-1], y[:3]]) * k,
    "stack": lambda t, y, k: jnp.stack([y[0], y[1] * y[2], k[0] + 0 * y[3], y[3], y[0] + y[3], y[2] ** 2]),
    "matrix": lambda t, y, k: jnp.asarray(MATRIX) @ y,
    "products": lambda t, y, k: jnp.prod(y[np.stack([INDEX, INDEX[::-1]], axis=1)], axis=1) + k,
    "call": jax.jit(lambda t, y, k: jnp.tanh(y[INDEX] - 1) * k),
    "sorted": lambda t, y, k: jnp.concatenate([jnp.sort(y), y[:2]]) * t,
    "switch": lambda t, y, k: jnp.where(np.arange(6) % 2 == 0, y[INDEX], 2.0) + jnp.sum(k),
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_single_rates_are_those_of_the_whole_and_dependences_lack_nothing(name):
    y, k = jnp.array([0.5, 1.5, 2.5, 4.0]), jnp.linspace(1.0, 2.0, 6)
    traced = TracedFunction(PROGRAMS[name], jnp.asarray(0.3), y, k).with_layout(False, [y], None)
    whole = PROGRAMS[name](0.3, y, k)
    for rows in ([4], [0, 5, 3, 3]):
        found = jax.jit(lambda rows: rows_of(traced.jaxpr, (*traced.operands, 0.3, y), rows))(jnp.array(rows))
        assert np.allclose(found, whole[np.array(rows)], rtol=1e-14)
    found = dependence(traced, [y])
    needed = np.asarray(jax.jacfwd(lambda y: PROGRAMS[name](0.3, y, k))(y)) != 0
    assert np.all(found >= needed)
    if name not in ("sorted", "stack"):
        assert np.array_equal(found, needed)


def test_only_what_is_needed_is_computed():
    """An event of a long chain costs far fewer operations than all its rates."""
    traced = TracedFunction(chain(500).rates, jnp.asarray(0.0), jnp.arange(500), None)
    args = (*traced.operands, 0.0, jnp.arange(500))
    jaxpr = jax.make_jaxpr(lambda rows: rows_of(traced.jaxpr, args, rows))(jnp.array([3, 4]))
    arithmetic = [e for e in jaxpr.jaxpr.eqns if e.primitive.name in ("mul", "sub", "max", "div")]
    assert arithmetic and all(e.outvars[0].aval.size <= 2 for e in arithmetic)


def test_dependents_of_a_chain_are_its_neighbours():
    problem = chain(100)
    traced = TracedFunction(problem.rates, jnp.asarray(0.0), problem.y0, None)
    depends = dependence(traced, [problem.y0])
    assert np.array_equal(depends, problem.stoichiometry < 0)
    table = dependents_of(problem.stoichiometry, depends)
    assert sorted(set(table[10])) == [9, 10, 11, 12]  # the reactions out of sites 5 and 6
    places, by = changed_places(problem.stoichiometry)
    assert sorted(zip(places[10].tolist(), by[10].tolist(), strict=True)) == [(5, -1), (6, 1)]
    assert np.array_equal(padded([[], [2], [3, 4]]), [[0, 0], [2, 2], [3, 4]])


def test_dependencies_that_are_given_are_used():
    problem = chain(20)
    given = sj.JumpProblem(
        problem.rates, problem.stoichiometry, problem.y0, 0.0, 0.5, dependencies=problem.stoichiometry < 0
    )
    read_off = sj.JumpProblem(problem.rates, problem.stoichiometry, problem.y0, 0.0, 0.5)
    paths = [sj.solve(p, sj.GroupedDirect(), key=5).y1 for p in (given, read_off)]
    assert np.array_equal(*paths)


def test_kept_rates_do_not_drift():
    """After thousands of events the kept rates still are the rates: the path is that of fresh sums."""
    problem = chain(8, count=3, t1=200.0)
    sol = sj.solve(problem, sj.GroupedDirect(), key=1)
    assert int(sol.stats.num_steps) > 5000
    assert int(sol.y1.sum()) == 24 and int(sol.y1.min()) >= 0


def test_mass_action_counts_combinations():
    rates = sj.MassAction([[2, 0], [1, 1], [0, 3], [0, 0]], [1.0, 2.0, 6.0, 4.0])
    assert np.allclose(rates(0.0, jnp.array([5, 4]), None), [10.0, 40.0, 24.0, 4.0])
    assert np.allclose(rates(0.0, jnp.array([1, 2]), None), [0.0, 4.0, 0.0, 4.0])
    assert np.allclose(rates(0.0, jnp.array([-1, -1]), None)[0], 0.0)
    powers = sj.MassAction([[2, 0], [0, 3]], continuous=True)
    assert np.allclose(powers(0.0, jnp.array([0.5, 2.0]), jnp.array([4.0, 1.0])), [1.0, 8.0])
