"""Distributions of measured values around predicted ones."""

import abc
import math
from typing import Any, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.scipy.special import betainc, gammainc, gammaincc, gammaln, log_ndtr, xlogy
from jaxtyping import Array

MAX_CENSORED_COUNT = 100_000


class AbstractNoise(eqx.Module):
    """How values `y` scatter around predictions `mu`; `shape` holds the other parameters by name, all positive."""

    counts: ClassVar[bool] = False
    positive: ClassVar[bool] = False

    def supports(self, mu: Array) -> Array:
        """Where a prediction is possible at all."""
        return jnp.ones_like(mu, bool)

    @abc.abstractmethod
    def log_prob(self, y: Array, mu: Array, **shape: Array) -> Array:
        """Log density (log probability of a count)."""

    @abc.abstractmethod
    def log_below(self, y: Array, mu: Array, **shape: Array) -> Array:
        """Log P(Y <= y)."""

    @abc.abstractmethod
    def log_above(self, y: Array, mu: Array, **shape: Array) -> Array:
        """Log P(Y >= y)."""

    @abc.abstractmethod
    def sample(self, key: Any, mu: Array, **shape: Array) -> Array:
        """A measured value."""


class Gaussian(AbstractNoise):
    """y = mu + scale * normal."""

    def log_prob(self, y: Array, mu: Array, *, scale: Array) -> Array:
        """Log density."""
        return -0.5 * ((y - mu) / scale) ** 2 - jnp.log(scale) - 0.5 * math.log(2 * math.pi)

    def log_below(self, y: Array, mu: Array, *, scale: Array) -> Array:
        """Log P(Y <= y)."""
        return log_ndtr((y - mu) / scale)

    def log_above(self, y: Array, mu: Array, *, scale: Array) -> Array:
        """Log P(Y >= y)."""
        return log_ndtr((mu - y) / scale)

    def sample(self, key: Any, mu: Array, *, scale: Array) -> Array:
        """A measured value."""
        return mu + scale * jax.random.normal(key, mu.shape, mu.dtype)


class LogNormal(AbstractNoise):
    """log y = log mu + scale * normal: mu is the median."""

    positive: ClassVar[bool] = True

    def supports(self, mu: Array) -> Array:
        """Where a prediction is possible at all."""
        return mu > 0

    def log_prob(self, y: Array, mu: Array, *, scale: Array) -> Array:
        """Log density."""
        return Gaussian().log_prob(jnp.log(y), jnp.log(mu), scale=scale) - jnp.log(y)

    def log_below(self, y: Array, mu: Array, *, scale: Array) -> Array:
        """Log P(Y <= y)."""
        return Gaussian().log_below(jnp.log(y), jnp.log(mu), scale=scale)

    def log_above(self, y: Array, mu: Array, *, scale: Array) -> Array:
        """Log P(Y >= y)."""
        return Gaussian().log_above(jnp.log(y), jnp.log(mu), scale=scale)

    def sample(self, key: Any, mu: Array, *, scale: Array) -> Array:
        """A measured value."""
        return mu * jnp.exp(scale * jax.random.normal(key, mu.shape, mu.dtype))


class StudentT(AbstractNoise):
    """y = mu + scale * t, with t of Student's distribution with df degrees of freedom."""

    def log_prob(self, y: Array, mu: Array, *, scale: Array, df: Array) -> Array:
        """Log density."""
        t = (y - mu) / scale
        norm = gammaln(0.5 * (df + 1)) - gammaln(0.5 * df) - 0.5 * jnp.log(df * math.pi) - jnp.log(scale)
        return norm - 0.5 * (df + 1) * jnp.log1p(t * t / df)

    def log_below(self, y: Array, mu: Array, *, scale: Array, df: Array) -> Array:
        """Log P(Y <= y)."""
        return _log_t_below((y - mu) / scale, df)

    def log_above(self, y: Array, mu: Array, *, scale: Array, df: Array) -> Array:
        """Log P(Y >= y)."""
        return _log_t_below((mu - y) / scale, df)

    def sample(self, key: Any, mu: Array, *, scale: Array, df: Array) -> Array:
        """A measured value."""
        return mu + scale * jax.random.t(key, jnp.broadcast_to(df, mu.shape).astype(mu.dtype), mu.shape, mu.dtype)


class Poisson(AbstractNoise):
    """Counts with mean mu."""

    counts: ClassVar[bool] = True

    def supports(self, mu: Array) -> Array:
        """Where a prediction is possible at all."""
        return mu >= 0

    def log_prob(self, y: Array, mu: Array) -> Array:
        """Log probability."""
        return xlogy(y, mu) - mu - gammaln(y + 1)

    def log_below(self, y: Array, mu: Array) -> Array:
        """Log P(Y <= y)."""
        return jnp.log(gammaincc(y + 1, mu))

    def log_above(self, y: Array, mu: Array) -> Array:
        """Log P(Y >= y)."""
        return jnp.where(y > 0, jnp.log(gammainc(jnp.where(y > 0, y, 1), mu)), 0)

    def sample(self, key: Any, mu: Array) -> Array:
        """A measured value."""
        return jax.random.poisson(key, mu, mu.shape).astype(mu.dtype)


class NegativeBinomial(AbstractNoise):
    """Counts with mean mu and variance mu + mu^2 / concentration."""

    counts: ClassVar[bool] = True

    highest: int = eqx.field(static=True, default=0)
    """The largest censored count: tail probabilities are sums up to it."""

    def supports(self, mu: Array) -> Array:
        """Where a prediction is possible at all."""
        return mu >= 0

    def log_prob(self, y: Array, mu: Array, *, concentration: Array) -> Array:
        """Log probability."""
        k = concentration
        choose = gammaln(y + k) - gammaln(k) - gammaln(y + 1)
        return choose - k * jnp.log1p(mu / k) + xlogy(y, mu) - xlogy(y, k + mu)

    def log_below(self, y: Array, mu: Array, *, concentration: Array) -> Array:
        """Log P(Y <= y), summed."""
        values = jnp.arange(self.highest + 1, dtype=mu.dtype)
        terms = self.log_prob(values, mu[..., None], concentration=concentration[..., None])
        return jax.nn.logsumexp(jnp.where(values <= y[..., None], terms, -jnp.inf), axis=-1)

    def log_above(self, y: Array, mu: Array, *, concentration: Array) -> Array:
        """Log P(Y >= y)."""
        below = self.log_below(jnp.maximum(y - 1, 0), mu, concentration=concentration)
        tiny = jnp.finfo(mu.dtype).tiny
        return jnp.where(y > 0, jnp.log(jnp.maximum(-jnp.expm1(jnp.minimum(below, 0)), tiny)), 0)

    def sample(self, key: Any, mu: Array, *, concentration: Array) -> Array:
        """A measured value."""
        first, second = jax.random.split(key)
        k = jnp.broadcast_to(concentration, mu.shape).astype(mu.dtype)
        rate = jax.random.gamma(first, k, mu.shape, mu.dtype) * mu / k
        return jax.random.poisson(second, rate, mu.shape).astype(mu.dtype)


def _log_t_below(t: Array, df: Array) -> Array:
    r"""Log P(T <= t); the tail is half the regularised incomplete beta function at $\nu / (\nu + t^2)$."""
    tail = 0.5 * betainc(0.5 * df, jnp.full_like(df, 0.5), df / (df + t * t))
    tail = jnp.maximum(tail, jnp.finfo(tail.dtype).tiny)
    return jnp.where(t < 0, jnp.log(tail), jnp.log1p(-tail))
