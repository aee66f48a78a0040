"""Roessler's stochastic Runge-Kutta methods of strong order 1.5 for additive noise."""

from typing import Any, ClassVar, NamedTuple

import jax.numpy as jnp

from ...numerics.combine import linear_combination
from ..methods.one_step import Step
from .method import AbstractNoiseMethod


class SRATableau(NamedTuple):
    """Coefficients; rows of the strictly lower triangles belong to stages 2, 3, ..."""

    a0: tuple[tuple[float, ...], ...]
    b0: tuple[tuple[float, ...], ...]
    c0: tuple[float, ...]
    """Nodes of the drift."""
    c1: tuple[float, ...]
    """Nodes of the diffusion."""
    alpha: tuple[float, ...]
    beta1: tuple[float, ...]
    beta2: tuple[float, ...]


class AbstractSRA(AbstractNoiseMethod):
    """A stochastic Runge-Kutta method of strong order 1.5 for additive noise.

    With `I_10 = h (W/2 + H)`, H being the space-time Levy area,

        P_i = y + h sum_j a0_ij f(t + c0_j h, P_j) + I_10/h sum_j b0_ij g(t + c1_j h)
        y1 = y + h sum_i alpha_i f(t + c0_i h, P_i) + sum_i (beta1_i W + beta2_i I_10/h) g(t + c1_i h).

    The error estimate is the size of the last term plus that of the difference to the drift of Euler's method along the
    path, `h (f(P_i) - f(y))`; it behaves as h^(3/2), the error as h^2.

    References
    ----------
    Roessler, Runge-Kutta methods for the strong approximation of solutions of stochastic differential equations, SIAM
    J. Numer. Anal. 48 (2010) 922-952. Rackauckas & Nie, Adaptive methods for stochastic differential equations via
    natural embeddings and rejection sampling with memory, Discrete Contin. Dyn. Syst. B 22 (2017) 2731-2761.
    """

    tableau: ClassVar[SRATableau]
    order: ClassVar[float] = 1.5
    weak_order: ClassVar[float] = 2.0
    error_order: ClassVar[Any] = 1.5
    noises: ClassVar = ("additive",)
    interpretations: ClassVar = ("ito", "stratonovich")

    def step(self, system: Any, ta: Any, tb: Any, y: tuple, f0: tuple | None = None) -> Step:
        """Advance `y` from `ta` to `tb`; cost: an evaluation of the drift per stage, of the diffusion per node."""
        del f0
        table, noise, h = self.tableau, system.noise, tb - ta
        w, area = noise.increments(ta, tb)
        mixed = tuple(0.5 * a + b for a, b in zip(w, area, strict=True))
        at = lambda node: tb if node == 1.0 else ta + node * h
        known = {node: noise.diffusion(at(node), y) for node in dict.fromkeys(table.c1)}
        diffusions = [known[node] for node in table.c1]
        slopes: list = [system.vector_field(ta, y)]
        for row, push, node in zip(table.a0, table.b0, table.c0[1:], strict=True):
            stage = linear_combination(y, h, row, slopes)
            pushed = noise.times(linear_combination(None, None, push, diffusions), mixed)
            slopes.append(system.vector_field(at(node), tuple(a + b for a, b in zip(stage, pushed, strict=True))))
        drift = linear_combination(None, h, table.alpha, slopes)
        plain = noise.times(linear_combination(None, None, table.beta1, diffusions), w)
        bent = noise.times(linear_combination(None, None, table.beta2, diffusions), mixed)
        y1 = tuple(sum(parts) for parts in zip(y, drift, plain, bent, strict=True))
        euler = linear_combination(None, h, (1.0,), slopes)
        error = tuple(jnp.abs(b) + jnp.abs(d - e) for b, d, e in zip(bent, drift, euler, strict=True))
        return Step(y1, error, None, (y, y1))
