"""A user's loss function seen as a function of the trainable arrays alone."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, PyTree


class Objective(eqx.Module):
    """``loss_fn`` with the leaves that are not trained put back in."""

    loss_fn: Callable
    frozen: PyTree
    has_aux: bool = eqx.field(static=True)

    def value(self, params: PyTree, batch: Any, key: Array | None) -> tuple[PyTree, PyTree]:
        """What ``loss_fn`` returns (a scalar, or residuals) and its auxiliary output (None without ``has_aux``)."""
        out = self.loss_fn(eqx.combine(params, self.frozen), batch, key)
        if not self.has_aux:
            return out, None
        if not (isinstance(out, tuple) and len(out) == 2):
            msg = (
                f"With has_aux=True, loss_fn must return a pair (loss, aux); received {type(out).__name__}. Return "
                "(loss, aux) or drop has_aux."
            )
            raise TypeError(msg)
        return out[0], jax.tree.map(jnp.asarray, out[1])

    def loss(self, params: PyTree, batch: Any, key: Array | None) -> tuple[Array, PyTree]:
        """The scalar loss and the auxiliary output."""
        value, aux = self.value(params, batch, key)
        return as_scalar(value, "loss_fn"), aux


def as_scalar(value: Any, name: str) -> Array:
    """``value`` as a floating-point array of shape (), or an error that says what is wrong with it."""
    if not (hasattr(value, "shape") or isinstance(value, (bool, int, float, complex))):
        hint = "Pass has_aux=True for (loss, aux)" if isinstance(value, tuple) else "Return one number"
        msg = (
            f"{name} must return a scalar; received {type(value).__name__}. {hint}, or hand residuals to a "
            "least-squares solver."
        )
        raise TypeError(msg)
    value = jnp.asarray(value)
    if value.shape != ():
        msg = (
            f"{name} must return a scalar of shape (); received shape {value.shape}. Reduce it with .mean() or .sum()."
        )
        raise ValueError(msg)
    if not jnp.issubdtype(value.dtype, jnp.floating):
        msg = (
            f"{name} must return a real floating-point number; received dtype {value.dtype}. Convert it (complex: take "
            ".real or abs)."
        )
        raise TypeError(msg)
    return value
