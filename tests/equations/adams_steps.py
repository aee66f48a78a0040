"""Adams steps without the engine, and polynomials in exact arithmetic to judge them by."""

from fractions import Fraction
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jax import lax


class Bare(NamedTuple):
    """What a method's `step` asks for, for a state that is one array, with a plain norm."""

    field: object

    def vector_field(self, t, y):
        return (self.field(t, y[0]),)

    def norm(self, values, y, y1):
        return jnp.sqrt(jnp.mean(values[0] ** 2))


def unequal_times(num_steps, seed, ratio=1.6, mean=0.1):
    """Times whose steps differ by up to a factor of `ratio` from one to the next, as exact fractions."""
    rng = np.random.default_rng(seed)
    steps = mean * np.exp(np.cumsum(rng.uniform(-1, 1, num_steps)) * np.log(ratio) / 2)
    return [Fraction(0), *np.cumsum([Fraction(float(s)).limit_denominator(10**4) for s in steps])]


def legs(method, field, times, y0):
    """Steps between `times` (fractions or an array), all but the last in a scan.

    Returns the state and the history before the last step, and that step.
    """
    system = Bare(field)
    if isinstance(times, list):
        times = jnp.asarray([float(t) for t in times])
    y = (jnp.asarray(y0),)
    memory = method.begin(system, times[0], y)

    def advance(carry, ends):
        step = method.step(system, *ends, *carry)
        return (step.y1, step.memory), None

    (y, memory), _ = lax.scan(advance, (y, memory), (times[:-2], times[1:-1]))
    return y, memory, method.step(system, times[-2], times[-1], y, memory)


def integral(coefficients, low, high):
    """`int_low^high sum_i coefficients[i] x^i dx`, exactly."""
    return sum(Fraction(c) * (high ** (i + 1) - low ** (i + 1)) / (i + 1) for i, c in enumerate(coefficients))


def times_linear(coefficients, root, scale):
    """The polynomial times `(x - root)/scale`."""
    shifted = [Fraction(0), *coefficients]
    return [(a - root * b) / scale for a, b in zip(shifted, [*coefficients, Fraction(0)], strict=True)]
