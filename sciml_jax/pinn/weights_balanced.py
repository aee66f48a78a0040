"""Weights that give all terms of a loss the same pull on the parameters."""

import abc
from collections.abc import Callable, Sequence
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PyTree

from .weights import AbstractWeights, Counted, check_share


class _BalancedWeights(AbstractWeights):
    """Moving averages of `mean(pull) / pull`, revised every so many steps."""

    momentum: float = 0.9
    every: int = eqx.field(static=True, default=100)

    def __check_init__(self):
        check_share(self.momentum, "momentum")
        if not isinstance(self.every, int) or self.every < 1:
            msg = f"`every` must be an integer of at least 1; got {self.every!r}. Use, for example, 100."
            raise ValueError(msg)

    @abc.abstractmethod
    def pulls(self, losses_fn: Callable, params: PyTree, residuals_fn: Any, key: Array) -> Float[Array, " k"]:
        """How strongly each term moves the parameters."""

    def init(self, num_terms: int) -> Counted:
        """See `AbstractWeights`."""
        return Counted(jnp.int32(0), jnp.ones(num_terms))

    def update(
        self, state: Any, losses_fn: Callable[[PyTree], Array], params: PyTree, *, residuals_fn: Any = None
    ) -> Any:
        """See `AbstractWeights`."""

        def revise(weights: Array) -> Array:
            key = jax.random.fold_in(jax.random.key(0), state.count)
            pulls = self.pulls(losses_fn, params, residuals_fn, key).astype(weights.dtype)
            mean = jnp.mean(pulls)
            # The floor bounds the weight of a term that is solved already.
            new = jnp.where(mean > 0, mean / jnp.maximum(pulls, 1e-5 * mean), 1)
            blended = self.momentum * weights + (1 - self.momentum) * new
            return jnp.where(jnp.all(jnp.isfinite(blended)), blended, weights)

        due = state.count % self.every == 0
        weights = jax.lax.cond(due, revise, lambda weights: weights, state.weights)
        return Counted(state.count + 1, jax.lax.stop_gradient(weights))

    def values(self, state: Any) -> Float[Array, " k"]:
        """See `AbstractWeights`."""
        return jax.lax.stop_gradient(state.weights)


class GradNormWeights(_BalancedWeights):
    r"""Weights that make the gradients of all terms equally long: $\lambda_i = \overline{|\nabla L|} / |\nabla L_i|$.

    Parameters
    ----------
    momentum
        Share of the old weights at a revision.
    every
        Steps between revisions.

    Raises
    ------
    ValueError
        For a momentum outside [0, 1), or `every` below 1.

    Notes
    -----
    A revision costs one gradient per term.

    References
    ----------
    Wang, Sankaran, Wang, Perdikaris: An expert's guide to training physics-informed neural networks, arXiv:2308.08468
    (2023). Wang, Teng, Perdikaris: SIAM J. Sci. Comput. 43 (2021).
    """

    def pulls(self, losses_fn: Callable, params: PyTree, residuals_fn: Any, key: Array) -> Float[Array, " k"]:
        """See `_BalancedWeights`."""
        del residuals_fn, key
        moving, rest = eqx.partition(params, eqx.is_inexact_array)
        rows = jax.jacrev(lambda part: losses_fn(eqx.combine(part, rest)))(moving)
        squares = [jnp.sum(row.reshape(row.shape[0], -1) ** 2, axis=1) for row in jax.tree_util.tree_leaves(rows)]
        return jnp.sqrt(jnp.stack(squares).sum(axis=0))


class NTKWeights(_BalancedWeights):
    r"""Weights from the neural tangent kernel: $\lambda_i = \overline{T} / T_i$, $T_i = |\nabla_\theta r_i|_F^2 / n_i$.

    $T_i$, the mean diagonal of the kernel of term i, is the rate at which gradient descent lowers it; the weights make
    all terms converge alike. The trace is estimated from random signs, so each probe costs one vector-Jacobian product.

    Parameters
    ----------
    momentum
        Share of the old weights at a revision.
    every
        Steps between revisions.
    num_probes
        Random vectors per term; the relative standard error of a trace is about `sqrt(2 / num_probes)` at worst.

    Raises
    ------
    TypeError, ValueError
        For settings out of range, and for an `update` without `residuals_fn`.

    References
    ----------
    Wang, Yu, Perdikaris: When and why PINNs fail to train: a neural tangent kernel perspective, J. Comput. Phys. 449
    (2022).
    """

    num_probes: int = eqx.field(static=True, default=4)

    def pulls(self, losses_fn: Callable, params: PyTree, residuals_fn: Any, key: Array) -> Float[Array, " k"]:
        """See `_BalancedWeights`."""
        del losses_fn
        if residuals_fn is None:
            msg = (
                "`NTKWeights` needs the residuals of every term; got none. Call `update(state, losses_fn, params, "
                "residuals_fn=...)`, or use `GradNormWeights()`."
            )
            raise TypeError(msg)
        moving, rest = eqx.partition(params, eqx.is_inexact_array)
        residuals, pull = jax.vjp(lambda part: tuple(residuals_fn(eqx.combine(part, rest))), moving)
        keys = jax.random.split(key, len(residuals))
        return jnp.stack([self._trace(residuals, pull, i, k) for i, k in enumerate(keys)])

    def _trace(self, residuals: Sequence[Array], pull: Callable, i: int, key: Array) -> Array:
        """The mean over the points of the squared gradients of their residuals."""
        signs = jax.random.rademacher(key, (self.num_probes, *residuals[i].shape), residuals[i].dtype)

        def square(sign: Array) -> Array:
            cotangents = tuple(sign if j == i else jnp.zeros_like(r) for j, r in enumerate(residuals))
            return jnp.stack([jnp.sum(leaf**2) for leaf in jax.tree_util.tree_leaves(pull(cotangents))]).sum()

        return jnp.mean(jax.vmap(square)(signs)) / residuals[i].size
