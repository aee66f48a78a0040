"""The Runge-Kutta-Chebyshev method of order 2."""

from collections.abc import Callable
from typing import Any, ClassVar

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jax import lax

from ...core.tree import describe, is_concrete
from ...numerics.combine import linear_combination
from ...numerics.interpolation import cubic_hermite
from ...numerics.loops import vary_like
from .chebyshev_coefficients import chebyshev_coefficients
from .one_step import AbstractOneStepMethod, Step
from .spectral_radius import estimate_spectral_radius


def _as_radius(radius: Any) -> float | Callable | None:
    if radius is None or callable(radius):
        return radius
    number = is_concrete(radius) and np.shape(radius) == () and np.isrealobj(radius)
    if not number or isinstance(radius, (bool, str)):
        msg = (
            "`spectral_radius` must be a real number that is known when tracing, a function `(t, y, args)` or None; "
            f"got {describe(radius)}. Pass a float, or a function where it depends on `args`."
        )
        raise TypeError(msg)
    if not (np.isfinite(radius) and radius > 0):
        msg = f"`spectral_radius` must be positive and finite; got {radius}. Pass, for `D u_xx`, `4 * D / dx**2`."
        raise ValueError(msg)
    return float(radius)


class RKC(AbstractOneStepMethod):
    """Runge-Kutta-Chebyshev: order 2, explicit, stable on a long piece of the negative real axis. For diffusion.

    With s stages a step is stable for eigenvalues of the Jacobian in `[-0.65 s^2 / h, 0]` and a narrow strip around it:
    the reach grows with the square of the work. The number of stages is chosen in every step as the smallest that
    covers `h rho`, rho being the spectral radius of the Jacobian.

        Y_0 = y,   Y_1 = Y_0 + mu~_1 h F_0
        Y_j = (1 - mu_j - nu_j) Y_0 + mu_j Y_(j-1) + nu_j Y_(j-2) + mu~_j h F_(j-1) + gamma~_j h F_0,   y1 = Y_s

    with `F_j = f(t + c_j h, Y_j)` and coefficients from Chebyshev polynomials. The error is estimated by
    `0.8 (y - y1) + 0.4 h (f(t, y) + f(t1, y1))`. That is the error of one step, h^3, and the errors of many add up to
    h^2: the error of the solution falls as `rtol^(2/3)`. The dense output is a cubic Hermite polynomial.

    For mildly stiff problems with (nearly) real negative eigenvalues: heat and reaction-diffusion equations by the
    method of lines, in two and three dimensions, with states too large for the linear systems of `Rodas5P`, and `rtol`
    of 1e-2 to 1e-5. Not for eigenvalues near the imaginary axis (advection, waves: `Tsit5`), and not for severe
    stiffness (chemical kinetics: `Rodas5P`), where `h rho` reaches millions.

    Parameters
    ----------
    spectral_radius
        An upper bound of the spectral radius of the Jacobian `df/dy` along the solution, in units of 1/time: a float,
        or a function `(t, y, args) -> float`. For `D u_xx` on a grid of width dx it is `4 D / dx^2` (in d dimensions,
        d times that). None: estimated in every step by nonlinear power iteration and enlarged by a fifth. An estimate
        that is too small makes steps unstable, which the error estimate notices and rejects.
    max_stages
        The largest number of stages. Where `h rho` is more than these can take, stability limits the steps through the
        error estimate, as it does with any explicit method; with fixed steps the solution then grows without bound.
    power_iterations
        Evaluations of the vector field for each estimate of the spectral radius.

    Notes
    -----
    Cost of a step: one evaluation per stage, and `power_iterations` more without `spectral_radius`. Stages beyond the
    number chosen are skipped, in derivatives too; but under `vmap` every lane pays for `max_stages`, so set those to
    what the batch needs. `stats.num_vector_field` counts `max_stages` for every step: an upper bound. The reverse pass
    keeps two states for each of the `max_stages` stages of the one step that it is at.

    The number of stages is an integer, so derivatives pass it by: they are those of the scheme with its number of
    stages held fixed, and nothing is differentiated through `spectral_radius`.

    References
    ----------
    Sommeijer, Shampine & Verwer, RKC: an explicit solver for parabolic PDEs, J. Comput. Appl. Math. 88 (1997) 315-326.
    """

    spectral_radius: float | Callable | None = eqx.field(default=None, static=True, converter=_as_radius)
    max_stages: int = eqx.field(default=100, static=True)
    power_iterations: int = eqx.field(default=5, static=True)

    order: ClassVar[int] = 2
    error_order: ClassVar[int | None] = 3

    def __check_init__(self):
        _check_count(self.max_stages, "max_stages", 2)
        _check_count(self.power_iterations, "power_iterations", 1)

    @property
    def evaluations_per_step(self) -> int:  # pyright: ignore[reportIncompatibleVariableOverride]
        """An upper bound: the number of stages varies from step to step."""
        return self.max_stages + (self.power_iterations if self.spectral_radius is None else 0)

    def functions(self) -> tuple:
        """The function for the spectral radius, if there is one."""
        return (self.spectral_radius,) if callable(self.spectral_radius) else ()

    def step(self, system: Any, ta: Any, tb: Any, y: tuple, f0: tuple | None = None) -> Step:
        """Advance `y` from `ta` to `tb`; cost: as many evaluations as the step needs stages."""
        h = jnp.asarray(tb - ta)
        slope0: tuple = system.vector_field(ta, y) if f0 is None else f0
        count = self.stages(h, self._radius(system, ta, y, slope0))
        table = jnp.asarray(chebyshev_coefficients(self.max_stages), h.dtype)[count]
        first = linear_combination(y, h, (table[1, 3],), [slope0])

        def advance(stages, coefficients):
            previous, before = stages
            node, mu, nu, mu_slope, nu_slope = coefficients
            slope = system.vector_field(ta + node * h, previous)
            old = linear_combination(None, None, (1 - mu - nu, mu, nu), [y, previous, before])
            return linear_combination(old, h, (mu_slope, nu_slope), [slope, slope0]), previous

        def stage(stages, row):
            index, coefficients = row
            return lax.cond(index <= count, lambda s: advance(s, coefficients), lambda s: s, stages), None

        start = vary_like((first, y), first, y, h, slope0)
        rows = (jnp.arange(2, self.max_stages + 1, dtype=count.dtype), table[2:])
        (y1, _), _ = lax.scan(stage, start, rows)
        f1 = system.vector_field(tb, y1)
        fallen = tuple(a - b for a, b in zip(y, y1, strict=True))
        error = linear_combination(linear_combination(None, None, (0.8,), [fallen]), h, (0.4, 0.4), [slope0, f1])
        return Step(y1, error, f1, (h, y, y1, slope0, f1))

    def stages(self, h: Any, radius: Any) -> Any:
        """The number of stages for a step `h` (either sign) at a spectral radius: an integer from 2 to `max_stages`."""
        needed = jnp.ceil(jnp.sqrt(1.0 + lax.stop_gradient(jnp.abs(h) * radius) / 0.65))
        # NaN (a vector field that is not finite) becomes the bound, and the step is rejected for its NaN.
        needed = jnp.where(needed <= self.max_stages, needed, self.max_stages)
        return jnp.maximum(needed, 2).astype(jnp.int32)

    def interpolate(self, dense: Any, fraction: Any) -> tuple:
        """Cubic Hermite interpolation; its error behaves as h^4, that of the method as h^2."""
        h, y, y1, f0, f1 = dense
        return cubic_hermite(h, y, y1, f0, f1, fraction)

    def _radius(self, system, t, y, f0):
        if self.spectral_radius is None:
            return estimate_spectral_radius(system, t, y, f0, self.power_iterations)
        if callable(self.spectral_radius):
            return system.spectral_radius(t, y)
        return self.spectral_radius


def _check_count(count: Any, name: str, smallest: int) -> None:
    if isinstance(count, bool) or not isinstance(count, (int, np.integer)):
        msg = f"`{name}` must be an integer that is known when tracing; got {count!r}. Pass, for example, `{name}=50`."
        raise TypeError(msg)
    if count < smallest:
        msg = f"`{name}` must be at least {smallest}; got {count}. Leave it out for the default."
        raise ValueError(msg)
