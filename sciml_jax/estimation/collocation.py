"""Parameters without solving the equation: matched gradients, or collocation equations beside the data."""

import abc
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree
from jaxtyping import PyTree

from ..core.checks import check_instance
from ..core.data import Data
from ..core.tree import is_concrete
from ..equations.problem import ODEProblem
from ..training.bounded_least_squares import BoundedLevenbergMarquardt
from .multistart import multistart
from .prediction import is_problem
from .result import Estimate
from .shooting import shooting
from .smoothing import AbstractSmoother, LocalPolynomial
from .unknowns import template_of


class AbstractMatching(eqx.Module):
    """How `collocation` brings an equation and data together without solving it."""

    @abc.abstractmethod
    def estimate(self, model: Any, data: Data, options: dict, **search: Any) -> Estimate:
        """The parameters for which the equation fits the data best, with their uncertainty; options for `shooting`."""

    def fit(self, model: Any, data: Data, **search: Any) -> Any:
        """These parameters alone."""
        return self.estimate(model, data, {}, **search).params


class GradientMatching(AbstractMatching):
    """Smooth the data, and choose the parameters whose vector field gives the slopes of the smoothed states.

    Minimises `sum |f(t_i, s(t_i), params) - s'(t_i)|^2` with s from the smoother, each component in units of its root
    mean square slope. Needs every component of the state, observed with little noise or often. Two stages, no solves:
    milliseconds, and a wide basin of attraction; but biased by what the smoother flattens, so a start for `shooting`
    rather than an answer.

    Parameters
    ----------
    smoother
        `LocalPolynomial()` by default, `SmoothingSpline()`, or `FiniteDifferences()` for data without noise.

    References
    ----------
    Varah, A spline least squares method for numerical parameter estimation in differential equations, SIAM J. Sci.
    Stat. Comput. 3 (1982) 28-46. Liang & Wu, J. Am. Stat. Assoc. 103 (2008) 1570-1583.
    """

    smoother: AbstractSmoother

    def __init__(self, smoother: AbstractSmoother | None = None):
        self.smoother = LocalPolynomial() if smoother is None else smoother
        check_instance(self.smoother, AbstractSmoother, "smoother", "sj.estimation.LocalPolynomial()")

    def estimate(self, model: Any, data: Data, options: dict, **search: Any) -> Estimate:
        """The regression of slopes as an `Estimate`, whose residuals are of slopes, shape (1, M, 1)."""
        del options
        smoothed = [self._smoothed(data, i) for i in range(data.num_experiments)]
        residuals = SlopeResiduals(model, data.inputs, tuple(smoothed))
        return multistart(residuals, **search)

    def _smoothed(self, data: Data, experiment: int) -> tuple[Any, Any, Any]:
        ts, ys, mask = data.ts[experiment], data.ys[experiment], data.mask[experiment]
        if not is_concrete((ts, mask)):
            msg = "gradient matching picks the measured rows: `ts` and `mask` must be concrete; got traced ones."
            raise ValueError(msg)
        rows = np.flatnonzero(np.all(np.asarray(mask), axis=1) & np.append(True, np.diff(np.asarray(ts)) != 0))
        if rows.size < 4:
            msg = (
                f"gradient matching needs at least four times at which all components were measured; got {rows.size} "
                f"in experiment {experiment}. Use `OrthogonalCollocation()` or `multiple_shooting`."
            )
            raise ValueError(msg)
        return ts[rows], *self.smoother.smooth(ts[rows], ys[rows])


class SlopeResiduals(eqx.Module):
    """`params -> f(t, s(t), params) - s'(t)`, each component in units of its root mean square slope."""

    model: Any
    inputs: PyTree
    smoothed: tuple

    def __call__(self, params: PyTree) -> Any:
        """One array per experiment."""
        return tuple(self._of(params, i, *one) for i, one in enumerate(self.smoothed))

    def _of(self, params: PyTree, experiment: int, ts: Any, values: Any, slopes: Any) -> Any:
        problem = problem_at(self.model, params, self.inputs, experiment)
        found = jax.vmap(flat_field(problem))(ts, values)
        return (found - slopes) / jnp.sqrt(jnp.mean(slopes**2, axis=0))


