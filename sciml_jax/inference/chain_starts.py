"""Where chains start: near draws from the priors, climbing the likelihood, with the curvature found there."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from .kernel import AbstractKernel
from .posterior import Posterior, initial_candidates, prior_positions

TRIES = 32
"""Draws from the priors among which a chain's start is chosen."""

LANES = 4
"""Points at which the gradient is evaluated at once, for every chain."""

CLIMB_STEPS, CLIMB_RATE = 64, 0.1
PROBE = 0.01
"""Distance of the points between which gradients are differenced, in standard deviations of the prior."""


def begin(post: Posterior, kernel: AbstractKernel, positions: Float[Array, "chains dim"]) -> Any:
    """The states of chains at some positions."""
    if not kernel.probes:
        return jax.vmap(lambda position: kernel.init(post, position))(positions)
    spread = _spread(prior_positions(post, jax.random.split(jax.random.key(0), TRIES)))
    away = _directions(spread)

    def one(position):
        points = jnp.concatenate([position[None], position + away])
        density, gradient = jax.vmap(jax.value_and_grad(post.log_density))(points)
        mass = _inverse_mass(gradient[1:], spread)
        return kernel.resume(post, position, density[0], gradient[0], mass)

    return jax.vmap(one)(positions)


def draw_starts(post: Posterior, kernel: AbstractKernel, keys: Any) -> tuple[Any, Bool[Array, " chains"]]:
    """The states of chains that start near draws from the priors, and whether they are usable.

    Kernels with gradients first follow that of the likelihood, not of the prior (which would lead into the necks of
    hierarchies), by at most a few standard deviations of the prior: warmups from poor fits are long.
    """
    if kernel.climbs:
        return jax.vmap(lambda key: _climb(post, kernel, _split(key)))(keys)

    def one(key):
        positions, fit = initial_candidates(post, _split(key))
        best = jnp.argmax(fit)
        return kernel.init(post, positions[best]), jnp.isfinite(fit[best])

    return jax.vmap(one)(keys)


class _Search(NamedTuple):
    """Of one chain."""

    fits: Float[Array, " tries"]
    """Log-likelihoods of the draws from the priors."""
    points: Float[Array, "lanes dim"]
    mean: Float[Array, "lanes dim"]
    square: Float[Array, "lanes dim"]
    best: tuple[Array, Array, Array]
    """Log density, position and gradient at the highest density that was passed while climbing."""


def _climb(post: Posterior, kernel: AbstractKernel, keys: Any) -> tuple[Any, Bool[Array, ""]]:
    """Try draws, climb from the likeliest with Adam in units of the priors' spread, difference gradients at the best.

    All in one loop with one call of the gradient: to compile a gradient through a solver takes longer than to run this.
    """
    tried = prior_positions(post, keys)
    spread = _spread(tried)
    safe = jnp.where(jnp.isfinite(tried), tried, 0)
    away = _directions(spread) if kernel.probes else jnp.zeros((0, post.dim), safe.dtype)
    rounds, probes = TRIES // LANES, -(-len(away) // LANES)
    away = jnp.pad(away, ((0, probes * LANES - len(away)), (0, 0)))

    def step(search, i):
        k = i - rounds
        likeliest = safe[jax.lax.top_k(search.fits, LANES)[1]]
        climbing = search._replace(points=jnp.where(k == 0, likeliest, search.points))
        points = jnp.where(k < 0, _rows(safe, i), climbing.points)
        if probes:
            points = jnp.where(k < CLIMB_STEPS, points, search.best[1] + _rows(away, k - CLIMB_STEPS))
        density, gradient = jax.vmap(jax.value_and_grad(post.log_density))(points)
        prior, prior_gradient = jax.vmap(jax.value_and_grad(post.log_prior_density))(points)
        usable = jnp.isfinite(density) & jnp.all(jnp.isfinite(gradient), axis=1)
        fit = jnp.where(usable, density - prior, -jnp.inf)
        fits = jax.lax.dynamic_update_slice(search.fits, fit, (jnp.clip(i, 0, rounds - 1) * LANES,))
        moved = _adam(climbing, gradient - prior_gradient, spread, k)
        moved = moved._replace(best=_better(search.best, jnp.where(usable, density, -jnp.inf), points, gradient))
        choose = lambda new, old: jnp.where((k >= 0) & (k < CLIMB_STEPS), new, old)
        search = jax.tree.map(choose, moved, climbing)
        return search._replace(fits=jnp.where(k < 0, fits, search.fits)), gradient

    zero = jnp.zeros((LANES, post.dim), safe.dtype)
    lowest = jnp.full((), -jnp.inf, safe.dtype)
    start = _Search(jnp.full(TRIES, -jnp.inf, safe.dtype), zero, zero, zero, (lowest, safe[0], zero[0]))
    search, gradients = jax.lax.scan(step, start, jnp.arange(rounds + CLIMB_STEPS + probes))
    density, position, gradient = search.best
    found = gradients[rounds + CLIMB_STEPS :].reshape(-1, post.dim)[: 2 * post.dim]
    mass = _inverse_mass(found, spread) if kernel.probes else None
    return kernel.resume(post, position, density, gradient, mass), jnp.isfinite(density)


