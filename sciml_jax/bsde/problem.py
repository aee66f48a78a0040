"""A semilinear parabolic equation with a terminal condition."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from ..core.callables import as_callable
from ..core.checks import check_interval
from ..core.tree import is_concrete
from .problem_checks import check_coefficients, check_driver, check_obstacle, check_start, check_terminal

Z_KINDS = ("sigma_grad", "grad")


class ParabolicProblem(eqx.Module):
    r"""A terminal value problem $u_t + \tfrac12 \mathrm{tr}(\sigma\sigma^T D^2 u) + \mu\cdot\nabla u + f(t,x,u,z) = 0$.

    With $u(t_1, x) = g(x)$; wanted at $(t_0, x_0)$. Equivalently $Y_t = u(t, X_t)$ in the backward stochastic equation

    .. math:: dX = \mu\,dt + \sigma\,dW, \qquad dY = -f(t, X, Y, Z)\,dt + Z\cdot dW, \qquad Y_{t_1} = g(X_{t_1}),

    where $Z = \sigma^T \nabla u$, whatever the driver is written in.

    Parameters
    ----------
    drift
        $\mu$: a number, an array (d,), or a function `(t, x) -> ` either.
    diffusion
        $\sigma$: a number (times the identity), an array (d,) (a diagonal), a matrix (d, m), or a function
        `(t, x) -> ` one of them. A number and a diagonal cost O(d) where a matrix costs O(d m).
    driver
        $f$: a function `(t, x, u, z) -> ()`, or None for zero.
    terminal
        $g$: a function `x -> ()`.
    x0
        Where the solution is wanted, shape (d,).
    t1
        The time of the terminal condition, after `t0`.
    z
        What the driver's `z` means: `"sigma_grad"` for $\sigma^T \nabla u$, shape (m,) (the default where sigma is a
        number, diagonal or square); `"grad"` for $\nabla u$, shape (d,). Literature uses both; a mistake changes the
        equation (by the factor sigma, in Hamilton-Jacobi-Bellman equations sigma squared).
    t0
        The time at which the solution is wanted.
    transition
        The exact forward step where it is known, `(t, x, dt, dw) -> x` at `t + dt`, with `dw` (m,) the increment of the
        Brownian motion. None takes Euler and Maruyama's. It must belong to `drift` and `diffusion`.
    obstacle
        $\psi$: a function `(t, x) -> ()`, what stopping at once pays. The solution is then never below it (American
        options): $\max(u_t + \dots + f, \psi - u) = 0$ with $\psi(t_1, \cdot) \le g$. Methods that do not treat
        obstacles refuse it.

    Raises
    ------
    TypeError, ValueError
        For shapes that do not match, `z` undeclared for a matrix that is not square, a terminal value at `x0` that is
        not finite, an obstacle above the terminal value (at `x0` and some points around it).

    Notes
    -----
    Arrays among the fields are traced: they can be differentiated and mapped over. So can values that the functions
    close over, if the problem is made inside the transformation.

    References
    ----------
    Pardoux & Peng, Backward stochastic differential equations and quasilinear parabolic partial differential equations,
    Lecture Notes in Control and Information Sciences 176 (1992).
    """

    drift: Any
    diffusion: Any
    driver: Callable | None
    terminal: Callable
    x0: Float[Array, " d"]
    t0: Float[Array, ""]
    t1: Float[Array, ""]
    transition: Callable | None
    obstacle: Callable | None
    z: str = eqx.field(static=True)

    def __init__(
        self,
        drift: Any,
        diffusion: Any,
        driver: Callable | None,
        terminal: Callable,
        x0: Any,
        t1: Any,
        *,
        z: str | None = None,
        t0: Any = 0.0,
        transition: Callable | None = None,
        obstacle: Callable | None = None,
    ):
        self.x0 = check_start(x0)
        check_interval(t0, t1)
        if is_concrete((t0, t1)) and float(t1) < float(t0):
            msg = f"`t1` must come after `t0`; got t0 = {float(t0)}, t1 = {float(t1)}. Swap them."
            raise ValueError(msg)
        dtype = self.x0.dtype
        self.t0, self.t1 = jnp.asarray(t0, dtype), jnp.asarray(t1, dtype)
        self.drift = _coefficient(drift, "drift", dtype)
        self.diffusion = _coefficient(diffusion, "diffusion", dtype)
        self.terminal = as_callable(terminal, "terminal", "x")
        self.driver = None if driver is None else as_callable(driver, "driver", "t", "x", "u", "z")
        self.transition = None if transition is None else as_callable(transition, "transition", "t", "x", "dt", "dw")
        self.obstacle = None if obstacle is None else as_callable(obstacle, "obstacle", "t", "x")
        self.z = "sigma_grad" if z is None else z
        square = check_coefficients(self)
        if z is None and not square:
            msg = (
                "`z` must be declared where the diffusion is not square; got z=None for a diffusion of shape "
                f"{self.sigma_shape}. Pass z='sigma_grad' (then the driver's z has shape ({self.sigma_shape[1]},)) or "
                f"z='grad' (then ({self.sigma_shape[0]},))."
            )
            raise ValueError(msg)
        if self.z not in Z_KINDS:
            msg = f"`z` must be 'sigma_grad' or 'grad'; got {z!r}. Say what the driver's z means."
            raise ValueError(msg)
        check_terminal(self)
        check_driver(self)
        check_obstacle(self)

    @property
    def dim(self) -> int:
        """Number of coordinates d."""
        return self.x0.shape[0]

    @property
    def sigma_shape(self) -> tuple[int, ...]:
        """Shape of the diffusion: () times the identity, (d,) diagonal, or (d, m)."""
        return jax.eval_shape(lambda t, x: self.sigma(t, x), self.t0, self.x0).shape

    @property
    def num_noises(self) -> int:
        """Number of Brownian motions m."""
        shape = self.sigma_shape
        return shape[1] if len(shape) == 2 else self.dim

    def mu(self, t: Any, x: Float[Array, " d"]) -> Array:
        """The drift at a point, shape () or (d,)."""
        return jnp.asarray(self.drift(t, x) if callable(self.drift) else self.drift, x.dtype)

    def sigma(self, t: Any, x: Float[Array, " d"]) -> Array:
        """The diffusion at a point, shape (), (d,) or (d, m)."""
        return jnp.asarray(self.diffusion(t, x) if callable(self.diffusion) else self.diffusion, x.dtype)

    def spread(self, t: Any, x: Float[Array, " d"], dw: Float[Array, " m"]) -> Float[Array, " d"]:
        r"""$\sigma\,dw$."""
        sigma = self.sigma(t, x)
        return sigma @ dw if sigma.ndim == 2 else sigma * dw

    def to_z(self, t: Any, x: Float[Array, " d"], gradient: Float[Array, " d"]) -> Float[Array, " m"]:
        r"""$Z = \sigma^T \nabla u$ from the gradient."""
        sigma = self.sigma(t, x)
        return sigma.T @ gradient if sigma.ndim == 2 else sigma * gradient

    def to_gradient(self, t: Any, x: Float[Array, " d"], z: Float[Array, " m"]) -> Float[Array, " d"]:
        r"""$\nabla u$ from $Z$: the part that the noise sees (zero along coordinates without noise)."""
        sigma = self.sigma(t, x)
        if sigma.ndim == 2:
            return jnp.linalg.solve(sigma.T, z) if sigma.shape[0] == sigma.shape[1] else jnp.linalg.lstsq(sigma.T, z)[0]
        return jnp.where(sigma == 0, 0, z / jnp.where(sigma == 0, 1, sigma))

    def f(self, t: Any, x: Float[Array, " d"], u: Any, z: Float[Array, " m"]) -> Float[Array, ""]:
        r"""The driver in terms of $Z = \sigma^T \nabla u$."""
        if self.driver is None:
            return jnp.zeros((), x.dtype)
        given = z if self.z == "sigma_grad" else self.to_gradient(t, x, z)
        return jnp.asarray(self.driver(t, x, u, given), x.dtype)

    def g(self, x: Float[Array, " d"]) -> Float[Array, ""]:
        """The terminal value."""
        return jnp.asarray(self.terminal(x), x.dtype)

    def step(self, t: Any, x: Float[Array, " d"], dt: Any, dw: Float[Array, " m"]) -> Float[Array, " d"]:
        """The state after one step of the forward equation."""
        if self.transition is not None:
            return jnp.asarray(self.transition(t, x, dt, dw), x.dtype)
        return x + self.mu(t, x) * dt + self.spread(t, x, dw)


def _coefficient(value: Any, name: str, dtype: Any) -> Any:
    return as_callable(value, name, "t", "x") if callable(value) else jnp.asarray(value, dtype)
