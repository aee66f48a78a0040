"""Points that move to where the residual is large, inside the compiled step."""

import abc
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float


class AbstractAdaptive(eqx.Module):
    """A way to choose new points from the size of the residual at candidates."""

    @abc.abstractmethod
    def update(
        self,
        key: Array,
        points: Float[Array, "m d"],
        magnitude: Callable[[Array], Array],
        draw: Callable[[Array, int], Array],
    ) -> Float[Array, "m d"]:
        """New points of the same number.

        Parameters
        ----------
        key
            PRNG key.
        points
            The present ones, (m, d).
        magnitude
            `magnitude(points (n, d)) -> (n,)`, the size of the residual; evaluated on all candidates at once.
        draw
            `draw(key, n) -> (n, d)`, fresh points in the domain.
        """


class RAD(AbstractAdaptive):
    r"""Residual-adaptive distribution: all points drawn anew with probability $\propto |r|^k / E|r|^k + c$.

    The points are chosen without repetition among `candidates` times as many fresh ones.

    Parameters
    ----------
    k
        Power of the residual; larger crowds points together.
    c
        Share of the uniform distribution; larger spreads them.
    candidates
        Fresh points per point.

    Raises
    ------
    ValueError
        For powers and shares below zero, both zero, or fewer than one candidate per point.

    Notes
    -----
    Costs `candidates m` evaluations of the residual, without gradients. Expectations over such points are not those of
    the uniform distribution: the loss becomes a weighted one.

    References
    ----------
    Wu, Zhu, Tan, Kartha, Lu: A comprehensive study of non-adaptive and residual-based adaptive sampling for
    physics-informed neural networks, CMAME 403 (2023).
    """

    k: float = 1.0
    c: float = 1.0
    candidates: int = eqx.field(static=True, default=10)

    def __check_init__(self):
        _check_law(self.k, self.c, self.candidates)

    def update(
        self,
        key: Array,
        points: Float[Array, "m d"],
        magnitude: Callable[[Array], Array],
        draw: Callable[[Array, int], Array],
    ) -> Float[Array, "m d"]:
        """See `AbstractAdaptive`."""
        return choose(key, points.shape[0], magnitude, draw, self.k, self.c, self.candidates)


class RARD(AbstractAdaptive):
    r"""Residual-adaptive refinement with distribution: a background stays, new points displace the oldest added ones.

    The first $(1 - \mathrm{adaptive}) m$ points never change. Of the others, each update drops the oldest
    $\mathrm{fresh}\, m$ and appends as many with probability $\propto |r|^k / E|r|^k + c$. The published method lets
    the set grow; in a compiled step its size is fixed, so the places to grow into are there from the start.

    Parameters
    ----------
    k, c
        Power of the residual and share of the uniform distribution.
    adaptive
        Share of the points that are replaced in turn.
    fresh
        Share that one update replaces.
    candidates
        Fresh points per new point.

    Raises
    ------
    ValueError
        For shares outside (0, 1], `fresh` above `adaptive`, or a law that `RAD` refuses.

    References
    ----------
    Wu, Zhu, Tan, Kartha, Lu: A comprehensive study of non-adaptive and residual-based adaptive sampling for
    physics-informed neural networks, CMAME 403 (2023).
    """

    k: float = 2.0
    c: float = 0.0
    adaptive: float = eqx.field(static=True, default=0.5)
    fresh: float = eqx.field(static=True, default=0.05)
    candidates: int = eqx.field(static=True, default=20)

    def __check_init__(self):
        _check_law(self.k, self.c, self.candidates)
        if not 0 < self.fresh <= self.adaptive <= 1:
            msg = (
                f"shares must satisfy 0 < fresh <= adaptive <= 1; got fresh={self.fresh}, adaptive={self.adaptive}. "
                "Use, for example, `RARD(adaptive=0.5, fresh=0.05)`."
            )
            raise ValueError(msg)

    def update(
        self,
        key: Array,
        points: Float[Array, "m d"],
        magnitude: Callable[[Array], Array],
        draw: Callable[[Array, int], Array],
    ) -> Float[Array, "m d"]:
        """See `AbstractAdaptive`."""
        m = points.shape[0]
        new = max(1, round(self.fresh * m))
        kept = min(m - new, round((1 - self.adaptive) * m))
        added = choose(key, new, magnitude, draw, self.k, self.c, self.candidates)
        return jnp.concatenate([points[:kept], points[kept + new :], added.astype(points.dtype)])


class R3(AbstractAdaptive):
    """Retain, resample, release: points whose residual is above the mean stay, the others are drawn anew.

    Costs one evaluation of the residual per point and has nothing to tune; points gather slowly where the residual
    stays large and leave by themselves where it has fallen.

    References
    ----------
    Daw, Bu, Wang, Perdikaris, Karpatne: Mitigating propagation failures in physics-informed neural networks using
    retain-resample-release (R3) sampling, ICML 2023.
    """

    def update(
        self,
        key: Array,
        points: Float[Array, "m d"],
        magnitude: Callable[[Array], Array],
        draw: Callable[[Array, int], Array],
    ) -> Float[Array, "m d"]:
        """See `AbstractAdaptive`."""
        size = _sizes(magnitude, points)
        stays = size > jnp.mean(size)
        return jnp.where(stays[:, None], points, draw(key, points.shape[0]).astype(points.dtype))


def choose(
    key: Array, m: int, magnitude: Callable, draw: Callable, k: Any, c: Any, candidates: int
) -> Float[Array, "m d"]:
    r"""`m` of `candidates m` fresh points, without repetition, with probability $\propto |r|^k / E|r|^k + c$."""
    at, race = jax.random.split(key)
    fresh = draw(at, candidates * m)
    size = _sizes(magnitude, fresh)
    # Only ratios count: scaled, no power overflows.
    power = (size / jnp.maximum(jnp.max(size), jnp.finfo(size.dtype).tiny)) ** k
    law = power / jnp.maximum(jnp.mean(power), jnp.finfo(size.dtype).tiny) + c
    # The largest of log p + Gumbel noise are a draw without repetition; points of no weight come last.
    noise = jax.random.gumbel(race, law.shape, law.dtype)
    _, chosen = jax.lax.top_k(jnp.log(jnp.maximum(law, jnp.finfo(law.dtype).tiny)) + noise, m)
    return fresh[chosen]


def _sizes(magnitude: Callable, points: Array) -> Array:
    size = jnp.abs(jnp.asarray(magnitude(points)))
    if size.shape != points.shape[:1]:
        msg = (
            f"`magnitude` must return one number per point, shape {points.shape[:1]}; got {size.shape}. Take the norm "
            "over the equations of a system."
        )
        raise ValueError(msg)
    return jax.lax.stop_gradient(jnp.where(jnp.isfinite(size), size, 0))


def _check_law(k: Any, c: Any, candidates: Any) -> None:
    if not isinstance(candidates, int) or candidates < 1:
        msg = f"`candidates` must be an integer of at least 1; got {candidates!r}. Use, for example, `candidates=10`."
        raise ValueError(msg)
    if all(isinstance(value, (int, float)) for value in (k, c)) and not (k >= 0 and c >= 0 and k + c > 0):
        msg = f"`k` and `c` must be at least 0, one of them positive; got k={k}, c={c}. Use `k=1.0, c=1.0`."
        raise ValueError(msg)
