"""Matrices for the tests of Krylov methods, and the solves that the tests share."""

import jax
import jax.numpy as jnp
import numpy as np

from sciml_jax.numerics.krylov import gmres, stored_entries


def random_system(n=40, seed=0, dtype=float):
    """A well-conditioned, unsymmetric system."""
    rng = np.random.default_rng(seed)
    draw = lambda *shape: rng.normal(size=shape) + (1j * rng.normal(size=shape) if dtype is complex else 0.0)
    return jnp.asarray(3.0 * np.eye(n) + draw(n, n) / np.sqrt(n)), jnp.asarray(draw(n))


def convection_diffusion(n=40, peclet=30.0):
    """`-u'' + peclet u'` in one dimension between walls, scaled by the spacing squared."""
    h = 1.0 / (n + 1)
    upper, lower = -1.0 + 0.5 * peclet * h, -1.0 - 0.5 * peclet * h
    return jnp.asarray(2.0 * np.eye(n) + upper * np.eye(n, k=1) + lower * np.eye(n, k=-1))


def dense_solve(matrix, rhs, **options):
    return gmres(lambda v: matrix @ v, rhs, **options)


solve = jax.jit(dense_solve, static_argnames=("restart", "max_iterations"))


def brusselator(y, size, diffusion):
    """Two fields on a periodic grid, `diffusion` over the spacing squared."""
    u, v = y.reshape(2, size, size)
    around = lambda w: sum(jnp.roll(w, shift, axis) for shift in (1, -1) for axis in (0, 1)) - 4.0 * w
    field = (diffusion * around(u) + 1.0 + u * u * v - 4.4 * u, diffusion * around(v) + 3.4 * u - u * u * v)
    return jnp.stack(field).reshape(-1)


def brusselator_state(size):
    x = np.arange(size) / size
    return jnp.asarray(np.stack(np.broadcast_arrays(1.0 + 0.5 * np.sin(2 * np.pi * x)[:, None], 3.0 + 0.0 * x)).ravel())


def brusselator_entries(y, size, diffusion):
    """The Jacobian's entries on its pattern, as a coloured Jacobian would give them."""
    index = np.arange(2 * size**2).reshape(2, size, size)
    jacobian = np.asarray(jax.jacfwd(lambda y: brusselator(y, size, diffusion))(y))
    cols = [np.roll(index, shift, axis) for shift in (1, -1) for axis in (1, 2)] + [index, index[::-1]]
    rows, cols = np.broadcast_to(index, (6, *index.shape)).ravel(), np.stack(cols).ravel()
    return stored_entries(rows, cols, jnp.asarray(jacobian[rows, cols])), jnp.asarray(jacobian)
