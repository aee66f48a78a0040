"""Predator and prey whose meetings nobody modelled: a network learns the missing terms, and a regression reads them.

    python examples/missing_interaction.py [--output DIR] [--full]

Known: prey grow, predators die, both exponentially, with known rates. Unknown: what they do to each other. Data: 21
samples of both over five units of time, 0.5 % noise, made from the Lotka-Volterra equations with (1.3, 0.9, 0.8, 1.8)
(the scenario of Rackauckas et al., Universal differential equations for scientific machine learning, arXiv 2001.04385,
2020). Method: a universal differential equation, `sj.neural.Universal`, trained on short windows that each start at a
sample; sparse regression of the trained network on polynomials, `sj.estimation.recover_law`; the law that it finds,
fitted to the data by `sj.estimation.shooting`; and where all of them go in three times the time. What is fast: all
windows in one batched solve with its gradient against one window after another; measured. Application: finding the term
that a mechanistic model lacks. What is printed also goes to missing_interaction.json, the picture to
missing_interaction.png.
"""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
from _frame import best_of, run_example

import sciml_jax as sj
from sciml_jax import training

RATES = (1.3, 0.9, 0.8, 1.8)
START = (0.44249296, 4.6280594)
TRUE_TERMS = (("dx/dt", "x y", -0.9), ("dy/dt", "x y", 0.8))
NOISE = 0.005  # of the mean of each species
SAMPLED, END = 5.0, 15.0
WINDOW = 2  # samples that a window predicts


# --- the models ---


def truth(t, y, args):
    """Lotka and Volterra, whose second and third term are kept secret."""
    a, b, c, d = RATES
    return jnp.stack([a * y[0] - b * y[0] * y[1], c * y[0] * y[1] - d * y[1]])


def known(t, y, params):
    """What is known: growth and death."""
    return jnp.stack([RATES[0] * y[0], -RATES[3] * y[1]])


class Net(eqx.Module):
    """The missing terms: two layers of 16, with inputs and outputs in units of the data."""

    mlp: eqx.nn.MLP
    scale: tuple[float, ...] = eqx.field(static=True)

    def __call__(self, y):
        return 5.0 * self.mlp(y / jnp.asarray(self.scale))


def untrained(measured, key):
    """A universal differential equation that starts near the known terms alone."""
    mlp = eqx.nn.MLP(2, 2, 16, 2, activation=jnp.tanh, key=key)
    mlp = eqx.tree_at(lambda mlp: mlp.layers[-1].weight, mlp, 0.1 * mlp.layers[-1].weight)
    net = Net(mlp, tuple(float(m) for m in measured.mean(axis=0)))
    return sj.neural.Universal(known, net, method=sj.Tsit5(), rtol=1e-6, atol=1e-8)


def sample(key):
    """Times, and noisy samples of both species."""
    ts = jnp.arange(0.0, SAMPLED + 0.01, 0.25)
    exact = solve(truth, START, ts).ys
    return ts, exact + NOISE * exact.mean(axis=0) * jax.random.normal(key, exact.shape)


def solve(field, y0, ts):
    """The solution at some times, as good as exact."""
    return sj.solve(sj.ODEProblem(field, jnp.asarray(y0), 0.0, ts[-1]), sj.Tsit5(), saveat=ts, rtol=1e-8, atol=1e-10)


# --- training on windows ---


class WindowLoss(eqx.Module):
    """Mean squared error of short predictions, each from a sample, in units of the mean of each species."""

    ts: jax.Array
    ys: jax.Array

    def one(self, model, first):
        """The prediction of one window minus the samples."""
        rows = first + jnp.arange(WINDOW + 1)
        return (model(self.ys[first], self.ts[rows])[1:] - self.ys[rows[1:]]) / self.ys.mean(axis=0)

    def __call__(self, model, batch=None, key=None):
        starts = jnp.arange(self.ts.size - WINDOW)
        return jnp.mean(jax.vmap(lambda first: self.one(model, first))(starts) ** 2)


def train(model, loss, steps):
    """Adam with a learning rate that falls to zero."""
    optimizer = optax.adam(optax.cosine_decay_schedule(1e-2, steps))
    return training.fit(loss, model, optimizer=optimizer, num_steps=steps, progress=False)


def timings(model, loss):
    """Seconds for a loss with its gradient: all windows at once, and one after another."""
    together = eqx.filter_jit(eqx.filter_value_and_grad(loss.__call__))
    alone = eqx.filter_jit(eqx.filter_value_and_grad(lambda model, first: jnp.mean(loss.one(model, first) ** 2)))
    starts = jnp.arange(loss.ts.size - WINDOW)
    return {
        "windows": int(starts.size),
        "together": best_of(lambda: together(model)),
        "one_by_one": best_of(lambda: [alone(model, first) for first in starts], 5),
    }


# --- from the network to a law, and to its coefficients ---


