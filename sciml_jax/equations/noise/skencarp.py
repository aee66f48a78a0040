"""SKenCarp, a drift-implicit method of strong order 1.5 for additive noise with stiff drift."""

import math
from typing import Any, ClassVar

import equinox as eqx
import jax.numpy as jnp
from jax import lax

from ...numerics.combine import linear_combination
from ..linear_solvers import checked_linear_solver
from ..methods.diagonally_implicit import MAX_ITERATIONS, RETREAT, SLOW, after, stage_slope, unworked
from ..methods.implicit_stage import empty_scratch, handed_on, is_fresh, prepare, solve_stage
from ..methods.one_step import Step, Work
from .method import AbstractNoiseMethod

# The drift: the implicit half of KenCarp3, third order and stiffly accurate, whose coefficients follow from its nodes.
_GAMMA = 0.43586652150845899942
"""The root of 6x^3 - 18x^2 + 9x - 1 for which the method is L-stable."""
_C = (0.0, 2 * _GAMMA, 0.6, 1.0)
_A32 = (_C[2] ** 2 / 2 - _GAMMA * _C[2]) / (2 * _GAMMA)
_A42 = ((0.5 - _GAMMA) * _C[2] - (1 / 3 - _GAMMA)) / (_C[1] * (_C[2] - _C[1]))
_A43 = ((0.5 - _GAMMA) * _C[1] - (1 / 3 - _GAMMA)) / (_C[2] * (_C[1] - _C[2]))
_A = ((), (_GAMMA,), (_C[2] - _GAMMA - _A32, _A32), (1 - _GAMMA - _A42 - _A43, _A42, _A43))
_SECOND = (
    2756255671327 / 12835298489170,
    -10771552573575 / 22201958757719,
    9247589265047 / 10645013368117,
    2193209047091 / 5459859503100,
)
"""Weights of the embedded method of second order."""
_ERROR = tuple(a - b for a, b in zip((*_A[3], _GAMMA), _SECOND, strict=True))


def _shares() -> tuple[tuple[float, ...], tuple[float, ...]]:
    """How much of W and of I_10/h each stage holds.

    With e of the one and b of the other and weights a = a_4 of the stages, strong order 1.5 needs `a.e = 0`, `a.b = 1`
    and `a.(b^2/3 + b e + e^2) = 1/2`. The last stage holds W, so that it is the result. That leaves one number free,
    `e_2 = 1/2`: about where the leading error, that of the integral of W^2, is smallest (by a factor of 2.3 below that
    of `SRA1` and `SOSRA`), and b and e are near those of the parabola through the path's increment and area.
    """
    e2 = 0.5
    e3 = (-_GAMMA - _A42 * e2) / _A43
    start, slope = 1 / _A43, -_A42 / _A43  # b3 = start + slope b2
    square = (_A42 + _A43 * slope**2) / 3
    half = (_A42 * e2 + _A43 * (2 * start * slope / 3 + slope * e3)) / 2
    rest = _A42 * e2**2 + _A43 * (start**2 / 3 + start * e3 + e3**2) - (0.5 - _GAMMA)
    b2 = (-half - math.sqrt(half**2 - square * rest)) / square
    return (0.0, e2, e3, 1.0), (0.0, b2, start + slope * b2, 0.0)


_OF_W, _OF_AREA = _shares()


