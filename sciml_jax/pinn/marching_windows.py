"""A problem on one window of time: its domain, its conditions, and where it starts."""

from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from ..core.tree import is_concrete
from .box import Box
from .conditions import Condition, Dirichlet, Initial, Periodic
from .data_conditions import Data
from .flux_conditions import Robin
from .hard_conditions import HardConditions, build_in
from .problem import PDEProblem
from .region import Boundary, Face

_KINDS = (Dirichlet, Initial, Robin, Condition, Periodic, Data)


class Split(NamedTuple):
    """The conditions of a problem, by what becomes of them."""

    initial: tuple
    walls: tuple
    """Those that hold exactly: Dirichlet conditions on faces in space."""
    soft: tuple


def split_conditions(problem: PDEProblem, time: str, *, hard: bool, method: str) -> Split:
    """Sort the conditions; initial ones are always built in."""
    _check(problem, time, method)
    axis = problem.domain.names.index(time)
    initial = tuple(c for c in problem.conditions if _is_initial(c, axis))
    if not initial:
        msg = f"`{method}` needs initial values at the first {time!r}; got none. Add `sj.pinn.Initial(domain, ...)`."
        raise ValueError(msg)
    others = tuple(c for c in problem.conditions if not _is_initial(c, axis))
    if not hard or not isinstance(problem.domain, Box):
        return Split(initial, (), others)
    # Walls whose values jump against the initial ones are left to training, as without windows.
    ordered = eqx.tree_at(lambda p: p.conditions, problem, (*initial, *others))
    built, soft = build_in(ordered)
    left = {id(c) for c in soft}
    fits = [built is not None and id(c) not in left for c in ordered.conditions[len(initial) :]]
    walls = tuple(c for c, yes in zip(others, fits) if yes)
    return Split(initial, walls, tuple(c for c, yes in zip(others, fits) if not yes))


def _is_initial(condition: Any, axis: int) -> bool:
    region: Any = getattr(condition, "region", None)
    on_face = isinstance(region, Face) and region.axis == axis
    if not on_face or region.sides != ("lower",):
        return False
    return isinstance(condition, (Initial, Dirichlet))


def held_orders(initial: tuple, num_outputs: int) -> tuple[tuple[bool, ...], ...]:
    """For every order of time derivative which unknown functions have initial values."""
    highest = max(getattr(c, "derivative", 0) for c in initial)
    held = [[False] * num_outputs for _ in range(highest + 1)]
    for condition in initial:
        for component in range(num_outputs) if condition.component is None else (condition.component,):
            held[getattr(condition, "derivative", 0)][component] = True
    return tuple(tuple(row) for row in held)


def window_problem(problem: PDEProblem, split: Split, time: str, bounds: tuple[Array, Array]) -> PDEProblem:
    """The problem between two times, without what is built in."""
    domain, soft = (restrict(part, time, bounds) for part in (problem.domain, split.soft))
    conditions = tuple(c for c in (_measured_within(c, domain, time) for c in soft) if c is not None)
    return eqx.tree_at(lambda p: (p.domain, p.conditions), problem, (domain, conditions))


def window_walls(problem: PDEProblem, split: Split, time: str, bounds: tuple[Array, Array]) -> HardConditions | None:
    """The conditions on walls between two times; None where there are none."""
    if not split.walls:
        return None
    domain, walls = (restrict(part, time, bounds) for part in (problem.domain, split.walls))
    return HardConditions(domain, walls, problem.num_outputs)


def restrict(tree: Any, time: str, bounds: tuple[Array, Array]) -> Any:
    """A geometry, or whatever holds geometries, with the boxes in it between two times."""

    def one(node: Any) -> Any:
        if not isinstance(node, Box) or time not in node.names:
            return node
        axis = node.names.index(time)
        both = (node.lower.at[axis].set(bounds[0]), node.upper.at[axis].set(bounds[1]))
        return eqx.tree_at(lambda box: (box._lower, box._upper), node, both)

    return jax.tree_util.tree_map(one, tree, is_leaf=lambda node: isinstance(node, Box))


def _measured_within(condition: Any, domain: Any, time: str) -> Any:
    if not isinstance(condition, Data):
        return condition
    axis = domain.names.index(time)
    when = condition.points[:, axis]
    inside = np.asarray((when >= domain.lower[axis]) & (when <= domain.upper[axis]))
    if not inside.any():
        return None
    return eqx.tree_at(lambda c: (c.points, c.values), condition, (condition.points[inside], condition.values[inside]))


def _check(problem: PDEProblem, time: str, method: str) -> None:
    names = problem.domain.names
    if time not in names or time in problem.domain.periodic:
        msg = f"`{method}` needs the coordinate `time`, one of {names} and not periodic; got {time!r}. Name it."
        raise ValueError(msg)
    if problem.unknown is not None:
        msg = (
            f"`{method}` solves forward problems; got a problem with unknown parameters, which belong to all times. "
            "Use `sj.pinn.PINN()`."
        )
        raise ValueError(msg)
    axis = names.index(time)
    for condition in problem.conditions:
        region = getattr(condition, "region", None)
        ends = isinstance(region, Face) and region.axis == axis and not _is_initial(condition, axis)
        if not isinstance(condition, _KINDS) or isinstance(region, Boundary) or ends:
            what = type(condition).__name__ + (f" on a {type(region).__name__}" if region is not None else "")
            msg = (
                f"`{method}` takes initial conditions and conditions on walls at all times; got a {what}, which holds "
                "at other times or for all of them together. Take walls from `domain.face(...)` of a coordinate in "
                "space, or `product.mantle`."
            )
            raise ValueError(msg)
        if getattr(condition, "derivative", 0) > 1:
            msg = (
                f"`{method}` takes initial values and velocities; got one for the derivative of order "
                f"{getattr(condition, 'derivative', 0)}. Write the equation as a system of lower order."
            )
            raise ValueError(msg)
        if isinstance(condition, Data) and not is_concrete(condition):
            msg = "Measurements cannot be dealt to windows inside `jit`; got traced ones. Solve outside of it."
            raise ValueError(msg)
    _check_time_from_boxes(problem.domain, time)


def _check_time_from_boxes(domain: Any, time: str) -> None:
    axis = domain.names.index(time)
    low, high = domain.lower[axis], domain.upper[axis]
    middle = restrict(domain, time, (low, (low + high) / 2))
    if is_concrete(domain) and not np.isclose(middle.upper[axis], (low + high) / 2):
        msg = (
            f"A method of steps in time needs a domain whose {time!r} comes from boxes; got a "
            f"{type(domain).__name__} that holds it otherwise. "
            'Write `sj.pinn.Box({"t": (0.0, 1.0)}) * region`.'
        )
        raise ValueError(msg)


def window_bounds(domain: Any, time: str, count: int, overlap: float) -> list[tuple[Array, Array, Array]]:
    """For every window its first and last time, and the time that passes until the next one starts."""
    axis = domain.names.index(time)
    low, high = domain.lower[axis], domain.upper[axis]
    step = (high - low) / count
    ends = [low + (k + 1 + overlap) * step for k in range(count - 1)] + [high]
    return [(low + k * step, end, step * jnp.ones(())) for k, end in enumerate(ends)]
