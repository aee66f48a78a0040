"""Whether a function's result can depend on one of its arguments."""

from collections.abc import Callable
from typing import Any

import jax
from jax.extend.core import Literal


def depends_on(function: Callable, index: int, *args: Any) -> bool:
    """Whether the program of `function(*args)` reads argument `index` (an array) on the way to its result.

    Calls and loops count as reading all that enters them.
    """
    program = jax.make_jaxpr(function)(*args).jaxpr
    reached = {program.invars[index]}
    for equation in program.eqns:
        if any(not isinstance(var, Literal) and var in reached for var in equation.invars):
            reached.update(equation.outvars)
    return any(not isinstance(var, Literal) and var in reached for var in program.outvars)
