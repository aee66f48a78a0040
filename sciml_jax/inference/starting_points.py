"""Where searches and chains start: drawn from the priors, or as the user says; and checks that methods share."""

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ..core.tree import describe, is_concrete
from .compiled import compiled
from .posterior import Posterior

TRIES = 8
"""Draws from the prior of which each start is the best."""


def check_posterior(post: Any, method: str) -> None:
    """Refuse what is no `Posterior`."""
    if not isinstance(post, Posterior):
        msg = (
            f"`{method}` needs a `Posterior`; got {type(post).__name__}. Make one with "
            "sj.inference.posterior(priors, log_likelihood)."
        )
        raise TypeError(msg)


def check_positive(value: Any, name: str, below: float | None = None) -> None:
    """Refuse a concrete number that is not positive (and below `below`)."""
    if not is_concrete(value):
        return
    number = np.asarray(value)
    good = number.shape == () and number.dtype.kind in "fiu" and number > 0 and np.isfinite(number)
    if not good or (below is not None and number >= below):
        rule = "a positive number" if below is None else f"between 0 and {below:g}"
        example = 0.1 if below is None else below / 2
        msg = f"`{name}` must be {rule}; got {value!r}. Pass {name}={example:g}, for example."
        raise ValueError(msg)


def starting_points(post: Posterior, key: Any, num: int, init: Any, *, every: bool = False) -> Float[Array, "num dim"]:
    """`num` positions: each the likeliest of eight draws from the prior, or those of `init`.

    `init` holds parameters as nested as the priors (with or without a leading axis of length `num`), or positions,
    (dim,) or (num, dim). Where values are concrete, one of them must have a finite density, or, with `every`, all;
    starts that were drawn and have none are replaced by one that has.
    """
    if init is None:
        points, density = _drawn(post, jax.random.split(key, num))
    else:
        points = _given(post, init, num)
        density = None
    if not is_concrete((post, points)):
        return points
    if density is None:
        density = _densities(post, points)
    fine = jnp.isfinite(density)
    if not bool(jnp.all(fine) if every and init is not None else jnp.any(fine)):
        source = f"of {num * TRIES} draws from the priors" if init is None else f"of the {num} in `init`"
        rule = "all starts" if every else "a start"
        msg = (
            f"{rule} must have a finite density; {source} {int(fine.sum())} have (elsewhere the solve fails or the "
            "likelihood is zero). Tighten the priors, or pass `init=` parameters for which the model solves."
        )
        raise ValueError(msg)
    return points


@compiled
def _densities(post: Posterior, points: Array) -> Array:
    return jax.vmap(post.log_density)(points)


@compiled
def _drawn(post: Posterior, keys: Array) -> tuple[Array, Array]:
    points = jax.vmap(lambda k: post.initial_position(k, tries=TRIES))(keys)
    density = jax.vmap(post.log_density)(points)
    fine = jnp.isfinite(density)
    return jnp.where(fine[:, None], points, points[jnp.argmax(fine)]), density


def _given(post: Posterior, init: Any, num: int) -> Float[Array, "num dim"]:
    """What the user passed, as positions."""
    points = _from_params(post, init, num) if isinstance(init, Mapping) else jnp.asarray(init)
    if points.shape not in ((post.dim,), (num, post.dim)):
        msg = (
            f"`init` must hold one start, of {post.dim} unconstrained numbers, or {num} of them; got "
            f"{describe(init)}. Pass parameters by name, or positions of shape ({num}, {post.dim})."
        )
        raise ValueError(msg)
    if is_concrete(points) and not bool(jnp.all(jnp.isfinite(points))):
        msg = (
            "`init` must lie inside the supports of the priors, in finite numbers; got a position with NaN or "
            "infinities. Check its signs and bounds against the priors."
        )
        raise ValueError(msg)
    return jnp.broadcast_to(points, (num, post.dim))


def _from_params(post: Posterior, init: Mapping, num: int) -> Array:
    struct = post.prior.struct
    if jax.tree.structure(init) != jax.tree.structure(struct):
        msg = (
            f"`init` must hold the parameters of the priors, {describe(struct)}; got {describe(init)}. Use the same "
            "names and nesting."
        )
        raise ValueError(msg)
    shapes = [leaf.shape for leaf in jax.tree.leaves(struct)]
    given = [jnp.shape(leaf) for leaf in jax.tree.leaves(init)]
    if given == [(num, *shape) for shape in shapes]:
        return jax.vmap(post.unconstrain)(dict(init))
    if given == shapes:
        return post.unconstrain(dict(init))
    msg = (
        f"`init` must have the priors' shapes, {describe(struct)}, or those with a leading axis of {num}; got "
        f"{describe(init)}. Reshape it."
    )
    raise ValueError(msg)
