"""Predator and prey (Lotka 1925; Volterra 1926): closed orbits around a centre."""

import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Float

from ..equations import ODEProblem
from .problem import ZooProblem, select_references

REFERENCES = {10.0: (1e-14, [1.02634476757508932, 0.909691078136041618])}


def lotka_volterra_field(t: ArrayLike, y: Float[Array, "2"], args: Float[Array, "4"]) -> Float[Array, "2"]:
    """x' = αx - βxy, y' = -γy + δxy; args = (α, β, γ, δ)."""
    alpha, beta, gamma, delta = args
    prey, predator = y[0], y[1]
    return jnp.stack([alpha * prey - beta * prey * predator, -gamma * predator + delta * prey * predator])


def lotka_volterra_potential(t: ArrayLike, y: Float[Array, "2"], args: Float[Array, "4"]) -> Float[Array, ""]:
    """V = δx - γ ln x + βy - α ln y."""
    alpha, beta, gamma, delta = args
    return delta * y[0] - gamma * jnp.log(y[0]) + beta * y[1] - alpha * jnp.log(y[1])


def lotka_volterra(t1: float = 10.0) -> ZooProblem:
    """The Lotka-Volterra equations from (1, 1) with (α, β, γ, δ) = (1.5, 1, 3, 1).

    The first problem to try a fit on: two states, four parameters, all identifiable. Not a test of stability: it is
    neither stiff nor sensitive.

    References
    ----------
    Lotka, Elements of Physical Biology (1925). Reference value: computed in extended precision.
    """
    references, accuracy = select_references(REFERENCES, t1)
    return ZooProblem(
        name="lotka_volterra",
        tags=frozenset({"nonstiff", "small", "autonomous", "conservative", "oscillatory", "ecology"}),
        problem=ODEProblem(lotka_volterra_field, jnp.asarray([1.0, 1.0]), 0.0, t1, jnp.asarray([1.5, 1.0, 3.0, 1.0])),
        source="Lotka, Elements of Physical Biology, 1925",
        references=references,
        accuracy=accuracy,
        invariants={"potential": lotka_volterra_potential},
    )
