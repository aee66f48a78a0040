"""Where searches begin."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ..core.tree import is_concrete
from ..equations.keys import as_key
from ..training.transforms import AbstractTransform


def latin_hypercube(key: Any, number: int, dimensions: int, dtype: Any) -> Float[Array, "number dimensions"]:
    """Points in the unit cube, one in each of `number` slices along every axis (McKay, Beckman & Conover 1979)."""
    order, shift = jax.random.split(key)
    keys = jax.random.split(order, dimensions)
    slices = jax.vmap(lambda key: jax.random.permutation(key, number))(keys).T
    return (slices + jax.random.uniform(shift, (number, dimensions), dtype)) / number


def draw_starts(
    number: Any, guess: Array | None, lower: Array, upper: Array, transform: AbstractTransform, key: Any
) -> Float[Array, "number params"]:
    """The guess, where there is one, and a Latin hypercube between the bounds, uniform in the coordinates."""
    if isinstance(number, bool) or not isinstance(number, (int, np.integer)) or number < 1:
        msg = (
            f"`starts` must be a positive integer, or starts themselves with their number in front; got {number!r}. "
            "Pass, for example, `starts=16`."
        )
        raise ValueError(msg)
    guessed = guess is not None
    if number == 1 and guessed:
        return jnp.clip(guess, lower, upper)[None]
    if is_concrete((lower, upper)) and not np.all(np.isfinite(np.asarray([lower, upper]))):
        msg = (
            f"{number} starts are drawn between the bounds, so these must be finite; got infinite or missing ones. "
            "Pass "
            "`bounds=(lower, upper)`, or your own starts."
        )
        raise ValueError(msg)
    drawn = number - guessed
    unit = latin_hypercube(as_key(key, "estimation with several starts"), drawn, lower.shape[0], lower.dtype)
    points = jax.vmap(lambda u: transform.spread(u, lower, upper))(unit)
    return jnp.concatenate([jnp.clip(guess, lower, upper)[None], points]) if guessed else points
