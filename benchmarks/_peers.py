"""Solves and gradients by us and by the JAX peers, as functions of one shape, so that scripts can loop over them."""

import os
from collections.abc import Callable

import diffrax
import jax
import jax.numpy as jnp
import numpy as np

import sciml_jax as sj

# Its device recorder at every size: for fewer than 32 members gradsolve would step in a Python loop.
os.environ.setdefault("GRADSOLVE_RECORDER", "jax")
try:
    # Turns on jax_enable_x64 when imported, as every script here has done before.
    import gradsolve
except ImportError:
    gradsolve = None
try:
    import warp
except ImportError:
    warp = None

MAX_STEPS = 16384


def our_methods(*names: str) -> dict[str, object]:
    """Those of our methods that exist, by name."""
    return {f"ours {name}": getattr(sj, name)() for name in names if hasattr(sj, name)}


def our_end(method, max_steps: int = MAX_STEPS) -> Callable:
    """`fn(problem, rtol, atol) -> y1`."""
    return lambda problem, rtol, atol: sj.solve(problem, method, rtol=rtol, atol=atol, max_steps=max_steps).y1


def diffrax_end(solver, max_steps: int = MAX_STEPS) -> Callable:
    """`fn(problem, rtol, atol) -> y1` by Diffrax with its defaults otherwise: first step chosen, default adjoint."""

    def end(problem, rtol, atol):
        solution = diffrax.diffeqsolve(
            diffrax.ODETerm(problem.vector_field), solver, problem.t0, problem.t1, None, problem.y0, problem.args,
            saveat=diffrax.SaveAt(t1=True), stepsize_controller=diffrax.PIDController(rtol=rtol, atol=atol),
            max_steps=max_steps, throw=False,
        )  # fmt: skip
        return solution.ys[-1]

    return end


class GradsolveProblem:
    """gradsolve's statement of an autonomous problem; `name` selects a fused kernel where it has registered one."""

    is_stiff = False

    def __init__(self, name: str, field: Callable, dim: int, t1: float):
        self.name, self.field, self.dim, self.t0, self.t1 = name, field, dim, 0.0, t1

    def f_jax(self, t, y, p):
        return self.field(t, y, p)


def gradsolve_end(problem: GradsolveProblem, y0, params, rtol: float, atol: float, engine: str) -> np.ndarray:
    """Final states (n, dim) through gradsolve's front door."""
    return gradsolve.solve(problem, y0, params, engine=engine, rtol=rtol, atol=atol, device="cpu").y_final


def gradsolve_closure(problem: GradsolveProblem, y0, params, rtol: float, atol: float, engine: str) -> Callable:
    """Record the steps at `params`; the returned function of `params` replays them and can be differentiated."""
    return gradsolve.grad_closure(problem, y0, params, engine=engine, rtol=rtol, atol=atol, device="cpu")


def gradsolve_gradient_parts(problem, y0, params, rtol: float, atol: float, engine: str):
    """(record, replay, route): two zero-argument calls, and the name of the engine behind them.

    A gradient at new parameters is a record and a replay. gradsolve closes over the recorded steps, so a new record
    also means a new trace and compilation of the replay; that is left out here, in its favour.
    """
    record = lambda: gradsolve_closure(problem, y0, params, rtol, atol, engine)
    closure = record()
    gradient = jax.jit(jax.grad(lambda q: jnp.sum(closure(q))))
    values = jnp.asarray(params)
    return lambda: record() is None, lambda: gradient(values), closure.route.actual


def lorenz_rho(t, y, rho):
    """Lorenz with only rho free, as gradsolve's fused kernel has it: rho has shape (1,)."""
    sigma, beta = 10.0, 8.0 / 3.0
    return jnp.stack([sigma * (y[1] - y[0]), rho[0] * y[0] - y[1] - y[0] * y[2], y[0] * y[1] - beta * y[2]])
