"""Calls whose programs are traced only where a compiled program needs them.

A derivative rule has to name more than one use of it needs: forward and reverse mode, one lane and a batch, first and
second derivatives. JAX traces each of them at once, and drops afterwards what nobody asks for; the tracing is most of
what a gradient costs before it is compiled. A deferred call is a single equation until it is lowered.
"""

import weakref
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax.extend.core import Primitive
from jax.interpreters import ad, batching, mlir

from .loops import vary_like


def deferred(function: Callable, shapes: Any) -> Callable:
    """`function`, which is not traced before a program that calls it is lowered.

    Parameters
    ----------
    function
        Pure; arguments are pytrees of arrays. It closes over nothing traced, since it runs when outer transformations
        are over. It works under `jit`, `vmap`, `jvp`, transposition (in the arguments in which it is linear) and inside
        `shard_map`; a forward derivative traces it at once.
    shapes
        A pytree like the result, of arrays or of `jax.ShapeDtypeStruct`. That is not checked before lowering.
    """
    shapes = jax.tree_util.tree_map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype), shapes)
    likes, out_tree = jax.tree_util.tree_flatten(shapes)

    def call(*args: Any) -> Any:
        leaves, in_tree = jax.tree_util.tree_flatten(args)

        def run(*leaves: Any) -> list:
            out = function(*jax.tree_util.tree_unflatten(in_tree, leaves))
            return jax.tree_util.tree_leaves(out)

        out = _bind(leaves, _Call(run, _zeros_like(likes)))
        return jax.tree_util.tree_unflatten(out_tree, out)

    return call


class _Call:
    """A function of flat arrays, and a cheap one whose results have the same types."""

    def __init__(self, run: Callable, like: Callable):
        self.run, self.like = run, like
        self._known: dict = {}

    def types(self, *avals: Any) -> list:
        if avals not in self._known:
            self._known[avals] = jax.make_jaxpr(self.like)(*avals).out_avals
        return self._known[avals]


def _zeros_like(likes: list) -> Callable:
    return lambda *leaves: vary_like([jnp.zeros(like.shape, like.dtype) for like in likes], leaves)


_CALLS: weakref.WeakKeyDictionary = weakref.WeakKeyDictionary()
"""The call of every equation that is alive.

JAX keeps the parameters of equations in its caches, and would keep a call, with all that its function closes over, long
after the program is gone. Only of a `Jaxpr` (and of no subclass) does it keep no more than a weak reference, so an
empty one is the key.
"""


def _bind(args: Any, call: _Call) -> list:
    key = jax.make_jaxpr(lambda: ())().jaxpr
    _CALLS[key] = call
    return deferred_p.bind(*args, key=key)


deferred_p = Primitive("deferred")
deferred_p.multiple_results = True
deferred_p.def_impl(lambda *args, key: jax.jit(_CALLS[key].run)(*args))
deferred_p.def_abstract_eval(lambda *avals, key: _CALLS[key].types(*avals))
mlir.register_lowering(deferred_p, mlir.lower_fun(lambda *args, key: _CALLS[key].run(*args), multiple_results=True))


def _batched(args: Any, dims: Any, *, key: Any) -> tuple[list, list]:
    call = _CALLS[key]
    size = next(arg.shape[dim] for arg, dim in zip(args, dims, strict=True) if dim is not None)
    many = lambda function: jax.vmap(function, in_axes=tuple(dims), axis_size=size)
    out = _bind(args, _Call(many(call.run), many(call.like)))
    return out, [0] * len(out)


def _moved(primals: Any, tangents: Any, *, key: Any) -> tuple[list, list]:
    call, moving = _CALLS[key], [not isinstance(tangent, ad.Zero) for tangent in tangents]

    def run(*chosen: Any) -> list:
        return call.run(*_merge(moving, chosen, _those(primals, moving, False)))

    return jax.jvp(run, _those(primals, moving, True), _those(tangents, moving, True))


def _transposed(cotangents: Any, *args: Any, key: Any) -> list:
    call, linear = _CALLS[key], [ad.is_undefined_primal(arg) for arg in args]
    known = _those(args, linear, False)
    likes = [arg.aval for arg in _those(args, linear, True)]
    zeros = _zeros_like(likes)
    cotangents = [ad.instantiate_zeros(ct) for ct in cotangents]

    def run(*both: Any) -> list:
        known, cotangents = both[: len(both) - count], both[len(both) - count :]
        function = lambda *chosen: call.run(*_merge(linear, chosen, known))
        return list(jax.linear_transpose(function, *zeros(*both))(list(cotangents)))

    count = len(cotangents)
    supply = iter(_bind((*known, *cotangents), _Call(run, zeros)))
    return [next(supply) if is_linear else None for is_linear in linear]


batching.primitive_batchers[deferred_p] = _batched
ad.primitive_jvps[deferred_p] = _moved
ad.primitive_transposes[deferred_p] = _transposed


def _those(values: Any, marks: list, wanted: bool) -> tuple:
    return tuple(value for value, mark in zip(values, marks, strict=True) if mark == wanted)


def _merge(marks: list, marked: Any, others: Any) -> list:
    first, second = iter(marked), iter(others)
    return [next(first) if mark else next(second) for mark in marks]
