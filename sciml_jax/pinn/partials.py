"""Derivatives with respect to named coordinates, by nested forward mode."""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float


def nested_forward(
    function: Callable[[Array], Any], z: Float[Array, " d"], orders: Sequence[tuple[int, ...]]
) -> tuple[Any, ...]:
    r"""Partial derivatives of a function at one point, by Jacobian-vector products of Jacobian-vector products.

    Each order is a tuple of axes: `(0,)` is $\partial_0$, `(1, 1)` is $\partial_1^2$, `(0, 1)` is
    $\partial_0\partial_1$.
    Derivatives whose axes begin alike share their work: `(1,)` comes with `(1, 1)` at no cost.

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
    Costs about $2^k$ evaluations for order k along one chain of axes; Taylor mode is cheaper from the third order on.
    Memory does not grow with the depth of the function.
    """
    wanted = {tuple(sorted(order)) for order in orders}
    _, found = _derive(function, z, wanted)
    return tuple(found[tuple(sorted(order))] for order in orders)


def _derive(function: Callable, z: Array, wanted: set[tuple[int, ...]]) -> tuple[Any, dict]:
    """The value and all wanted derivatives; those that begin with one axis are derivatives of one product with it."""
    value, found = None, {}
    for axis in sorted({order[0] for order in wanted}):
        rest = {order[1:] for order in wanted if order[0] == axis}
        direction = jnp.zeros_like(z).at[axis].set(1.0)

        def pair(z: Array, direction: Array = direction) -> tuple[Any, Any]:
            return jax.jvp(function, (z,), (direction,))

        if rest == {()}:
            value, first = pair(z)
        else:
            (value, first), inner = _derive(pair, z, rest - {()})
            found |= {(axis, *order): both[1] for order, both in inner.items()}
        found[(axis,)] = first
    return value, found


def parse_partial(name: Any, names: tuple[str, ...]) -> tuple[int, ...]:
    """The axes of a derivative from its name: `"t"`, `"xx"`, `"x1x2"`, or a tuple of coordinates `("x", "x")`."""
    if isinstance(name, (tuple, list)) and name and all(part in names for part in name):
        return tuple(names.index(part) for part in name)
    if isinstance(name, str) and name:
        axes = _split(name, names)
        if axes is not None:
            return axes
    msg = (
        f"A derivative is named by the coordinates {', '.join(map(repr, names))} written one after the other, such as "
        f"{names[0]!r} or {names[-1] * 2!r}; got {name!r}. Check the spelling, or pass a tuple of coordinates."
    )
    raise ValueError(msg)


def _split(text: str, names: tuple[str, ...]) -> tuple[int, ...] | None:
    # A coordinate's own name comes first, then the longest names, so that "x1" is never read as "x" followed by "1".
    if text in names:
        return (names.index(text),)
    for name in sorted(names, key=len, reverse=True):
        if text.startswith(name):
            rest = _split(text[len(name) :], names)
            if rest is not None:
                return (names.index(name), *rest)
    return None
