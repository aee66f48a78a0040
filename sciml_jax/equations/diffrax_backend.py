"""Solving through Diffrax: any `diffrax.AbstractSolver` instance is a method of `sj.solve`.

The contract laws of our own methods do not hold here: derivatives are Diffrax's (reverse mode only with its default
adjoint), implicit solvers do not work inside `shard_map`, a NaN in the vector field shows as `Status.MAX_STEPS`, and
with `SaveAt(steps=k, t1=True)` the end comes before the NaN padding instead of after it.
"""

from typing import Any, ClassVar

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp

from ..core.checks import check_instance
from ..core.method import AbstractMethod
from ..core.status import Status
from ..numerics.tabulated import interpolants
from .controllers import FixedStep, PIDController
from .diffrax_noise import spread_tolerance, stated, stepping, unraveled
from .engine.returned import check_vector_field
from .noise.method import ATOL, RTOL
from .noise.problem import SDEProblem
from .noise.times import without_time_derivatives
from .options import check_options, default_tolerances, pull_in_save_times, raise_on_failure, time_dtype
from .problem import ODEProblem
from .saveat import as_saveat
from .solution import Solution, Stats


class DiffraxMethod(AbstractMethod):
    """A Diffrax solver as a method; `sj.solve` wraps solvers in it by itself.

    Parameters
    ----------
    solver
        An instance such as `diffrax.Kvaerno5()`, for ordinary differential equations with one term, or one for
        stochastic equations, such as `diffrax.SPaRK()`, which then runs on the path of `sj.BrownianPath`.
    """

    solver: diffrax.AbstractSolver

    @property
    def name(self) -> str:
        """How messages call it."""
        return f"diffrax.{type(self.solver).__name__}"

    problem_types: ClassVar = (ODEProblem, SDEProblem)

    def solve(
        self,
        problem: ODEProblem,
        *,
        saveat: Any = None,
        rtol: Any = None,
        atol: Any = None,
        dt0: Any = None,
        max_steps: int | None = 4096,
        controller: Any = None,
        adjoint: Any = None,
        key: Any = None,
        on_failure: str = "raise",
    ) -> Solution:
        """Solve with `diffrax.diffeqsolve`; `adjoint` is a Diffrax adjoint, None its default."""
        saveat = as_saveat(saveat)
        if isinstance(problem, SDEProblem):
            options = rtol, atol, dt0, max_steps, controller
            return self._solve_stochastic(problem, saveat, options, adjoint, key, on_failure)
        del key
        check_options(problem, saveat, rtol, atol, dt0, max_steps, controller, on_failure)
        _check_supported(self.solver, problem, adjoint)
        dtype = time_dtype(problem)
        t0, t1 = jnp.asarray(problem.t0, dtype), jnp.asarray(problem.t1, dtype)
        direction = jnp.sign(t1 - t0)
        slope = jax.eval_shape(problem.vector_field, t0, problem.y0, problem.args)
        check_vector_field(slope, problem.y0)
        ts, bad = None, t0 == t1
        if saveat.ts is not None:
            # Diffrax checks traced times by a callback; ours are made valid, and a status says that they were not.
            ts, bad_times = pull_in_save_times(saveat.ts.astype(dtype), t0, t1)
            ts, bad = direction * jnp.sort(direction * ts), bad | bad_times
        solution = diffrax.diffeqsolve(
            diffrax.ODETerm(problem.vector_field),
            self.solver,
            t0,
            t1,
            None if dt0 is None else direction * dt0,
            problem.y0,
            problem.args,
            saveat=_saveat(saveat, ts),
            stepsize_controller=_controller(self.solver, controller, dt0, rtol, atol, problem),
            max_steps=None if max_steps is None else int(max_steps),
            throw=False,
            **({} if adjoint is None else {"adjoint": adjoint}),
        )
        result = _solution(solution, saveat, bad)
        if on_failure == "raise":
            raise_on_failure(result)
        return result

    def _solve_stochastic(
        self, problem: SDEProblem, saveat: Any, options: tuple, adjoint: Any, key: Any, on_failure: str
    ) -> Solution:
        """The same for a stochastic problem: on the flat state, with steps that end on the save times."""
        rtol, atol, dt0, max_steps, controller = options
        check_options(problem, saveat, rtol, atol, dt0, max_steps, controller, on_failure)
        _check_adjoint(adjoint)
        problem, saveat = without_time_derivatives(problem, saveat)
        known = stated(problem, self.solver, key)
        dtype = time_dtype(problem)
        t0, t1 = jnp.asarray(problem.t0, dtype), jnp.asarray(problem.t1, dtype)
        ts, bad = None, t1 <= t0
        if saveat.ts is not None:
            ts, bad_times = pull_in_save_times(saveat.ts.astype(dtype), t0, t1)
            ts, bad = jnp.sort(ts), bad | bad_times
        controller, dt0 = stepping(problem, self.solver, controller, dt0, saveat.ts)
        rtol, atol = (spread_tolerance(*pair, problem) for pair in ((rtol, RTOL), (atol, ATOL)))
        fn = saveat.fn
        if fn is not None:
            given = fn
            fn = lambda t, y, args: given(t, known.unravel(y), args)
        flat = eqx.tree_at(lambda s: s.fn, saveat, fn, is_leaf=lambda leaf: leaf is None)
        solution = diffrax.diffeqsolve(
            known.terms,
            self.solver,
            t0,
            t1,
            dt0,
            known.y0,
            problem.args,
            saveat=_saveat(flat, ts),
            stepsize_controller=_controller(self.solver, controller, dt0, rtol, atol, problem),
            max_steps=None if max_steps is None else int(max_steps),
            throw=False,
            **({} if adjoint is None else {"adjoint": adjoint}),
        )
        result = unraveled(_solution(solution, flat, bad), saveat.fn is not None, known.unravel)
        if on_failure == "raise":
            raise_on_failure(result)
        return result


