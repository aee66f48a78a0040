"""High irradiance responses of photomorphogenesis (Schäfer 1975): eight stiff kinetic equations."""

import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Float

from ..equations import ODEProblem
from .problem import ZooProblem, select_references

REFERENCES = {
    321.8122: (
        1e-15,
        [
            *(7.371312573325668e-4, 1.442485726316185e-4, 5.888729740967575e-5, 1.175651343283149e-3),
            *(2.386356198831331e-3, 6.238968252742796e-3, 2.849998395185769e-3, 2.850001604814231e-3),
        ],
    )
}


def hires_field(t: ArrayLike, y: Float[Array, "8"], args: Float[Array, "10"]) -> Float[Array, "8"]:
    """Conversions between two forms of phytochrome, free and bound; args = (k1..k6, k+, k-, k*, supply)."""
    k1, k2, k3, k4, k5, k6, bind, release, decay, supply = args
    binding = bind * y[5] * y[7]
    unbinding = binding - (k2 + release + decay) * y[6]
    return jnp.stack(
        [
            -k1 * y[0] + k2 * y[1] + k6 * y[2] + supply,
            k1 * y[0] - (k2 + k3) * y[1],
            -(k1 + k6) * y[2] + k2 * y[3] + k5 * y[4],
            k3 * y[1] + k1 * y[2] - (k2 + k4) * y[3],
            -(k1 + k5) * y[4] + k2 * (y[5] + y[6]),
            -binding + k4 * y[3] + k1 * y[4] - k2 * y[5] + release * y[6],
            unbinding,
            -unbinding,
        ]
    )


def hires_receptor(t: ArrayLike, y: Float[Array, "8"], args: Float[Array, "10"]) -> Float[Array, ""]:
    """Bound and free receptor together, y7 + y8 = 0.0057."""
    return y[6] + y[7]


def hires(t1: float = 321.8122) -> ZooProblem:
    """The HIRES problem, eight components, from (1, 0, ..., 0, 0.0057).

    Moderately stiff (eigenvalues to about -210): explicit methods finish, after some 10,000 steps limited by stability.

    References
    ----------
    Schäfer, J. Math. Biol. 2 (1975) 41-56; Hairer & Wanner, Solving Ordinary Differential Equations II (1996), IV.10.
    Values of the Test Set for IVP Solvers, confirmed in extended precision.
    """
    references, accuracy = select_references(REFERENCES, t1)
    rates = [1.71, 0.43, 8.32, 0.69, 0.035, 8.32, 280.0, 0.69, 0.69, 0.0007]
    return ZooProblem(
        name="hires",
        tags=frozenset({"stiff", "small", "autonomous", "conservative", "chemistry"}),
        problem=ODEProblem(
            hires_field,
            jnp.asarray([1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0057]),
            0.0,
            t1,
            jnp.asarray(rates),
        ),
        source="Schäfer, J. Math. Biol. 2 (1975) 41-56",
        references=references,
        accuracy=accuracy,
        invariants={"receptor": hires_receptor},
    )
