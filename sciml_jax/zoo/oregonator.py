"""The Belousov-Zhabotinskii reaction in three variables (Field & Noyes 1974): a stiff relaxation oscillator."""

import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Float

from ..equations import ODEProblem
from .problem import ZooProblem, select_references

REFERENCES = {360.0: (1e-15, [1.000814870318522716, 1228.178521549887987, 132.0554942846508311])}


def oregonator_field(t: ArrayLike, y: Float[Array, "3"], args: Float[Array, "3"]) -> Float[Array, "3"]:
    """y1' = s(y2 + y1(1 - q y1 - y2)), y2' = (y3 - (1 + y1) y2)/s, y3' = w(y1 - y3); args = (s, q, w)."""
    s, q, w = args
    return jnp.stack(
        [
            s * (y[1] + y[0] * (1.0 - q * y[0] - y[1])),
            (y[2] - (1.0 + y[0]) * y[1]) / s,
            w * (y[0] - y[2]),
        ]
    )


def oregonator(t1: float = 360.0) -> ZooProblem:
    """The Oregonator from (1, 2, 3) with (s, q, w) = (77.27, 8.375e-6, 0.161).

    Components swing over five orders of magnitude within a period of about 302 time units.

    References
    ----------
    Field & Noyes, J. Chem. Phys. 60 (1974) 1877-1884; Hairer & Wanner, Solving Ordinary Differential Equations II
    (1996), IV.10. Value from collocation in extended precision; that of the Test Set for IVP Solvers differs from it by
    1.5e-13 in the third component.
    """
    references, accuracy = select_references(REFERENCES, t1)
    return ZooProblem(
        name="oregonator",
        tags=frozenset({"stiff", "small", "autonomous", "oscillatory", "multiscale", "chemistry"}),
        problem=ODEProblem(
            oregonator_field, jnp.asarray([1.0, 2.0, 3.0]), 0.0, t1, jnp.asarray([77.27, 8.375e-6, 0.161])
        ),
        source="Field & Noyes, J. Chem. Phys. 60 (1974) 1877-1884",
        references=references,
        accuracy=accuracy,
    )
