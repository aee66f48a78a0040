"""An epidemic that comes back when immunity runs out: how long it lasts, from samples of waste water.

    python examples/delayed_epidemic.py [--output DIR] [--full]

Whoever has recovered is susceptible again a fixed time later: a lag, which makes the waves return undamped. Model: SIRS
with temporary immunity (Hethcote, Stech & van den Driessche, SIAM J. Appl. Math. 40, 1981, 1-9) and imported cases, as
a delay equation solved by `Tsit5`; steps end on the breaking points of the lag, which move with it, so that derivatives
by the lag are exact. Fitted by Levenberg-Marquardt (SciPy's, with our Jacobian) to two years of weekly samples, made
here from known values with 20 % noise, from the best of some hundred sets of rates; standard errors from the
Gauss-Newton Hessian, a forecast of the third year from draws around the estimate. Beside it the usual model without a
lag, in which immunity ends at a constant rate. What is fast: all sets of rates under `vmap` against one after another;
measured, and what the Jacobian of the fit costs in solves. What is printed also goes to delayed_epidemic.json, the
picture to delayed_epidemic.png.
"""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import scipy.optimize
import scipy.stats
from _frame import best_of, run_example

import sciml_jax as sj

NAMES = ("reproduction number", "infectious (days)", "imported per day", "signal per patient", "immunity (days)")
TRUTH = np.array([1.9, 6.0, 3.0, 0.05, 150.0])
PEOPLE = 100_000.0
WEEK = 7.0
FITTED, SHOWN = 104, 156  # weeks of data, weeks of the picture
NOISE = 0.2
OPTIONS = {"rtol": 1e-6, "atol": 1e-3, "max_steps": 1024}


# --- the models ---


def infections(susceptible, infectious, rates):
    """New infections per day."""
    return rates[0] / rates[1] * susceptible * infectious / PEOPLE + rates[2]


def delayed(t, y, past, rates):
    """Susceptible and infectious people; who recovered `rates[4]` days ago is susceptible again."""
    new, well, again = infections(y[0], y[1], rates), y[1] / rates[1], past(t - rates[4])[1] / rates[1]
    return jnp.stack([again - new, new - well])


def memoryless(t, y, rates):
    """The same with a third group, the immune, of whom as many lose their immunity per day as if it were memoryless."""
    new, well, again = infections(y[0], y[1], rates), y[1] / rates[1], y[2] / rates[4]
    return jnp.stack([again - new, new - well, well - again])


def healthy(t):
    """The population before the first day, on which the first case is imported."""
    return jnp.array([PEOPLE, 0.0])


def simulate(rates, has_lag=True):
    """Three years from the first imported case, at the end of every week."""
    ts, end = WEEK * jnp.arange(1, SHOWN + 1), WEEK * SHOWN
    if has_lag:
        problem = sj.DDEProblem(delayed, healthy, 0.0, end, rates, lags=(rates[4],))
    else:
        problem = sj.ODEProblem(memoryless, jnp.array([PEOPLE, 0.0, 0.0]), 0.0, end, rates)
    return sj.solve(problem, sj.Tsit5(), saveat=ts, **OPTIONS)


def signal(rates, has_lag=True):
    """What the waste water is expected to show."""
    return rates[3] * simulate(rates, has_lag).ys[:, 1]


# --- the fit ---


def residuals_of(measured, curve):
    """Logarithms of the samples of the first two years against expected ones, in standard errors."""

    def residuals(theta):
        return (jnp.log(curve(jnp.exp(theta))[:FITTED]) - jnp.log(measured[:FITTED])) / NOISE

    return residuals


def spread_out(number):
    """Sets of rates all over what is plausible."""
    low, high = np.log([1.3, 3.0, 0.5, 0.01, 100.0]), np.log([2.6, 10.0, 8.0, 0.2, 220.0])
    return jnp.exp(scipy.stats.qmc.LatinHypercube(TRUTH.size, rng=1).random(number) * (high - low) + low)


def best_start(measured, curves, sets):
    """The logarithms of the set whose curve is most like the samples; its scale follows from them."""
    off = np.log(measured[:FITTED]) - np.log(curves[:, :FITTED])
    shift = off.mean(axis=1)
    best = int(np.nanargmin(np.sum((off - shift[:, None]) ** 2, axis=1)))
    return np.log(sets[best]) + shift[best] * (np.arange(TRUTH.size) == 3)


def misfit(result):
    """Sum of squares per degree of freedom: about one for the right model."""
    return float(2 * result.cost / (FITTED - TRUTH.size))


