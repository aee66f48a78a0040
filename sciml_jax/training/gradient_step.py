"""One step of an Optax optimizer."""

from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Int, PyTree

from .objective import Objective
from .status import FitStatus


class StepOutput(NamedTuple):
    """What one optimisation step hands back; ``loss`` and ``aux`` belong to the parameters before the step."""

    loss: Any
    aux: PyTree
    params: PyTree
    opt_state: PyTree
    status: Int[Array, ""]


class GradientStep(eqx.Module):
    r"""Gradient, then ``optimizer.update``, then $\theta \leftarrow \theta + u$.

    The loss, its gradient and the loss as a function of the parameters go along as extra arguments, which line searches
    (`optax.lbfgs`) and loss-aware schedules need and others ignore. With ``deterministic`` (no batches, no key) the
    value and gradient that a line search ended with are reused instead of computed again.
    """

    optimizer: optax.GradientTransformation
    deterministic: bool = eqx.field(static=True)
    unfinished = FitStatus.COMPLETED

    def init(self, objective: Objective, params: PyTree, key: Array | None) -> PyTree:
        """The optimizer's state."""
        del objective, key
        return self.optimizer.init(params)

    def aux_struct(self, objective: Objective, params: PyTree, batch: Any, key: Array | None) -> PyTree:
        """Shapes of the loss and of the auxiliary output."""
        return jax.eval_shape(objective.loss, params, batch, key)

    def step(
        self, objective: Objective, params: PyTree, opt_state: PyTree, batch: Any, key: Array | None
    ) -> StepOutput:
        """One update."""

        def value_fn(candidate):
            return objective.loss(candidate, batch, key)[0]

        if self.deterministic and not objective.has_aux and _keeps_gradient(opt_state):
            loss, gradient = optax.value_and_grad_from_state(value_fn)(params, state=opt_state)
            aux = None
        else:
            (loss, aux), gradient = jax.value_and_grad(objective.loss, has_aux=True)(params, batch, key)
            # JAX returns the conjugate of the direction of steepest ascent.
            gradient = jax.tree.map(lambda g: jnp.conj(g) if jnp.iscomplexobj(g) else g, gradient)
        update = optax.with_extra_args_support(self.optimizer).update
        updates, opt_state = update(gradient, opt_state, params, value=loss, grad=gradient, value_fn=value_fn)
        finite = jnp.stack([jnp.all(jnp.isfinite(u)) for u in jax.tree.leaves(updates)]).all()
        status = jnp.where(finite, 0, int(FitStatus.NON_FINITE_UPDATE)).astype(jnp.int32)
        return StepOutput(loss, aux, optax.apply_updates(params, updates), opt_state, status)

    def finish(
        self, objective: Objective, params: PyTree, opt_state: PyTree, aux: PyTree, key: Array | None
    ) -> tuple[PyTree, PyTree]:
        """Nothing is left to do after the last step."""
        del objective, opt_state, key
        return params, aux


def _keeps_gradient(opt_state) -> bool:
    """Whether the optimizer's state holds one value and one gradient, as a line search leaves them."""
    try:
        return all(optax.tree.get(opt_state, name) is not None for name in ("value", "grad"))
    except KeyError:  # several of that name: which one is current is unknown
        return False
