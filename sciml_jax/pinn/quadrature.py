"""Integrals in residuals: of integro-differential equations, and fractional derivatives."""

import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ..training.checks import as_count


def integrate(function: Callable[[Array], Any], lower: Any, upper: Any, *, num_points: int = 16) -> Any:
    r"""$\int_a^b f(s)\, ds$ by Gauss-Legendre quadrature, with bounds that may depend on the point.

    Volterra terms are `integrate(lambda s: kernel(z[0], s) * u(jnp.stack([s])), 0.0, z[0])`, Fredholm terms the same
    with fixed bounds.

    Parameters
    ----------
    function
        `function(s) -> value`, an array or a pytree of arrays, for one number s.
    lower, upper
        a and b, numbers; differentiable.
    num_points
        How many values of s: exact for polynomials of degree `2 num_points - 1`.

    Returns
    -------
    A value like `function(s)`.

    Notes
    -----
    Costs `num_points` evaluations at every collocation point. For kernels that are singular at an end substitute first,
    or see `caputo_derivative`.
    """
    nodes, weights = np.polynomial.legendre.leggauss(as_count(num_points, "num_points"))
    lower, upper = jnp.asarray(lower), jnp.asarray(upper)
    half = (upper - lower) / 2
    s = lower + half * jnp.asarray(1 + nodes, half.dtype)
    values = jax.vmap(function)(s)
    return jax.tree_util.tree_map(lambda v: half * jnp.tensordot(jnp.asarray(weights, v.dtype), v, 1), values)


def caputo_derivative(
    u: Callable[[Array], Any], z: Float[Array, " d"], axis: int, order: float, *, start: Any = 0.0, num_points: int = 16
) -> Any:
    r"""Caputo's fractional derivative of order $0 < \alpha < 2$, not 1, along one coordinate.

    .. math:: D^\alpha u(t) = \frac{1}{\Gamma(m - \alpha)} \int_a^t (t - s)^{m - 1 - \alpha} u^{(m)}(s)\, ds,
        \quad m = \lceil \alpha \rceil,

    by Gauss-Jacobi quadrature, whose weight is the singular kernel: exact where $u^{(m)}$ is a polynomial of degree
    `2 num_points - 1`, and spectrally accurate where it is smooth.

    Parameters
    ----------
    u
        A function of a point.
    z
        The point, shape (d,).
    axis
        Which coordinate: `domain.names.index("t")`.
    order
        $\alpha$, a Python number.
    start
        a, where the memory begins.
    num_points
        Values of s.

    Returns
    -------
    A value like `u(z)`.

    Raises
    ------
    ValueError
        For orders out of range.

    Notes
    -----
    Costs `num_points` derivatives at every collocation point. Solutions of fractional equations often behave like
    $t^\alpha$ at the start, which neither a network nor the quadrature sees: give the network $t^\alpha$ as an input.

    References
    ----------
    Pang, Lu & Karniadakis, fPINNs: fractional physics-informed neural networks, SIAM J. Sci. Comput. 41 (2019).
    Golub & Welsch, Calculation of Gauss quadrature rules, Math. Comp. 23 (1969).
    """
    if isinstance(order, bool) or not isinstance(order, (int, float)) or not 0 < order < 2 or order == 1:
        msg = f"`order` must be a number in (0, 2) other than 1; got {order!r}. Use `domain.partials` for whole orders."
        raise ValueError(msg)
    count = math.ceil(order)
    nodes, weights = _gauss_jacobi(as_count(num_points, "num_points"), count - 1 - order)
    z = jnp.asarray(z)
    span = z[axis] - start

    def derivative(s: Array) -> Any:
        function = lambda s: u(z.at[axis].set(s))
        for _ in range(count):
            function = lambda s, f=function: jax.jvp(f, (s,), (jnp.ones_like(s),))[1]
        return function(s)

    values = jax.vmap(derivative)(start + span * jnp.asarray(nodes, z.dtype))
    # A power of zero has an infinite derivative: at the start itself the integral vanishes.
    safe = jnp.where(span > 0, span, 1.0)
    scale = jnp.where(span > 0, safe ** (count - order), 0.0) / math.gamma(count - order)
    return jax.tree_util.tree_map(lambda v: scale * jnp.tensordot(jnp.asarray(weights, v.dtype), v, 1), values)


def _gauss_jacobi(count: int, power: float) -> tuple[np.ndarray, np.ndarray]:
    """Nodes and weights on [0, 1] for the weight (1 - x)^power, from the eigenvalues of the recurrence's matrix."""
    k = np.arange(1, count, dtype=float)
    first = -power / (power + 2)
    rest = -(power**2) / ((2 * k + power) * (2 * k + power + 2))
    diagonal = np.concatenate([[first], rest])
    sides = 4 * k**2 * (k + power) ** 2 / ((2 * k + power) ** 2 * (2 * k + power + 1) * (2 * k + power - 1))
    matrix = np.diag(diagonal) + np.diag(np.sqrt(sides), 1) + np.diag(np.sqrt(sides), -1)
    nodes, vectors = np.linalg.eigh(matrix)
    return (nodes + 1) / 2, vectors[0] ** 2 / (power + 1)
