"""Continuous forward sensitivities: the variational equations solved together with the problem."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import lax

from ...core.status import Status
from ...numerics.flatten import RealVector
from ...numerics.loops import vary_like
from ..engine.loop import One, integrate
from ..engine.operands import Operands
from ..engine.replay_row import Outputs
from .abstract import AbstractAdjoint
from .derivative_rule import no_tangent
from .replay import Replay
from .tolerance import as_tolerance
from .variational import variational


class ForwardSensitivity(AbstractAdjoint):
    """Differentiate by solving `S' = (df/dy) S + df/dp`, `S(t0) = dy0/dp`, together with the problem.

    p are all n numbers of `y0` and all P parameters (every float that the vector field uses). The derivatives are
    under error control like the state, each direction scaled by the size of its parameter (1 where that is zero); the
    Jacobian of all outputs is computed once and multiplied with tangents or cotangents.

    The derivative is that of the exact solution to within the tolerances. Because nothing is integrated backwards it is
    the reference that the others are measured with, and the choice for few parameters and many outputs.

    Cost: one solve for n (1 + n + P) numbers; an implicit step still factors one matrix of size n (a `jacobian` of the
    user's is not used). Memory: the Jacobian of the outputs, independent of
    the number of steps; `max_steps=None` works, a number allows the joint solve ten times as many (after which its
    derivatives are NaN). `jvp`, `jacfwd`, `vjp`, `grad`, `jacrev`, `vmap` and `shard_map` work;
    second derivatives with a bounded `max_steps` are those of forward mode over this. Saved at given times only,
    without `tstops`. Not for networks: P in the thousands is too many.

    Parameters
    ----------
    rtol, atol
        Tolerances of the joint solve, Python floats; None takes those of the forward solve.

    Raises
    ------
    ValueError
        For `SaveAt(steps=...)`, `SaveAt(dense=True)` and `tstops`.

    References
    ----------
    Maly & Petzold, Numerical methods and software for sensitivity analysis of differential-algebraic systems, Appl.
    Numer. Math. 20 (1996) 57-79. Hindmarsh et al., SUNDIALS, ACM TOMS 31 (2005) 363-396 (scaling and error control).
    """

    rtol: float | None = eqx.field(static=True, default=None, converter=as_tolerance)
    atol: float | None = eqx.field(static=True, default=None, converter=as_tolerance)

    def integration(self, plan: Any) -> Any:
        """See `AbstractAdjoint`."""
        _check_plan(plan)

        @jax.custom_jvp
        def integration(operands, settings):
            return Replay().integration(plan)(operands, settings)

        @integration.defjvp
        def rule(primals, tangents):
            operands, settings = primals
            outputs, info = integration(operands, settings)
            moves = self._moves(plan, operands, settings, outputs, info, tangents[0])
            return (outputs, info), (moves, no_tangent(info))

        return integration

    def _moves(self, plan, operands, settings, outputs, info, tangents: Operands) -> Outputs:
        """Tangents of the outputs: the Jacobian, which does not depend on the tangents, times these."""
        cursor, status = info[4], info[5]
        y, saved, rates = _sensitivities(self, plan, operands, settings, status)
        theta = _moving(plan, operands, settings)
        inputs = RealVector((operands.y0, theta))
        system = plan.system.bind(operands.theta, settings.consts)
        # The solution for a later start is that for an initial state from which the flow has been taken back.
        slope0 = system.vector_field(operands.t0, operands.y0)
        dy0 = tuple(dy - _times(f, tangents.t0) for dy, f in zip(tangents.y0, slope0, strict=True))
        weights = inputs.pack((dy0, tangents.theta[: len(theta)])) / _sizes(inputs, (operands.y0, theta))
        slope1 = system.vector_field(operands.t1, outputs.y)
        dt1 = jnp.where(_is_done(status), tangents.t1, 0)
        dy = tuple(_combine(weights, s) + _times(f, dt1) for s, f in zip(y, slope1, strict=True))
        reached = jnp.arange(plan.num_save) < cursor
        blank = lambda leaf: jnp.where(reached.reshape(-1, *(1,) * (leaf.ndim - 1)), leaf, 0)
        along = jax.vmap(lambda leaf: _combine(weights, leaf))
        # Blanked once more at the end: a cotangent of what was not reached may be NaN.
        dsaved = tuple(
            blank(along(blank(s)) + jax.vmap(_times)(blank(rate), tangents.save_ts))
            for s, rate in zip(saved, rates, strict=True)
        )
        return Outputs(dy, dsaved, outputs.stepped, outputs.pieces)


def _sensitivities(adjoint, plan, operands, settings, status):
    """Scaled derivatives of the end state and of what is saved, leading axis (of each row) P, and rates of the latter.

    NaN where the joint solve failed and the plain one did not.
    """
    given = {name: getattr(adjoint, name) for name in ("rtol", "atol") if getattr(adjoint, name) is not None}
    for name, value in given.items():
        fill = lambda leaf, value=value: jnp.full_like(leaf, max(value, float(jnp.finfo(leaf.dtype).tiny)))
        settings = settings._replace(**{name: tuple(fill(leaf) for leaf in getattr(settings, name))})
    inputs = (operands.y0, _moving(plan, operands, settings))
    vector = RealVector(inputs)
    directions = jax.vmap(vector.unpack)(jnp.diag(_sizes(vector, inputs)))
    directions = vary_like(directions, operands, settings, directions)
    joint, operands, settings = variational(plan, operands, settings, directions)
    run = integrate(joint, One(), operands, settings)
    third = len(run.saved) // 3
    failed = _is_done(status) & ~_is_done(run.state.status)
    y = tuple(jnp.where(failed, jnp.nan, leaf) for leaf in run.state.y[len(run.state.y) // 2 :])
    return y, run.saved[third : 2 * third], run.saved[2 * third :]


def _moving(plan, operands, settings):
    """The operands of the vector field and of what is saved, which come first; others are copies for the Jacobian."""
    field, saved, *_ = plan.system.parts(operands.theta, settings.consts)
    return (*field[0], *saved[0])


def _sizes(vector, inputs):
    """The size of every number of the inputs, 1 for those that are zero."""

    def size(leaf):
        real = jnp.where(leaf == 0, 1, jnp.abs(jnp.where(leaf == 0, 1, leaf)))
        return lax.complex(real, real) if jnp.issubdtype(leaf.dtype, jnp.complexfloating) else real

    return lax.stop_gradient(vector.pack(jax.tree_util.tree_map(size, inputs)))


def _combine(weights, leaf):
    """`sum_i weights_i leaf_i`."""
    return jnp.tensordot(weights.astype(leaf.real.dtype), leaf, 1, precision=lax.Precision.HIGHEST)


def _times(leaf, time):
    return leaf * time.astype(leaf.real.dtype)


def _is_done(status):
    return (status == Status.SUCCESS) | (status == Status.EVENT)


def _check_plan(plan):
    if plan.method.needs_split:
        msg = (
            f"`sj.ForwardSensitivity()` extends the whole vector field, and not its parts; got `{plan.method.name}`, "
            "which needs an `sj.Split`. Use `sj.Replay()`, or a method such as `sj.Rodas5P()`."
        )
        raise ValueError(msg)
    asked = "SaveAt(dense=True)" if plan.dense else None
    asked = "SaveAt(steps=...)" if plan.save_every is not None else asked
    asked = "tstops" if plan.has_stops else asked
    if asked is not None:
        msg = (
            f"`sj.ForwardSensitivity()` differentiates what is saved at given times, without stops; got `{asked}`. "
            "Save with `ts`, `t0` or `t1` and step freely, or use `sj.Replay()`."
        )
        raise ValueError(msg)
