"""A damped rotation of the plane: the linear problem with a closed form."""

import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Float

from ..equations import ODEProblem
from .problem import ZooProblem, select_references

REFERENCES = {
    1.0: (1e-14, [-0.75309045821029763069, -1.6455326718313834174]),
    10.0: (1e-14, [0.30025000170400125245, -0.67170757731560391604]),
}


def linear_oscillator_field(t: ArrayLike, y: Float[Array, "2"], args: Float[Array, "2"]) -> Float[Array, "2"]:
    """u' = [[-d, ω], [-ω, -d]] u; args = (d, ω)."""
    decay, frequency = args
    return jnp.stack([-decay * y[0] + frequency * y[1], -frequency * y[0] - decay * y[1]])


def linear_oscillator_exact(t: ArrayLike, args: Float[Array, "2"]) -> Float[Array, "2"]:
    """u = 2 e^{-dt} (cos ωt, -sin ωt)."""
    decay, frequency = args
    return 2.0 * jnp.exp(-decay * t) * jnp.stack([jnp.cos(frequency * t), -jnp.sin(frequency * t)])


def linear_oscillator_energy(t: ArrayLike, y: Float[Array, "2"], args: Float[Array, "2"]) -> Float[Array, ""]:
    """e^{2dt} |u|², which the decay leaves at 4."""
    return jnp.exp(2.0 * args[0] * t) * (y[0] * y[0] + y[1] * y[1])


def linear_oscillator(t1: float = 10.0) -> ZooProblem:
    """A damped linear oscillator from (2, 0) with decay 0.1 and angular frequency 2.

    Every sensitivity is known. Being linear and autonomous it does not see most order conditions of a Runge-Kutta
    method: measure orders on `modulated_hopf`.
    """
    references, accuracy = select_references(REFERENCES, t1)
    return ZooProblem(
        name="linear_oscillator",
        tags=frozenset({"nonstiff", "small", "autonomous", "closed_form", "oscillatory", "mechanics"}),
        problem=ODEProblem(linear_oscillator_field, jnp.asarray([2.0, 0.0]), 0.0, t1, jnp.asarray([0.1, 2.0])),
        source="closed form",
        references=references,
        accuracy=accuracy,
        invariants={"scaled_energy": linear_oscillator_energy},
        exact=linear_oscillator_exact,
    )