def _adam(search: _Search, slope: Array, spread: Array, k: Array) -> _Search:
    """One step uphill."""
    slope = jnp.where(jnp.isfinite(slope), slope * spread, 0)
    count = jnp.clip(k, 0, CLIMB_STEPS - 1).astype(slope.dtype)
    mean, square = 0.9 * search.mean + 0.1 * slope, 0.99 * search.square + 0.01 * slope**2
    size = mean / (1 - 0.9 ** (count + 1)) / jnp.sqrt(square / (1 - 0.99 ** (count + 1)) + 1e-30)
    rate = CLIMB_RATE * 0.5 * (1 + jnp.cos(jnp.pi * count / CLIMB_STEPS))
    return search._replace(points=search.points + rate * spread * size, mean=mean, square=square)


def _better(best: tuple, density: Array, points: Array, gradients: Array) -> tuple:
    at = jnp.argmax(density)
    higher = density[at] > best[0]
    return jax.tree.map(lambda new, old: jnp.where(higher, new, old), (density[at], points[at], gradients[at]), best)


def _directions(spread: Array) -> Float[Array, "twice_dim dim"]:
    """Forth and back along every coordinate."""
    step = PROBE * jnp.diag(jnp.where(spread > 0, spread, 1))
    return jnp.concatenate([step, -step])


def _inverse_mass(gradients: Float[Array, "twice_dim dim"], spread: Array) -> Float[Array, "dim dim"]:
    """The covariance of the Gaussian with the curvature found by differences.

    In units of the prior's spread no variance is above 1, and curvatures count by their size: also where the density is
    not concave this is a scale on which it changes. The identity where a gradient is not finite.
    """
    ahead, behind = jnp.split(gradients, 2)
    scale = jnp.where(spread > 0, spread, 1)
    hessian = (behind - ahead) / (2 * PROBE) * scale  # rows are along spread_i e_i
    good = jnp.all(jnp.isfinite(hessian))
    hessian = jnp.where(good, 0.5 * (hessian + hessian.T), jnp.eye(scale.size, dtype=scale.dtype))
    curvature, basis = jnp.linalg.eigh(hessian)
    root = scale[:, None] * basis / jnp.sqrt(jnp.clip(jnp.abs(curvature), 1.0, 1e10))
    return jnp.where(good, root @ root.T, jnp.eye(scale.size, dtype=scale.dtype))


def _rows(table: Array, i: Array) -> Array:
    """The i-th `LANES` rows."""
    last = len(table) // LANES - 1
    return jax.lax.dynamic_slice_in_dim(table, jnp.clip(i, 0, last) * LANES, LANES)


def _split(key: Any) -> Any:
    return jax.random.split(jax.random.fold_in(key, 0), TRIES)


def _spread(positions: Float[Array, "tries dim"]) -> Float[Array, " dim"]:
    usable = jnp.all(jnp.isfinite(positions), axis=1, keepdims=True)
    spread = jnp.std(positions, axis=0, where=usable)
    return jnp.where(jnp.isfinite(spread), spread, 0)
