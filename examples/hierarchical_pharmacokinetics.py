"""Hierarchical pharmacokinetics: a population of patients, each with doses and blood samples at hours of its own.

    python examples/hierarchical_pharmacokinetics.py [--output DIR] [--full]

Tablets of a drug whose elimination saturates (Michaelis-Menten, as phenytoin's does). Every patient has its own
capacity of elimination and volume of distribution; both come from a population whose centre and spread are unknown.
Method: the no-U-turn sampler, `sj.inference.nuts`; the patients' priors are functions of the population's parameters;
doses are events, `sj.PresetTimes`, of a solve by `Tsit5`. Performance technique: patients and chains are one batch of
solves; measured against one patient after another. Application: what a population is like, how far
patients differ, and bands of a patient's concentration after few samples. The data are made here from known values.
What is printed also goes to hierarchical_pharmacokinetics.json, the picture to hierarchical_pharmacokinetics.png.
"""

import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
from _frame import best_of, run_example

import sciml_jax as sj

END = 72.0  # hours
HOURS = np.linspace(0.25, END, 145)  # of the bands
NAMES = ("capacity (mg/h)", "volume (l)")  # of every patient
TRUE = {
    "centre": np.log([20.0, 40.0]),
    "spread": np.array([0.25, 0.2]),
    "half": 5.0,  # mg/l in the blood at which elimination has half its capacity
    "absorption": 0.8,  # 1/h
    "sigma": 0.1,
}


# --- the model ---


def field(t, amounts, args):
    """Amounts (mg) in the gut and in the blood."""
    gut, blood = amounts
    capacity, volume = args["own"]
    concentration = blood / volume
    eliminated = capacity * concentration / (args["half"] + concentration)
    return jnp.stack([-args["absorption"] * gut, args["absorption"] * gut - eliminated])


def swallow(t, amounts, args):
    """A tablet arrives in the gut."""
    return amounts.at[0].add(args["dose"])


def concentration(own, shared, dose, tablets, times):
    """mg/l in the blood of one patient at some hours."""
    args = {"own": own, "dose": dose, **shared}
    problem = sj.ODEProblem(field, jnp.zeros(2), 0.0, END, args)
    options = {"rtol": 1e-4, "atol": 1e-3, "max_steps": 256, "on_failure": "return"}
    ys = sj.solve(problem, sj.Tsit5(), events=[sj.PresetTimes(tablets, swallow)], saveat=times, **options).ys
    return jnp.maximum(ys[:, 1] / own[1], 1e-3)  # of the size of the tolerance


def predict(p, study, times=None):
    """All patients at once: one batch of solves, each with its own doses and hours."""
    shared = {"half": p["half"], "absorption": p["absorption"]}
    if times is None:
        times, axis = study["hours"], 0
    else:
        times, axis = jnp.asarray(times), None
    over_patients = jax.vmap(concentration, in_axes=(0, None, 0, 0, axis))
    return over_patients(jnp.exp(p["own"]), shared, study["dose"], study["tablets"], times)


def predict_one_by_one(p, study):
    """The same by a loop over patients, each a solve of its own."""
    shared = {"half": p["half"], "absorption": p["absorption"]}
    rows = (jnp.exp(p["own"]), study["dose"], study["tablets"], study["hours"])
    return jax.lax.map(lambda row: concentration(row[0], shared, *row[1:]), rows)


# --- the study ---


def make_study(patients, samples=7):
    """Patients drawn from the population, their tablets (about every 12 hours), blood samples and noise."""
    rng = np.random.default_rng(4)
    own = TRUE["centre"] + TRUE["spread"] * rng.normal(size=(patients, 2))
    study = {
        "dose": jnp.asarray(rng.choice([150.0, 200.0, 250.0], patients)),
        "tablets": jnp.asarray(12.0 * np.arange(5) + rng.uniform(0.0, 2.0, (patients, 5))),
        "hours": jnp.asarray(np.sort(2.5 + rng.uniform(0.0, END - 2.5, (patients, samples)), axis=1)),
    }
    clean = np.asarray(predict(TRUE | {"own": jnp.asarray(own)}, study))
    return study, own, clean * np.exp(TRUE["sigma"] * rng.normal(size=clean.shape))


def make_posterior(study, measured, model=predict):
    """The population's priors, the patients' by functions of their parents, and lognormal noise of unknown size."""
    priors = {
        "centre": dist.Normal(jnp.log(jnp.array([30.0, 30.0])), 0.7),
        "spread": dist.HalfNormal(jnp.array([0.5, 0.5])),
        "half": dist.LogNormal(jnp.log(4.0), 0.5),
        "absorption": dist.LogNormal(0.0, 0.5),
        "sigma": dist.LogNormal(-2.0, 0.5),
        "own": lambda p: dist.Normal(p["centre"], p["spread"]).expand([len(measured), 2]),
    }
    likelihood = sj.inference.lognormal(lambda p: model(p, study), measured, scale=lambda p: p["sigma"])
    return sj.inference.posterior(priors, likelihood)


