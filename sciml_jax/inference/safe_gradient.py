"""A scalar function whose failures are minus infinity with a zero gradient, differentiated forwards or in reverse."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax.custom_derivatives import SymbolicZero
from jaxtyping import Array, Float

from ..numerics.hoist import Hoisted


def safe_scalar(fn: Callable[[Array], Array], x: Float[Array, " n"], *, forward: bool) -> Float[Array, ""]:
    """`fn(x)`, or minus infinity where that is NaN or plus infinity; its gradient is zero where it is not finite.

    Derivatives by x are taken as a whole: by n tangents at once (`forward`) or by one cotangent. Both serve `jax.grad`,
    `jax.jvp`, and higher derivatives, because the gradient is an ordinary function. What `fn` closes over is an
    operand, so that derivatives by data and hyperparameters are right too.
    """
    hoisted = Hoisted(fn, x)

    def raw(x, consts):
        return hoisted(*consts, x)[0]

    @jax.custom_jvp
    def safe(x, consts):
        return _finite_or_zero_density(raw(x, consts))

    def rule(primals, tangents):
        x, consts = primals
        dx, dconsts = tangents
        value, gradient = (_forward if forward else _reverse)(lambda x: raw(x, consts), x)
        good = jnp.isfinite(value) & jnp.all(jnp.isfinite(gradient))
        tangent = jnp.zeros_like(value)
        if not isinstance(dx, SymbolicZero):
            tangent = tangent + jnp.vdot(jnp.where(good, gradient, 0), dx)
        moving = [i for i, t in enumerate(dconsts) if not isinstance(t, SymbolicZero) and _is_real(consts[i])]
        if moving:
            push = jax.jvp(
                lambda *some: raw(x, _replaced(consts, moving, some)),
                tuple(consts[i] for i in moving),
                tuple(dconsts[i] for i in moving),
            )[1]
            tangent = tangent + jnp.where(jnp.isfinite(value), push, 0)
        return _finite_or_zero_density(value), tangent

    safe.defjvp(rule, symbolic_zeros=True)
    return safe(x, hoisted.consts)


def _finite_or_zero_density(value: Array) -> Array:
    return jnp.where(jnp.isnan(value) | (value == jnp.inf), -jnp.inf, value)


def _forward(fn: Callable, x: Array) -> tuple[Array, Array]:
    return jax.vmap(lambda direction: jax.jvp(fn, (x,), (direction,)), out_axes=(None, 0))(
        jnp.eye(x.size, dtype=x.dtype)
    )


def _reverse(fn: Callable, x: Array) -> tuple[Array, Array]:
    return jax.value_and_grad(fn)(x)


def _is_real(const: Any) -> bool:
    return jnp.issubdtype(const.dtype, jnp.inexact)


def _replaced(consts: tuple, places: list[int], values: tuple) -> tuple:
    new = list(consts)
    for place, value in zip(places, values, strict=True):
        new[place] = value
    return tuple(new)
