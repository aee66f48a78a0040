"""DRI1, a method of weak order 2."""

import math
from typing import Any, ClassVar

import jax.numpy as jnp

from ...numerics.combine import linear_combination
from ..methods.one_step import Step
from .columns import columns, evaluate_columns, stacked, weighted
from .method import AbstractNoiseMethod

_NODE = 342 / 491
_B0 = ((6 - math.sqrt(6)) / 10, (3 + 2 * math.sqrt(6)) / 5)
_B1 = 3 * math.sqrt(38 / 491)
_B2 = (-214 / 513 * math.sqrt(1105 / 991), -491 / 513 * math.sqrt(221 / 4955), -491 / 513 * math.sqrt(221 / 4955))
_ALPHA = (1 / 6, 2 / 3, 1 / 6)
_BETA1 = (193 / 684, 491 / 1368, 491 / 1368)
_BETA2 = (0.0, math.sqrt(491 / 38) / 6, -math.sqrt(491 / 38) / 6)
_BETA3 = (-4955 / 7072, 4955 / 14144, 4955 / 14144)
_BETA4 = (0.0, -math.sqrt(4955 / 221) / 8, math.sqrt(4955 / 221) / 8)


class DRI1(AbstractNoiseMethod):
    """DRI1: weak order 2 for any noise, Ito. For expectations; its strong order is 1/2 (1 for scalar noise).

    A stochastic Runge-Kutta method with three stages: the error of `E phi(y(t1))`, for smooth phi, falls as h^2 where
    Euler-Maruyama's falls as h; where the noise vanishes it is of order 3. With the columns g_k of the diffusion,
    increments I_k and mixed integrals I_kl of weak order (products, and random signs in place of Levy areas),

        P_2 = y + h/2 f_1 + b sum_k g_k I_k,    P_3 = y - h f_1 + 2 h f_2 + b' sum_k g_k I_k
        Q_k,2/3 = y + c h f_1 +- b'' sqrt(h) g_k,    R_k,2/3 = y -+ sum_(l != k) (...) I_kl/sqrt(h).

    Three evaluations of the drift in a step, and of the diffusion 1 + 4 m for m motions, for diagonal noise too (1 + 2
    for scalar noise, 3 for additive noise): for many motions that is more than the order saves. Fixed steps, so `dt0`
    is needed. For single paths `sj.SOSRI` (diagonal) and `sj.SOSRA` (additive) are better, and of weak order 1.5 to 2.
    A problem in Stratonovich's interpretation is solved with its drift converted (`sj.SDEProblem`).

    Solutions depend on the Brownian path and on the signs, both of which the key fixes; those of other step sizes share
    the path, not the signs.

    References
    ----------
    Debrabant & Roessler, Families of efficient second order Runge-Kutta methods for the weak approximation of Ito
    stochastic differential equations, Appl. Numer. Math. 59 (2009) 582-594. Roessler, Second order Runge-Kutta methods
    for Ito stochastic differential equations, SIAM J. Numer. Anal. 47 (2009) 1713-1738.
    """

    order: ClassVar[float] = 0.5
    weak_order: ClassVar[float] = 2.0
    error_order: ClassVar[int | None] = None
    evaluations_per_step: ClassVar[int] = 3
    noises: ClassVar = ("diagonal", "scalar", "additive", "general")
    holds_components: ClassVar[bool] = False

    def step(self, system: Any, ta: Any, tb: Any, y: tuple, f0: tuple | None = None) -> Step:
        """Advance `y` from `ta` to `tb`; cost: three evaluations of the drift, up to 1 + 4 m of the diffusion."""
        del f0
        noise, h = system.noise, tb - ta
        root = jnp.sqrt(jnp.abs(h))
        w = stacked(noise.increments(ta, tb)[0])
        first = columns(noise, noise.diffusion(ta, y), y)
        pushed = weighted(first, w)
        slopes = [system.vector_field(ta, y)]
        for node, row, push in ((0.5, (0.5,), _B0[0]), (1.0, (-1.0, 2.0), _B0[1])):
            stage = linear_combination(linear_combination(y, h, row, slopes), None, (push,), [pushed])
            slopes.append(system.vector_field(tb if node == 1.0 else ta + node * h, stage))
        y1 = linear_combination(y, h, _ALPHA, slopes)
        scaled = lambda vector, scale: vector * scale.astype(vector.dtype)
        middle = linear_combination(y, h, (_NODE,), slopes)
        stages = [linear_combination(middle, root, (sign * _B1,), [first]) for sign in (1.0, -1.0)]
        values = [first, *(evaluate_columns(noise, ta + _NODE * h, stage, y) for stage in stages)]
        squares = scaled(w * w - h.astype(w.dtype), 0.5 / root)
        parts = [(_BETA1, w), (_BETA2, squares)]
        if noise.form.size > 1 and not noise.form.is_additive:
            mixed = scaled(_mixed_integrals(w, noise.signs(ta), root), 1 / root)
            bent = tuple(jnp.tensordot(mixed, leaf, 1) for leaf in linear_combination(None, None, _B2, values))
            around = [tuple(a + sign * b for a, b in zip(y, bent, strict=True)) for sign in (1.0, -1.0)]
            others = [first, *(evaluate_columns(noise, ta, stage, y) for stage in around)]
            for weights, vector in ((_BETA3, w), (_BETA4, root.astype(w.dtype) * jnp.ones_like(w))):
                moved = weighted(linear_combination(None, None, weights, others), vector)
                y1 = tuple(a + b for a, b in zip(y1, moved, strict=True))
        for weights, vector in parts:
            moved = weighted(linear_combination(None, None, weights, values), vector)
            y1 = tuple(a + b for a, b in zip(y1, moved, strict=True))
        return Step(y1, None, None, (y, y1))


def _mixed_integrals(w: Any, signs: Any, root: Any) -> Any:
    """Weak versions of the integrals I_kl over two motions, shape (m, m), zero on the diagonal."""
    count = w.shape[0]
    twisted = signs * root.astype(w.dtype)
    upper = jnp.triu(jnp.ones((count, count), w.dtype), 1)
    # Of a pair the motion with the lower number lends its sign.
    twist = upper.T * twisted[None, :] - upper * twisted[:, None]
    products = 0.5 * (jnp.outer(w, w) + root.astype(w.dtype) * twist)
    return products * (upper + upper.T)
