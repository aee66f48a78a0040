"""Convection reduced to three modes (Lorenz 1963): the standard chaotic system."""

import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Float

from ..equations import ODEProblem
from .problem import ZooProblem, select_references

REFERENCES = {
    0.5: (1e-15, [6.50315997187070497, -8.48701600842769069, 38.0734777873723907]),
    1.0: (1e-15, [-9.40845056705603606, -9.09619907118647917, 28.5816276243923386]),
    5.0: (1e-14, [-6.97457047268481888, -7.02106089082253155, 25.1196164921275943]),
    10.0: (1e-14, [-5.85768538242409124, -5.83108248642610320, 23.9321329870275644]),
}


def lorenz_field(t: ArrayLike, y: Float[Array, "3"], args: Float[Array, "3"]) -> Float[Array, "3"]:
    """x' = σ(y - x), y' = x(ρ - z) - y, z' = xy - βz; args = (σ, ρ, β)."""
    sigma, rho, beta = args
    return jnp.stack([sigma * (y[1] - y[0]), y[0] * (rho - y[2]) - y[1], y[0] * y[1] - beta * y[2]])


def lorenz(t1: float = 10.0) -> ZooProblem:
    """The Lorenz equations from (1, 0, 0) with (σ, ρ, β) = (10, 28, 8/3).

    Neighbouring solutions separate by a factor of e every 1.1 time units, so no reference is given past t = 10; in
    single precision a trajectory means little past t = 15.

    References
    ----------
    Lorenz, J. Atmos. Sci. 20 (1963) 130-141. Reference values: Gragg extrapolation in extended precision.
    """
    references, accuracy = select_references(REFERENCES, t1)
    return ZooProblem(
        name="lorenz",
        tags=frozenset({"nonstiff", "small", "autonomous", "chaotic", "oscillatory"}),
        problem=ODEProblem(lorenz_field, jnp.asarray([1.0, 0.0, 0.0]), 0.0, t1, jnp.asarray([10.0, 28.0, 8.0 / 3.0])),
        source="Lorenz, J. Atmos. Sci. 20 (1963) 130-141",
        references=references,
        accuracy=accuracy,
    )
