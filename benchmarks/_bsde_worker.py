"""One solve of `bsde.py` in a process of its own: prints the value, its errors and the seconds as JSON.

Usage: python _bsde_worker.py PROBLEM METHOD SEED QUICK. The clock starts before the problem is made and stops when the
value is there, so that it includes tracing and compiling; importing is not in it.
"""

import json
import sys
import time
from typing import Any

import jax
import jax.numpy as jnp

import sciml_jax as sj
from sciml_jax.bsde import ParabolicProblem

DIM = 100


def hjb(strength):
    """Control of a Brownian motion, the strength of the control being lambda."""
    return ParabolicProblem(
        drift=0.0,
        diffusion=jnp.sqrt(2.0),
        driver=lambda t, x, u, z: -0.5 * strength * jnp.sum(z**2),
        terminal=lambda x: jnp.log(0.5 * (1.0 + jnp.sum(x**2))),
        x0=jnp.zeros(DIM),
        t1=1.0,
    )


def allen_cahn():
    """Reaction and diffusion."""
    return ParabolicProblem(
        drift=0.0,
        diffusion=jnp.sqrt(2.0),
        driver=lambda t, x, u, z: u - u**3,
        terminal=lambda x: 1.0 / (2.0 + 0.4 * jnp.sum(x**2)),
        x0=jnp.zeros(DIM),
        t1=0.3,
    )


def barenblatt():
    """Uncertain volatility; linear because |x|^2 is convex."""
    return ParabolicProblem(
        drift=0.0,
        diffusion=lambda t, x: 0.4 * x,
        driver=lambda t, x, u, z: -0.05 * (u - jnp.dot(x, z)),
        terminal=lambda x: jnp.sum(x**2),
        x0=jnp.where(jnp.arange(DIM) % 2 == 0, 1.0, 0.5),
        t1=1.0,
        z="grad",
    )


def stocks(rate, driver, terminal, t1):
    """Independent stocks of volatility 0.2 from 100, stepped exactly."""
    return ParabolicProblem(
        drift=lambda t, x: rate * x,
        diffusion=lambda t, x: 0.2 * x,
        driver=driver,
        terminal=terminal,
        x0=jnp.full(DIM, 100.0),
        t1=t1,
        transition=lambda t, x, dt, dw: x * jnp.exp((rate - 0.02) * dt + 0.2 * dw),
    )


def default_risk():
    """The worst of the stocks from a seller who may default, the more likely the less the claim is worth."""

    def driver(t, x, u, z):
        intensity = jnp.clip(0.2 + (0.02 - 0.2) / 20.0 * (u - 50.0), 0.02, 0.2)
        return -(1.0 - 2.0 / 3.0) * intensity * u - 0.02 * u

    return stocks(0.02, driver, jnp.min, 1.0)


def two_rates():
    """A spread of calls on the best of the stocks; borrowing costs more than lending pays."""

    def driver(t, x, u, z):
        held = jnp.sum(z) / 0.2
        return -0.04 * u - (0.06 - 0.04) * held + (0.06 - 0.04) * jnp.maximum(0.0, held - u)

    def terminal(x):
        best = jnp.max(x)
        return jnp.maximum(best - 120.0, 0.0) - 2.0 * jnp.maximum(best - 150.0, 0.0)

    return stocks(0.06, driver, terminal, 0.5)


PROBLEMS = {
    "hjb, lambda 0.5": lambda: hjb(0.5),
    "hjb, lambda 1": lambda: hjb(1.0),
    "hjb, lambda 2": lambda: hjb(2.0),
    "hjb, lambda 10": lambda: hjb(10.0),
    "allen_cahn": allen_cahn,
    "barenblatt": barenblatt,
    "default_risk": default_risk,
    "two_rates": two_rates,
}


def main():
    """Solve and print."""
    name, method, seed, quick = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4] == "1"
    learned = method not in ("FeynmanKac", "MultilevelPicard")
    small = {"num_iterations": 2, "num_paths": 512} if learned else {}
    chosen = getattr(sj.bsde, method)(**(small if quick else {}))
    began = time.perf_counter()
    sol: Any = sj.solve(PROBLEMS[name](), chosen, key=seed, on_failure="return")
    u0 = float(sol.u0)
    seconds = time.perf_counter() - began
    found = {
        "u0": u0,
        "standard_error": float(sol.u0_standard_error),
        "error": float(sol.u0_error),
        "status": int(sol.status),
        "seconds": seconds,
        "dtype": str(jax.numpy.asarray(sol.u0).dtype),
    }
    print("RESULT " + json.dumps(found), flush=True)


if __name__ == "__main__":
    main()
