"""The protocols through which every equation is solved: a method, and what it returns."""

import abc
import inspect
from typing import Any, ClassVar

import equinox as eqx


class AbstractSolution(eqx.Module):
    """What `solve` returns: a frozen module with at least `status` (an integer array) and `stats`."""

    status: eqx.AbstractVar[Any]
    stats: eqx.AbstractVar[Any]


class AbstractMethod(eqx.Module):
    """How to solve a problem. A frozen module that holds the method's own options.

    A method names the problem types it can take in `problem_types` and declares the options it understands as
    keyword-only arguments of its `solve`; `sj.solve` forwards those and refuses the others by name.
    """

    problem_types: ClassVar[tuple[type, ...]] = ()

    @property
    def name(self) -> str:
        """How messages call the method."""
        return type(self).__name__

    @abc.abstractmethod
    def solve(self, problem: Any, *, key: Any = None) -> AbstractSolution:
        """Solve the problem."""

    def declared_options(self) -> frozenset[str]:
        """Names of the options that this method's `solve` takes."""
        parameters = inspect.signature(type(self).solve).parameters.values()
        return frozenset(p.name for p in parameters if p.kind is inspect.Parameter.KEYWORD_ONLY)
