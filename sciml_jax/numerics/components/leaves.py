"""Values as the flat operands of an inner function (loop body, branch, custom rule), and back."""

from collections.abc import Callable
from typing import Any

import numpy as np

from .values import Value, constant


def flatten(values: list[Value], *, distinct: bool) -> tuple[list, Callable[..., list[Value]]]:
    """The traced leaves of `values`, and a function that rebuilds `values` from their replacements.

    With `distinct`, one leaf per entry, constants included (a loop carry); else constants stay known and an entry
    that occurs several times is one leaf. The rebuilding function takes `zero_constants` for replacements that are
    tangents: a constant's tangent is zero.
    """
    leaves: list = []
    found: dict[int, int] = {}

    def place(x: Any) -> int | np.generic:
        if distinct or id(x) not in found:
            found[id(x)] = len(leaves)
            leaves.append(x)
        return found[id(x)]

    def plan_of(value: Value) -> Any:
        if value.is_packed:
            return place(value.array)
        flat = value.entries.reshape(-1)
        return [x if isinstance(x, np.generic) and not distinct else place(x) for x in flat]

    plans = [plan_of(value) for value in values]

    def rebuild(new: Any, zero_constants: bool = False) -> list[Value]:
        def one(value: Value, plan: Any) -> Value:
            if not isinstance(plan, list):
                return Value.from_array(new[plan])
            keep = [constant(0, p.dtype) if zero_constants and not isinstance(p, int) else p for p in plan]
            return Value.from_entries([new[p] if isinstance(p, int) else p for p in keep], value)

        return [one(value, plan) for value, plan in zip(values, plans, strict=True)]

    return leaves, rebuild
