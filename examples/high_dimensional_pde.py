"""A nonlinear equation in 1,000 dimensions by a network and random directions.

    python examples/high_dimensional_pde.py [--output DIR] [--full]

Laplace u + sin u = g in the unit ball of 1,000 dimensions (100,000 with `--full`, for an accelerator), u = 0 on the
sphere: the sine-Gordon equation of a field with very many degrees of freedom, where no grid exists. Method: a network
times the distance to the sphere, trained on the residual at random points. What is fast: the Laplacian is estimated
from 4 random directions by Taylor mode (`sj.pinn.stochastic_laplacian`) instead of summed over all coordinates; a step
with each is timed. The exact solution, (1 - |x|^2) sum_i c_i sin(x_i + cos x_(i+1) + x_(i+1) cos x_i), and its exact
Laplacian make g. What is printed also goes to high_dimensional_pde.json, the picture to high_dimensional_pde.png.
"""

import time

import jax
import jax.numpy as jnp
import numpy as np
import optax
from _frame import best_of, run_example

import sciml_jax as sj

POINTS, SAMPLES = 32, 4
DIMENSIONS = (100, 1000)


def couplings(d):
    """The coefficients c of a solution."""
    return jax.random.normal(jax.random.key(0), (d - 1,))


def pairs(x, c):
    """The sum in the solution, and its Laplacian and slope along x, with every pair of neighbours on its own."""
    a, b = x[:-1], x[1:]
    inner = a + jnp.cos(b) + b * jnp.cos(a)
    by_a, by_b = 1 - b * jnp.sin(a), -jnp.sin(b) + jnp.cos(a)
    curvature = -b * jnp.cos(a) - jnp.cos(b)
    sine, cosine = jnp.sin(inner), jnp.cos(inner)
    laplacian = c * (cosine * curvature - sine * (by_a**2 + by_b**2))
    return jnp.sum(c * sine), jnp.sum(laplacian), jnp.sum(c * cosine * (by_a * a + by_b * b))


def exact(x, c):
    """The solution at a point."""
    return (1 - jnp.sum(x**2)) * pairs(x, c)[0]


def source(x, c):
    """g: by the product rule, the Laplacian of (1 - |x|^2) s is (1 - |x|^2) Lap s - 4 x . grad s - 2 d s."""
    total, laplacian, slope = pairs(x, c)
    rest = 1 - jnp.sum(x**2)
    return rest * laplacian - 4 * slope - 2 * x.shape[0] * total + jnp.sin(rest * total)


def draw(key, n, d):
    """Points of the ball with evenly distributed radii, as the authors of the estimator draw them."""
    key_side, key_radius = jax.random.split(key)
    side = jax.random.normal(key_side, (n, d))
    radius = jax.random.uniform(key_radius, (n, 1))
    return radius * side / jnp.linalg.norm(side, axis=1, keepdims=True)


def function(net, x):
    """The network times the distance to the sphere: zero on it exactly; scaled like sums of d terms."""
    return (1 - jnp.sum(x**2)) * jnp.sqrt(x.shape[0]) * net(x)[0]


def make_loss(d, laplacian):
    """Mean square of the residual over 2 d^(3/2), the size of the operator's leading part."""
    c = couplings(d)

    def loss(net, batch, key):
        key_points, key_directions = jax.random.split(key)
        points = draw(key_points, POINTS, d)

        def misfit(x, key):
            u = lambda x: function(net, x)
            return (laplacian(u, x, key) + jnp.sin(u(x)) - source(x, c)) / (2 * d**1.5)

        return jnp.mean(jax.vmap(misfit)(points, jax.random.split(key_directions, POINTS)) ** 2)

    return loss


def estimated(u, x, key):
    """The Laplacian from random coordinate axes."""
    return sj.pinn.stochastic_laplacian(u, x, key, num_samples=min(SAMPLES, x.shape[0]))


def summed(u, x, key):
    """The Laplacian over all coordinates, in one forward pass."""
    return sj.pinn.laplacian(u, x)


def make_network(d):
    """A perceptron; components of points are small, so that it starts nearly linear."""
    return sj.networks.MLP(d, 1, 64, 2, key=1)


def seconds_per_step(d):
    """Of a gradient with the estimated Laplacian and with the summed one."""
    net, key = make_network(d), jax.random.key(2)
    timed = {}
    for name, laplacian in (("estimated", estimated), ("summed", summed)):
        step = jax.jit(jax.grad(lambda net, key, loss=make_loss(d, laplacian): loss(net, None, key)))
        timed[name] = best_of(lambda step=step: jax.tree_util.tree_leaves(step(net, key)), rounds=2)
    return timed


def train(d, num_steps):
    """Adam with a falling rate: the network, losses and seconds."""
    optimizer = optax.adam(optax.cosine_decay_schedule(3e-3, num_steps))
    began = time.perf_counter()
    result = sj.training.run(
        make_loss(d, estimated), make_network(d), optimizer=optimizer, num_steps=num_steps, key=jax.random.key(3)
    )
    jax.block_until_ready(result.losses)
    return result.params, np.asarray(result.losses), time.perf_counter() - began


def analyse(full, done):
    """Times over the dimension, then the training: a report, and curves to draw."""
    d, num_steps = (100_000, 20_000) if full else (1000, 600)
    timed = {n: seconds_per_step(n) for n in DIMENSIONS}
    done("times")
    net, losses, seconds = train(d, num_steps)
    done("training")
    points, c = draw(jax.random.key(9), 1000, d), couplings(d)
    truth = np.asarray(jax.lax.map(lambda x: exact(x, c), points))
    found = np.asarray(jax.lax.map(lambda x: function(net, x), points))
    error = float(np.linalg.norm(found - truth) / np.linalg.norm(truth))
    report = {
        "dimensions": d, "relative_error": error, "steps": num_steps, "seconds_of_training": seconds,
        "milliseconds_per_step": {n: {k: 1e3 * v for k, v in t.items()} for n, t in timed.items()},
    }  # fmt: skip
    return report, {"losses": losses, "found": found, "truth": truth, "timed": timed}


def summarise(report):
    """Print the findings."""
    print(
        f"{report['dimensions']} dimensions: relative error {report['relative_error']:.1e} after {report['steps']} "
        f"steps in {report['seconds_of_training']:.0f} s"
    )
    for n, times in report["milliseconds_per_step"].items():
        print(f"  d = {n}: {times['estimated']:.1f} ms per step estimated, {times['summed']:.1f} ms summed")


def main():
    """Run the analysis; print it, and write high_dimensional_pde.json and high_dimensional_pde.png."""
    about, full = "Solve an equation in many dimensions.", "100,000 dimensions, for an accelerator"
    run_example("high_dimensional_pde", about, analyse, summarise, full=full, packages=(optax,))


if __name__ == "__main__":
    main()
