"""Hamiltonian systems: `dq/dt = dH/dp`, `dp/dt = -dH/dq`."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import PyTree

from ..core.callables import as_callable
from ..core.tree import describe
from .derived_field import derived_field, underlying_function
from .problem import ODEProblem
from .second_order import matched_pair


class HamiltonianProblem(ODEProblem):
    """Hamilton's equations, `dq/dt = dH/dp` and `dp/dt = -dH/dq` with `H = H(q, p, args)`, from `t0` to `t1`.

    It is the `ODEProblem` of the pair `(q, p)`; derivatives of `H` are taken with `jax.grad`. Every method, adjoint and
    save option of an `ODEProblem` works on it, and states in solutions are pairs, `qs, ps = sol.ys`. Where
    `H = T(p) + V(q)`, the symplectic methods do too (`sj.VelocityVerlet`, `sj.Yoshida6`, `sj.KahanLi8`, ...).

    Parameters
    ----------
    hamiltonian
        `H(q, p, args) -> energy`, a real scalar. A function, an Equinox module (a network, say) or a
        `jax.tree_util.Partial`; it may close over traced values. For a force that depends on time use
        `sj.SecondOrderProblem`.
    q0, p0
        Initial coordinates and momenta: pytrees of float arrays with equal structure, shapes and dtypes (Python numbers
        take the dtype of their partner). The problem's `y0` is the pair `(q0, p0)`.
    t0, t1
        The ends of the interval, real scalars; `t1 < t0` integrates backwards.
    args
        Any pytree, handed to the Hamiltonian.

    Raises
    ------
    TypeError, ValueError
        For coordinates and momenta that do not match, integer or complex states, `t0 == t1`, values that are not
        finite, or a Hamiltonian that is not callable with three arguments or does not return a real scalar.

    Notes
    -----
    An evaluation of the vector field costs about three of `H`. `problem.energy(q, p)` evaluates `H`.

    References
    ----------
    Hairer, Lubich & Wanner, Geometric Numerical Integration (2006), chapter VI.
    """

    def __init__(self, hamiltonian: Callable, q0: PyTree, p0: PyTree, t0: Any, t1: Any, args: PyTree = None):
        hamiltonian = as_callable(hamiltonian, "hamiltonian", "q", "p", "args")
        pair = matched_pair(q0, p0, ("q0", "p0"))
        _check_real(pair[0], "q0")
        super().__init__(derived_field(_hamilton_equations, hamiltonian), pair, t0, t1, args)

    @property
    def hamiltonian(self) -> Callable:
        """The Hamiltonian `H(q, p, args)`."""
        return underlying_function(self.vector_field)

    def energy(self, q: PyTree, p: PyTree) -> Any:
        """`H(q, p, args)` at one state, a scalar; `jax.vmap(problem.energy)(*sol.ys)` along a solution."""
        return self.hamiltonian(q, p, self.args)


def _hamilton_equations(hamiltonian: Callable, t: Any, state: tuple, args: PyTree) -> tuple:
    """`(dH/dp, -dH/dq)`."""

    def energy(q, p):
        value = hamiltonian(q, p, args)
        _check_energy(value)
        return value

    dq, dp = jax.grad(energy, argnums=(0, 1))(*state)
    return dp, jax.tree_util.tree_map(jnp.negative, dq)


def _check_energy(value: Any) -> None:
    dtype = getattr(value, "dtype", None)
    if dtype is None or value.shape != () or not jnp.issubdtype(dtype, jnp.floating):
        msg = (
            "`hamiltonian(q, p, args)` must return a real scalar that depends on q and p; got "
            f"{describe(value)}. Sum the terms of the energy, for example with `jnp.sum`."
        )
        raise ValueError(msg)


def _check_real(tree: Any, name: str) -> None:
    for leaf in jax.tree_util.tree_leaves(tree):
        if jnp.issubdtype(leaf.dtype, jnp.complexfloating):
            msg = (
                f"`{name}` must be real, because the energy is; got dtype {leaf.dtype}. "
                "Split it into real and imaginary parts."
            )
            raise TypeError(msg)
