"""The Brownian path of a key, to be read anywhere."""

from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ...core.checks import check_interval
from ...numerics.brownian_tree import brownian_increments, path_and_integral
from ...numerics.counter_normals import key_words
from ..keys import as_key
from .problem import _check_forward


class BrownianIncrement(NamedTuple):
    """What a path does between two times."""

    W: Any
    """`W(t) - W(s)`: normal with variance `t - s`."""
    H: Any
    """The space-time Levy area, `1/(t - s)` times the integral of the path's height over the chord from s to t: normal
    with variance `(t - s)/12`, independent of `W`."""


class BrownianPath(eqx.Module):
    """The Brownian motion that `sj.solve(problem, method, key=key)` runs on, `W(t0) = 0`.

    Solves of problems with the same `t0`, `t1`, key and number of motions share it: with other methods, step sizes,
    tolerances and save times. So errors can be taken against an exact solution on the same path, or differences between
    step sizes (multilevel Monte Carlo).

    Parameters
    ----------
    key
        An integer seed or a PRNG key.
    t0, t1
        The interval of the problem.
    shape
        The motions: the shape of the state for diagonal noise (`(N,)` for a pytree with N numbers, in the order of its
        leaves), `()` for scalar noise, `(m,)` for general noise.
    dtype
        Of the values; None for the default float.

    Notes
    -----
    A sum over the levels of a dyadic tree: nothing is stored, and reading a time costs some 50 normal numbers per
    motion (about 0.4 microseconds on a CPU). Times that differ by more than `(t1 - t0) / 2^24` have exactly the
    joint law of a Brownian motion; nearer ones still lie on one continuous path, of the right variance at each time.
    Adaptive solves do not take smaller steps. The normal numbers are float32 whatever the dtype, so that solves in
    single and in double precision share the path (two programs, to rounding in single precision); their law is exact to
    1e-6 and 5 standard deviations.

    References
    ----------
    Jelincic, Tao, Turner, Cass, Foster & Ni, Generative modelling of Levy area for high order SDE simulation,
    arXiv:2308.02452 (2023). Foster, Lyons & Oberhauser, An optimal polynomial approximation of Brownian motion, SIAM J.
    Numer. Anal. 58 (2020) 1393-1421 (halving an interval with its Levy area).
    """

    words: Any
    t0: Any
    t1: Any
    shape: tuple[int, ...] = eqx.field(static=True)
    dtype: Any = eqx.field(static=True)

    def __init__(self, key: Any, t0: Any, t1: Any, shape: tuple[int, ...] = (), dtype: Any = None):
        check_interval(t0, t1)
        _check_forward(t0, t1)
        self.words = key_words(as_key(key, "BrownianPath"))
        self.t0, self.t1 = (float(t) if isinstance(t, int) else t for t in (t0, t1))
        self.shape = (shape,) if isinstance(shape, int) else tuple(shape)
        self.dtype = jnp.dtype(jnp.result_type(float) if dtype is None else dtype)

    def evaluate(self, t: Any) -> Float[Array, "..."]:
        """`W(t)`, shape `t.shape + shape`; times outside of the interval are pulled in."""
        t0, t1, t = self._times(t)
        flat = _path(self.words, t0, t1, t.reshape(-1), self._size, self.dtype)[0]
        return flat.reshape(t.shape + self.shape)

    def increment(self, s: Any, t: Any) -> BrownianIncrement:
        """`W` and `H` between the scalar times s and t, each of shape `shape`."""
        t0, t1, s, t = self._times(s, t)
        w, h = _increments(self.words, t0, t1, s, t, self._size, self.dtype)
        return BrownianIncrement(w.reshape(self.shape), h.reshape(self.shape))

    @property
    def _size(self) -> int:
        return int(np.prod(self.shape))

    def _times(self, *times: Any) -> tuple:
        dtype = jnp.result_type(self.t0, self.t1, self.dtype)
        return tuple(jnp.asarray(t, dtype) for t in (self.t0, self.t1, *times))


_path = jax.jit(path_and_integral, static_argnums=(4, 5))
_increments = jax.jit(brownian_increments, static_argnums=(5, 6))
