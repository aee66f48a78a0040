"""Periodic diffusion with constant coefficients, solved exactly by fast Fourier transforms."""

from typing import Any

import jax.numpy as jnp
import numpy as np

from .grid import Grid
from .preconditioner import AbstractPreconditioner, JacobianData, required_entries


class FourierDiffusion(AbstractPreconditioner):
    """Solve `(shift I - D) x = v` with D the second differences on a periodic grid, mode by mode.

    A mode with wave numbers `k_a` is divided by `shift + sum_a d_a (2 - 2 cos(2 pi k_a / n_a))`.

    Parameters
    ----------
    shape, field_axis
        The grid: see `Grid`; all its axes are periodic.
    diffusion
        Diffusion coefficients divided by the squared spacing, one number, or one per field (fields,), or one per field
        and axis (fields, axes). None: the mean coupling of neighbours, read from the Jacobian's entries, so that
        coefficients that vary moderately are taken at their mean.

    Notes
    -----
    Cost of two transforms, `10 n log2(n)` operations; memory one number per mode; factoring costs next to nothing. The
    iterations that GMRES needs do not grow with the grid where diffusion is nearly uniform: 2 to 5 on the Brusselator.
    It pays there and not for walls, strongly varying coefficients, or advection: use `LineADI` with entries. In
    single precision on large grids the transforms lose digits, which GMRES makes up for.

    References
    ----------
    Chan & Ng, "Conjugate gradient methods for Toeplitz systems", SIAM Review 38 (1996) 427-482 (circulant
    preconditioners).
    """

    grid: Grid
    diffusion: Any

    def __init__(self, shape: tuple[int, ...], *, field_axis: int | None = 0, diffusion: Any = None):
        self.grid = Grid(shape, field_axis, True)
        if diffusion is not None:
            self.grid.per_field(diffusion)
            diffusion = jnp.asarray(diffusion)
        self.diffusion = diffusion

    def factor(self, jacobian: JacobianData, shift: Any) -> Any:
        """The inverse eigenvalues, shaped like the state's modes (all of them, also for real states)."""
        grid = self.grid
        if jacobian.y is not None:
            grid.check(jacobian.size)
        if self.diffusion is None:
            lines = grid.lines_of_entries(required_entries(jacobian, "FourierDiffusion"))
            coefficients = [jnp.mean(0.5 * (x.lower + x.upper), axis=grid.axes, keepdims=True) for x in lines]
        else:
            coefficients = grid.per_field(self.diffusion)
        total = jnp.asarray(shift)
        for axis, d in zip(grid.axes, coefficients, strict=True):
            n = grid.shape[axis]
            shape = [-1 if k == axis else 1 for k in range(len(grid.shape))]
            total = total + d * (2.0 - 2.0 * np.cos(2.0 * np.pi * np.arange(n) / n)).reshape(shape)
        return 1.0 / jnp.broadcast_to(total, grid.shape)

    def apply(self, factors: Any, vector: Any) -> Any:
        """Transform, divide, transform back."""
        grid = self.grid
        v = vector.reshape(grid.shape)
        if jnp.iscomplexobj(vector) or jnp.iscomplexobj(factors):
            return jnp.fft.ifftn(jnp.fft.fftn(v, axes=grid.axes) * factors, axes=grid.axes).reshape(-1)
        last = grid.axes[-1]
        half = [slice(None)] * len(grid.shape)
        half[last] = slice(grid.shape[last] // 2 + 1)
        modes = jnp.fft.rfftn(v, axes=grid.axes) * factors[tuple(half)]
        sizes = tuple(grid.shape[axis] for axis in grid.axes)
        return jnp.fft.irfftn(modes, s=sizes, axes=grid.axes).reshape(-1)
