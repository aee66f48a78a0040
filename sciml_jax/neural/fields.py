"""Vector fields made of networks: modules, so that their arrays are seen by `jit`, `vmap` and `grad`."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp

from ..networks import Normalise


class NetworkField(eqx.Module):
    """`(t, y, args) -> scale * net((y - shift) / scale)`, with the time in front where `time` says so."""

    net: Any
    time: bool = eqx.field(static=True, default=False)
    normalise: Normalise | None = None

    def __call__(self, t: Any, y: Any, args: Any = None) -> Any:
        """The derivative of `y`."""
        del args
        if self.normalise is None:
            return apply(self.net, self.time, t, y)
        return self.normalise.stretch(apply(self.net, self.time, t, self.normalise(y)))


def apply(net: Callable, time: bool, t: Any, y: Any) -> Any:
    """`net(t, y)` or `net(y)`, in the dtype of `y`."""
    out = net(t, y) if time else net(y)
    if jax.tree_util.tree_structure(out) != jax.tree_util.tree_structure(y):
        return out
    # Weights in float64 would otherwise turn a float32 state into float64.
    return jax.tree_util.tree_map(lambda o, x: jnp.asarray(o).astype(jnp.result_type(x)), out, y)
