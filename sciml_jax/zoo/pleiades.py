"""Seven stars in a plane under gravity (Hairer, Nørsett, Wanner 1993): quasi-collisions, steps of very unequal size."""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float

from ..equations import ODEProblem
from .problem import ZooProblem, select_references

INITIAL_STATE = [
    *(3.0, 3.0, -1.0, -3.0, 2.0, -2.0, 2.0),
    *(3.0, -3.0, 2.0, 0.0, 0.0, -4.0, 4.0),
    *(0.0, 0.0, 0.0, 0.0, 0.0, 1.75, -1.5),
    *(0.0, 0.0, 0.0, -1.25, 1.0, 0.0, 0.0),
]
REFERENCES = {
    3.0: (
        1e-14,
        [
            *(0.3706139143970502, 3.237284092057233, -3.222559032418324, 0.6597091455775310),
            *(0.3425581707156584, 1.562172101400631, -0.7003092922212495),
            *(-3.943437585517392, -3.271380973972550, 5.225081843456543, -2.590612434977470),
            *(1.198213693392275, -0.2429682344935824, 1.091449240428980),
            *(3.417003806314313, 1.354584501625501, -2.590065597810775, 2.025053734714242),
            *(-1.155815100160448, -0.8072988170223021, 0.5952396354208710),
            *(-3.741244961234010, 0.3773459685750630, 0.9386858869551073, 0.3667922227200571),
            *(-0.3474046353808490, 2.344915448180937, -1.947020434263292),
        ],
    )
}


def pleiades_field(t: ArrayLike, y: Float[Array, "28"], args: Float[Array, "7"]) -> Float[Array, "28"]:
    """x_i'' = Σ_j m_j (x_j - x_i) / r_ij³, y_i'' likewise; the state is x (7), y (7), x' (7), y' (7); args = masses."""
    dx = y[None, :7] - y[:7, None]
    dy = y[None, 7:14] - y[7:14, None]
    # The identity keeps r_ii = 0 out of the denominator, and its derivative finite; dx_ii = dy_ii = 0 anyway.
    r2 = dx * dx + dy * dy + np.eye(7, dtype=y.dtype)
    pull = args[None, :] / (r2 * jnp.sqrt(r2))
    return jnp.concatenate([y[14:], jnp.sum(pull * dx, axis=1), jnp.sum(pull * dy, axis=1)])


def pleiades_energy(t: ArrayLike, y: Float[Array, "28"], args: Float[Array, "7"]) -> Float[Array, ""]:
    """Σ_i m_i |v_i|²/2 - Σ_{i<j} m_i m_j / r_ij."""
    dx, dy = y[None, :7] - y[:7, None], y[None, 7:14] - y[7:14, None]
    r2 = dx * dx + dy * dy + np.eye(7, dtype=y.dtype)
    pairs = args[:, None] * args[None, :] * (1.0 - np.eye(7, dtype=y.dtype)) / jnp.sqrt(r2)
    return 0.5 * jnp.sum(args * (y[14:21] ** 2 + y[21:] ** 2)) - 0.5 * jnp.sum(pairs)


def pleiades_momentum_x(t: ArrayLike, y: Float[Array, "28"], args: Float[Array, "7"]) -> Float[Array, ""]:
    """Σ_i m_i x_i'."""
    return jnp.sum(args * y[14:21])


def pleiades_momentum_y(t: ArrayLike, y: Float[Array, "28"], args: Float[Array, "7"]) -> Float[Array, ""]:
    """Σ_i m_i y_i'."""
    return jnp.sum(args * y[21:])


def pleiades_angular_momentum(t: ArrayLike, y: Float[Array, "28"], args: Float[Array, "7"]) -> Float[Array, ""]:
    """Σ_i m_i (x_i y_i' - y_i x_i')."""
    return jnp.sum(args * (y[:7] * y[21:] - y[7:14] * y[14:21]))


def pleiades(t1: float = 3.0) -> ZooProblem:
    """Seven stars of masses 1..7 as a first-order system of 28 equations.

    The nearest approaches within t <= 3 force a factor of more than 50 between the largest and the smallest step, so
    fixed steps are a poor choice.

    References
    ----------
    Hairer, Nørsett, Wanner, Solving Ordinary Differential Equations I (1993), II.10; values from the Test Set for IVP
    Solvers (Mazzia, Magherini 2008), confirmed by collocation in extended precision.
    """
    references, accuracy = select_references(REFERENCES, t1)
    return ZooProblem(
        name="pleiades",
        tags=frozenset({"nonstiff", "large", "autonomous", "conservative", "mechanics"}),
        problem=ODEProblem(
            pleiades_field, jnp.asarray(INITIAL_STATE), 0.0, t1, jnp.asarray([1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0])
        ),
        source="Hairer, Nørsett, Wanner, Solving Ordinary Differential Equations I, 1993, II.10",
        references=references,
        accuracy=accuracy,
        invariants={
            "energy": pleiades_energy,
            "momentum_x": pleiades_momentum_x,
            "momentum_y": pleiades_momentum_y,
            "angular_momentum": pleiades_angular_momentum,
        },
    )
