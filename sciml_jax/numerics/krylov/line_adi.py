"""Alternating directions: tridiagonal solves along the lines of a grid."""

import functools
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from ..loops import vary_like
from .grid import Grid, Line
from .preconditioner import AbstractPreconditioner, JacobianData, required_entries
from .tridiagonal import tridiagonal_factor, tridiagonal_solve


class LineADI(AbstractPreconditioner):
    """Solve along the lines of a grid, direction by direction (alternating-direction implicit iteration).

    With `shift I - J` about `A + B`, the parts along x and y with half of the shift each, sweep k with parameter `r_k`
    solves

        (r_k + A) p = v - (B - r_k) x,    (r_k + B) x = v - (A - r_k) p.

    The parameters are spread geometrically over the spectrum of A and B, so that each sweep damps a part of it. One
    sweep is hardly better than nothing for stiff diffusion; four bring GMRES down to 3 to 10 iterations on grids of up
    to 128 x 128. On one axis the solve is exact. On three, with parts A, B and C, a sweep adds
    `1.5 r^2 ((r + A) (r + B) (r + C))^-1` times the residual.

    Parameters
    ----------
    shape, field_axis, periodic
        The grid: see `Grid`. For a state of shape (2, 64, 64) with two fields pass that and `field_axis=0`.
    diffusion
        Diffusion coefficients divided by the squared spacing, one number, or one per field (fields,), or one per field
        and axis (fields, axes). Ends that are not periodic have no flux. None: couplings between neighbours are read
        from the Jacobian's entries, so that varying coefficients, upwinding and walls are seen.
    sweeps
        How many sweeps, on two and three axes.

    Notes
    -----
    It pays where transport along the axes is what makes the system stiff: `shift` well below the diffusion coefficient
    over the squared spacing. Couplings between fields and diagonal neighbours are not seen. Per unknown and sweep one
    line solve for each axis, about 25 operations on two; memory 6 numbers per unknown and sweep with entries,
    `6 / n_line` of that with `diffusion`. The loops over lines are quick on a CPU; on a GPU every point of a line is a
    round of kernels, and `FourierDiffusion`, where it applies, is better and needs fewer iterations anyway.

    References
    ----------
    Peaceman & Rachford, J. SIAM 3 (1955) 28-41; on three axes Douglas, Numer. Math. 4 (1962) 41-63. Parameters:
    Wachspress, "The ADI model problem", Springer, 2013.
    """

    grid: Grid
    diffusion: Any
    sweeps: int = eqx.field(static=True)

    def __init__(
        self,
        shape: tuple[int, ...],
        *,
        field_axis: int | None = 0,
        periodic: Any = True,
        diffusion: Any = None,
        sweeps: int = 4,
    ):
        self.grid = Grid(shape, field_axis, periodic)
        if diffusion is not None:
            self.grid.per_field(diffusion)
            diffusion = jnp.asarray(diffusion)
        self.diffusion = diffusion
        if isinstance(sweeps, bool) or not isinstance(sweeps, (int, np.integer)) or sweeps < 1:
            msg = f"`sweeps` must be a positive integer; got {sweeps!r}. Leave it out for four."
            raise ValueError(msg)
        self.sweeps = int(sweeps)

    def factor(self, jacobian: JacobianData, shift: Any) -> Any:
        """For each sweep its parameter and the factors of each axis."""
        if jacobian.y is not None:
            self.grid.check(jacobian.size)
        if self.diffusion is None:
            lines = self.grid.lines_of_entries(required_entries(jacobian, "LineADI"))
        else:
            lines = self.grid.lines_of_diffusion(self.diffusion)
        part = jnp.asarray(shift) / len(lines)
        parts = tuple(Line(-line.lower, part - line.diagonal, -line.upper) for line in lines)
        if len(lines) == 1:
            return parts, None, self._factor(parts, 0.0)
        low, high = self._spectrum(lines, part)
        exponents = (2 * np.arange(self.sweeps) + 1) / (2 * self.sweeps)
        parameters = jnp.stack([low * (high / low) ** exponent for exponent in exponents])
        return parts, parameters, jax.vmap(lambda r: self._factor(parts, r))(parameters)

    def apply(self, factors: Any, vector: Any) -> Any:
        """The result of the sweeps, begun at zero."""
        parts, parameters, factors = factors
        v = vector.reshape(self.grid.shape)
        if parameters is None:
            return self._solve(0, factors[0], v).reshape(-1)
        v = v.astype(jnp.result_type(v, *jax.tree_util.tree_leaves(factors)))
        zero = vary_like(jnp.zeros_like(v), v, parts, factors)
        if len(parts) == 3:
            add = lambda x, sweep: (self._add(parts, v, x, *sweep), None)
            return lax.scan(add, zero, (parameters, factors))[0].reshape(-1)
        none = vary_like(jnp.zeros_like(parameters[0]), parameters)
        step = lambda carry, sweep: (self._sweep(v, carry, *sweep), None)
        return lax.scan(step, (zero, zero, none), (parameters, factors))[0][0].reshape(-1)

    def _sweep(self, v: Any, carry: tuple, r: Any, factors: Any) -> tuple:
        """One sweep on two axes, from what the one before solved, `(before + B) x = rhs`."""
        x, rhs, before = carry
        # With that no product with B or A is needed.
        rhs = v - rhs + (before + r) * x
        p = self._solve(0, factors[0], rhs)
        rhs = v - rhs + 2.0 * r * p
        return self._solve(1, factors[1], rhs), rhs, r

    def _add(self, parts: tuple, v: Any, x: Any, r: Any, factors: Any) -> Any:
        """One sweep on three axes."""
        change = v
        for axis, part in zip(self.grid.axes, parts, strict=True):
            around = part.lower * jnp.roll(x, 1, axis) + part.upper * jnp.roll(x, -1, axis)
            change = change - (part.diagonal * x + around)
        for k, factor in enumerate(factors):
            change = self._solve(k, factor, change)
        return x + 1.5 * r * r * change

    def _spectrum(self, lines: list[Line], part: Any) -> tuple[Any, Any]:
        """Bounds of the spectra of the parts, one for each field (Gershgorin's above, the shift's part below).

        Without a shift a fraction of the slowest mode that is not constant bounds it from below: constants are single
        vectors, which GMRES finds by itself.
        """
        axes, shape = self.grid.axes, self.grid.shape
        reach = [abs(line.lower) + abs(line.diagonal) + abs(line.upper) for line in lines]
        narrow = [1 if k in axes else size for k, size in enumerate(shape)]
        high = [jnp.max(jnp.broadcast_to(r, shape), axis=axes).reshape(narrow) for r in reach]
        slow = [1e-3 * h * np.sin(np.pi / shape[axis]) ** 2 for h, axis in zip(high, axes, strict=True)]
        size = jnp.abs(part)
        return jnp.maximum(functools.reduce(jnp.minimum, slow), size), functools.reduce(jnp.maximum, high) + size

    def _factor(self, parts: tuple, r: Any) -> tuple:
        """Factors of `r` plus each part."""
        factors = []
        for axis, wraps, part in zip(self.grid.axes, self.grid.periodic, parts, strict=True):
            moved = [jnp.moveaxis(x, axis, 0) for x in (part.lower, part.diagonal + r, part.upper)]
            factors.append(tridiagonal_factor(*moved, periodic=wraps))
        return tuple(factors)

    def _solve(self, k: int, factors: Any, v: Any) -> Any:
        axis = self.grid.axes[k]
        return jnp.moveaxis(tridiagonal_solve(factors, jnp.moveaxis(v, axis, 0)), 0, axis)