def uncertainty(result, jacobian):
    """The estimates beside the truth, and the covariance of their logarithms."""
    covariance = np.linalg.inv(jacobian.T @ jacobian)
    estimates = np.exp(result.x)
    errors = estimates * np.sqrt(np.diag(covariance))
    rows = {
        name: {"true": float(true), "estimate": float(e), "standard_error": float(s), "z": float((e - true) / s)}
        for name, true, e, s in zip(NAMES, TRUTH, estimates, errors, strict=True)
    }
    return rows, covariance


def differences(residuals, theta, step=1e-4):
    """The Jacobian by central differences."""
    moves = step * np.eye(theta.size)
    return np.stack([(residuals(theta + move) - residuals(theta - move)) / (2 * step) for move in moves], axis=1)


# --- the forecast, and what is fast ---


def draws(result, covariance, number):
    """Rates around the estimate, as uncertain as it is."""
    spread = np.random.default_rng(1).multivariate_normal(np.zeros(TRUTH.size), covariance, number)
    return jnp.exp(result.x + spread)


def timings(curve, slopes, together, theta, sets):
    """Seconds for a solve, for the Jacobian of the fit, and for all draws together and one after another."""
    rates = jnp.exp(theta)
    return {
        "solve": best_of(lambda: curve(rates)),
        "jacobian": best_of(lambda: slopes(theta), 5),
        "draws": len(sets),
        "draws_vmap": best_of(lambda: together(sets), 3),
        "draws_one_by_one": best_of(lambda: [curve(rates) for rates in sets], 1),
    }


# --- the run ---


def analyse(full, done):
    """Data, fits, forecast and timings: a report, and curves to draw."""
    curve = jax.jit(signal)
    noise = np.exp(NOISE * np.random.default_rng(0).standard_normal(SHOWN))
    measured = curve(jnp.asarray(TRUTH)) * noise
    done("data")
    together, sets = jax.jit(jax.vmap(signal)), spread_out(1000 if full else 200)
    start = best_start(measured, np.asarray(together(sets)), sets)
    done("search for a start")
    residuals = residuals_of(measured, curve)
    slopes: Any = jax.jit(jax.jacfwd(residuals))
    result = scipy.optimize.least_squares(residuals, start, slopes, method="lm")
    rows, covariance = uncertainty(result, result.jac)
    check = np.max(np.abs(result.jac - differences(residuals, result.x))) / np.max(np.abs(result.jac))
    done("fit and standard errors")
    without = jax.jit(lambda rates: signal(rates, False))
    rival = scipy.optimize.least_squares(residuals_of(measured, without), start, method="lm", max_nfev=300)
    done("fit without a lag")
    sets = draws(result, covariance, len(sets))
    report = {
        "estimates": rows,
        "misfit_per_degree_of_freedom": {"lag": misfit(result), "no lag": misfit(rival)},
        "evaluations": {"residuals": result.nfev, "jacobian": result.njev},
        "derivatives_against_differences": float(check),
        "seconds_per_run": timings(curve, slopes, together, result.x, sets),
    }
    curves = {
        "weeks": np.arange(1, SHOWN + 1),
        "measured": measured,
        "fitted": curve(jnp.exp(result.x)),
        "no_lag": without(jnp.exp(rival.x)),
        "band": np.quantile(together(sets), [0.05, 0.95], axis=0),
        "fitted_weeks": FITTED,
    }
    done("forecast and timings")
    return report, curves


def summarise(report):
    """Print the findings."""
    print(f"{'':24s}{'true':>9s}{'estimate':>11s}{'std. error':>12s}{'z':>7s}")
    for name, row in report["estimates"].items():
        print(f"{name:24s}{row['true']:9.3f}{row['estimate']:11.3f}{row['standard_error']:12.3f}{row['z']:7.2f}")
    with_lag, without = report["misfit_per_degree_of_freedom"].values()
    print(f"Misfit per degree of freedom: {with_lag:.2f} with the lag, {without:.0f} where immunity is memoryless")
    print(f"Derivatives: {report['derivatives_against_differences']:.0e} from differences, relatively")
    t = report["seconds_per_run"]
    print(
        f"Jacobian by {len(NAMES)} rates: {1e3 * t['jacobian']:.2f} ms, as long as {t['jacobian'] / t['solve']:.0f} "
        f"solves; central differences take {2 * len(NAMES)}"
    )
    print(
        f"{t['draws']} draws under vmap: {1e3 * t['draws_vmap']:.1f} ms; one after another "
        f"{1e3 * t['draws_one_by_one']:.1f} ms ({t['draws_one_by_one'] / t['draws_vmap']:.1f} times as long)"
    )


def main():
    """Run the analysis; print it, and write delayed_epidemic.json and delayed_epidemic.png."""
    about, full = "Fit an epidemic with temporary immunity.", "a forecast from 1,000 draws"
    run_example("delayed_epidemic", about, analyse, summarise, full=full, packages=(np, scipy))


if __name__ == "__main__":
    main()
