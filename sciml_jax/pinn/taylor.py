"""Derivatives by Taylor mode: all orders along one direction in one pass."""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax.experimental import jet
from jax.extend import core
from jaxtyping import Array, Float

# The operations whose rules in `jax.experimental.jet` were compared with nested derivatives up to order 4
# (tests/pinn/test_engines.py). `pow` is not among them: its rule takes a logarithm of the base.
_ARITHMETIC = ("add", "sub", "mul", "div", "neg", "add_any", "dot_general", "reduce_sum", "integer_pow", "square")
_SMOOTH = ("tanh", "sin", "cos", "exp", "log", "logistic", "sqrt", "rsqrt", "sinh", "cosh", "erf", "erfc", "expm1")
_SHAPES = ("reshape", "squeeze", "expand_dims", "broadcast_in_dim", "transpose", "slice", "concatenate", "stack")
_OTHERS = ("log1p", "copy", "copy_p", "convert_element_type", "stop_gradient")
_EXACT = frozenset(_ARITHMETIC + _SMOOTH + _SHAPES + _OTHERS)
_CALLS = frozenset(("jit", "pjit", "closed_call"))


def taylor_mode_is_exact(function: Callable, z: Float[Array, " d"]) -> bool:
    """Whether the function is made of operations whose Taylor rules are known to be right.

    Costs one trace. Operations that do not depend on `z` (on the parameters alone, for example) may be any.
    """
    closed = jax.make_jaxpr(function)(z)
    return _exact(closed.jaxpr, [True] * len(closed.jaxpr.invars))


def _exact(jaxpr: Any, depends: Sequence[bool]) -> bool:
    active = {var for var, yes in zip(jaxpr.invars, depends, strict=True) if yes}
    for eqn in jaxpr.eqns:
        flags = [not isinstance(var, core.Literal) and var in active for var in eqn.invars]
        if not any(flags):
            continue
        active.update(eqn.outvars)
        name = eqn.primitive.name
        if name in _CALLS:
            if not _exact(eqn.params["jaxpr"].jaxpr, flags):
                return False
        elif name not in _EXACT:
            return False
    return True


def along(
    function: Callable[[Array], Any], z: Float[Array, " d"], direction: Float[Array, " d"], order: int
) -> tuple[Any, ...]:
    r"""$f(z + s v)$ and its derivatives $d^k/ds^k$ at $s = 0$ for $k = 1 \dots$ `order`.

    Taylor mode (`jax.experimental.jet`) where its rules are right for all operations in the function, nested forward
    mode otherwise: softplus, relu, loops and branches, linear solves.

    Parameters
    ----------
    function
        `function(z) -> value`, an array or a pytree of arrays.
    z, direction
        Point and direction, shape (d,).
    order
        Highest derivative.

    Returns
    -------
    `order + 1` values like `function(z)`.

    Notes
    -----
    Taylor mode costs about `order (order + 1) / 2` evaluations, nested forward mode `2^order`.

    References
    ----------
    Bettencourt, Johnson, Duvenaud: Taylor-mode automatic differentiation for higher-order derivatives in JAX, NeurIPS
    workshop 2019.
    """
    if order >= 2 and taylor_mode_is_exact(function, z):
        return _jet(function, z, direction, order)
    return _nested(function, z, direction, order)


def _jet(function: Callable, z: Array, direction: Array, order: int) -> tuple[Any, ...]:
    structures = []

    def leaves(z: Array) -> list:
        found, structure = jax.tree_util.tree_flatten(function(z))
        structures.append(structure)
        return [jnp.asarray(leaf) for leaf in found]

    series = [direction] + [jnp.zeros_like(direction)] * (order - 1)
    values, terms = jet.jet(leaves, (z,), (series,))
    rows = [values] + [[term[k] for term in terms] for k in range(order)]
    return tuple(jax.tree_util.tree_unflatten(structures[-1], row) for row in rows)


def _nested(function: Callable, z: Array, direction: Array, order: int) -> tuple[Any, ...]:
    def chain(k: int) -> Callable:
        """The function whose value is all derivatives up to `k`."""
        if k == 0:
            return lambda z: (function(z),)

        def extended(z: Array) -> tuple:
            lower, slopes = jax.jvp(chain(k - 1), (z,), (direction,))
            return (*lower, slopes[-1])

        return extended

    return chain(order)(z)


def taylor_partials(
    function: Callable[[Array], Any], z: Float[Array, " d"], orders: Sequence[tuple[int, ...]]
) -> tuple[Any, ...]:
    r"""Partial derivatives of a function at one point, computed together by Taylor mode.

    Each order is a tuple of axes: `(0,)` is $\partial_0$, `(1, 1)` is $\partial_1^2$, `(0, 1)` is
    $\partial_0\partial_1$, `()` the value. All derivatives along one axis come from one pass of the highest order; a
    mixed one is a Jacobian-vector product of the pass along the axis that occurs most often.

    Parameters
    ----------
    function
        `function(z) -> value`, an array or a pytree of arrays.
    z
        The point, shape (d,).
    orders
        Tuples of axes; mixed derivatives do not depend on their order.

    Returns
    -------
    One value per order, each like `function(z)`.

    Notes
    -----
    Falls back to nested forward mode by itself where Taylor rules are missing (see `along`), with the same result to
    rounding. Worth it from the second order on, and the more the higher the order.
    """
    groups: dict[tuple, int] = {}
    places = []
    for order in orders:
        axis, power, outer = _split(order)
        groups[axis, outer] = max(groups.get((axis, outer), 0), power)
        places.append((axis, outer, power))
    passes = {key: _mixed(function, z, key[0], key[1], power) for key, power in groups.items()}
    return tuple(passes[axis, outer][power] for axis, outer, power in places)


def _split(order: tuple[int, ...]) -> tuple[int, int, tuple[int, ...]]:
    """The axis that occurs most often, how often, and the others."""
    if not order:
        return 0, 0, ()
    axis = max(sorted(set(order)), key=order.count)
    return axis, order.count(axis), tuple(sorted(other for other in order if other != axis))


def _mixed(function: Callable, z: Array, axis: int, outer: tuple[int, ...], power: int) -> tuple[Any, ...]:
    """Derivatives of order 0 to `power` along `axis`, each differentiated once along every axis in `outer`."""
    if not outer:
        return along(function, z, _unit(z, axis), power)
    inner = lambda z: _mixed(function, z, axis, outer[1:], power)
    return jax.jvp(inner, (z,), (_unit(z, outer[0]),))[1]


def _unit(z: Array, axis: int) -> Array:
    return jnp.zeros_like(z).at[axis].set(1)
