"""Gauss-Newton steps without a matrix: the natural gradient of a sum of squares."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Float, Int, PyTree

from ..numerics.loops import while_loop
from .linearise import as_vector
from .nystrom import nystrom_preconditioner

SHORTEST = 2.0**-12
"""The step length below which a line search gives up."""


class NaturalGradientState(NamedTuple):
    """The number of steps and the present damping."""

    count: Int[Array, ""]
    damping: Float[Array, ""]


def natural_gradient(
    residual_fn: Callable[[PyTree], Any] | None = None,
    *,
    damping: float = 1e-3,
    max_iterations: int = 100,
    rtol: float = 1e-3,
    rank: int = 0,
) -> optax.GradientTransformationExtraArgs:
    r"""Damped Gauss-Newton steps for $\tfrac12 |r(\theta)|^2$ by conjugate gradients, without forming a Jacobian.

    $$(J^T J + \mu I)\, d = J^T r, \qquad \theta \leftarrow \theta - t d,$$

    with $J = \partial r / \partial \theta$ applied by forward and reverse mode, $t$ by backtracking and $\mu$ raised or
    lowered as the decrease was below or above what the linear model promised (Levenberg and Marquardt). For residuals
    of a physics-informed network $J^T J$ is the metric of the energy natural gradient.

    Parameters
    ----------
    residual_fn
        `params -> r`, any pytree of real arrays, of the parameters as `update` gets them. None: given at each `update`
        as `residual_fn=`.
    damping
        The first $\mu$, relative to the curvature along the gradient, $|J g|^2 / |g|^2$.
    max_iterations
        Products with $J^T J$ per step at most.
    rtol
        Relative residual at which the iteration ends.
    rank
        Size of the randomised Nystrom preconditioner; 0: none. Each step costs as many products more; worth it where
        conjugate gradients run into `max_iterations`.

    Returns
    -------
    An Optax transformation; `run` and `fit` take it with `loss_fn` half the sum of squares of the same residuals. A
    step that finds no decrease leaves the parameters and raises the damping.

    Raises
    ------
    TypeError, ValueError
        For settings out of range, an `update` without `params` or `residual_fn`, or residuals that are not real floats.

    Notes
    -----
    Costs up to `max_iterations + rank` pairs of a Jacobian-vector and a vector-Jacobian product per step, memory of one
    linearised evaluation (plus `n rank`). For up to about 2,000 parameters the dense methods converge in less time; use
    float64 for residuals below about 1e-3. The gradient that is passed in is not used.

    References
    ----------
    Müller, Zeinhofer: Achieving high accuracy with PINNs via energy natural gradient descent, ICML 2023. Martens: New
    insights and perspectives on the natural gradient method, JMLR 21 (2020).
    """
    if not (damping > 0 and max_iterations >= 1 and 0 < rtol < 1 and rank >= 0):
        msg = (
            "`natural_gradient` needs damping > 0, max_iterations >= 1, 0 < rtol < 1 and rank >= 0; got "
            f"damping={damping}, max_iterations={max_iterations}, rtol={rtol}, rank={rank}."
        )
        raise ValueError(msg)
    given = residual_fn

    def init(params: PyTree) -> NaturalGradientState:
        flat, _ = ravel_pytree(params)
        return NaturalGradientState(jnp.int32(0), jnp.asarray(damping, flat.dtype))

    def update(
        updates: PyTree, state: Any, params: PyTree | None = None, *, residual_fn: Any = None, **_: Any
    ) -> tuple[PyTree, NaturalGradientState]:
        del updates
        chosen = given if residual_fn is None else residual_fn
        if chosen is None or params is None:
            msg = (
                "`natural_gradient` needs the parameters and their residuals; got None. Pass `residual_fn=` to it or "
                "to `update(grads, state, params, residual_fn=...)`."
            )
            raise ValueError(msg)
        flat, unravel = ravel_pytree(params)
        residuals = lambda x: as_vector(chosen(unravel(x)))
        move, new = _step(residuals, flat, state, (max_iterations, rtol, min(rank, flat.size)))
        return unravel(move), new

    return optax.GradientTransformationExtraArgs(init, update)


def _step(residuals: Callable, x: Array, state: NaturalGradientState, settings: tuple) -> tuple[Array, Any]:
    max_iterations, rtol, rank = settings
    value, push = jax.linearize(residuals, x)
    pull = jax.linear_transpose(push, x)
    normal = lambda v: pull(push(v))[0]
    gradient = pull(value)[0]
    cost = 0.5 * jnp.dot(value, value)
    size = jnp.dot(gradient, gradient)
    along = push(gradient)
    curvature = jnp.dot(along, along) / jnp.where(size > 0, size, 1)
    damping = jnp.where(state.count == 0, state.damping * curvature, state.damping).astype(x.dtype)
    damping = jnp.maximum(damping, jnp.finfo(x.dtype).tiny ** 0.5)
    precondition = None
    if rank:
        key = jax.random.fold_in(jax.random.key(0), state.count)
        precondition = nystrom_preconditioner(normal, key, x.size, rank, damping, x.dtype)
    shifted = lambda v: normal(v) + damping * v
    direction, _ = jax.scipy.sparse.linalg.cg(shifted, gradient, tol=rtol, maxiter=max_iterations, M=precondition)
    slope = jnp.dot(gradient, direction)
    length, ratio = _backtrack(
        residuals, x, direction, cost, slope, 0.5 * (slope + damping * jnp.dot(direction, direction))
    )
    # A ratio near one: the model is good further out. A short or failed step: it is not.
    factor = jnp.where(ratio > 0.75, 1 / 3, jnp.where(ratio < 0.25, jnp.where(length > 0, 2.0, 10.0), 1.0))
    # Beyond these, rounding or the gradient alone decide.
    eps = jnp.finfo(x.dtype).eps
    damping = jnp.clip(damping * factor.astype(x.dtype), eps**2 * curvature, curvature / eps)
    move = jnp.where(length > 0, -length * direction, jnp.zeros_like(direction))
    return move, NaturalGradientState(state.count + 1, damping)


def _backtrack(residuals: Callable, x: Array, direction: Array, cost: Array, slope: Array, promised: Array) -> tuple:
    """The longest of the steps 1, 1/2, 1/4, ... that decreases the cost (0: none), and how well the first one did."""

    def fall(length: Array) -> Array:
        there = residuals(x - length * direction)
        fallen = cost - 0.5 * jnp.dot(there, there)
        return jnp.where(jnp.isfinite(fallen), fallen, -jnp.inf)

    one = jnp.ones((), x.dtype)
    first = fall(one)
    enough = lambda length, fallen: fallen > 1e-4 * length * jnp.maximum(slope, 0)
    going = lambda carry: ~enough(*carry) & (carry[0] > SHORTEST)
    halve = lambda carry: (carry[0] / 2, fall(carry[0] / 2))
    length, fallen = while_loop(going, halve, (one, first), x, cost, direction, slope)
    return jnp.where(enough(length, fallen), length, 0), first / jnp.where(promised > 0, promised, 1)
