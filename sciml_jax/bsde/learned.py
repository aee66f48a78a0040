"""What the methods with networks share: sizes, training, the result."""

from typing import Any

import equinox as eqx
import jax.numpy as jnp
import optax
from jaxtyping import Array

from ..core.checks import check_positive
from ..training import FitStatus, RunResult, run
from ..training.checks import as_count
from .base import AbstractBSDEMethod
from .correction import Estimate
from .problem import ParabolicProblem
from .solution import BSDESolution
from .status import BSDEStatus


class AbstractLearnedMethod(AbstractBSDEMethod):
    """A method that trains networks on simulated paths."""

    num_steps: eqx.AbstractVar[int]
    batch_size: eqx.AbstractVar[int]
    num_iterations: eqx.AbstractVar[int]
    learning_rate: eqx.AbstractVar[float]
    width: eqx.AbstractVar[int | None]
    depth: eqx.AbstractVar[int]
    num_paths: eqx.AbstractVar[int]
    guess_draws: eqx.AbstractVar[int]

    def __check_init__(self):
        for name in ("num_steps", "batch_size", "num_iterations", "depth"):
            as_count(getattr(self, name), name)
        if self.width is not None:
            as_count(self.width, "width")
        check_positive(self.learning_rate, "learning_rate")
        if as_count(self.num_paths, "num_paths") < 2:
            msg = f"`num_paths` must be at least 2, to estimate the error; got {self.num_paths}. Pass 8192."
            raise ValueError(msg)
        if as_count(self.guess_draws, "guess_draws") % 2:
            msg = f"`guess_draws` must be even (pairs of opposite sign); got {self.guess_draws}. Pass 8."
            raise ValueError(msg)

    def width_for(self, problem: ParabolicProblem) -> int:
        """Neurons per hidden layer."""
        return self.width or min(max(problem.dim + 10, 32), 256)


def fit_model(method: AbstractLearnedMethod, loss: Any, model: Any, key: Any) -> RunResult:
    """Minimise `loss(model, key)` by Adam with gradients clipped and a rate that decays along a cosine."""
    warm = max(1, method.num_iterations // 20)
    rate = optax.warmup_cosine_decay_schedule(
        0.1 * method.learning_rate, method.learning_rate, warm, max(method.num_iterations, warm + 1), 0.0
    )
    optimizer = optax.chain(optax.clip_by_global_norm(10.0), optax.adam(rate))

    def loss_fn(model, batch, key):
        return loss(model, key)

    return run(loss_fn, model, optimizer=optimizer, num_steps=method.num_iterations, key=key)


def outcome(trained: Any, u0: Array, error: Array) -> Array:
    """The status of a value after a training, whose own status is a `FitStatus` code."""
    diverged = (trained.status == FitStatus.NON_FINITE_LOSS) | (trained.status == FitStatus.NON_FINITE_UPDATE)
    status = jnp.where(diverged, BSDEStatus.DIVERGED, BSDEStatus.SUCCESS)
    finite = jnp.isfinite(u0) & jnp.isfinite(error)
    return jnp.where(finite, status, BSDEStatus.NON_FINITE).astype(jnp.int32)


def finish(
    method: AbstractLearnedMethod,
    problem: ParabolicProblem,
    found: Estimate,
    trained: Any,
    z_model: Any = None,
    value_model: Any = None,
) -> BSDESolution:
    """The solution from the corrected value and the training."""
    status = outcome(trained, found.u0, found.standard_error)
    return BSDESolution(
        u0=jnp.where(status == 0, found.u0, jnp.nan),
        u0_standard_error=found.standard_error,
        u0_error=found.standard_error + jnp.abs(found.time_correction) + jnp.abs(found.curvature),
        status=status,
        stats={
            "num_paths": method.num_paths,
            "num_steps": 2 * method.num_steps,
            "num_iterations": trained.num_steps,
            "time_correction": found.time_correction,
            "curvature": found.curvature,
            "residual_variance": found.residual_variance,
        },
        losses=trained.losses,
        problem=problem,
        value_model=value_model,
        z_model=z_model,
        method=method.name,
    )
