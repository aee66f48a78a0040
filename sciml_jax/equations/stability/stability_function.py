"""The stability function of a method: what one step makes of the linear test equation."""

import functools
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Complex

from ...core.checks import check_instance
from ..controllers.fixed_step import FixedStep
from ..methods.auto_switch import AutoSwitch
from ..methods.one_step import AbstractOneStepMethod
from ..problem import ODEProblem
from ..stepping import init, step
from .abstract import AbstractStabilityFunction
from .linear_multistep import method_stability


class OneStepStability(AbstractStabilityFunction):
    """The stability function of a one-step method, by taking the step."""

    method: AbstractOneStepMethod = eqx.field(static=True)

    @property
    def name(self) -> str:
        """The method's name."""
        return self.method.name

    def evaluate(self, z: Complex[Array, "..."]) -> Complex[Array, "..."]:
        """One step of size 1 from `y = 1` for every entry; NaN where the step fails."""
        return _one_step(self.method, z)


def stability_function(method: Any) -> AbstractStabilityFunction:
    """The stability function R of a method: `y_(n+1) = R(h lambda) y_n` for the test equation `y' = lambda y`.

    The method is stable for a mode of the Jacobian with eigenvalue lambda where `|R(h lambda)| <= 1`. For a one-step
    method R is found by taking one step of size 1 with `lambda = z`, in real arithmetic on the real and the imaginary
    part, so it is that of the very code that solves problems: a polynomial for explicit methods, a rational function
    for implicit ones, exact to rounding. For multistep methods R is the root of largest modulus of the characteristic
    polynomial for equal steps, the factor by which the solution grows in the long run.

    Parameters
    ----------
    method
        A one-step method such as `sj.RK4()` or `sj.Rodas5P()`, an Adams method or `sj.BDF(order)`. Of methods of
        variable order it is R of the formula of their highest order, the least stable one. `sj.RKC` chooses its stages
        from z unless it is given `spectral_radius`, and R then is piecewise. Of `sj.AutoSwitch` it is R of the
        non-stiff method.

    Returns
    -------
    AbstractStabilityFunction
        `R(z)` for real or complex arrays of any shape: complex values of that shape, NaN where a step overflows. It
        works under `jit`, `vmap` and `grad`. The precision is that of `z`.

    Raises
    ------
    TypeError
        For what is not one of our methods.
    ValueError
        For symplectic methods, whose problems are not `y' = lambda y`, and for multistep methods of others: pass their
        coefficients to `multistep_stability`.

    Notes
    -----
    Compiled once per method and shape of `z`, in about a second; then some tens of nanoseconds per stage and entry.

    References
    ----------
    Hairer & Wanner, Solving Ordinary Differential Equations II (1996), IV.2, IV.3 and V.1.

    Examples
    --------
    >>> sj.stability_function(sj.RK4())(-1.0)  # 1 + z + z^2/2 + z^3/6 + z^4/24
    Array(0.375+0.j, dtype=complex128)
    """
    check_instance(method, AbstractOneStepMethod, "method", "sj.Rodas5P()")
    if isinstance(method, AutoSwitch):
        return stability_function(method.nonstiff)
    multistep = method_stability(method)
    if multistep is not None:
        return multistep
    if ODEProblem not in method.problem_types:
        kinds = ", ".join(kind.__name__ for kind in method.problem_types)
        msg = (
            f"`stability_function` needs a method for `ODEProblem`, to which `y' = lambda y` belongs; got "
            f"`{method.name}`, which solves {kinds}. On `y'' = -omega^2 y` such a method is stable up to a largest "
            "`h omega`: look at the energy of a solution."
        )
        raise ValueError(msg)
    if method.carries_memory:
        msg = (
            f"`stability_function` needs a one-step method, or one of the multistep methods whose coefficients it "
            f"knows; got `{method.name}`, whose steps depend on earlier ones. Pass the coefficients of one order to "
            "`sj.multistep_stability(alpha, beta)`."
        )
        raise ValueError(msg)
    return OneStepStability(method)


def as_stability_function(value: Any) -> Any:
    """A method's stability function; a stability function, or any function `R(z)` of complex arrays, as it is."""
    if isinstance(value, type) or not callable(value):
        return stability_function(value)
    return value


def _rotation(t: Any, y: tuple, z: tuple) -> tuple:
    """`y' = z y` by real and imaginary parts."""
    del t
    return z[0] * y[0] - z[1] * y[1], z[0] * y[1] + z[1] * y[0]


@functools.partial(jax.jit, static_argnums=0)
def _one_step(method: AbstractOneStepMethod, z: Any) -> Any:
    def advance(real, imaginary):
        start = jnp.ones_like(real), jnp.zeros_like(real)
        problem = ODEProblem(_rotation, start, 0.0, 1.0, (real, imaginary))
        state = step(init(problem, method, dt0=1.0, controller=FixedStep(), on_failure="status"))
        # A method that gave up on the step and took a shorter one has not told R(z).
        arrived = state.t == 1.0
        return tuple(jnp.where(arrived, part, jnp.nan) for part in state.y)

    real, imaginary = jax.vmap(advance)(z.real.ravel(), z.imag.ravel())
    return jax.lax.complex(real, imaginary).reshape(z.shape)
