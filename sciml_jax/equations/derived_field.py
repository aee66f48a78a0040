"""Vector fields that a problem derives from another function of the user's: an acceleration, a Hamiltonian."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax

from ..core.callables import Function


class DerivedField(Function):
    """`rule(function, t, y, args)` for a plain function: a pytree without leaves.

    A `Function`, so that whatever looks into the closure and the globals of a vector field looks into those of the
    user's function.
    """

    rule: Callable = eqx.field(static=True)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Apply the rule."""
        return self.rule(self.function, *args, **kwargs)


def derived_field(rule: Callable, function: Callable) -> Callable:
    """The vector field `(t, y, args) -> rule(function, t, y, args)` as a pytree.

    `rule` is a function of a module (it is compared by identity); `function` comes from `as_callable`, and its arrays
    are leaves of the result.
    """
    if isinstance(function, Function):
        return DerivedField(function.function, rule)
    return jax.tree_util.Partial(rule, function)


def underlying_function(field: Any) -> Callable:
    """The function that `derived_field` was given."""
    return Function(field.function) if isinstance(field, DerivedField) else field.args[0]
