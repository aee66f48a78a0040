"""What a problem of the zoo carries besides its equation: tags, reference values, invariants, a source.

A `ZooProblem` is a record to read from, not a pytree: hand its `.problem` to `solve` and to JAX's transformations.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..equations import ODEProblem

TAGS: Mapping[str, str] = {
    "stiff": 'explicit methods take steps limited by stability, not by accuracy, or do not apply (every "dae")',
    "nonstiff": "explicit methods are the right choice",
    "small": "at most 8 components",
    "large": "more than 8 components",
    "autonomous": "the vector field does not depend on t",
    "nonautonomous": "the vector field depends on t",
    "dae": "`problem.mass_matrix` is singular, shape (n, n); the initial value is consistent",
    "index1": 'a "dae" whose algebraic equations, as they stand, determine the algebraic part of the state',
    "index2": 'a "dae" whose algebraic equations determine it after one differentiation (Hessenberg form)',
    "closed_form": "`exact` gives the solution",
    "conservative": "every function in `invariants` depends on the state alone; there is at least one",
    "oscillatory": "the solution, or its envelope, is periodic or turns around a centre",
    "chaotic": "neighbouring solutions separate exponentially: compare trajectories at the reference times only",
    "multiscale": "components of the solution differ by 10,000 times or more: give `atol` well below the smallest one",
    "chemistry": "reaction kinetics",
    "ecology": "populations",
    "mechanics": "moving bodies",
    "electronics": "electrical circuits",
    "pde": "a partial differential equation, discretised in space",
}
"""The vocabulary of tags.

Every problem has exactly one of stiff/nonstiff, small/large, autonomous/nonautonomous; a `dae` is stiff and has exactly
one of index1/index2, every other problem none.
"""


@dataclass(frozen=True, eq=False)
class ZooProblem:
    """An initial value problem together with what is known about its solution.

    Attributes
    ----------
    name
        The name of its constructor.
    tags
        Words from `TAGS`.
    problem
        The problem to solve. Its arrays have the default float type at the time of construction.
    source
        Where the equation and the reference values come from.
    references
        Time -> state there, float64, for the parameters in `problem.args` and times in (t0, t1].
    accuracy
        Time -> bound on |reference - exact| / |reference|, for each component. Errors below it are not measurable.
    invariants
        Name -> `invariant(t, y, args)`, a scalar that is constant along solutions.
    exact
        `exact(t, args)`, the solution from `problem.y0`, where a closed form is known.
    """

    name: str
    tags: frozenset[str]
    problem: ODEProblem
    source: str
    references: Mapping[float, np.ndarray]
    accuracy: Mapping[float, float]
    invariants: Mapping[str, Callable[[Any, Any, Any], Any]] = field(default_factory=dict)
    exact: Callable[[Any, Any], Any] | None = None

    def relative_error(self, t: float, y: Any) -> float:
        """The largest |y - reference| / |reference| over the components, at a reference time.

        Raises
        ------
        ValueError
            When there is no reference at `t`.
        """
        if t not in self.references:
            message = (
                f"`t` must be a reference time of {self.name}; got {t}. Use one of {sorted(self.references)}, "
                "or construct the problem with a `t1` that reaches it."
            )
            raise ValueError(message)
        reference = self.references[t]
        return float(np.max(np.abs(np.asarray(y, dtype=np.float64) - reference) / np.abs(reference)))


def select_references(
    table: Mapping[float, tuple[float, list[float]]], t1: float
) -> tuple[dict[float, np.ndarray], dict[float, float]]:
    """Split a table time -> (accuracy, state) into references and accuracies, keeping the times up to `t1`."""
    kept = {t: row for t, row in table.items() if t <= t1}
    return {t: np.array(state) for t, (_, state) in kept.items()}, {t: accuracy for t, (accuracy, _) in kept.items()}
