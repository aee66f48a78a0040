"""The plane pendulum in Cartesian coordinates with the tension of its rod as an unknown, as index 1 and index 2.

x'' = -λx, y'' = -λy - g with x² + y² = 1 is of index 3. Differentiating that once gives xu + yv = 0 (index 2),
twice u² + v² - λ(x² + y²) - gy = 0 (index 1), with (u, v) = (x', y'). Reference values: with y = -cos θ the angle is
sin(θ/2) = k sn(K - √g t, k), k = sin(π/4), in Jacobi's elliptic functions.
"""

import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Float

from ..equations import ODEProblem
from .problem import ZooProblem, select_references

REFERENCES = {
    1.0: (
        1e-15,
        [
            *(-0.98629175113187531936, -0.16501085312554116875, -0.29690551591631582156),
            *(1.7746436411126556265, 4.8562694074846765964),
        ],
    ),
    2.0: (
        1e-15,
        [
            *(0.79356619534332174699, -0.60848393044379151463, 2.1024378744361257895),
            *(2.7419353930105090799, 17.907682072960784275),
        ],
    ),
    5.0: (
        1e-15,
        [
            *(0.94230543504375733550, -0.33475433841400058079, -0.85790425688594907306),
            *(-2.4149286543704886226, 9.8518201795240370926),
        ],
    ),
    10.0: (
        1e-15,
        [
            *(0.27508746257611686005, -0.96141920509912506427, -4.1755981009517288365),
            *(-1.1947490545604752716, 28.294567206067250641),
        ],
    ),
}


def pendulum_field(t: ArrayLike, y: Float[Array, "5"], args: Float[Array, "1"]) -> Float[Array, "5"]:
    """(u, v, -λx, -λy - g, u² + v² - λ(x² + y²) - gy) of the state (x, y, u, v, λ); args = (g,)."""
    acceleration = y[2] * y[2] + y[3] * y[3] - y[4] * (y[0] * y[0] + y[1] * y[1]) - args[0] * y[1]
    return jnp.stack([y[2], y[3], -y[4] * y[0], -y[4] * y[1] - args[0], acceleration])


def pendulum_index2_field(t: ArrayLike, y: Float[Array, "5"], args: Float[Array, "1"]) -> Float[Array, "5"]:
    """(u, v, -λx, -λy - g, xu + yv) of the state (x, y, u, v, λ); args = (g,)."""
    return jnp.stack([y[2], y[3], -y[4] * y[0], -y[4] * y[1] - args[0], y[0] * y[2] + y[1] * y[3]])


def pendulum_length(t: ArrayLike, y: Float[Array, "5"], args: Float[Array, "1"]) -> Float[Array, ""]:
    """x² + y², the constraint of index 3, 1."""
    return y[0] * y[0] + y[1] * y[1]


def pendulum_tangency(t: ArrayLike, y: Float[Array, "5"], args: Float[Array, "1"]) -> Float[Array, ""]:
    """xu + yv, the constraint of index 2, 0."""
    return y[0] * y[2] + y[1] * y[3]


def pendulum_energy(t: ArrayLike, y: Float[Array, "5"], args: Float[Array, "1"]) -> Float[Array, ""]:
    """(u² + v²) / 2 + gy, 0."""
    return 0.5 * (y[2] * y[2] + y[3] * y[3]) + args[0] * y[1]


def pendulum(t1: float = 5.0) -> ZooProblem:
    """The pendulum from rest at (1, 0), of length 1 with g = 9.81, index 1: mass matrix diag(1, 1, 1, 1, 0).

    After the reduction nothing holds x² + y² at 1 and xu + yv at 0: their residuals, here among the invariants, grow
    with the errors of a method, and say how large these are. The initial value is consistent for any g.

    References
    ----------
    Hairer & Wanner, Solving Ordinary Differential Equations II (1996), VI.5 and VII.2.
    """
    return _pendulum("pendulum", "index1", pendulum_field, t1)


def pendulum_index2(t1: float = 5.0) -> ZooProblem:
    """The pendulum of `pendulum`, the same solution, with the constraint xu + yv = 0: index 2.

    Only for methods that solve index-2 problems in Hessenberg form.

    References
    ----------
    Hairer & Wanner, Solving Ordinary Differential Equations II (1996), VI.5 and VII.2.
    """
    return _pendulum("pendulum_index2", "index2", pendulum_index2_field, t1)


def _pendulum(name, index, field, t1):
    references, accuracy = select_references(REFERENCES, t1)
    return ZooProblem(
        name=name,
        tags=frozenset({"stiff", "small", "autonomous", "dae", index, "conservative", "oscillatory", "mechanics"}),
        problem=ODEProblem(
            field,
            jnp.asarray([1.0, 0.0, 0.0, 0.0, 0.0]),
            0.0,
            t1,
            jnp.asarray([9.81]),
            mass_matrix=jnp.diag(jnp.asarray([1.0, 1.0, 1.0, 1.0, 0.0])),
        ),
        source="Hairer & Wanner, Solving Ordinary Differential Equations II, 1996, VI.5 and VII.2",
        references=references,
        accuracy=accuracy,
        invariants={"length": pendulum_length, "tangency": pendulum_tangency, "energy": pendulum_energy},
    )
