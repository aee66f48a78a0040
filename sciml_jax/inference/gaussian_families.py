"""Gaussian families of variational inference: mean field, full rank, low rank."""

import abc
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PyTree

from ..training.checks import as_count


class AbstractGaussianFamily(eqx.Module):
    """A set of Gaussians `N(mean, S S^T)` with a differentiable map from noise to draws.

    Parameters are relative to a Gaussian that is roughly right, so that all of them are of order one: `basis` turns its
    covariance into the matrix `B` in `u = u0 + B w`, and the family is that of `w`.
    """

    @abc.abstractmethod
    def basis(self, covariance: Float[Array, "dim dim"]) -> Float[Array, "dim dim"]:
        """`B`, such that a Gaussian of this family in `w` is one of this family in `u`."""

    @abc.abstractmethod
    def start(self, dim: int, dtype: Any) -> PyTree:
        """Parameters of (about) the standard normal."""

    @abc.abstractmethod
    def draw(self, params: PyTree, key: Any, num: int) -> Float[Array, "num dim"]:
        """Draws, differentiable by the parameters."""

    @abc.abstractmethod
    def moments(self, params: PyTree) -> tuple[Float[Array, " dim"], Float[Array, "dim dim"]]:
        """Mean and covariance."""

    @abc.abstractmethod
    def log_prob(self, params: PyTree, draws: Float[Array, "num dim"]) -> Float[Array, " num"]:
        """Log densities."""


class MeanField(AbstractGaussianFamily):
    r"""Independent coordinates: $\prod_i N(u_i; m_i, s_i^2)$, $2d$ numbers.

    On a Gaussian target with precision matrix $\Lambda$ the optimum is $s_i^2 = 1/\Lambda_{ii}$, smaller than the true
    variance where parameters are correlated: do not read uncertainties off it.
    """

    def basis(self, covariance: Float[Array, "dim dim"]) -> Float[Array, "dim dim"]:
        """Diagonal, from the diagonal of the precision."""
        return jnp.diag(1.0 / jnp.sqrt(jnp.diag(jnp.linalg.inv(covariance))))

    def start(self, dim: int, dtype: Any) -> PyTree:
        """Zero means and logarithms of scales."""
        return {"mean": jnp.zeros(dim, dtype), "log_scale": jnp.zeros(dim, dtype)}

    def draw(self, params: PyTree, key: Any, num: int) -> Float[Array, "num dim"]:
        """Mean plus scale times noise."""
        mean = params["mean"]
        return mean + jnp.exp(params["log_scale"]) * jax.random.normal(key, (num, mean.size), mean.dtype)

    def moments(self, params: PyTree) -> tuple[Float[Array, " dim"], Float[Array, "dim dim"]]:
        """Mean and diagonal covariance."""
        return params["mean"], jnp.diag(jnp.exp(2 * params["log_scale"]))

    def log_prob(self, params: PyTree, draws: Float[Array, "num dim"]) -> Float[Array, " num"]:
        """Of independent normals."""
        white = (draws - params["mean"]) * jnp.exp(-params["log_scale"])
        return _standard(white) - jnp.sum(params["log_scale"])


class FullRank(AbstractGaussianFamily):
    r"""Any covariance, $N(m, L L^T)$ with a lower triangular $L$: $d + d(d+1)/2$ numbers. Exact for Gaussians."""

    def basis(self, covariance: Float[Array, "dim dim"]) -> Float[Array, "dim dim"]:
        """The Cholesky factor."""
        return jnp.linalg.cholesky(covariance)

    def start(self, dim: int, dtype: Any) -> PyTree:
        """The unit matrix."""
        return {
            "mean": jnp.zeros(dim, dtype),
            "log_scale": jnp.zeros(dim, dtype),
            "lower": jnp.zeros((dim, dim), dtype),
        }

    def draw(self, params: PyTree, key: Any, num: int) -> Float[Array, "num dim"]:
        """Mean plus factor times noise."""
        mean = params["mean"]
        return mean + jax.random.normal(key, (num, mean.size), mean.dtype) @ _factor(params).T

    def moments(self, params: PyTree) -> tuple[Float[Array, " dim"], Float[Array, "dim dim"]]:
        """Mean and covariance."""
        factor = _factor(params)
        return params["mean"], factor @ factor.T

    def log_prob(self, params: PyTree, draws: Float[Array, "num dim"]) -> Float[Array, " num"]:
        """By a triangular solve."""
        white = jax.scipy.linalg.solve_triangular(_factor(params), (draws - params["mean"]).T, lower=True).T
        return _standard(white) - jnp.sum(params["log_scale"])


class LowRank(AbstractGaussianFamily):
    r"""$N(m, D^2 + V V^T)$ with a diagonal $D$ and $V$ of `rank` columns: $d(2 + \mathrm{rank})$ numbers.

    Between the other two, for many parameters of which few directions are strongly correlated (Ong, Nott & Smith,
    Gaussian variational approximation with a factor covariance structure, JCGS 27 (2018)).
    """

    rank: int = eqx.field(static=True)

    def __init__(self, rank: int = 2):
        self.rank = as_count(rank, "rank")

    def basis(self, covariance: Float[Array, "dim dim"]) -> Float[Array, "dim dim"]:
        """Diagonal, from the diagonal of the covariance."""
        return jnp.diag(jnp.sqrt(jnp.diag(covariance)))

    def start(self, dim: int, dtype: Any) -> PyTree:
        """Nearly the unit matrix; the columns of `V` differ, or they would stay equal."""
        columns = 0.1 * jax.random.normal(jax.random.key(0), (dim, self.rank), dtype)
        return {"mean": jnp.zeros(dim, dtype), "log_scale": jnp.zeros(dim, dtype), "columns": columns}

    def draw(self, params: PyTree, key: Any, num: int) -> Float[Array, "num dim"]:
        """Mean plus the noise of both parts."""
        mean = params["mean"]
        own, shared = jax.random.split(key)
        noise = jnp.exp(params["log_scale"]) * jax.random.normal(own, (num, mean.size), mean.dtype)
        return mean + noise + jax.random.normal(shared, (num, self.rank), mean.dtype) @ params["columns"].T

    def moments(self, params: PyTree) -> tuple[Float[Array, " dim"], Float[Array, "dim dim"]]:
        """Mean and covariance."""
        columns = params["columns"]
        return params["mean"], jnp.diag(jnp.exp(2 * params["log_scale"])) + columns @ columns.T

    def log_prob(self, params: PyTree, draws: Float[Array, "num dim"]) -> Float[Array, " num"]:
        """By Woodbury's identity, with a matrix of `rank` rows only."""
        white = (draws - params["mean"]) * jnp.exp(-params["log_scale"])
        columns = params["columns"] * jnp.exp(-params["log_scale"])[:, None]
        factor = jnp.linalg.cholesky(jnp.eye(self.rank, dtype=columns.dtype) + columns.T @ columns)
        inner = jax.scipy.linalg.solve_triangular(factor, columns.T @ white.T, lower=True)
        volume = jnp.sum(params["log_scale"]) + jnp.sum(jnp.log(jnp.diag(factor)))
        return _standard(white) + 0.5 * jnp.sum(inner**2, axis=0) - volume


def _standard(white: Array) -> Array:
    """Log density of the standard normal, rows."""
    return -0.5 * jnp.sum(white**2, axis=-1) - 0.5 * white.shape[-1] * jnp.log(2 * jnp.pi)


def _factor(params: PyTree) -> Array:
    return jnp.tril(params["lower"], -1) + jnp.diag(jnp.exp(params["log_scale"]))
