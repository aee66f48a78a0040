"""What the methods for steady states share: checks, compilation, the derivative rule and the result."""

import abc
import functools
from typing import Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from ...core.callables import captured_values, closes_over_tracer
from ...core.checks import check_instance, check_max_steps, check_not_both_zero, check_tolerance
from ...core.method import AbstractMethod
from ...core.status import Status
from ...core.tree import Static, combine, partition
from ...numerics.loops import vary_like
from ..adjoints import ImplicitAdjoint
from ..engine.flat import concatenate, split_like
from ..engine.returned import check_vector_field
from ..engine.traced import TracedFunction
from ..options import default_tolerances, raise_on_failure
from ..rest_norm import rest_norm
from ..solution import Solution, Stats
from .problem import SteadyStateProblem


class Fixed(NamedTuple):
    """What a steady state is not differentiated with respect to."""

    consts: tuple
    """Integer, boolean and key arrays that the vector field uses."""
    guess: Any
    """Shape (n,)."""
    rtol: Any
    atol: Any


class Found(NamedTuple):
    """How a search went, as arrays."""

    status: Any
    num_steps: Any
    num_evaluations: Any
    num_factorisations: Any


class AbstractSteadyStateMethod(AbstractMethod):
    """A method that finds a zero of the vector field; a subclass says how."""

    problem_types: ClassVar = (SteadyStateProblem,)

    @abc.abstractmethod
    def find(self, residual: Any, fixed: Fixed, max_steps: int) -> tuple[Any, Found]:
        """A zero of `residual(y)`, shape (n,), from the guess."""

    def solve(
        self,
        problem: SteadyStateProblem,
        *,
        rtol: Any = None,
        atol: Any = None,
        max_steps: int = 4096,
        adjoint: Any = None,
        key: Any = None,
        on_failure: str = "raise",
    ) -> Solution:
        """Find the steady state; see `sj.solve` for the options. `ts` and `ys` are None, `y1` is the state."""
        del key
        adjoint = ImplicitAdjoint() if adjoint is None else adjoint
        check_instance(adjoint, ImplicitAdjoint, "adjoint", "sj.ImplicitAdjoint()")
        check_max_steps(max_steps)
        if max_steps is None:
            msg = "A search for a steady state needs a bound; got `max_steps=None`. Pass a number, such as 4096."
            raise ValueError(msg)
        for value, name in ((rtol, "rtol"), (atol, "atol")):
            if value is not None:
                check_tolerance(value, name, jnp.zeros(()))
        check_not_both_zero(rtol, atol)
        if on_failure not in ("raise", "status"):
            msg = f"`on_failure` must be 'raise' or 'status'; got {on_failure!r}. With 'status', look at `sol.status`."
            raise ValueError(msg)
        dynamic, static = partition((problem, rtol, atol))
        config = Static((static, self, adjoint, int(max_steps), captured_values(problem.vector_field)))
        if closes_over_tracer(problem.vector_field):
            solution = jax.jit(functools.partial(_run, config))(dynamic)
        else:
            solution = _compiled(config, dynamic)
        if on_failure == "raise":
            raise_on_failure(solution)
        return solution


def _run(config: Static, dynamic: Any) -> Solution:
    static, method, adjoint, max_steps, _ = config.tree
    dynamic = vary_like(dynamic, dynamic)
    problem, rtol, atol = combine(dynamic, static)
    leaves, tree = jax.tree_util.tree_flatten(problem.y0)
    defaults = default_tolerances(problem.y0)
    time = jnp.zeros((), jnp.finfo(leaves[0].dtype).dtype)
    traced = TracedFunction(problem.vector_field, time, problem.y0, problem.args)
    check_vector_field(traced.out_shape, problem.y0)
    field = traced.with_layout(False, leaves, tuple(leaf.dtype for leaf in leaves))
    shapes = tuple(jax.ShapeDtypeStruct(leaf.shape, leaf.dtype) for leaf in leaves)
    guess = lax.stop_gradient(concatenate(leaves))
    rtol, atol = (
        jnp.asarray(default if given is None else given, guess.dtype)
        for given, default in zip((rtol, atol), defaults, strict=True)
    )
    theta, fixed = field.theta, Fixed(field.consts, guess, *lax.stop_gradient((rtol, atol)))
    theta, fixed = vary_like((theta, fixed), theta, fixed)
    # The rule outlives this trace: it must not keep the operands.
    field.forget_values()

    def residual(theta, fixed, y):
        at = vary_like(time, y, theta)
        return concatenate(field(theta, fixed.consts, at, split_like(y, shapes))).astype(guess_dtype)

    def find(theta, fixed):
        y, found = method.find(lambda y: residual(theta, fixed, y), fixed, max_steps)
        return y, jax.tree_util.tree_map(lambda count: count.astype(y.dtype), found)

    guess_dtype = guess.dtype
    y, found = adjoint.root(find, residual)(theta, fixed)
    found = jax.tree_util.tree_map(lambda count: count.astype(jnp.int32), found)
    y = jnp.where(found.status == Status.SUCCESS, y, jnp.nan)
    y1 = tree.unflatten(split_like(y, shapes))
    return Solution(ts=None, ys=None, y1=y1, status=found.status, stats=_stats(found, y))


_compiled = jax.jit(_run, static_argnums=0)


def _stats(found, y):
    unknown = jnp.full((), jnp.nan, y.dtype)
    steps, zero = found.num_steps, jnp.zeros_like(found.num_steps)
    factorisations = found.num_factorisations
    products = factorisations * y.size
    return Stats(steps, steps, zero, found.num_evaluations, factorisations, factorisations, products, unknown, unknown)


def size(vector: Any, y: Any, fixed: Fixed) -> Any:
    """The root-mean-square norm relative to `atol + rtol |y|`."""
    return rest_norm(vector, y, fixed.rtol, fixed.atol)
