"""Methods for stochastic problems, and the problems that their laws are stated on: each with its exact solution.

A new method joins by one line here, and inherits every law of `test_noise.py`.
"""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

import sciml_jax as sj


class ListedNoise(NamedTuple):
    """What a method claims."""

    name: str
    method: Any
    order: float
    """The strong order."""
    is_implicit: bool = False
    has_error_estimate: bool = False
    noises: tuple[str, ...] = ("diagonal",)
    """The problems below on which its order is tested; by default the first."""
    orders: tuple[float, ...] = ()
    """The strong orders there, where they are not `order`."""
    is_representative: bool = False


ANY = ("general", "diagonal", "scalar", "additive")

NOISY = (
    ListedNoise("EulerMaruyama", sj.EulerMaruyama(), 0.5, noises=ANY, orders=(0.5, 0.5, 0.5, 1.0)),
    ListedNoise("Milstein", sj.Milstein(), 1.0, noises=("diagonal", "scalar", "additive")),
    # Of the family the one whose derivatives compile fastest with several stages and several motions.
    ListedNoise(
        "StochasticHeun", sj.StochasticHeun(), 0.5, noises=ANY, orders=(1.0, 1.0, 1.0, 2.0), is_representative=True
    ),
    ListedNoise("DRI1", sj.DRI1(), 0.5, noises=ANY, orders=(1.0, 1.0, 1.0, 2.0)),
    ListedNoise(
        "ImplicitEulerMaruyama", sj.ImplicitEulerMaruyama(), 0.5, True, noises=ANY, orders=(0.5, 0.5, 0.5, 1.0)
    ),
    ListedNoise("SRIW1", sj.SRIW1(), 1.5, has_error_estimate=True, noises=("scalar", "diagonal")),
    ListedNoise("SOSRI", sj.SOSRI(), 1.5, has_error_estimate=True, noises=("diagonal", "scalar")),
    # On a linear drift an order more than in general.
    ListedNoise("SRA1", sj.SRA1(), 1.5, has_error_estimate=True, noises=("additive",), orders=(2.0,)),
    ListedNoise("SRA3", sj.SRA3(), 1.5, has_error_estimate=True, noises=("additive",), orders=(2.0,)),
    ListedNoise("SOSRA", sj.SOSRA(), 1.5, has_error_estimate=True, noises=("additive",), orders=(2.0,)),
    ListedNoise("SKenCarp", sj.SKenCarp(), 1.5, True, has_error_estimate=True, noises=("additive",), orders=(2.0,)),
)

SPAN = (0.2, 1.2)
START = jnp.array([0.6, -0.4])


class Stated(NamedTuple):
    """A problem for parameters `(drift, diffusion)` that are scalars, and its solution on a path."""

    problem: Callable
    """`(args, y0, interpretation) -> SDEProblem`."""
    exact: Callable
    """`(args, y0, w, interpretation) -> y(t1)` for the increment w of the motions over the interval."""
    shape: tuple[int, ...]
    """Of the motions."""


def _complex_growth(args, w, interpretation, turns):
    """`exp` of `drift t - compensator + noise` for 2x2 matrices that commute, held as complex numbers."""
    a = args[0] * (-0.5 + 0.3j)
    b = args[1] * jnp.array([0.3 + 0.4j, 0.2 - 0.5j])[: len(turns)]
    a = a - (0.5 * jnp.sum(b**2) if interpretation == "ito" else 0.0)
    return jnp.exp(a * (SPAN[1] - SPAN[0]) + jnp.dot(b, jnp.atleast_1d(w)))


def _apply(z, y):
    """The complex number z as a rotation and stretching of the plane."""
    return jnp.real(z) * y - jnp.imag(z) * jnp.stack([y[1], -y[0]])


def _turned(number, y):
    return number.real * y - number.imag * jnp.stack([y[1], -y[0]])


def linear_drift(t, y, args):
    return args[0] * _turned(-0.5 + 0.3j, y)


def two_motions(t, y, args):
    return args[1] * jnp.stack([_turned(0.3 + 0.4j, y), _turned(0.2 - 0.5j, y)], axis=-1)


def one_motion(t, y, args):
    return args[1] * _turned(0.3 + 0.4j, y)


def cubic_drift(t, y, args):
    """Ito's; in Stratonovich's interpretation it vanishes."""
    return -(args[1] ** 2) * y * (1 - y**2)


def no_drift(t, y, args):
    return args[0] * jnp.zeros_like(y)


def cubic_diffusion(t, y, args):
    return args[1] * (1 - y**2)


def decaying_drift(t, y, args):
    return args[0] * 0.5 / jnp.sqrt(1 + t) - y / (2 * (1 + t))


def decaying_diffusion(t, y, args):
    return args[1] * jnp.full_like(y, 0.7) / jnp.sqrt(1 + t)


def _cubic(args, y0, interpretation):
    drift = cubic_drift if interpretation == "ito" else no_drift
    return sj.SDEProblem(drift, cubic_diffusion, y0, *SPAN, args, interpretation=interpretation)


def _linear(diffusion, noise):
    return lambda args, y0, interpretation: sj.SDEProblem(
        linear_drift, diffusion, y0, *SPAN, args, noise=noise, interpretation=interpretation
    )


def _decayed(args, y0, w, interpretation):
    scale = jnp.sqrt((1 + SPAN[0]) / (1 + SPAN[1]))
    moved = args[0] * 0.5 * (SPAN[1] - SPAN[0]) + args[1] * 0.7 * w
    return scale * y0 + moved / jnp.sqrt(1 + SPAN[1])


STATED = {
    "general": Stated(
        _linear(two_motions, "general"),
        lambda args, y0, w, interpretation: _apply(_complex_growth(args, w, interpretation, (0, 1)), y0),
        (2,),
    ),
    "scalar": Stated(
        _linear(one_motion, "scalar"),
        lambda args, y0, w, interpretation: _apply(_complex_growth(args, w, interpretation, (0,)), y0),
        (),
    ),
    "diagonal": Stated(_cubic, lambda args, y0, w, interpretation: jnp.tanh(args[1] * w + jnp.arctanh(y0)), (2,)),
    "additive": Stated(
        lambda args, y0, interpretation: sj.SDEProblem(
            decaying_drift,
            decaying_diffusion,
            y0,
            *SPAN,
            args,
            noise="additive",
            interpretation=interpretation,
        ),
        _decayed,
        (2,),
    ),
}

ARGS = jnp.array([1.0, 0.8])


def end(method, noise, key, args=ARGS, y0=START, interpretation="ito", **options):
    """The solution at `t1`."""
    return sj.solve(STATED[noise].problem(args, y0, interpretation), method, key=key, **options).y1


def exact_end(noise, key, args=ARGS, y0=START, interpretation="ito"):
    """The exact solution on the same path."""
    w = sj.BrownianPath(key, *SPAN, STATED[noise].shape).evaluate(SPAN[1])
    return STATED[noise].exact(args, y0, w, interpretation)


@functools.cache
def compiled_errors(method, noise, interpretation):
    """`(keys, dt) -> root mean square error` of fixed steps, compiled once for all step sizes."""

    def error(key, dt):
        found = end(method, noise, key, interpretation=interpretation, dt0=dt, controller=sj.FixedStep())
        return jnp.sum((found - exact_end(noise, key, interpretation=interpretation)) ** 2)

    return jax.jit(lambda keys, dt: jnp.sqrt(jnp.mean(jax.vmap(error, (0, None))(keys, dt))))