def read_law(model, measured, ts, degree):
    """The sparse law of the network's output, along the trajectory that it was trained on."""
    states = model(measured[0], jnp.linspace(ts[0], ts[-1], 101))
    library = sj.estimation.polynomials(degree)
    return sj.estimation.recover_law(
        model.missing, states, library=library, threshold=0.2, outputs=("dx/dt missing", "dy/dt missing")
    )


def refit(law, measured, ts):
    """The coefficients of the law, from the data themselves."""
    terms, start = law.parametric()
    field = lambda t, y, params: known(t, y, None) + terms(t, y, params)
    problem = sj.ODEProblem(field, measured[0], ts[0], ts[-1], start)
    lower, upper = 0.8 * measured[0], 1.2 * measured[0]
    noise = NOISE * measured.mean(axis=0)
    data = sj.estimation.Data(ts, measured, noise=noise, unknown_y0=(lower, upper))
    return sj.estimation.shooting(problem, data=data, method=sj.Tsit5(), rtol=1e-8, atol=1e-10), field


def rows_of(law, fit):
    """Every coefficient: as read off the network, and as fitted to the data, beside the truth where there is one."""
    expected = {(left, term): value for left, term, value in TRUE_TERMS}
    fitted, errors = iter(np.asarray(fit.params)), iter(np.asarray(fit.standard_errors))
    rows = []
    for left, terms in law.as_dict().items():
        for term, value in terms.items():
            true = expected.get((left.split()[0], term))
            row = {"equation": left, "term": term, "true": true, "read": value, "fitted": float(next(fitted))}
            rows.append(row | {"standard_error": float(next(errors))})
    return rows


def analyse(full, done):
    """Data, network, law, fit and forecast: a report, and curves to draw."""
    ts, measured = sample(jax.random.key(0))
    loss, model = WindowLoss(ts, measured), untrained(measured, jax.random.key(1))
    done("data")
    result = train(model, loss, 6000 if full else 1500)
    model = result.params
    done("training of the network")
    law = read_law(model, measured, ts, 5 if full else 3)
    fit, field = refit(law, measured, ts)
    done("law and fit")
    rows = rows_of(law, fit)
    times = jnp.linspace(0.0, END, 601)
    exact = solve(truth, START, times).ys
    free = sj.ODEProblem(field, jax.tree.map(lambda leaf: leaf[0], fit.y0), 0.0, END, fit.params)
    fitted = sj.solve(free, sj.Tsit5(), saveat=times, rtol=1e-8, atol=1e-10).ys
    learned = model.solve(measured[0], times).ys
    beyond = np.asarray(times) > SAMPLED
    size = np.asarray(exact)[beyond].std(axis=0)
    error = lambda ys: float(np.sqrt(np.mean(((np.asarray(ys) - np.asarray(exact))[beyond] / size) ** 2)))
    done("forecast")
    report = {
        "law": list(law.equations()),
        "terms": rows,
        "exact_support": {(r["equation"].split()[0], r["term"]) for r in rows} == {t[:2] for t in TRUE_TERMS},
        "loss": [float(result.losses[0]), float(result.losses[-1])],
        "fit_status": fit.status.name,
        "forecast_error": {"network": error(learned), "law": error(fitted)},
        "seconds_per_gradient": timings(model, loss),
    }
    done("timings")
    states = model(measured[0], jnp.linspace(0.0, SAMPLED, 201))
    curves = {
        "ts": ts,
        "measured": measured,
        "times": times,
        "exact": exact,
        "learned": learned,
        "fitted": fitted,
        "product": states[:, 0] * states[:, 1],
        "network": jax.vmap(model.missing)(states),
        "losses": result.losses,
    }
    return report, curves


def summarise(report):
    """Print the findings."""
    print("Read off the network:", "; ".join(report["law"]))
    print(f"{'':20s}{'true':>8s}{'read':>10s}{'fitted':>10s}{'std. error':>12s}")
    for r in report["terms"]:
        true = "-" if r["true"] is None else f"{r['true']:.3f}"
        name = f"{r['equation'].split()[0]}: {r['term']}"
        print(f"{name:20s}{true:>8s}{r['read']:10.4f}{r['fitted']:10.4f}{r['standard_error']:12.4f}")
    error = report["forecast_error"]
    print(
        f"Forecast from t = {SAMPLED:g} to {END:g}, error relative to the spread: law {error['law']:.1e}, "
        f"network {error['network']:.1e}"
    )
    t = report["seconds_per_gradient"]
    print(
        f"{t['windows']} windows with gradient in one batch: {1e3 * t['together']:.2f} ms; one after another "
        f"{1e3 * t['one_by_one']:.2f} ms ({t['one_by_one'] / t['together']:.1f} times as long)"
    )


def main():
    """Run the analysis; print it, and write missing_interaction.json and missing_interaction.png."""
    about, full = "Learn and read the interaction that a model lacks.", "6,000 steps, candidates up to degree 5"
    run_example("missing_interaction", about, analyse, summarise, full=full, packages=(eqx, optax))


if __name__ == "__main__":
    main()
