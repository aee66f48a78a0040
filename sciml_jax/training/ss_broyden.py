"""The self-scaled Broyden method: quasi-Newton steps with a dense inverse Hessian."""

from typing import Any, NamedTuple

import jax.numpy as jnp
import optax
from jax import lax
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Float, Int, PyTree


class ScaleBySSBroydenState(NamedTuple):
    """The inverse Hessian and where the last direction was taken."""

    count: Int[Array, ""]
    point: Float[Array, " n"]
    slope: Float[Array, " n"]
    direction: Float[Array, " n"]
    inverse_hessian: Float[Array, "n n"]


def ss_broyden(max_linesearch_steps: int = 30) -> optax.GradientTransformationExtraArgs:
    r"""Quasi-Newton steps $-t H g$ by the self-scaled Broyden family, with a strong Wolfe line search for $t$.

    With $s = \theta_{k+1} - \theta_k$ and $y = g_{k+1} - g_k$, after every step

    $$H \leftarrow \frac{1}{\tau} \left[ H - \frac{H y y^T H}{y^T H y} + \varphi\, y^T H y\, v v^T \right] +
    \frac{s s^T}{y^T s}, \qquad v = \frac{s}{y^T s} - \frac{H y}{y^T H y},$$

    where $\varphi$ and the scaling $\tau \le 1$ follow from $y^T s$, $y^T H y$ and $s^T H^{-1} s$ (Al-Baali's choices).
    For deterministic losses with a few thousand parameters in float64, where it goes orders of magnitude deeper than
    Adam and L-BFGS: the last digits of physics-informed networks.

    Parameters
    ----------
    max_linesearch_steps
        Evaluations of loss and gradient per step at most; most steps take one or two.

    Returns
    -------
    An Optax transformation for `run` and `fit`; other loops pass `value=`, `grad=` and `value_fn=` to `update`, as for
    `optax.lbfgs`.

    Raises
    ------
    TypeError
        For complex parameters.

    Notes
    -----
    Memory $n^2$ numbers and work $O(n^2)$ per step for n parameters: up to about 5,000. Not for minibatches or noisy
    losses: `y` would be noise. In float32 it stops two to three digits below the start; use `soap` there. Where a step
    makes no progress or curvature is lost the inverse Hessian starts again from the identity.

    References
    ----------
    Urban, Stefanou, Pons: Unveiling the optimization process of physics informed neural networks, J. Comput. Phys. 523
    (2025). Kiyani et al.: Optimizing the optimizer for physics-informed neural networks and Kolmogorov-Arnold networks,
    CMAME 446 (2025). Al-Baali: Optim. Methods Softw. 9 (1998).
    """
    search = optax.scale_by_zoom_linesearch(max_linesearch_steps=max_linesearch_steps, initial_guess_strategy="one")
    return optax.chain(scale_by_ss_broyden(), optax.scale(-1.0), search)


def scale_by_ss_broyden() -> optax.GradientTransformation:
    """The product of the gradient with the inverse Hessian of `ss_broyden`, without sign and line search.

    For chains of one's own: what follows may change the length of the step, not its direction.

    Returns
    -------
    An Optax transformation whose `update` needs `params`.

    Raises
    ------
    TypeError, ValueError
        For complex parameters, and for an `update` without `params`.
    """

    def init(params: PyTree) -> ScaleBySSBroydenState:
        point, _ = ravel_pytree(params)
        if not jnp.issubdtype(point.dtype, jnp.floating):
            msg = (
                f"`ss_broyden` needs real floating-point parameters; got {point.dtype}. Split complex ones into real "
                "and imaginary parts."
            )
            raise TypeError(msg)
        zeros = jnp.zeros_like(point)
        return ScaleBySSBroydenState(jnp.int32(0), zeros, zeros, zeros, jnp.eye(point.size, dtype=point.dtype))

    def update(updates: PyTree, state: Any, params: PyTree | None = None) -> tuple[PyTree, Any]:
        if params is None:
            msg = "`ss_broyden` needs the parameters; got None. Call `update(grads, state, params, ...)`."
            raise ValueError(msg)
        slope, unravel = ravel_pytree(updates)
        point, _ = ravel_pytree(params)
        inverse = _next_inverse(state, point, slope)
        direction = inverse @ slope
        # What is not downhill is an inverse Hessian spoilt by rounding.
        size = jnp.linalg.norm(slope) * jnp.linalg.norm(direction)
        usable = jnp.dot(slope, direction) > 10 * jnp.finfo(slope.dtype).eps * size
        restart = _scaled_identity(slope)
        inverse = jnp.where(usable, inverse, restart)
        direction = jnp.where(usable, direction, jnp.diagonal(restart) * slope)
        state = ScaleBySSBroydenState(state.count + 1, point, slope, direction, inverse)
        return unravel(direction), state

    return optax.GradientTransformation(init, update)


def _scaled_identity(slope: Array) -> Array:
    """The identity, shrunk so that the first step has length one at most: self-scaling only ever enlarges."""
    return jnp.eye(slope.size, dtype=slope.dtype) / jnp.maximum(1, jnp.linalg.norm(slope))


def _next_inverse(state: ScaleBySSBroydenState, point: Array, slope: Array) -> Array:
    """The inverse Hessian after the step from `state`."""
    s, y = point - state.point, slope - state.slope
    curvature = jnp.dot(s, y)
    eps = jnp.finfo(slope.dtype).eps
    usable = curvature > eps * jnp.linalg.norm(s) * jnp.linalg.norm(y)
    moved = jnp.any(s != 0)
    is_first = state.count == 0

    def revise(inverse: Array) -> Array:
        return _broyden(inverse, s, y, state)

    def keep(inverse: Array) -> Array:
        return jnp.where(is_first | ~moved, _scaled_identity(slope), inverse)

    return lax.cond(usable & ~is_first, revise, keep, state.inverse_hessian)


def _broyden(inverse: Array, s: Array, y: Array, state: ScaleBySSBroydenState) -> Array:
    """The update of the family, with its two parameters."""
    n, eps = s.size, jnp.finfo(s.dtype).eps
    curvature = jnp.dot(s, y)
    image = inverse @ y
    quadratic = jnp.dot(y, image)
    # The step is a multiple of the direction, so the inverse of H times the step is one of the gradient.
    length = -jnp.dot(s, state.direction) / jnp.dot(state.direction, state.direction)
    b = -length * jnp.dot(s, state.slope) / curvature
    h = quadratic / curvature
    # At least 0 by Cauchy and Schwarz, but for rounding.
    a = jnp.maximum(b * h - 1, eps)
    low = jnp.minimum(1, h * (1 - jnp.sqrt(a / (1 + a))))
    theta = jnp.maximum((low - 1) / a, jnp.minimum(1 / low, (1 - b) / b))
    sigma = 1 + a * theta
    shrink = sigma ** (1 / (1 - n)) if n > 1 else jnp.ones_like(sigma)
    inverse_b = jnp.minimum(1, 1 / b)
    tau = jnp.where(theta <= 0, jnp.minimum(inverse_b * shrink, sigma), inverse_b * jnp.minimum(shrink, 1 / theta))
    phi = (1 - theta) / sigma
    v = s / curvature - image / quadratic
    inside = inverse - jnp.outer(image, image / quadratic) + jnp.outer(v, phi * quadratic * v)
    new = inside / tau + jnp.outer(s, s / curvature)
    sound = jnp.isfinite(tau) & jnp.isfinite(phi) & (b > 0) & (quadratic > 0) & (tau > 0)
    return jnp.where(sound, new, inverse)
