"""What symplectic methods share: their problems, and a dense output that uses the two halves."""

from collections.abc import Callable
from typing import Any, ClassVar

import jax.numpy as jnp
import numpy as np
from jax import lax

from ..hamiltonian import HamiltonianProblem
from ..second_order import SecondOrderProblem
from .one_step import AbstractOneStepMethod
from .separable import separate
from .slope_interpolation import slope_interpolation


class AbstractSymplecticMethod(AbstractOneStepMethod):
    """A method for separable problems, `dq/dt = G(p)` and `dp/dt = F(t, q)`, with fixed steps.

    A step is a chain of drifts, `q += w h G(p)`, and kicks, `p += w h F(t, q)`. Each is evaluated exactly and is a
    symplectic map, hence so is the step, and the energy error stays bounded over exponentially long times instead of
    growing. That holds as long as the step size does not change: there is no error estimate; give `dt0`.

    The engine's state is `(*q, *p)`; `p` stands for the velocity of a second-order problem too.
    """

    problem_types: ClassVar = (SecondOrderProblem, HamiltonianProblem)
    problem_hint: ClassVar[str] = (
        "State the equation as `sj.SecondOrderProblem(acceleration, y0, v0, t0, t1, args)` or "
        "`sj.HamiltonianProblem(hamiltonian, q0, p0, t0, t1, args)`."
    )
    """What a message for a problem of another type recommends."""

    error_order: ClassVar[int | None] = None
    refinements: ClassVar[tuple[int, ...]] = ()
    """Numbers of slopes in the successive refinements of the dense output: () has error h^4, (4,) h^6, (4, 6) h^8."""

    def complete(self, system: Any, ta: Any, tb: Any, dense: Any) -> Any:
        """Slopes inside the step, from each half in turn: cost n - 2 forces for each refinement to n slopes.

        The drift of an interpolated `p` gives slopes, and so a better interpolant, of `q`; the forces there those of
        `p`. Errors grow by a factor h each time, as far as the number of slopes allows.
        """
        del tb
        if not self.refinements:
            return dense
        h, y0, y1, f0, f1 = dense
        half = len(y0) // 2
        drift, kick = separate(system, ta, y0, self.name)
        # Of each half the step and the values at its ends, and the slopes there.
        q_ends, p_ends = (((h, y0[part], y1[part]), (f0[part], f1[part])) for part in (slice(half), slice(half, None)))
        q_slopes, p_slopes = [], []
        p_at = _interpolant(p_ends, [])
        for num_slopes in self.refinements:
            inside = np.arange(1, num_slopes - 1, dtype=jnp.result_type(h)) / (num_slopes - 1)
            q_slopes = _evaluated(lambda s, p_at=p_at: drift(ta + s * h, p_at(s)), inside)
            q_at = _interpolant(q_ends, q_slopes)
            p_slopes = _evaluated(lambda s, q_at=q_at: kick(ta + s * h, q_at(s)), inside)
            p_at = _interpolant(p_ends, p_slopes)
            q_slopes = _evaluated(lambda s, p_at=p_at: drift(ta + s * h, p_at(s)), inside)
        slopes = [(*dq, *dp) for dq, dp in zip(q_slopes, p_slopes, strict=True)]
        return h, y0, y1, f0, *slopes, f1

    def interpolate(self, dense: Any, fraction: Any) -> tuple:
        """The polynomial through both ends with the slopes of the step: of degree 3, or more after refinements."""
        h, y0, y1, *slopes = dense
        return slope_interpolation(h, y0, y1, tuple(slopes), fraction)


def _interpolant(ends: tuple, slopes: list[tuple]) -> Callable:
    """A half of the state as a function of the fraction of the step."""
    (h, start, stop), (first, last) = ends
    return lambda s: slope_interpolation(h, start, stop, (first, *slopes, last), s)


def _evaluated(function: Callable, fractions: np.ndarray) -> list[tuple]:
    """Values of the function, evaluated in a loop for the reason given in `leapfrog_composition`."""
    values = lax.map(function, jnp.asarray(fractions))
    return [tuple(leaf[i] for leaf in values) for i in range(len(fractions))]
