"""The interpreter: walks a jaxpr, applies component rules, and binds on arrays what has none or is too large."""

import dataclasses
from typing import Any

import jax
import jax.core
import numpy as np
from jax.extend.core import ClosedJaxpr, Literal
from jaxtyping import Array, ArrayLike, Shaped

from . import control, custom, elementwise, indexing, reductions, structural, varying
from .count import MAX_MULTIPLY_ADDS, MAX_SIZE, contains_large_dot
from .scalar import Arithmetic, bind
from .values import Components, Value, constant, is_plain_dtype
from .varying import align

MOVES = structural.RULES | indexing.RULES
RULES = elementwise.RULES | MOVES | reductions.RULES | control.RULES | custom.RULES | varying.RULES
# These decide for themselves: their operands may be of any size.
ANY_SIZE = frozenset(control.RULES) | frozenset(custom.RULES) | frozenset(varying.RULES)


def evaluate(
    jaxpr: ClosedJaxpr,
    *args: Components | Shaped[ArrayLike, "..."],
    fold_zero_products: bool = False,
    keep_custom_rules: bool = True,
    max_size: int = MAX_SIZE,
    max_multiply_adds: int = MAX_MULTIPLY_ADDS,
) -> list[Components | Shaped[Array, "..."]]:
    """The outputs of `jaxpr`, computed scalar by scalar wherever that is possible and small.

    Same values as ``jax.extend.core.jaxpr_as_fun(jaxpr)(*args)`` up to the rounding of sums (written out from left to
    right) and the sign of zero. Plain JAX operations are emitted, so the result can be differentiated, mapped, compiled
    and sharded as usual. Equations whose outputs nobody uses are skipped; equal scalar operations are emitted once.

    Parameters
    ----------
    jaxpr
        What ``jax.make_jaxpr(fn)(*example_args)`` returns.
    args
        One per input. A `Components` enters as scalars; an array stays an array until it meets components.
        Pass the state and a handful of parameters as components, unpacked outside the loop (an array that meets
        components is sliced where it does); pass the weights of a network as arrays.
    fold_zero_products
        Take ``0 * x`` to be 0 for a zero that is known while tracing. Right for Jacobians from ``jax.jacfwd``, whose
        tangents hold structural zeros; wrong where `x` may be infinite and the program means ``0 * inf``.
    keep_custom_rules
        Keep the rules of `jax.custom_jvp` and `jax.custom_vjp` functions. False where nothing will be differentiated.
    max_size
        An equation with a larger operand or result is evaluated on arrays.
    max_multiply_adds
        A matrix product with more, or with an operand larger than `max_size`, is evaluated on arrays; so is then every
        other matrix product of the program, since it belongs to a network.

    Returns
    -------
    list
        One per output: `Components` where it was computed so, else an array.

    Raises
    ------
    ValueError
        If the number, shape or dtype of `args` is not that of the jaxpr's inputs.

    Notes
    -----
    Costs one Python call per scalar operation while tracing (about 10-20 microseconds each) and compile time in
    proportion; see `should_use_components`. Not for large states.
    """
    if len(args) != len(jaxpr.in_avals):
        msg = f"evaluate needs one argument per input of the jaxpr, {len(jaxpr.in_avals)}; received {len(args)}"
        raise ValueError(msg)
    keep_dots = contains_large_dot(jaxpr, max_size, max_multiply_adds)
    options = Options(fold_zero_products, keep_custom_rules, max_size, keep_dots)
    values = [_argument(i, x, aval) for i, (x, aval) in enumerate(zip(args, jaxpr.in_avals, strict=True))]
    return [value.output() for value in Context(options).run(jaxpr, values)]


@dataclasses.dataclass(frozen=True)
class Options:
    """What the caller of `evaluate` asked for."""

    fold_zero_products: bool
    keep_custom_rules: bool
    max_size: int
    keep_dots: bool


