"""Stochastic problems for Diffrax's solvers: terms on the flat state, on the Brownian path of our own methods."""

import dataclasses
from collections.abc import Callable
from typing import Any, NamedTuple

import diffrax
import equinox as eqx
import jax
import jax.flatten_util
import jax.numpy as jnp
import lineax
import numpy as np

from ..core.tree import is_concrete
from ..numerics.brownian_tree import brownian_increments
from ..numerics.counter_normals import key_words
from .controllers import FixedStep, PIDController
from .engine.noise_form import noise_form
from .engine.returned import check_vector_field
from .keys import as_key
from .noise.conversion import ConvertedDrift
from .noise.problem import SDEProblem
from .noise.times import stepping_on
from .options import time_dtype
from .solution import Solution


class DiffraxBrownianPath(diffrax.AbstractBrownianPath):
    """The path of `sj.BrownianPath` with the same key, as Diffrax asks for it."""

    words: Any
    t0: Any
    t1: Any
    size: int = eqx.field(static=True)
    dtype: Any = eqx.field(static=True)
    levy_area: Any = eqx.field(static=True, default=diffrax.SpaceTimeLevyArea)

    def evaluate(self, t0: Any, t1: Any = None, left: bool = True, use_levy: bool = False) -> Any:
        """The increment from `t0` to `t1` (from the beginning to `t0`), with its Levy area where that is asked for."""
        del left
        t0, t1 = (self.t0, t0) if t1 is None else (t0, t1)
        t0, t1 = jax.lax.stop_gradient((jnp.asarray(t0), jnp.asarray(t1)))
        w, h = brownian_increments(self.words, self.t0, self.t1, t0, t1, self.size, self.dtype)
        if not use_levy:
            return w
        dt = (t1 - t0).astype(self.dtype)
        if self.levy_area is diffrax.BrownianIncrement:
            return diffrax.BrownianIncrement(dt=dt, W=w)
        return diffrax.SpaceTimeLevyArea(dt=dt, W=w, H=h)


class Stated(NamedTuple):
    """A stochastic problem in Diffrax's words."""

    terms: Any
    y0: Any
    """The state as one vector."""
    unravel: Callable
    """The user's pytree of such a vector."""


def stated(problem: SDEProblem, solver: Any, key: Any) -> Stated:
    """Terms for a solver, with the drift in the interpretation that it solves."""
    share = _share(problem, solver)
    drift = problem.drift if share == 0 else ConvertedDrift(problem.drift, problem.diffusion, share, problem.noise)
    flat, unravel = jax.flatten_util.ravel_pytree(problem.y0)
    dtype = time_dtype(problem)
    t0, t1 = jnp.asarray(problem.t0, dtype), jnp.asarray(problem.t1, dtype)
    slope = jax.eval_shape(problem.drift, t0, problem.y0, problem.args)
    check_vector_field(slope, problem.y0)
    form = noise_form(jax.eval_shape(problem.diffusion, t0, problem.y0, problem.args), problem.y0, problem.noise)
    ravel = lambda tree: jax.flatten_util.ravel_pytree(tree)[0].astype(flat.dtype)

    def diffusion(t, y, args):
        out = problem.diffusion(t, unravel(y), args)
        if form.kind == "diagonal":
            return lineax.DiagonalLinearOperator(ravel(out))
        if form.kind == "scalar":
            return ravel(out)[:, None]
        rows = [jnp.reshape(leaf, (-1, form.size)) for leaf in jax.tree_util.tree_leaves(out)]
        return jnp.concatenate(rows).astype(flat.dtype)

    words = key_words(as_key(key, f"diffrax.{type(solver).__name__}"))
    path: Any = DiffraxBrownianPath(words=words, t0=t0, t1=t1, size=form.size, dtype=flat.real.dtype)
    field = diffrax.ODETerm(lambda t, y, args: ravel(drift(t, unravel(y), args)))
    return Stated(diffrax.MultiTerm(field, diffrax.ControlTerm(diffusion, path)), flat, unravel)


