"""Patterns and functions that the tests of sparse matrices share."""

import jax.numpy as jnp
import numpy as np

from sciml_jax.numerics.sparsity import SparsityPattern


def tridiagonal(size):
    i = np.arange(size)
    return SparsityPattern(np.r_[i, i[1:], i[:-1]], np.r_[i, i[:-1], i[1:]], (size, size))


def laplacian(number, *, periodic):
    """The five-point Laplacian on a square grid."""
    index = np.arange(number**2).reshape(number, number)
    rows, cols = [index.ravel()], [index.ravel()]
    for axis in (0, 1):
        for shift in (-1, 1):
            inside = np.ones(index.shape, bool)
            if not periodic:
                edge = [slice(None), slice(None)]
                edge[axis] = 0 if shift == 1 else -1
                inside[tuple(edge)] = False
            rows.append(index[inside])
            cols.append(np.roll(index, shift, axis)[inside])
    return SparsityPattern(np.concatenate(rows), np.concatenate(cols), (number**2, number**2))


def brusselator_pattern(number):
    """Two coupled five-point Laplacians, periodic."""
    one = laplacian(number, periodic=True)
    size, each = number**2, np.arange(number**2)
    rows = np.concatenate([one.rows, one.rows + size, each, each + size])
    cols = np.concatenate([one.cols, one.cols + size, each + size, each])
    return SparsityPattern(rows, cols, (2 * size, 2 * size))


def brusselator(y):
    """Reaction and diffusion on a periodic square grid, both species one after the other in a vector."""
    number = round((y.size / 2) ** 0.5)
    u, v = y.reshape(2, number, number)
    spread = lambda w: sum(jnp.roll(w, s, a) for s in (-1, 1) for a in (0, 1)) - 4 * w
    reaction = u**2 * v
    return jnp.stack([1 + reaction - 4.4 * u + spread(u), 3.4 * u - reaction + 0.5 * spread(v)]).ravel()
