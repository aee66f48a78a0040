"""Neural CDE: does a spiral turn left or right, from noisy points at irregular times of which 40 % are missing?

    python examples/spiral_classes.py [--output DIR] [--full]

Data: spirals that shrink while they turn, one way or the other, at 30 random times each; of each coordinate 40 % of the
values are missing, and a third of the series end early (padded). Model: `sj.neural.NeuralCDE`, a hidden state driven by
the path through the data, time and counts of observations among its channels; it reads out at every observation how
sure it is. Trained by
`training.fit` with Adam on minibatches. What is fast: straight lines between the observations, on which the solver
stops, against a smooth path, `BackwardHermite`, which noise at irregular times makes rough; both are measured. What is
printed also goes to spiral_classes.json, the picture to spiral_classes.png.
"""

import equinox as eqx
import jax
import jax.numpy as jnp
import optax
from _frame import best_of, run_example

import sciml_jax as sj
from sciml_jax import training

TIMES, MISSING, NOISE, HIDDEN, BATCH = 30, 0.4, 0.05, 8, 32
TRAIN, TEST = 256, 256


# --- data ---


def one_spiral(key):
    """Times (T,), points (T, 2) with NaN, and 1 for a spiral that turns left."""
    keys = jax.random.split(key, 7)
    left = jax.random.bernoulli(keys[0])
    ts = jnp.sort(jax.random.uniform(keys[1], (TIMES,), minval=0.0, maxval=2.0))
    speed = jax.random.uniform(keys[2], minval=1.5, maxval=3.0) * jnp.where(left, 1.0, -1.0)
    angle = jax.random.uniform(keys[3], maxval=2 * jnp.pi) + speed * ts
    points = jnp.exp(-0.4 * ts)[:, None] * jnp.stack([jnp.cos(angle), jnp.sin(angle)], axis=1)
    points = points + NOISE * jax.random.normal(keys[4], points.shape)
    missing = jax.random.bernoulli(keys[5], MISSING, points.shape)
    # Where a series ends early its last time is repeated and nothing more is seen.
    length = jnp.maximum(TIMES * jnp.minimum(1.0, jax.random.uniform(keys[6], minval=0.5, maxval=1.25)), 10).astype(int)
    late = jnp.arange(TIMES) >= length
    ts = jnp.where(late, ts[length - 1], ts)
    return ts, jnp.where(missing | late[:, None], jnp.nan, points), left.astype(float)


def make_data(count, seed):
    """A dict of series."""
    ts, xs, left = jax.vmap(one_spiral)(jax.random.split(jax.random.key(seed), count))
    return {"ts": ts, "xs": xs, "left": left}


# --- the model ---


def make_model():
    """A CDE with 8 hidden numbers and 5 channels: time, two coordinates, two counts."""
    keys = jax.random.split(jax.random.key(1), 3)
    field = eqx.nn.MLP(HIDDEN, HIDDEN * 5, 32, 1, activation=jnp.tanh, final_activation=jnp.tanh, key=keys[0])
    # Small at first: the counts go up to thirty.
    field = eqx.tree_at(lambda f: f.layers[-1].weight, field, 0.3 * field.layers[-1].weight)
    readout = eqx.nn.Linear(HIDDEN, "scalar", key=keys[2])
    return sj.neural.NeuralCDE(
        field, eqx.nn.Linear(5, HIDDEN, key=keys[1]), readout, count_channels=True, evolving=True,
        rtol=1e-3, atol=1e-4, max_steps=512,
    )  # fmt: skip


def loss_fn(model, batch, key):
    """Cross entropy of the answer at the end."""
    logits = jax.vmap(model)(batch["ts"], batch["xs"])[:, -1]
    return jnp.mean(optax.sigmoid_binary_cross_entropy(logits, batch["left"]))


def accuracy(logits, left):
    """The share of right answers at every observation."""
    return jnp.mean((logits > 0) == (left[:, None] > 0.5), axis=0)


# --- what is fast ---


def paths(model, data):
    """Steps per series and seconds for the gradient of a batch, by kind of path."""
    batch = jax.tree_util.tree_map(lambda leaf: leaf[:BATCH], data)
    gradient = eqx.filter_jit(eqx.filter_grad(lambda m: loss_fn(m, batch, None)))
    found = {}
    for name, path in (("linear", sj.neural.LinearPath()), ("hermite", sj.neural.BackwardHermite())):
        variant = eqx.tree_at(lambda m: m.path, model, path)
        steps = jax.vmap(lambda ts, xs, m=variant: m.solve(ts, xs).stats.num_steps)(batch["ts"], batch["xs"])
        found[name] = {"steps": float(jnp.mean(steps)), "seconds": best_of(lambda m=variant: gradient(m), 3)}
    return found


# --- the run ---


def analyse(full, done):
    """Data, training, paths: a report, and curves to draw."""
    data, test = make_data(TRAIN, 0), make_data(TEST, 1)
    batches = training.minibatches(data, BATCH, key=2)
    result = training.fit(
        loss_fn, make_model(), optimizer=optax.adam(1e-2), num_steps=600 if full else 120,
        batches=batches, progress=False,
    )  # fmt: skip
    done("training")
    model = result.params
    logits = jax.jit(jax.vmap(model))(test["ts"], test["xs"])
    right = accuracy(logits, test["left"])
    report = {
        "steps": int(result.num_steps), "last_loss": float(result.losses[-10:].mean()),
        "accuracy": float(right[-1]), "accuracy_after_10_points": float(right[9]),
        "missing": float(jnp.mean(jnp.isnan(test["xs"]))), "paths": paths(model, data),
    }  # fmt: skip
    done("test and timings")
    curves = {"test": test, "probabilities": jax.nn.sigmoid(logits), "accuracy": right, "result": result}
    return report, curves


def summarise(report):
    """Print the findings."""
    print(
        f"Right answers on {TEST} new series ({report['missing']:.0%} of the values missing): "
        f"{report['accuracy']:.1%}; after 10 of {TIMES} times {report['accuracy_after_10_points']:.1%}"
    )
    for name, found in report["paths"].items():
        print(f"{name}: {found['steps']:.0f} steps per series, {1e3 * found['seconds']:.1f} ms per gradient of a batch")


def main():
    """Run the analysis; print it, and write spiral_classes.json and spiral_classes.png."""
    about, full = "Classify irregular time series by a neural CDE.", "five times the steps"
    run_example("spiral_classes", about, analyse, summarise, full=full, packages=(eqx, optax))


if __name__ == "__main__":
    main()