def stepping(problem: SDEProblem, solver: Any, controller: Any, dt0: Any, ts: Any) -> tuple[Any, Any]:
    """The controller and the first step, such that steps end on the save times and the path resolves them."""
    adaptive = isinstance(solver, diffrax.AbstractAdaptiveSolver)
    controller = (PIDController() if adaptive else FixedStep()) if controller is None else controller
    if isinstance(controller, PIDController):
        controller = stepping_on(problem, controller, ts, dt0)
        if controller.tstops is not None:
            controller = dataclasses.replace(controller, tstops=jnp.sort(controller.tstops))
        return controller, 0.01 * (problem.t1 - problem.t0) if dt0 is None else dt0
    if isinstance(controller, FixedStep) and dt0 is not None and (ts is not None or controller.tstops is not None):
        return diffrax.StepTo(_grid(problem, solver, dt0, ts, controller.tstops)), None
    return controller, dt0


def unraveled(solution: Solution, saved_by_user: bool, unravel: Callable) -> Solution:
    """The solution with the user's pytrees in place of vectors."""
    ys = solution.ys if solution.ys is None or saved_by_user else jax.vmap(unravel)(solution.ys)
    dense = None if solution.dense is None else _UnraveledDense(solution.dense, jax.tree_util.Partial(unravel))
    return dataclasses.replace(solution, ys=ys, y1=unravel(solution.y1), dense=dense)


class _UnraveledDense(eqx.Module):
    dense: Any
    unravel: Callable

    def evaluate(self, t: Any) -> Any:
        """The state at one time."""
        return self.unravel(self.dense.evaluate(t))


def spread_tolerance(value: Any, default: float, problem: SDEProblem) -> Any:
    """A tolerance for the flat state."""
    if value is None or jax.tree_util.treedef_is_leaf(jax.tree_util.tree_structure(value)):
        return default if value is None else value
    spread = jax.tree_util.tree_map(lambda v, leaf: jnp.broadcast_to(v, leaf.shape), value, problem.y0)
    return jax.flatten_util.ravel_pytree(spread)[0]


def _share(problem: SDEProblem, solver: Any) -> float:
    """By how much of `sum_k (dg_k/dy) g_k` the drift changes; refuses solvers that do not solve the problem."""
    name = type(solver).__name__
    is_ito = isinstance(solver, diffrax.AbstractItoSolver)
    if not is_ito and not isinstance(solver, diffrax.AbstractStratonovichSolver):
        msg = (
            f"`diffrax.{name}` does not solve stochastic equations; got an SDEProblem. Choose one that does, such as "
            "`diffrax.SPaRK()` or `diffrax.EulerHeun()`, or one of ours, such as `sj.SOSRI()`."
        )
        raise TypeError(msg)
    if isinstance(solver, (diffrax.ShARK, diffrax.SRA1, diffrax.SEA)) and problem.noise != "additive":
        msg = (
            f"`diffrax.{name}` solves problems with additive noise; got noise={problem.noise!r}. Choose "
            "`diffrax.SPaRK()` or `diffrax.GeneralShARK()`; if the diffusion does not depend on `y`, state the problem "
            "with `noise='additive'`."
        )
        raise ValueError(msg)
    if problem.noise == "additive" or (problem.interpretation == "ito") == is_ito:
        return 0.0
    return 0.5 if is_ito else -0.5


def _grid(problem: SDEProblem, solver: Any, dt0: Any, *times: Any) -> Any:
    """Times of fixed steps, with others among them."""
    given = [part for part in times if part is not None]
    if not is_concrete((problem.t0, problem.t1, dt0, given)):
        msg = (
            f"With fixed steps Diffrax needs save times, `t0`, `t1` and `dt0` that are known when tracing; got "
            f"traced ones with `diffrax.{type(solver).__name__}`. Make them with NumPy, or use one of our methods."
        )
        raise ValueError(msg)
    t0, t1 = float(problem.t0), float(problem.t1)
    steps = t0 + float(dt0) * np.arange(1, int(np.ceil((t1 - t0) / float(dt0) - 1e-9)))
    inner = np.concatenate([steps, *(np.asarray(part, float) for part in given)])
    return jnp.asarray(np.unique(np.concatenate([[t0, t1], inner[(inner > t0) & (inner < t1)]])), time_dtype(problem))
