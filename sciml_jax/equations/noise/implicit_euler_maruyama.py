"""The drift-implicit Euler-Maruyama method."""

from typing import Any, ClassVar

import equinox as eqx
import jax.numpy as jnp

from ..linear_solvers import Direct
from ..methods.implicit_stage import empty_scratch, handed_on, prepare, solve_stage
from ..methods.one_step import Step, Work
from .method import AbstractNoiseMethod


class ImplicitEulerMaruyama(AbstractNoiseMethod):
    """Drift-implicit Euler-Maruyama: `y1 = y + h f(t1, y1) + g(t, y) W`. For stiff drift; any noise, Ito.

    Strong order 1/2 (1 with additive noise), weak order 1. The drift does not limit the step: fast, stable directions
    are damped as by the implicit Euler method, which also damps their fluctuations. The diffusion is explicit, so noise
    that is itself stiff (large `dg/dy`) still limits the step. Fixed steps, so `dt0` is needed.

    The stage is solved by simplified Newton iterations to rounding, with a Jacobian of the drift and a factorisation of
    `1/h - J` in every step; a step that cannot be solved ends the solve with `Status.SINGULAR`. Derivatives come from
    the implicit function theorem. The state must be real. For additive noise `sj.SKenCarp` is adaptive and of strong
    order 1.5. Where the drift is not stiff, `sj.SOSRI`, `sj.SOSRA` and `sj.EulerMaruyama` cost less. A problem in
    Stratonovich's interpretation is solved with its drift converted (`sj.SDEProblem`).

    Parameters
    ----------
    linear_solver
        `sj.Direct()`, `sj.GMRES(...)` or None for `Direct`.

    References
    ----------
    Kloeden & Platen, Numerical Solution of Stochastic Differential Equations (1992), 12.2. Higham, Mean-square and
    asymptotic stability of the stochastic theta method, SIAM J. Numer. Anal. 38 (2000) 753-769.
    """

    linear_solver: Any = eqx.field(default_factory=Direct)

    order: ClassVar[float] = 0.5
    weak_order: ClassVar[float] = 1.0
    error_order: ClassVar[int | None] = None
    is_implicit: ClassVar[bool] = True
    carries_scratch: ClassVar[bool] = True
    counts_work: ClassVar[bool] = True
    evaluations_per_step: ClassVar[int] = 3
    noises: ClassVar = ("diagonal", "scalar", "additive", "general")

    def begin_scratch(self, system: Any, t0: Any, y0: tuple) -> Any:
        """Nothing known about the Jacobian."""
        return empty_scratch(system, t0, y0)

    def step(self, system: Any, ta: Any, tb: Any, y: tuple, f0: tuple | None = None) -> Step:
        """Advance `y` from `ta` to `tb`; cost: a Jacobian, a factorisation and some evaluations of the drift."""
        del f0
        noise, h = system.noise, tb - ta
        w, _ = noise.increments(ta, tb)
        moved = noise.times(noise.diffusion(ta, y), w)
        base = tuple(a + b for a, b in zip(y, moved, strict=True))
        kept, work = prepare(system, ta, y, h)
        y1, solved = solve_stage(system, tb, base, h, base, kept)
        work = Work(solved.iterations, work.jacobian, work.factorisation, solved.products)
        scratch = None if system.scratch is None else handed_on(kept, ta, solved)
        # What noise that is not finite leaves is no matter of the iteration: the state says so.
        is_finite = jnp.all(jnp.stack([jnp.all(jnp.isfinite(leaf)) for leaf in base]))
        unsolved = ~(solved.converged > 0) & is_finite
        return Step(y1, None, None, (y, y1), work=work, scratch=scratch, unsolved=unsolved)
