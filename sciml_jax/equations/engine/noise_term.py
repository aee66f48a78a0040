"""The term by which the interpretations of noise differ, and which makes the order of Milstein's method."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.flatten_util
import jax.numpy as jnp
from jaxtyping import PyTree

from .noise_form import noise_form


class DiffusionAndTerm(eqx.Module):
    """The pair of the diffusion and `sum_k (dg_k/dy) g_k`."""

    diffusion: Callable
    noise: str = eqx.field(static=True)

    def __call__(self, t: Any, y: PyTree, args: PyTree) -> tuple[PyTree, PyTree]:
        """Both, as pytrees like the state."""
        return noise_term(self.diffusion, self.noise, t, y, args)


def noise_term(diffusion: Callable, noise: str, t: Any, y: PyTree, args: PyTree) -> tuple[PyTree, PyTree]:
    """The diffusion g and `sum_k (dg_k/dy) g_k`, g_k being what the k-th motion does.

    One Jacobian-vector product for scalar noise, one for each motion otherwise: for diagonal noise `(dg_i/dy_i) g_i`,
    also where g_i depends on other entries of the state.
    """
    like_state = lambda out: jax.tree_util.tree_map(lambda a, b: jnp.asarray(a, b.dtype), out, y)
    field = lambda y: like_state(diffusion(t, y, args))
    if noise == "scalar":
        value = field(y)
        return value, jax.jvp(field, (y,), (value,))[1]
    form = noise_form(jax.eval_shape(field, y), y, noise)
    value = field(y)
    if form.kind == "diagonal":
        return value, _diagonal_term(field, y, value)

    def product(weights):
        column = lambda y: jax.tree_util.tree_map(lambda leaf: jnp.sum(leaf * weights.astype(leaf.dtype), -1), field(y))
        return jax.jvp(column, (y,), (column(y),))[1]

    products = jax.vmap(product)(jnp.eye(form.size))
    return value, jax.tree_util.tree_map(lambda leaf: jnp.sum(leaf, axis=0), products)


def _diagonal_term(field: Callable, y: PyTree, value: PyTree) -> PyTree:
    """`(dg_i/dy_i) g_i`, which is one product where there is one number, or as many as there are numbers."""
    flat, unflatten = jax.flatten_util.ravel_pytree(value)
    if flat.size == 1:
        return jax.jvp(field, (y,), (value,))[1]

    def one(unit):
        moved = jax.jvp(field, (y,), (unflatten(unit.astype(flat.dtype) * flat),))[1]
        return jax.flatten_util.ravel_pytree(moved)[0] * unit.astype(flat.dtype)

    return unflatten(jnp.sum(jax.vmap(one)(jnp.eye(flat.size)), axis=0))
