"""Optimal design of experiments: what to measure next."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, PyTree

from ..core.callables import as_callable, captured_values, closes_over_tracer
from ..core.checks import check_instance
from ..training.linearise import as_vector, forward_linearise
from ..training.parameter_vector import ParameterVector
from ..training.transforms import Identity
from .optimality import AbstractCriterion, DOptimal
from .projected_gradient import maximise
from .starts import draw_starts


class Design(eqx.Module):
    """The best experiment that was found."""

    controls: PyTree
    """Like the initial ones."""
    value: Float[Array, ""]
    """The criterion there."""
    initial_value: Float[Array, ""]
    """The criterion at the initial controls."""
    information: Float[Array, "params params"]
    """The Fisher information of the experiment, with `prior_information`."""
    converged: Bool[Array, ""]
    """Whether the projected gradient vanished; otherwise raise `num_steps`."""


def design(
    predict: Callable,
    params: PyTree,
    controls: PyTree,
    *,
    bounds: tuple[PyTree, PyTree],
    noise: Any = 1.0,
    criterion: AbstractCriterion = DOptimal(),
    prior_information: Array | None = None,
    starts: int = 1,
    key: Any = None,
    num_steps: int = 200,
) -> Design:
    r"""Choose times, doses, initial states, ... by the gradient of a criterion of the Fisher information.

    Maximises $\phi(F_0 + \sum_m \nabla f_m \nabla f_m' / \sigma_m^2)$ over bounded controls, with $f(\text{params},
    \text{controls})$ what is measured, by spectral projected gradients from all starts at once.

    Parameters
    ----------
    predict
        `(params, controls) -> predictions`, a pytree of real arrays; save times of a solve may be among the controls.
    params
        The parameters as they are believed to be: the design is optimal for these (locally).
    controls
        Initial controls, a pytree of floats.
    bounds
        `(lower, upper)` for them, finite.
    noise
        Standard deviation, a number or a pytree like the predictions; or a function `predictions -> deviations`.
    criterion
        `DOptimal()` or `AOptimal(weights)`.
    prior_information
        That of earlier experiments, shape (P, P).
    starts, key
        How many starts, the first at `controls`, and the seed for the others: the criterion has local maxima.
    num_steps
        Bound on the iterations.

    Returns
    -------
    Design
        `controls`, `value`, `information`, `converged`.

    Raises
    ------
    ValueError, TypeError
        For crossed or infinite bounds, too few values for the parameters, and what is no criterion.

    Notes
    -----
    Cost per iteration: second derivatives of the predictions, by each control and each parameter; a solve inside pays
    for `max_steps` steps, so give it few. For times to choose from a list take `optimal_weights`, which has no local
    maxima.

    References
    ----------
    Atkinson, Donev & Tobias, Optimum Experimental Designs (2007). Birgin, Martínez & Raydan, Nonmonotone spectral
    projected gradient methods on convex sets, SIAM J. Optim. 10 (2000) 1196-1211.
    """
    check_instance(criterion, AbstractCriterion, "criterion", "DOptimal()")
    predict = as_callable(predict, "predict", "params", "controls")
    vector, theta = ParameterVector(controls, "controls"), ParameterVector(params)
    lower, upper = vector.bounds(bounds)
    begin = draw_starts(starts, vector.initial, lower, upper, Identity(), key)
    _check_size(predict, params, controls, theta.size, prior_information)
    task = _Design(predict, params, controls, noise, criterion, prior_information, num_steps)
    if closes_over_tracer(predict):
        return task(begin, lower, upper)
    return _compiled(task, begin, lower, upper, captured_values(predict))


@eqx.filter_jit
def _compiled(task, begin, lower, upper, captured):
    del captured
    return task(begin, lower, upper)


def _check_size(predict, params, controls, count, prior) -> None:
    shape = jax.eval_shape(lambda: as_vector(predict(params, controls)))
    if shape.shape[0] < count and prior is None:
        msg = (
            f"an experiment must measure at least as many values as there are parameters; got {shape.shape[0]} for "
            f"{count}. "
            "Measure more, or pass `prior_information`."
        )
        raise ValueError(msg)


class _Design(eqx.Module):
    """The maximisation as a function of starts and bounds."""

    predict: Callable
    params: PyTree
    controls: PyTree
    noise: Any
    criterion: AbstractCriterion
    prior: Array | None
    num_steps: int = eqx.field(static=True)

    def information(self, c: Array) -> Array:
        """At flat controls."""
        controls, theta = ParameterVector(self.controls).unflatten(c), ParameterVector(self.params)
        predict = lambda x: as_vector(self.predict(theta.unflatten(x), controls))
        values, jacobian = forward_linearise(predict)(theta.initial)
        noise = self.noise(self.predict(self.params, controls)) if callable(self.noise) else self.noise
        parts = [jnp.ravel(jnp.asarray(leaf, values.dtype)) for leaf in jax.tree.leaves(noise)]
        deviation = jnp.broadcast_to(jnp.concatenate(parts), values.shape)
        scaled = jacobian / deviation[:, None]
        found = scaled.T @ scaled
        return found if self.prior is None else found + self.prior

    def __call__(self, begin: Array, lower: Array, upper: Array) -> Design:
        value = lambda c: self.criterion(self.information(c))
        found = jax.vmap(lambda c: maximise(value, c, lower, upper, self.num_steps))(begin)
        best = jnp.nanargmax(jnp.where(jnp.isnan(found.value), -jnp.inf, found.value))
        chosen = jax.tree.map(lambda leaf: leaf[best], found)
        controls = ParameterVector(self.controls).unflatten(chosen.x)
        information = self.information(chosen.x)
        return Design(controls, chosen.value, found.initial_value[0], information, chosen.converged)
