"""Calls and control flow: recursed into, with components as separate scalar operands and carries."""

from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import lax

from .count import UNROLL_LIMIT, count_scalar_operations
from .leaves import flatten
from .values import Value
from .varying import axes_of, cast

# A loop carry that starts as a constant is held as scalars up to this size (above, it is likely a network's).
CONSTANT_CARRY = 16


def _call(name: str) -> Any:
    def rule(context: Any, eqn: Any, values: list[Value]) -> Any:
        inner = eqn.params[name]
        return context.run(inner, values, getattr(inner, "consts", ()))

    return rule


def _eval_jaxpr(context: Any, eqn: Any, values: list[Value]) -> Any:
    """``closed_call`` and ``call``, under the name and the parameter that the running version of JAX gives them."""
    inner = eqn.params.get("call_jaxpr", eqn.params.get("jaxpr"))
    if inner is None or len(inner.outvars if hasattr(inner, "outvars") else inner.jaxpr.outvars) != len(eqn.outvars):
        return NotImplemented
    return context.run(inner, values, getattr(inner, "consts", ()))


def _leaves_of(outs: list[Value], as_scalars: list[bool], axes: frozenset) -> list:
    """`outs` flattened in the inner trace; `as_scalars` says which ones as separate scalars."""
    flat = []
    for out, scalars in zip(outs, as_scalars, strict=True):
        flat.extend(out.entries.reshape(-1) if scalars else [out.array])
    return [cast(jnp.asarray(x), axes) for x in flat]


def _from_leaves(eqn_outvars: Any, as_scalars: list[bool], flat: Any) -> list[Value]:
    flat, outs = iter(flat), []
    for var, scalars in zip(eqn_outvars, as_scalars, strict=True):
        aval = var.aval
        if scalars:
            outs.append(Value.from_entries([next(flat) for _ in range(aval.size)], aval))
        else:
            outs.append(Value.from_array(next(flat)))
    return outs


def _cond(context: Any, eqn: Any, values: list[Value]) -> Any:
    index, *operands = values
    branches = eqn.params["branches"]
    known = index.known()
    if known is not None:
        return context.run(branches[min(max(int(known), 0), len(branches) - 1)], operands)
    if operands and not context.wants_components(operands):
        return NotImplemented
    as_scalars = [context.is_small(var.aval) for var in eqn.outvars]
    leaves, rebuild = flatten(operands, distinct=False)
    axes = axes_of(values)

    def make(branch: Any) -> Any:
        def run(*flat):
            return _leaves_of(context.child().run(branch, rebuild(flat)), as_scalars, axes)

        return run

    outs = lax.switch(index.array, [make(branch) for branch in branches], *leaves)
    return _from_leaves(eqn.outvars, as_scalars, outs)


def _scalar_carry(context: Any, value: Value) -> bool:
    if value.is_packed or not context.is_small(value):
        return False
    return value.known() is None or value.size <= CONSTANT_CARRY


def _carry(context: Any, values: list[Value], axes: frozenset) -> tuple[list, list[bool], Any]:
    """The carry's leaves, which values are separate scalars, and the function that rebuilds the values."""
    as_scalars = [_scalar_carry(context, value) for value in values]
    pairs = zip(values, as_scalars, strict=True)
    values = [v if scalars else Value(v.shape, v.dtype, array=v.array) for v, scalars in pairs]
    leaves, rebuild = flatten(values, distinct=True)
    return [cast(jnp.asarray(x), axes) for x in leaves], as_scalars, rebuild


def _while(context: Any, eqn: Any, values: list[Value]) -> Any:
    if not context.wants_components(values):
        return NotImplemented
    params = eqn.params
    split = params["cond_nconsts"], params["cond_nconsts"] + params["body_nconsts"]
    cond_consts, body_consts, initial = values[: split[0]], values[split[0] : split[1]], values[split[1] :]
    axes = axes_of(values)
    leaves, as_scalars, rebuild = _carry(context, initial, axes)

    def cond(flat):
        (unfinished,) = context.child().run(params["cond_jaxpr"], [v.fresh() for v in cond_consts] + rebuild(flat))
        return unfinished.array

    def body(flat):
        outs = context.child().run(params["body_jaxpr"], [v.fresh() for v in body_consts] + rebuild(flat))
        return _leaves_of(outs, as_scalars, axes)

    return _from_leaves(eqn.outvars, as_scalars, lax.while_loop(cond, body, leaves))


