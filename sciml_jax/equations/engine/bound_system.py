"""A system with its operands filled in, as a method's `step` receives it."""

import copy
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from ...numerics.batching import batch_native
from ...numerics.loops import vary_like
from .eliminated_linearisation import EliminatedLinearisation
from .events import BoundEvents
from .flat import concatenate, split_like
from .krylov_linearisation import KrylovForm, KrylovLinearisation
from .linearisation import ComponentLinearisation, Linearisation, Mass
from .noise import BoundNoise
from .norms import error_norm
from .residual import SlopeMatrix
from .sparse_linearisation import SparseForm, SparseLinearisation


class BoundSystem:
    """A system with its operands filled in: what a method's `step` receives."""

    def __init__(self, system: Any, theta: tuple, consts: tuple, rtol: Any, atol: Any):
        self._system = system
        self._operands = (theta, consts, rtol, atol)
        self._is_forward = False
        self._parts = system.parts(theta, consts)
        self._limits: tuple | None = None
        self.has_fixed_steps = False
        """Whether the step sizes are given, and an error estimate changes nothing."""
        self.time_resolution: Any = 0.0
        """To which part of the time events are located."""
        self.computes_slopes_once = True
        """Whether explicit stages hold their slopes; see `one_kernel.computed_once`."""
        self.scratch: Any = None
        """What the last attempt left for this one, for methods that carry it; None where a step is recomputed."""

    def within(self, ta: Any, tb: Any) -> "BoundSystem":
        """The system seen from inside the step: times at its ends are moved inwards by the smallest possible amount.

        A step that ends on a discontinuity must see its left limit there, and the next step its right limit.
        """
        self = copy.copy(self)
        # Frozen before nextafter, which has no derivative.
        start, end = lax.stop_gradient((ta, tb))
        inwards = [jnp.nextafter(a, b) - a for a, b in ((start, end), (end, start))]
        low, high = ta + inwards[0], tb + inwards[1]
        self._limits = (jnp.minimum(low, high), jnp.maximum(low, high))
        return self

    def running_forward(self) -> "BoundSystem":
        """The system in a loop that is not differentiated: a batch may then decide together what it computes."""
        self = copy.copy(self)
        self._is_forward = True
        return self

    def with_scratch(self, scratch: Any) -> "BoundSystem":
        """The system with what the last attempt left."""
        self = copy.copy(self)
        self.scratch = scratch
        return self

    @property
    def events(self) -> BoundEvents:
        """The functions of the solve's events."""
        known = self._system.events
        # Behind the six functions of the problem and the method.
        return BoundEvents(known, self._parts[6 : 6 + len(known.functions())])

    @property
    def noise(self) -> BoundNoise:
        """The diffusion and the Brownian motion of a stochastic equation."""
        # Behind the six functions of the problem and the method, and those of the events.
        place = 6 + (len(self._system.events.functions()) if self._system.events is not None else 0)
        diffusion, brownian = self._parts[place : place + 2]
        return BoundNoise(self._system, diffusion, brownian, self._time)

    def part(self, name: str) -> "BoundSystem":
        """The system of one of the method's `subproblems`, with the same tolerances, seen from the same step."""
        theta, consts, *tolerances = self._operands
        operands = self._system.operands_of(name, theta, consts)
        part = BoundSystem(self._system.subsystems[name], *operands, *tolerances)
        part._limits, part._is_forward, part.has_fixed_steps = self._limits, self._is_forward, self.has_fixed_steps
        return part

    def choose(self, is_rare: Any, rare: Callable, common: Callable, *args: Any) -> Any:
        """`rare(system, *args)` where `is_rare`, else `common(system, *args)`; only one of them is computed.

        In a batch the rare one is computed when some lane asks for it, and then for all lanes.
        """
        own, bound = self.operands(), self._rebound

        def one(function):
            # Inside shard_map both branches must vary alike.
            return lambda own, args: vary_like(function(bound(own), *args), own, args)

        def branch(is_rare, own, args):
            return lax.cond(is_rare, one(rare), one(common), own, args)

        def lanes(size, axes, is_rare, own, args):
            if axes[0] is None:
                return jax.vmap(branch, axes, axis_size=size)(is_rare, own, args)
            each = lambda function: jax.vmap(one(function), axes[1:], axis_size=size)

            def both(own, args):
                pick = lambda a, b: jnp.where(is_rare.reshape(-1, *(1 for _ in a.shape[1:])), a, b)
                return jax.tree_util.tree_map(pick, each(rare)(own, args), each(common)(own, args))

            return lax.cond(jnp.any(is_rare), both, each(common), own, args)

        return (batch_native(branch, lanes) if self._is_forward else branch)(is_rare, own, args)

    def root(self, find: Callable, residual: Callable, solver: Callable, *args: Any) -> tuple[tuple, Any]:
        """`z` with `residual(system, z, *args) = 0`, and what else is known about the search.

        `find(system, *args) -> (z, info)` may iterate as it likes: derivatives come from the implicit function theorem,
        with `solver(system, z, *args) -> solve` for `d residual/dz x = rhs` at the root. `info` is a pytree of float
        arrays without derivatives. The functions may close over nothing traced; all traced values come in `args`.
        """
        bound = self._rebound

        @jax.custom_jvp
        def search(own, args):
            z, info = find(bound(own), *args)
            return z, lax.stop_gradient(info)

        @search.defjvp
        def rule(primals, tangents):
            own, args = primals
            z, info = search(own, args)
            moved = jax.jvp(lambda own, args: residual(bound(own), z, *args), primals, tangents)[1]
            dz = solver(bound(own), z, *args)(tuple(-leaf for leaf in moved))
            return (z, info), (dz, jax.tree_util.tree_map(jnp.zeros_like, info))

        return search(self.operands(), args)

    def operands(self) -> tuple:
        """What is traced in here, to be handed to functions that may close over nothing traced."""
        return (*self._operands, self._limits, self.scratch)

    def _rebound(self, own: tuple) -> "BoundSystem":
        """The system on other values of `operands()`."""
        system = BoundSystem(self._system, *own[:4])
        system._limits, system.scratch, system._is_forward = own[4], own[5], self._is_forward
        system.has_fixed_steps = self.has_fixed_steps
        return system

    @property
    def form(self) -> Any:
        """In which form the Jacobian is held: a `SparseForm`, a `KrylovForm`, or None for all of its entries."""
        return self._system.form

    @property
    def has_algebraic_equations(self) -> bool:
        """Whether some of the equations may be algebraic: a mass matrix that is not known to be regular."""
        return self._system.mass is not None and not self._system.mass_is_regular

    @property
    def mass(self) -> Mass | None:
        """The mass matrix; None for the identity."""
        system = self._system
        if system.mass is None:
            return None
        example = tuple(jnp.zeros(shape, dtype) for shape, dtype in system.entry_shapes)
        # The values depend on neither time nor state.
        values = system.mass(*self._parts[4], jnp.zeros((), system.time_dtype), example)
        return Mass(values if system.layout.components else values[0], *system.mass_places)

    def mass_product(self, v: tuple) -> tuple:
        """`M v`; `v` itself without a mass matrix."""
        mass = self.mass
        return v if mass is None else mass.product(v)

    def _time(self, t: Any) -> Any:
        return t if self._limits is None else jnp.minimum(jnp.maximum(t, self._limits[0]), self._limits[1])

    def vector_field(self, t: Any, y: tuple) -> tuple:
        """The right-hand side at `(t, y)`."""
        return self._system.vector_field(*self._parts[0], self._time(t), y)

    def norm(self, values: tuple, y: tuple, y1: tuple) -> Any:
        """The root-mean-square of `values` relative to the tolerances over a step from `y` to `y1`; no derivative."""
        _, _, rtol, atol = self._operands
        return lax.stop_gradient(jnp.sqrt(error_norm(values, y, y1, rtol, atol)))

    def weights(self, y: tuple) -> Any:
        """One over the tolerance of every number of the state, flat: the weights of `norm` at `y`."""
        scales = self.tolerances(y)
        return 1 / concatenate([jnp.broadcast_to(s, leaf.shape) for s, leaf in zip(scales, y, strict=True)])

    def tolerances(self, y: tuple) -> tuple:
        """`atol + rtol |y|`, a tuple like the state."""
        _, _, rtol, atol = self._operands
        parts = zip(atol, rtol, y, strict=True)
        return tuple(a + r * jnp.abs(leaf) + jnp.finfo(leaf.dtype).tiny for a, r, leaf in parts)

    def merge(self, y: tuple) -> Any:
        """The state as the user's pytree."""
        return self._system.layout.merge(y)

    def observe(self, t: Any, y: tuple) -> tuple:
        """What is saved at `(t, y)`: the state, or `SaveAt(fn=...)` of it."""
        system = self._system
        if system.saved_function is None:
            return y
        leaves = tuple(jax.tree_util.tree_leaves(system.layout.merge(y)))
        return system.saved_function(*self._parts[1], t, leaves)

    def spectral_radius(self, t: Any, y: tuple) -> Any:
        """The user's bound of the Jacobian's spectral radius at `(t, y)`, where the method has such a function."""
        return self._system.spectral_radius(*self._parts[3], self._time(t), y)[0]

    @property
    def is_fully_implicit(self) -> bool:
        """Whether the equation is `F(t, y, y') = 0`; the vector field is then the slope at the start only."""
        return self._system.residual is not None

    def stage_residual(self, t: Any, y: tuple, slope: tuple) -> tuple:
        """`-F(t, y, slope)` of a fully implicit equation, which takes the place of `f - M slope`."""
        return tuple(-leaf for leaf in self._system.residual(*self._parts[5], self._time(t), (*y, *slope)))

    def linearise(self, t: Any, y: tuple, slope: tuple = ()) -> Any:
        """The Jacobian and the time derivative at `(t, y)`; of a fully implicit equation `-dF/dy` and `dF/dy'`."""
        if self.is_fully_implicit:
            out = self._system.derivatives(*self._parts[2], self._time(t), (*y, *slope))
            if self._system.layout.components:
                out = _as_rows(out[: len(out) // 2], len(y)), _as_rows(out[len(out) // 2 :], len(y))
            return self.with_jacobian(out)
        out = self._system.derivatives(*self._parts[2], self._time(t), y)
        if not self._system.layout.components:
            form, in_time = self._system.form, split_like(out[-1], y)
            jacobian = out[0] if len(out) > 1 else None
            if isinstance(form, KrylovForm):
                jacobian = (t, y, jacobian)
            return self.with_jacobian(jacobian)._replace(time_derivative=in_time)
        size = len(y)
        in_time = out[size * size :]
        # Entries that are known while tracing are NumPy scalars: an autonomous problem shows here.
        autonomous = all(isinstance(entry, np.generic) and entry == 0 for entry in in_time)
        form = self._system.eliminated
        jacobian = _as_rows(out, size) if form is None else tuple(out[i * size + j] for i, j in form.places)
        return self.with_jacobian(jacobian)._replace(time_derivative=None if autonomous else in_time)

    def with_jacobian(self, jacobian: Any) -> Any:
        """A linearisation with the `jacobian` of an earlier one, which may have been kept from step to step.

        Of a fully implicit equation the pair of both derivatives is kept.
        """
        form = self._system.form
        if isinstance(form, KrylovForm):
            return KrylovLinearisation(jacobian, None, self, form)
        if isinstance(form, SparseForm):
            return SparseLinearisation(jacobian, None, self.mass, form)
        if self._system.eliminated is not None:
            return EliminatedLinearisation(jacobian, None, self._system.eliminated)
        kind = ComponentLinearisation if self._system.layout.components else Linearisation
        if self.is_fully_implicit:
            return kind(jacobian[0], None, SlopeMatrix(jacobian[1]))
        return kind(jacobian, None, self.mass)


def _as_rows(entries: tuple, size: int) -> tuple:
    return tuple(tuple(entries[size * i : size * (i + 1)]) for i in range(size))
