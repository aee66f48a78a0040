"""Proportional-integral-derivative control of the step size."""

import dataclasses
from typing import Any

import equinox as eqx
import jax.numpy as jnp
from jax import lax


def as_times(tstops: Any) -> Any:
    """Times as an array, None as None."""
    return None if tstops is None else jnp.asarray(tstops)


class PIDController(eqx.Module):
    """Choose steps such that the estimated local error, in the weighted root-mean-square norm, stays below one.

    With `r_n = sqrt(mean(|e_i|^2 / (atol_i + rtol_i max(|y_i|, |y_i'|))^2))` for an error estimate that behaves as
    `h^k`, a step is accepted when `r_n <= 1` and the next one is longer by

        safety * r_n^(-(P + I + D)/k) * r_(n-1)^((P + 2 D)/k) * r_(n-2)^(-D/k),

    clipped to `[factormin, factormax]`. After a rejection the factor is `safety * r_n^(-1/k)`, at most 1.

    Parameters
    ----------
    pcoeff, icoeff, dcoeff
        The gains P, I, D. (0, 1, 0) is the classic controller and takes the fewest steps on smooth problems; (0.4, 0.3,
        0) is smoother where stability limits the step of an explicit method.
    safety, factormin, factormax
        Safety factor and bounds of the change per step.
    dtmin, dtmax
        Smallest and largest step size (positive; None for no bound). When a step has to be repeated with less than
        `dtmin`, the solve ends with `Status.STEP_TOO_SMALL`. Steps shortened to land on a time may be smaller.
    tstops
        Times that must be stepped on exactly, shape (S,): known discontinuities. Those outside the interval are
        ignored. Steps see the left limit at their end and the right limit at their beginning, which costs explicit
        methods one evaluation per step more. Derivatives with respect to them are included.

    References
    ----------
    Söderlind, Digital filters in adaptive time-stepping, ACM TOMS 29 (2003) 1-26. Hairer, Nørsett & Wanner, Solving
    Ordinary Differential Equations I (1993), II.4.
    """

    pcoeff: float = 0.0
    icoeff: float = 1.0
    dcoeff: float = 0.0
    safety: float = 0.9
    factormin: float = 0.2
    factormax: float = 10.0
    dtmin: Any = None
    dtmax: Any = None
    tstops: Any = eqx.field(default=None, converter=as_times)

    is_adaptive = True

    def factor(self, log_error, previous, before_previous, accepted, error_order: int):
        """Growth of the step from the logarithms (float32) of the last three error norms."""
        p, i, d = self.pcoeff, self.icoeff, self.dcoeff
        k = error_order
        weighed = (p + 2 * d) * previous - (p + i + d) * log_error - d * before_previous
        growth = self.safety * jnp.exp(jnp.where(accepted, weighed, -log_error) / k)
        return jnp.clip(growth, self.factormin, jnp.where(accepted, self.factormax, 1.0))


class ClassicController(PIDController):
    """The `PIDController` with gains (0, 1, 0), known as such while the program is traced: it does less per step."""

    def factor(self, log_error, previous, before_previous, accepted, error_order: int):
        """Growth of the step from the logarithm (float32) of the error norm."""
        del previous, before_previous
        growth = self.safety * jnp.exp(-log_error / error_order)
        return jnp.clip(growth, self.factormin, jnp.where(accepted, self.factormax, 1.0))


def as_classic(controller: Any) -> Any:
    """The same controller as a `ClassicController` where its gains are Python numbers and the classic ones."""
    if type(controller) is not PIDController:
        return controller
    gains = controller.pcoeff, controller.icoeff, controller.dcoeff
    if not all(isinstance(gain, (int, float)) for gain in gains) or gains != (0, 1, 0):
        return controller
    return ClassicController(
        **{field.name: getattr(controller, field.name) for field in dataclasses.fields(controller)}
    )


def log_norm(mean_square):
    """Logarithm of the norm, from its square, in float32: a factor needs few digits, and exp/log are then cheap."""
    squared = jnp.clip(lax.stop_gradient(mean_square), 1e-30, 1e30).astype(jnp.float32)
    return 0.5 * jnp.log(squared)
