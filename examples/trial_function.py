"""An ordinary differential equation solved by a trial function, beside a Runge-Kutta method.

    python examples/trial_function.py [--output DIR] [--full]

Hares and lynxes, x' = x (1 - y), y' = y (x - 1): a network N(t) is trained so that g(t) = (x0, y0) + t N(t), which
starts where it should whatever the network is, has the right slope at points in time. Method: the trial function of
Lagaris, written by hand with `sj.training.run`, and by `sj.pinn.PINN`, which builds the same from the initial
condition. What is fast: Levenberg-Marquardt steps, timed against Adam on the same network. Application: population
cycles, over a period and a half. The honest end of the lesson: `sj.solve` of the same equation takes
microseconds; trial functions earn their cost where data, unknown terms or many dimensions enter. What is printed also
goes to trial_function.json, the picture to trial_function.png.
"""

import time
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from _frame import best_of, run_example

import sciml_jax as sj

END, START = 10.0, np.array([1.5, 0.8])
TIMES = np.linspace(0.0, END, 401)
LINE = sj.pinn.Box({"t": (0.0, END)})


def field(t, y, args):
    """Prey grow and are eaten, predators eat and starve."""
    return jnp.stack([y[0] * (1 - y[1]), y[1] * (y[0] - 1)])


def by_hand(num_steps):
    """g(t) = y0 + t N(t), trained with Adam: values at `TIMES`, losses, seconds."""
    net = sj.networks.MLP(1, 2, 20, 2, key=0)
    trial = lambda net, t: START + t * net(jnp.stack([2 * t / END - 1]))

    def loss(net, batch, key):
        def misfit(t):
            value, slope = jax.jvp(lambda t: trial(net, t), (t,), (jnp.ones_like(t),))
            return jnp.sum((slope - field(t, value, None)) ** 2)

        return jnp.mean(jax.vmap(misfit)(jnp.linspace(0.0, END, 100)))

    optimizer = optax.adam(optax.cosine_decay_schedule(1e-2, num_steps))
    began = time.perf_counter()
    result = sj.training.run(loss, net, optimizer=optimizer, num_steps=num_steps)
    values = jax.block_until_ready(jax.vmap(lambda t: trial(result.params, t))(TIMES))
    return values, result.losses, time.perf_counter() - began


def by_pinn(num_steps):
    """The same by `sj.pinn.PINN`: its solution and seconds."""

    def residual(u, z, params):
        return LINE.partials(u, z, "t")[0] - field(z[0], u(z), None)

    problem = sj.pinn.PDEProblem(LINE, residual, [sj.pinn.Initial(LINE, lambda z: jnp.asarray(START))], num_outputs=2)
    began = time.perf_counter()
    sol: Any = sj.solve(problem, sj.pinn.PINN(width=20, depth=2, num_points=100, num_steps=num_steps), key=0)
    jax.block_until_ready(sol.vector)
    return sol, time.perf_counter() - began


def analyse(full, done):
    """All three: a report, and curves to draw."""
    problem = sj.ODEProblem(field, START, 0.0, END)
    truth = np.asarray(sj.solve(problem, sj.Vern7(), saveat=TIMES, rtol=1e-11, atol=1e-11).ys)
    run = jax.jit(lambda y0: sj.solve(sj.ODEProblem(field, y0, 0.0, END), sj.Tsit5(), saveat=TIMES).ys)
    solver_seconds = best_of(lambda: run(START))
    solver_error = relative(np.asarray(run(START)), truth)
    done("Runge-Kutta")
    sol, seconds = by_pinn(400 if full else 160)
    done("Levenberg-Marquardt")
    values, losses, adam_seconds = by_hand(60_000 if full else 20_000)
    done("Adam")
    found = np.asarray(sol(TIMES[:, None]))
    report = {
        "solver": {"relative_error": solver_error, "seconds": solver_seconds},
        "levenberg_marquardt": {
            "relative_error": relative(found, truth), "estimated": float(sol.error_estimate), "seconds": seconds,
            "steps": sol.stats["num_steps"], "status": sj.pinn.PINNStatus(int(sol.status)).name,
        },
        "adam": {"relative_error": relative(np.asarray(values), truth), "seconds": adam_seconds, "steps": len(losses)},
    }  # fmt: skip
    curves = {
        "t": np.asarray(TIMES), "truth": truth, "found": found, "adam": np.asarray(values),
        "losses": {"Levenberg-Marquardt": sol.history["loss"], "Adam": losses},
    }  # fmt: skip
    return report, curves


def relative(found, truth):
    """The relative L2 error."""
    return float(np.linalg.norm(found - truth) / np.linalg.norm(truth))


def summarise(report):
    """Print the findings."""
    fit, adam, solver = (report[name] for name in ("levenberg_marquardt", "adam", "solver"))
    print(
        f"Trial function, {fit['steps']} Levenberg-Marquardt steps: relative error {fit['relative_error']:.1e} "
        f"(estimated {fit['estimated']:.1e}) in {fit['seconds']:.1f} s; {adam['steps']} steps of Adam: "
        f"{adam['relative_error']:.1e} in {adam['seconds']:.1f} s"
    )
    print(f"Runge-Kutta: {solver['relative_error']:.1e} in {solver['seconds'] * 1e6:.0f} microseconds")


def main():
    """Run the analysis; print it, and write trial_function.json and trial_function.png."""
    about, full = "Solve an ordinary equation by a trial function.", "400 steps, and 60,000 of Adam"
    run_example("trial_function", about, analyse, summarise, full=full, packages=(optax,))


if __name__ == "__main__":
    main()
