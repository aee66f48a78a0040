"""A resistor, a capacitor and a resistor behind a voltage source: a linear equation of index 1 with a closed form.

With u(t) = sin ωt at the source and the capacitor between the nodes 1 and 2, Kirchhoff's current law says
C (v1' - v2') = (u - v1) / R1 and C (v1' - v2') = v2 / R2, with C = 1. The sum of the two rows, u = v1 + R1 v2 / R2, is
algebraic and moves with t. The capacitor's voltage w = v1 - v2 satisfies τ w' = u - w with τ = R1 + R2.
"""

import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Float

from ..equations import ODEProblem
from .problem import ZooProblem, select_references

REFERENCES = {
    1.0: (1e-14, [0.3097934421055147266, -0.25301015106847125674]),
    5.0: (1e-14, [0.61046658832073073536, 0.059731877754579195705]),
}


def linear_dae_field(t: ArrayLike, y: Float[Array, "2"], args: Float[Array, "3"]) -> Float[Array, "2"]:
    """The currents through the resistors; args = (R1, R2, ω)."""
    return jnp.stack([(jnp.sin(args[2] * t) - y[0]) / args[0], -y[1] / args[1]])


def linear_dae_exact(t: ArrayLike, args: Float[Array, "3"]) -> Float[Array, "2"]:
    """(u - R1 i, R2 i) with i = (u - w) / τ, w = (sin ωt - ωτ cos ωt + ωτ e^{-t/τ}) / (1 + ω²τ²)."""
    first, second, frequency = args
    tau = first + second
    turn = frequency * tau
    source = jnp.sin(frequency * t)
    capacitor = (source - turn * jnp.cos(frequency * t) + turn * jnp.exp(-(1.0 / tau) * t)) / (1.0 + turn * turn)
    current = (source - capacitor) / tau
    return jnp.stack([source - first * current, second * current])


def linear_dae(t1: float = 5.0) -> ZooProblem:
    """The circuit from (0, 0) with (R1, R2, ω) = (0.2, 0.3, 3) and mass matrix [[1, -1], [-1, 1]].

    The smallest problem whose mass matrix is singular without a zero row, with an algebraic part that depends on t. The
    initial value is consistent for any args. Being linear it does not see most order conditions: measure orders on
    `modulated_hopf_dae`.
    """
    references, accuracy = select_references(REFERENCES, t1)
    return ZooProblem(
        name="linear_dae",
        tags=frozenset(
            {"stiff", "small", "nonautonomous", "dae", "index1", "closed_form", "oscillatory", "electronics"},
        ),
        problem=ODEProblem(
            linear_dae_field,
            jnp.asarray([0.0, 0.0]),
            0.0,
            t1,
            jnp.asarray([0.2, 0.3, 3.0]),
            mass_matrix=jnp.asarray([[1.0, -1.0], [-1.0, 1.0]]),
        ),
        source="closed form, derived in the module's docstring",
        references=references,
        accuracy=accuracy,
        exact=linear_dae_exact,
    )
