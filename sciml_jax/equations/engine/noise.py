"""Noise as a step sees it: the diffusion, the increments of the Brownian motion, and products of the two.

Motions are held like the state: for diagonal noise a tuple of one entry per entry of the state, for scalar noise a
tuple of one scalar, for general noise a tuple of one vector, or of scalars where the state is held as components.
"""

import functools
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from ...numerics.brownian_tree import brownian_increments, random_signs
from ...numerics.step_normals import step_increments, step_signs
from .noise_form import NoiseForm, noise_form
from .noise_term import DiffusionAndTerm
from .norms import mean_square
from .traced import TracedFunction

GOLDEN = 0.6180339887498949
"""Whose multiples are nowhere near each other, modulo one."""


class BrownianSource:
    """The Brownian motion of a solve, among the functions of a `System`: it has constants, and no operands."""

    theta = raw_theta = ()
    groups: tuple = ()

    def __init__(self, words: Any, t0: Any, t1: Any, size: int):
        self.size = size
        self.consts = (words, t0, t1)

    def forget_values(self) -> None:
        """Drop the values of the constants."""
        self.consts = ()

    def increments(self, consts: tuple, ta: Any, tb: Any, dtype: Any) -> tuple[Any, Any]:
        """`W` and `H` from `ta` to `tb`, shapes (size,)."""
        words, t0, t1 = consts
        return brownian_increments(words, t0, t1, ta, tb, self.size, dtype)

    def signs(self, consts: tuple, ta: Any, dtype: Any) -> Any:
        """Random signs for the step from `ta`, shape (size,)."""
        words, t0, t1 = consts
        return random_signs(words, t0, t1, ta, self.size, dtype)


class FreshWords(eqx.Module):
    """A key in place of a path: every step draws its own increments."""

    words: Any


class FreshSource(BrownianSource):
    """Increments that are drawn for every step, by its beginning."""

    def __init__(self, words: Any, size: int):
        self.size = size
        self.consts = (words,)

    def increments(self, consts: tuple, ta: Any, tb: Any, dtype: Any) -> tuple[Any, Any]:
        """`W` and `H` from `ta` to `tb`, shapes (size,)."""
        return step_increments(consts[0], ta, tb, self.size, dtype)

    def signs(self, consts: tuple, ta: Any, dtype: Any) -> Any:
        """Random signs for the step from `ta`, shape (size,)."""
        return step_signs(consts[0], ta, self.size, dtype)


def traced_noise(problem: Any, t0: Any, method: Any, components: bool) -> tuple[NoiseForm, Any, BrownianSource]:
    """The form of a problem's noise, its diffusion as a function of operands, and its Brownian motion."""
    leaves = jax.tree_util.tree_leaves(problem.y0)
    dtypes = tuple(leaf.dtype for leaf in leaves)
    traced = TracedFunction(problem.diffusion, t0, problem.y0, problem.args)
    form = noise_form(traced.out_shape, problem.y0, problem.noise)
    if form.is_additive:
        _check_additive(problem, t0)
    form = form._replace(interpretation=problem.interpretation)
    if method.needs_noise_term and not form.is_additive:
        both = DiffusionAndTerm(problem.diffusion, problem.noise)
        traced, dtypes = TracedFunction(both, t0, problem.y0, problem.args), dtypes * 2
    if problem.words is None:
        msg = "A problem with noise needs a key; got none. Use `sj.solve(problem, method, key=0)`."
        raise ValueError(msg)
    brownian: BrownianSource
    if isinstance(problem.words, FreshWords):
        brownian = FreshSource(problem.words.words, form.size)
    else:
        brownian = BrownianSource(problem.words, t0, jnp.asarray(problem.t1, jnp.result_type(t0)), form.size)
    return form, traced.with_layout(components, leaves, dtypes), brownian


def _check_additive(problem: Any, t0: Any) -> None:
    """Refuse a diffusion in whose program the state takes part: its tangent must be a zero known while tracing."""
    depends = []

    @functools.partial(jax.custom_jvp)
    def probe(out):
        return out

    def rule(primals, tangents):
        is_zero = lambda leaf: isinstance(leaf, jax.custom_derivatives.SymbolicZero)
        leaves = jax.tree_util.tree_leaves(tangents, is_leaf=is_zero)
        depends.append(not all(is_zero(leaf) for leaf in leaves))
        out = primals[0]
        return out, jax.tree_util.tree_map(jnp.zeros_like, out)

    probe.defjvp(rule, symbolic_zeros=True)
    # Parameters that events change are part of the state, but no matter of this.
    split = getattr(problem.diffusion, "split", lambda y: (y, lambda y: y))
    y0, joined = split(problem.y0)
    field = lambda y: probe(jax.tree_util.tree_map(jnp.asarray, problem.diffusion(t0, joined(y), problem.args)))
    jax.eval_shape(lambda y: jax.jvp(field, (y,), (y,)), y0)
    if any(depends):
        msg = (
            "With `noise='additive'`, `diffusion(t, y, args)` must not depend on `y`; got one in whose program `y` "
            "takes part. Use only its shape, as in `jnp.full_like(y, 0.1)`, or pass `noise='diagonal'` (or 'general')."
        )
        raise ValueError(msg)


