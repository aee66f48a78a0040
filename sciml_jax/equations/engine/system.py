"""The user's problem as the engine sees it: functions of tuples of arrays with every operand explicit."""

import copy
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from ...core.tree import describe
from ...numerics.batching import batch_native
from ...numerics.loops import vary_like
from .flat import concatenate, split_like
from .krylov_linearisation import KrylovForm, KrylovLinearisation
from .layout import Layout
from .linear_form import derivatives as derivatives_of
from .linear_form import jvps_per_jacobian, linear_form
from .linearisation import ComponentLinearisation, Linearisation, Mass
from .norms import error_norm
from .residual import SlopeMatrix, residual_derivatives, residual_function
from .sparse_linearisation import SparseForm, SparseLinearisation
from .traced import TracedFunction, use_components


class BoundSystem:
    """A system with its operands filled in: what a method's `step` receives."""

    def __init__(self, system: "System", theta: tuple, consts: tuple, rtol: Any, atol: Any):
        self._system = system
        self._operands = (theta, consts, rtol, atol)
        self._is_forward = False
        self._parts = system.parts(theta, consts)
        self._limits: tuple | None = None
        self.has_fixed_steps = False
        """Whether the step sizes are given, and an error estimate changes nothing."""
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
        return v if self._system.mass is None else self.mass.product(v)

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
        _, _, rtol, atol = self._operands
        scales = [a + r * jnp.abs(leaf) + jnp.finfo(leaf.dtype).tiny for a, r, leaf in zip(atol, rtol, y, strict=True)]
        return 1 / concatenate([jnp.broadcast_to(s, leaf.shape) for s, leaf in zip(scales, y, strict=True)])

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

    def linearise(self, t: Any, y: tuple, slope: tuple | None = None) -> Linearisation:
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
        rows = _as_rows(out[: size * size], size)
        in_time = out[size * size :]
        # Entries that are known while tracing are NumPy scalars: an autonomous problem shows here.
        autonomous = all(isinstance(entry, np.generic) and entry == 0 for entry in in_time)
        return ComponentLinearisation(rows, None if autonomous else in_time, self.mass)

    def with_jacobian(self, jacobian: Any) -> Any:
        """A linearisation with the `jacobian` of an earlier one, which may have been kept from step to step.

        Of a fully implicit equation the pair of both derivatives is kept.
        """
        form = self._system.form
        if isinstance(form, KrylovForm):
            return KrylovLinearisation(jacobian, None, self, form)
        if isinstance(form, SparseForm):
            return SparseLinearisation(jacobian, None, self.mass, form)
        kind = ComponentLinearisation if self._system.layout.components else Linearisation
        if self.is_fully_implicit:
            return kind(jacobian[0], None, SlopeMatrix(jacobian[1]))
        return kind(jacobian, None, self.mass)