class Context:
    """One trace: the options and the scalar operations emitted so far. An inner trace takes a `child()`."""

    def __init__(self, options: Options):
        self.options = options
        self.arithmetic = Arithmetic(options.fold_zero_products)
        self.keep_custom_rules = options.keep_custom_rules
        self.keep_dots = options.keep_dots

    def child(self) -> "Context":
        """A context for an inner trace."""
        return Context(self.options)

    def is_small(self, aval: Any) -> bool:
        """Whether a value like `aval` may be held as scalars."""
        return is_plain_dtype(aval.dtype) and aval.size <= self.options.max_size

    def wants_components(self, values: list[Value]) -> bool:
        """False where the work is on packed arrays: unpacking them only to pack again costs more than it saves."""
        packed = any(value.is_packed for value in values)
        return not packed or any(not value.is_packed and not value.is_uniform for value in values)

    def run(self, jaxpr: Any, values: list[Value], consts: Any = None) -> list[Value]:
        """The outputs of a closed jaxpr, in the current trace."""
        consts = jaxpr.consts if consts is None else consts
        jaxpr = getattr(jaxpr, "jaxpr", jaxpr)
        environment = dict(zip(jaxpr.constvars, [self._constant(c) for c in consts], strict=True))
        environment.update(zip(jaxpr.invars, values, strict=True))

        def read(var: Any) -> Value:
            return self._constant(var.val, var.aval) if isinstance(var, Literal) else environment[var]

        for eqn in live_equations(jaxpr):
            outs = self._equation(eqn, [read(var) for var in eqn.invars])
            environment.update(zip(eqn.outvars, outs, strict=True))
        return [read(var) for var in jaxpr.outvars]

    def _equation(self, eqn: Any, values: list[Value]) -> list[Value]:
        name = eqn.primitive.name
        rule = RULES.get(name)
        if rule is not None and (name in ANY_SIZE or self._fits(eqn, values)):
            outs = rule(self, eqn, values)
            if outs is not NotImplemented:
                return outs
        arrays = [value.array for value in values]
        if name in RULES and name not in ANY_SIZE:
            arrays = align(arrays)
        return [Value.from_array(out) for out in bind(eqn, arrays)]

    def _fits(self, eqn: Any, values: list[Value]) -> bool:
        small = all(self.is_small(value) for value in values) and all(self.is_small(var.aval) for var in eqn.outvars)
        return small and self.wants_components(values)

    def _constant(self, value: Any, aval: Any = None) -> Value:
        """A literal or a closed-over constant: its scalars are known unless it is traced, large or not addressable."""
        dtype = value.dtype if aval is None else aval.dtype
        if not is_plain_dtype(dtype) or isinstance(value, jax.core.Tracer):
            return Value.from_array(value)
        if isinstance(value, jax.Array) and not value.is_fully_addressable:
            return Value.from_array(value)
        if np.size(value) > self.options.max_size:
            # A literal is a typed Python scalar, without a shape of its own.
            return Value.from_array(value if hasattr(value, "shape") else np.asarray(value).astype(dtype))
        return Value.from_constant(np.asarray(value).astype(dtype))


def live_equations(jaxpr: Any) -> list:
    """The equations that an output or an effect depends on, in order."""
    needed = {var for var in jaxpr.outvars if not isinstance(var, Literal)}
    live = []
    for eqn in reversed(jaxpr.eqns):
        if eqn.effects or any(var in needed for var in eqn.outvars):
            live.append(eqn)
            needed.update(var for var in eqn.invars if not isinstance(var, Literal))
    return live[::-1]


def _argument(i: int, x: Any, aval: Any) -> Value:
    if isinstance(x, (bool, int, float, complex)):
        x = constant(x, aval.dtype)
    shape, dtype = getattr(x, "shape", None), getattr(x, "dtype", None)
    if shape != aval.shape or dtype != aval.dtype:
        received = f"{dtype}{list(shape)}" if shape is not None else repr(x)
        msg = f"argument {i} must be {aval.str_short()}; received {received}; trace with arguments like these"
        raise ValueError(msg)
    if isinstance(x, Components):
        return Value(x.shape, x.dtype, entries=x.entries)
    if isinstance(x, (np.ndarray, np.generic)) and is_plain_dtype(dtype) and x.size <= MAX_SIZE:
        return Value.from_constant(np.asarray(x))
    return Value.from_array(x)
