"""Compositions of leapfrog steps, kick - drift - kick."""

from itertools import pairwise
from typing import Any, ClassVar

import jax.numpy as jnp
import numpy as np
from jax import lax

from ...numerics.combine import linear_combination
from ...numerics.loops import vary_like
from .one_step import Step
from .separable import separate
from .symplectic import AbstractSymplecticMethod


class AbstractLeapfrogComposition(AbstractSymplecticMethod):
    """Leapfrog steps of sizes `w_1 h, w_2 h, ...` in a row, where the `w` add up to one.

    A leapfrog step is half a kick, a drift and half a kick. Neighbouring kicks are merged, and the force of the last
    one is that of the next step's first: a step costs as many forces as there are fractions. With fractions that read
    the same backwards the composition is symmetric: a step of -h undoes one of h. Time moves on with the drifts.

    References
    ----------
    Hairer, Lubich & Wanner, Geometric Numerical Integration (2006), II.4 and V.3.
    """

    fractions: ClassVar[tuple[float, ...]]
    """Sizes of the leapfrog steps in units of h."""

    def step(self, system: Any, ta: Any, tb: Any, y: tuple, f0: tuple | None = None) -> Step:
        """Advance `y = (*q, *p)` from `ta` to `tb`; cost: one force for each fraction."""
        drift, kick = separate(system, ta, y, self.name)
        half = len(y) // 2
        h = tb - ta
        q, p = y[:half], y[half:]
        if f0 is None:
            f0 = (*drift(ta, p), *kick(ta, q))
        p = linear_combination(p, h, (0.5 * self.fractions[0],), [f0[half:]])

        def leapfrog(carry: tuple, stage: tuple) -> tuple:
            q, p, _ = carry
            time, drift_fraction, kick_fraction = stage
            q = linear_combination(q, h, (drift_fraction,), [drift(ta, p)])
            force = kick(time, q)
            return (q, linear_combination(p, h, (kick_fraction,), [force]), force), None

        carry = vary_like((q, p, f0[half:]), ta, tb, y, f0)
        (q, p, force), _ = lax.scan(leapfrog, carry, self._stages(ta, tb))
        y1, f1 = (*q, *p), (*drift(tb, p), *force)
        return Step(y1, None, f1, (h, y, y1, f0, f1))

    def _stages(self, ta: Any, tb: Any) -> tuple:
        """For each leapfrog step the time of its second kick, its size, and the size of that kick merged with the next.

        The stages run in a loop. Written out, each component of a force would read the coordinates that it depends on,
        and XLA would copy the stages before into each read: exponentially many where it drops barriers (jax 0.10).
        """
        kicks = [0.5 * (a + b) for a, b in pairwise((*self.fractions, 0.0))]
        # The sum of the fractions is one but for rounding, so the last time is tb itself.
        times = [ta + passed * (tb - ta) for passed in np.cumsum(self.fractions)[:-1].tolist()]
        return jnp.stack([*times, tb]), np.array(self.fractions), np.array(kicks)
