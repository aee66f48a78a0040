"""Functions with a derivative rule of their own: evaluated by components, differentiated by their rule."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from .leaves import flatten
from .scalar import bind
from .values import Value
from .varying import cast, varying_axes


def _custom_jvp(context: Any, eqn: Any, values: list[Value]) -> Any:
    """A `jax.custom_jvp` of the scalars: the primal by components, the tangents by components of the given rule."""
    inner = eqn.params["call_jaxpr"]
    if not context.keep_custom_rules:
        return context.run(inner, values)
    small = all(context.is_small(var.aval) for var in eqn.outvars) and all(context.is_small(v) for v in values)
    if not small or not context.wants_components(values):
        return NotImplemented
    leaves, rebuild = flatten(values, distinct=False)
    if not leaves:
        return context.run(inner, values)

    @jax.custom_jvp
    def primal(*flat):
        return _entries(context.child().run(inner, rebuild(flat)))

    @primal.defjvp
    def rule(flat, tangents):
        directions = [t for t in rebuild(tangents, zero_constants=True) if _inexact(t)]
        outs = context.child().run(_derivative(eqn), rebuild(flat) + directions)
        moving = iter(outs[len(eqn.outvars) :])
        tangents_out = [next(moving) if _inexact(var.aval) else _no_tangent(var.aval) for var in eqn.outvars]
        return _entries(outs[: len(eqn.outvars)]), _entries(tangents_out)

    outs = iter(primal(*leaves))
    return [Value.from_entries([next(outs) for _ in range(var.aval.size)], var.aval) for var in eqn.outvars]


def _derivative(eqn: Any) -> Any:
    """Jaxpr of the given rule: from operands and tangents of the inexact ones to results and their tangents."""
    operands = [jax.ShapeDtypeStruct(var.aval.shape, var.aval.dtype) for var in eqn.invars]
    moves = [_inexact(operand) for operand in operands]

    axes = [varying_axes(var.aval) for var in eqn.invars]

    def derivative(points, directions):
        points = [cast(point, axis) for point, axis in zip(points, axes, strict=True)]
        moving_axes = [axis for axis, moved in zip(axes, moves, strict=True) if moved]
        directions = [cast(x, axis) for x, axis in zip(directions, moving_axes, strict=True)]

        def call(*moving):
            moving = iter(moving)
            arrays = [next(moving) if moved else point for point, moved in zip(points, moves, strict=True)]
            outs = bind(eqn, arrays)
            return tuple(out for out, var in zip(outs, eqn.outvars, strict=True) if _inexact(var.aval)), tuple(outs)

        start = tuple(point for point, moved in zip(points, moves, strict=True) if moved)
        _, tangents, outs = jax.jvp(call, start, tuple(directions), has_aux=True)
        return list(outs) + list(tangents)

    return jax.make_jaxpr(derivative)(operands, [x for x, moved in zip(operands, moves, strict=True) if moved])


def _entries(values: list[Value]) -> tuple:
    return tuple(jnp.asarray(x) if x.dtype != jax.dtypes.float0 else x for v in values for x in v.entries.reshape(-1))


def _no_tangent(aval: Any) -> Value:
    none = jax.dtypes.float0
    return Value.from_entries([np.zeros((), none)] * aval.size, jax.ShapeDtypeStruct(aval.shape, none))


def _inexact(x: Any) -> bool:
    return bool(jnp.issubdtype(x.dtype, np.inexact))


def _custom_vjp(context: Any, eqn: Any, values: list[Value]) -> Any:
    """A `jax.custom_vjp` function stays on arrays, unless its rule is not needed."""
    return NotImplemented if context.keep_custom_rules else context.run(eqn.params["call_jaxpr"], values)


RULES = {"custom_jvp_call": _custom_jvp, "custom_vjp_call": _custom_vjp}
