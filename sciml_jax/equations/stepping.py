"""One step at a time, for loops that a user drives: `init` and `step`."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, PyTree

from ..core.checks import check_instance
from ..core.status import SolveError, Status
from ..core.tree import is_concrete
from .engine.advance import Place, advance, begin, change_state, evaluate_inside
from .engine.capabilities import check_capabilities, checked_controller
from .engine.operands import Operands, Settings
from .engine.plan import Plan
from .engine.run import call_compiled, prepare
from .engine.whole import take_apart
from .methods.one_step import AbstractOneStepMethod
from .noise.method import AbstractNoiseMethod
from .noise.times import without_time_derivatives
from .options import check_options
from .saveat import as_saveat
from .solution import Stats


class SteppingState(eqx.Module):
    """Where an integration stands; `init` makes it and `step` advances it.

    A frozen pytree: it can be the carry of `lax.while_loop`, `scan` and `fori_loop`, an argument of `jit`, and be
    mapped by `vmap`. Its arrays are the problem's operands (parameters, tolerances) and the place; the method and the
    vector field are static.
    """

    place: Place
    operands: Operands
    settings: Settings
    plan: Plan = eqx.field(static=True)
    on_failure: str = eqx.field(static=True)

    @property
    def t(self) -> Float[Array, ""]:
        """The time that was reached."""
        return self.place.state.t

    @property
    def y(self) -> PyTree:
        """The state there, as the user's pytree."""
        return self.plan.system.layout.merge(self.place.state.y, lead=np.ndim(self.t))

    @property
    def t_previous(self) -> Float[Array, ""]:
        """The time at which the last accepted step began; `t` before the first one."""
        return self.place.row.ta

    @property
    def y_previous(self) -> PyTree:
        """The state there."""
        return self.plan.system.layout.merge(self.place.row.y, lead=np.ndim(self.t))

    @property
    def h(self) -> Float[Array, ""]:
        """The size (positive) that the next step will be tried with; it is shortened to end on `t1` and on stops."""
        return self.place.state.h

    @property
    def status(self) -> Int[Array, ""]:
        """A `Status` as an integer array: `RUNNING`, `SUCCESS` at `t1`, or a failure."""
        return self.place.state.status

    @property
    def running(self) -> Any:
        """Whether there is another step to take; the condition of a `while` loop."""
        return self.place.state.status == Status.RUNNING

    @property
    def stats(self) -> Stats:
        """Counts of the work done so far; `with_y` adds one evaluation that is not counted."""
        place = self.place.state
        evaluations, jacobians, factorisations, products = self.plan.work(place.num_steps, place.work)
        rejected = place.num_steps - place.num_accepted
        counts = place.num_steps, place.num_accepted, rejected, evaluations, jacobians, factorisations, products
        return Stats(*counts, place.t, place.h)

    def interpolate(self, t: Any) -> PyTree:
        """The state at a time within the last accepted step, from `t_previous` to `t`; NaN elsewhere.

        By the method's dense output, which is recomputed: costs one step for each call. Takes an array of times, too.
        """
        _check_single(self, "interpolate")
        t = jnp.asarray(t, self.place.state.t.dtype)
        parts = _evaluate_inside(self.plan, self.operands, self.settings, self.place, t)
        return self.plan.system.layout.merge(parts, lead=t.ndim)

    def with_y(self, y: PyTree) -> "SteppingState":
        """The same place with another state, such as after a dose or a bounce.

        Parameters
        ----------
        y
            Shaped like the state; cast to its dtypes.

        Returns
        -------
        SteppingState
            What the method carries along (the last evaluation of the vector field, the controller's memory) is renewed
            at the cost of one evaluation; the size of the next step is kept, and corrected by the next step. To start
            with a small one again, call `init` on a new problem.
        """
        _check_single(self, "with_y")
        parts = self.plan.system.layout.split(_like(y, self.y))
        place = _change_state(self.plan, self.operands, self.settings, self.place, parts)
        return eqx.tree_at(lambda state: state.place, self, place)

    def __repr__(self) -> str:
        if not is_concrete(self.place) or np.ndim(self.t):
            return "SteppingState(traced or batched)"
        status = Status(int(self.status)).name
        return f"SteppingState(t={float(self.t):g}, status={status}, steps={int(self.place.state.num_steps)})"


