"""A method and a system for the variational equations: the state with its derivatives in P directions.

The state of n leaves becomes 2 n leaves: `y` and `S = (dy/dp_1, ..., dy/dp_P)` with a leading axis P, which obey
`S_i' = (df/dy) S_i + (df/dp) e_i`. A Runge-Kutta or Rosenbrock step of that system is the derivative of the step of the
original one, so it is computed so: linear systems are factored once for all directions.
"""

import copy
from typing import Any, cast

import jax
import jax.numpy as jnp

from ..engine.flat import concatenate, split_like
from ..engine.operands import Operands, Settings
from ..methods.one_step import AbstractOneStepMethod, Step
from .plans import changed

MORE_STEPS = 10
"""How many more steps than the original problem's bound the variational equations may take."""


class VariationalMethod(AbstractOneStepMethod):
    """A one-step method applied to the variational equations."""

    base: AbstractOneStepMethod

    order = cast(Any, property(lambda self: self.base.order))
    error_order = cast(Any, property(lambda self: self.base.error_order))
    is_implicit = cast(Any, property(lambda self: self.base.is_implicit))
    evaluations_per_step = cast(Any, property(lambda self: self.base.evaluations_per_step))
    carries_f0 = cast(Any, property(lambda self: self.base.carries_f0))
    carries_memory = cast(Any, property(lambda self: self.base.carries_memory))

    def begin(self, system: Any, t0: Any, y0: tuple) -> Any:
        """The memory and its derivatives."""
        y0, moves = _halves(y0)
        memory, push = jax.linearize(lambda y, theta: self.base.begin(system.base(theta), t0, y), y0, system.theta)
        return memory, jax.vmap(push)(moves, system.directions)

    def step(self, system: Any, ta: Any, tb: Any, y: tuple, f0: Any = None) -> Step:
        """The step and its derivatives; cost: one step, and P tangents of it."""
        y, moves = _halves(y)
        carried, carried_moves = (None, None) if f0 is None else f0 if self.carries_memory else _halves(f0)

        def advance(y, theta, carried):
            step = self.base.step(system.base(theta), ta, tb, y, carried)
            differentiable = ("y1", "error", "f1", "dense", "memory", "retry")
            return {name: getattr(step, name) for name in differentiable}, step

        parts, push, step = jax.linearize(advance, y, system.theta, carried, has_aux=True)
        moved = jax.vmap(push)(moves, system.directions, carried_moves)
        join: Any = lambda name: None if parts[name] is None else (*parts[name], *moved[name])
        pair = lambda name: None if parts[name] is None else (parts[name], moved[name])
        joined = {name: join(name) for name in ("y1", "error", "f1")}
        return step._replace(**joined, **{name: pair(name) for name in ("dense", "memory", "retry")})

    def complete(self, system: Any, ta: Any, tb: Any, dense: Any) -> Any:
        """The interpolant's data and their derivatives."""
        dense, moves = dense
        function = lambda dense, theta: self.base.complete(system.base(theta), ta, tb, dense)
        whole, push = jax.linearize(function, dense, system.theta)
        return whole, jax.vmap(push)(moves, system.directions)

    def interpolate(self, dense: Any, fraction: Any) -> tuple:
        """The state and its derivatives inside the step."""
        dense, moves = dense
        inside, push = jax.linearize(lambda dense: self.base.interpolate(dense, fraction), dense)
        return (*inside, *jax.vmap(push)(moves))


