"""Burgers' equation by a physics-informed network that says how wrong it is.

    python examples/burgers_pinn.py [--output DIR] [--full]

u_t + u u_x = 0.01/pi u_xx on [0, 1] x [-1, 1], u(0, x) = -sin(pi x), u(t, -1) = u(t, 1) = 0: a wave that steepens into
a front of width 0.01 at x = 0. Method: `sj.pinn.PINN`, with initial and boundary values built into the function. What
is fast: Levenberg-Marquardt steps on dense normal equations; the same network is trained with Adam for comparison. The
truth is the Cole-Hopf formula by Gauss-Hermite quadrature, and the estimated error is compared with the true one. What
is printed also goes to burgers_pinn.json, the picture to burgers_pinn.png.
"""

import time
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from _frame import run_example

import sciml_jax as sj

NU = 0.01 / np.pi
SETTINGS = {"width": 20, "depth": 3, "num_points": 2000}
NODES, WEIGHTS = np.polynomial.hermite.hermgauss(200)


def make_problem():
    """The equation with its conditions."""
    domain = sj.pinn.Box({"t": (0.0, 1.0), "x": (-1.0, 1.0)})

    def residual(u, z, params):
        u_t, u_x, u_xx = domain.partials(u, z, "t", "x", "xx")
        return u_t + u(z) * u_x - NU * u_xx

    start = sj.pinn.Dirichlet(domain.face("t", "lower"), lambda z: -jnp.sin(jnp.pi * z[1]))
    walls = sj.pinn.Dirichlet(domain.face("x"), 0.0)
    return sj.pinn.PDEProblem(domain, residual, conditions=[start, walls])


def truth(points):
    """The solution at points with t > 0, by the Cole-Hopf formula."""
    t, x = np.asarray(points).T
    y = x[:, None] - 2 * np.sqrt(NU * t)[:, None] * NODES
    exponent = -np.cos(np.pi * y) / (2 * np.pi * NU)
    share = WEIGHTS * np.exp(exponent - exponent.max(axis=1, keepdims=True))
    return -(np.sin(np.pi * y) * share).sum(axis=1) / share.sum(axis=1)


def solve(problem, **options):
    """The solution and the seconds that it took."""
    began = time.perf_counter()
    sol: Any = sj.solve(problem, sj.pinn.PINN(**SETTINGS, **options), key=0)
    jax.block_until_ready(sol.vector)
    return sol, time.perf_counter() - began


def relative(error, exact):
    """The relative L2 norm."""
    return float(np.linalg.norm(error) / np.linalg.norm(exact))


def analyse(full, done):
    """Both trainings: a report, and curves to draw."""
    problem = make_problem()
    t, x = np.linspace(0.0, 1.0, 101)[1:], np.linspace(-1.0, 1.0, 201)
    points = np.stack(np.meshgrid(t, x, indexing="ij"), axis=-1)
    exact = truth(points.reshape(-1, 2)).reshape(points.shape[:2])
    sol, seconds = solve(problem, num_steps=300 if full else 80)
    done("Levenberg-Marquardt")
    plain, plain_seconds = solve(problem, num_steps=20_000 if full else 500, block=250, optimizer=optax.adam(3e-3))
    done("Adam")
    found = np.asarray(sol(jnp.asarray(points)))
    report = {
        "relative_error": relative(found - exact, exact),
        "estimated_relative_error": float(sol.error_estimate),
        "status": sj.pinn.PINNStatus(int(sol.status)).name,
        "steps": len(sol.history["loss"]),
        "weights": sol.stats["num_weights"],
        "seconds": seconds,
        "adam": {
            "relative_error": relative(np.asarray(plain(jnp.asarray(points))) - exact, exact),
            "steps": len(plain.history["loss"]),
            "seconds": plain_seconds,
        },
    }
    curves = {
        "t": t, "x": x, "found": found, "exact": exact, "losses": {"Levenberg-Marquardt": sol.history["loss"],
        "Adam": plain.history["loss"]}, "estimated_error": np.asarray(sol.error(jnp.asarray(points))),
    }  # fmt: skip
    return report, curves


def summarise(report):
    """Print the findings."""
    adam = report["adam"]
    print(
        f"Relative error {report['relative_error']:.1e}, estimated {report['estimated_relative_error']:.1e}: "
        f"{report['steps']} steps with {report['weights']} weights in {report['seconds']:.0f} s"
    )
    print(f"Adam: relative error {adam['relative_error']:.1e} after {adam['steps']} steps in {adam['seconds']:.0f} s")


def main():
    """Run the analysis; print it, and write burgers_pinn.json and burgers_pinn.png."""
    about, full = "Solve Burgers' equation by a network.", "300 steps, and 20,000 of Adam"
    run_example("burgers_pinn", about, analyse, summarise, full=full, packages=(optax,))


if __name__ == "__main__":
    main()
