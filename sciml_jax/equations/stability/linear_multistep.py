"""Stability of linear multistep methods: the roots of the characteristic polynomial."""

from collections.abc import Sequence
from math import comb
from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Complex

from ...core.tree import describe
from ..methods.abm import ABM
from ..methods.adams_bashforth import AdamsBashforth
from ..methods.adams_coefficients import prediction_weights
from ..methods.bdf import BDF
from ..methods.bdf_coefficients import KAPPA
from ..methods.vcabm import VCABM
from .abstract import AbstractStabilityFunction


class MultistepStability(AbstractStabilityFunction):
    """The root of largest modulus of `sum_(m, j) c_mj z^m zeta^j`, the characteristic polynomial of a multistep method.

    The solution of `y' = lambda y` is in the long run multiplied by it in every step. (A double root of modulus one
    lets the solution grow although `|R| = 1`; that happens at isolated points of the boundary only.)
    """

    coefficients: tuple[tuple[float, ...], ...] = eqx.field(static=True)
    """`c[m][j]`, the coefficient of `z^m zeta^j`."""
    label: str = eqx.field(static=True, default="multistep method")

    @property
    def name(self) -> str:
        """The method's name."""
        return self.label

    def evaluate(self, z: Complex[Array, "..."]) -> Complex[Array, "..."]:
        """Eigenvalues of the companion matrix; on the CPU. Infinite where the leading coefficient vanishes."""
        degree = len(self.coefficients[0]) - 1
        powers = jnp.zeros((*z.shape, degree + 1), z.dtype)
        for row in reversed(self.coefficients):
            powers = z[..., None] * powers + jnp.asarray(row, z.dtype)
        lead = jnp.where(powers[..., -1:] == 0, 1, powers[..., -1:])
        last = -powers[..., :-1] / lead
        shift = jnp.broadcast_to(jnp.eye(degree, k=1, dtype=z.dtype)[:-1], (*z.shape, degree - 1, degree))
        roots = jnp.linalg.eigvals(jnp.concatenate([shift, last[..., None, :]], axis=-2))
        largest = jnp.take_along_axis(roots, jnp.argmax(jnp.abs(roots), axis=-1)[..., None], axis=-1)[..., 0]
        return jnp.where(powers[..., -1] == 0, jnp.inf, largest)

    def poles(self) -> np.ndarray:
        """Where the leading coefficient vanishes and a root becomes infinite."""
        return np.roots([row[-1] for row in reversed(self.coefficients)])

    def at_infinity(self) -> float:
        """The largest modulus of a root as z becomes infinite; infinite for explicit methods."""
        highest = np.trim_zeros(np.asarray(self.coefficients[-1]), "b")
        if len(highest) < len(self.coefficients[0]):
            return float("inf")
        return float(np.max(np.abs(np.roots(highest[::-1])), initial=0.0))