def init(
    problem: Any,
    method: Any = None,
    *,
    rtol: Any = None,
    atol: Any = None,
    dt0: Any = None,
    controller: Any = None,
    key: Any = None,
    on_failure: str = "raise",
) -> SteppingState:
    """Begin an integration that `step` advances, one accepted step at a time.

    Parameters
    ----------
    problem
        An `ODEProblem`, or another problem that the method takes.
    method
        A one-step method such as `sj.Tsit5()` or `sj.Rodas5P()`; None takes the problem's default.
    rtol, atol, dt0, controller
        As in `sj.solve`, with the same defaults. The steps are those that `sj.solve` would take.
    key
        For problems with noise: an integer seed or a PRNG key.
    on_failure
        "raise": `step` raises `sj.SolveError` when it fails and its inputs are concrete. "status": never raise; look at
        `state.status`. There is no bound on the number of steps: count them.

    Returns
    -------
    SteppingState
        With `t`, `y`, `status`, `running`, `stats`, `interpolate(t)`, `with_y(y)`.

    Raises
    ------
    TypeError, ValueError
        For the inputs that `sj.solve` refuses, and for a method that is not one of our one-step methods.

    Examples
    --------
    >>> state = sj.init(problem, sj.Tsit5())
    >>> while state.running:
    ...     state = sj.step(state)

    Notes
    -----
    Compiled once for given shapes and functions, as `solve` is. Inside `jit` write
    `lax.while_loop(lambda state: state.running, sj.step, sj.init(problem))`, or a `scan` of `step`, which has reverse
    derivatives. For a plain integration `sj.solve` is faster and keeps its own record.
    """
    if isinstance(problem, type) or not hasattr(problem, "default_method"):
        msg = (
            f"`problem` must be a problem such as `sj.ODEProblem(vector_field, y0, t0, t1, args)`; got {problem!r} "
            f"({type(problem).__name__}). State the equation as a problem first."
        )
        raise TypeError(msg)
    method = problem.default_method() if method is None else method
    check_instance(method, AbstractOneStepMethod, "method", "sj.Tsit5()")
    if hasattr(problem, "lags"):
        msg = (
            "`init` steps problems whose state is all that the next step needs; got a `DDEProblem`, which also needs "
            "its past. Use `sj.solve`."
        )
        raise TypeError(msg)
    if not isinstance(problem, method.problem_types):
        names = ", ".join(kind.__name__ for kind in method.problem_types)
        msg = f"`{method.name}` solves {names}; got {type(problem).__name__}. Choose a method for that problem."
        raise TypeError(msg)
    saveat = as_saveat(None)
    if isinstance(method, AbstractNoiseMethod):
        problem, _ = without_time_derivatives(method.on_path(problem, key), saveat)
        chosen = method.with_defaults(problem, None, rtol, atol, controller, dt0)
        rtol, atol, controller = chosen["rtol"], chosen["atol"], chosen["controller"]
    controller = checked_controller(method, controller, dt0)
    check_options(problem, saveat, rtol, atol, dt0, None, controller, on_failure)
    check_capabilities(problem, method)
    arguments = (problem, saveat, controller, rtol, atol, dt0)
    state = call_compiled(_begin, _begin_compiled, arguments, method, None)
    state = SteppingState(state.place, state.operands, state.settings, state.plan, on_failure)
    _raise_on_failure(state)
    return state


def step(state: SteppingState) -> SteppingState:
    """Advance by one accepted step: attempts that are rejected are repeated with a smaller size.

    Parameters
    ----------
    state
        From `init`, or from the step before.

    Returns
    -------
    SteppingState
        After the step. At `t1` the status becomes `SUCCESS`; stepping on changes nothing. A step that fails leaves `t`
        and `y` at what was reached last, with the failure as status.

    Raises
    ------
    SolveError
        If the step fails, its inputs are concrete and `on_failure` is "raise".

    Notes
    -----
    Differentiable in both modes and to any order, with respect to the parameters and states that went into `init` or
    `with_y`: the derivative is that of the accepted step at its size, as in `sj.solve`; it costs that step once more.
    Under `vmap` every lane takes one accepted step, and all wait for the one with the most rejections.
    """
    check_instance(state, SteppingState, "state", "sj.init(problem)")
    _check_single(state, "step")
    place = _advance(state.plan, state.operands, state.settings, state.place)
    state = eqx.tree_at(lambda s: s.place, state, place)
    _raise_on_failure(state)
    return state


def _begin(config: Any, dynamic: Any) -> SteppingState:
    plan, operands, settings, _ = prepare(config, dynamic)
    operands = take_apart(plan, operands)
    return SteppingState(begin(plan, operands, settings), operands, settings, plan, "raise")


# The plan travels as the static part of the result: a second call returns the same one, and `step` compiles once.
_begin_compiled = jax.jit(_begin, static_argnums=0)
_advance = jax.jit(advance, static_argnums=0)
_change_state = jax.jit(change_state, static_argnums=0)
_evaluate_inside = jax.jit(evaluate_inside, static_argnums=0)


def _raise_on_failure(state: SteppingState) -> None:
    if state.on_failure != "raise" or not is_concrete(state.status) or np.ndim(state.status) != 0:
        return
    status = Status(int(state.status))
    if not status.is_success and status != Status.RUNNING:
        raise SolveError(status, state)


def _check_single(state: SteppingState, name: str) -> None:
    if np.ndim(state.t):
        msg = (
            f"`{name}` takes one state; got a batch of shape {np.shape(state.t)}. "
            "Map over it, `jax.vmap(sj.step)(states)`."
        )
        raise ValueError(msg)


def _like(y: Any, example: Any) -> Any:
    """`y` as arrays of the shapes and dtypes of the state."""
    same = jax.tree_util.tree_structure(y) == jax.tree_util.tree_structure(example)
    pairs = zip(jax.tree_util.tree_leaves(y), jax.tree_util.tree_leaves(example), strict=False)
    if not same or any(np.shape(new) != old.shape for new, old in pairs):
        shapes = jax.tree_util.tree_map(np.shape, y), jax.tree_util.tree_map(np.shape, example)
        msg = (
            f"`with_y(y)` needs the structure and shapes of the state; got {shapes[0]} for {shapes[1]}. "
            "Pass the whole state, changed where you want it changed."
        )
        raise ValueError(msg)
    return jax.tree_util.tree_map(lambda new, old: jnp.asarray(new, old.dtype), y, example)
