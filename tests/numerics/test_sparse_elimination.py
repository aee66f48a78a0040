"""Elimination on a sparse order without row exchanges agrees with LAPACK, and says where it does not."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sciml_jax.numerics.sparse_elimination import Elimination

HIRES = {
    *((i, i) for i in range(8)), (0, 1), (0, 2), (1, 0), (2, 3), (2, 4), (3, 1), (3, 2), (4, 5), (4, 6), (5, 3),
    (5, 4), (5, 6), (5, 7), (6, 5), (6, 7), (7, 5), (7, 6),
}  # fmt: skip


def entries_of(matrix):
    matrix = np.asarray(matrix)
    size = len(matrix)
    return {(i, j): jnp.asarray(matrix[i, j]) for i in range(size) for j in range(size) if matrix[i, j] or i == j}


def solved(matrix, rhs):
    entries = entries_of(matrix)
    solve = Elimination(entries, len(rhs)).solver(entries)
    return np.stack(solve(tuple(jnp.asarray(rhs)))), bool(solve.is_reliable)


def random_places(generator, size, share):
    return (generator.random((size, size)) < share) | np.eye(size, dtype=bool)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 7), st.floats(0.1, 0.9))
def test_kinetics_of_any_rates_is_solved_to_rounding(seed, size, share):
    generator = np.random.default_rng(seed)
    rates = np.where(random_places(generator, size, share), 10.0 ** generator.uniform(-8, 8, (size, size)), 0.0)
    np.fill_diagonal(rates, 0.0)
    # What leaves one species arrives at others: columns sum to the shift.
    shift = 10.0 ** generator.uniform(-4, 4)
    matrix = np.diag(shift + rates.sum(axis=0)) - rates
    rhs = generator.random(size)
    x, is_reliable = solved(matrix, rhs)
    assert is_reliable
    # For a positive right-hand side the sum is known: that of the right-hand side over the shift.
    bound = 20 * size * np.finfo(float).eps
    slack = np.abs(matrix) @ np.abs(x) + np.abs(rhs)
    assert np.all(np.abs(matrix @ x - rhs) <= bound * slack)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.integers(2, 6), st.floats(0.3, 1.0), st.floats(0.0, 24.0))
def test_what_is_declared_reliable_keeps_a_small_residual(seed, size, share, depth):
    generator = np.random.default_rng(seed)
    matrix = np.where(random_places(generator, size, share), generator.normal(size=(size, size)), 0.0)
    # Pivots from ordinary to hopeless.
    matrix[np.diag_indices(size)] *= 10.0 ** -generator.uniform(0, depth, size)
    rhs = generator.normal(size=size)
    x, is_reliable = solved(matrix, rhs)
    if is_reliable and np.all(np.isfinite(x)):
        slack = np.abs(matrix).sum(axis=1).max() * np.abs(x).max() + np.abs(rhs).max()
        assert np.abs(matrix @ x - rhs).max() <= 1e-5 * slack


def test_lost_digits_are_noticed_in_any_units():
    for unit in (1.0, 1e-9, 1e7):
        scale = lambda matrix, unit=unit: np.diag([1.0, unit]) @ matrix @ np.diag([1.0, 1 / unit])
        assert not solved(scale(np.array([[1e-10, 1.0], [1.0, 1.0]])), [1.0, 1.0])[1]
        assert solved(scale(np.array([[1e-6, 1.0], [1.0, 1.0]])), [1.0, 1.0])[1]
        # A step of 1e5 periods: five digits are lost, and not missed.
        assert solved(scale(np.array([[1.0, -1e5], [1e5, 1.0]])), [1.0, 1.0])[1]
        assert not solved(scale(np.array([[1.0, -1e9], [1e9, 1.0]])), [1.0, 1.0])[1]


def test_a_chain_and_an_arrow_fill_nothing_in():
    size = 12
    chain = {(i, j) for i in range(size) for j in range(size) if abs(i - j) <= 1}
    arrow = {(i, j) for i in range(size) for j in range(size) if i in (0, j) or j == 0}
    for places in (chain, arrow):
        elimination = Elimination(places, size)
        assert set(elimination.places) == places
        # A column of one entry below and one to the right: 1 + 1 + 1 + 2 operations for each pivot but the last.
        assert elimination.factor_operations == 5 * (size - 1) + 1
        assert elimination.solve_operations == 2 * len(places) - size


def test_the_elimination_of_hires_is_pinned():
    elimination = Elimination(HIRES, 8)
    assert (len(HIRES), len(elimination.places)) == (25, 27)
    assert (elimination.factor_operations, elimination.solve_operations) == (53, 46)


def dense_of(entries, places, size):
    return jnp.zeros((size, size)).at[tuple(np.array(places).T)].set(entries)


PLACES = tuple(sorted(HIRES))


def case():
    generator = np.random.default_rng(1)
    values = np.array([generator.uniform(4, 6) if i == j else generator.normal() for i, j in PLACES])
    return jnp.asarray(values), jnp.asarray(generator.normal(size=8))


def written_out(values, rhs):
    entries = dict(zip(PLACES, [values[i] for i in range(len(PLACES))], strict=True))
    solve = Elimination(HIRES, 8).solver(entries)
    return jnp.stack(solve(tuple(rhs[i] for i in range(8))))


def by_lapack(values, rhs):
    return jnp.linalg.solve(dense_of(values, PLACES, 8), rhs)


def test_first_and_second_derivatives_are_those_of_the_linear_system():
    values, rhs = case()
    loss = lambda solve: lambda v, r: jnp.sum(jnp.sin(solve(v, r)))
    got = jax.jit(jax.grad(loss(written_out), (0, 1)))(values, rhs)
    for one, other in zip(got, jax.grad(loss(by_lapack), (0, 1))(values, rhs), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-11, atol=1e-13)
    moves = jnp.cos(jnp.arange(len(PLACES))), jnp.sin(jnp.arange(8.0))
    second = lambda solve: jax.jit(lambda: jax.jvp(jax.grad(loss(solve), (0, 1)), (values, rhs), moves)[1])()
    for one, other in zip(second(written_out), second(by_lapack), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-10, atol=1e-12)


def test_a_batch_and_complex_numbers():
    values, rhs = case()
    many = values * jnp.linspace(0.5, 2.0, 3)[:, None]
    np.testing.assert_allclose(
        jax.vmap(written_out, (0, None))(many, rhs), jax.vmap(by_lapack, (0, None))(many, rhs), rtol=1e-12
    )
    turned = jnp.exp(0.3j) * values
    wanted = np.linalg.solve(np.exp(0.3j) * np.asarray(dense_of(values, PLACES, 8)), rhs)
    np.testing.assert_allclose(written_out(turned, rhs.astype(complex)), wanted, rtol=1e-12)


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.float64])
def test_precision_stays_as_it_is(dtype):
    values, rhs = (x.astype(dtype) for x in case())
    x = written_out(values, rhs)
    assert x.dtype == dtype
    np.testing.assert_allclose(x, by_lapack(*case()), rtol=50 * jnp.finfo(dtype).eps)
