"""Pharmacokinetics: five constants of a drug and the hour of a late tablet, from noisy concentrations in the blood.

    python examples/pharmacokinetics.py [--output DIR] [--full]

A tablet every 12 hours for five days; the sixth was forgotten and the seventh taken late, at an hour nobody wrote down.
Model: two compartments behind the gut (Gabrielsson & Weiner, Pharmacokinetic and Pharmacodynamic Data Analysis, 2016),
solved by `Tsit5` with the doses as events, `sj.PresetTimes`, whose times have derivatives. Fitted by
Levenberg-Marquardt; standard errors from the Gauss-Newton Hessian. The data are made here from known values, with 8 %
noise. What is fast: all doses in one compiled solve against one solve from dose to dose, and a trial of subjects
under `vmap` against one after another; both are measured. What is printed also goes to pharmacokinetics.json, the
picture to pharmacokinetics.png.
"""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optimistix
from _frame import best_of, run_example

import sciml_jax as sj
from sciml_jax import training

NAMES = ("absorption (1/h)", "clearance (l/h)", "central volume (l)", "exchange (l/h)", "peripheral volume (l)")
TRUTH = np.array([0.9, 4.0, 30.0, 3.0, 45.0])
START = np.array([2.0, 8.0, 15.0, 1.0, 90.0])
DELAY = 3.4  # hours by which the seventh tablet was late
DOSE = 100.0  # mg
PLAN = np.delete(12.0 * np.arange(10), 5)  # hours; the sixth was forgotten
LATE = 5  # place of the late tablet in the plan
END = 132.0
SAMPLES = np.array(
    [*(0.5, 1, 1.5, 2, 3, 4, 6, 8, 11.5), *(23.5, 35.5, 47.5, 49, 51, 54, 59.5, 66, 71.5, 74, 77, 78, 80, 83.5)]
    + [95.5, 107.5, 108.5, 109, 110, 111, 113, 116, 120, 124, 128, 132]
)  # hours
HOURS = np.union1d(np.linspace(0.1, END, 600), SAMPLES)  # of the curves
SAMPLED = np.searchsorted(HOURS, SAMPLES)
NOISE = 0.08


# --- the model ---


def compartments(t, amounts, rates):
    """Amounts (mg) in the gut, the blood and the tissue; rates are those of NAMES."""
    absorption, clearance, volume, exchange, tissue = rates
    gut, blood, deep = amounts
    forth = exchange * (blood / volume - deep / tissue)
    return jnp.stack([-absorption * gut, absorption * gut - clearance * blood / volume - forth, forth])


def swallow(t, amounts, rates):
    """A tablet arrives in the gut."""
    return amounts.at[0].add(DOSE)


def doses(delay):
    """The times of all tablets."""
    return jnp.asarray(PLAN).at[LATE].add(delay)


def simulate(rates, delay, saveat=None, dose_times=None):
    """Five days of tablets."""
    problem = sj.ODEProblem(compartments, jnp.zeros(3), 0.0, END, rates)
    tablets = sj.PresetTimes(doses(delay) if dose_times is None else dose_times, swallow)
    return sj.solve(problem, sj.Tsit5(), events=[tablets], saveat=saveat, rtol=1e-6, atol=1e-5, max_steps=512)


def concentration(rates, delay, times):
    """mg/l in the blood at some hours."""
    return simulate(rates, delay, times).ys[:, 1] / rates[2]


# --- the fit ---


def fit(measured):
    """Least squares in logarithms: estimates of (log rates, delay), and the Jacobian of the residuals there."""

    def residuals(theta, batch=None, key=None):
        expected = concentration(jnp.exp(theta[:-1]), theta[-1], jnp.asarray(SAMPLES))
        return (jnp.log(expected) - jnp.log(measured)) / NOISE

    start = jnp.append(jnp.log(START), 0.5)
    solver = optimistix.LevenbergMarquardt(rtol=1e-8, atol=1e-8)
    result = training.fit(residuals, start, optimizer=solver, num_steps=60, progress=False)
    jacobian = jax.jit(jax.jacfwd(residuals))(result.params)
    return result, jacobian


def summary_of(result, jacobian, curve):
    """The estimates beside the truth, and whether the derivative by the late hour agrees with differences."""
    estimates = np.append(np.exp(result.params[:-1]), result.params[-1])
    scale = np.append(estimates[:-1], 1.0)  # a rate was fitted by its logarithm
    errors = np.sqrt(np.diag(np.linalg.inv(jacobian.T @ jacobian)))
    rows = {
        name: {"true": float(true), "estimate": float(e), "standard_error": float(s), "z": float((e - true) / s)}
        for name, true, e, s in zip((*NAMES, "delay (h)"), (*TRUTH, DELAY), estimates, scale * errors, strict=True)
    }
    ahead, behind = (np.log(curve(estimates[:-1], estimates[-1] + shift)[SAMPLED]) for shift in (1e-3, -1e-3))
    difference = (ahead - behind) / 2e-3 / NOISE
    check = float(np.max(np.abs(jacobian[:, -1] - difference)) / np.max(np.abs(difference)))
    degrees = SAMPLES.size - result.params.size
    return {
        "estimates": rows,
        "misfit_per_degree_of_freedom": float(2 * result.losses[-1] / degrees),
        "iterations": int(len(result.losses)),
        "status": result.status.name,
        "derivative_by_the_late_hour_against_differences": check,
    }


