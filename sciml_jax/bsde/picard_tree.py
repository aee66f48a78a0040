"""The tree of samples of multilevel Picard iteration, level by level."""

from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from .problem import ParabolicProblem


class Points(NamedTuple):
    """Where one level is wanted."""

    t: Float[Array, " c"]
    x: Float[Array, "c d"]


class Branch(NamedTuple):
    """Samples of the driver's change between levels l - 1 and l, for every point of a level above."""

    level: int
    children: Points
    elapsed: Float[Array, "c k"]
    scale: Float[Array, "c k"]
    noise: Float[Array, "c k m"]
    fine: slice
    coarse: slice


class PicardTree(eqx.Module):
    """One repetition. All points where a level is wanted are treated together, so the program has n^2 / 2 parts."""

    level: int = eqx.field(static=True)
    basis: int = eqx.field(static=True)
    num_steps: int = eqx.field(static=True)
    with_z: bool = eqx.field(static=True)

    def __call__(self, problem: ParabolicProblem, key: Any) -> tuple[Array, Array, Array]:
        """U_n and U_{n-1} at the start, and what half as many steps change in the terminal mean."""
        wanted: list[list[Points]] = [[] for _ in range(self.level + 1)]
        root = Points(problem.t0[None], problem.x0[None])
        wanted[self.level].append(root)
        wanted[self.level - 1].append(root)
        grown = []
        for k in range(self.level, 0, -1):
            points = _joined(wanted[k])
            key, key_terminal, key_branches = jax.random.split(key, 3)
            branches = [self.branch(problem, points, k, l, key_branches, wanted) for l in range(k)]
            grown.append((k, points, key_terminal, branches))
        values: dict[int, tuple[Array, Array]] = {}
        shift = jnp.zeros_like(problem.t0)
        for k, points, key_terminal, branches in reversed(grown):
            u, z, shift = self.terminal(problem, points, k, key_terminal)
            for branch in branches:
                du, dz = self.collect(problem, branch, values)
                u, z = u + du, z + dz
            values[k] = (u, z)
        lower = values[self.level - 1][0][0] if self.level > 1 else jnp.zeros_like(problem.t0)
        return values[self.level][0][0], lower, shift[0]

    def branch(self, problem, points: Points, k: int, l: int, key: Any, wanted: list) -> Branch:
        """Draw times and places for the points of level k and ask for levels l and l - 1 there."""
        count, samples = points.t.shape[0], self.basis ** (k - l)
        key_time, key_noise = jax.random.split(jax.random.fold_in(key, l))
        dtype = points.x.dtype
        shape = (count, samples)
        # The square of a uniform number has the density 1 / (2 sqrt). Strata for the samples of one point.
        u = (jnp.arange(samples) + jax.random.uniform(key_time, shape, dtype, minval=1e-3)) / samples
        left = (problem.t1 - points.t)[:, None]
        elapsed, scale = left * u**2, 2 * left * u
        dt = elapsed / self.num_steps
        noise = jax.random.normal(key_noise, (*shape, self.num_steps, problem.num_noises), dtype)
        noise = jnp.sqrt(dt)[..., None, None] * noise

        def ends(t, x, dt, noise):
            return jax.vmap(lambda sign: _end(problem, t, x, dt, sign * noise))(jnp.array([1.0, -1.0], dtype))

        xs = jax.vmap(jax.vmap(ends, (None, None, 0, 0)))(points.t, points.x, dt, noise)
        ts = jnp.repeat((points.t[:, None] + elapsed).reshape(-1), 2)
        children = Points(ts, xs.reshape(-1, problem.dim))
        fine = _ask(wanted, l, children)
        coarse = _ask(wanted, l - 1, children) if l > 0 else slice(0, 0)
        return Branch(l, children, elapsed, scale, jnp.sum(noise, axis=2), fine, coarse)

    def collect(self, problem, branch: Branch, values: dict) -> tuple[Array, Array]:
        """The means of the driver's change, and those with the weights of Z."""
        ts, xs = branch.children

        def driver(level, where):
            if level == 0:
                u, z = jnp.zeros_like(ts), jnp.zeros((ts.shape[0], problem.num_noises), xs.dtype)
            else:
                u, z = values[level][0][where], values[level][1][where]
            return jax.vmap(problem.f)(ts, xs, u, z)

        change = driver(branch.level, branch.fine)
        if branch.level > 0:
            change = change - driver(branch.level - 1, branch.coarse)
        pairs = change.reshape(*branch.scale.shape, 2) * branch.scale[..., None]
        u = jnp.mean(pairs, axis=(1, 2))
        if not self.with_z:
            return u, jnp.zeros((u.shape[0], problem.num_noises), xs.dtype)
        odd = 0.5 * (pairs[..., 0] - pairs[..., 1]) / branch.elapsed
        return u, jnp.mean(odd[..., None] * branch.noise, axis=1)

    def terminal(self, problem, points: Points, k: int, key: Any) -> tuple[Array, Array, Array]:
        """The means of the terminal value and of its gradient along the path."""
        dtype = points.x.dtype
        shape = (points.t.shape[0], self.basis**k, self.num_steps, problem.num_noises)
        normals = jax.random.normal(key, shape, dtype)

        def one(t, x, normals):
            dt = (problem.t1 - t) / self.num_steps

            def pair_mean(x):
                noise = jnp.sqrt(dt) * normals
                signs = jnp.array([1.0, -1.0], dtype)
                return jnp.mean(jax.vmap(lambda sign: problem.g(_end(problem, t, x, dt, sign * noise)))(signs))

            if not self.with_z:
                return pair_mean(x), jnp.zeros(problem.num_noises, dtype)
            value, gradient = jax.value_and_grad(pair_mean)(x)
            return value, problem.to_z(t, x, gradient)

        u, z = jax.vmap(jax.vmap(one, (None, None, 0)))(points.t, points.x, normals)
        shift = jnp.zeros_like(u[:, 0])
        if self.num_steps % 2 == 0 and k == self.level:
            shift = jnp.mean(u, axis=1) - self.coarse_terminal(problem, points, normals)
        return jnp.mean(u, axis=1), jnp.mean(z, axis=1), shift

    def coarse_terminal(self, problem, points: Points, normals: Array) -> Array:
        """The mean terminal value with half as many steps on the same paths."""
        count, samples, steps, noises = normals.shape
        halved = normals.reshape(count, samples, steps // 2, 2, noises).sum(axis=3)

        def one(t, x, normals):
            dt = (problem.t1 - t) / steps
            noise = jnp.sqrt(dt) * normals
            signs = jnp.array([1.0, -1.0], noise.dtype)
            return jnp.mean(jax.vmap(lambda sign: problem.g(_end(problem, t, x, 2 * dt, sign * noise)))(signs))

        return jnp.mean(jax.vmap(jax.vmap(one, (None, None, 0)))(points.t, points.x, halved), axis=1)


def _end(problem: ParabolicProblem, t: Any, x: Array, dt: Any, noise: Array) -> Array:
    def step(x, inputs):
        n, dw = inputs
        return problem.step(t + n * dt, x, dt, dw), None

    if noise.shape[0] == 1:
        return problem.step(t, x, dt, noise[0])
    return lax.scan(step, x, (jnp.arange(noise.shape[0], dtype=x.dtype), noise))[0]


def _joined(parts: list[Points]) -> Points:
    return Points(jnp.concatenate([part.t for part in parts]), jnp.concatenate([part.x for part in parts]))


def _ask(wanted: list, level: int, points: Points) -> slice:
    """Append points to those where a level is wanted; where they are in it. Level zero is zero everywhere."""
    if level == 0:
        return slice(0, 0)
    start = sum(part.t.shape[0] for part in wanted[level])
    wanted[level].append(points)
    return slice(start, start + points.t.shape[0])