class SKenCarp(AbstractNoiseMethod):
    """SKenCarp: strong order 1.5, weak order 2, for additive noise with stiff drift; drift-implicit, adaptive.

    Stages `Y_i = y + h sum_(j<=i) a_ij f(t + c_j h, Y_j) + (e_i W + b_i I_10/h) g`, where `I_10 = h (W/2 + H)`, H
    being the space-time Levy area; the last one, with all of the noise, is the result. The drift is integrated by the
    implicit half of KenCarp3 (third order, L-stable). Fast, stable directions do not limit the step, and their
    fluctuations are damped with them: for `dy = -k y dt + s dW` the variance in equilibrium is 0.99 of the exact one at
    `h k = 1`, 0.9 at 3, 0.5 at 10 and vanishes beyond, while what is slow keeps its order.

    The error estimate is the difference to the embedded method of second order, damped in stiff directions as by a step
    of the implicit Euler method; it behaves as h^(3/2). `rtol` and `atol` bound it in each step, 1e-3 and 1e-6 by
    default. Where fluctuations are much smaller than the state's unit, say so with `atol`: resolving them costs steps.

    Three implicit stages in a step, solved by simplified Newton iterations (to rounding with fixed steps) with one
    matrix `1/(gamma h) - J`, kept from step to step; two evaluations of the diffusion. A step that cannot be solved is
    taken smaller, or ends the solve with `Status.SINGULAR`. Derivatives come from the implicit function theorem. The
    state must be real. Where the drift is not stiff `sj.SOSRA` costs a fraction; for other noise
    `sj.ImplicitEulerMaruyama`.

    Parameters
    ----------
    linear_solver
        `sj.Direct()`, `sj.GMRES(...)` or None for `Direct`.

    References
    ----------
    Rackauckas & Nie, Stability-optimized high order methods and stiffness detection for pathwise stiff stochastic
    differential equations, IEEE HPEC (2020), arXiv:1804.04344, whose method has this drift; their noise enters the
    stages with other weights (`e = 0`, `b_2 = -12.2`, `b_4 = -14.4`), which satisfy the conditions of order too, but
    leave stiff directions undamped: at `h k = 3` with 83 times the variance. Kennedy & Carpenter, Additive Runge-Kutta
    schemes for convection-diffusion-reaction equations, Appl. Numer. Math. 44 (2003) 139-181. Roessler, SIAM J. Numer.
    Anal. 48 (2010) 922-952 (the conditions of order).
    """

    linear_solver: Any = eqx.field(default=None, converter=checked_linear_solver)

    order: ClassVar[float] = 1.5
    weak_order: ClassVar[float] = 2.0
    error_order: ClassVar[Any] = 1.5
    is_implicit: ClassVar[bool] = True
    carries_scratch: ClassVar[bool] = True
    counts_work: ClassVar[bool] = True
    evaluations_per_step: ClassVar[int] = 7
    noises: ClassVar = ("additive",)
    interpretations: ClassVar = ("ito", "stratonovich")

    def begin_scratch(self, system: Any, t0: Any, y0: tuple) -> Any:
        """Nothing known about the Jacobian."""
        return empty_scratch(system, t0, y0)

    def step(self, system: Any, ta: Any, tb: Any, y: tuple, f0: tuple | None = None) -> Step:
        """Advance `y` from `ta` to `tb`; cost: three implicit stages, two evaluations of the diffusion."""
        del f0
        h = tb - ta
        scale = _GAMMA * h
        kept, work = prepare(system, ta, y, scale)
        pushes, bent = _pushes(system.noise, ta, tb, y)
        slopes, value, total = [system.vector_field(ta, y)], y, unworked(y)
        for i, push in enumerate(pushes, start=1):
            t = tb if _C[i] == 1.0 else ta + _C[i] * h
            known = linear_combination(None, None, [a / _GAMMA for a in _A[i]], slopes)
            base = tuple(a + b for a, b in zip(y, push, strict=True))
            guess = lax.stop_gradient(value)
            value, solved = solve_stage(system, t, base, scale, guess, kept, known=known, iterations=MAX_ITERATIONS)
            value = lax.optimization_barrier(value)
            kept, total = after(kept, total, solved)
            slopes.append(stage_slope(system, value, base, scale, known))
        frozen, rhs = lax.stop_gradient((kept, linear_combination(None, h / scale, _ERROR, slopes)))
        error, products = system.with_jacobian(frozen.jacobian).solve_counted(frozen.factors, rhs)
        error = tuple(jnp.abs(a) + jnp.abs(b) for a, b in zip(error, bent, strict=True))
        # What noise that is not finite leaves is no matter of the iteration: the state says so.
        converged = (total.converged > 0) | ~_is_finite(pushes)
        factor = jnp.where(converged, jnp.nan, jnp.where(is_fresh(kept, ta), RETREAT, 1.0))
        work = Work(total.iterations + 1.0, work.jacobian, work.factorisation, total.products + products)
        scratch = None if system.scratch is None else _handed_on(kept, ta, total)
        return Step(value, error, None, (y, value), work=work, factor=factor, scratch=scratch, unsolved=~converged)


def _pushes(noise: Any, ta: Any, tb: Any, y: tuple) -> tuple[list[tuple], tuple]:
    """What the noise adds in each implicit stage, and what of the last is due to a diffusion that changes in time."""
    w, area = noise.increments(ta, tb)
    mixed = tuple(0.5 * a + b for a, b in zip(w, area, strict=True))
    ends = [noise.diffusion(ta, y), noise.diffusion(tb, y)]
    pushes = []
    for node, of_w, of_area in zip(_C[1:3], _OF_W[1:3], _OF_AREA[1:3], strict=True):
        between = linear_combination(None, None, (1 - node, node), ends)
        motions = tuple(of_w * a + of_area * b for a, b in zip(w, mixed, strict=True))
        pushes.append(noise.times(between, motions))
    bent = noise.times(linear_combination(None, None, (1.0, -1.0), ends), mixed)
    last = tuple(a + b for a, b in zip(noise.times(ends[1], w), bent, strict=True))
    return [*pushes, last], bent


def _is_finite(pushes: list[tuple]) -> Any:
    return jnp.all(jnp.stack([jnp.all(jnp.isfinite(leaf)) for push in pushes for leaf in push]))


def _handed_on(kept: Any, ta: Any, total: Any) -> Any:
    """The scratch for the next attempt: a slow iteration asks for a new Jacobian."""
    handed = handed_on(kept, ta, total._replace(rate=kept.rate))
    return handed._replace(distrusted=jnp.where(total.rate > SLOW, jnp.ones_like(kept.age), handed.distrusted))