class DiffraxDenseOutput(eqx.Module):
    """Dense output of a Diffrax solution, evaluated by `sol(t)`."""

    solution: Any

    def evaluate(self, t: Any) -> Any:
        """The state at one time."""
        return self.solution.evaluate(t)


def _check_supported(solver: Any, problem: Any, adjoint: Any) -> None:
    name = type(solver).__name__
    if not (isinstance(solver.term_structure, type) and issubclass(diffrax.ODETerm, solver.term_structure)):
        msg = (
            f"`sj.solve` hands Diffrax one vector field; `diffrax.{name}` needs several terms (split or stochastic). "
            "Call `diffrax.diffeqsolve` with those terms, or choose a solver for ordinary differential equations."
        )
        raise TypeError(msg)
    if problem.mass_matrix is not None:
        msg = f"Diffrax solvers have no mass matrix; got `mass_matrix` with `diffrax.{name}`. Use one of our methods."
        raise ValueError(msg)
    _check_adjoint(adjoint)


def _check_adjoint(adjoint: Any) -> None:
    if adjoint is not None:
        check_instance(adjoint, diffrax.AbstractAdjoint, "adjoint", "diffrax.DirectAdjoint()")


def _saveat(saveat: Any, ts: Any) -> Any:
    fn = {} if saveat.fn is None else {"fn": saveat.fn}
    subs = [diffrax.SubSaveAt(t1=True)]
    if saveat.t0 or saveat.t1 or ts is not None or saveat.steps is not None:
        steps = 0 if saveat.steps is None else saveat.steps
        subs.append(diffrax.SubSaveAt(t0=saveat.t0, t1=saveat.t1, ts=ts, steps=steps, **fn))
    return diffrax.SaveAt(subs=subs, dense=saveat.dense)


