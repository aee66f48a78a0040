"""Tracing a function once with everything that it closes over as explicit operands."""

import copy
from collections.abc import Callable
from typing import Any

import jax
import jax.core
import jax.numpy as jnp
import numpy as np
from jax.extend.core import ClosedJaxpr, jaxpr_as_fun

from .components import Components, evaluate, pack
from .loops import vary_like, varying_axes
from .vector_loops import with_vector_loops

SMALL_CONSTANT = 64
"""Concrete constants of up to this many elements stay in the program, where they can be folded."""


class Hoisted:
    """A traced function whose closed-over values have become explicit operands.

    `hoisted = Hoisted(fn, *examples)` traces `fn(*examples)` once; `hoisted.consts` are the values it had closed over,
    tracers of outer transformations included; `hoisted.jaxpr` takes those constants first and then the flat arguments.
    Values that a function closes over must be operands wherever the function ends up inside a custom derivative or
    batching rule: JAX cannot see them there.

    Inside `shard_map` the operands may vary over more mesh axes when it is evaluated than when it was traced.
    """

    def __init__(self, fn: Callable, *examples: Any):
        closed, self.out_shape = jax.make_jaxpr(fn, return_shape=True)(*examples)
        keep = [_is_small_constant(const) for const in closed.consts]
        kept = [const for const, small in zip(closed.consts, keep, strict=True) if small]
        hoisted = [const for const, small in zip(closed.consts, keep, strict=True) if not small]
        self.consts: tuple = tuple(hoisted)

        def explicit(consts, *flat):
            rest, fixed = iter(consts), iter(kept)
            merged = [next(fixed) if small else next(rest) for small in keep]
            return _run(ClosedJaxpr(closed.jaxpr, merged), flat)

        flat = jax.tree_util.tree_leaves(examples)
        self.jaxpr: ClosedJaxpr = jax.make_jaxpr(explicit)(self.consts, *flat)

    def with_vector_loops(self) -> "Hoisted":
        """The same function, rearranged for one kernel; see `vector_loops.py`."""
        self = copy.copy(self)
        self.jaxpr = with_vector_loops(self.jaxpr)
        return self

    def __call__(self, *flat: Any) -> tuple:
        """Evaluate on flat operands, the constants first; returns the flat outputs."""
        out = _run(self.jaxpr, flat)
        # A result that does not depend on anything is a typed Python number.
        avals: list[Any] = self.jaxpr.out_avals
        return tuple(x if hasattr(x, "shape") else jnp.asarray(x, a.dtype) for x, a in zip(out, avals, strict=True))


def _run(closed: ClosedJaxpr, flat: tuple) -> list:
    """Evaluate a program; inside `shard_map`, skip casts of values that have come to vary already.

    The program was traced when some operands did not vary over a mesh axis, so it casts them; by now everything varies.
    The interpreter skips such casts, and with `max_size=0` it leaves all arrays as they are.
    """
    if not varying_axes(flat, closed.consts):
        return jaxpr_as_fun(closed)(*flat)
    out = evaluate(closed, *flat, max_size=0)
    return vary_like([pack(leaf) if isinstance(leaf, Components) else leaf for leaf in out], flat, closed.consts)


def _is_small_constant(const: Any) -> bool:
    if isinstance(const, jax.core.Tracer) or jnp.issubdtype(const.dtype, jax.dtypes.extended):
        return False
    return np.size(const) <= SMALL_CONSTANT and getattr(const, "is_fully_addressable", True)
