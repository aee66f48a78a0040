"""Fields on a rectangular grid: which unknowns are neighbours, and how strongly they are coupled."""

from typing import Any, NamedTuple

import equinox as eqx
import jax.numpy as jnp
import numpy as np


class Line(NamedTuple):
    """The part of a Jacobian along one axis of the grid, arrays that broadcast to the shape of the state."""

    lower: Any
    """Coupling to the neighbour before."""
    diagonal: Any
    upper: Any
    """Coupling to the neighbour behind."""


class Grid(eqx.Module):
    """A state of fields on a grid, in row-major order.

    Parameters
    ----------
    shape
        The shape of the state, fields included, such as (2, 64, 64) or (64, 64, 2).
    field_axis
        Which axis counts the fields; None for a single field without an axis of its own.
    periodic
        Whether the ends of lines are neighbours: one bool, or one for each axis of the grid.
    """

    shape: tuple[int, ...] = eqx.field(static=True)
    field_axis: int | None = eqx.field(static=True)
    periodic: tuple[bool, ...] = eqx.field(static=True)

    def __init__(self, shape: Any, field_axis: int | None = 0, periodic: Any = True):
        self.shape = tuple(int(size) for size in shape)
        rank = len(self.shape)
        if field_axis is not None and not -rank <= field_axis < rank:
            msg = f"`field_axis` must be an axis of the shape {self.shape} or None; got {field_axis}."
            raise ValueError(msg)
        self.field_axis = None if field_axis is None else field_axis % rank
        count = len(self.axes)
        self.periodic = (bool(periodic),) * count if np.ndim(periodic) == 0 else tuple(bool(p) for p in periodic)
        if not 1 <= count <= 3 or len(self.periodic) != count:
            msg = (
                "`shape` must have one to three axes beside the fields', and `periodic` one entry for each; got shape "
                f"{self.shape} with field_axis={self.field_axis} and periodic={self.periodic}. For a single field "
                "without an axis of its own pass `field_axis=None`."
            )
            raise ValueError(msg)
        for axis, wraps in zip(self.axes, self.periodic, strict=True):
            if self.shape[axis] < (3 if wraps else 2):
                msg = (
                    "Lines must have at least 2 points, periodic ones 3; got shape "
                    f"{self.shape} with periodic={self.periodic}. Leave such axes to the fields."
                )
                raise ValueError(msg)

    @property
    def axes(self) -> tuple[int, ...]:
        """The axes of the grid, without that of the fields."""
        return tuple(axis for axis in range(len(self.shape)) if axis != self.field_axis)

    @property
    def size(self) -> int:
        """The number of unknowns."""
        return int(np.prod(self.shape))

    def check(self, size: int) -> None:
        """Refuse a state of another size."""
        if size != self.size:
            msg = f"`shape` must be that of the state, with {size} unknowns; got {self.shape}, {self.size} unknowns."
            raise ValueError(msg)

    def per_field(self, coefficients: Any) -> list[Any]:
        """One coefficient per field and axis as one array for each axis, ready to broadcast to the state."""
        fields = 1 if self.field_axis is None else self.shape[self.field_axis]
        given = jnp.asarray(coefficients)
        wanted = (fields, len(self.axes))
        allowed = [(), (fields,), wanted]
        if given.shape not in allowed:
            msg = (
                f"`diffusion` must be a scalar, or have shape ({fields},) (one for each field) or {wanted} (field and "
                f"axis); got shape {given.shape}."
            )
            raise ValueError(msg)
        given = jnp.broadcast_to(given[:, None] if given.ndim == 1 else given, wanted)
        shape = [1] * len(self.shape)
        if self.field_axis is not None:
            shape[self.field_axis] = fields
        return [given[:, k].reshape(shape) for k in range(wanted[1])]

    def lines_of_diffusion(self, diffusion: Any) -> list[Line]:
        """The lines of `d (x[i-1] - 2 x[i] + x[i+1])` per axis; without flux through ends that are not periodic."""
        lines = []
        for axis, wraps, d in zip(self.axes, self.periodic, self.per_field(diffusion), strict=True):
            inside = np.ones(self.shape[axis])
            before, behind = inside.copy(), inside.copy()
            if not wraps:
                before[0] = behind[-1] = 0.0
            shape = [1] * len(self.shape)
            shape[axis] = -1
            before, behind = before.reshape(shape), behind.reshape(shape)
            lines.append(Line(d * before, -d * (before + behind), d * behind))
        return lines

    def lines_of_entries(self, entries: Any) -> list[Line]:
        """The lines of a Jacobian: its couplings to neighbours of the same field, and a share of its diagonal.

        Each axis takes minus the sum of its couplings; what remains of the diagonal (walls, decay) is shared equally
        where it is negative, and left out where it would make the lines indefinite.
        """
        index = np.arange(self.size).reshape(self.shape)
        pairs = []
        for axis, wraps in zip(self.axes, self.periodic, strict=True):
            length = self.shape[axis]
            along = np.arange(length).reshape([-1 if k == axis else 1 for k in range(len(self.shape))])
            lower = entries(index, np.roll(index, 1, axis))
            upper = entries(index, np.roll(index, -1, axis))
            if not wraps:
                lower, upper = jnp.where(along == 0, 0, lower), jnp.where(along == length - 1, 0, upper)
            pairs.append((lower, upper))
        rest = entries(index, index) + sum(lower + upper for lower, upper in pairs)
        rest = jnp.where(rest.real < 0, rest, 0) / len(pairs)
        return [Line(lower, rest - lower - upper, upper) for lower, upper in pairs]
