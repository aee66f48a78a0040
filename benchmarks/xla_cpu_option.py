"""What `sj.enable_fast_cpu_loops` does: the same programs in two processes, with the option and without.

Each program in both: seconds to compile and to run. Ratios above 1 say that the option pays. The results are kept for
each minor version of JAX, because XLA's own default has changed: run it with the version that is used.
"""

import json
import os
import subprocess
import sys

import jax
import jax.numpy as jnp
from _common import compile_timed, interleaved, keep, table
from jax import lax

import sciml_jax as sj

LANES = 1000


def lorenz(t, y, rho):
    return jnp.stack([10.0 * (y[1] - y[0]), y[0] * (rho - y[2]) - y[1], y[0] * y[1] - 8.0 / 3.0 * y[2]])


def rk4_scan(rho):
    """A loop written by hand, as in many codes."""
    h = 0.01

    def step(y, _):
        k1 = lorenz(0.0, y, rho)
        k2 = lorenz(0.0, y + 0.5 * h * k1, rho)
        k3 = lorenz(0.0, y + 0.5 * h * k2, rho)
        k4 = lorenz(0.0, y + h * k3, rho)
        return y + h / 6.0 * (k1 + 2 * k2 + 2 * k3 + k4), None

    return lax.scan(step, jnp.array([1.0, 0.0, 0.0]), length=200)[0].sum()


def ours(method):
    problem = lambda rho: sj.ODEProblem(lorenz, jnp.array([1.0, 0.0, 0.0]), 0.0, 2.0, rho)
    return lambda rho: sj.solve(problem(rho), method, rtol=1e-6, atol=1e-8, max_steps=512).y1.sum()


def diffrax_solve(rho):
    import diffrax

    solution = diffrax.diffeqsolve(
        diffrax.ODETerm(lorenz), diffrax.Tsit5(), 0.0, 2.0, None, jnp.array([1.0, 0.0, 0.0]), rho,
        stepsize_controller=diffrax.PIDController(rtol=1e-6, atol=1e-8), max_steps=512,
    )  # fmt: skip
    return solution.ys.sum()


def neural(weights):
    """Large iterations: products of (256, 64) and (64, 64) matrices, which can use several cores."""
    step = lambda y, _: (y + 0.01 * jnp.tanh(y @ weights), None)
    return lax.scan(step, jnp.ones((256, 64)), length=50)[0].sum()


def programs():
    rho, many = jnp.asarray(28.0), jnp.linspace(0.0, 56.0, LANES)
    weights = 0.1 * jnp.ones((64, 64))
    tsit5, rodas = ours(sj.Tsit5()), ours(sj.Rodas5P())
    return {
        "RK4 scan": (rk4_scan, rho),
        "RK4 scan, gradient": (jax.grad(rk4_scan), rho),
        "Diffrax Tsit5": (diffrax_solve, rho),
        "Diffrax Tsit5, gradient": (jax.grad(diffrax_solve), rho),
        "our Tsit5": (tsit5, rho),
        "our Tsit5, gradient": (jax.grad(tsit5), rho),
        "our Rodas5P": (rodas, rho),
        "our Rodas5P, gradient": (jax.grad(rodas), rho),
        f"our Tsit5, {LANES} lanes": (jax.vmap(tsit5), many),
        f"our Tsit5, {LANES} lanes, gradient": (jax.vmap(jax.grad(tsit5)), many),
        "large steps (a network), gradient": (jax.grad(neural), weights),
    }


def measure():
    """Figures of this process, as JSON on the last line."""
    jax.config.update("jax_enable_x64", True)
    figures = {}
    for name, (fn, argument) in programs().items():
        compiled, compile_seconds = compile_timed(fn, argument)
        seconds = interleaved({"run": lambda c=compiled, a=argument: c(a)}, rounds=15)["run"]
        figures[name] = {"compile": compile_seconds, "run": seconds}
    print(json.dumps(figures))


def in_a_process(option: str) -> dict:
    environment = {**os.environ, "JAX_PLATFORMS": "cpu"}
    done = subprocess.run(
        [sys.executable, __file__, option], capture_output=True, text=True, env=environment, check=True
    )
    return json.loads(done.stdout.splitlines()[-1])


def main():
    # Twice each, in turn, keeping the faster: the machine drifts.
    runs = {option: [] for option in ("without", "with")}
    for _ in range(2):
        for option, found in runs.items():
            found.append(in_a_process(option))
    best = {
        option: {
            name: {what: min(run[name][what] for run in found) for what in ("compile", "run")} for name in found[0]
        }
        for option, found in runs.items()
    }
    rows: list[tuple] = [
        ("program", "seconds without", "with", "times faster", "compile without", "with", "times faster")
    ]
    ratios = {}
    for name in best["with"]:
        pairs = {what: (best["without"][name][what], best["with"][name][what]) for what in ("run", "compile")}
        ratios[name] = {what: before / after for what, (before, after) in pairs.items()}
        cells = [f"{value:.3g}" for what in ("run", "compile") for value in (*pairs[what], ratios[name][what])]
        rows.append((name, *cells))
    table(rows)
    keep(f"xla_cpu_option_jax_{'.'.join(jax.__version__.split('.')[:2])}", {"seconds": best, "ratios": ratios})


if __name__ == "__main__":
    if sys.argv[1:] in (["with"], ["without"]):
        if sys.argv[1] == "with":
            sj.enable_fast_cpu_loops()
        measure()
    else:
        main()
