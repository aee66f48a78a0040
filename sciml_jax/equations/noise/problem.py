"""Initial value problems for stochastic differential equations."""

from collections.abc import Callable
from typing import Any, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import PyTree

from ...core.callables import as_callable
from ...core.checks import check_finite_tree, check_inexact_tree, check_interval
from ...core.tree import is_concrete

NOISES = ("diagonal", "additive", "scalar", "general")
INTERPRETATIONS = ("ito", "stratonovich")


class SDEProblem(eqx.Module):
    """A stochastic initial value problem, `dy = f(t, y, args) dt + g(t, y, args) dW`, `y(t0) = y0`, from `t0` to `t1`.

    Parameters
    ----------
    drift
        `f(t, y, args) -> dy/dt`, like the vector field of an `ODEProblem`: a pytree like the state.
    diffusion
        `g(t, y, args)`; what it returns depends on `noise`. Per square root of the unit of time.
    y0
        Initial state: any pytree of float or complex arrays.
    t0, t1
        The ends of the interval, real scalars, `t0 < t1`.
    args
        Any pytree, handed to both functions.
    noise
        "diagonal": g has the structure and shapes of the state, and every number of the state has a motion of its own,
        `dy_i = f_i dt + g_i dW_i`.
        "scalar": the same shapes, but one motion moves all of the state, `dy_i = f_i dt + g_i dW`.
        "general": every leaf of g has one more axis, shape (..., m), for m motions, `dy_i = f_i dt + sum_k g_ik dW_k`.
        "additive": a promise that g does not depend on `y`; of shape (n,), as for "diagonal", or (n, m), as for
        "general". Methods for it are far more accurate. A program of g in which `y` takes part is refused.
    interpretation
        "ito" or "stratonovich": what the integral over `dW` means. Methods of the other kind solve the problem with the
        drift converted, `f_ito = f_stratonovich + 1/2 sum_k (dg_k/dy) g_k`, by forward derivatives of g.

    Raises
    ------
    TypeError, ValueError
        For integer states, `t0 >= t1`, values that are not finite, unknown `noise` or `interpretation`, or functions
        that are not callable; when solving, for a g whose shape does not fit.

    Notes
    -----
    `sj.solve(problem, method, key=...)` needs a key: an integer seed or a PRNG key. The same key, interval and number
    of motions give the same Brownian path, whatever the method, the steps and the save times; `sj.BrownianPath` reads
    it. Sampling is `jax.vmap` over keys. Derivatives are pathwise: those of the solution on its path, with respect to
    `y0`, `args` and what the functions hold; there is none with respect to times, since paths are not differentiable.

    A frozen pytree: it can be an argument of `jit`, `vmap` and `grad`, and be changed with `equinox.tree_at`.
    """

    drift: Callable
    diffusion: Callable
    y0: PyTree
    t0: Any
    t1: Any
    args: PyTree
    noise: str = eqx.field(static=True)
    interpretation: str = eqx.field(static=True)
    words: Any
    """The key of a solve under way, as words; None in the user's problem."""

    # What the engine asks of every problem.
    mass_matrix: ClassVar[None] = None
    jacobian: ClassVar[None] = None
    sparsity: ClassVar[None] = None

    def __init__(
        self,
        drift: Callable,
        diffusion: Callable,
        y0: PyTree,
        t0: Any,
        t1: Any,
        args: PyTree = None,
        *,
        noise: str = "diagonal",
        interpretation: str = "ito",
    ):
        _check_choice(noise, NOISES, "noise")
        _check_choice(interpretation, INTERPRETATIONS, "interpretation")
        check_inexact_tree(y0, "y0")
        check_finite_tree(y0, "y0")
        check_interval(t0, t1)
        _check_forward(t0, t1)
        self.drift = as_callable(drift, "drift", "t", "y", "args")
        self.diffusion = as_callable(diffusion, "diffusion", "t", "y", "args")
        self.y0 = jax.tree_util.tree_map(jnp.asarray, y0)
        # Times are operands of the compiled program; Python integers would be part of it.
        self.t0 = float(t0) if isinstance(t0, int) else t0
        self.t1 = float(t1) if isinstance(t1, int) else t1
        self.args = args
        self.noise = noise
        self.interpretation = interpretation
        self.words = None

    @property
    def vector_field(self) -> Callable:
        """The drift, under the name that the engine knows."""
        return self.drift

    def with_words(self, words: Any) -> "SDEProblem":
        """The problem on the Brownian path of a key; `words` are from `key_words`."""
        return eqx.tree_at(lambda p: p.words, self, words, is_leaf=lambda leaf: leaf is None)

    def default_method(self) -> Any:
        """The method behind `method=None`.

        Additive noise `SOSRA`, diagonal and scalar noise `SOSRI`: both adaptive, of strong order 1.5. General noise
        `EulerMaruyama`, in Stratonovich's interpretation `StochasticHeun`: fixed steps, which need `dt0`, of strong
        order 1/2, which nothing exceeds without iterated integrals of the motions.
        """
        # Methods name the problems that they solve, so they import this module.
        if self.noise == "additive":
            from .sosra import SOSRA

            return SOSRA()
        if self.noise in ("diagonal", "scalar"):
            from .sosri import SOSRI

            return SOSRI()
        from .euler_maruyama import EulerMaruyama
        from .stochastic_heun import StochasticHeun

        return EulerMaruyama() if self.interpretation == "ito" else StochasticHeun()


def _check_choice(value: Any, choices: tuple[str, ...], name: str) -> None:
    if not isinstance(value, str) or value not in choices:
        listed = ", ".join(repr(choice) for choice in choices)
        msg = f"`{name}` must be one of {listed}; got {value!r}. Pass, for example, `{name}={choices[0]!r}`."
        raise ValueError(msg)


def _check_forward(t0: Any, t1: Any) -> None:
    if is_concrete((t0, t1)) and not float(t0) < float(t1):
        msg = (
            f"A problem with noise runs forward in time, `t0 < t1`; got t0 = {float(t0)} and t1 = {float(t1)}. State "
            "the reversed process with its own drift."
        )
        raise ValueError(msg)
