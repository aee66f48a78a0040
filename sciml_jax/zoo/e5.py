"""Pyrolysis in four reactions (problem E5 of Enright, Hull & Lindberg 1975): concentrations over forty decades."""

import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Float

from ..equations import ODEProblem
from .problem import ZooProblem, select_references

REFERENCES = {
    1e1: (
        1e-15,
        [1.759925949767789706e-3, 1.384628151937651625e-11, 7.637003853007391007e-13, 1.308258113407577715e-11],
    ),
    1e3: (
        1e-15,
        [1.618076999907294253e-3, 1.382237030498373809e-10, 8.251573500683835195e-12, 1.299721295491535457e-10],
    ),
    1e5: (
        1e-15,
        [7.481320822429222157e-6, 2.373478156120597539e-12, 2.212358668958166397e-12, 1.611194871624311419e-13],
    ),
    1e7: (
        1e-15,
        [4.715033363040163238e-10, 1.818889586080702192e-14, 1.818881237678672560e-14, 8.348402029632169059e-20],
    ),
    1e9: (
        1e-15,
        [3.131714832935699728e-14, 1.484095795287006494e-16, 1.484095794834569211e-16, 4.524372827978262298e-26],
    ),
    1e11: (
        1e-14,
        [3.769308219738972879e-49, 1.019258256814270590e-20, 1.019258256814270590e-20, 3.739901219464182379e-65],
    ),
}


def e5_field(t: ArrayLike, y: Float[Array, "4"], args: Float[Array, "4"]) -> Float[Array, "4"]:
    """y1 -> y2 + y3 at A, y1 + y3 -> y4 at B, y4 -> y3 at C, y2 + y3 -> nothing at D; args = (A, B, C, D)."""
    split = args[0] * y[0]
    capture = args[1] * y[0] * y[2]
    release = args[2] * y[3]
    recombination = args[3] * y[1] * y[2]
    return jnp.stack(
        [-split - capture, split - recombination, split - capture - recombination + release, capture - release]
    )


def e5_balance(t: ArrayLike, y: Float[Array, "4"], args: Float[Array, "4"]) -> Float[Array, ""]:
    """y2 - y3 - y4, which stays 0."""
    return y[1] - y[2] - y[3]


def e5(t1: float = 1e5) -> ZooProblem:
    """Problem E5 from (1.76e-3, 0, 0, 0) with rates (7.89e-10, 1.1e7, 1.13e3, 1.13e9); references go to t1 = 1e11.

    All but the first component stay below 2e-10: take `atol` below 1e-24. The balance y2 = y3 + y4 is only neutrally
    stable: what rounding leaves in it, δ, moves y2 by the fraction D δ t / 2 of itself. SciPy's Radau at rtol 1e-9 has
    lost some 1e-9 of it at t = 1e5, 3e-8 at 1e7 and 3e-6 at 1e9. The value at t = 1e13 in the Test Set for IVP Solvers
    violates the balance by 0.15 %, and is not used.

    References
    ----------
    Enright, Hull & Lindberg, BIT 15 (1975) 10-48; Hairer & Wanner, Solving Ordinary Differential Equations II (1996),
    IV.10. Values from collocation in extended precision, with y2 eliminated by the balance.
    """
    references, accuracy = select_references(REFERENCES, t1)
    return ZooProblem(
        name="e5",
        tags=frozenset({"stiff", "small", "autonomous", "conservative", "multiscale", "chemistry"}),
        problem=ODEProblem(
            e5_field,
            jnp.asarray([1.76e-3, 0.0, 0.0, 0.0]),
            0.0,
            t1,
            jnp.asarray([7.89e-10, 1.1e7, 1.13e3, 1.13e9]),
        ),
        source="Enright, Hull & Lindberg, BIT 15 (1975) 10-48",
        references=references,
        accuracy=accuracy,
        invariants={"balance": e5_balance},
    )
