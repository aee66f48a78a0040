"""States and their derivatives from samples: exact data by stencils, noisy data by local polynomials or splines."""

import abc
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, ArrayLike, Float

from ..core.checks import check_instance, check_positive
from ..numerics.interpolation_kinds import CubicSpline
from .kernels import AbstractKernel, Epanechnikov
from .local_lagrange import derivative

CHOICES = 24
"""Degrees of smoothing that are compared where none is given."""


class AbstractSmoother(eqx.Module):
    """A rule that turns samples `(ts, ys)` into estimates of the states and their derivatives at the sample times."""

    @abc.abstractmethod
    def smooth(self, ts: Float[Array, "T"], ys: Float[Array, "T n"]) -> tuple[Float[Array, "T n"], Float[Array, "T n"]]:
        """The states and their derivatives, both (T, n); pure, under `jit`, `vmap` and `grad`."""


class FiniteDifferences(AbstractSmoother):
    """Derivatives of the polynomial through every sample and its neighbours; the states are the samples.

    For data without noise: the error is `O(h^order)`, and noise of size s becomes one of about `1.2 s / h`. Any times.

    Parameters
    ----------
    order
        Even, from 2 on; `order + 1` samples are used (all of them where there are fewer).

    References
    ----------
    Fornberg, Generation of finite difference formulas on arbitrarily spaced grids, Math. Comput. 51 (1988) 699-706.
    """

    order: int = eqx.field(static=True)

    def __init__(self, order: int = 8):
        if isinstance(order, bool) or not isinstance(order, int) or order < 2 or order % 2:
            msg = f"`order` must be an even integer of at least 2; got {order!r}. Pass 8, or 4 for rough data."
            raise ValueError(msg)
        self.order = order

    @eqx.filter_jit
    def smooth(self, ts: Float[Array, "T"], ys: Float[Array, "T n"]) -> tuple[Float[Array, "T n"], Float[Array, "T n"]]:
        """The samples, and their derivatives."""
        return ys, derivative(ts, ys, min(self.order + 1, ts.shape[0]))


class LocalPolynomial(AbstractSmoother):
    """Local polynomial regression: a weighted fit around every time; its value and slope there are the estimates.

    At each `t_i` the polynomial `p` minimises `sum_j kernel((t_j - t_i) / h) (y_j - p(t_j - t_i))^2`. Near the ends the
    fit is one-sided, without loss of order.

    Parameters
    ----------
    kernel
        `kernels.Epanechnikov()` by default; `kernels` holds the usual ones too: `Uniform`, `Triangular`, `Quartic`,
        `Triweight`, `Tricube`, `Gaussian`, `Cosine`, `Logistic`, `Sigmoid`, `Silverman`.
    degree
        Of the polynomial, at least 1. The bandwidth is chosen for the values, not the slopes: 3 leaves less bias than
        2.
    bandwidth
        h, in time. None: the one of 24, from the spacing to half the time span, with the least leave-one-out error,
        for each component of its own.

    Notes
    -----
    Cost O(T^2 degree^2) per bandwidth tried, memory O(T^2): for up to some thousand samples. Where fewer than
    `degree + 1` samples are within a bandwidth, the fit takes the least norm.

    References
    ----------
    Fan & Gijbels, Local Polynomial Modelling and Its Applications (1996). For differential equations: Liang & Wu,
    Parameter estimation for differential equation models using a framework of measurement error in regression models,
    J. Am. Stat. Assoc. 103 (2008) 1570-1583.
    """

    kernel: AbstractKernel
    degree: int = eqx.field(static=True)
    bandwidth: Any

    def __init__(self, kernel: AbstractKernel | None = None, *, degree: int = 3, bandwidth: ArrayLike | None = None):
        self.kernel = Epanechnikov() if kernel is None else kernel
        check_instance(self.kernel, AbstractKernel, "kernel", "sj.estimation.kernels.Epanechnikov()")
        if isinstance(degree, bool) or not isinstance(degree, int) or degree < 1:
            msg = f"`degree` must be an integer of at least 1; got {degree!r}. Pass 3."
            raise ValueError(msg)
        if bandwidth is not None:
            check_positive(bandwidth, "bandwidth")
        self.degree, self.bandwidth = degree, bandwidth

    @eqx.filter_jit
    def smooth(self, ts: Float[Array, "T"], ys: Float[Array, "T n"]) -> tuple[Float[Array, "T n"], Float[Array, "T n"]]:
        """The states and their derivatives."""
        if self.bandwidth is not None:
            values, slopes = self._weights(ts, self.bandwidth)
            return values.astype(ys.dtype) @ ys, slopes.astype(ys.dtype) @ ys
        span = ts[-1] - ts[0]
        narrowest = (self.degree + 1) * span / (ts.shape[0] - 1)
        widest = jnp.maximum(0.5 * span, narrowest)
        fractions = jnp.linspace(0.0, 1.0, CHOICES, dtype=ts.dtype)
        bandwidths = narrowest * (widest / narrowest) ** fractions
        errors = lax.map(lambda h: self._left_out(ts, ys, h), bandwidths)
        best = jnp.argmin(jnp.where(jnp.isfinite(errors), errors, jnp.inf), axis=0)

        def one(h, column):
            values, slopes = self._weights(ts, h)
            return values.astype(ys.dtype) @ column, slopes.astype(ys.dtype) @ column

        values, slopes = lax.map(lambda pair: one(*pair), (bandwidths[best], ys.T))
        return values.T, slopes.T

    def _left_out(self, ts: Any, ys: Any, h: Any) -> Any:
        """The mean squared error of predicting each sample from the others, per component."""
        values, _ = self._weights(ts, h)
        own = jnp.diagonal(values)[:, None].astype(ys.dtype)
        missed = (values.astype(ys.dtype) @ ys - ys) / jnp.where(own < 1 - 1e-6, 1 - own, jnp.nan)
        return jnp.mean(missed**2, axis=0)

    def _weights(self, ts: Any, h: Any) -> tuple[Any, Any]:
        """Matrices (T, T) that give values and slopes from the samples."""
        u = (ts[None, :] - ts[:, None]) / h
        weights = self.kernel(u)
        powers = u[:, :, None] ** jnp.arange(self.degree + 1)
        moments = jnp.einsum("ij,ija,ijb->iab", weights, powers, powers)
        first_two = jnp.linalg.pinv(moments, hermitian=True)[:, :2, :]
        both = jnp.einsum("iab,ijb,ij->iaj", first_two, powers, weights)
        return both[:, 0], both[:, 1] / h


