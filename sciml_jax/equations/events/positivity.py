"""States that stay non-negative: concentrations, populations, densities."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from ...core.tree import describe, is_concrete
from .abstract import AbstractEvent, Trigger


class Positivity(AbstractEvent):
    """Keep chosen entries of the state non-negative at the ends of steps, for solutions that cannot become negative.

    A step that ends at `y_i < -(atol_i + rtol_i |y_i|)`, with `y_i` on the right at its beginning and the tolerances of
    the solve, is an error larger than asked for: it is rejected and repeated with at most half its size. A smaller
    violation is within the error, and the entry is set to zero before the next step.

    Parameters
    ----------
    where
        Which entries: a pytree like the state whose leaves are Booleans, or Boolean arrays that broadcast to the
        state's leaves. None: all entries.

    Raises
    ------
    ValueError
        If `where` has another structure than the state or does not broadcast to it, or an initial entry is negative.
    TypeError
        If `where` holds anything but Booleans.

    Notes
    -----
    - *Not inside steps.* Stages and implicit iterations may still evaluate the vector field at slightly negative
      states, and the dense output between steps may dip below zero by about the tolerance. Write a vector field that is
      defined there, such as `jnp.sqrt(jnp.maximum(y, 0.0))`.
    - *Not for equations that lead below zero.* Where the vector field points outwards at `y_i = 0`, steps shrink to
      `atol / |f_i|` and the solve ends for want of steps. There something new happens at zero: say what, with
      `sj.Event`.
    - *Conservation.* Setting to zero adds up to a tolerance per step to linear invariants such as a total mass.
    - With `sj.FixedStep()` nothing is rejected: every negative value is set to zero.
    - Derivatives are those of the numbers returned: of an entry that was set to zero they are zero.
    - `sol.events[i].count` says after how many steps something was set to zero; there is no log.

    Cost: a comparison per step. Multistep methods begin anew where something was set to zero.

    References
    ----------
    Shampine, Thompson, Kierzenka & Byrne, Non-negative solutions of ODEs, Appl. Math. Comput. 170 (2005) 556-569, whose
    test on the size of the violation this is; they also replace the vector field by its positive part where `y_i <= 0`,
    which is not done here: it would hide the second case above.
    """

    where: Any

    def __init__(self, where: Any = None):
        for leaf in jax.tree_util.tree_leaves(where):
            if not isinstance(leaf, (bool, np.bool_)) and getattr(leaf, "dtype", None) != np.dtype(bool):
                msg = f"`where` must hold Booleans, True where the state is to be kept non-negative; got {leaf!r}."
                raise TypeError(msg)
        self.where = where

    def as_trigger(self, problem: Any) -> Trigger:
        """See `AbstractEvent`."""
        where = _checked(self.where, problem.y0)
        return Trigger(
            condition=_IsNegative(where),
            at_steps=True,
            affect=_SetToZero(where),
            outside=_Negative(where),
            max_triggers=None,
        )


def _checked(where: Any, y0: Any) -> Any:
    """The choice with the structure of the state."""
    if where is None:
        where = jax.tree_util.tree_map(lambda _: True, y0)
    leaves = jax.tree_util.tree_leaves(y0)
    chosen = jax.tree_util.tree_leaves(where)
    fits = jax.tree_util.tree_structure(where) == jax.tree_util.tree_structure(y0)
    if not fits or any(not _broadcasts(a, b) for a, b in zip(chosen, leaves, strict=True)):
        msg = (
            f"`where` must be a pytree of Booleans like the state; got {describe(where)} for a state of "
            f"{describe(y0)}. Pass one Boolean, or a Boolean array, for every leaf."
        )
        raise ValueError(msg)
    if any(jnp.issubdtype(leaf.dtype, jnp.complexfloating) for leaf in leaves):
        msg = f"`Positivity` needs a real state; got {describe(y0)}. Split it into real and imaginary parts."
        raise ValueError(msg)
    negative = [
        np.any(np.asarray(c) & (np.asarray(leaf) < 0))
        for c, leaf in zip(chosen, leaves, strict=True)
        if is_concrete(leaf)
    ]
    if any(negative):
        msg = "The initial state must not be negative where `Positivity` acts; got a negative entry. Correct `y0`."
        raise ValueError(msg)
    return where


def _broadcasts(choice: Any, leaf: Any) -> bool:
    try:
        return np.broadcast_shapes(np.shape(choice), np.shape(leaf)) == np.shape(leaf)
    except ValueError:
        return False


class _OnChosen(eqx.Module):
    """A function of the chosen entries."""

    where: Any

    def chosen(self, function: Callable, y: Any) -> Any:
        return jax.tree_util.tree_map(lambda choice, leaf: function(jnp.asarray(choice), leaf), self.where, y)


class _IsNegative(_OnChosen):
    def __call__(self, t: Any, y: Any, args: Any) -> Any:
        leaves = jax.tree_util.tree_leaves(self.chosen(lambda choice, leaf: jnp.any(choice & (leaf < 0)), y))
        return jnp.any(jnp.stack(leaves))


class _SetToZero(_OnChosen):
    def __call__(self, t: Any, y: Any, args: Any) -> Any:
        return self.chosen(lambda choice, leaf: jnp.where(choice & (leaf < 0), jnp.zeros_like(leaf), leaf), y)


class _Negative(_OnChosen):
    def __call__(self, t: Any, y: Any, args: Any) -> Any:
        return self.chosen(lambda choice, leaf: jnp.where(choice, jnp.maximum(-leaf, 0), jnp.zeros_like(leaf)), y)
