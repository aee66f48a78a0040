"""What a method, a controller, an adjoint or a linear solver cannot do is refused here, before anything is traced."""

from typing import Any

import jax
import jax.numpy as jnp

from ...core.checks import check_instance
from ...core.tree import is_concrete
from ..adjoints.replay import Replay
from ..controllers import FixedStep, PIDController
from ..controllers.pid import as_classic
from ..sparsity import check_sparsity


def checked_controller(method: Any, controller: Any, dt0: Any) -> Any:
    """The controller, or the method's default; refuses what the method cannot do."""
    if controller is None:
        controller = FixedStep() if method.error_order is None else PIDController()
    check_instance(controller, (PIDController, FixedStep), "controller", "sj.PIDController()")
    name = type(method).__name__
    if controller.is_adaptive and method.error_order is None:
        msg = (
            f"`{name}` has no error estimate, so its step cannot adapt; got a PIDController. "
            "Pass `dt0` and `sj.FixedStep()`."
        )
        raise ValueError(msg)
    if not controller.is_adaptive and dt0 is None:
        msg = (
            f"`dt0` is required with fixed steps (`{name}`); got None. Pass the size of a step, for example `dt0=0.01`."
        )
        raise ValueError(msg)
    return as_classic(controller)


def check_adjoint(problem: Any, adjoint: Any) -> None:
    """Refuse equations that the adjoint has no differential equation for."""
    is_explicit = problem.mass_matrix is None and getattr(problem, "residual", None) is None
    is_random = getattr(problem, "diffusion", None) is not None
    if adjoint.differentiates_steps or (is_explicit and not is_random):
        return
    if is_random:
        msg = (
            f"`{type(adjoint).__name__}` integrates an equation of its own, made from `y' = f`; got a problem with "
            "noise. Leave `adjoint` out, or pass `sj.Replay()` or `sj.Checkpointed()`, which differentiate the steps."
        )
        raise ValueError(msg)
    form = "a fully implicit equation" if problem.mass_matrix is None else "a mass matrix"
    msg = (
        f"`{type(adjoint).__name__}` integrates an equation of its own, made from `y' = f`; got {form}. Leave "
        "`adjoint` out, or pass `sj.Replay()` or `sj.Checkpointed()`, which differentiate the steps themselves."
    )
    raise ValueError(msg)


def check_events(problem: Any, adjoint: Any, triggers: tuple) -> None:
    """Refuse events where they are not known."""
    if not triggers:
        return
    if adjoint is not None and not adjoint.differentiates_steps:
        msg = (
            f"`{type(adjoint).__name__}` integrates an equation of its own and knows no events; got `events`. Leave "
            "`adjoint` out, or pass `sj.Replay()` or `sj.Checkpointed()`, which follow them."
        )
        raise ValueError(msg)
    if getattr(problem, "residual", None) is not None:
        msg = (
            "Events change the state, and a fully implicit equation would need a consistent slope there; got an "
            "`ImplicitDAEProblem` with `events`. State it with a mass matrix, or stop with `sj.init` and `sj.step`."
        )
        raise ValueError(msg)


def check_delays(problem: Any, adjoint: Any, changing: Any) -> None:
    """Refuse what is not there for problems with delays."""
    if not hasattr(problem, "lags"):
        return
    if adjoint is not None and not isinstance(adjoint, Replay):
        msg = (
            "Only `sj.Replay()` keeps the past that a delay problem looks up; got "
            f"`{type(adjoint).__name__}`. Leave `adjoint` out."
        )
        raise ValueError(msg)
    if changing is not None:
        msg = (
            "`affect` must return the state alone for a delay problem, because its past depends on `args` as they were;"
            " got one that returns `(y, args)`. Put what changes into the state, with derivative zero."
        )
        raise ValueError(msg)


def verify_sparsity(problem: Any, method: Any) -> None:
    """Compare the sparsity pattern with the vector field where the method's linear solver asks for it."""
    solver = getattr(method, "linear_solver", None)
    if problem.sparsity is None or not getattr(solver, "verify_sparsity", False):
        return
    if is_concrete((problem.y0, problem.t0, problem.args)):
        check_sparsity(problem)


def check_capabilities(problem: Any, method: Any) -> None:
    """Refuse problems that the method does not solve."""
    name = type(method).__name__
    if problem.mass_matrix is not None and not method.solves_mass_matrix:
        msg = (
            f"`{name}` solves `y' = f` without a mass matrix; got `mass_matrix`. Choose a method that takes one, "
            "such as `sj.Rodas5P()`, or multiply by the inverse of the matrix if it has one."
        )
        raise ValueError(msg)
    leaves = jax.tree_util.tree_leaves(problem.y0)
    if method.is_implicit and any(jnp.issubdtype(leaf.dtype, jnp.complexfloating) for leaf in leaves):
        msg = (
            f"`{name}` needs a real state, because its Jacobian is real; got a complex leaf. "
            "Split it into real and imaginary parts."
        )
        raise ValueError(msg)
