"""The protocol of adjoints."""

import abc
from collections.abc import Callable
from typing import Any, ClassVar

import equinox as eqx

from ..engine.whole import outputs_together, take_apart


class AbstractAdjoint(eqx.Module):
    """How an integration is made differentiable.

    A frozen module whose fields are static: it is part of the compiled program.
    """

    differentiates_steps: ClassVar[bool] = False
    """Whether the steps themselves are differentiated, whatever they solve, and not an equation for `y' = f`."""

    @abc.abstractmethod
    def integration(self, plan: Any) -> Callable[[Any, Any], tuple[Any, tuple]]:
        """The integration as a function `(operands, settings) -> (outputs, info)` with this derivative rule.

        Parameters
        ----------
        plan
            What is fixed when tracing (`engine.plan.Plan`).

        Returns
        -------
        Callable
            Of `engine.operands.Operands`, differentiable, and `Settings`, not differentiated. The outputs are
            `engine.replay_row.Outputs`; `info` is a tuple of floats without derivatives, as in `engine.differentiable`.

        Raises
        ------
        ValueError
            If the adjoint cannot serve what the plan asks for.
        """

    def whole_integration(self, plan: Any) -> Callable[[Any, Any], tuple[Any, tuple]]:
        """The same with operands and outputs whole, as the user's arrays."""
        integration = self.integration(plan)

        def whole(operands: Any, settings: Any) -> tuple[Any, tuple]:
            outputs, info = integration(take_apart(plan, operands), settings)
            return outputs_together(plan, outputs), info

        return whole
