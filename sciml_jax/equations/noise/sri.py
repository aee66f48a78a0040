"""Roessler's stochastic Runge-Kutta methods of strong order 1.5 for diagonal or scalar noise."""

from typing import Any, ClassVar, NamedTuple

import jax.numpy as jnp

from ...numerics.combine import linear_combination
from ..methods.one_step import Step
from .method import AbstractNoiseMethod

DRIFT_SHARE = 1.0 / 6.0
"""Weight of the drift's part in the error estimate."""


class SRITableau(NamedTuple):
    """Coefficients; rows of the strictly lower triangles belong to stages 2, 3, ..."""

    a0: tuple[tuple[float, ...], ...]
    """Drift in the stages of the drift."""
    b0: tuple[tuple[float, ...], ...]
    """Diffusion in the stages of the drift."""
    a1: tuple[tuple[float, ...], ...]
    """Drift in the stages of the diffusion."""
    b1: tuple[tuple[float, ...], ...]
    """Diffusion in the stages of the diffusion."""
    alpha: tuple[float, ...]
    beta1: tuple[float, ...]
    beta2: tuple[float, ...]
    beta3: tuple[float, ...]
    beta4: tuple[float, ...]

    def nodes(self) -> tuple[list[float], list[float]]:
        """Where the stages of the drift and of the diffusion lie, as fractions of the step."""
        return [0.0, *(sum(row) for row in self.a0)], [0.0, *(sum(row) for row in self.a1)]


class AbstractSRI(AbstractNoiseMethod):
    """A stochastic Runge-Kutta method of strong order 1.5 for Ito equations with diagonal or scalar noise.

    With `I_1 = W`, `I_11 = (W^2 - h)/2`, `I_111 = (W^3 - 3 h W)/6`, `I_10 = h (W/2 + H)`, H being the space-time Levy
    area,

        P_i = y + h sum_j a0_ij f(t + c0_j h, P_j) + I_10/h sum_j b0_ij g(t + c1_j h, Q_j)
        Q_i = y + h sum_j a1_ij f(t + c0_j h, P_j) + sqrt(h) sum_j b1_ij g(t + c1_j h, Q_j)
        y1 = y + h sum_i alpha_i f(P_i)
               + sum_i (beta1_i I_1 + beta2_i I_11/sqrt(h) + beta3_i I_10/h + beta4_i I_111/h) g(Q_i).

    The error estimate is the size of the last two sums, without which the order is 1, plus a sixth of the difference to
    Euler's drift; it behaves as h^(3/2). Evaluations whose weights vanish are left out.

    References
    ----------
    Roessler, Runge-Kutta methods for the strong approximation of solutions of stochastic differential equations, SIAM
    J. Numer. Anal. 48 (2010) 922-952. Rackauckas & Nie, Adaptive methods for stochastic differential equations via
    natural embeddings and rejection sampling with memory, Discrete Contin. Dyn. Syst. B 22 (2017) 2731-2761.
    """

    tableau: ClassVar[SRITableau]
    order: ClassVar[float] = 1.5
    weak_order: ClassVar[float] = 1.5
    error_order: ClassVar[Any] = 1.5
    noises: ClassVar = ("diagonal", "scalar", "additive")

    def step(self, system: Any, ta: Any, tb: Any, y: tuple, f0: tuple | None = None) -> Step:
        """Advance `y` from `ta` to `tb`; cost: as many evaluations of drift and diffusion as have weights."""
        del f0
        table, noise, h = self.tableau, system.noise, tb - ta
        _check_form(self, noise.form)
        root = jnp.sqrt(jnp.abs(h))
        w, area = noise.increments(ta, tb)
        mixed = tuple(0.5 * a + b for a, b in zip(w, area, strict=True))
        slopes, diffusions = self._stages(system, ta, tb, y, mixed, root)
        in_units = lambda scale, entries: tuple(a / scale.astype(a.dtype) for a in entries)
        second = in_units(root, (0.5 * (a * a - h.astype(a.dtype)) for a in w))
        third = in_units(h, (a * (a * a - 3 * h.astype(a.dtype)) / 6 for a in w))
        part = lambda weights, motions: noise.times(linear_combination(None, None, weights, diffusions), motions)
        plain, squared = part(table.beta1, w), part(table.beta2, second)
        mixed, cubed = part(table.beta3, mixed), part(table.beta4, third)
        drift = linear_combination(None, h, table.alpha, slopes)
        y1 = tuple(sum(parts) for parts in zip(y, drift, plain, squared, mixed, cubed, strict=True))
        euler = linear_combination(None, h, (1.0,), slopes)
        error = tuple(
            jnp.abs(b + c) + DRIFT_SHARE * jnp.abs(d - e) for b, c, d, e in zip(mixed, cubed, drift, euler, strict=True)
        )
        return Step(y1, error, None, (y, y1))

    def _stages(self, system, ta, tb, y, mixed, root) -> tuple[list, list]:
        """Drift and diffusion at all stages; what no weight needs is zero."""
        table, noise, h = self.tableau, system.noise, tb - ta
        nodes = table.nodes()
        nothing = tuple(jnp.zeros_like(leaf) for leaf in y)
        slopes, diffusions = [system.vector_field(ta, y)], [noise.diffusion(ta, y)]
        for i in range(1, len(table.alpha)):
            t0, t1 = (tb if node[i] == 1.0 else ta + node[i] * h for node in nodes)
            slope, diffusion = nothing, nothing
            if table.alpha[i] or any(len(row) > i and row[i] for row in (*table.a0, *table.a1)):
                stage = linear_combination(y, h, table.a0[i - 1], slopes)
                pushed = noise.times(linear_combination(None, None, table.b0[i - 1], diffusions), mixed)
                slope = system.vector_field(t0, tuple(a + b for a, b in zip(stage, pushed, strict=True)))
            stage = linear_combination(y, h, table.a1[i - 1], slopes)
            stage = linear_combination(stage, root, table.b1[i - 1], diffusions)
            diffusion = noise.diffusion(t1, stage)
            slopes.append(slope)
            diffusions.append(diffusion)
        return slopes, diffusions


def _check_form(method: Any, form: Any) -> None:
    if form.kind == "general":
        msg = (
            f"`{method.name}` solves additive noise with one motion for each number of the state; got a matrix for "
            f"{form.size} motions. Choose `sj.SOSRA()`, which is better for additive noise in any case."
        )
        raise ValueError(msg)