def _controller(solver: Any, controller: Any, dt0: Any, rtol: Any, atol: Any, problem: Any) -> Any:
    if controller is None:
        adaptive = isinstance(solver, diffrax.AbstractAdaptiveSolver)
        controller = PIDController() if adaptive else FixedStep()
    if isinstance(controller, diffrax.AbstractStepSizeController):
        return controller
    check_instance(controller, (PIDController, FixedStep), "controller", "sj.PIDController()")
    if controller.is_adaptive and not isinstance(solver, diffrax.AbstractAdaptiveSolver):
        name = type(solver).__name__
        msg = f"`diffrax.{name}` has no error estimate; got a PIDController. Pass `dt0` and `sj.FixedStep()`."
        raise ValueError(msg)
    if not controller.is_adaptive:
        if dt0 is None:
            msg = (
                f"`dt0` is required with fixed steps; got None with `diffrax.{type(solver).__name__}`. Pass `dt0=0.01`."
            )
            raise ValueError(msg)
        if controller.tstops is not None:
            msg = (
                "Diffrax cannot step on given times with fixed steps; got `sj.FixedStep(tstops=...)` with "
                f"`diffrax.{type(solver).__name__}`. Pass `diffrax.StepTo(times)`, or use our own methods."
            )
            raise ValueError(msg)
        native: Any = diffrax.ConstantStepSize()
    else:
        defaults = default_tolerances(problem.y0)
        names = ("pcoeff", "icoeff", "dcoeff", "safety", "factormin", "factormax", "dtmin", "dtmax")
        native = diffrax.PIDController(
            rtol=defaults[0] if rtol is None else rtol,
            atol=defaults[1] if atol is None else atol,
            **{name: getattr(controller, name) for name in names},
        )
    knots = [held.knots for held in interpolants(problem.vector_field, problem.args) if held.tstops]
    if not controller.is_adaptive or (controller.tstops is None and not knots):
        return native
    jumps = jnp.concatenate(knots).astype(time_dtype(problem)) if knots else None
    return diffrax.ClipStepSizeController(native, step_ts=controller.tstops, jump_ts=jumps)


def _solution(solution: Any, saveat: Any, bad_input: Any) -> Solution:
    result = solution.result
    status = jnp.int32(Status.NON_FINITE)
    for theirs, ours in (
        (diffrax.RESULTS.successful, Status.SUCCESS),
        (diffrax.RESULTS.event_occurred, Status.EVENT),
        (diffrax.RESULTS.max_steps_reached, Status.MAX_STEPS),
        (diffrax.RESULTS.dt_min_reached, Status.STEP_TOO_SMALL),
        (diffrax.RESULTS.nonlinear_divergence, Status.SINGULAR),
        (diffrax.RESULTS.nonlinear_max_steps_reached, Status.SINGULAR),
        (diffrax.RESULTS.singular, Status.SINGULAR),
    ):
        status = jnp.where(result == theirs, jnp.int32(ours), status)
    done = status <= Status.EVENT
    last = jax.tree_util.tree_map(lambda leaf: leaf[-1], solution.ys[0])
    # A failed explicit solve can be reported as a success with an infinite state.
    finite = jnp.array(True)
    for leaf in jax.tree_util.tree_leaves(last):
        finite = finite & jnp.all(jnp.isfinite(leaf))
    status = jnp.where(done & ~finite, jnp.int32(Status.NON_FINITE), status)
    status = jnp.where(bad_input, jnp.int32(Status.BAD_INPUT), status)
    done = done & ~bad_input
    y1 = jax.tree_util.tree_map(lambda leaf: jnp.where(done & finite, leaf, jnp.nan), last)
    ts = ys = None
    if len(solution.ys) > 1:
        blank = lambda leaf: jnp.where(jnp.isinf(leaf) | bad_input, jnp.nan, leaf)  # noqa: E731
        ts, ys = blank(solution.ts[1]), jax.tree_util.tree_map(blank, solution.ys[1])
    count = lambda name: jnp.asarray(solution.stats[name], jnp.int32)  # noqa: E731
    unknown = jnp.int32(-1)
    stats = Stats(
        count("num_steps"),
        count("num_accepted_steps"),
        count("num_rejected_steps"),
        unknown,
        unknown,
        unknown,
        unknown,
        solution.ts[0][-1],
        jnp.full_like(solution.ts[0][-1], jnp.nan),
    )
    dense = DiffraxDenseOutput(solution) if saveat.dense else None
    return Solution(ts=ts, ys=ys, y1=y1, status=status, stats=stats, dense=dense)
