"""Operands and outputs whole, as the user's arrays, and taken apart, as the loops hold them.

Derivative rules are stated for whole arrays: a dozen scalars would be a dozen operations between the loops, which the
CPU hands to several threads.
"""

from typing import Any

import jax
import jax.numpy as jnp

from .operands import Operands
from .replay_row import Outputs


def take_apart(plan: Any, whole: Operands, axes: Any = None) -> Operands:
    """Operands as the loops hold them; with `axes`, leaves with axis 0 have lanes in front, and keep them."""
    axes = _no_axes(whole) if axes is None else axes
    y0 = _split_all(whole.y0, axes.y0, _state_groups(plan.system.layout))
    theta = _split_all(whole.theta, axes.theta, plan.system.theta_groups)
    return whole._replace(y0=y0, theta=theta)


def axes_apart(plan: Any, axes: Operands) -> Operands:
    """The axes of what `take_apart` returns."""
    spread = lambda axes, groups: tuple(a for a, n in zip(axes, groups, strict=True) for _ in range(n or 1))
    y0 = spread(axes.y0, _state_groups(plan.system.layout))
    return axes._replace(y0=y0, theta=spread(axes.theta, plan.system.theta_groups))


def put_together(plan: Any, apart: Operands) -> Operands:
    """Undo `take_apart`; also its transpose, for cotangents."""
    system = plan.system
    y0 = tuple(jax.tree_util.tree_leaves(system.layout.merge(apart.y0)))
    theta, start = [], 0
    for shape, size in zip(system.theta_shapes, system.theta_groups, strict=True):
        parts = apart.theta[start : start + (size or 1)]
        start += size or 1
        theta.append(parts[0] if size is None else jnp.stack(parts).reshape(shape.shape))
    return apart._replace(y0=y0, theta=tuple(theta))


def outputs_together(plan: Any, apart: Outputs) -> Outputs:
    """Outputs as the user's arrays."""
    system = plan.system
    saved = tuple(jax.tree_util.tree_leaves(system.saved_layout.merge(apart.saved, lead=1))) if apart.saved else ()
    return apart._replace(y=tuple(jax.tree_util.tree_leaves(system.layout.merge(apart.y))), saved=saved)


def outputs_apart(plan: Any, whole: Outputs) -> Outputs:
    """Undo `outputs_together`; also its transpose, for cotangents."""
    system = plan.system
    y = _split_all(whole.y, (None,) * len(whole.y), _state_groups(system.layout))
    saved = _split_all(whole.saved, (0,) * len(whole.saved), _state_groups(system.saved_layout)) if whole.saved else ()
    return whole._replace(y=y, saved=saved)


def _state_groups(layout: Any) -> list:
    if not layout.components:
        return [None] * len(layout.shapes)
    return [_size(shape) for shape, _ in layout.shapes]


def _split_all(leaves: tuple, axes: tuple, groups: Any) -> tuple:
    parts: list = []
    for leaf, axis, size in zip(leaves, axes, groups, strict=True):
        if size is None:
            parts.append(leaf)
        elif axis == 0:
            flat = leaf.reshape(leaf.shape[0], size)
            parts += [flat[:, i] for i in range(size)]
        else:
            flat = leaf.reshape(size)
            parts += [flat[i] for i in range(size)]
    return tuple(parts)


def _no_axes(tree: Any) -> Any:
    leaves, treedef = jax.tree_util.tree_flatten(tree)
    return jax.tree_util.tree_unflatten(treedef, [None] * len(leaves))


def _size(shape: tuple) -> int:
    size = 1
    for extent in shape:
        size *= extent
    return size
