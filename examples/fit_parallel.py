"""Homework 2: a fit by hand-made gradient descent and by all starts at once, and what running in parallel costs.

    python examples/fit_parallel.py [--output DIR] [--full]

Lotka-Volterra from 41 measurements, the task of course 18.337's second homework. Method: gradient descent along
forward sensitivities of Dormand and Prince's fifth-order steps (`Dopri5`, fixed step 1/4), beside bounded Levenberg-
Marquardt from many starts, `sj.estimation.shooting`. Performance technique: work is batched until the fixed cost of
starting it no longer counts. Measured: the time T(n) = latency + n / rate of n solves under `vmap`, of chunks of
different sizes on one and two CPU devices (`sj.parallel.ensemble`), and of moving 2^k bytes between devices, which is
the homework's question about messages. Application: the rates of a predator-prey system. What is printed also goes to
fit_parallel.json, the picture to fit_parallel.png.
"""

import os
import time

# Two CPU devices, which must be said before JAX starts.
if "host_platform_device_count" not in os.environ.get("XLA_FLAGS", ""):
    os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} --xla_force_host_platform_device_count=2".strip()

import jax
import jax.numpy as jnp
import numpy as np
from _frame import best_of, run_example

import sciml_jax as sj

TRUTH, START = np.array([1.5, 1.0, 3.0, 1.0]), np.array([1.2, 0.8, 2.8, 0.8])
TIMES = np.linspace(0.0, 10.0, 41)
STEP, NOISE, RATE = 0.25, 0.05, 1e-5
AT_TEN = np.array([1.014650670233608, 0.915893918447007])  # forty such steps, computed independently


def field(t, y, p):
    """Prey and predators."""
    return jnp.stack([p[0] * y[0] - p[1] * y[0] * y[1], -p[2] * y[1] + p[3] * y[0] * y[1]])


def problem(p):
    """Ten units of time."""
    return sj.ODEProblem(field, jnp.ones(2), 0.0, 10.0, p)


def fixed_steps(p):
    """The homework's solver: states at TIMES."""
    return sj.solve(problem(p), sj.Dopri5(), dt0=STEP, controller=sj.FixedStep(), saveat=TIMES, max_steps=48).ys


def descend(measured, steps):
    """The homework's fit: losses along gradient descent, and where it ends."""

    def step(p, _):
        residuals, push = jax.linearize(lambda p: (fixed_steps(p) - measured).ravel(), p)
        # Forward sensitivities: one column for each parameter.
        jacobian = jax.vmap(push, out_axes=1)(jnp.eye(4))
        return p - RATE * 2 * jacobian.T @ residuals, jnp.sum(residuals**2)

    return jax.jit(lambda p: jax.lax.scan(step, p, length=steps))(jnp.asarray(START))


# --- what parallel running costs ---


def line(sizes, seconds):
    """Latency and rate of T(n) = latency + n / rate, fitted to relative errors."""
    weights = 1 / np.asarray(seconds)
    matrix = np.stack([np.ones(len(sizes)), np.asarray(sizes, float)], axis=1) * weights[:, None]
    latency, slope = np.linalg.lstsq(matrix, np.ones(len(sizes)), rcond=None)[0]
    return float(latency), float(1 / slope)


def batches(most):
    """Seconds of n solves under vmap."""
    solve = jax.jit(jax.vmap(lambda p: sj.solve(problem(p), sj.Tsit5(), max_steps=256).y1))
    sizes = [8**k for k in range(most + 1)]
    return sizes, [best_of(lambda p=rates(n): solve(p), 5) for n in sizes]


def rates(number):
    """Parameters around the truth."""
    return jnp.asarray(TRUTH) * jnp.exp(0.1 * jax.random.normal(jax.random.key(number), (number, 4)))


def chunks(members, sizes):
    """Seconds of an ensemble on one and on two devices, for each size of chunk."""
    inputs = rates(members)
    solve = lambda p: sj.solve(problem(p), sj.Tsit5(), max_steps=256).y1
    run = lambda size, devices: sj.parallel.ensemble(solve, inputs, chunk_size=size, devices=devices).values
    devices = jax.devices()
    return {
        number: [best_of(lambda size=size, number=number: run(size, devices[:number]), 3) for size in sizes]
        for number in (1, 2)
        if len(devices) >= number
    }


def messages(most):
    """Seconds of moving 2^k bytes from one device to the other."""
    devices = jax.devices()
    sizes = [2**k for k in range(most + 1)]
    there = [jax.device_put(jnp.zeros(n, jnp.int8), devices[0]) for n in sizes]
    return sizes, [best_of(lambda block=block: jax.device_put(block, devices[-1]), 15) for block in there]


# --- the run ---


