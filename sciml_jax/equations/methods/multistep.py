"""What Adams methods share: a history of differences of the vector field, carried from step to step."""

import abc
from collections.abc import Sequence
from typing import Any, ClassVar, NamedTuple

import jax.numpy as jnp
from jax import lax

from ...numerics.combine import linear_combination
from .adams_coefficients import interpolation_weights, rescalings
from .one_step import AbstractOneStepMethod, Step


class History(NamedTuple):
    """What the last steps leave for the next one; floats throughout, so that derivatives can pass."""

    past: tuple
    """The sizes of the last steps, signed, the latest first; zero before the start."""
    differences: tuple
    """`phi_j = prod_(i<j) (x_n - x_(n-1-i)) f[x_n, ..., x_(n-j)]`, a tuple like the state for each j; zero where
    fewer than j steps were taken. With equal steps these are the backward differences of f."""
    count: Any
    """Steps taken since the start or the last discontinuity."""
    order: Any = None
    """Order of the predictor, where it varies."""
    starting: Any = None
    """One while the order is still raised after every step, where it varies."""
    failures: Any = None
    """Attempts that failed since the last accepted one, where the order varies."""


class Prepared(NamedTuple):
    """What a step computes from the history before it evaluates the vector field."""

    h: Any
    past: tuple
    """The sizes of the last steps; those before the start replaced by `h`, so that every quotient is finite."""
    scaled: list
    """`phi*_j = beta_j phi_j`: the differences in the scaling of this step."""
    taken: Any
    """Steps taken before this one."""


class Dense(NamedTuple):
    """The interpolating polynomial of a step in Newton's form."""

    h: Any
    past: tuple
    y: tuple
    late: Any
    """By how much the step begins later than the polynomial: zero, with a derivative (see `VCABM.begin`)."""
    slopes: tuple
    """Coefficients of the basis in `interpolation_weights`, a tuple like the state for each."""


class AbstractMultistepMethod(AbstractOneStepMethod):
    """An Adams method on unequal steps: y' is replaced by its interpolating polynomial through the last steps.

    The polynomial is held as modified divided differences, which need one new difference table row per step whatever
    the step sizes are: a step that is shortened to land on a time, or chosen anew every time by the controller, costs
    no order. The engine carries the `History` from step to step and starts anew, with `begin`, after a discontinuity.

    The dense output is the polynomial whose slope is f at the ends of the last steps and of this one, and which meets
    both ends of the step: continuous with its slope across steps, and of at least the order of the method.

    A state of N numbers carries up to 12 N numbers of history, which gradients record for every step.

    References
    ----------
    Hairer, Nørsett & Wanner, Solving Ordinary Differential Equations I (1993), III.5-III.7. Shampine & Gordon, Computer
    Solution of Ordinary Differential Equations (1975).
    """

    carries_memory: ClassVar[bool] = True
    carries_f0: ClassVar[bool] = False

    @property
    @abc.abstractmethod
    def num_differences(self) -> int:
        """How many differences the history holds."""

    def begin(self, system: Any, t0: Any, y0: tuple) -> History:
        """The history at a start: the vector field there and nothing else; costs one evaluation."""
        zero = jnp.zeros_like(t0)
        slope = system.vector_field(t0, y0)
        nothing = tuple(jnp.zeros_like(leaf) for leaf in slope)
        size = self.num_differences
        return History(past=(zero,) * size, differences=(slope,) + (nothing,) * (size - 1), count=zero)

    @abc.abstractmethod
    def step(self, system: Any, ta: Any, tb: Any, y: tuple, memory: Any = None) -> Step:
        """Advance `y` from `ta` to `tb` with the history `memory` of the steps that led to `ta`."""

    def interpolate(self, dense: Any, fraction: Any) -> tuple:
        """The polynomial of the step, at a fraction of it; exact at 0, and at 1 to rounding."""
        fraction = fraction + (1 - fraction) * dense.late / dense.h
        weights = interpolation_weights(dense.h, dense.past, fraction, len(dense.slopes))
        return linear_combination(dense.y, dense.h, weights, dense.slopes)


def prepare(ta: Any, tb: Any, history: History) -> Prepared:
    """Bring the history into the scaling of a step from `ta` to `tb`."""
    h, taken = tb - ta, lax.stop_gradient(history.count)
    past = tuple(jnp.where(taken > i, size, h) for i, size in enumerate(history.past))
    betas = rescalings(h, past, len(history.differences))
    scaled = [
        difference if j == 0 else linear_combination(None, None, (beta,), [difference])
        for j, (beta, difference) in enumerate(zip(betas, history.differences, strict=True))
    ]
    return Prepared(h, past, scaled, taken)


def sum_of(terms: Sequence[tuple], below: Any) -> tuple:
    """`sum_(j < below) terms[j]`, for a traced or a known bound of at least one."""
    if isinstance(below, int):
        terms, weights = terms[:below], [1.0] * below
    else:
        weights = [1.0, *(jnp.where(below > j, 1.0, 0.0).astype(below.dtype) for j in range(1, len(terms)))]
    return linear_combination(None, None, weights, terms)


def differences_at_end(prepared: Prepared, f1: tuple, size: int) -> tuple:
    """The first `size` differences at the end of the step, `phi_j = f1 - sum_(i<j) phi*_i`; zero where unknown."""
    found, rest = [f1], f1
    for j in range(1, size):
        rest = tuple(a - b for a, b in zip(rest, prepared.scaled[j - 1], strict=True))
        # Without the select, what is not a difference yet would be scaled up from step to step until it overflows.
        known = prepared.taken + 1 >= j
        found.append(rest if j == 1 else tuple(jnp.where(known, leaf, 0) for leaf in rest))
    return tuple(found)


def advanced(prepared: Prepared, history: History, f1: tuple) -> History:
    """The history after the step."""
    size = len(history.differences)
    return history._replace(
        past=(prepared.h, *prepared.past[: size - 1]),
        differences=differences_at_end(prepared, f1, size),
        count=prepared.taken + 1,
    )


def dense_output(prepared: Prepared, y: tuple, y1: tuple, f1: tuple, degree: Any, late: Any = None) -> Dense:
    """The polynomial of degree `degree + 2` in Newton's form, for a traced degree of at least one.

    Its slope is f at `degree + 1` times, which fixes it but for one term that leaves those slopes alone; that term
    makes it meet `y1`.
    """
    h, past, size = prepared.h, prepared.past, len(prepared.scaled)
    slopes = differences_at_end(prepared, f1, size + 1)
    kept = [f1] + [tuple(jnp.where(degree >= j, leaf, 0) for leaf in slopes[j]) for j in range(1, size + 1)]
    weights = interpolation_weights(h, past, 1.0, size + 2)
    reached = linear_combination(y, h, weights, kept)
    last = sum(jnp.where(degree + 1 == j, weights[j], 0) for j in range(2, size + 2))
    gap = linear_combination(None, 1 / (h * last), (1.0,), [tuple(b - a for a, b in zip(reached, y1, strict=True))])
    bend = [tuple(jnp.where(degree + 1 == j, leaf, 0) for leaf in gap) for j in range(2, size + 2)]
    first = [kept[0], kept[1]]
    both = [tuple(a + b for a, b in zip(*pair, strict=True)) for pair in zip(kept[2:], bend[:-1], strict=True)]
    return Dense(h, past, y, jnp.zeros_like(h) if late is None else late, (*first, *both, bend[-1]))