# --- what is fast ---


def from_dose_to_dose(leg, rates, times):
    """The same by hand: a solve from every tablet to the next."""
    amounts = jnp.zeros(3)
    for begin, end in zip(times, [*times[1:], END]):
        amounts = leg(swallow(begin, amounts, rates), begin, end, rates)
    return amounts


def timings(subjects):
    """Seconds for one solve and for a trial, and what they compare with."""
    rates, times = jnp.asarray(TRUTH), [float(t) for t in doses(DELAY)]
    together = jax.jit(lambda rates, delay: simulate(rates, delay).y1)
    options = {"rtol": 1e-6, "atol": 1e-5, "max_steps": 512}
    leg = jax.jit(
        lambda amounts, begin, end, rates: (
            sj.solve(sj.ODEProblem(compartments, amounts, begin, end, rates), sj.Tsit5(), **options).y1
        )
    )
    apart = from_dose_to_dose(leg, rates, times)
    spread = rates * jnp.exp(0.3 * jax.random.normal(jax.random.key(1), (subjects, 5)))
    late = jnp.abs(3.0 * jax.random.normal(jax.random.key(2), (subjects,)))
    trial = jax.jit(jax.vmap(lambda rates, delay: simulate(rates, delay).y1))
    one_by_one = lambda: [together(rates, delay) for rates, delay in zip(spread, late)]
    return {
        "doses": len(times),
        "largest_difference": float(jnp.max(jnp.abs(together(rates, DELAY) - apart))),
        "one_solve": best_of(lambda: together(rates, DELAY)),
        "dose_to_dose": best_of(lambda: from_dose_to_dose(leg, rates, times)),
        "subjects": subjects,
        "trial_vmap": best_of(lambda: trial(spread, late), 5),
        "trial_one_by_one": best_of(one_by_one, 2),
    }


# --- the run ---


def analyse(full, done):
    """Data, fit and timings: a report, and curves to draw."""
    curve = jax.jit(lambda rates, delay: concentration(rates, delay, jnp.asarray(HOURS)))
    true = curve(jnp.asarray(TRUTH), DELAY)
    measured = true[SAMPLED] * jnp.exp(NOISE * jax.random.normal(jax.random.key(0), SAMPLES.shape))
    done("data")
    result, jacobian = fit(measured)
    report = summary_of(result, np.asarray(jacobian), curve)
    done("fit and standard errors")
    report["seconds_per_solve"] = timings(2000 if full else 200)
    done("timings")
    rates = jnp.exp(result.params[:-1])
    curves = {
        "hours": HOURS,
        "fitted": curve(rates, result.params[-1]),
        "on_time": curve(rates, 0.0),
        "sampled": SAMPLES,
        "measured": measured,
        "doses": doses(DELAY),
    }
    return report, curves


def summarise(report):
    """Print the findings."""
    print(f"{'':24s}{'true':>9s}{'estimate':>11s}{'std. error':>12s}{'z':>7s}")
    for name, row in report["estimates"].items():
        print(f"{name:24s}{row['true']:9.3f}{row['estimate']:11.3f}{row['standard_error']:12.3f}{row['z']:7.2f}")
    check = report["derivative_by_the_late_hour_against_differences"]
    print(f"Derivatives by the hour of the late tablet: {check:.0e} from differences, relatively")
    t = report["seconds_per_solve"]
    print(
        f"{t['doses']} doses in one solve: {1e6 * t['one_solve']:.0f} us; from dose to dose "
        f"{1e6 * t['dose_to_dose']:.0f} us ({t['dose_to_dose'] / t['one_solve']:.0f} times as long)"
    )
    print(
        f"{t['subjects']} subjects under vmap: {1e3 * t['trial_vmap']:.1f} ms; one after another "
        f"{1e3 * t['trial_one_by_one']:.1f} ms ({t['trial_one_by_one'] / t['trial_vmap']:.1f} times as long)"
    )


def main():
    """Run the analysis; print it, and write pharmacokinetics.json and pharmacokinetics.png."""
    about, full = "Fit a two-compartment model with repeated doses.", "a trial of 2,000 subjects"
    run_example("pharmacokinetics", about, analyse, summarise, full=full, packages=(eqx, optimistix))


if __name__ == "__main__":
    main()
