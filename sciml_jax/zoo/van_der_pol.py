"""Relaxation oscillations of a triode circuit (van der Pol 1926), as written and with time scaled by μ."""

import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Float

from ..equations import ODEProblem
from .problem import ZooProblem, select_references

STIFF_FROM_MU = 50.0

REFERENCES = {
    1.0: {20.0: (1e-13, [2.008149762174948592, -4.250887527320215e-2])},
    1000.0: {2000.0: (1e-15, [1.706167732170465009, -8.928097010248165467e-4])},
}
SCALED_REFERENCES = {2.0: (1e-15, [1.706167732170465010, -0.8928097010248165462])}


def van_der_pol_field(t: ArrayLike, y: Float[Array, "2"], args: Float[Array, "1"]) -> Float[Array, "2"]:
    """y1' = y2, y2' = μ(1 - y1²) y2 - y1; args = (μ,)."""
    return jnp.stack([y[1], args[0] * (1.0 - y[0] * y[0]) * y[1] - y[0]])


def van_der_pol_scaled_field(t: ArrayLike, y: Float[Array, "2"], args: Float[Array, "1"]) -> Float[Array, "2"]:
    """y1' = y2, y2' = ((1 - y1²) y2 - y1) / ε; args = (ε,)."""
    return jnp.stack([y[1], ((1.0 - y[0] * y[0]) * y[1] - y[0]) / args[0]])


def van_der_pol(mu: float = 1000.0, t1: float | None = None) -> ZooProblem:
    """The van der Pol oscillator from (2, 0).

    Parameters
    ----------
    mu
        The damping μ, a positive Python number (it decides the tags): from 50 on the problem is called stiff.
        References exist for μ = 1 and 1000. To differentiate by μ, differentiate by `problem.args`.
    t1
        The end; 20 for a nonstiff and 2μ for a stiff problem by default, which is past the first fast transition.

    Raises
    ------
    ValueError
        When `mu` is not positive.

    References
    ----------
    van der Pol, Phil. Mag. 2 (1926) 978-992; values from extended precision. At t = 2000 the Test Set for IVP Solvers
    agrees to 5e-15.
    """
    mu = float(mu)
    if not mu > 0.0:
        message = f"`mu` must be positive; got {mu}. For an undamped oscillator use `linear_oscillator`."
        raise ValueError(message)
    stiff = mu >= STIFF_FROM_MU
    t1 = (2.0 * mu if stiff else 20.0) if t1 is None else t1
    references, accuracy = select_references(REFERENCES.get(mu, {}), t1)
    return ZooProblem(
        name="van_der_pol",
        tags=frozenset({"stiff" if stiff else "nonstiff", "small", "autonomous", "oscillatory"}),
        problem=ODEProblem(van_der_pol_field, jnp.asarray([2.0, 0.0]), 0.0, t1, jnp.asarray([mu])),
        source="van der Pol, Phil. Mag. 2 (1926) 978-992",
        references=references,
        accuracy=accuracy,
    )


def van_der_pol_scaled(t1: float = 2.0) -> ZooProblem:
    """The van der Pol oscillator with time in units of μ, ε = 1/μ² = 1e-6, from (2, 0).

    The same orbit as `van_der_pol(1000)`, with y2 larger by μ: during the jumps y2 reaches about 1300.

    References
    ----------
    Hairer & Wanner, Solving Ordinary Differential Equations II (1996), IV.10; value from extended precision, with which
    the Test Set for IVP Solvers agrees to 2e-14.
    """
    references, accuracy = select_references(SCALED_REFERENCES, t1)
    return ZooProblem(
        name="van_der_pol_scaled",
        tags=frozenset({"stiff", "small", "autonomous", "oscillatory"}),
        problem=ODEProblem(van_der_pol_scaled_field, jnp.asarray([2.0, 0.0]), 0.0, t1, jnp.asarray([1e-6])),
        source="Hairer & Wanner, Solving Ordinary Differential Equations II, 1996, IV.10",
        references=references,
        accuracy=accuracy,
    )
