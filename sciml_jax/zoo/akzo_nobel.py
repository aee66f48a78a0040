"""Absorption of carbon dioxide by two mixed species (Stortelder 1998): chemistry with one equilibrium, index 1."""

import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Float

from ..equations import ODEProblem
from .problem import ZooProblem, select_references

REFERENCES = {
    1.0: (
        1e-15,
        [
            *(4.271728006365566449e-1, 1.159613500780602792e-4, 8.404079538115673569e-3),
            *(6.979049614072900830e-3, 6.714319592502067364e-4, 3.453193654244978494e-1),
        ],
    ),
    10.0: (
        1e-15,
        [
            *(3.259126978145358295e-1, 4.559269909069075617e-4, 5.853011833830012306e-2),
            *(5.957855622214567552e-3, 6.440698580011528906e-3, 2.249118367511178382e-1),
        ],
    ),
    180.0: (
        1e-15,
        [
            *(1.150794920661702186e-1, 1.203831471567715093e-3, 1.611562887407974210e-1),
            *(3.656156421249283016e-4, 1.708010885264404071e-2, 4.873531310307455128e-3),
        ],
    ),
}


def akzo_nobel_field(t: ArrayLike, y: Float[Array, "6"], args: Float[Array, "9"]) -> Float[Array, "6"]:
    """Five reactions, an inflow, and the equilibrium 0 = Ks y1 y4 - y6; args = (k1, k2, k3, k4, K, kla, Ks, p, H)."""
    k1, k2, k3, k4, equilibrium, transfer, salt, pressure, henry = args
    root = jnp.sqrt(y[1])
    r1 = k1 * y[0] * y[0] * y[0] * y[0] * root
    r2 = k2 * y[2] * y[3]
    r3 = k2 / equilibrium * y[0] * y[4]
    r4 = k3 * y[0] * y[3] * y[3]
    r5 = k4 * y[5] * y[5] * root
    inflow = transfer * (pressure / henry - y[1])
    return jnp.stack(
        [
            -2.0 * r1 + r2 - r3 - r4,
            -0.5 * r1 - r4 - 0.5 * r5 + inflow,
            r1 - r2 + r3,
            -r2 + r3 - 2.0 * r4,
            r2 - r3 + r5,
            salt * y[0] * y[3] - y[5],
        ]
    )


def akzo_nobel(t1: float = 180.0) -> ZooProblem:
    """The chemical Akzo Nobel problem: mass matrix diag(1, 1, 1, 1, 1, 0).

    The square root of y2 asks a method to keep it positive; it falls from 1.2e-3 to 1.2e-4 by t = 1. With
    y6(0) = Ks y1(0) y4(0), whoever changes Ks changes the consistent initial value too.

    References
    ----------
    Stortelder, Parameter Estimation in Nonlinear Dynamical Systems, thesis, Amsterdam (1998); Mazzia & Magherini, Test
    Set for Initial Value Problem Solvers (2008), Chemical Akzo Nobel problem. Values from collocation in extended
    precision; the 14 digits of the Test Set agree.
    """
    references, accuracy = select_references(REFERENCES, t1)
    rates = [18.7, 0.58, 0.09, 0.42, 34.4, 3.3, 115.83, 0.9, 737.0]
    return ZooProblem(
        name="akzo_nobel",
        tags=frozenset({"stiff", "small", "autonomous", "dae", "index1", "chemistry"}),
        problem=ODEProblem(
            akzo_nobel_field,
            jnp.asarray([0.444, 0.00123, 0.0, 0.007, 0.0, 115.83 * 0.444 * 0.007]),
            0.0,
            t1,
            jnp.asarray(rates),
            mass_matrix=jnp.diag(jnp.asarray([1.0, 1.0, 1.0, 1.0, 1.0, 0.0])),
        ),
        source="Stortelder, Parameter Estimation in Nonlinear Dynamical Systems, thesis, Amsterdam, 1998",
        references=references,
        accuracy=accuracy,
    )