def fits(measured, steps, starts):
    """Both fits, each with its seconds, compiling included."""
    began = time.perf_counter()
    end, losses = jax.block_until_ready(descend(measured, steps))
    descent = time.perf_counter() - began
    began = time.perf_counter()
    fit = sj.estimation.shooting(
        problem(jnp.asarray(START)),
        data=sj.estimation.Data(TIMES, measured),
        bounds=(np.full(4, 0.2), np.full(4, 6.0)),
        starts=starts,
        key=0,
        method=sj.Tsit5(),
        max_steps=256,
    )
    jax.block_until_ready(fit.flat)
    return end, losses, fit, {"descent": descent, "all_starts": time.perf_counter() - began}


def analyse(full, done):
    """Fits and measurements: a report, and curves to draw."""
    exact = fixed_steps(jnp.asarray(TRUTH))
    measured = exact + NOISE * jax.random.normal(jax.random.key(0), exact.shape)
    steps, starts = (20_000 if full else 2000), (256 if full else 32)
    end, losses, fit, seconds = fits(measured, steps, starts)
    done("fits")
    sizes, times = batches(5 if full else 4)
    latency, rate = line(sizes, times)
    members, chunk_sizes = (20_000 if full else 4000), [16, 64, 256, 1024]
    by_devices = chunks(members, chunk_sizes)
    done("batches and chunks")
    bytes_sent, message_times = messages(25)
    message_latency, bandwidth = line(bytes_sent, message_times)
    done("messages")
    report = {
        "error_at_ten": float(np.max(np.abs(exact[-1] - AT_TEN))),
        "fit": {
            "true": TRUTH.tolist(),
            "descent": np.asarray(end).tolist(),
            "descent_loss": float(losses[-1]),
            "shooting": np.asarray(fit.params).tolist(),
            "shooting_loss": float(2 * fit.cost),
            "standard_errors": np.asarray(fit.standard_errors).tolist(),
            "status": fit.status.name,
            "descent_steps": steps,
            "starts": starts,
            "iterations": int(fit.starts.num_steps[0]),
            "best_reached": int(fit.starts.num_best()),
            "seconds": seconds,
        },
        "batch": {"sizes": sizes, "seconds": times, "latency": latency, "solves_per_second": rate},
        "chunks": {"members": members, "sizes": chunk_sizes, "seconds": {str(n): t for n, t in by_devices.items()}},
        "messages": {"latency": message_latency, "bytes_per_second": bandwidth},
    }
    hours = np.linspace(0.0, 10.0, 401)
    fitted = sj.solve(problem(fit.params), sj.Tsit5(), saveat=hours).ys
    curves = {
        "times": TIMES, "measured": measured, "hours": hours, "fitted": fitted, "losses": losses, "fit": fit,
        "bytes": bytes_sent, "message_times": message_times,
    }  # fmt: skip
    return report, curves


def summarise(report):
    """Print the findings."""
    f, b, c, m = (report[part] for part in ("fit", "batch", "chunks", "messages"))
    print(f"Forty fixed steps end {report['error_at_ten']:.0e} from the values of an independent program")
    print(f"{'true':18s}" + "".join(f"{x:9.4f}" for x in f["true"]))
    print(f"{'gradient descent':18s}" + "".join(f"{x:9.4f}" for x in f["descent"]) + f"   loss {f['descent_loss']:.4f}")
    print(f"{'shooting':18s}" + "".join(f"{x:9.4f}" for x in f["shooting"]) + f"   loss {f['shooting_loss']:.4f}")
    print(f"{'standard errors':18s}" + "".join(f"{x:9.4f}" for x in f["standard_errors"]))
    print(
        f"{f['descent_steps']} steps of descent in {f['seconds']['descent']:.1f} s; {f['starts']} starts, "
        f"{f['iterations']} iterations of the best, in {f['seconds']['all_starts']:.1f} s with compiling; "
        f"{f['best_reached']} reached the best"
    )
    alone = b["seconds"][0]
    print(
        f"A batch costs {1e6 * b['latency']:.0f} us and {1e6 / b['solves_per_second']:.2f} us a solve; "
        f"one solve alone takes {1e6 * alone:.0f} us"
    )
    for number, seconds in c["seconds"].items():
        best = int(np.argmin(seconds))
        print(
            f"{c['members']} members, {number} device(s): best chunk {c['sizes'][best]}, {1e3 * seconds[best]:.1f} ms; "
            f"chunks of {c['sizes'][0]}: {1e3 * seconds[0]:.1f} ms"
        )
    print(f"A message costs {1e6 * m['latency']:.0f} us and then {m['bytes_per_second'] / 1e9:.1f} GB/s")


def main():
    """Run the analysis; print it, and write fit_parallel.json and fit_parallel.png."""
    about, full = "Fit Lotka-Volterra, and measure what parallel running costs.", "more steps, starts and members"
    run_example("fit_parallel", about, analyse, summarise, full=full)


if __name__ == "__main__":
    main()
