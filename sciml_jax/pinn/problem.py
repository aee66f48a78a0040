"""A differential equation on a domain, stated through its residual."""

from collections.abc import Callable, Sequence
from typing import Any

import equinox as eqx
from jaxtyping import PyTree

from ..core.callables import as_callable
from .conditions import AbstractCondition
from .geometry import AbstractGeometry
from .problem_checks import check_conditions, check_conflicts, check_residual


class PDEProblem(eqx.Module):
    r"""Find u with `residual(u, z, params) = 0` inside a domain, and with its conditions.

    The residual is a function of the *function* u and of a point, so it may take derivatives
    (`domain.partials(u, z, "t", "xx")`), values elsewhere (delays, integrals by quadrature) and anything else that JAX
    can trace. Ordinary differential equations are problems with one coordinate; moving and parametric domains are
    problems with more of them.

    Parameters
    ----------
    domain
        A geometry: `sj.pinn.Box`, `Ball`, `Polygon`, `PointCloud`, and their combinations.
    residual
        `residual(u, z, params) -> number`, a vector, or a tuple of numbers for several equations. `u(z)` has shape ()
        for one unknown function and (m,) for `num_outputs=m`; z is one point, shape (d,).
    conditions
        A sequence of conditions: `Dirichlet`, `Neumann`, `Robin`, `Initial`, `Periodic`, `Data`, `Integral`,
        `Condition`.
    params
        Known parameters, any pytree.
    unknown
        First guess of unknown parameters (an inverse problem), any pytree of float arrays or numbers; a network in it
        is an unknown function. The residual then gets them as `params`, or `(params, unknown)` where `params` is given
        too.
    num_outputs
        The number of unknown functions.

    Raises
    ------
    TypeError, ValueError
        For arguments of the wrong kind, a residual that fails or returns another shape, and conditions that contradict
        each other.
    """

    domain: AbstractGeometry
    residual: Callable
    conditions: tuple[AbstractCondition, ...]
    params: PyTree
    unknown: PyTree
    num_outputs: int = eqx.field(static=True)

    def __init__(
        self,
        domain: AbstractGeometry,
        residual: Callable,
        conditions: Sequence[AbstractCondition] | AbstractCondition = (),
        params: PyTree = None,
        *,
        unknown: PyTree = None,
        num_outputs: int = 1,
    ):
        if not isinstance(domain, AbstractGeometry):
            msg = (
                f"`domain` must be a geometry; got {type(domain).__name__}. Pass, for example, "
                '`sj.pinn.Box({"x": (0.0, 1.0)})`.'
            )
            raise TypeError(msg)
        if isinstance(num_outputs, bool) or not isinstance(num_outputs, int) or num_outputs < 1:
            msg = f"`num_outputs` must be a positive integer; got {num_outputs!r}. Count the unknown functions."
            raise ValueError(msg)
        self.domain = domain
        self.residual = as_callable(residual, "residual", "u", "z", "params")
        self.conditions = (conditions,) if isinstance(conditions, AbstractCondition) else tuple(conditions)
        self.params, self.unknown, self.num_outputs = params, unknown, num_outputs
        check_conditions(self)
        check_residual(self)
        check_conflicts(self)

    def default_method(self) -> Any:
        """What solves it where no method is given."""
        from .pinn import PINN

        return PINN()

    def all_params(self, unknown: PyTree) -> PyTree:
        """What the residual gets as `params`, for these values of the unknown ones."""
        if self.unknown is None:
            return self.params
        return unknown if self.params is None else (self.params, unknown)
