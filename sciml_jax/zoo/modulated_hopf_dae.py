"""`modulated_hopf` with r² as an algebraic unknown: index 1, nonlinear, nonautonomous, with a closed form."""

import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Float

from ..equations import ODEProblem
from .modulated_hopf import INITIAL_RADIUS, modulated_hopf_exact, modulated_hopf_excess
from .problem import ZooProblem, select_references

REFERENCES = {
    2.0: (1e-14, [-0.34129195803590153522, 0.74573653331902236833, 0.67260317774665293342]),
    5.0: (1e-14, [0.2155977333421213904, -0.014330402284957819961, 0.046687743051909205785]),
}


def modulated_hopf_dae_field(t: ArrayLike, y: Float[Array, "3"], args: Float[Array, "2"]) -> Float[Array, "3"]:
    """x' = gx - ωty, y' = gy + ωtx, 0 = x² + y² - z with g = a cos(t) (1 - z); args = (a, ω)."""
    growth = args[0] * jnp.cos(t) * (1.0 - y[2])
    turn = args[1] * t
    return jnp.stack(
        [growth * y[0] - turn * y[1], growth * y[1] + turn * y[0], y[0] * y[0] + y[1] * y[1] - y[2]],
    )


def modulated_hopf_dae_exact(t: ArrayLike, args: Float[Array, "2"]) -> Float[Array, "3"]:
    """(x, y) as in `modulated_hopf`, and z = x² + y²."""
    plane = modulated_hopf_exact(t, args)
    return jnp.append(plane, jnp.sum(plane * plane))


def modulated_hopf_dae_excess(t: ArrayLike, y: Float[Array, "3"], args: Float[Array, "2"]) -> Float[Array, ""]:
    """(1/r² - 1) e^{2a sin t} from x and y, which is 3."""
    return modulated_hopf_excess(t, y[:2], args)


def modulated_hopf_dae(t1: float = 5.0) -> ZooProblem:
    """The modulated Hopf normal form from (1/2, 0, 1/4) with (a, ω) = (1, 1) and mass matrix diag(1, 1, 0).

    Made for measuring orders of convergence, also of the algebraic component, and for comparing with the reduced
    equation, `modulated_hopf`.
    """
    references, accuracy = select_references(REFERENCES, t1)
    return ZooProblem(
        name="modulated_hopf_dae",
        tags=frozenset({"stiff", "small", "nonautonomous", "dae", "index1", "closed_form", "oscillatory"}),
        problem=ODEProblem(
            modulated_hopf_dae_field,
            jnp.asarray([INITIAL_RADIUS, 0.0, INITIAL_RADIUS**2]),
            0.0,
            t1,
            jnp.asarray([1.0, 1.0]),
            mass_matrix=jnp.diag(jnp.asarray([1.0, 1.0, 0.0])),
        ),
        source="closed form, derived in the docstring of `modulated_hopf`'s module",
        references=references,
        accuracy=accuracy,
        invariants={"excess": modulated_hopf_dae_excess},
        exact=modulated_hopf_dae_exact,
    )
