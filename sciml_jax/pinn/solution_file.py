"""Trained functions in files."""

import os
from typing import Any

import jax
import jax.numpy as jnp

from ..core.checkpoint import load_checkpoint, load_metadata, save_checkpoint
from .solution import PINNSolution


def load_solution(path: str | os.PathLike, problem: Any, method: Any) -> Any:
    """Read what `sol.save(path)` wrote.

    Parameters
    ----------
    path
        The file.
    problem
        The problem that was solved; functions are not in the file.
    method
        The `sj.pinn.PINN(...)`, or another method, that solved it, for the network's shape; counts of steps and points
        may differ.

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
    if not hasattr(method, "system"):
        return method.load(path, problem)
    metadata = read_metadata(path, _WHAT)
    empty = empty_solution(method.system(problem, jax.random.key(0)), metadata["stats"], metadata["history"])
    held, _ = load_checkpoint(path, held_arrays(empty))
    return filled(empty, held)


def read_metadata(path: str | os.PathLike, what: str) -> dict[str, Any]:
    """The metadata of a file, which must be of a kind."""
    metadata = load_metadata(path)
    if metadata.get("what") != what:
        msg = (
            f"`path` must be a file that `sol.save` wrote for this kind of method; {os.fspath(path)!r} is none. Save "
            "the solution first, and pass the method that solved the problem."
        )
        raise ValueError(msg)
    return metadata


def empty_solution(system: Any, stats: dict[str, Any], lengths: dict[str, int]) -> PINNSolution:
    """A solution with the shapes of one that was saved."""
    zero = jnp.zeros((), system.start.dtype)
    return PINNSolution(
        system=system,
        vector=system.start,
        correction=system.start,
        error_estimate=zero,
        residual_norm=zero,
        status=jnp.zeros((), jnp.int32),
        stats=stats,
        history={name: jnp.zeros(n, system.start.dtype) for name, n in lengths.items()},
    )


def filled(empty: PINNSolution, held: tuple) -> PINNSolution:
    """The solution with the arrays of a file."""
    (template, vector, correction, error, norm, status, history) = held
    system = empty.system
    return PINNSolution(
        system=type(system)(system.problem, template, system.conditions),
        vector=vector,
        correction=correction,
        error_estimate=error,
        residual_norm=norm,
        status=status,
        stats=empty.stats,
        history=history,
    )


_WHAT = "solution of sciml_jax.pinn"


def save_solution(path: str | os.PathLike, sol: PINNSolution) -> None:
    """Write a solution to a file, atomically; see `load_solution`."""
    stats = {name: int(count) for name, count in sol.stats.items()}
    lengths = {name: len(values) for name, values in sol.history.items()}
    save_checkpoint(path, held_arrays(sol), {"what": _WHAT, "stats": stats, "history": lengths})


def held_arrays(sol: PINNSolution) -> tuple:
    """What the file holds; the template for what is not trained, such as drawn frequencies."""
    return (
        sol.system.template, sol.vector, sol.correction, sol.error_estimate, sol.residual_norm, sol.status, sol.history,
    )  # fmt: skip