class SmoothingSpline(AbstractSmoother):
    """The cubic smoothing spline: `min sum_i (y_i - s(t_i))^2 + smoothing int s''^2 dt`.

    Parameters
    ----------
    smoothing
        The weight of the curvature, in units of time cubed. None: by generalised cross-validation, for each component
        of its own.

    Notes
    -----
    The second derivative is zero at both ends (a natural spline), which costs accuracy of the slope there. Cost O(T^3)
    once for the eigenvalues of a T x T matrix, memory O(T^2): for up to some thousand samples.

    References
    ----------
    Green & Silverman, Nonparametric Regression and Generalized Linear Models (1994), chapter 2.
    """

    smoothing: Any

    def __init__(self, smoothing: ArrayLike | None = None):
        if smoothing is not None:
            check_positive(smoothing, "smoothing")
        self.smoothing = smoothing

    @eqx.filter_jit
    def smooth(self, ts: Float[Array, "T"], ys: Float[Array, "T n"]) -> tuple[Float[Array, "T n"], Float[Array, "T n"]]:
        """The states and their derivatives."""
        roughness, basis = jnp.linalg.eigh(_roughness(ts))
        roughness = jnp.maximum(roughness, 0.0).at[:2].set(0.0)  # straight lines cost nothing
        inside = basis.T.astype(ys.dtype) @ ys
        count = ts.shape[0]
        if self.smoothing is None:
            # From no smoothing of the roughest shape to a straight line.
            smallest, largest = 1e-2 / roughness[-1], 1e2 / roughness[jnp.minimum(2, count - 1)]
            choices = smallest * (largest / smallest) ** jnp.linspace(0.0, 1.0, 4 * CHOICES, dtype=ts.dtype)
            shrunk = 1 / (1 + choices[:, None] * roughness)
            missed = jnp.sum(((1 - shrunk)[:, :, None] * inside) ** 2, axis=1)
            scores = missed / (count - jnp.sum(shrunk, axis=1))[:, None] ** 2
            smoothing = choices[jnp.argmin(scores, axis=0)]
        else:
            smoothing = jnp.full(ys.shape[1], self.smoothing, ts.dtype)
        values = basis.astype(ys.dtype) @ (inside / (1 + roughness[:, None] * smoothing))
        return values, jax.vmap(lambda v: CubicSpline(natural=True).slopes(ts, v), in_axes=1, out_axes=1)(values)


def _roughness(ts: Any) -> Any:
    """The matrix K with `int s''^2 dt = s^T K s` for the natural spline through values s."""
    count = ts.shape[0]
    h = jnp.diff(ts)
    inner = jnp.arange(count - 2)
    second = jnp.zeros((count, count - 2), ts.dtype)
    second = second.at[inner, inner].set(1 / h[:-1]).at[inner + 2, inner].set(1 / h[1:])
    second = second.at[inner + 1, inner].set(-1 / h[:-1] - 1 / h[1:])
    gram = jnp.diag((h[:-1] + h[1:]) / 3) + jnp.diag(h[1:-1] / 6, 1) + jnp.diag(h[1:-1] / 6, -1)
    return second @ jnp.linalg.solve(gram, second.T)
