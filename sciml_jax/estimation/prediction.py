"""What a model predicts of the measured values: the plain function that everything here works on."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Float, PyTree

from ..core.callables import as_callable
from ..core.data import Data
from ..core.method import AbstractMethod
from ..core.tree import is_concrete
from ..equations.boundary_value import BVProblem
from ..equations.maps import MapProblem
from ..equations.solve import solve


def is_problem(value: Any) -> bool:
    """Whether `sj.solve` takes it."""
    return hasattr(value, "default_method") and not isinstance(value, type)


class Predictor(eqx.Module):
    """`(params, y0) -> predictions` of the shape of `data.ys`.

    Parameters
    ----------
    model
        A problem, whose `args` are the parameters; or a function of the parameters (and `data.inputs`, where given)
        that returns a problem, or the predictions themselves in the shape that `ys` of one experiment was given in.
    data
        What to predict.
    method, options
        For `sj.solve`.
    """

    model: Any
    data: Data
    method: AbstractMethod | Any
    options: dict

    def __init__(self, model: Any, data: Data, method: Any = None, options: dict | None = None):
        if not isinstance(data, Data):
            msg = (
                f"`data` must be an `sj.estimation.Data(ts, ys)`; got {type(data).__name__}. Wrap the times and values."
            )
            raise TypeError(msg)
        arguments = ("params",) if data.inputs is None else ("params", "inputs")
        if not is_problem(model):
            model = as_callable(model, "model", *arguments)
        elif data.inputs is not None:
            msg = (
                "with `inputs` in the data, the model must be a function `(params, inputs) -> problem`; got a problem, "
                f"{type(model).__name__}. Build it from both."
            )
            raise TypeError(msg)
        self.model, self.data, self.method = model, data, method
        self.options = dict(options or {})

    def __call__(
        self, params: PyTree, y0: PyTree = None, horizon: Any = None
    ) -> Float[Array, "experiments time series"]:
        """Predictions; `y0` replaces the initial states, leaves (E, ...); nothing is solved beyond `horizon`."""
        data = self.data
        y0 = data.y0 if y0 is None else y0

        def one(y0, inputs, ts):
            return self._experiment(params, y0, inputs, ts, horizon)

        if data.num_experiments == 1:
            first = lambda tree: jax.tree.map(lambda leaf: leaf[0], tree)
            return one(first(y0), first(data.inputs), data.ts[0])[None]
        return jax.vmap(one)(y0, data.inputs, data.ts)

    def problem(self, params: PyTree, inputs: PyTree = None) -> Any:
        """The problem at some parameters, or the predictions of a model that solves none."""
        if is_problem(self.model):
            return eqx.tree_at(lambda problem: problem.args, self.model, params, is_leaf=lambda leaf: leaf is None)
        return self.model(params) if self.data.inputs is None else self.model(params, inputs)

    def _experiment(self, params, y0, inputs, ts, horizon) -> Array:
        shape = self.data.ys.shape[1:]
        made = self.problem(params, inputs)
        if not is_problem(made):
            return _as_predictions(made, shape)
        problem = with_y0(made, y0)
        if not hasattr(problem, "t0"):
            if self.data.has_times:
                msg = (
                    f"{type(problem).__name__} has no times; got data with some. Pass `ts=None` and `ys` of shape (1, "
                    "C), "
                    "or (E, 1, C) for several experiments."
                )
                raise ValueError(msg)
            state = solve(problem, self.method, **self.options).y1
            return self.observed(jnp.zeros((1,), ts.dtype), jax.tree.map(lambda leaf: leaf[None], state), problem)
        ends = problem.t1 if horizon is None else horizon
        if horizon is not None:
            ts = jnp.where(jnp.abs(ts - problem.t0) > jnp.abs(horizon - problem.t0), horizon, ts)
        problem = _until(problem, ts[-1], ends)
        sol = solve(problem, self.method, saveat=ts, **self.options)
        return self.observed(ts, sol.ys, problem)

    def observed(self, ts: Array, ys: PyTree, problem: Any) -> Array:
        """What was measured of saved states, shape (T, C)."""
        data = self.data
        observe = data.observe
        if observe is not None:
            seen = jax.vmap(lambda t, y: ravel_pytree(observe(t, y, problem.args))[0])(ts, ys)
            what = "`observed` returns"
        else:
            seen = jax.vmap(lambda y: ravel_pytree(y)[0])(ys)
            if data.components is not None:
                _check_components(data.components, seen.shape[1])
                seen = seen[:, jnp.asarray(data.components)]
            what = "the state has"
        if not jnp.issubdtype(seen.dtype, jnp.floating):
            msg = f"predictions must be real; got {seen.dtype}. Pass `observed=`, a function that returns real numbers."
            raise TypeError(msg)
        if seen.shape[1] != data.ys.shape[2]:
            msg = (
                f"the data have {data.ys.shape[2]} series, but {what} {seen.shape[1]} numbers. Pass `observed=`: the "
                "indices of the components that were measured, or a function."
            )
            raise ValueError(msg)
        return seen


def with_y0(problem: Any, y0: PyTree) -> Any:
    """The problem from another initial state; None: as it is."""
    if y0 is None:
        return problem
    if not hasattr(problem, "y0"):
        msg = f"initial states in the data need a problem with `y0`; got {type(problem).__name__}."
        raise TypeError(msg)
    return eqx.tree_at(lambda problem: problem.y0, problem, y0)


def _until(problem, last, end):
    """No further than the last measurement, where the end is nothing but the end."""
    if isinstance(problem, (BVProblem, MapProblem)):
        return problem
    # A solve of no length is none: with measurements at the start only, the whole interval is solved.
    t1 = jnp.where(last == problem.t0, end, last)
    return eqx.tree_at(lambda problem: problem.t1, problem, t1)


def _as_predictions(made: Any, shape: tuple) -> Array:
    leaves = jax.tree.leaves(made)
    if not leaves or not all(hasattr(leaf, "dtype") for leaf in leaves):
        msg = f"the model must return a problem or predictions; got {type(made).__name__}."
        raise TypeError(msg)
    parts = [leaf.reshape(shape[0], -1) if leaf.ndim and leaf.shape[0] == shape[0] else leaf for leaf in leaves]
    seen = jnp.concatenate(parts, axis=1) if all(part.ndim == 2 for part in parts) else parts[0]
    if seen.size != shape[0] * shape[1]:
        msg = (
            f"the model must return predictions of shape {shape} (times, series) for each experiment; got "
            f"{[leaf.shape for leaf in leaves]}."
        )
        raise ValueError(msg)
    return seen.reshape(shape)


def _check_components(components: tuple[int, ...], size: int) -> None:
    if max(components) >= size:
        msg = f"`observed` must hold indices below the {size} components of the state; got {max(components)}."
        raise ValueError(msg)


def check_times(problem: Any, data: Data) -> None:
    """Refuse measurements outside the interval of the problem; looked at where concrete."""
    if not is_problem(problem) or not hasattr(problem, "t0") or not is_concrete((problem.t0, problem.t1, data.ts)):
        return
    low, high = sorted((float(problem.t0), float(problem.t1)))
    slack = 4 * float(jnp.finfo(data.ts.dtype).eps) * max(abs(low), abs(high))
    outside = (data.ts < low - slack) | (data.ts > high + slack)
    if bool(jnp.any(outside)):
        found = data.ts[outside]
        msg = (
            f"times of the data must lie in the problem's [t0, t1]; got {int(jnp.sum(outside))} of {outside.size} "
            "outside "
            f"[{low:g}, {high:g}] (such as {float(found[0]):g}). Give the problem a `t1` that covers them, or drop "
            "them."
        )
        raise ValueError(msg)
    steps = jnp.diff(data.ts, axis=1) * jnp.sign(problem.t1 - problem.t0)
    if bool(jnp.any(steps < 0)):
        msg = "times of the data must be sorted along the integration, from t0 to t1; got them the other way round."
        raise ValueError(msg)
