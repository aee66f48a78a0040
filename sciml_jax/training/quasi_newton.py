"""One step of an Optimistix minimiser or least-squares solver, through Optimistix's public stepping interface."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, PyTree

from .gradient_step import StepOutput
from .objective import Objective, as_scalar
from .status import FitStatus


class _Target(eqx.Module):
    """The function that Optimistix works on; its auxiliary output brings back the loss at the accepted point."""

    objective: Objective
    key: Array | None
    residuals: bool = eqx.field(static=True)

    def __call__(self, params, args):
        del args
        value, aux = self.objective.value(params, None, self.key)
        if self.residuals:
            value = jax.tree.map(as_residual, value)
            if not jax.tree.leaves(value):
                msg = "With a least-squares solver, loss_fn must return residuals; received no arrays. Return them."
                raise TypeError(msg)
            if value_is_scalar(value):
                # Its square would be minimised, which is another problem unless the least loss is zero.
                msg = (
                    "With a least-squares solver, loss_fn must return residuals; received a scalar. Return the "
                    "residuals themselves (shape (1,) if there is one), or use a minimiser such as optimistix.BFGS."
                )
                raise TypeError(msg)
            loss = 0.5 * sum(jnp.sum(jnp.square(r)) for r in jax.tree.leaves(value))
        else:
            value = loss = as_scalar(value, "loss_fn")
        return value, (loss, aux)


class SolverStep(eqx.Module):
    r"""``init``, ``step`` and ``terminate`` of an Optimistix solver.

    Least-squares solvers minimise $\tfrac12 \sum r^2$ over the residuals that ``loss_fn`` returns. The solver's state
    is kept as a flat tuple of its arrays: what is static in it (traced Jacobians) is made again in every trace, so that
    blocks and checkpoints see arrays only.
    """

    solver: Any
    residuals: bool = eqx.field(static=True)
    unfinished = FitStatus.MAX_STEPS

    def init(self, objective: Objective, params: PyTree, key: Array | None) -> tuple[Array, ...]:
        """The arrays of the solver's state."""
        state = self._initial(self._target(objective, params, key), params)
        return tuple(jax.tree.leaves(eqx.filter(state, eqx.is_array)))

    def aux_struct(self, objective: Objective, params: PyTree, batch: Any, key: Array | None) -> PyTree:
        """Shapes of the loss and of the auxiliary output."""
        del batch
        return jax.eval_shape(lambda p: _Target(objective, key, self.residuals)(p, None)[1], params)

    def step(
        self, objective: Objective, params: PyTree, opt_state: tuple[Array, ...], batch: Any, key: Array | None
    ) -> StepOutput:
        """One iteration, accepted or not."""
        del batch
        import optimistix as optx

        fn = self._target(objective, params, key)
        state = self._restore(fn, params, opt_state)
        new_params, state, (loss, aux) = self.solver.step(fn, params, None, {}, state, frozenset())
        if not _reports_accepted(self.solver):
            loss, aux = fn(params, None)[1]
        done, result = self.solver.terminate(fn, new_params, None, {}, state, frozenset())
        finite = jnp.stack([jnp.all(jnp.isfinite(p)) for p in jax.tree.leaves(new_params)]).all()
        status = jnp.where(done, int(FitStatus.CONVERGED), 0)
        status = jnp.where(result == optx.RESULTS.successful, status, int(FitStatus.SOLVER_FAILED))
        status = jnp.where(finite, status, int(FitStatus.NON_FINITE_UPDATE)).astype(jnp.int32)
        leaves = tuple(jax.tree.leaves(eqx.filter(state, eqx.is_array)))
        return StepOutput(loss, aux, new_params, leaves, status)

    def finish(
        self, objective: Objective, params: PyTree, opt_state: tuple[Array, ...], aux: PyTree, key: Array | None
    ) -> tuple[PyTree, PyTree]:
        """The solver's own last word (best vertex of a simplex, best point so far)."""
        import optimistix as optx

        fn = self._target(objective, params, key)
        state = self._restore(fn, params, opt_state)
        loss = jnp.zeros((), jax.tree.leaves(params)[0].dtype)
        params, (_, aux), _ = self.solver.postprocess(
            fn, params, (loss, aux), None, {}, state, frozenset(), optx.RESULTS.successful
        )
        return params, aux

    def _target(self, objective, params, key):
        # Optimistix compares traced functions by identity; closing over nothing keeps them equal between its steps.
        return eqx.filter_closure_convert(_Target(objective, key, self.residuals), params, None)

    def _initial(self, fn, params):
        value, aux = eqx.filter_eval_shape(fn, params, None)
        return self.solver.init(fn, params, None, {}, value, aux, frozenset())

    def _restore(self, fn, params, leaves):
        arrays, static = eqx.partition(self._initial(fn, params), eqx.is_array)
        return eqx.combine(jax.tree.unflatten(jax.tree.structure(arrays), leaves), static)


def value_is_scalar(value: Any) -> bool:
    """Whether residuals are one array of shape ()."""
    leaves = jax.tree.leaves(value)
    return len(leaves) == 1 and leaves[0].shape == ()


def _reports_accepted(solver) -> bool:
    """Whether a step's auxiliary output belongs to the point before it; a simplex hands back that of a trial point."""
    import optimistix as optx

    if isinstance(solver, (optx.BestSoFarMinimiser, optx.BestSoFarLeastSquares)):
        return _reports_accepted(solver.solver)
    known = (optx.AbstractQuasiNewton, optx.AbstractGradientDescent, optx.AbstractGaussNewton, optx.OptaxMinimiser)
    return isinstance(solver, known)


def as_residual(residual: Any) -> Array:
    """A residual as a real floating-point array, or an error that says what is wrong with it."""
    residual = jnp.asarray(residual)
    if not jnp.issubdtype(residual.dtype, jnp.floating):
        msg = (
            "With a least-squares solver, loss_fn must return residuals as real floating-point arrays; "
            f"received dtype {residual.dtype}. Convert them (complex: stack the real and imaginary parts)."
        )
        raise TypeError(msg)
    return residual
