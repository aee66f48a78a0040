"""Rearrange a program on small arrays so that XLA:CPU's loops over them use vector instructions, inside one kernel.

XLA copies the arithmetic in front of a reduction into the reduction's loop, once for every reduction that reads it, and
that loop goes number by number. A loop over a matrix is as long as its last axis, and what was sliced or broadcast is
addressed anew for every number. The forces of seven bodies on each other take 390 ns so, and 105 ns rearranged.
"""

import math
from typing import Any

import jax
import numpy as np
from jax import lax
from jax.extend.core import ClosedJaxpr, Literal

from .components.elementwise import ELEMENTWISE, scalar_params
from .components.scalar import bind
from .components.values import is_plain_dtype
from .one_kernel import fits_one_kernel

MOST_ELEMENTS = 1024
"""Size of an array up to which it is stored between two loops: larger ones would leave the cache."""

_CHEAP = frozenset("add sub mul neg".split())  # noqa: SIM905
_REDUCTIONS = frozenset("reduce_sum reduce_prod reduce_max reduce_min".split())  # noqa: SIM905
_CALLS = {"jit": "jaxpr", "pjit": "jaxpr", "closed_call": "call_jaxpr", "core_call": "call_jaxpr"}


def with_vector_loops(closed: ClosedJaxpr) -> ClosedJaxpr:
    """The same program, its arithmetic on matrices done on flat arrays that lie in memory.

    Arithmetic on arrays of rank two and more runs over all numbers in one loop. What moves elements (broadcasts,
    slices, transpositions) is stored before it, and the operand of a reduction after it, by an
    ``optimization_barrier``. Values are the same but for rounding, and derivatives gain as much: barriers stay in them.
    A program comes back as it is if it has no arithmetic on matrices of 2 to `MOST_ELEMENTS` numbers, or if it cannot
    be in one kernel, since elsewhere every array that is stored costs a dispatch. For the CPU only; jax 0.10 drops
    barriers before it fuses, so that there only the flat loops remain.

    Parameters
    ----------
    closed
        The program, traced for one member of a batch: ``vmap`` comes afterwards.
    """
    if not (_has_matrices(closed.jaxpr) and fits_one_kernel(closed)):
        return closed
    return jax.make_jaxpr(lambda *args: _run(closed, args))(*closed.in_avals)


class _Value:
    """An array, whole or flat (each made when asked for), and where it is: stored, just computed, or only moved."""

    def __init__(self, shape: tuple, whole: Any = None, flat: Any = None, origin: str = "stored"):
        self.shape, self.origin = shape, origin
        self._whole: Any = whole
        self._flat: Any = flat

    @property
    def whole(self) -> Any:
        if self._whole is None:
            self._whole = lax.reshape(self._flat, self.shape)
        return self._whole

    @property
    def flat(self) -> Any:
        if self._flat is None:
            self._flat = lax.reshape(self._whole, (math.prod(self.shape),)) if self.shape else self._whole
        return self._flat

    def store(self) -> None:
        """Have it in memory before it is read."""
        if self._flat is not None:
            self._flat, self._whole = lax.optimization_barrier(self._flat), None
        else:
            self._whole = lax.optimization_barrier(self._whole)
        self.origin = "stored"


def _run(closed: ClosedJaxpr, args: Any) -> list:
    values = [_Value(np.shape(x), whole=x) for x in (*closed.consts, *args)]
    return [value.whole for value in _values(closed.jaxpr, values)]


def _values(jaxpr: Any, values: list) -> list:
    environment = dict(zip((*jaxpr.constvars, *jaxpr.invars), values, strict=True))

    def read(var: Any) -> _Value:
        if isinstance(var, Literal):
            return _Value(np.shape(var.val), whole=var.val)
        return environment[var]

    for eqn in jaxpr.eqns:
        environment.update(zip(eqn.outvars, _equation(eqn, [read(var) for var in eqn.invars]), strict=True))
    return [read(var) for var in jaxpr.outvars]


def _equation(eqn: Any, values: list) -> list:
    name, shape = eqn.primitive.name, eqn.outvars[0].aval.shape
    if name in _CALLS:
        inner = eqn.params[_CALLS[name]]
        consts = [_Value(np.shape(x), whole=x) for x in getattr(inner, "consts", ())]
        return _values(getattr(inner, "jaxpr", inner), [*consts, *values])
    if _is_arithmetic(eqn):
        return [_arithmetic(eqn, values)]
    if name == "squeeze" or (name == "reshape" and eqn.params.get("dimensions") is None):
        # The numbers stay in their order.
        return [_Value(shape, flat=values[0].flat, origin=values[0].origin)] if shape else _bound(eqn, values)
    if name in _REDUCTIONS and values[0].origin == "computed" and _is_small(eqn.invars[0].aval):
        values[0].store()
    return _bound(eqn, values)


def _bound(eqn: Any, values: list) -> list:
    outs = bind(eqn, [value.whole for value in values])
    return [_Value(var.aval.shape, whole=out, origin="moved") for var, out in zip(eqn.outvars, outs, strict=True)]


def _arithmetic(eqn: Any, values: list) -> _Value:
    shape = eqn.outvars[0].aval.shape
    if len(shape) < 2:
        return _Value(shape, whole=bind(eqn, [value.whole for value in values])[0], origin="computed")
    if eqn.primitive.name in _CHEAP and all(value.origin == "moved" or not value.shape for value in values):
        # As cheap as its operands: it is stored in their place.
        return _Value(shape, whole=bind(eqn, [value.whole for value in values])[0], origin="moved")
    values = [_expanded(value, shape) for value in values]
    for value in values:
        if value.origin == "moved" and value.shape:
            value.store()
    out = eqn.primitive.bind(*[value.flat for value in values], **scalar_params(eqn)[0])
    return _Value(shape, flat=out, origin="computed")


def _expanded(value: _Value, shape: tuple) -> _Value:
    """Axes of length one as long as they should be: newer releases of JAX leave that to the arithmetic."""
    if value.shape in ((), shape):
        return value
    return _Value(shape, whole=lax.broadcast_in_dim(value.whole, shape, range(len(shape))), origin="moved")


def _has_matrices(jaxpr: Any) -> bool:
    for eqn in jaxpr.eqns:
        if eqn.primitive.name in _CALLS:
            inner = eqn.params[_CALLS[eqn.primitive.name]]
            if _has_matrices(getattr(inner, "jaxpr", inner)):
                return True
        elif _is_arithmetic(eqn) and len(eqn.outvars[0].aval.shape) > 1 and eqn.outvars[0].aval.size > 1:
            return True
    return False


def _is_arithmetic(eqn: Any) -> bool:
    return eqn.primitive.name in ELEMENTWISE and all(_is_small(var.aval) for var in (*eqn.invars, *eqn.outvars))


def _is_small(aval: Any) -> bool:
    return is_plain_dtype(aval.dtype) and aval.size <= MOST_ELEMENTS
