"""Plans that differ from a given one."""

from typing import Any

from ..engine.plan import Plan


def changed(plan: Any, **changes: Any) -> Plan:
    """The plan of an integration with other `method`, `system`, `max_steps`, `num_save`, `dense`, ..."""
    kept = {
        "method": plan.method,
        "system": plan.system,
        "controller_is_adaptive": plan.controller_is_adaptive,
        "needs_guess": plan.needs_guess,
        "max_steps": plan.max_steps,
        "num_save": plan.num_save,
        "save_every": plan.save_every,
        "dense": plan.dense,
        "has_stops": plan.has_stops,
        "delays": plan.delays,
    } | changes
    return Plan(kept.pop("method"), kept.pop("system"), **kept)
