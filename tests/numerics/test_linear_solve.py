"""One factorisation and many solves agree with LAPACK, in values and in derivatives of any order."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sciml_jax.numerics.dense_lu import LAPACK_SIZE
from sciml_jax.numerics.linear_solve import factorised_solver


def written_out(matrix, rhs):
    rows = tuple(tuple(matrix[i, j] for j in range(rhs.size)) for i in range(rhs.size))
    return jnp.stack(factorised_solver(rows)(tuple(rhs)))


def in_loops(matrix, rhs):
    return factorised_solver(matrix)(rhs)


def system(size, seed=0):
    generator = np.random.default_rng(seed)
    return jnp.asarray(generator.normal(size=(size, size))), jnp.asarray(generator.normal(size=size))


CASES = [(written_out, n) for n in (1, 2, 3, 5, 8)] + [(in_loops, n) for n in (1, 3, 8, 20, LAPACK_SIZE)]


@pytest.mark.parametrize(("solve", "size"), CASES)
def test_the_solution_leaves_a_residual_of_rounding_size(solve, size):
    matrix, rhs = system(size)
    x = jax.jit(solve)(matrix, rhs)
    bound = 10 * size * np.finfo(float).eps * np.abs(matrix).sum(axis=1).max() * np.abs(x).max()
    assert np.abs(matrix @ x - rhs).max() <= bound


@pytest.mark.parametrize("solve", [written_out, in_loops])
def test_rows_are_exchanged_where_a_pivot_vanishes(solve):
    matrix = jnp.array([[0.0, 2.0, 1.0], [1e-20, 1.0, 0.0], [3.0, 0.0, 0.0]])
    rhs = jnp.array([4.0, 1.0, 6.0])
    np.testing.assert_allclose(solve(matrix, rhs), [2.0, 1.0, 2.0], rtol=1e-14)


@pytest.mark.parametrize(
    ("solve", "size"), [(written_out, 3), (written_out, 8), (in_loops, 5), (in_loops, LAPACK_SIZE)]
)
def test_gradients_are_those_of_the_linear_system(solve, size):
    matrix, rhs = system(size)
    gradient = jax.jit(jax.grad(lambda m, r: jnp.sum(solve(m, r) ** 2), (0, 1)))
    wanted = jax.grad(lambda m, r: jnp.sum(jnp.linalg.solve(m, r) ** 2), (0, 1))(matrix, rhs)
    for got, want in zip(gradient(matrix, rhs), wanted, strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-9, atol=1e-9 * np.abs(want).max())


@pytest.mark.parametrize(("solve", "size"), [(written_out, 3), (in_loops, 4)])
def test_second_derivatives_see_that_the_factors_depend_on_the_matrix(solve, size):
    matrix, rhs = system(size)
    got = jax.jit(jax.hessian(lambda m: jnp.sum(solve(m, rhs) ** 2)))(matrix)
    want = jax.hessian(lambda m: jnp.sum(jnp.linalg.solve(m, rhs) ** 2))(matrix)
    np.testing.assert_allclose(got, want, rtol=1e-8, atol=1e-8 * np.abs(want).max())


@pytest.mark.parametrize("solve", [written_out, in_loops])
def test_a_batch_of_systems_is_solved_lane_by_lane(solve):
    pairs = [system(4, seed) for seed in range(3)]
    matrices, sides = (jnp.stack(parts) for parts in zip(*pairs, strict=True))
    got = jax.vmap(solve)(matrices, sides)
    for lane, (matrix, rhs) in enumerate(pairs):
        np.testing.assert_allclose(got[lane], jnp.linalg.solve(matrix, rhs), rtol=1e-12)


@pytest.mark.parametrize("solve", [written_out, in_loops])
def test_a_singular_matrix_gives_no_finite_solution(solve):
    assert not np.all(np.isfinite(solve(jnp.ones((3, 3)), jnp.array([1.0, 2.0, 3.0]))))


def test_single_precision_stays_single():
    matrix, rhs = (x.astype(jnp.float32) for x in system(4))
    assert written_out(matrix, rhs).dtype == in_loops(matrix, rhs).dtype == jnp.float32
