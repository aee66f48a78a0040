"""A smooth solution with everything else attracted to it at any rate (Prothero & Robinson 1974)."""

import math

import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Float

from ..equations import ODEProblem
from .problem import ZooProblem, select_references

STIFF_FROM_RATE = 50.0

REFERENCES = {
    1.0: (1e-15, [0.97706126389947567489]),
    10.0: (1e-15, [-0.97799418472903704029]),
}


def prothero_robinson_field(t: ArrayLike, y: Float[Array, "1"], args: Float[Array, "1"]) -> Float[Array, "1"]:
    """y' = λ (y - φ(t)) + φ'(t) with φ(t) = sin(t + π/4); args = (λ,)."""
    phase = t + 0.25 * jnp.pi
    return args[0] * (y - jnp.sin(phase)) + jnp.cos(phase)


def prothero_robinson_exact(t: ArrayLike, args: Float[Array, "1"]) -> Float[Array, "1"]:
    """φ(t) = sin(t + π/4), whatever λ is."""
    return jnp.sin(t + 0.25 * jnp.pi)[None]


def prothero_robinson(rate: float = -1e6, t1: float = 10.0) -> ZooProblem:
    """The Prothero-Robinson equation on its smooth solution, from y(0) = sin(π/4).

    Made for seeing order reduction: as |λ| h grows, the error of an implicit Runge-Kutta or Rosenbrock method falls
    with its stage order, or less, instead of its order. Linear, so it says nothing about Newton iterations.

    Parameters
    ----------
    rate
        λ, a negative Python number (it decides the tags): from -50 down the problem is called stiff. To differentiate
        by λ, differentiate by `problem.args`; the solution does not depend on it.
    t1
        The end.

    Raises
    ------
    ValueError
        When `rate` is not negative.

    References
    ----------
    Prothero & Robinson, Math. Comp. 28 (1974) 145-162; Hairer & Wanner, Solving Ordinary Differential Equations II
    (1996), IV.15.
    """
    rate = float(rate)
    if not rate < 0.0:
        message = f"`rate` must be negative; got {rate}. With a positive one the solution is unstable: pass {-rate}."
        raise ValueError(message)
    references, accuracy = select_references(REFERENCES, t1)
    stiffness = "stiff" if -rate >= STIFF_FROM_RATE else "nonstiff"
    return ZooProblem(
        name="prothero_robinson",
        tags=frozenset({stiffness, "small", "nonautonomous", "closed_form", "oscillatory"}),
        problem=ODEProblem(
            prothero_robinson_field, jnp.asarray([math.sin(0.25 * math.pi)]), 0.0, t1, jnp.asarray([rate])
        ),
        source="Prothero & Robinson, Math. Comp. 28 (1974) 145-162",
        references=references,
        accuracy=accuracy,
        exact=prothero_robinson_exact,
    )