class System:
    """The vector field, its derivatives and what is saved, as functions of flat operands.

    Parameters
    ----------
    problem
        The problem.
    saved_function
        `SaveAt(fn=...)`, or None.
    t0
        An example of a time.
    method
        The method: whether it needs derivatives, how many evaluations a step has, and what it solves apart.
    components
        False: never hold the state as components. None: where it is small.
    """

    def __init__(self, problem: Any, saved_function: Any, t0: Any, method: Any, components: bool | None = None):
        args, y0 = problem.args, problem.y0
        leaves = jax.tree_util.tree_leaves(y0)
        traced = TracedFunction(problem.vector_field, t0, y0, args)
        check_vector_field(traced.out_shape, y0)
        implicit = getattr(problem, "residual", None) is not None
        residual = residual_function(problem, t0) if implicit else None
        derivatives = None
        self.form = None if implicit else linear_form(problem, method)
        if method.is_implicit:
            derivatives = residual_derivatives(problem, t0) if implicit else derivatives_of(problem, t0, self.form)
        allowed = components is None and method.holds_components and self.form is None
        components = allowed and use_components(residual or traced, derivatives, leaves, method.evaluations_per_step)
        self.subsystems, components = _subsystems(problem, t0, method, components)
        self.layout = Layout(y0, components)
        dtypes = tuple(leaf.dtype for leaf in leaves)
        self.vector_field = traced.with_layout(components, leaves, dtypes)
        point = leaves * 2 if implicit else leaves
        self.derivatives: Any = derivatives and derivatives.with_layout(
            components, point, None, fold_zero_products=True
        )
        self.residual: Any = residual and residual.with_layout(components, point, dtypes)
        self.saved_function, self.saved_layout = None, self.layout
        if saved_function is not None:
            saved = TracedFunction(saved_function, t0, y0, args)
            _check_saved(saved.out_shape)
            self.saved_function = saved.with_layout(False, leaves, None)
            self.saved_layout = Layout(saved.out_shape)
        radius = getattr(method, "spectral_radius", None)
        self.spectral_radius: Any = None
        if callable(radius):
            bound = TracedFunction(radius, t0, y0, args)
            _check_radius(bound.out_shape)
            self.spectral_radius = bound.with_layout(components, leaves, None)
        mass = problem.mass_matrix
        self.mass: Any = None
        if mass is not None:
            self.mass_places = mass.rows, mass.columns, mass.size
            self.mass = TracedFunction(_mass_values, t0, y0, mass).with_layout(components, leaves, None)
        shapes = [(leaf.shape, leaf.dtype) for leaf in leaves]
        self.jvps_per_jacobian = 0
        if derivatives is not None:
            self.jvps_per_jacobian = jvps_per_jacobian(problem, self.form) * (2 if implicit else 1)
        self.entry_shapes = [((), d) for s, d in shapes for _ in range(int(np.prod(s)))] if components else shapes
        self.time_dtype = jnp.asarray(t0).dtype
        functions = self._functions()
        self._num_own = len(functions) - sum(len(system._functions()) for system in self.subsystems.values())
        self._counts = [(len(f.theta), len(f.consts)) if f is not None else (0, 0) for f in functions]
        self.theta = tuple(leaf for f in functions if f is not None for leaf in f.theta)
        self.raw_theta = tuple(leaf for f in functions if f is not None for leaf in f.raw_theta)
        self.theta_groups = tuple(size for f in functions if f is not None for size in f.groups)
        self.theta_shapes = tuple(jax.ShapeDtypeStruct(leaf.shape, leaf.dtype) for leaf in self.raw_theta)
        self.consts = tuple(leaf for f in functions if f is not None for leaf in f.consts)

    def release(self) -> tuple[tuple, tuple]:
        """Hand over the operands' values and keep their shapes only, lest the system keep an outer trace alive.

        The inexact ones come whole; `engine/whole.py` takes them apart where they are to be scalars.
        """
        theta, consts = self.raw_theta, self.consts
        self.theta = self.raw_theta = self.consts = ()
        for subsystem in self.subsystems.values():
            subsystem.release()
        for function in self._functions():
            if function is not None:
                function.forget_values()
        return theta, consts

    def _functions(self) -> tuple:
        own = self.vector_field, self.saved_function, self.derivatives, self.spectral_radius, self.mass, self.residual
        return own + tuple(function for system in self.subsystems.values() for function in system._functions())

    def bind(self, theta: tuple, consts: tuple, rtol: Any = None, atol: Any = None) -> BoundSystem:
        """Fill in the operands, and the tolerances for methods that look at them."""
        return BoundSystem(self, theta, consts, rtol, atol)

    def parts(self, theta: tuple, consts: tuple) -> list[tuple[tuple, tuple]]:
        """The operands of each of `_functions`."""
        parts, i, j = [], 0, 0
        for num_theta, num_consts in self._counts:
            parts.append((theta[i : i + num_theta], consts[j : j + num_consts]))
            i, j = i + num_theta, j + num_consts
        return parts

    def operands_of(self, name: str, theta: tuple, consts: tuple) -> tuple[tuple, tuple]:
        """The operands of a subsystem, which come behind those of the system itself."""
        i, j = (sum(count) for count in zip(*self._counts[: self._num_own], strict=True))
        for other, system in self.subsystems.items():
            num_theta, num_consts = (sum(count) for count in zip(*system._counts, strict=True))
            if other == name:
                return theta[i : i + num_theta], consts[j : j + num_consts]
            i, j = i + num_theta, j + num_consts
        raise KeyError(name)


def _subsystems(problem: Any, t0: Any, method: Any, components: bool) -> tuple[dict, bool]:
    """The systems of what the method solves apart, and whether all of them, and the whole, hold components."""
    given = method.subproblems(problem)
    make = lambda allowed: {name: System(part, None, t0, own, allowed) for name, (part, own) in given.items()}
    systems = make(None if components else False)
    if components and not all(system.layout.components for system in systems.values()):
        return make(False), False
    return systems, components


def _as_rows(entries: tuple, size: int) -> tuple:
    return tuple(tuple(entries[size * i : size * (i + 1)]) for i in range(size))


def _mass_values(t: Any, y: Any, mass: Any) -> Any:
    del t, y
    return mass.values


def check_vector_field(out: Any, y0: Any) -> None:
    """Refuse a vector field whose result does not have the structure, shapes and dtypes of the state."""
    same_tree = jax.tree_util.tree_structure(out) == jax.tree_util.tree_structure(y0)
    pairs = zip(jax.tree_util.tree_leaves(out), jax.tree_util.tree_leaves(y0), strict=False)
    if not same_tree or any(a.shape != b.shape for a, b in pairs):
        msg = (
            "`vector_field(t, y, args)` must return a pytree with the structure and shapes of the state; got "
            f"{describe(out)} for a state of {describe(y0)}. Return one derivative for each number of the state."
        )
        raise ValueError(msg)
    for a, b in zip(jax.tree_util.tree_leaves(out), jax.tree_util.tree_leaves(y0), strict=True):
        if jnp.promote_types(a.dtype, b.dtype) != b.dtype:
            msg = (
                f"`vector_field(t, y, args)` must return the dtype of the state, {b.dtype}; got {a.dtype}. "
                f"Convert `y0` (and `args`) to {jnp.promote_types(a.dtype, b.dtype)}, or the result to {b.dtype}."
            )
            raise TypeError(msg)


def _check_saved(out: Any) -> None:
    for leaf in jax.tree_util.tree_leaves(out):
        if not jnp.issubdtype(leaf.dtype, jnp.inexact):
            msg = (
                "`SaveAt(fn=...)` must return float or complex arrays, because what is not reached is filled with NaN; "
                f"got {describe(out)}. Convert the result with `.astype(float)`."
            )
            raise TypeError(msg)


def _check_radius(out: Any) -> None:
    if getattr(out, "shape", None) != () or not jnp.issubdtype(out.dtype, jnp.floating):
        msg = (
            f"`spectral_radius(t, y, args)` must return a real scalar; got {describe(out)}. "
            "Return one bound for the whole state, for example `jnp.max(...)`."
        )
        raise ValueError(msg)
