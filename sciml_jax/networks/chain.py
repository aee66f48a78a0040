"""Networks one after the other."""

from typing import Any

import equinox as eqx


class Chain(eqx.Module):
    """The composition `z -> parts[-1](... parts[0](z))`: embeddings in front of a network, transforms behind it.

    Parameters
    ----------
    *parts
        Callables of one argument, applied from left to right.

    Raises
    ------
    TypeError
        Without parts, and for parts that cannot be called.
    """

    parts: tuple[Any, ...]

    def __init__(self, *parts: Any):
        wrong = [part for part in parts if isinstance(part, type) or not callable(part)]
        if wrong or not parts:
            got = f"{wrong[0]!r}" if wrong else "none"
            msg = f"`Chain` takes callables of one argument, first one first; got {got}. Pass `Chain(embedding, net)`."
            raise TypeError(msg)
        self.parts = parts

    def __call__(self, z: Any) -> Any:
        """What the last part makes of it."""
        for part in self.parts:
            z = part(z)
        return z
