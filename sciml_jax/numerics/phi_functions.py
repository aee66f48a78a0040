"""The functions of exponential integrators: phi_0(z) = e^z and phi_k(z) = (phi_(k-1)(z) - 1/(k-1)!) / z.

`u(h) = phi_0(hL) u_0 + h phi_1(hL) c_0 + h^2 phi_2(hL) c_1 + 2 h^3 phi_3(hL) c_2` solves
`u' = L u + c_0 + c_1 t + c_2 t^2`. Here up to phi_3, for numbers and for matrices.

The recurrence cancels where z is small: it loses a factor |z| in each step. There a Taylor polynomial of phi_3 and the
recurrence backwards, which loses nothing, take its place; larger arguments of matrices are reached by doubling.
"""

import math
from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Inexact

from .loops import vary_like

TAYLOR = tuple(1.0 / math.factorial(k + 3) for k in range(17))
"""Coefficients of phi_3 at zero; up to |z| = 1 the first term left out is 1e-18 of the sum."""

MAX_DOUBLINGS = 40
"""Doublings of a matrix argument of norm one: up to a norm of 1e12."""


def phi_functions(z: Any) -> tuple:
    """`(phi_0, ..., phi_3)` of each number in an array, real or complex.

    Accurate to about ten roundings relative to the largest value near z, for any z; differentiable to any order. Where
    `e^z` overflows the results are infinite or NaN. Cost: one exponential and some 25 products.
    """
    z = jnp.asarray(z)
    is_small = jnp.abs(z.real) + jnp.abs(z.imag) < 1.0 if jnp.iscomplexobj(z) else jnp.abs(z) < 1.0
    # Either branch gets an argument that it can take: derivatives of the other would be NaN times zero.
    near = _series(jnp.where(is_small, z, jnp.zeros_like(z)), 1.0, jnp.multiply)
    far = jnp.where(is_small, jnp.ones_like(z), z)
    phi0 = jnp.exp(far)
    phi1 = (phi0 - 1.0) / far
    phi2 = (phi1 - 1.0) / far
    phi3 = (phi2 - 0.5) / far
    return tuple(jnp.where(is_small, a, b) for a, b in zip(near, (phi0, phi1, phi2, phi3), strict=True))


def phi_matrices(matrix: Inexact[Array, "n n"], last: int = 3) -> tuple:
    """`(phi_0, ..., phi_last)` of a square matrix, each of shape (n, n), by scaling, a Taylor polynomial and doubling.

    Cost: 10 products of n x n matrices, and `last + 1` more for each factor two of the norm (under `vmap`: for 40 of
    them). The relative error is about the rounding times the norm for normal matrices, which is the
    condition of the problem. Differentiable in both modes. Entries that are not finite give NaN.

    Higham, Functions of Matrices (2008), 10.7.4 (phi functions), 11.5 (doubling).
    """
    identity = jnp.eye(matrix.shape[0], dtype=matrix.dtype)
    norm = lax.stop_gradient(jnp.max(jnp.sum(jnp.abs(matrix), axis=0)))
    levels = jnp.ceil(jnp.log2(jnp.maximum(norm, 1.0)))
    phis = _series(matrix * jnp.exp2(-levels).astype(matrix.dtype), identity, _product)[: last + 1]

    def level(phis, index):
        return lax.cond(index < levels, lambda phis: doubled(phis, _product), lambda phis: phis, phis), None

    indices = jnp.arange(MAX_DOUBLINGS, dtype=levels.dtype)
    phis, _ = lax.scan(level, vary_like(phis, phis, matrix), indices)
    return phis


def doubled(phis: tuple, multiply: Callable) -> tuple:
    """The functions at 2 z from those at z, up to phi_3 or fewer; `multiply` is that of numbers or of matrices.

    All terms are positive for real z, so nothing cancels.
    """
    phi0, *others = phis
    twice = [multiply(phi0, phi0)]
    for k, phi in enumerate(others, 1):
        total = multiply(phi0, phi) + phi
        for j in range(1, k):
            total = total + others[j - 1] / math.factorial(k - j)
        twice.append(total / 2**k)
    return tuple(twice)


def _series(z: Any, identity: Any, multiply: Callable) -> tuple:
    """The Taylor polynomial of phi_3, and the others from it.

    In powers of z^4, whose coefficients are cubics (Paterson & Stockmeyer): 7 products instead of 16.
    """
    square = multiply(z, z)
    cube, fourth = multiply(square, z), multiply(square, square)
    phi3 = TAYLOR[-1] * identity
    for start in range(len(TAYLOR) - 5, -1, -4):
        c0, c1, c2, c3 = TAYLOR[start : start + 4]
        phi3 = (c0 * identity + c1 * z) + (c2 * square + c3 * cube) + multiply(fourth, phi3)
    phi2 = 0.5 * identity + multiply(z, phi3)
    phi1 = identity + multiply(z, phi2)
    return identity + multiply(z, phi1), phi1, phi2, phi3


def _product(a: Any, b: Any) -> Any:
    return jnp.matmul(a, b, precision=lax.Precision.HIGHEST)
