"""Neural SDE: the force and the noise of a particle between two wells, from where many particles are at a few times.

    python examples/bistable.py [--output DIR] [--full]

Data: positions of 1,000 particles at each of six times; no particle is followed from one time to the next, so there are
no trajectories, only distributions. Truth: dx = (x - x^3 + 0.2) dt + 0.5 dW from x = -0.6. Model: `sj.neural.NeuralSDE`
with a network as the drift and a trained constant as the noise, solved by `SRA1` under `vmap` over keys. Loss: the
squared Wasserstein distance at every time, which in one dimension is the distance of sorted samples, in units of the
spread. Application: free energies and noise levels from snapshots, as single-cell measurements give them. What is fast:
a method for additive noise of weak order 2, which takes a fifth of the steps of `EulerMaruyama`; both are measured.
What is printed also goes to bistable.json, the picture to bistable.png.
"""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
from _frame import best_of, run_example

import sciml_jax as sj
from sciml_jax import training

TIMES = jnp.array([0.0, 0.25, 0.5, 1.0, 2.0, 4.0, 6.0])
TRUE_NOISE, START = 0.5, -0.6
STEP, SMALL_STEP = 0.125, 0.025
PARTICLES, PATHS = 1000, 128


def true_drift(x):
    """The force."""
    return x - x**3 + 0.2


class Noise(eqx.Module):
    """A constant of any sign whose square counts."""

    log_size: jax.Array

    def __call__(self, y):
        return jnp.exp(self.log_size)


OPTIONS = {"noise": "additive", "method": sj.SRA1(), "controller": sj.FixedStep(), "dt0": STEP, "max_steps": 256}
PRECISE = OPTIONS | {"method": sj.EulerMaruyama(), "dt0": SMALL_STEP}


def positions(model, keys):
    """Where paths are at the times after the start, (paths, T)."""
    return jax.vmap(lambda key: model(jnp.array([START]), TIMES, key=key)[1:, 0])(keys)


def make_data():
    """Snapshots (particles, T); every time has particles of its own."""
    model = sj.neural.NeuralSDE(true_drift, lambda y: jnp.full(1, TRUE_NOISE), **PRECISE)
    count = len(TIMES) - 1
    paths = positions(model, jax.random.split(jax.random.key(0), count * PARTICLES))
    return jnp.stack([paths[i * PARTICLES : (i + 1) * PARTICLES, i] for i in range(count)], axis=1)


def make_model():
    """A network 1-32-1 for the force, and a noise that is twice too large."""
    net = eqx.nn.MLP(1, 1, 32, 1, activation=jnp.tanh, key=jax.random.key(1))
    return sj.neural.NeuralSDE(net, Noise(jnp.log(jnp.array([2 * TRUE_NOISE]))), **OPTIONS)


class SnapshotLoss(eqx.Module):
    """The mean over the times of the squared Wasserstein distance to the data."""

    quantiles: jax.Array

    def __call__(self, model, batch, key):
        found = jnp.sort(positions(model, jax.random.split(key, self.quantiles.shape[0])), axis=0)
        return jnp.mean((found - self.quantiles) ** 2 / jnp.var(self.quantiles, axis=0))


def make_loss(data):
    """The loss for the data, reduced to as many quantiles as there are paths."""
    levels = (jnp.arange(PATHS) + 0.5) / PATHS
    return SnapshotLoss(jnp.quantile(data, levels, axis=0))


# --- what is fast ---


def timings(model, loss):
    """For the method trained with and for `EulerMaruyama`: steps, seconds per gradient, and the mean that both find."""
    small = sj.neural.NeuralSDE(model.drift.net, model.diffusion.net, **PRECISE)
    gradient = eqx.filter_jit(eqx.filter_grad(loss))
    key, found = jax.random.key(9), {}
    for name, variant in (("SRA1", model), ("EulerMaruyama", small)):
        solution = variant.solve(jnp.array([START]), TIMES, key=0)
        mean = jnp.mean(positions(variant, jax.random.split(key, PARTICLES))[:, -1])
        seconds = best_of(lambda variant=variant: gradient(variant, None, key), 3)
        found[name] = {"steps": int(solution.stats.num_steps), "seconds": seconds, "mean_at_the_end": float(mean)}
    return found


# --- the run ---


def analyse(full, done):
    """Data, training, timings: a report, and curves to draw."""
    data = make_data()
    steps = 3000 if full else 600
    optimizer = optax.adam(optax.cosine_decay_schedule(3e-2, steps, alpha=0.02))
    loss = make_loss(data)
    result = training.fit(loss, make_model(), optimizer=optimizer, num_steps=steps, key=3, progress=False)
    done("training")
    model = result.params
    fresh = positions(model, jax.random.split(jax.random.key(4), PARTICLES))
    noise = float(model.diffusion.net(None)[0])
    grid = jnp.linspace(-1.6, 1.8, 69)
    learned = jax.vmap(lambda x: model.drift.net(x[None])[0])(grid)
    # Where the particles are: elsewhere nothing is known.
    inside = (grid > jnp.quantile(data, 0.02)) & (grid < jnp.quantile(data, 0.98))
    error = jnp.sqrt(jnp.mean(jnp.where(inside, learned - true_drift(grid), 0.0) ** 2) / jnp.mean(inside))
    distances = jnp.mean(jnp.abs(jnp.sort(fresh, axis=0) - jnp.sort(data, axis=0)), axis=0)
    report = {
        "steps": steps, "noise": noise, "true_noise": TRUE_NOISE, "drift_error": float(error),
        "wasserstein": [float(d) for d in distances],
        "right_well_at_the_end": {"data": float(jnp.mean(data[:, -1] > 0)), "model": float(jnp.mean(fresh[:, -1] > 0))},
        "methods": timings(model, loss),
    }  # fmt: skip
    done("test and timings")
    curves = {
        "data": np.asarray(data), "model": np.asarray(fresh), "grid": grid, "learned": learned,
        "true": true_drift(grid), "inside": inside, "result": result, "times": np.asarray(TIMES[1:]),
    }  # fmt: skip
    return report, curves


def summarise(report):
    """Print the findings."""
    print(f"Noise: {report['noise']:.3f} (true {report['true_noise']}), started from twice the truth")
    print(f"Force: root mean square error {report['drift_error']:.3f} where 96 % of the particles are")
    share = report["right_well_at_the_end"]
    print(f"Particles in the right well at the end: {share['data']:.1%} in the data, {share['model']:.1%} in the model")
    for name, found in report["methods"].items():
        print(
            f"{name}: {found['steps']} steps a path, {1e3 * found['seconds']:.0f} ms per gradient of {PATHS} paths, "
            f"mean position at the end {found['mean_at_the_end']:.3f}"
        )


def main():
    """Run the analysis; print it, and write bistable.json and bistable.png."""
    about, full = "Fit a neural SDE to snapshots of a distribution.", "five times the steps"
    run_example("bistable", about, analyse, summarise, full=full, packages=(eqx, optax))


if __name__ == "__main__":
    main()
