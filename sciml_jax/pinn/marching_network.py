"""The function of one window of time: it starts exactly from given values, and holds conditions on walls exactly."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from ..core.frozen import Frozen

POWER = 4
"""How often what carries the initial values into a window can be differentiated where it ends, and one more."""


class WindowParts(eqx.Module):
    """What of a window's function is not trained."""

    embedding: Any
    """Scaling of the window's coordinates, or None for networks that take the point itself."""
    walls: Any
    """`HardConditions` on faces in space, or None."""
    start: Callable
    """`(z, params) -> (orders, m)`: the values, and time derivatives, from which the window starts."""
    begin: Array
    """The time at which it starts."""
    length: Array
    """After this time nothing of the start is left but in the network."""
    params: Any


class WindowNetwork(eqx.Module):
    r"""$u(t, x) = H(t, x) + \sum_j \psi_j(s) [\partial_t^j P(x) - \partial_t^j H(T, x)]$, $s = (t - T) / h$.

    H is the network with the conditions on walls, P what was found before. $\psi_j$ has its j-th derivative one and the
    others zero at s = 0, and vanishes from s = 1 on: there u is H alone, so that the next window starts from one
    network, not from a chain of them.

    Parameters
    ----------
    net
        The network that is trained.
    parts
        What is not.
    num_outputs
        The number of unknown functions.
    held
        For every order of time derivative, 0 and perhaps 1, which unknown functions have initial values.
    time
        The axis of time.
    """

    net: Callable
    parts: Frozen
    num_outputs: int = eqx.field(static=True)
    held: tuple[tuple[bool, ...], ...] = eqx.field(static=True)
    time: int = eqx.field(static=True)

    def free(self, z: Float[Array, " d"]) -> Float[Array, " m"]:
        """H: the network with the conditions on walls, without the start."""
        parts = self.parts.value
        value = jnp.reshape(self.net(z if parts.embedding is None else parts.embedding(z)), (self.num_outputs,))
        return value if parts.walls is None else parts.walls(value, z, parts.params).astype(value.dtype)

    def orders(self, z: Float[Array, " d"]) -> Float[Array, "orders m"]:
        """H and as many time derivatives as have initial values."""
        return time_orders(self.free, z, self.time, len(self.held))

    def __call__(self, z: Float[Array, " d"]) -> Float[Array, " m"]:
        """The unknown functions at one point."""
        parts = self.parts.value
        at_start = z.at[self.time].set(parts.begin.astype(z.dtype))
        gap = parts.start(at_start, parts.params).astype(z.dtype) - self.orders(at_start)
        shapes = carried(z[self.time] - parts.begin, parts.length, len(self.held))
        held = jnp.asarray(self.held, z.dtype)
        return self.free(z) + jnp.sum(held * gap * jnp.stack(shapes)[:, None], axis=0)


class FromWindow(eqx.Module):
    """`(z, params) -> (orders, m)`: where the window before has got to."""

    network: WindowNetwork

    def __call__(self, z: Float[Array, " d"], params: Any) -> Float[Array, "orders m"]:
        """Values and time derivatives at a point."""
        del params
        return self.network.orders(z)


class FromConditions(eqx.Module):
    """`(z, params) -> (orders, m)`: the initial conditions of the problem; zero where there are none."""

    conditions: tuple[Any, ...]
    num_outputs: int = eqx.field(static=True)
    num_orders: int = eqx.field(static=True)

    def __call__(self, z: Float[Array, " d"], params: Any) -> Float[Array, "orders m"]:
        """Values and time derivatives at a point."""
        found = jnp.zeros((self.num_orders, self.num_outputs), z.dtype)
        for condition in reversed(self.conditions):
            row = getattr(condition, "derivative", 0)
            value = condition.value(z, params).astype(z.dtype)
            which = slice(None) if condition.component is None else condition.component
            found = found.at[row, which].set(value)
        return found


def time_orders(function: Callable, z: Array, time: int, count: int) -> Float[Array, "orders m"]:
    """A function and its time derivative, as far as `count` says."""
    if count == 1:
        return function(z)[None]
    return jnp.stack(jax.jvp(function, (z,), (jnp.zeros_like(z).at[time].set(1.0),)))


def carried(since: Array, length: Array, count: int) -> tuple[Array, ...]:
    """The shapes in time by which initial values, and initial velocities, are carried into a window."""
    s = jnp.clip(since / length, 0.0, 1.0)
    fall = (1 - s) ** POWER
    # Before the start, where only the blend of a neighbour looks, the values stay as they are.
    return (fall,) if count == 1 else (fall * (1 + POWER * s), since * fall)
