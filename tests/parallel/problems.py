"""A cheap adaptive loop with a status, run in this process and in others."""

import os
import pathlib
import subprocess
import sys
import textwrap

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

import sciml_jax as sj

N = 270  # enough for a pilot with chunks of 8
INPUTS = {"a": np.linspace(0.5, 50.0, N), "key": np.arange(2 * N, dtype=np.uint32).reshape(N, 2)}
MAX_STEPS = 12
ROOT = str(pathlib.Path(sj.__file__).parent.parent)


class Count(eqx.Module):
    num_steps: jax.Array


class Root(sj.AbstractSolution):
    """The square root of `a` by Newton's iteration from 1, and a random number; large a run out of steps."""

    status: jax.Array
    stats: Count
    y: jax.Array
    draw: jax.Array


def root(member):
    a = member["a"]

    def step(carry):
        y, i = carry
        return 0.5 * (y + a / y), i + 1

    def unfinished(carry):
        return (jnp.abs(carry[0] ** 2 - a) > 1e-10 * a) & (carry[1] < MAX_STEPS)

    y, steps = lax.while_loop(unfinished, step, (jnp.ones_like(a), 0))
    status = jnp.where(a > 45.0, int(sj.Status.MAX_STEPS), int(sj.Status.SUCCESS))
    return Root(status, Count(jnp.asarray(steps)), y, jax.random.normal(member["key"]))


def run_script(script, *arguments, devices=1, wait=True):
    """Start Python on a script with x64 and the same flags as the tests; with `wait`, return the finished process."""
    environment = dict(os.environ) | {"JAX_ENABLE_X64": "1", "JAX_PLATFORMS": "cpu"}
    flags = [flag for flag in environment.get("XLA_FLAGS", "").split() if "device_count" not in flag]
    environment["XLA_FLAGS"] = " ".join([*flags, f"--xla_force_host_platform_device_count={devices}"])
    environment["PYTHONPATH"] = os.pathsep.join([ROOT, environment.get("PYTHONPATH", "")])
    command = [sys.executable, "-c", textwrap.dedent(script), *map(str, arguments)]
    process = subprocess.Popen(command, env=environment, cwd=ROOT, stdout=-1, stderr=-1, text=True)
    return finished(process) if wait else process


def finished(process):
    """The process with its output, ended after three minutes at the latest."""
    try:
        process.out, process.err = process.communicate(timeout=180)
    finally:
        process.kill()
    return process