def multistep_stability(alpha: Sequence[float], beta: Sequence[float], name: str = "multistep method") -> Any:
    """The stability function of the linear multistep method `sum_j alpha_j y_(n+j) = h sum_j beta_j f_(n+j)`.

    It is the root zeta of largest modulus of `sum_j (alpha_j - z beta_j) zeta^j`, with `z = h lambda`: solutions of
    `y' = lambda y` stay bounded where its modulus is less than one.

    Parameters
    ----------
    alpha, beta
        k + 1 coefficients each, j = 0 (the oldest value) to k (the new one), with `alpha[k]` not zero. For BDF of order
        2: `alpha = (0.5, -2, 1.5)`, `beta = (0, 0, 1)`.
    name
        What pictures and reports call the method.

    Returns
    -------
    MultistepStability
        `R(z)`: the root for each entry of z.

    Raises
    ------
    ValueError, TypeError
        For coefficients of unequal number, of a method of no steps, not finite, or with `alpha[k] = 0`.

    Notes
    -----
    Each value costs the eigenvalues of a k by k matrix, some microseconds, on the CPU.

    References
    ----------
    Hairer & Wanner, Solving Ordinary Differential Equations II (1996), V.1.
    """
    rows = []
    for values, which in ((alpha, "alpha"), (beta, "beta")):
        try:
            row = np.asarray(values, float)
        except (TypeError, ValueError) as error:
            msg = f"`{which}` must be a sequence of numbers; got {describe(values)}. Pass one for each level in time."
            raise TypeError(msg) from error
        rows.append(row)
    first, second = rows
    if first.ndim != 1 or first.shape != second.shape or first.size < 2:
        msg = (
            f"`alpha` and `beta` must have the same number of coefficients, at least two; got shapes {first.shape} and "
            f"{second.shape}. Fill up with zeros: the oldest value comes first."
        )
        raise ValueError(msg)
    if not np.all(np.isfinite(rows)) or first[-1] == 0.0:
        msg = (
            f"`alpha` and `beta` must be finite and `alpha[-1]`, the coefficient of the new value, not zero; got "
            f"{first.tolist()} and {second.tolist()}. The oldest value comes first."
        )
        raise ValueError(msg)
    return MultistepStability((tuple(first.tolist()), tuple((-second).tolist())), name)


def method_stability(method: Any) -> MultistepStability | None:
    """The stability function of one of our multistep methods, at its (highest) order and with equal steps."""
    if isinstance(method, AdamsBashforth):
        newest, latest = np.eye(method.order + 1)[[-1, -2]]
        weights = _weights(_unit_weights(method.order), method.order)
        return MultistepStability(_rows(newest - latest, -np.append(weights, 0.0)), f"AdamsBashforth({method.order})")
    if isinstance(method, ABM):
        return MultistepStability(_predicted_and_corrected(method.order), f"ABM({method.order})")
    if isinstance(method, VCABM):
        return MultistepStability(_predicted_and_corrected(method.max_order + 1), f"VCABM({method.max_order})")
    if isinstance(method, BDF):
        alpha = _backward_differences(method.order, KAPPA[method.order - 1]).tolist()
        return multistep_stability(alpha, np.eye(len(alpha))[-1].tolist(), f"BDF({method.order})")
    return None


def _predicted_and_corrected(order: int) -> tuple[tuple[float, ...], ...]:
    """Of the predictor p of order k = order - 1 and `y1 = p + g_k z (p - sum_(i>0) (-1)^(i+1) comb(k, i) y_(1-i))`."""
    k = order - 1
    *shorter, last = _unit_weights(order)
    predictor = np.append(_weights(shorter, k), 0.0)
    newest, latest = np.eye(k + 1)[[-1, -2]]
    older = np.array([(-1.0) ** (k - j) * comb(k, k - j) if j < k else 0.0 for j in range(k + 1)])
    return _rows(newest - latest, -predictor - last * (latest + older), -last * predictor)


def _backward_differences(order: int, kappa: float) -> np.ndarray:
    """`sum_(j <= k) nabla^j/j - kappa gamma_k nabla^(k+1)`, with `gamma_k = sum_(j <= k) 1/j`, in terms of values."""
    weights = [0.0, *(1.0 / j for j in range(1, order + 1))]
    return _weights([*weights, -kappa * sum(weights)] if kappa else weights, order + 1 + bool(kappa))


def _unit_weights(size: int) -> list[float]:
    """Weights of backward differences on equal steps, 1, 1/2, 5/12, ..."""
    return [float(w) for w in prediction_weights(1.0, [1.0] * size, size)]


def _weights(differences: Sequence[float], steps: int) -> np.ndarray:
    """Weights of backward differences as weights of the values, the oldest first."""
    values = np.zeros(steps)
    for j, weight in enumerate(differences):
        for i in range(j + 1):
            values[steps - 1 - i] += weight * (-1) ** i * comb(j, i)
    return values


def _rows(*rows: np.ndarray) -> tuple[tuple[float, ...], ...]:
    return tuple(tuple(row.tolist()) for row in rows)
