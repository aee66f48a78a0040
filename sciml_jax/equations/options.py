"""Options of a solve that all backends share: defaults, checks, and raising on the host."""

import warnings
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from ..core.checks import (
    check_inexact_tree,
    check_interval,
    check_max_steps,
    check_not_both_zero,
    check_positive,
    check_save_times,
    check_stops,
    check_tolerance,
)
from ..core.status import SolveError, Status
from ..core.tree import is_concrete
from .inconsistency import explain

SMALLEST_RTOL = 10.0
"""The smallest useful relative tolerance, in units of the rounding of the state's dtype."""

_TOLERANCES = {8: (1e-6, 1e-9), 4: (1e-4, 1e-6), 2: (1e-2, 1e-3)}
"""Default rtol and atol by the number of bytes of a real number of the state."""


class DefaultSteps(int):
    """A bound of the steps that the user did not give, so that a method may take another one."""


DEFAULT_STEPS = DefaultSteps(4096)
"""The bound of `sj.solve` where none is given."""


def default_tolerances(y0: Any) -> tuple[float, float]:
    """Default rtol and atol for a state, by its least precise leaf."""
    sizes = [jnp.finfo(leaf.dtype).dtype.itemsize for leaf in jax.tree_util.tree_leaves(y0)]
    return _TOLERANCES[min(sizes)]


def time_dtype(problem: Any) -> Any:
    """The dtype of time: Python floats follow the state, arrays keep at least their own."""
    reals = [jnp.finfo(leaf.dtype).dtype for leaf in jax.tree_util.tree_leaves(problem.y0)]
    return jnp.result_type(problem.t0, problem.t1, *reals)


def check_options(
    problem: Any,
    saveat: Any,
    rtol: Any,
    atol: Any,
    dt0: Any,
    max_steps: int | None,
    controller: Any,
    on_failure: str,
) -> None:
    """Refuse wrong options of a solve; values are looked at where they are concrete."""
    check_inexact_tree(problem.y0, "y0")
    check_interval(problem.t0, problem.t1)
    check_max_steps(max_steps)
    if saveat.ts is not None:
        check_save_times(saveat.ts, problem.t0, problem.t1)
    for value, name in ((rtol, "rtol"), (atol, "atol")):
        if value is not None:
            check_tolerance(value, name, problem.y0)
    check_not_both_zero(rtol, atol)
    check_stops(getattr(controller, "tstops", None))
    for value, name in ((dt0, "dt0"), *((getattr(controller, n, None), n) for n in ("dtmin", "dtmax"))):
        if value is not None:
            check_positive(value, name)
    if on_failure not in ("raise", "status"):
        msg = f"`on_failure` must be 'raise' or 'status'; got {on_failure!r}. With 'status', look at `sol.status`."
        raise ValueError(msg)
    if max_steps is not None and saveat.steps is not None and saveat.steps > max_steps:
        msg = (
            f"`SaveAt(steps=k)` saves every k-th of at most `max_steps` steps; got k = {saveat.steps} and "
            f"`max_steps` = {max_steps}, which saves nothing. Pass a smaller k."
        )
        raise ValueError(msg)
    if max_steps is None and (saveat.steps is not None or saveat.dense):
        msg = "`SaveAt(steps=...)` and `SaveAt(dense=True)` need a known length; got `max_steps=None`. Pass a number."
        raise ValueError(msg)
    _warn_below_precision(problem.y0, rtol)


def pull_in_save_times(ts: Any, t0: Any, t1: Any) -> tuple[Any, Any]:
    """Pull times that miss the interval by rounding back in; say whether any is really outside or out of order."""
    if ts.shape[0] == 0:
        return ts, jnp.array(False)
    low, high = jnp.minimum(t0, t1), jnp.maximum(t0, t1)
    slack = 4 * jnp.finfo(ts.dtype).eps * jnp.maximum(jnp.abs(low), jnp.abs(high))
    outside = jnp.any(~((ts >= low - slack) & (ts <= high + slack)))
    unsorted = jnp.any(jnp.diff(ts) * jnp.sign(t1 - t0) < 0)
    # Pulled in by value only: at a tie, clip would halve the derivative with respect to the save time.
    return ts + lax.stop_gradient(jnp.clip(ts, low, high) - ts), outside | unsorted


def raise_on_failure(solution: Any, problem: Any = None) -> None:
    """Raise `SolveError` on the host if the status is concrete and a failure; traced statuses are left as data.

    With the problem, the error also says which algebraic equation kept it from starting.
    """
    if is_concrete(solution.status) and np.ndim(solution.status) == 0:
        status = Status(int(solution.status))
        if not status.is_success:
            detail = ""
            if status in (Status.INCONSISTENT, Status.SINGULAR) and getattr(problem, "mass_matrix", None) is not None:
                detail = explain(problem)[1] if int(solution.stats.num_steps) == 0 else ""
            raise SolveError(status, solution, detail)


def _warn_below_precision(y0, rtol):
    if rtol is None or not is_concrete(rtol):
        return
    eps = max(float(jnp.finfo(leaf.dtype).eps) for leaf in jax.tree_util.tree_leaves(y0))
    smallest = min(float(np.min(np.asarray(leaf))) for leaf in jax.tree_util.tree_leaves(rtol))
    # Zero means control by the absolute tolerance alone.
    if 0 < smallest < SMALLEST_RTOL * eps:
        warnings.warn(
            f"`rtol` = {smallest:g} is below what the state's dtype can hold (eps = {eps:g}); ours use "
            f"{SMALLEST_RTOL:g} eps instead. For more digits use float64: `jax.config.update('jax_enable_x64', True)`.",
            stacklevel=6,
        )