def _scan_counts(eqn: Any) -> tuple[int, int]:
    """Numbers of constants and of carries, from ranks: a scanned operand has one axis more than its slice."""
    inner = getattr(eqn.params["jaxpr"], "jaxpr", eqn.params["jaxpr"])
    pairs = zip(inner.invars, eqn.invars, strict=True)
    n_xs = sum(outer.aval.ndim > slice_.aval.ndim for slice_, outer in pairs)
    pairs = zip(inner.outvars, eqn.outvars, strict=True)
    n_carry = sum(outer.aval.ndim == slice_.aval.ndim for slice_, outer in pairs)
    return len(eqn.invars) - n_carry - n_xs, n_carry


def _scan(context: Any, eqn: Any, values: list[Value]) -> Any:
    if not context.wants_components(values):
        return NotImplemented
    n_consts, n_carry = _scan_counts(eqn)
    consts, initial, xs = values[:n_consts], values[n_consts : n_consts + n_carry], values[n_consts + n_carry :]
    params = eqn.params
    small = all(context.is_small(v) for v in xs) and all(context.is_small(var.aval) for var in eqn.outvars)
    if small and params["length"] * max(count_scalar_operations(params["jaxpr"]), 1) <= UNROLL_LIMIT:
        return _unrolled_scan(context, eqn, consts, initial, xs)
    axes = axes_of(values)
    leaves, as_scalars, rebuild = _carry(context, initial, axes)

    def body(flat, rows):
        rows = [Value.from_array(row) for row in rows]
        outs = context.child().run(params["jaxpr"], [v.fresh() for v in consts] + rebuild(flat) + rows)
        return _leaves_of(outs[:n_carry], as_scalars, axes), [jnp.asarray(out.array) for out in outs[n_carry:]]

    arrays = [v.array for v in xs]
    options = {name: params[name] for name in ("length", "reverse", "unroll")}
    final, stacked = lax.scan(body, leaves, arrays, **options)
    return _from_leaves(eqn.outvars[:n_carry], as_scalars, final) + [Value.from_array(y) for y in stacked]


def _unrolled_scan(context: Any, eqn: Any, consts: list, carry: list, xs: list) -> list[Value]:
    """A short loop written out: its counter becomes known, hence every index that depends on it."""
    length, n_carry = eqn.params["length"], len(carry)
    ys: list = [None] * length
    order = range(length)[::-1] if eqn.params["reverse"] else range(length)
    for i in order:
        rows = [Value(v.shape[1:], v.dtype, entries=_row(v.entries, i)) for v in xs]
        outs = context.run(eqn.params["jaxpr"], consts + carry + rows)
        carry, ys[i] = outs[:n_carry], outs[n_carry:]
    stacked = []
    for k, var in enumerate(eqn.outvars[n_carry:]):
        flat = [entry for row in ys for entry in row[k].entries.reshape(-1)]
        stacked.append(Value.from_entries(flat, var.aval))
    return carry + stacked


def _row(entries: np.ndarray, i: int) -> np.ndarray:
    return entries[i : i + 1].reshape(entries.shape[1:])


RULES = {
    "jit": _call("jaxpr"),
    "pjit": _call("jaxpr"),
    "remat": _call("jaxpr"),
    "remat2": _call("jaxpr"),
    "checkpoint": _call("jaxpr"),
    "closed_call": _eval_jaxpr,
    "core_call": _eval_jaxpr,
    "call": _eval_jaxpr,
    "eval_jaxpr": _eval_jaxpr,
    "cond": _cond,
    "while": _while,
    "scan": _scan,
}
