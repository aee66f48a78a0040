"""An amplifier of two transistors (Rentrop 1989): eight node voltages, a singular mass matrix that is not diagonal."""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float

from ..equations import ODEProblem
from .problem import ZooProblem, select_references

REFERENCES = {
    0.05: (
        1e-15,
        [
            *(-5.561938096498564017e-3, 3.006521530057326555, 2.849957831732146690, 3.467288462743718820),
            *(2.434184477483716204, 2.494964052372953153, 5.535355377834852103, 4.726943459111999842e-1),
        ],
    ),
    0.1: (
        1e-15,
        [
            *(-5.562144986867084245e-3, 3.006522471787449623, 2.849958788490690791, 3.074078542778455982),
            *(2.630790044266629093, 2.688981139042713056, 5.136152192289607454, 8.718074765719741902e-1),
        ],
    ),
    0.2: (
        1e-15,
        [
            *(-5.562145012261692027e-3, 3.006522471903043188, 2.849958788608129032, 2.926422536206241550),
            *(2.704617865010554876, 2.761837778393143205, 4.770927631616772288, 1.236995868091547374),
        ],
    ),
}


def transistor_amplifier_field(t: ArrayLike, y: Float[Array, "8"], args: Float[Array, "14"]) -> Float[Array, "8"]:
    """Kirchhoff's current law at eight nodes; args = (Ub, UF, α, β, R0, ..., R9)."""
    supply, thermal, alpha, beta = args[0], args[1], args[2], args[3]
    r = args[4:]
    signal = 0.1 * jnp.sin(200.0 * jnp.pi * t)
    first = beta * (jnp.exp((y[1] - y[2]) / thermal) - 1.0)
    second = beta * (jnp.exp((y[4] - y[5]) / thermal) - 1.0)
    return jnp.stack(
        [
            (y[0] - signal) / r[0],
            y[1] / r[1] + (y[1] - supply) / r[2] + (1.0 - alpha) * first,
            y[2] / r[3] - first,
            (y[3] - supply) / r[4] + alpha * first,
            y[4] / r[5] + (y[4] - supply) / r[6] + (1.0 - alpha) * second,
            y[5] / r[7] - second,
            (y[6] - supply) / r[8] + alpha * second,
            y[7] / r[9],
        ]
    )


def capacitances() -> Float[np.ndarray, "8 8"]:
    """The mass matrix: C1, C3, C5 between two nodes each, C2, C4 to ground, Ck = k microfarad; its rank is 5."""
    matrix = np.zeros((8, 8))
    for first, k in ((0, 1), (3, 3), (6, 5)):
        matrix[first : first + 2, first : first + 2] = [[-k, k], [k, -k]]
    matrix[2, 2], matrix[5, 5] = -2.0, -4.0
    return 1e-6 * matrix


def transistor_amplifier(t1: float = 0.2) -> ZooProblem:
    """The two-transistor amplifier with a signal of 0.1 V at 100 Hz, twenty periods, t in seconds, voltages in volts.

    M y' = f with M singular and coupling neighbours: no component is differential or algebraic by itself. The currents
    have exponentials of y / 0.026 V in them, so a Newton iteration from far away overflows.

    References
    ----------
    Rentrop, Roche & Steinebach, Numer. Math. 55 (1989) 545-563; Hairer, Lubich & Roche, The Numerical Solution of
    Differential-Algebraic Systems by Runge-Kutta Methods (1989), 108-111. Values from collocation in extended
    precision, with which the Test Set for IVP Solvers agrees to 2e-13.
    """
    references, accuracy = select_references(REFERENCES, t1)
    resistors = [1e3, *([9e3] * 9)]
    return ZooProblem(
        name="transistor_amplifier",
        tags=frozenset({"stiff", "small", "nonautonomous", "dae", "index1", "electronics"}),
        problem=ODEProblem(
            transistor_amplifier_field,
            jnp.asarray([0.0, 3.0, 3.0, 6.0, 3.0, 3.0, 6.0, 0.0]),
            0.0,
            t1,
            jnp.asarray([6.0, 0.026, 0.99, 1e-6, *resistors]),
            mass_matrix=jnp.asarray(capacitances()),
        ),
        source="Rentrop, Roche & Steinebach, Numer. Math. 55 (1989) 545-563",
        references=references,
        accuracy=accuracy,
    )
