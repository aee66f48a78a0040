"""Rates of mass action."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PyTree

from ...core.tree import is_concrete


class MassAction(eqx.Module):
    """Rates that count the combinations of reactants: `k_j prod_i y_i (y_i - 1) ... (y_i - m_ji + 1) / m_ji!`.

    A callable for `JumpProblem(rates, ...)`: `rates(t, y, args)` takes the constants from `args`, shape (R,), unless
    they are given here. Written on arrays, so that `sj.GroupedDirect` can evaluate single rates.

    Parameters
    ----------
    reactants
        How many of each species a reaction uses up or needs, `m`, shape (R, n), integers; known when tracing.
    constants
        `k`, shape (R,), or None to take them from `args`.
    continuous
        True: powers `k_j prod_i y_i^m_ji`, the rates of the reaction-rate equations, as for concentrations.

    Raises
    ------
    TypeError, ValueError
        For reactants that are traced, negative or fractional, or constants of another length.
    """

    species: tuple = eqx.field(static=True)
    """For every reaction the species of its reactants, each as often as it takes part; n stands for none."""
    ranks: tuple = eqx.field(static=True)
    """How many of the same kind stand before it."""
    num_species: int = eqx.field(static=True)
    constants: Float[Array, " reactions"] | None
    continuous: bool = eqx.field(static=True)

    def __init__(self, reactants: Any, constants: Any = None, *, continuous: bool = False):
        matrix = _checked(reactants)
        number, self.num_species = matrix.shape
        order = max(int(matrix.sum(axis=1).max()), 1)
        species, ranks = np.full((number, order), self.num_species), np.zeros((number, order), int)
        for j, row in enumerate(matrix):
            used = np.repeat(np.arange(self.num_species), row)
            species[j, : used.size] = used
            ranks[j, : used.size] = np.concatenate([np.arange(m) for m in row if m] or [[]])
        self.species, self.ranks = tuple(map(tuple, species.tolist())), tuple(map(tuple, ranks.tolist()))
        self.constants = None if constants is None else jnp.asarray(constants, float)
        if self.constants is not None and self.constants.shape != (number,):
            msg = (
                f"`constants` must have one number for every reaction, shape ({number},); got shape "
                f"{self.constants.shape}. Pass as many as `reactants` has rows."
            )
            raise ValueError(msg)
        self.continuous = bool(continuous)

    def __call__(self, t: Any, y: PyTree, args: Any) -> Any:
        """The rates, shape (R,)."""
        del t
        constants = args if self.constants is None else self.constants
        dtype = jnp.result_type(constants, float)
        flat = jnp.concatenate([jnp.ravel(leaf).astype(dtype) for leaf in jax.tree_util.tree_leaves(y)])
        species, ranks = np.array(self.species), np.array(self.ranks)
        rates = jnp.asarray(constants, dtype)
        for i in range(species.shape[1]):
            is_one = species[:, i] == self.num_species
            count = flat[np.where(is_one, 0, species[:, i])]
            if not self.continuous:
                # Below zero there are no combinations: without this, -1 times -2 would be two of them.
                count = jnp.maximum(count - ranks[:, i], 0) / (ranks[:, i] + 1)
            rates = rates * (count if not is_one.any() else jnp.where(is_one, 1.0, count))
        return rates


def _checked(reactants: Any) -> np.ndarray:
    if not is_concrete(reactants):
        msg = "`reactants` must be known while the program is traced; got traced values. Make them from NumPy arrays."
        raise TypeError(msg)
    matrix = np.asarray(reactants)
    if matrix.ndim != 2 or matrix.size == 0 or matrix.dtype == object:
        msg = f"`reactants` must have shape (R, n), a row for every reaction; got shape {matrix.shape}. Pass rows."
        raise ValueError(msg)
    if np.any(matrix < 0) or np.any(matrix != np.round(matrix)):
        msg = f"`reactants` must be counts, integers of at least zero; got {matrix.min():g} ... {matrix.max():g}."
        raise ValueError(msg)
    return matrix.astype(int)
