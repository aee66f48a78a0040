"""A non-stiff method that hands over to a stiff one and back: what `method=None` uses."""

from typing import Any, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import lax

from ...numerics.components import contains_large_dot
from .explicit_runge_kutta import AbstractExplicitRungeKutta
from .one_step import AbstractOneStepMethod, Step, Work
from .rodas5p import Rodas5P
from .rosenbrock import AbstractRosenbrock
from .stiffness import LIMIT
from .tsit5 import Tsit5

LARGEST_STATE = 100
"""Numbers of a state up to which a dense Jacobian may be asked for without being told to."""

PATIENCE = 8.0
"""Steps in excess that it takes to switch."""


class AutoSwitch(AbstractOneStepMethod):
    """Solve with a non-stiff method; where stability limits its steps, with a stiff one, and back. The default method.

    The estimate of stiffness is free: `h rho ~ h |f(y1) - f(Y)| / |y1 - Y|`, in the norm of the tolerances, from two
    evaluations at the end of a step of the non-stiff method, and `h |J|` from the Jacobian of the stiff one, |J| its
    maximum norm; see `stiffness.py` for what counts at tight tolerances. The non-stiff method hands over when the
    estimate has been above the limit of stability in eight steps more than a quarter of the others, the stiff one when
    it has been below half of the limit in eight steps more than not.

    The stiff method needs a real state of at most 100 numbers and a vector field with forward derivatives; where that
    is not so, and where the vector field holds a network (a matrix product of more than 64 entries), the non-stiff
    method solves alone and tells a stiff problem by its status (`Status.STIFF`).

    Cost: seven evaluations per step of `Tsit5`, one more than by itself. In a batch, the stiff method runs in the steps
    in which some lane asks for it. Not for problems that you know: name the method, it compiles in half the time.

    Parameters
    ----------
    nonstiff
        An explicit method with two evaluations at the end of its step: `Tsit5()` or `Dopri5()`.
    stiff
        A Rosenbrock method.

    References
    ----------
    Hairer & Wanner, Solving Ordinary Differential Equations II (1996), IV.2 (detection by the last two stages).
    Petzold, Automatic selection of methods, SIAM J. Sci. Stat. Comput. 4 (1983) 136-148.
    """

    nonstiff: Any = eqx.field(default_factory=lambda: Tsit5(detect_stiffness=True))
    stiff: Any = eqx.field(default_factory=Rodas5P)

    order: ClassVar[int] = 5
    error_order: ClassVar[int | None] = 5
    evaluations_per_step: ClassVar[int] = 7
    carries_f0: ClassVar[bool] = False

    def __check_init__(self):
        if not (isinstance(self.nonstiff, AbstractExplicitRungeKutta) and self.nonstiff.estimates_stiffness):
            msg = (
                "`AutoSwitch(nonstiff=...)` must be an explicit method that estimates stiffness; got "
                f"{self.nonstiff!r}. Pass `sj.Tsit5()` or `sj.Dopri5()`."
            )
            raise TypeError(msg)
        if not isinstance(self.stiff, AbstractRosenbrock):
            msg = f"`AutoSwitch(stiff=...)` must be a Rosenbrock method; got {self.stiff!r}. Pass `sj.Rodas5P()`."
            raise TypeError(msg)

    def for_problem(self, problem: Any) -> AbstractOneStepMethod:
        """The pair of methods, or the non-stiff one alone where the stiff one cannot or should not be used."""
        return _Pair(self.nonstiff, self.stiff) if _may_be_stiff(problem) else self.nonstiff

    def step(self, system: Any, ta: Any, tb: Any, y: tuple, f0: tuple | None = None) -> Step:
        """A step of the non-stiff method; the engine uses what `for_problem` returns."""
        return self.nonstiff.step(system, ta, tb, y, f0)

    def interpolate(self, dense: Any, fraction: Any) -> tuple:
        """The non-stiff method's interpolant."""
        return self.nonstiff.interpolate(dense, fraction)


