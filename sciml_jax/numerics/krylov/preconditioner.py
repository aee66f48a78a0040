"""What a preconditioner is: a cheap, linear, approximate solve with `shift I - J`."""

import abc
from collections.abc import Callable
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp

from ...core.callables import as_callable
from ...core.tree import describe


class JacobianData(NamedTuple):
    """What is known about a Jacobian where a preconditioner is made; preconditioners use what they need."""

    entries: Callable | None = None
    """`entries(rows, cols)`: the values of J at positions given as NumPy integer arrays of one shape, in that shape.
    See `dense_entries`, `stored_entries` and `probed_entries`."""
    t: Any = None
    """The time of the linearisation."""
    y: Any = None
    """The state of the linearisation."""

    @property
    def size(self) -> int:
        """The number of unknowns, from the state."""
        return sum(jnp.size(leaf) for leaf in jax.tree_util.tree_leaves(self.y))


class AbstractPreconditioner(eqx.Module):
    """A fixed linear map close to `(shift I - J)^-1`, made in two stages.

    `factor(jacobian, shift)` does what depends on the Jacobian and the shift, once per change of either;
    `apply(factors, vector)` is called once per iteration, is linear in the vector, and JAX can transpose it (reverse
    mode solves the transposed system). Factors are a pytree of arrays, so that they can be carried through loops and
    kept between steps. No derivative has to pass through them: a
    preconditioner changes the number of iterations, not the solution.

    It pays when the iterations saved, each one operator product and the orthogonalisation, cost more than its
    applications: see each class for its cost per unknown and the matrices that it suits.
    """

    @abc.abstractmethod
    def factor(self, jacobian: JacobianData, shift: Any) -> Any:
        """What `apply` needs for `shift I - J`: a pytree of arrays."""

    @abc.abstractmethod
    def apply(self, factors: Any, vector: Any) -> Any:
        """About `(shift I - J)^-1 vector`, shape (n,); linear in the vector."""

    def solver(self, jacobian: JacobianData, shift: Any) -> Callable[[Any], Any]:
        """`vector -> apply(factors, vector)` with the factors made now: what `gmres` takes."""
        factors = self.factor(jacobian, shift)
        return lambda vector: self.apply(factors, vector)


class FunctionPreconditioner(AbstractPreconditioner):
    """A preconditioner from a function of the user's.

    Parameters
    ----------
    function
        `function(t, y, shift, vector)`, about `(shift I - J(t, y))^-1 vector`: linear in the vector, and made of
        operations that JAX can transpose where gradients are taken.

    Notes
    -----
    Nothing is kept between applications, so what the function computes from `t`, `y` and `shift` alone is computed in
    every iteration: derive from `AbstractPreconditioner` where that is dear.
    """

    function: Callable

    def __init__(self, function: Callable):
        self.function = as_callable(function, "function", "t", "y", "shift", "vector")

    def factor(self, jacobian: JacobianData, shift: Any) -> Any:
        """The time, the state and the shift."""
        return jacobian.t, jacobian.y, shift

    def apply(self, factors: Any, vector: Any) -> Any:
        """The function's value."""
        return self.function(*factors, vector)


def as_preconditioner(preconditioner: Any) -> AbstractPreconditioner | None:
    """A preconditioner, or a function `(t, y, shift, vector)` as one; None stays None."""
    if preconditioner is None or isinstance(preconditioner, AbstractPreconditioner):
        return preconditioner
    if isinstance(preconditioner, type) or not callable(preconditioner):
        msg = (
            "`preconditioner` must be a preconditioner such as `Jacobi()`, a function `(t, y, shift, vector)`, or "
            f"None; got {describe(preconditioner)}. Pass an instance."
        )
        raise TypeError(msg)
    return FunctionPreconditioner(preconditioner)


def required_entries(jacobian: JacobianData, name: str) -> Callable:
    """The Jacobian's entries, or a message that they are missing."""
    if jacobian.entries is None:
        msg = (
            f"`{name}` reads entries of the Jacobian; got a Jacobian that is known through its products only. Give the "
            "problem a sparsity pattern, or make `JacobianData(entries=probed_entries(product, colors))`."
        )
        raise ValueError(msg)
    return jacobian.entries
