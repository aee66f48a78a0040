"""The user's problem as the engine sees it: functions of tuples of arrays with every operand explicit."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ...numerics.components.count import MAX_SIZE
from .bound_system import BoundSystem
from .eliminated_linearisation import LEAST_UNKNOWNS, eliminated_form
from .events import EventFunctions
from .layout import Layout
from .linear_form import derivatives as derivatives_of
from .linear_form import jvps_per_jacobian, linear_form
from .noise import BrownianSource, traced_noise
from .residual import residual_derivatives, residual_function
from .returned import check_radius, check_saved, check_vector_field
from .traced import MAX_COMPONENT_JACOBIAN, MAX_IMPLICIT_COMPONENTS, TracedFunction, use_components


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
    triggers
        The events of the solve.
    """

    def __init__(
        self,
        problem: Any,
        saved_function: Any,
        t0: Any,
        method: Any,
        components: bool | None = None,
        triggers: tuple = (),
    ):
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
        is_small = allowed and use_components(residual or traced, derivatives, leaves, method.evaluations_per_step)
        eliminated = _eliminated_form(problem, traced, derivatives, t0, leaves, method) if allowed else None
        if eliminated is not None and not is_small:
            is_small = eliminated.may_be_written_out(traced, method)
        self.subsystems, components = _subsystems(problem, t0, method, is_small)
        self.eliminated = eliminated if components else None
        self.layout = Layout(y0, components)
        dtypes = tuple(leaf.dtype for leaf in leaves)
        self.vector_field = traced.with_layout(components, leaves, dtypes)
        if not method.is_implicit:
            # Loops with a factorisation are no kernel.
            self.vector_field = self.vector_field.with_vector_loops()
        point = leaves * 2 if implicit else leaves
        self.derivatives: Any = derivatives and derivatives.with_layout(
            components, point, None, True, MAX_SIZE if self.eliminated is None else MAX_COMPONENT_JACOBIAN
        )
        self.residual: Any = residual and residual.with_layout(components, point, dtypes)
        self.saved_function, self.saved_layout = None, self.layout
        if saved_function is not None:
            saved = TracedFunction(saved_function, t0, y0, args)
            check_saved(saved.out_shape)
            self.saved_function = saved.with_layout(False, leaves, None)
            self.saved_layout = Layout(saved.out_shape)
        radius = getattr(method, "spectral_radius", None)
        self.spectral_radius: Any = None
        if callable(radius):
            bound = TracedFunction(radius, t0, y0, args)
            check_radius(bound.out_shape)
            self.spectral_radius = bound.with_layout(components, leaves, None)
        mass = problem.mass_matrix
        self.mass: Any = None
        if mass is not None:
            self.mass_places = mass.rows, mass.columns, mass.size
            self.mass_is_regular = mass.is_regular
            self.mass = TracedFunction(_mass_values, t0, y0, mass).with_layout(components, leaves, None)
        self.events = EventFunctions(triggers, problem, t0, components) if triggers else None
        self.diffusion: Any = None
        self.brownian: BrownianSource | None = None
        if getattr(problem, "diffusion", None) is not None:
            self.noise_form, self.diffusion, self.brownian = traced_noise(problem, t0, method, components)
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
        events = () if self.events is None else self.events.functions()
        noise = () if self.brownian is None else (self.diffusion, self.brownian)
        parts = tuple(function for system in self.subsystems.values() for function in system._functions())
        return own + events + noise + parts

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


def _eliminated_form(problem: Any, traced: Any, derivatives: Any, t0: Any, leaves: list, method: Any) -> Any:
    """How the method's linear systems are eliminated without row exchanges; None where that is not to be done."""
    if derivatives is None or getattr(problem, "residual", None) is not None or problem.mass_matrix is not None:
        return None
    size, largest = sum(leaf.size for leaf in leaves), max(MAX_IMPLICIT_COMPONENTS, method.most_components)
    return eliminated_form(traced, derivatives, t0, leaves) if LEAST_UNKNOWNS <= size <= largest else None


def _subsystems(problem: Any, t0: Any, method: Any, components: bool) -> tuple[dict, bool]:
    """The systems of what the method solves apart, and whether all of them, and the whole, hold components."""
    given = method.subproblems(problem)
    make = lambda allowed: {name: System(part, None, t0, own, allowed) for name, (part, own) in given.items()}
    systems = make(None if components else False)
    if components and not all(system.layout.components for system in systems.values()):
        return make(False), False
    return systems, components


def _mass_values(t: Any, y: Any, mass: Any) -> Any:
    del t, y
    return mass.values
