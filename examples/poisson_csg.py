"""Heat around pipes: Laplace's equation on domains made by cutting discs out.

    python examples/poisson_csg.py [--output DIR] [--full]

A pipe of temperature 1 lies off-centre in a round duct of temperature 0; with
`--full` two pipes in a square one. Method:
`sj.pinn.ExactBoundary`, a network times the distance functions of the pieces of the boundary, which has the
temperatures of the walls exactly; compared with walls that are trained. The domains are `disc - pipe` and
`square - pipe - pipe`. What is fast: with exact walls the equations are those of the inside alone: the error after the
same number of Levenberg-Marquardt steps is compared. Application: heat lost by the pipe, against the exact
2 pi / arccosh((R^2 + r^2 - e^2) / (2 R r)). What is printed also goes to poisson_csg.json, the picture to
poisson_csg.png.
"""

import time
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from _frame import run_example

import sciml_jax as sj

PIPE, SHIFT = 0.25, 0.45
DUCT = sj.pinn.Ball((0.0, 0.0), 1.0)
INNER = sj.pinn.Ball((SHIFT, 0.0), PIPE)
ROUND = DUCT - INNER
BOX = sj.pinn.Box({"x": (-1.0, 1.0), "y": (-1.0, 1.0)})
HOT, WARM = sj.pinn.Ball((-0.4, -0.35), 0.2), sj.pinn.Ball((0.45, 0.3), 0.25)
SQUARE = BOX - HOT - WARM


def laplace(domain, conditions=()):
    """No heat is made inside."""

    def residual(u, z, params):
        u_xx, u_yy = domain.partials(u, z, "xx", "yy")
        return u_xx + u_yy

    return sj.pinn.PDEProblem(domain, residual, conditions)


def truth(points):
    """The temperature in the round duct: two mirror points make circles of constant ratio of distances."""
    total = (1 + SHIFT**2 - PIPE**2) / SHIFT
    root = np.sqrt(total**2 - 4)
    mirrors = (total - root) / 2, (total + root) / 2
    ratio = lambda x, y: np.log(np.hypot(x - mirrors[0], y) / np.hypot(x - mirrors[1], y))
    wall, pipe = ratio(1.0, 0.0), ratio(SHIFT + PIPE, 0.0)
    return (ratio(points[..., 0], points[..., 1]) - wall) / (pipe - wall)


def timed(problem, **options):
    """The solution and the seconds that it took."""
    began = time.perf_counter()
    sol: Any = sj.solve(problem, sj.pinn.PINN(**options), key=0)
    jax.block_until_ready(sol.vector)
    return sol, time.perf_counter() - began


def make_network():
    """A perceptron whose first layer turns at places all over the domain, as that of `sj.pinn.PINN` does."""
    net = sj.networks.MLP(2, 1, 16, 2, key=0)
    places = jax.random.uniform(jax.random.key(1), (16,), minval=-1.0, maxval=1.0)
    return eqx.tree_at(lambda net: net.hidden[0].bias, net, places)


def heat_loss(sol, circle):
    """The flux through a circle around the pipe, by the mean of evenly spaced slopes."""
    angle = np.linspace(0.0, 2 * np.pi, 400, endpoint=False)
    normals = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    slopes = np.sum(np.asarray(sol.gradient(circle.centre + circle.radius * normals)) * normals, axis=1)
    return float(-slopes.mean() * 2 * np.pi * circle.radius)


def analyse(full, done):
    """The round duct both ways, then the square one: a report, and curves to draw."""
    options = {"num_points": 1500 if full else 500, "num_steps": 300 if full else 120, "block": 40}
    walls = sj.pinn.ExactBoundary(make_network(), ROUND, [(DUCT, 0.0), (INNER, 1.0)])
    exact, exact_seconds = timed(laplace(ROUND), network=walls, **options)
    done("exact walls")
    conditions = [sj.pinn.Dirichlet(DUCT, 0.0), sj.pinn.Dirichlet(INNER, 1.0)]
    trained, trained_seconds = timed(laplace(ROUND, conditions), width=16, depth=2, **options)
    done("trained walls")
    square = square_duct(options) if full else None
    done("square duct")
    points = ROUND.interior(jax.random.key(5), 2000)
    expected = truth(np.asarray(points))
    relative = lambda sol: float(np.linalg.norm(np.asarray(sol(points)) - expected) / np.linalg.norm(expected))
    loss = 2 * np.pi / np.arccosh((1 + PIPE**2 - SHIFT**2) / (2 * PIPE))
    report = {
        "exact_walls": {
            "relative_error": relative(exact), "estimated": float(exact.error_estimate), "seconds": exact_seconds,
            "heat_loss": heat_loss(exact, DUCT),
        },
        "trained_walls": {
            "relative_error": relative(trained), "estimated": float(trained.error_estimate),
            "seconds": trained_seconds, "heat_loss": heat_loss(trained, DUCT),
        },
        "heat_loss": float(loss),
    }  # fmt: skip
    if square is not None:
        report["square"] = {
            "estimated": float(square.error_estimate), "loss_of_hot": heat_loss(square, HOT),
            "loss_of_warm": heat_loss(square, WARM),
        }  # fmt: skip
    return report, panels(exact, trained, square)


def square_duct(options):
    """Two pipes in a square duct."""
    sides = lambda z: (1 - z[0] ** 2) * (1 - z[1] ** 2)
    walls = sj.pinn.ExactBoundary(make_network(), SQUARE, [(sides, 0.0), (HOT, 1.0), (WARM, 0.5)])
    return timed(laplace(SQUARE), network=walls, **options)[0]


def panels(exact, trained, square):
    """Temperatures and errors on grids, empty outside of the domains."""
    x = np.linspace(-1.0, 1.0, 161)
    grid = np.stack(np.meshgrid(x, x, indexing="xy"), axis=-1)
    within = lambda domain, values: np.where(np.asarray(domain.contains(jnp.asarray(grid))), values, np.nan)
    values = {name: np.asarray(sol(grid)) for name, sol in (("exact", exact), ("trained", trained))}
    return {
        "x": x,
        "temperature": within(ROUND, values["exact"]),
        "exact_error": within(ROUND, np.abs(values["exact"] - truth(grid))),
        "trained_error": within(ROUND, np.abs(values["trained"] - truth(grid))),
        "square": None if square is None else within(SQUARE, np.asarray(square(grid))),
    }


def summarise(report):
    """Print the findings."""
    for name, words in (("exact_walls", "Exact walls"), ("trained_walls", "Trained walls")):
        row = report[name]
        print(
            f"{words}: relative error {row['relative_error']:.1e} (estimated {row['estimated']:.1e}), heat loss "
            f"{row['heat_loss']:.5f} (exact {report['heat_loss']:.5f}) in {row['seconds']:.1f} s"
        )
    square = report.get("square")
    if square is None:
        return
    print(
        f"Square duct: the hot pipe loses {square['loss_of_hot']:.4f}, the warm one {square['loss_of_warm']:.4f}; "
        f"estimated error {square['estimated']:.1e}"
    )


def main():
    """Run the analysis; print it, and write poisson_csg.json and poisson_csg.png."""
    about, full = "Solve Laplace's equation around pipes.", "a square duct too, 1,500 points and 300 steps"
    run_example("poisson_csg", about, analyse, summarise, full=full)


if __name__ == "__main__":
    main()
