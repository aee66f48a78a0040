"""A Hopf normal form with modulated growth and chirped phase: nonautonomous, nonlinear, coupled, with a closed form.

With r² = x² + y² and the phase θ the equations separate into r' = a cos(t) r (1 - r²), a Bernoulli equation, and
θ' = ωt. Hence the closed form, and a problem on which every order condition of a method for systems counts.
"""

import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Float

from ..equations import ODEProblem
from .problem import ZooProblem, select_references

INITIAL_RADIUS = 0.5
REFERENCES = {
    2.0: (1e-14, [-0.34129195803590153522, 0.74573653331902236833]),
    5.0: (1e-14, [0.2155977333421213904, -0.014330402284957819961]),
}


def modulated_hopf_field(t: ArrayLike, y: Float[Array, "2"], args: Float[Array, "2"]) -> Float[Array, "2"]:
    """x' = gx - ωty, y' = gy + ωtx with g = a cos(t) (1 - x² - y²); args = (a, ω)."""
    growth = args[0] * jnp.cos(t) * (1.0 - y[0] * y[0] - y[1] * y[1])
    turn = args[1] * t
    return jnp.stack([growth * y[0] - turn * y[1], growth * y[1] + turn * y[0]])


def modulated_hopf_exact(t: ArrayLike, args: Float[Array, "2"]) -> Float[Array, "2"]:
    """r (cos(ωt²/2), sin(ωt²/2)) with 1/r² = 1 + (1/r0² - 1) e^{-2a sin t}, r0 = 1/2."""
    excess = (1.0 / INITIAL_RADIUS**2 - 1.0) * jnp.exp(-2.0 * args[0] * jnp.sin(t))
    phase = 0.5 * args[1] * t * t
    return jnp.stack([jnp.cos(phase), jnp.sin(phase)]) / jnp.sqrt(1.0 + excess)


def modulated_hopf_excess(t: ArrayLike, y: Float[Array, "2"], args: Float[Array, "2"]) -> Float[Array, ""]:
    """(1/r² - 1) e^{2a sin t}, which is 3."""
    return (1.0 / (y[0] * y[0] + y[1] * y[1]) - 1.0) * jnp.exp(2.0 * args[0] * jnp.sin(t))


def modulated_hopf(t1: float = 5.0) -> ZooProblem:
    """The modulated Hopf normal form from (1/2, 0) with (a, ω) = (1, 1).

    Made for measuring orders of convergence. The phase turns at rate ωt, so long intervals need ever smaller steps.

    References
    ----------
    Normal form: Guckenheimer & Holmes, Nonlinear Oscillations, Dynamical Systems, and Bifurcations of Vector Fields
    (1983), 3.4. The closed form is derived above.
    """
    references, accuracy = select_references(REFERENCES, t1)
    return ZooProblem(
        name="modulated_hopf",
        tags=frozenset({"nonstiff", "small", "nonautonomous", "closed_form", "oscillatory"}),
        problem=ODEProblem(modulated_hopf_field, jnp.asarray([INITIAL_RADIUS, 0.0]), 0.0, t1, jnp.asarray([1.0, 1.0])),
        source="closed form, derived in the module's docstring",
        references=references,
        accuracy=accuracy,
        invariants={"excess": modulated_hopf_excess},
        exact=modulated_hopf_exact,
    )
