"""Lynx and hare: what the Hudson's Bay Company's pelts say about rates of birth and death, and how surely.

    python examples/lynx_hare_posterior.py [--output DIR] [--full]

Lotka-Volterra through 21 years of pelts, with the priors of posteriordb's hudson_lynx_hare and lognormal noise of
unknown size: eight parameters. Method: the no-U-turn sampler, `sj.inference.nuts`, four chains as one batch, with
`Tsit5` inside the density. Performance technique: the gradient is taken in reverse, one sweep back over the steps of
the solve; measured against forward mode, eight tangents beside the solve, for a batch of four chains. Application:
bands of what would be measured, and the posterior means beside the published ones. What is printed also goes to
lynx_hare_posterior.json, the picture to lynx_hare_posterior.png.
"""

import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
from _frame import best_of, run_example

import sciml_jax as sj
from sciml_jax.zoo import lynx_hare

NAMES = (
    *("birth of hares", "hares eaten per lynx", "death of lynxes", "lynxes born per hare"),
    *("hares in 1900", "lynxes in 1900", "noise of hares", "noise of lynxes"),
)
PUBLISHED = np.array([0.546864, 0.0277473, 0.800095, 0.0240859, 34.0352, 5.93590, 0.248057, 0.251017])
PELTS = lynx_hare()
DATA = np.stack([PELTS.hare, PELTS.lynx], axis=1)


def field(t, z, theta):
    """Hares and lynxes, in thousands of pelts, by year."""
    return jnp.stack([(theta[0] - theta[1] * z[1]) * z[0], (-theta[2] + theta[3] * z[0]) * z[1]])


def predict(p, times=None):
    """Both species at some years after 1900."""
    times = jnp.arange(21.0) if times is None else times
    problem = sj.ODEProblem(field, p["z0"], 0.0, 20.0, p["theta"])
    return sj.solve(problem, sj.Tsit5(), saveat=times, max_steps=512, on_failure="return").ys


def make_posterior(gradient="auto"):
    """Priors and pelts."""
    centre, width = jnp.array([1.0, 0.05, 1.0, 0.05]), jnp.array([0.5, 0.05, 0.5, 0.05])
    priors = {
        "theta": dist.TruncatedNormal(centre, width, low=0.0),
        "z0": dist.LogNormal(jnp.log(10.0) * jnp.ones(2), 1.0),
        "sigma": dist.LogNormal(-1.0 * jnp.ones(2), 1.0),
    }
    likelihood = sj.inference.lognormal(predict, DATA, scale=lambda p: p["sigma"])
    return sj.inference.posterior(priors, likelihood, gradient=gradient)


def gradient_seconds(draws):
    """Seconds of a batch of four gradients, forwards and in reverse, and how far both are apart."""
    points = draws.positions[:, -1]
    values, seconds = {}, {}
    for mode in ("forward", "reverse"):
        run = jax.jit(jax.vmap(jax.grad(make_posterior(mode).log_density)))
        values[mode] = run(points)
        seconds[mode] = best_of(lambda run=run: run(points), 10)
    apart = np.max(np.abs(values["forward"] - values["reverse"])) / np.max(np.abs(values["reverse"]))
    return seconds | {"apart": float(apart)}


def analyse(full, done):
    """Draw, measure: a report, and curves."""
    warmup, samples = (500, 1000) if full else (300, 300)
    draws = sj.inference.nuts(make_posterior(), num_warmup=warmup, num_samples=samples, key=0, progress=False)
    done("sampling")
    flat = lambda tree: np.concatenate([np.ravel(tree[name]) for name in ("theta", "z0", "sigma")])
    mean, error, rhat = (flat(tree) for tree in (draws.mean(), draws.mcse(), draws.rhat()))
    times = np.linspace(0.0, 20.0, 201)
    again = draws.predictive(key=1, num=400)
    paths = draws.predictive(fn=lambda p: predict(p, jnp.asarray(times)), num=400)
    inside = np.mean(np.abs(np.mean(np.asarray(again) < DATA, axis=0) - 0.5) < 0.45)
    done("predictions")
    seconds = gradient_seconds(draws)
    done("gradients")
    report = {
        "estimates": {
            name: {"mean": m, "mcse": e, "published": p, "rhat": r}
            for name, m, e, p, r in zip(NAMES, mean.tolist(), error.tolist(), PUBLISHED.tolist(), rhat.tolist())
        },
        "divergences": int(np.sum(draws.stats["diverging"])),
        "gradients_per_draw": float(np.mean(draws.stats["n_steps"])),
        "inside_90_percent": float(inside),
        "gradient_seconds": seconds,
    }
    return report, {"years": 1900 + times, "paths": np.asarray(paths), "again": np.asarray(again), "draws": draws}


def summarise(report):
    """Print the findings."""
    for name, row in report["estimates"].items():
        print(f"{name:22s} {row['mean']:9.4f} +- {row['mcse']:.4f}  published {row['published']:9.4f}")
    s = report["gradient_seconds"]
    print(f"{report['divergences']} divergences, {report['gradients_per_draw']:.1f} gradients a draw")
    print(f"{100 * report['inside_90_percent']:.0f} % of the measurements inside the 90 % bands")
    print(f"Four gradients: {1e3 * s['forward']:.2f} ms forwards, {1e3 * s['reverse']:.2f} ms in reverse")


def main():
    """Run the analysis; print it, and write lynx_hare_posterior.json and lynx_hare_posterior.png."""
    run_example("lynx_hare_posterior", "Lynx and hare.", analyse, summarise, full="500 + 1000 transitions")


if __name__ == "__main__":
    main()