def problem_at(model: Any, params: PyTree, inputs: PyTree, experiment: int) -> ODEProblem:
    """The problem of one experiment at some parameters."""
    if isinstance(model, ODEProblem):
        return eqx.tree_at(lambda problem: problem.args, model, params, is_leaf=lambda leaf: leaf is None)
    mine = jax.tree_util.tree_map(lambda leaf: leaf[experiment], inputs)
    made = model if is_problem(model) else None
    problem = made if made is not None else model(params) if inputs is None else model(params, mine)
    if not isinstance(problem, ODEProblem) or problem.mass_matrix is not None:
        msg = (
            "collocation takes an `sj.ODEProblem` without a mass matrix, or a function of the parameters that returns "
            f"one; got {type(problem).__name__}. Use `shooting`."
        )
        raise TypeError(msg)
    return problem


def flat_field(problem: ODEProblem) -> Callable:
    """`(t, y (n,)) -> dy/dt (n,)` for a problem with a state of any structure."""
    _, unravel = ravel_pytree(problem.y0)

    def field(t: Any, y: Any) -> Any:
        rate = problem.vector_field(t, unravel(y), problem.args)
        return ravel_pytree(rate)[0]

    return field


def collocation(
    model: Any,
    *,
    data: Data,
    bounds: tuple[PyTree, PyTree] | None = None,
    starts: int | PyTree = 1,
    initial: PyTree = None,
    key: Any = None,
    matching: AbstractMatching | None = None,
    optimizer: BoundedLevenbergMarquardt = BoundedLevenbergMarquardt(),
    refine: bool = True,
    **options: Any,
) -> Estimate:
    """Fit an ordinary differential equation to data by collocation, and refine the result by shooting.

    Parameters
    ----------
    model
        An `sj.ODEProblem` whose `args` are fitted, or a function of the parameters that returns one, as for `shooting`.
    data, bounds, starts, initial, key, optimizer
        As for `shooting`.
    matching
        `GradientMatching(smoother)`, the default, for fully observed states; or `OrthogonalCollocation(...)`, states
        and parameters together, for partly observed and noisier ones.
    refine
        Whether the parameters then start `shooting`, whose `Estimate` of the data is returned. Without it the result
        is that of the matching: of gradients, residuals and standard errors are those of slopes; of orthogonal
        collocation, those of one solve at its parameters.
    **options
        For `shooting`: `method`, `rtol`, `atol`, `prior`, ...

    Returns
    -------
    Estimate
        As from `shooting`.

    Raises
    ------
    ValueError, TypeError
        For components that were not observed (gradient matching), problems other than `ODEProblem`, and as `shooting`.

    Notes
    -----
    Where solves from a wrong start blow up or end in local minima, matching slopes does not: it is a problem that is
    linear in parameters that enter linearly. Not for few, noisy samples of fast changes, whose slopes nobody knows.

    References
    ----------
    Ramsay, Hooker, Campbell & Cao, Parameter estimation for differential equations: a generalized smoothing approach,
    J. R. Stat. Soc. B 69 (2007) 741-796.
    """
    matching = GradientMatching() if matching is None else matching
    check_instance(matching, AbstractMatching, "matching", "sj.estimation.GradientMatching()")
    if not isinstance(data, Data):
        msg = f"`data` must be an `sj.estimation.Data(ts, ys)`; got {type(data).__name__}. Wrap the times and values."
        raise TypeError(msg)
    template, is_guess = template_of(model, initial, bounds)
    problem = problem_at(model, template, data.inputs, 0)
    _check_observed(problem, data, matching)
    search = {"bounds": bounds, "starts": starts, "key": key, "optimizer": optimizer}
    search["initial"] = template if is_guess else None
    if not refine:
        return matching.estimate(model, data, options, **search)
    params = matching.fit(model, data, **search)
    return shooting(model, data=data, bounds=bounds, initial=params, optimizer=optimizer, **options)


def _check_observed(problem: ODEProblem, data: Data, matching: AbstractMatching) -> None:
    """Refuse series that are not the components of the state, where slopes are to be matched."""
    size = sum(jnp.size(leaf) for leaf in jax.tree_util.tree_leaves(problem.y0))
    everything = data.observe is None and data.components in (None, tuple(range(size)))
    if isinstance(matching, GradientMatching) and not (everything and data.ys.shape[2] == size):
        msg = (
            f"gradient matching needs all {size} components of the state, in their order; got {data.ys.shape[2]} series"
            " or others. Pass `matching=sj.estimation.OrthogonalCollocation()`, or use `multiple_shooting`."
        )
        raise ValueError(msg)
