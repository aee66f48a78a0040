"""An epidemic that comes back when immunity runs out: two lags and four rates from weekly case counts.

    python examples/delayed_epidemic.py [--output DIR] [--full]

Who is infected becomes infectious after an incubation of fixed length and susceptible again a fixed time after recovery:
two lags of a delay equation, which make the waves return. Model: SIRS with incubation (Genik & van den Driessche,
Canadian Applied Mathematics Quarterly 7, 1999, without births) and imported cases, solved by `Tsit5`; steps end on the
breaking points of both lags, which move with them, so the derivatives by the lags are exact. Fitted by
Levenberg-Marquardt to two years of counts, made here from known values with Poisson noise; standard errors from the
Gauss-Newton Hessian, a forecast of the third year from draws around the estimate. Beside it the same model without lags,
where incubation and immunity end at constant rates, fitted the same way. What is fast: all derivatives of the fit in one
solve with tangents against differences, and all draws of the forecast under `vmap` against one after another; both are
measured. What is printed also goes to delayed_epidemic.json, the picture to delayed_epidemic.png.
"""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optimistix
from _frame import best_of, run_example

import sciml_jax as sj
from sciml_jax import training

NAMES = ("reproduction number", "infectious (days)", "imports (1/day)", "share reported", "incubation (days)", "immune (days)")
TRUTH = np.array([1.9, 6.0, 3.0, 0.3, 4.0, 150.0])
START = np.array([2.5, 4.0, 1.0, 0.5, 6.0, 120.0])
PEOPLE = 100_000.0
WEEK = 7.0
FITTED, SHOWN = 104, 156  # weeks of data, weeks of the picture
OPTIONS = {"rtol": 1e-6, "atol": 1e-3, "max_steps": 1024}


# --- the models ---


def infections(susceptible, infectious, rates):
    """New infections per day."""
    return rates[0] / rates[1] * susceptible * infectious / PEOPLE + rates[2]


def delayed(t, y, past, rates):
    """Susceptible, infectious, and all infections so far; the last two rates are the lags."""
    incubation, immunity = rates[4], rates[5]
    infected, then = past(t - incubation), past(t - immunity)
    new = infections(y[0], y[1], rates)
    # Nobody was infected before the first day.
    ripe = jnp.where(t < incubation, 0.0, infections(infected[0], infected[1], rates))
    return jnp.stack([-new + then[1] / rates[1], ripe - y[1] / rates[1], new])


def memoryless(t, y, rates):
    """The same with stages that are left at constant rates: also exposed and immune people."""
    susceptible, infectious, _, exposed, immune = y
    new, ripe, well, again = (
        infections(susceptible, infectious, rates),
        exposed / rates[4],
        infectious / rates[1],
        immune / rates[5],
    )
    return jnp.stack([again - new, ripe - well, new, new - ripe, well - again])


def healthy(t):
    """The population before the first day."""
    return jnp.array([PEOPLE, 0.0, 0.0])


def simulate(rates, weeks, has_lags=True):
    """The solution at the end of every week."""
    ts, end = WEEK * jnp.arange(1, weeks + 1), WEEK * weeks
    if not has_lags:
        problem = sj.ODEProblem(memoryless, jnp.array([PEOPLE, 0.0, 0.0, 0.0, 0.0]), 0.0, end, rates)
        return sj.solve(problem, sj.Tsit5(), saveat=ts, **OPTIONS)
    # The incubation makes the slope of I jump at its own end: `imports` begin on the first day.
    problem = sj.DDEProblem(delayed, healthy, 0.0, end, rates, lags=(rates[4], rates[5]))
    return sj.solve(problem, sj.Tsit5(), saveat=ts, **OPTIONS)


def reported(rates, weeks, has_lags=True):
    """Expected cases of every week."""
    infected = simulate(rates, weeks, has_lags).ys[:, 2]
    return rates[3] * jnp.diff(infected, prepend=0.0)


# --- the fit ---


def fit(counts, has_lags):
    """Least squares of square roots, whose errors are about one for counts: log rates, and the Jacobian there."""

    def residuals(theta, batch=None, key=None):
        return 2 * (jnp.sqrt(reported(jnp.exp(theta), FITTED, has_lags)) - jnp.sqrt(counts))

    solver = optimistix.LevenbergMarquardt(rtol=1e-7, atol=1e-7)
    result = training.fit(residuals, jnp.log(START), optimizer=solver, num_steps=60, progress=False)
    return result, residuals
