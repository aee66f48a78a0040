"""The problem that most laws are stated on, with its exact solution, and the functions compiled from it.

Compiling is nearly all of the cost of these tests, so every law that can shares a function from here.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np

import sciml_jax as sj
from sciml_jax.zoo.modulated_hopf import modulated_hopf_field

from .methods import Listed

MAX_STEPS = 512
WEIGHTS = jnp.asarray(np.random.default_rng(7).normal(size=(4, 2)))


def theta(scale=1.0):
    """Everything that a derivative can be taken with respect to, away from special values."""
    return {
        "y0": jnp.array([0.5, 0.2]) * scale,
        "t0": jnp.array(0.1),
        "t1": jnp.array(1.6),
        "args": jnp.array([0.9, 1.3]) * scale,
        "ts": jnp.array([0.35, 0.8, 1.25]),
    }


def batch(size=4):
    """The same for several lanes: (y0 and args batched, everything else shared) and the axes to map over."""
    lanes = [theta(scale) for scale in np.linspace(0.8, 1.2, size)]
    stacked = jax.tree_util.tree_map(lambda *leaves: jnp.stack(leaves), *lanes)
    return {**theta(), "y0": stacked["y0"], "args": stacked["args"]}, {**dict.fromkeys(theta()), "y0": 0, "args": 0}


def exact(theta):
    """The states at `ts` and `t1`: r from Bernoulli's equation, the phase by quadrature. Differentiable."""
    a, omega = theta["args"]
    x, y = theta["y0"]
    t0, t = theta["t0"], jnp.append(theta["ts"], theta["t1"])
    excess = (1 / (x * x + y * y) - 1) * jnp.exp(2 * a * (jnp.sin(t0) - jnp.sin(t)))
    phase = jnp.arctan2(y, x) + 0.5 * omega * (t * t - t0 * t0)
    return jnp.stack([jnp.cos(phase), jnp.sin(phase)], axis=1) / jnp.sqrt(1 + excess)[:, None]


TOLERANCES = {1: 1e-2, 2: 1e-4, 3: 1e-6}
"""rtol for methods of low order, so that MAX_STEPS suffice; 1e-9 for the others."""


def options(listed: Listed):
    """Tolerances tight enough to compare with the exact solution, or fixed steps for methods that cannot adapt."""
    if not listed.has_error_estimate:
        return {"dt0": 1 / 256}
    rtol = TOLERANCES.get(listed.order, 1e-9)
    return {"rtol": rtol, "atol": rtol / 100}


def outputs(listed: Listed, theta):
    """The states at `ts` and `t1`, shape (4, 2)."""
    problem = sj.ODEProblem(listed.stated(modulated_hopf_field), theta["y0"], theta["t0"], theta["t1"], theta["args"])
    saveat = sj.SaveAt(ts=theta["ts"], t1=True)
    return sj.solve(problem, listed.method, saveat=saveat, max_steps=MAX_STEPS, **options(listed)).ys


def loss(listed: Listed, theta):
    """A scalar that weighs every output differently."""
    return jnp.sum(WEIGHTS * outputs(listed, theta))


@functools.cache
def compiled_outputs(listed: Listed):
    return jax.jit(lambda theta: outputs(listed, theta))


@functools.cache
def compiled_value_and_grad(listed: Listed):
    return jax.jit(jax.value_and_grad(lambda theta: loss(listed, theta)))


@functools.cache
def lane_gradients(listed: Listed):
    """The gradient of each lane of `batch()` on its own: what every batched gradient must equal."""
    lanes, axes = batch()
    size = lanes["y0"].shape[0]
    single = compiled_value_and_grad(listed)
    pick = lambda i: {k: v if axes[k] is None else v[i] for k, v in lanes.items()}
    values, found = zip(*(single(pick(i)) for i in range(size)), strict=True)
    # NaN agrees with NaN: a lane that failed would satisfy every law that compares with it.
    assert np.all(np.isfinite(values))
    return jax.tree_util.tree_map(lambda *leaves: jnp.stack(leaves), *found)
