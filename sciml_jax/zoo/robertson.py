"""Three reactions whose rates span nine orders of magnitude (Robertson 1966): the standard stiff problem.

Also as a differential-algebraic equation of index 1, with the conserved total in the place of the third rate equation.
"""

import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Float

from ..equations import ODEProblem
from .problem import ZooProblem, select_references

REFERENCES = {
    40.0: (1e-15, [7.158270687194050905e-1, 9.185534764557763904e-6, 2.841637457458303517e-1]),
    1e5: (1e-15, [1.786592114209946487e-2, 7.27475146843631873e-8, 9.821340061103858504e-1]),
    1e11: (1e-12, [2.083340149701255e-8, 8.333360770334713e-14, 0.9999999791665050]),
}


def robertson_field(t: ArrayLike, y: Float[Array, "3"], args: Float[Array, "3"]) -> Float[Array, "3"]:
    """A -> B at k0 y0, B + B -> C + B at k1 y1², B + C -> A + C at k2 y1 y2; args = (k0, k1, k2)."""
    r0 = args[0] * y[0]
    r1 = args[1] * y[1] * y[1]
    r2 = args[2] * y[1] * y[2]
    return jnp.stack([r2 - r0, r0 - r1 - r2, r1])


def robertson_dae_field(t: ArrayLike, y: Float[Array, "3"], args: Float[Array, "3"]) -> Float[Array, "3"]:
    """The rates of the first two species, and 0 = y0 + y1 + y2 - 1; args = (k0, k1, k2)."""
    r0 = args[0] * y[0]
    r1 = args[1] * y[1] * y[1]
    r2 = args[2] * y[1] * y[2]
    return jnp.stack([r2 - r0, r0 - r1 - r2, y[0] + y[1] + y[2] - 1.0])


def robertson_mass(t: ArrayLike, y: Float[Array, "3"], args: Float[Array, "3"]) -> Float[Array, ""]:
    """The total concentration, 1."""
    return jnp.sum(y)


def robertson(t1: float = 1e5) -> ZooProblem:
    """Robertson's kinetics from (1, 0, 0) with rates (0.04, 3e7, 1e4).

    The middle species stays below 4e-5: an absolute tolerance above 1e-8 hides it. For `t1` up to 1e11 the solution is
    only neutrally stable along the conserved total, and a loose tolerance can send it negative and then to infinity.

    References
    ----------
    Robertson, in Walsh (ed.), Numerical Analysis: An Introduction (1966) 178-182; Hairer & Wanner, Solving Ordinary
    Differential Equations II (1996), IV.10. Value at t = 1e11 of the Test Set for IVP Solvers; the others, and
    the check of that one, from collocation in extended precision.
    """
    references, accuracy = select_references(REFERENCES, t1)
    return ZooProblem(
        name="robertson",
        tags=frozenset({"stiff", "small", "autonomous", "conservative", "multiscale", "chemistry"}),
        problem=ODEProblem(robertson_field, jnp.asarray([1.0, 0.0, 0.0]), 0.0, t1, jnp.asarray([0.04, 3e7, 1e4])),
        source="Robertson, in Walsh (ed.), Numerical Analysis: An Introduction, 1966, 178-182",
        references=references,
        accuracy=accuracy,
        invariants={"mass": robertson_mass},
    )


def robertson_dae(t1: float = 1e5) -> ZooProblem:
    """Robertson's kinetics from (1, 0, 0) with the total as an algebraic equation: mass matrix diag(1, 1, 0).

    The same solution as `robertson`, without its neutral direction: to t1 = 1e11 errors die out instead of adding up.

    References
    ----------
    Hairer & Wanner, Solving Ordinary Differential Equations II (1996), VI; values as for `robertson`.
    """
    references, accuracy = select_references(REFERENCES, t1)
    return ZooProblem(
        name="robertson_dae",
        tags=frozenset(
            {"stiff", "small", "autonomous", "dae", "index1", "conservative", "multiscale", "chemistry"},
        ),
        problem=ODEProblem(
            robertson_dae_field,
            jnp.asarray([1.0, 0.0, 0.0]),
            0.0,
            t1,
            jnp.asarray([0.04, 3e7, 1e4]),
            mass_matrix=jnp.diag(jnp.asarray([1.0, 1.0, 0.0])),
        ),
        source="Robertson, in Walsh (ed.), Numerical Analysis: An Introduction, 1966, 178-182",
        references=references,
        accuracy=accuracy,
        invariants={"mass": robertson_mass},
    )
