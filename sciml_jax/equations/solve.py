"""The front door: `solve(problem, method)`."""

from typing import Any

import diffrax

from ..core.checks import check_instance
from ..core.method import AbstractMethod
from .diffrax_backend import DiffraxMethod
from .options import DEFAULT_STEPS
from .solution import Solution

_DEFAULTS = {
    "saveat": None,
    "rtol": None,
    "atol": None,
    "dt0": None,
    "max_steps": DEFAULT_STEPS,
    "controller": None,
    "events": (),
    "adjoint": None,
    "key": None,
    "path": None,
    "on_failure": "raise",
    "progress": None,
}


def solve(
    problem: Any,
    method: Any = None,
    *,
    saveat: Any = None,
    rtol: Any = None,
    atol: Any = None,
    dt0: Any = None,
    max_steps: int | None = DEFAULT_STEPS,
    controller: Any = None,
    events: Any = (),
    adjoint: Any = None,
    key: Any = None,
    path: Any = None,
    on_failure: str = "raise",
    progress: Any = None,
) -> Solution:
    """Solve a problem with a method.

    Parameters
    ----------
    problem
        An `ODEProblem`, or any problem that the method names in its `problem_types`.
    method
        A method object such as `sj.Tsit5()` or `sj.Rodas5P()`, or any `diffrax.AbstractSolver` instance. None takes the
        problem's default; for an ODE `sj.AutoSwitch()`, which changes to a stiff method where the problem is stiff.
    saveat
        What to keep: an array of times, shape (T,), or an `sj.SaveAt`. None keeps the end only.
    rtol, atol
        Relative and absolute tolerance of the local error, scalars or pytrees like the state. By default 1e-6 and 1e-9
        for float64, 1e-4 and 1e-6 for float32.
    dt0
        Size of the first step (positive whatever the direction). None chooses it; methods without an error estimate and
        `sj.FixedStep()` need it.
    max_steps
        Bound on the attempted steps, by default 4096 (methods for jumps: ten million); also the length of the record
        that derivatives need. None means no bound; derivatives then go through `sj.Checkpointed()`.
    controller
        `sj.PIDController(...)` or `sj.FixedStep()`.
    events
        Events; methods that do not know them refuse them.
    adjoint
        How derivatives are computed: `sj.Replay()`, `sj.Checkpointed()`, `sj.Gauss()`, `sj.Interpolating()`,
        `sj.Backsolve()`, `sj.ForwardSensitivity()`. None takes `Replay` where its record is of reasonable size and
        `Checkpointed` elsewhere.
    key
        For random methods only: an integer seed or a PRNG key.
    path
        For problems with noise: None runs on the Brownian path of `key`; `sj.FreshIncrements()` draws the noise step by
        step.
    on_failure
        "raise": raise `sj.SolveError` when the solve fails and its inputs are concrete. "return" (or "status"): never
        raise, the status is data. Inside `jit`, `vmap` and `grad` it is data either way.
    progress
        Whether to show progress; for methods that declare it.

    Returns
    -------
    Solution
        With `ts`, `ys`, `y1`, `status`, `stats`; callable with dense output. What was not reached is NaN.

    Raises
    ------
    TypeError
        If the method cannot solve this type of problem, or does not know an option.
    ValueError
        For inputs whose shape or value is wrong.
    SolveError
        If the solve fails, its inputs are concrete and `on_failure` is "raise".

    Notes
    -----
    Compiled on the first call for given shapes, functions and options; tolerances, times and parameters can change
    without compiling again. A function that is defined anew for every call is compiled anew. What a vector field reads
    from outside (closures, globals) is part of the program: numbers, small NumPy arrays and traced values there are
    noticed when they change, attributes of objects and entries of lists are not. Put what changes into `args`.
    """
    if method is None:
        method = _default_method(problem)
    method = _as_method(method)
    _check_pair(problem, method)
    given = {
        "saveat": saveat,
        "rtol": rtol,
        "atol": atol,
        "dt0": dt0,
        "max_steps": max_steps,
        "controller": controller,
        "events": events,
        "adjoint": adjoint,
        "key": key,
        "path": path,
        "on_failure": "status" if on_failure == "return" else on_failure,
        "progress": progress,
    }
    declared = method.declared_options()
    for name, value in given.items():
        if name not in declared and not _is_default(value, _DEFAULTS[name]):
            msg = (
                f"`{method.name}` does not take the option `{name}`; got {value!r}. "
                f"It takes {', '.join(f'`{option}`' for option in sorted(declared))}."
            )
            raise TypeError(msg)
    # The protocol promises less, an `AbstractSolution`; every method here returns a `Solution`.
    solution: Any = method.solve(problem, **{name: value for name, value in given.items() if name in declared})
    return solution


def _default_method(problem: Any) -> Any:
    if isinstance(problem, type) or not hasattr(problem, "default_method"):
        msg = (
            f"`problem` must be a problem such as `sj.ODEProblem(vector_field, y0, t0, t1, args)`; got {problem!r} "
            f"({type(problem).__name__}). State the equation as a problem first."
        )
        raise TypeError(msg)
    return problem.default_method()


def _is_default(value: Any, default: Any) -> bool:
    # Compared by type first: `value == ()` on an array would compare elements. An empty list of events is no event.
    if default == ():
        return isinstance(value, (tuple, list)) and len(value) == 0
    return value is default or (type(value) is type(default) and isinstance(value, (int, str)) and value == default)


def _as_method(method: Any) -> AbstractMethod:
    if isinstance(method, diffrax.AbstractSolver):
        return DiffraxMethod(method)
    check_instance(method, (AbstractMethod, diffrax.AbstractSolver), "method", "sj.Tsit5()")
    return method


def _check_pair(problem: Any, method: AbstractMethod) -> None:
    if isinstance(problem, type):
        msg = f"`problem` must be an instance; got the class `{problem.__name__}`. Call it: `{problem.__name__}(...)`."
        raise TypeError(msg)
    if not isinstance(problem, method.problem_types):
        names = ", ".join(kind.__name__ for kind in method.problem_types)
        hint = getattr(method, "problem_hint", "Choose a method for that problem.")
        msg = f"`{method.name}` solves {names}; got {type(problem).__name__}. {hint}"
        raise TypeError(msg)
