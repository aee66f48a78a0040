"""What a solution says about an event."""

import equinox as eqx
from jaxtyping import Array, Float, Int, PyTree


class Triggers(eqx.Module):
    """The log of one event: `sol.events[i]`, in the order of the list given to `sj.solve`."""

    ts: Float[Array, " trigger"] | None
    """Times at which it happened, shape (max_triggers,), padded with NaN; None without a log."""
    ys: PyTree
    """The state there, before its change (what `affect` received), or the value of `observe`; leaves (max_triggers,
    ...), padded with NaN."""
    count: Int[Array, ""]
    """How often it happened."""
