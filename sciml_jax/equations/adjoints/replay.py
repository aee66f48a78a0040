"""The default adjoint: the discrete derivative along a record of all accepted steps."""

from collections.abc import Callable
from typing import Any, ClassVar

from ..engine.differentiable import differentiable_integration
from ..engine.whole import outputs_apart, put_together
from .abstract import AbstractAdjoint


class Replay(AbstractAdjoint):
    """Differentiate the discrete solution by replaying its accepted steps. The default, in both modes and to any order.

    The forward pass records the accepted times and states; derivatives replay those steps with their sizes held fixed
    and recompute each step, so the gradient is that of the numbers returned, to rounding. Steps end where `t0` and `t1`
    are, so derivatives with respect to those and to the save times and to `tstops` are included; step-size control is
    not differentiated.

    Cost: a gradient costs about three to four solves without rejected steps, a Jacobian-vector product about two.
    Memory: `max_steps` states. `jit`, `vmap`, `grad`, `jvp`, `jacfwd`, `jacrev`, `hessian`, `pmap` and `shard_map` all
    compose. Second derivatives run `max_steps` iterations: give a `max_steps` that is not much larger than what is
    needed.

    References
    ----------
    Hairer, Nørsett & Wanner, Solving Ordinary Differential Equations I (1993), II.6 (internal differentiation, Bock
    1981).
    """

    differentiates_steps: ClassVar[bool] = True

    def integration(self, plan: Any) -> Callable[[Any, Any], tuple[Any, tuple]]:
        """See `AbstractAdjoint`."""
        integration = differentiable_integration(plan)

        def apart(operands: Any, settings: Any) -> tuple[Any, tuple]:
            outputs, info = integration(put_together(plan, operands), settings)
            return outputs_apart(plan, outputs), info

        return apart

    def whole_integration(self, plan: Any) -> Callable[[Any, Any], tuple[Any, tuple]]:
        """See `AbstractAdjoint`."""
        return differentiable_integration(plan)
