"""Symplectic methods, which solve separable problems only, and the problem that their laws are stated on.

A new symplectic method joins by one line here, and inherits every law of `test_symplectic.py`.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np

import sciml_jax as sj

from .methods import Listed

fixed = {"is_implicit": False, "has_error_estimate": False}

SYMPLECTIC = (
    Listed("SymplecticEuler", sj.SymplecticEuler(), 1, 1, **fixed, is_representative=True),
    Listed("VelocityVerlet", sj.VelocityVerlet(), 2, 2, **fixed, is_representative=True),
    Listed("Yoshida4", sj.Yoshida4(), 4, 4, **fixed),
    Listed("Yoshida6", sj.Yoshida6(), 6, 6, **fixed),
    Listed("KahanLi8", sj.KahanLi8(), 8, 8, **fixed),
)

SPAN = 1.5
MAX_STEPS = 129
WEIGHTS = jnp.asarray(np.random.default_rng(7).normal(size=(2, 4, 2)))


def position(t):
    """The solution of the problem below for `args = 0.7`."""
    return jnp.stack([jnp.sin(t), jnp.cos(1.3 * t)], axis=-1)


def velocity(t):
    return jnp.stack([jnp.cos(t), -1.3 * jnp.sin(1.3 * t)], axis=-1)


def coupling(y):
    """The force of two coupled pendulums: symmetric derivative, so it has a potential."""
    return jnp.sin(y) + 0.5 * jnp.sin(y + y[::-1])


def pendulums(t, y, v, args):
    """Coupled pendulums, driven such that `position` solves them: nonlinear, and it depends on time."""
    drive = 0.7 * coupling(position(t)) - jnp.stack([jnp.sin(t), 1.69 * jnp.cos(1.3 * t)])
    return drive - args * coupling(y)


def theta(scale=1.0):
    """Everything that a derivative can be taken with respect to, away from special values."""
    return {
        "y0": position(0.1) * scale,
        "v0": velocity(0.1) * scale,
        "t0": jnp.array(0.1),
        "t1": jnp.array(0.1 + SPAN),
        "args": jnp.array(0.7) * scale,
        "ts": jnp.array([0.33, 0.8, 1.25]),
    }


def solution(listed, theta, dt, max_steps=MAX_STEPS, **saveat):
    problem = sj.SecondOrderProblem(pendulums, theta["y0"], theta["v0"], theta["t0"], theta["t1"], theta["args"])
    saveat = sj.SaveAt(ts=theta["ts"], t1=True, **saveat)
    return sj.solve(problem, listed.method, saveat=saveat, dt0=dt, max_steps=max_steps)


def outputs(listed, theta, dt=SPAN / 12):
    """Positions and velocities at `ts` and `t1`, shape (2, 4, 2), after 12 steps: no save time falls on one."""
    return jnp.stack(solution(listed, theta, dt, max_steps=13).ys)


def loss(listed, theta):
    """A scalar that weighs every output differently."""
    return jnp.sum(WEIGHTS * outputs(listed, theta))


@functools.cache
def compiled_value_and_grad(listed):
    return jax.jit(jax.value_and_grad(lambda theta: loss(listed, theta)))


@functools.cache
def flow_map(listed):
    """`(z0, t0, t1) -> z1` for `z = (q, p)` as one vector of four numbers, in steps of 0.125."""

    @jax.jit
    def flow(z, t0, t1):
        problem = sj.SecondOrderProblem(pendulums, z[:2], z[2:], t0, t1, 0.7)
        return jnp.concatenate(sj.solve(problem, listed.method, dt0=SPAN / 12, max_steps=13).y1)

    return flow
