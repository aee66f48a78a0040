"""An index-2 equation in Hessenberg form, nonlinear in everything, with a closed form.

y1' = a y1 y2² z², y2' = a y2² (y1² - 3z), 0 = y1² y2 - 1: with y1 = e^{at}, y2 = e^{-2at}, z = e^{2at} the right-hand
sides are a y1 and a y2² (z - 3z) = -2a y2. The constraint does not contain z. Its derivative, divided by
a y1² y2², is 2 y2 z² - 3z + y1² = 0: z = y1² is one of two simple roots, the other being y1²/2, so the index is 2.
"""

import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Float

from ..equations import ODEProblem
from .problem import ZooProblem, select_references

REFERENCES = {
    1.0: (1e-15, [2.7182818284590452354, 0.13533528323661269189, 7.3890560989306502272]),
    2.0: (1e-15, [7.3890560989306502272, 0.018315638888734180294, 54.598150033144239078]),
}


def hessenberg_index2_field(t: ArrayLike, y: Float[Array, "3"], args: Float[Array, "1"]) -> Float[Array, "3"]:
    """y1' = a y1 y2² z², y2' = a y2² (y1² - 3z), 0 = y1² y2 - 1; args = (a,)."""
    square = y[1] * y[1]
    return jnp.stack(
        [
            args[0] * y[0] * square * y[2] * y[2],
            args[0] * square * (y[0] * y[0] - 3.0 * y[2]),
            y[0] * y[0] * y[1] - 1.0,
        ]
    )


def hessenberg_index2_exact(t: ArrayLike, args: Float[Array, "1"]) -> Float[Array, "3"]:
    """(e^{at}, e^{-2at}, e^{2at})."""
    growth = jnp.exp(args[0] * t)
    square = growth * growth
    return jnp.stack([growth, 1.0 / square, square])


def hessenberg_index2(t1: float = 1.0) -> ZooProblem:
    """The index-2 equation from (1, 1, 1) with a = 1 and mass matrix diag(1, 1, 0).

    For methods that are made for index 2, such as Radau IIA, and for the refusals of those that are not: the matrix
    M - γ h J of a Rosenbrock or BDF step is singular to order h² instead of h, and error estimates see z too large by
    1/h. Shows the orders of y and z apart, which differ for index 2.

    References
    ----------
    Orders at index 2: Hairer, Lubich & Roche, The Numerical Solution of Differential-Algebraic Systems by Runge-Kutta
    Methods (1989). The closed form is verified above.
    """
    references, accuracy = select_references(REFERENCES, t1)
    return ZooProblem(
        name="hessenberg_index2",
        tags=frozenset({"stiff", "small", "autonomous", "dae", "index2", "closed_form"}),
        problem=ODEProblem(
            hessenberg_index2_field,
            jnp.asarray([1.0, 1.0, 1.0]),
            0.0,
            t1,
            jnp.asarray([1.0]),
            mass_matrix=jnp.diag(jnp.asarray([1.0, 1.0, 0.0])),
        ),
        source="closed form, verified in the module's docstring",
        references=references,
        accuracy=accuracy,
        exact=hessenberg_index2_exact,
    )