# --- what is fast ---


def density_seconds(study, measured, points):
    """Seconds of the log densities of all chains, patients in one batch or one by one; how far both are apart."""
    seconds, values = {}, {}
    for name, model in {"batch": predict, "one_by_one": predict_one_by_one}.items():
        run = jax.jit(jax.vmap(make_posterior(study, measured, model).log_density))
        values[name] = np.asarray(run(points))
        seconds[name] = best_of(lambda run=run: run(points), 10)
    apart = np.max(np.abs(values["one_by_one"] - values["batch"])) / np.max(np.abs(values["batch"]))
    return seconds | {"apart": float(apart)}


# --- the run ---


def population_rows(draws):
    """Every parameter of the population: true value, mean, 95 % interval, R-hat, and whether the interval has it."""
    samples, rhat = draws.flat(), draws.rhat()
    parts = {
        "centre": [f"median {name}" for name in NAMES],
        "spread": [f"spread of {name.split()[0]}" for name in NAMES],
        "half": ["half saturation (mg/l)"],
        "absorption": ["absorption (1/h)"],
        "sigma": ["noise"],
    }
    rows = {}
    for key, names in parts.items():
        values = np.asarray(samples[key]).reshape(len(samples[key]), -1)
        for i, name in enumerate(names):
            shown, true = values[:, i], np.ravel(TRUE[key])[i]
            if key == "centre":
                shown, true = np.exp(shown), np.exp(true)
            low, high = np.quantile(shown, [0.025, 0.975])
            row = {"true": float(true), "mean": float(shown.mean()), "sd": float(shown.std())}
            row |= {"low": float(low), "high": float(high), "inside": bool(low < true < high)}
            rows[name] = row | {"rhat": float(np.ravel(rhat[key])[i])}
    return rows


def analyse(full, done):
    """Draw, measure: a report, and curves."""
    patients, warmup, samples = (16, 500, 1000) if full else (8, 200, 200)
    study, own, measured = make_study(patients)
    done("study")
    post = make_posterior(study, measured)
    draws = sj.inference.nuts(post, num_warmup=warmup, num_samples=samples, max_tree_depth=6, key=0, progress=False)
    done("sampling")
    paths = draws.predictive(fn=lambda p: predict(p, study, HOURS), num=200)
    again = draws.predictive(key=1, num=400)
    low, high = np.quantile(again, [0.05, 0.95], axis=0)
    done("predictions")
    seconds = density_seconds(study, measured, draws.positions[:, -1])
    done("timings")
    found = np.asarray(draws.flat()["own"])
    report = {
        "patients": patients,
        "parameters": post.dim,
        "population": population_rows(draws),
        "patients_z": ((found.mean(0) - own) / found.std(0)).tolist(),
        "inside_90_percent": float(np.mean((low < measured) & (measured < high))),
        "divergences": int(np.sum(draws.stats["diverging"])),
        "failed": int(np.sum(draws.stats["failed"])),
        "gradients_per_draw": float(np.mean(draws.stats["n_steps"])),
        "least_ess": float(min(np.min(v) for v in draws.ess().values())),
        "density_seconds": seconds,
    }
    curves = {"hours": HOURS, "paths": np.asarray(paths), "measured": measured, "own": np.exp(own)}
    curves |= {"sampled": np.asarray(study["hours"]), "tablets": np.asarray(study["tablets"]), "found": np.exp(found)}
    return report, curves


def summarise(report):
    """Print the findings."""
    print(f"{'':28s}{'true':>9s}{'mean':>9s}   95 % interval")
    for name, r in report["population"].items():
        mark = "" if r["inside"] else "  (outside)"
        print(f"{name:28s}{r['true']:9.3f}{r['mean']:9.3f}   {r['low']:.3f} to {r['high']:.3f}{mark}")
    print(f"{100 * report['inside_90_percent']:.0f} % of the samples inside the 90 % bands of new samples")
    print(
        f"{report['parameters']} parameters: {report['divergences']} divergences, {report['gradients_per_draw']:.0f} "
        f"gradients a draw, least effective sample size {report['least_ess']:.0f}"
    )
    s = report["density_seconds"]
    print(
        f"Densities of four chains: {1e3 * s['batch']:.2f} ms in one batch, {1e3 * s['one_by_one']:.2f} ms patient by "
        f"patient ({s['one_by_one'] / s['batch']:.1f} times as long); they agree to {s['apart']:.0e}"
    )


def main():
    """Run the analysis; print it, and write hierarchical_pharmacokinetics.json and its picture."""
    about, full = "A hierarchical posterior of doses.", "16 patients, 500 + 1000 transitions"
    run_example("hierarchical_pharmacokinetics", about, analyse, summarise, full=full)


if __name__ == "__main__":
    main()
