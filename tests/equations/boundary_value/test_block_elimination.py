"""The structured elimination against dense linear algebra."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sciml_jax.equations.boundary_value.block_elimination import Blocks, block_solver


def dense(blocks):
    links, n = blocks.left.shape[:2]
    rows = jnp.zeros(((links + 1) * n, (links + 1) * n))
    for i in range(links):
        rows = rows.at[i * n : (i + 1) * n, i * n : (i + 2) * n].set(jnp.hstack([blocks.left[i], blocks.right[i]]))
    return rows.at[links * n :, :n].set(blocks.first).at[links * n :, links * n :].set(blocks.last)


def random_blocks(links, n):
    rng = np.random.default_rng(links)
    normal = lambda *shape: jnp.asarray(rng.standard_normal(shape))
    return Blocks(normal(links, n, n), normal(links, n, n), normal(n, n), normal(n, n)), normal(links + 1, n)


@pytest.mark.parametrize(("links", "n"), [(1, 2), (2, 1), (7, 3)])
def test_the_residual_of_a_random_system_is_rounding(links, n):
    blocks, rhs = random_blocks(links, n)
    x = jax.jit(lambda blocks, rhs: block_solver(blocks)(rhs))(blocks, rhs)
    matrix = dense(blocks)
    allowed = 1e-12 * np.linalg.cond(matrix) * float(jnp.max(jnp.abs(rhs)))
    np.testing.assert_allclose(np.ravel(x), np.linalg.solve(matrix, np.ravel(rhs)), rtol=0, atol=allowed)


def test_modes_that_grow_and_decay_by_1e40_are_both_resolved():
    """x_(i+1) = diag(10, 1/10) x_i mixed by a rotation, 40 links: the growing mode is given at the end."""
    c, s = np.cos(0.5), np.sin(0.5)
    turn = np.array([[c, -s], [s, c]])
    step = turn @ np.diag([10.0, 0.1]) @ turn.T
    left, right = jnp.tile(-step, (40, 1, 1)), jnp.tile(jnp.eye(2), (40, 1, 1))
    first, last = jnp.array([turn[:, 1], [0, 0]]), jnp.array([[0, 0], turn[:, 0]])
    rhs = jnp.zeros((41, 2)).at[-1].set(1.0)
    x = block_solver(Blocks(left, right, first, last))(rhs)
    i = np.arange(41)
    exact = np.outer(10.0 ** (i - 40), turn[:, 0]) + np.outer(10.0 ** (-i), turn[:, 1])
    np.testing.assert_allclose(x, exact, rtol=1e-12, atol=1e-14)


def test_both_modes_differentiate_the_matrix_and_the_right_hand_side():
    blocks, rhs = random_blocks(3, 2)
    ours = lambda blocks, rhs: jnp.sum(jnp.sin(block_solver(blocks)(rhs)))
    theirs = lambda blocks, rhs: jnp.sum(jnp.sin(jnp.linalg.solve(dense(blocks), jnp.ravel(rhs))))
    expected = jax.tree_util.tree_leaves(jax.grad(theirs, (0, 1))(blocks, rhs))
    for mode in (jax.jacfwd, jax.jacrev):
        actual = jax.tree_util.tree_leaves(jax.jit(mode(ours, (0, 1)))(blocks, rhs))
        for a, b in zip(actual, expected, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-10)