def self_linearised(system: Any) -> Any:
    """The same system, its Jacobian as the derivative of its vector field.

    The engine's own Jacobian has operands of its own, equal to the vector field's: a derivative with respect to the
    latter alone would be that of a method with a wrong Jacobian, of a lower order.
    """
    own = copy.copy(system)

    def parts(theta, consts):
        field, saved, _, *rest = system.parts(theta, consts)
        return [field, saved, field, *rest]

    def derivatives(theta, consts, t, y):
        field = lambda t, y: system.vector_field(theta, consts, t, y)
        in_time = jax.jvp(lambda t: field(t, y), (t,), (jnp.ones_like(t),))[1]
        if system.layout.components:
            rows = jax.jacfwd(lambda y: field(t, y))(y)
            return *(entry for row in rows for entry in row), *in_time
        flat = lambda vector: concatenate(field(t, split_like(vector, y)))
        return jax.jacfwd(flat)(concatenate(y)), concatenate(in_time)

    own.parts, own.derivatives = parts, derivatives
    return own


class VariationalSystem:
    """What the engine asks of a system, for the state with its derivatives."""

    events = None
    brownian = None

    def __init__(self, base: Any, directions: tuple):
        self._base = self_linearised(base)
        self._directions = directions

    def bind(self, theta: tuple, consts: tuple, rtol: Any = None, atol: Any = None) -> "BoundVariational":
        """Fill in the operands and the tolerances."""
        tolerances = tuple(pair and _halves(pair)[0] for pair in (rtol, atol))
        return BoundVariational(self._base, theta, (consts, *tolerances), self._directions)


class BoundVariational:
    """A variational system with its operands filled in; of explicit equations only, `run` refuses others."""

    has_algebraic_equations = False
    is_fully_implicit = False
    mass = None

    def __init__(self, system: Any, theta: tuple, fixed: tuple, directions: tuple):
        self._system, self._fixed = system, fixed
        moving = len(directions)
        self.theta, self._still, self.directions = theta[:moving], theta[moving:], directions

    def base(self, theta: tuple) -> Any:
        """The original system with these operands in the place of those that have directions."""
        return self._system.bind(theta + self._still, *self._fixed)

    def running_forward(self) -> "BoundVariational":
        """Itself: its steps are differentiated even where the loop is not."""
        return self

    def vector_field(self, t: Any, y: tuple) -> tuple:
        """The right-hand side and its derivatives."""
        return self._push(lambda theta, y: self.base(theta).vector_field(t, y), y)

    def observe(self, t: Any, y: tuple) -> tuple:
        """What is saved, its derivatives, and its rate of change along the solution."""
        state, base = _halves(y)[0], self.base(self.theta)
        slope = base.vector_field(t, state)
        rate = jax.jvp(base.observe, (t, state), (jnp.ones_like(t), slope))[1]
        return *self._push(lambda theta, y: self.base(theta).observe(t, y), y), *rate

    def _push(self, function, y):
        y, moves = _halves(y)
        value, push = jax.linearize(function, self.theta, y)
        return (*value, *jax.vmap(push)(self.directions, moves))


def variational(plan: Any, operands: Operands, settings: Settings, directions: tuple) -> tuple[Any, Operands, Settings]:
    """Plan, operands and settings of the variational equations.

    `directions` are tangents of `y0` and of the first of `theta`, with a leading axis P. The tolerances are those of
    `settings` for every single direction in the root-mean-square norm, whatever their number.
    """
    of_y0, of_theta = directions
    count = jax.tree_util.tree_leaves(directions)[0].shape[0]
    extended = changed(
        plan,
        method=VariationalMethod(plan.method),
        system=VariationalSystem(plan.system, of_theta),
        # Nothing is recorded, so more steps cost no memory; with all directions under control they are needed.
        max_steps=plan.max_steps and MORE_STEPS * plan.max_steps,
    )
    share = lambda leaf: leaf / jnp.sqrt(jnp.asarray(1 + count, leaf.dtype))
    rtol, atol = (tuple(share(leaf) for leaf in pair) * 2 for pair in (settings.rtol, settings.atol))
    return extended, operands._replace(y0=(*operands.y0, *of_y0)), settings._replace(rtol=rtol, atol=atol)


def _halves(leaves):
    middle = len(leaves) // 2
    return tuple(leaves[:middle]), tuple(leaves[middle:])
