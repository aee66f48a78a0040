"""One process of `scaling.py`: runs the ensemble twice and prints the seconds of the second call as JSON.

Usage: python _scaling_worker.py MEMBERS T1 DEVICES [COORDINATOR PROCESSES PROCESS_ID]
"""

import json
import sys
import time

import jax

members, t1, devices = int(sys.argv[1]), float(sys.argv[2]), int(sys.argv[3])
jax.config.update("jax_enable_x64", True)
jax.config.update("jax_num_cpu_devices", devices)

import jax.numpy as jnp  # noqa: E402
import numpy as np  # noqa: E402

import sciml_jax as sj  # noqa: E402
from sciml_jax import parallel  # noqa: E402

if len(sys.argv) > 4:
    parallel.initialize(sys.argv[4], int(sys.argv[5]), int(sys.argv[6]))


def lorenz(t, y, rho):
    return jnp.stack([10.0 * (y[1] - y[0]), y[0] * (rho - y[2]) - y[1], y[0] * y[1] - 8.0 / 3.0 * y[2]])


def solve(rho):
    problem = sj.ODEProblem(lorenz, jnp.array([1.0, 0.0, 0.0]), 0.0, t1, rho)
    return sj.solve(problem, sj.Tsit5(), rtol=1e-6, atol=1e-6, max_steps=16384)


rho = np.linspace(0.0, 56.0, members)
parallel.ensemble(solve, rho)
samples = []
for _ in range(3):
    busy, start = time.process_time(), time.perf_counter()
    outcome = parallel.ensemble(solve, rho)
    samples.append((time.perf_counter() - start, time.process_time() - busy))
seconds, busy = min(samples)
found = {
    "seconds": seconds,
    "cores_busy": busy / seconds,
    "devices": jax.device_count(),
    "processes": jax.process_count(),
    "checksum": float(np.sum(outcome.values.y1[np.asarray(rho) < 20.0])),
    "failures": len(outcome.failures),
}
print("RESULT " + json.dumps(found), flush=True)
