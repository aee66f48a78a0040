"""64 starts of a bounded fit: all lanes of one compiled program against SciPy's least_squares with solve_ivp.

Lotka-Volterra (four rates between 0 and 10, 41 times, 5 % noise, Tsit5) and Robertson's stiff kinetics (three rates
over four powers of ten each in logarithms, 25 times, 5 % noise in each species, Rodas5P); rtol 1e-6, float64. Both
codes begin at the same starts, within the same bounds, with the same residuals, and stop at relative tolerances of
1e-8. SciPy runs its trust-region method with differences for the Jacobian and LSODA or RK45, whichever is faster at the
first starts. A start counts as successful if its misfit is within 0.1 % of the best that either code found. "First
call" of ours includes compiling.
"""

import time

import jax
import jax.numpy as jnp
import numpy as np
import scipy.integrate
import scipy.optimize
from _common import table, timed
from _rows import arguments, measure, print_ratios

import sciml_jax as sj

jax.config.update("jax_enable_x64", True)

STARTS = 64
TOLERANCE = 1e-8


def lotka_volterra(t, y, p):
    """Prey and predators."""
    return jnp.stack([p[0] * y[0] - p[1] * y[0] * y[1], -p[2] * y[1] + p[3] * y[0] * y[1]])


def lotka_volterra_numpy(t, y, p):
    """The same for SciPy."""
    return [p[0] * y[0] - p[1] * y[0] * y[1], -p[2] * y[1] + p[3] * y[0] * y[1]]


def robertson(t, y, k):
    """Three species, rates of nine powers of ten."""
    slow, fast, back = k[0] * y[0], k[1] * y[1] ** 2, k[2] * y[1] * y[2]
    return jnp.stack([-slow + back, slow - fast - back, fast])


def robertson_numpy(t, y, k):
    """The same for SciPy."""
    slow, fast, back = k[0] * y[0], k[1] * y[1] ** 2, k[2] * y[1] * y[2]
    return [-slow + back, slow - fast - back, fast]


class Case:
    """A model, its data and starts."""

    def __init__(self, field, field_numpy, y0, ts, truth, lower, upper, atol, method, transform, stiff):
        self.field_numpy, self.y0, self.ts, self.atol, self.stiff = field_numpy, y0, ts, atol, stiff
        self.lower, self.upper, self.log = np.asarray(lower), np.asarray(upper), transform is not None
        self.problem = sj.ODEProblem(field, jnp.asarray(y0), 0.0, float(ts[-1]), jnp.asarray(truth))
        self.options = {"method": method, "rtol": 1e-6, "atol": atol, "max_steps": 1000}
        clean = sj.solve(self.problem, method, saveat=jnp.asarray(ts), rtol=1e-9, atol=1e-3 * np.asarray(atol)).ys
        self.noise = 0.05 * np.sqrt(np.mean(np.asarray(clean) ** 2, axis=0))
        self.ys = np.asarray(clean) + self.noise * np.random.default_rng(0).normal(size=clean.shape)
        self.data = sj.estimation.Data(ts, self.ys, noise=self.noise)
        chosen = sj.training.Identity() if transform is None else transform
        self.optimizer = sj.training.BoundedLevenbergMarquardt(rtol=TOLERANCE, transform=chosen)
        unit = np.random.default_rng(1).uniform(size=(STARTS, len(truth)))
        if self.log:
            self.starts = self.lower * (self.upper / self.lower) ** unit
        else:
            self.starts = self.lower + (self.upper - self.lower) * unit

    def ours(self, number):
        """Costs of all starts, sorted."""
        fit = sj.estimation.shooting(
            self.problem,
            data=self.data,
            bounds=(self.lower, self.upper),
            starts=jnp.asarray(self.starts[:number]),
            optimizer=self.optimizer,
            **self.options,
        )
        return fit.starts.cost

    def scipy(self, start, method):
        """The cost that SciPy reaches from one start."""
        size = self.ys.size

        def residuals(u):
            p = np.exp(u) if self.log else u
            with np.errstate(all="ignore"):
                try:
                    sol = scipy.integrate.solve_ivp(
                        self.field_numpy,
                        (0.0, self.ts[-1]),
                        self.y0,
                        method,
                        self.ts,
                        rtol=1e-6,
                        atol=self.atol,
                        args=(p,),
                    )
                except ValueError:
                    return np.full(size, 1e6)
            if sol.y.shape[1] != self.ts.size or not np.all(np.isfinite(sol.y)):
                return np.full(size, 1e6)
            return ((sol.y.T - self.ys) / self.noise).ravel()

        to = np.log if self.log else lambda x: x
        options = {"xtol": TOLERANCE, "ftol": TOLERANCE, "gtol": TOLERANCE, "x_scale": "jac", "max_nfev": 100}
        try:
            bounds = (to(self.lower), to(self.upper))
            return scipy.optimize.least_squares(residuals, to(start), bounds=bounds, **options).cost
        except ValueError:
            return np.inf


