"""The two halves of a separable system: `dq/dt = G(t, p)` and `dp/dt = F(t, q)`."""

from collections.abc import Callable
from typing import Any

import jax
from jax.extend.core import ClosedJaxpr, jaxpr_as_fun
from jax.interpreters import partial_eval

from ...numerics.hoist import Hoisted


def separate(system: Any, t: Any, y: tuple, name: str) -> tuple[Callable, Callable]:
    """`drift(t, p) -> dq/dt` and `kick(t, q) -> dp/dt` of a vector field of states `(*q, *p)`.

    The field is traced once and each half is what remains of it without the other, so a stage evaluates what it uses.
    What remains also tells which inputs a half depends on.

    Raises
    ------
    ValueError
        When `dq/dt` depends on `q` or `dp/dt` on `p`, or the state is no pair; `name` is that of the method.
    """
    if len(y) % 2:
        msg = f"`{name}` needs a pair (q, p) as its state; got {len(y)} leaves. Pass positions and velocities."
        raise ValueError(msg)
    half = len(y) // 2
    field = Hoisted(lambda t, *y: system.vector_field(t, y), t, *y)
    drift = _half(field, "dq/dt", range(half), range(half, 2 * half), name)
    kick = _half(field, "dp/dt", range(half, 2 * half), range(half), name)
    return drift, kick


def _half(field: Hoisted, what: str, outputs: range, inputs: range, name: str) -> Callable:
    """The part of the program behind some outputs, as a function of the time and of the `inputs` of the state."""
    closed = field.jaxpr
    wanted = [i in outputs for i in range(len(closed.jaxpr.outvars))]
    part, used = partial_eval.dce_jaxpr(closed.jaxpr, wanted)
    # In front of the state come what the field closes over and the time.
    first = len(field.consts) + 1
    if any(is_used and i not in inputs for i, is_used in enumerate(used[first:])):
        own, other = ("q", "p") if what == "dq/dt" else ("p", "q")
        msg = (
            f"`{name}` needs a separable problem, where {what} depends on {other} (and t) alone: H = T(p) + V(q), or "
            f"an acceleration that does not read the velocity; got a {what} that reads {own}. Write the terms apart, "
            "or use a general method such as `sj.Tsit5()`."
        )
        raise ValueError(msg)
    evaluate = jax.jit(jaxpr_as_fun(ClosedJaxpr(part, closed.consts)))

    def function(t: Any, values: tuple) -> tuple:
        padded = [*field.consts, t, *[None] * inputs.start, *values, *[None] * (len(wanted) - inputs.stop)]
        return tuple(evaluate(*[value for value, is_used in zip(padded, used, strict=True) if is_used]))

    return function
