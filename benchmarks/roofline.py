"""Distance to the machine: arithmetic of 10,000 Lorenz sets against the cores' peak, and what takes the rest.

The run is `lorenz_forward` of `ensembles.py` through `parallel.ensemble` on one device. Its time a step is split by
measuring one chunk of equal members, adaptive and with as many fixed steps: what is left of the whole after those, and
after the lockstep that perfect sorting leaves, is the host's. The peak is that of a large matrix product.
"""

import os
import time

import jax
import jax.numpy as jnp
import numpy as np
from _common import table, timed
from _peak import core_peak
from _rows import arguments, measure
from ensembles import RTOL, lorenz_problem

import sciml_jax as sj
from sciml_jax import parallel

jax.config.update("jax_enable_x64", True)

# Additions, multiplications, divisions, comparisons of one Tsit5 step on Lorenz, counted by hand; a power counts 20.
STEP_OPERATIONS = {"vector field": 6 * 8, "stage sums": 3 * 48, "error and norm": 3 * 22 + 3, "controller": 30}


def roofline(quick: bool) -> dict:
    count, t1, lanes = (200, 4.0, 32) if quick else (10_000, 20.0, 128)
    rho = np.linspace(0.0, 56.0, count)

    def ours(member, **options):
        return sj.solve(lorenz_problem(member, t1), sj.Tsit5(), rtol=RTOL, atol=RTOL, max_steps=16384, **options)

    run = lambda: parallel.ensemble(ours, rho, devices=[jax.devices()[0]])
    run()
    busy, start = time.process_time(), time.perf_counter()
    outcome = run()
    seconds, busy = time.perf_counter() - start, time.process_time() - busy
    steps = np.asarray(outcome.values.stats.num_steps)
    # One chunk of equals, adaptive and with the same number of fixed steps: what lockstep and the controller cost.
    equal = jnp.full((lanes,), 28.0)
    adaptive = jax.jit(jax.vmap(lambda m: ours(m).y1))
    number = int(jax.jit(lambda m: ours(m).stats.num_steps)(28.0))
    fixed = jax.jit(jax.vmap(lambda m: ours(m, controller=sj.FixedStep(), dt0=t1 / number).y1))
    per_lane_step = {
        "adaptive": timed(lambda: adaptive(equal), rounds=9) / (lanes * number) * 1e9,
        "fixed steps": timed(lambda: fixed(equal), rounds=9) / (lanes * number) * 1e9,
    }
    peak = core_peak(quick)
    found = shares(seconds, busy, steps, outcome.chunk_size, per_lane_step, peak)
    return {
        "members": count,
        "seconds": seconds,
        "cores_busy": busy / seconds,
        "ns_per_lane_step": per_lane_step,
        **found,
    }


def shares(seconds, busy, steps, chunk, per_lane_step, peak) -> dict:
    """Where the nanoseconds of a step go, and the largest of them."""
    operations = sum(STEP_OPERATIONS.values())
    ordered = np.sort(steps)[::-1]
    lockstep = sum(ordered[i] * len(ordered[i : i + chunk]) for i in range(0, len(ordered), chunk))
    total = seconds / np.sum(steps) * 1e9
    ideal = operations / peak * 1e9
    parts = {
        "arithmetic at the peak of one core": ideal,
        "step: dependent operations, moves, no full vectors": per_lane_step["fixed steps"] - ideal,
        "error estimate and step-size controller": per_lane_step["adaptive"] - per_lane_step["fixed steps"],
        "lockstep, members sorted by their true steps": per_lane_step["adaptive"] * (lockstep / np.sum(steps) - 1.0),
    }
    parts["host: pilot, chunks, copies, imperfect sorting"] = total - sum(parts.values())
    return {
        "operations_per_step": STEP_OPERATIONS,
        "peak_operations_per_second_of_a_core": peak,
        "share_of_one_core": ideal / total,
        "share_of_all_cores": ideal / total / len(os.sched_getaffinity(0)),
        "ns_per_step": {"total": total, **parts},
        "largest_obstacle": max(list(parts)[1:], key=lambda name: parts[name]),
    }


def main():
    args = arguments(__doc__, {"roofline": roofline})
    kept = measure("roofline", {"roofline": roofline}, args)
    for figures in kept.values():
        print(f"{figures['share_of_one_core']:.1%} of one core's peak, {figures['cores_busy']:.2f} cores busy")
        table([(name, f"{ns:.1f} ns a step") for name, ns in figures["ns_per_step"].items()])
        print(f"largest obstacle: {figures['largest_obstacle']}")


if __name__ == "__main__":
    main()