def compare(case, quick):
    """Seconds and successes of both."""
    number = 4 if quick else STARTS
    began = time.perf_counter()
    ours = jax.block_until_ready(case.ours(number))
    first = time.perf_counter() - began
    seconds = timed(lambda: case.ours(number))
    methods = ("LSODA",) if case.stiff else ("LSODA", "RK45")
    trial = {
        name: timed(lambda name=name: [case.scipy(s, name) for s in case.starts[:2]], 1, False) for name in methods
    }
    method = min(trial, key=lambda name: trial[name])
    began = time.perf_counter()
    theirs = np.array([case.scipy(start, method) for start in case.starts[:number]])
    scipy_seconds = time.perf_counter() - began
    best = min(float(ours[0]), float(np.min(theirs)))
    reached = lambda costs: int(np.sum(np.asarray(costs) <= 1.001 * best))
    found = {
        "starts": number,
        "best_cost": best,
        "ours": {"seconds": seconds, "first_call": first, "best_cost": float(ours[0]), "reached": reached(ours)},
        "scipy": {
            "seconds": scipy_seconds,
            "method": method,
            "best_cost": float(np.min(theirs)),
            "reached": reached(theirs),
        },
    }
    found["ratios"] = {
        "SciPy's time by ours": scipy_seconds / seconds,
        "SciPy's time by our first call": scipy_seconds / first,
        "starts that reach the best, ours by SciPy's": found["ours"]["reached"] / max(found["scipy"]["reached"], 1),
    }
    rows = [("", "seconds", "first call", "reached the best")]
    rows += [("ours", f"{seconds:.2f}", f"{first:.1f}", f"{found['ours']['reached']} of {number}")]
    rows += [(f"SciPy, {method}", f"{scipy_seconds:.1f}", "", f"{found['scipy']['reached']} of {number}")]
    table(rows)
    return found


def run_lotka_volterra(quick):
    """Four rates, bounds from 0 to 10."""
    ts, truth = np.linspace(0.0, 10.0, 41), [1.5, 1.0, 3.0, 1.0]
    y0, lower, upper = [1.0, 1.0], np.zeros(4), np.full(4, 10.0)
    return compare(
        Case(lotka_volterra, lotka_volterra_numpy, y0, ts, truth, lower, upper, 1e-8, sj.Tsit5(), None, False), quick
    )


def run_robertson(quick):
    """Three rates, each a hundred times too small to a hundred times too large."""
    ts, truth = np.logspace(-2, 4, 25), np.array([0.04, 3e7, 1e4])
    case = Case(
        robertson, robertson_numpy, [1.0, 0.0, 0.0], ts, truth, truth / 100, truth * 100, 1e-10,
        sj.Rodas5P(), sj.training.Log(), True,
    )  # fmt: skip
    return compare(case, quick)


ROWS = {"lotka_volterra": run_lotka_volterra, "robertson": run_robertson}


def main():
    """Measure and print."""
    args = arguments(__doc__, ROWS)
    print_ratios(measure("estimation", ROWS, args))


if __name__ == "__main__":
    main()
