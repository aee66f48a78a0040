"""Bounded nonlinear least squares: a Levenberg-Marquardt iteration that stays within its bounds."""

from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, PyTree

from ..core.callables import as_callable, captured_values, closes_over_tracer
from .bounded_step import held_by_bounds
from .levenberg_marquardt import Point, Problem, iterate
from .linearise import as_vector, forward_linearise
from .parameter_vector import ParameterVector
from .transforms import AbstractTransform, Identity, as_transform

_TOLERANCE = {8: 1e-8, 4: 1e-4}


class LeastSquaresResult(eqx.Module):
    """The best point that was found."""

    params: PyTree
    """Like the start."""
    cost: Float[Array, ""]
    """Half the sum of squared residuals; infinite where the start was not finite."""
    residuals: Float[Array, " residuals"]
    """All of them, flattened, shape (M,)."""
    jacobian: Float[Array, "residuals params"]
    """Their derivatives by the flattened parameters, shape (M, P)."""
    at_bound: Bool[Array, " params"]
    """Which parameters are held by a bound."""
    status: Int[Array, ""]
    """A `LeastSquaresStatus` as an integer array."""
    num_steps: Int[Array, ""]
    """Iterations, each one evaluation of residuals and Jacobian."""


class BoundedLevenbergMarquardt(eqx.Module):
    r"""Minimise $\tfrac12 |r(x)|^2$ subject to `lower <= x <= upper`.

    Each iteration minimises $|J p + r|^2 + \lambda |D p|^2$ within the bounds, with D the largest norms of the columns
    of J so far (Moré). Parameters at a bound that the step would take beyond it are held there, the others found again.
    The damping follows the ratio of actual to predicted decrease (Nielsen). Residuals that are not finite reject a
    step, as a failed solve should.

    Cost per iteration: one evaluation of residuals with Jacobian and QR factorisations, O(M P^2 + P^4) at worst.
    Memory: the Jacobian, M P. Under `vmap` all lanes iterate until the last is done, and nothing else is different. Not
    for networks with thousands of parameters (`training.fit`), and not for residuals with kinks.

    Parameters
    ----------
    rtol
        Relative tolerance of decrease, step and cosine of residuals with columns of J; None: 1e-8 in float64, 1e-4 in
        float32.
    max_steps
        Bound on the iterations.
    damping
        $\lambda$ at the start. Larger is more careful.
    transform
        The coordinates in which steps are taken: `Identity()`, `Log()`, `Logit()`, or one for each parameter.

    References
    ----------
    Moré, The Levenberg-Marquardt algorithm: implementation and theory, LNM 630 (1978). Nielsen, Damping parameter in
    Marquardt's method, IMM-REP-1999-05. Kanzow, Yamashita & Fukushima, Levenberg-Marquardt methods with strong local
    convergence properties for solving nonlinear equations with convex constraints, J. Comput. Appl. Math. 172 (2004).
    """

    rtol: float | None = eqx.field(static=True, default=None)
    max_steps: int = eqx.field(static=True, default=100)
    damping: float = eqx.field(static=True, default=1e-3)
    transform: AbstractTransform = eqx.field(default=Identity(), converter=as_transform)

    def __check_init__(self):
        if isinstance(self.max_steps, bool) or not isinstance(self.max_steps, int) or self.max_steps < 1:
            msg = f"`max_steps` must be a positive integer; got {self.max_steps!r}. Pass, for example, 100."
            raise ValueError(msg)
        for name in ("rtol", "damping"):
            value = getattr(self, name)
            if value is not None and not (isinstance(value, (int, float)) and value > 0):
                msg = f"`{name}` must be a positive number; got {value!r}."
                raise ValueError(msg)

    def minimise(self, linearise: Callable, x: Array, lower: Array, upper: Array) -> tuple[Point, Array, Array]:
        """The last point, its `LeastSquaresStatus` as an integer and the number of iterations.

        Parameters
        ----------
        linearise
            `x -> (residuals (M,), Jacobian (M, P))`.
        x, lower, upper
            Shape (P,); the start is moved into the bounds.
        """
        tolerance = self.rtol or _TOLERANCE.get(x.dtype.itemsize, 1e-2)
        u = self.transform.forward(jnp.clip(x, lower, upper), lower, upper)
        low, high = self.transform.bounds(lower, upper)
        problem = Problem(linearise, lambda u: self.transform.inverse(u, lower, upper), low, high, tolerance)
        return iterate(problem, u, self.damping, self.max_steps)


def least_squares(
    residuals: Callable,
    params: PyTree,
    *,
    bounds: tuple[PyTree, PyTree] | None = None,
    method: BoundedLevenbergMarquardt = BoundedLevenbergMarquardt(),
) -> LeastSquaresResult:
    r"""Minimise $\tfrac12 \sum r(x)^2$ within bounds.

    Parameters
    ----------
    residuals
        `params -> residuals`, a pytree of real float arrays. NaN or infinity rejects a step.
    params
        The start, a pytree whose float leaves are moved; moved into the bounds first.
    bounds
        `(lower, upper)`: pytrees like `params` whose leaves broadcast, vectors (P,) or numbers; infinite ones are none.
    method
        `BoundedLevenbergMarquardt(...)`.

    Returns
    -------
    LeastSquaresResult
        With `params`, `cost`, `residuals`, `jacobian`, `status`, `num_steps`.

    Raises
    ------
    ValueError, TypeError
        For crossed bounds, bounds of another structure, complex or missing residuals.

    Notes
    -----
    Compiled once for a function and shapes. Pure: works under `jit` and `vmap` (also over `params` and `bounds`).
    Derivatives of the residuals are taken in forward mode, which costs P tangents. The minimum itself is not
    differentiated.
    """
    vector = ParameterVector(jax.tree.map(lambda leaf: jnp.asarray(leaf) if isinstance(leaf, float) else leaf, params))
    lower, upper = vector.bounds(bounds)
    method.transform.check(lower, upper)
    residuals = as_callable(residuals, "residuals", "params")
    operands = (residuals, vector.unflatten(vector.initial), lower, upper, method)
    if closes_over_tracer(residuals):
        # The compiled program would keep the tracer beyond its trace.
        return _least_squares(*operands)
    return _compiled(operands, captured_values(residuals))


@eqx.filter_jit
def _compiled(operands, captured):
    del captured
    return _least_squares(*operands)


def _least_squares(residuals, params, lower, upper, method) -> LeastSquaresResult:
    vector = ParameterVector(params)
    linearise = forward_linearise(lambda x: as_vector(residuals(vector.unflatten(x))))
    point, status, num_steps = method.minimise(linearise, vector.initial, lower, upper)
    held = held_by_bounds(point.x, point.jacobian.T @ point.residuals, lower, upper)
    return LeastSquaresResult(
        vector.unflatten(point.x), point.cost, point.residuals, point.jacobian, held, status, num_steps
    )