class BoundNoise:
    """The noise of a bound system: what stochastic methods use in their `step`."""

    def __init__(self, system: Any, diffusion: Any, brownian: Any, time: Any):
        self._system, self._time = system, time
        self._diffusion, self._brownian = diffusion, brownian
        self.form: NoiseForm = system.noise_form
        """Its `kind` and `size`."""

    def diffusion(self, t: Any, y: tuple) -> tuple:
        """The diffusion at `(t, y)`, as a tuple like the state; for general noise with all columns in each entry."""
        return self._system.diffusion(*self._diffusion, self._time(t), y)

    def diffusion_and_term(self, t: Any, y: tuple) -> tuple[tuple, tuple]:
        """The diffusion and `sum_k (db_k/dy) b_k`, for methods that have `needs_noise_term`."""
        out = self._system.diffusion(*self._diffusion, self._time(t), y)
        return out[: len(out) // 2], out[len(out) // 2 :]

    def increments(self, ta: Any, tb: Any) -> tuple[tuple, tuple]:
        """The increments `W` over the step and its space-time Levy areas `H`, as motions."""
        dtype = self._real_dtype()
        w, h = self._system.brownian.increments(self._brownian[1], ta, tb, dtype)
        return self._as_motions(w), self._as_motions(h)

    def example(self, t: Any, y: tuple) -> tuple:
        """The diffusion at `(t, y)` times motions that are all different: zero where no motion moves the state."""
        size, components = self.form.size, self._system.layout.components
        diffusion = self.diffusion(t, y)[: len(y) * (size if components and self.form.kind == "general" else 1)]
        weights = 1 + np.arange(1, size + 1) * GOLDEN % 1
        return self.times(diffusion, self._as_motions(jnp.asarray(weights, self._real_dtype())))

    def signs(self, ta: Any) -> Any:
        """Independent random signs that belong to the step from `ta`, a vector of one per motion."""
        return self._system.brownian.signs(self._brownian[1], ta, self._real_dtype())

    def times(self, diffusion: tuple, motions: tuple) -> tuple:
        """The diffusion times motions, a tuple like the state."""
        if self.form.kind == "diagonal":
            return tuple(a * b for a, b in zip(diffusion, motions, strict=True))
        if self.form.kind == "scalar":
            return tuple(a * motions[0] for a in diffusion)
        if not self._system.layout.components:
            return tuple(jnp.sum(a * motions[0], axis=-1) for a in diffusion)
        count = self.form.size
        rows = (diffusion[i : i + count] for i in range(0, len(diffusion), count))
        return tuple(sum(a * b for a, b in zip(row, motions, strict=True)) for row in rows)

    def first_step(self, t: Any, y: tuple, tolerances: tuple) -> Any:
        """A step in which the noise moves the state by about a tenth; infinite where that says nothing."""
        ones = self._as_motions(jnp.ones(self.form.size, self._real_dtype()))
        squares = self.times(tuple(abs(entry) ** 2 for entry in self.diffusion(t, y)), ones)
        moved = mean_square(tuple(jnp.sqrt(entry) for entry in squares), tolerances)
        size = mean_square(y, tolerances)
        says = (moved > 0) & (size > 0)
        return jnp.where(says, 0.01 * size / jnp.where(says, moved, 1), jnp.inf)

    def _real_dtype(self) -> Any:
        return jnp.result_type(*(jnp.finfo(dtype).dtype for _, dtype in self._system.layout.shapes))

    def _as_motions(self, vector: Any) -> tuple:
        layout = self._system.layout
        if self.form.kind == "scalar":
            return (vector[0],)
        if layout.components:
            return tuple(vector[i] for i in range(self.form.size))
        if self.form.kind == "general":
            return (vector,)
        parts, start = [], 0
        for shape, dtype in layout.shapes:
            size = int(np.prod(shape))
            parts.append(vector[start : start + size].reshape(shape).astype(jnp.finfo(dtype).dtype))
            start += size
        return tuple(parts)
