"""Trained functions in files."""

import os
from typing import Any

import jax
import jax.numpy as jnp

from ..core.checkpoint import load_checkpoint, load_metadata, save_checkpoint
from .solution import PINNSolution


def load_solution(path: str | os.PathLike, problem: Any, method: Any) -> PINNSolution:
    """Read what `sol.save(path)` wrote.

    Parameters
    ----------
    path
        The file.
    problem
        The problem that was solved; functions are not in the file.
    method
        The `sj.pinn.PINN(...)` that solved it, for the network's shape; counts of steps and points may differ.

    Returns
    -------
    The solution, bit for bit.

    Raises
    ------
    FileNotFoundError
        When there is no such file.
    ValueError
        When the file is no solution, is damaged, or holds another network, other conditions or another precision; the
        message lists what differs.
    """
    metadata = load_metadata(path)
    if metadata.get("what") != _WHAT:
        msg = f"`path` must be a file that `sol.save` wrote; {os.fspath(path)!r} is none. Save the solution first."
        raise ValueError(msg)
    system = method.system(problem, jax.random.key(0))
    like = _arrays(
        PINNSolution(
            system=system,
            vector=system.start,
            correction=system.start,
            error_estimate=jnp.zeros((), system.start.dtype),
            residual_norm=jnp.zeros((), system.start.dtype),
            status=jnp.zeros((), jnp.int32),
            stats=metadata["stats"],
            history={name: jnp.zeros(n, system.start.dtype) for name, n in metadata["history"].items()},
        )
    )
    held, _ = load_checkpoint(path, like)
    (template, vector, correction, error, norm, status, history) = held
    return PINNSolution(
        system=type(system)(system.problem, template, system.conditions),
        vector=vector,
        correction=correction,
        error_estimate=error,
        residual_norm=norm,
        status=status,
        stats=metadata["stats"],
        history=history,
    )


_WHAT = "solution of sciml_jax.pinn"


def save_solution(path: str | os.PathLike, sol: PINNSolution) -> None:
    """Write a solution to a file, atomically; see `load_solution`."""
    stats = {name: int(count) for name, count in sol.stats.items()}
    lengths = {name: len(values) for name, values in sol.history.items()}
    save_checkpoint(path, _arrays(sol), {"what": _WHAT, "stats": stats, "history": lengths})


def _arrays(sol: PINNSolution) -> tuple:
    """What the file holds; the template for what is not trained, such as drawn frequencies."""
    return (
        sol.system.template, sol.vector, sol.correction, sol.error_estimate, sol.residual_norm, sol.status, sol.history,
    )  # fmt: skip
