"""Checks of a problem when it is stated, so that mistakes show before anything is trained."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from ..core.tree import is_concrete
from .conditions import AbstractCondition, Dirichlet, Initial
from .region import Boundary, Face

PROBES = 32
"""Points at which conditions on the same region are compared."""


def stand_in(problem: Any, scale: float = 1.0) -> Any:
    """A smooth function with as many outputs as the problem has unknown functions."""

    def u(z: Array) -> Array:
        value = jnp.tanh(scale * jnp.sum(z)) + 0.5
        return value if problem.num_outputs == 1 else value * jnp.arange(1.0, problem.num_outputs + 1, dtype=z.dtype)

    return u


def as_row(value: Any) -> Array:
    """What a residual returns, as a vector."""
    if isinstance(value, (tuple, list)):
        return jnp.stack([jnp.asarray(part) for part in value])
    return jnp.atleast_1d(jnp.asarray(value))


def check_conditions(problem: Any) -> None:
    """Refuse what is no condition, conditions in other coordinates, and components that do not exist."""
    for condition in problem.conditions:
        if not isinstance(condition, AbstractCondition):
            msg = (
                f"`conditions` must be a sequence of conditions; got {type(condition).__name__} in it. Pass, for "
                'example, `[sj.pinn.Dirichlet(domain.face("x"), 0.0)]`.'
            )
            raise TypeError(msg)
        region = getattr(condition, "region", None)
        if region is not None and region.geometry.names != problem.domain.names:
            msg = (
                f"Conditions must have the coordinates of the domain, {problem.domain.names}; a "
                f"{type(condition).__name__} has {region.geometry.names}. Take the region from `domain`."
            )
            raise ValueError(msg)
        points = getattr(condition, "points", None)
        if points is not None and points.shape[1] != problem.domain.dim:
            msg = f"Data need points of {problem.domain.dim} coordinates; got shape {points.shape}. Give all of them."
            raise ValueError(msg)
        component = getattr(condition, "component", None)
        if component is not None and component >= problem.num_outputs:
            msg = (
                f"`component` must be below `num_outputs` = {problem.num_outputs}; got {component} in a "
                f"{type(condition).__name__}. Count components from zero, or pass `num_outputs`."
            )
            raise ValueError(msg)


def check_residual(problem: Any) -> None:
    """Refuse residuals and conditions that fail or return no number or vector."""
    u, params = stand_in(problem), problem.all_params(problem.unknown)
    point = jax.ShapeDtypeStruct((problem.domain.dim,), problem.domain.lower.dtype)
    out = jax.eval_shape(lambda z: problem.residual(u, z, params), point)
    parts = list(out) if isinstance(out, (tuple, list)) else [out]
    wrong = len(parts) == 0 or any(not hasattr(part, "shape") for part in parts)
    wrong = wrong or any(part.shape != () for part in parts if len(parts) > 1)
    wrong = wrong or any(len(part.shape) > 1 or not jnp.issubdtype(part.dtype, jnp.floating) for part in parts)
    if wrong:
        got = jax.tree_util.tree_map(lambda part: (part.shape, str(part.dtype)), out)
        msg = (
            "`residual(u, z, params)` must return a real number, a vector of the equations at one point, or a tuple of "
            f"numbers; got (shape, dtype) {got}. It is called with one point z of shape ({problem.domain.dim},): "
            "index it, `z[0]`, and do not map over points."
        )
        raise ValueError(msg)
    for condition in problem.conditions:
        _check_row(problem, condition, u, params)


def _check_row(problem: Any, condition: Any, u: Any, params: Any) -> None:
    items = jax.eval_shape(lambda key: condition.draw(key, 2), jax.random.key(0))
    item = jax.tree_util.tree_map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape[1:], leaf.dtype), items)
    name = type(condition).__name__
    try:
        out = jax.eval_shape(lambda item: condition.row(u, item, params), item)
    except (TypeError, ValueError) as error:
        msg = (
            f"A {name} condition must fit {problem.num_outputs} unknown function(s) of {problem.domain.names}; "
            f"evaluating it failed: {error}. Check its value function, and `component`."
        )
        raise ValueError(msg) from error
    if len(out.shape) != 1:
        msg = f"A {name} condition must give a number or a vector at one point; got shape {out.shape}. Check its value."
        raise ValueError(msg)
    if isinstance(condition, (Dirichlet, Initial)):
        value = jax.eval_shape(lambda z: condition.value(z, params), jax.ShapeDtypeStruct(*_point(problem)))
        allowed = ((),) if problem.num_outputs == 1 or condition.component is not None else ((), (problem.num_outputs,))
        if value.shape not in allowed:
            msg = f"The value of a {name} condition must have shape {allowed[-1]}; got {value.shape}. Return a number."
            raise ValueError(msg)


def _point(problem: Any) -> tuple[tuple[int, ...], Any]:
    return (problem.domain.dim,), problem.domain.lower.dtype


def check_conflicts(problem: Any) -> None:
    """Refuse two Dirichlet conditions that prescribe different values on the same part of the boundary."""
    if not is_concrete(problem):
        return
    fixed = [c for c in problem.conditions if isinstance(c, Dirichlet) or (isinstance(c, Initial) and not c.derivative)]
    params = problem.all_params(problem.unknown)
    for number, first in enumerate(fixed):
        for second in fixed[number + 1 :]:
            region = _shared(first.region, second.region)
            one_component = None in (first.component, second.component) or first.component == second.component
            if region is None or not one_component:
                continue
            with jax.ensure_compile_time_eval():
                points = region.sample(jax.random.key(0), PROBES)[0]
                both = [jax.vmap(lambda z, c=c: _value(problem, c, z, params))(points) for c in (first, second)]
            if not is_concrete(both):
                continue
            gap = np.abs(np.asarray(both[0] - both[1]))
            scale = max(float(np.max(np.abs(np.asarray(value)))) for value in both)
            if np.nanmax(gap, initial=0.0) > 1e-3 * scale:
                where = np.asarray(points)[np.unravel_index(np.nanargmax(gap), gap.shape)[0]]
                msg = (
                    "Conditions must not contradict each other; two Dirichlet conditions prescribe values that differ "
                    f"by {float(np.nanmax(gap)):.3g} at {dict(zip(problem.domain.names, where.round(4).tolist()))}. "
                    "Drop one, or restrict each to its part of the boundary."
                )
                raise ValueError(msg)


def _value(problem: Any, condition: Any, z: Array, params: Any) -> Array:
    """The component, or all of them, that a condition prescribes; NaN for those that it leaves free."""
    value = condition.value(z, params)
    if condition.component is None:
        return jnp.broadcast_to(value, (problem.num_outputs,))
    return jnp.full((problem.num_outputs,), jnp.nan, z.dtype).at[condition.component].set(value)


def _shared(first: Any, second: Any) -> Any:
    """The region on which both hold, where it is plain; else None."""
    if isinstance(first, Face) and isinstance(second, Face):
        sides = [side for side in first.sides if side in second.sides]
        if first.axis == second.axis and sides:
            return Face(first.geometry, first.name, sides[0])
        return None
    for one, other in ((first, second), (second, first)):
        whole = isinstance(other, Boundary) and other.where is None
        plain = isinstance(one, Face) or (isinstance(one, Boundary) and one.where is None)
        if whole and plain and _lies_on(one, other.geometry):
            return one
    return None


def _lies_on(region: Any, geometry: Any) -> bool:
    """Whether all points of a region are on the boundary of a geometry, which need not be its own: pipes in a duct."""
    if region.geometry is geometry:
        return True
    with jax.ensure_compile_time_eval():
        points = region.sample(jax.random.key(0), PROBES)[0]
        try:
            distance = geometry.distance(points)
        except NotImplementedError:
            return False
    if not is_concrete(distance):
        return False
    length = float(np.max(np.asarray(geometry.upper - geometry.lower)))
    return bool(np.max(np.abs(np.asarray(distance))) < 1e-5 * length)