class _Pair(AbstractOneStepMethod):
    """Both methods, with which of them is in use and for how long there have been reasons to change as the memory."""

    nonstiff: Any
    stiff: Any

    order: ClassVar[int] = 5
    error_order: ClassVar[int | None] = 5
    evaluations_per_step: ClassVar[int] = 15
    is_implicit: ClassVar[bool] = True
    carries_f0: ClassVar[bool] = False
    carries_memory: ClassVar[bool] = True
    memory_restarts: ClassVar[bool] = False
    counts_work: ClassVar[bool] = True

    def begin(self, system: Any, t0: Any, y0: tuple) -> Any:
        """Non-stiff, without any reason to change."""
        del system, y0
        return jnp.zeros_like(t0), jnp.zeros_like(t0)

    def step(self, system: Any, ta: Any, tb: Any, y: tuple, f0: Any = None) -> Step:
        """A step of the method in use."""
        is_stiff, reasons = lax.stop_gradient(f0)
        shapes = jax.eval_shape(lambda: [m.step(system, ta, tb, y, None).dense for m in (self.nonstiff, self.stiff)])
        # The branches may close over nothing traced.
        empty = lambda i: jax.tree_util.tree_map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), shapes[i])
        selected = is_stiff > 0
        # In a batch both may be computed: the one that is not wanted gets a step in which nothing can overflow.
        tiny = ta + 1e-6 * (tb - ta)

        def stiff(system, ta, tb, tiny, y, selected):
            step = self.stiff.step(system, ta, jnp.where(selected, tb, tiny), y, None)
            return step.y1, step.error, step.stiffness, (empty(0), step.dense)

        def nonstiff(system, ta, tb, tiny, y, selected):
            step = self.nonstiff.step(system, ta, jnp.where(selected, tiny, tb), y, None)
            return step.y1, step.error, step.stiffness, (step.dense, empty(1))

        y1, error, stiffness, pieces = system.choose(selected, stiff, nonstiff, ta, tb, tiny, y, selected)
        memory = _decide(is_stiff, reasons, stiffness)
        order = jnp.where(selected, self.stiff.error_order, self.nonstiff.error_order)
        one = jnp.where(selected, 1.0, 0.0)
        work = Work(jnp.where(selected, self.stiff.evaluations_per_step, 7), one, one)
        return Step(y1, error, None, (is_stiff, *pieces), memory=memory, error_order=order, work=work)

    def interpolate(self, dense: Any, fraction: Any) -> tuple:
        """The interpolant of the method that made the step."""
        is_stiff, nonstiff, stiff = dense
        pairs = zip(self.stiff.interpolate(stiff, fraction), self.nonstiff.interpolate(nonstiff, fraction), strict=True)
        return tuple(jnp.where(is_stiff > 0, a, b) for a, b in pairs)


def _decide(is_stiff: Any, reasons: Any, stiffness: Any) -> tuple[Any, Any]:
    """Count the reasons to change the method, and change it when there are enough."""
    wants_change = jnp.where(is_stiff > 0, stiffness < 0.5 * LIMIT, stiffness > LIMIT)
    # At tight tolerances a step that stability limits swings around the limit: one below it says little.
    doubt = jnp.where(is_stiff > 0, -1.0, -0.25)
    reasons = jnp.maximum(reasons + jnp.where(wants_change, 1.0, doubt), 0.0)
    changes = reasons >= PATIENCE
    is_stiff = jnp.where(changes, 1.0 - is_stiff, is_stiff)
    return is_stiff, jnp.where(changes, 0.0, reasons)


def _may_be_stiff(problem: Any) -> bool:
    """Whether a stiff method with a dense Jacobian is possible and worth compiling for this problem."""
    leaves = jax.tree_util.tree_leaves(problem.y0)
    if any(jnp.issubdtype(leaf.dtype, jnp.complexfloating) for leaf in leaves):
        return False
    if not 0 < sum(leaf.size for leaf in leaves) <= LARGEST_STATE or any(leaf.size == 0 for leaf in leaves):
        return False
    if len({leaf.dtype for leaf in leaves}) > 1:
        return False
    t0 = jnp.asarray(problem.t0, leaves[0].dtype)
    field = lambda y: problem.vector_field(t0, y, problem.args)
    if problem.jacobian is None:
        try:
            moved = jax.make_jaxpr(lambda y: jax.jvp(field, (y,), (y,)))(problem.y0)
        except (TypeError, ValueError, NotImplementedError):  # a callback, say
            return False
        if _has_reverse_mode_only(moved):
            return False
    return not contains_large_dot(jax.make_jaxpr(field)(problem.y0))


def _has_reverse_mode_only(closed: Any) -> bool:
    """Whether a function with a derivative rule for reverse mode only occurs; JAX says so only when it compiles."""
    stack = [closed.jaxpr]
    while stack:
        for eqn in stack.pop().eqns:
            if eqn.primitive.name == "custom_lin":
                return True
            for value in eqn.params.values():
                items = value if isinstance(value, (tuple, list)) else (value,)
                stack.extend(inner for item in items if hasattr(inner := getattr(item, "jaxpr", item), "eqns"))
    return False
