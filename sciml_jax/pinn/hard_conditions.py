"""Dirichlet conditions on faces of a box that hold exactly, whatever the network is."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ..core.tree import is_concrete
from .box import Box
from .conditions import Dirichlet, Initial
from .geometry import uniform
from .region import Face

MATCH = 1e-6
"""Relative size of a jump at edges above which a condition is not built in."""


class HardConditions(eqx.Module):
    r"""$u(z) = G(z) + D(z)\, N(z)$ with G that takes the prescribed values and D that vanishes where they hold.

    G joins the values along one coordinate after the other, constant from one face and linear between two (a Boolean
    sum); D is the product of $s$, $1 - s$ or $4 s (1 - s)$ with $s \in [0, 1]$ the place between the faces. Both need
    values that agree at edges.

    Parameters
    ----------
    domain
        A box.
    conditions
        Dirichlet conditions on its faces.
    num_outputs
        The number of unknown functions.

    References
    ----------
    Lagaris, Likas & Fotiadis, Artificial neural networks for solving ordinary and partial differential equations, IEEE
    Transactions on Neural Networks 9 (1998). Gordon, Blending-function methods of bivariate and multivariate
    interpolation, SIAM Journal on Numerical Analysis 8 (1971).
    """

    domain: Box
    conditions: tuple[Any, ...]
    num_outputs: int = eqx.field(static=True)

    def __call__(self, network: Float[Array, " m"], z: Float[Array, " d"], params: Any) -> Float[Array, " m"]:
        """The function's values from those of the network at z."""
        parts = [
            self.lift(component, z, params) + self.factor(component, z) * network[component]
            for component in range(self.num_outputs)
        ]
        return jnp.stack(parts)

    def faces(self, component: int) -> dict[int, dict[str, Any]]:
        """The condition at each axis and side that holds for a component; the first one where several do."""
        found: dict[int, dict[str, Any]] = {}
        for condition in self.conditions:
            if condition.component in (None, component):
                for side in condition.region.sides:
                    found.setdefault(condition.region.axis, {}).setdefault(side, condition)
        return found

    def factor(self, component: int, z: Float[Array, " d"]) -> Float[Array, ""]:
        """D at a point."""
        value = jnp.ones((), z.dtype)
        for axis, sides in self.faces(component).items():
            s = self._place(z, axis)
            factors = {"lower": s, "upper": 1 - s}
            value = value * (4 * s * (1 - s) if len(sides) == 2 else factors[next(iter(sides))])
        return value

    def lift(self, component: int, z: Float[Array, " d"], params: Any) -> Float[Array, ""]:
        """G at a point."""
        return self._lift(list(self.faces(component).items()), component, z, params)

    def _lift(self, axes: list, component: int, z: Array, params: Any) -> Array:
        if not axes:
            return jnp.zeros((), z.dtype)
        axis, sides = axes[-1]
        before = lambda z: self._lift(axes[:-1], component, z, params)
        value, s = before(z), self._place(z, axis)
        for side, condition in sides.items():
            on_face = condition.region.at(z, side)
            prescribed = condition.value(on_face, params)
            prescribed = prescribed[component] if jnp.ndim(prescribed) else prescribed
            share = 1.0 if len(sides) == 1 else (1 - s if side == "lower" else s)
            value = value + share * (prescribed - before(on_face))
        return value

    def _place(self, z: Array, axis: int) -> Array:
        low, high = self.domain.lower[axis], self.domain.upper[axis]
        return (z[axis] - low) / (high - low)


def build_in(problem: Any) -> tuple[HardConditions | None, tuple[Any, ...]]:
    """Which conditions of a problem can be built into the function, and those that are left."""
    domain = problem.domain
    if not isinstance(domain, Box):
        return None, problem.conditions
    hard: list = []
    soft: list = []
    for condition in problem.conditions:
        fits = _is_dirichlet_on_face(condition)
        trial = HardConditions(domain, (*hard, condition), problem.num_outputs) if fits else None
        if trial is not None and _agrees(trial, problem):
            hard.append(condition)
        else:
            soft.append(condition)
    return (HardConditions(domain, tuple(hard), problem.num_outputs) if hard else None), tuple(soft)


def _is_dirichlet_on_face(condition: Any) -> bool:
    plain = isinstance(condition, Dirichlet) or (isinstance(condition, Initial) and condition.derivative == 0)
    region = getattr(condition, "region", None)
    return plain and condition.weight is None and isinstance(region, Face) and isinstance(region.geometry, Box)


def _agrees(trial: HardConditions, problem: Any) -> bool:
    """Whether G takes the values of every condition on its face, that is, whether they agree at edges."""
    params = problem.all_params(problem.unknown)
    if not is_concrete((problem, params)):
        return True
    with jax.ensure_compile_time_eval():
        points = uniform(jax.random.key(0), 16, problem.domain.lower, problem.domain.upper)
        for component in range(problem.num_outputs):
            for sides in trial.faces(component).values():
                for side, condition in sides.items():
                    on_face = condition.region.at(points, side)
                    lift = jax.vmap(lambda z, k=component: trial.lift(k, z, params))(on_face)
                    value = jax.vmap(lambda z, c=condition: jnp.asarray(c.value(z, params)))(on_face)
                    value = value if value.ndim == 1 else value[:, component]
                    # Where functions close over traced values nothing can be compared.
                    if is_concrete((lift, value)) and not _close(np.asarray(lift), np.asarray(value)):
                        return False
    return True


def _close(lift: np.ndarray, value: np.ndarray) -> bool:
    tolerance = max(MATCH, 1e3 * float(np.finfo(lift.dtype).eps))
    return bool(np.max(np.abs(lift - value)) <= tolerance * max(1e-300, float(np.max(np.abs(value)))))
