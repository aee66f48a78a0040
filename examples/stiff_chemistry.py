"""Stiff chemistry: 20 pollutants, and a reaction that diffuses. What sparsity and kept factorisations save; gradients.

    python examples/stiff_chemistry.py [--output DIR] [--full]

Air pollution: which of 25 rate constants decide how much ozone there is after an hour, by one reverse gradient through
`BDF` with a coloured Jacobian. The 2-D Brusselator (2 x 16 x 16 unknowns, 2 x 64 x 64 with --full): the same solve with
a dense and a coloured Jacobian, kept and forgotten, and without any; and the gradient of an observation by the rate
constants against finite differences. What is printed also goes to stiff_chemistry.json, the picture to
stiff_chemistry.png.
"""

import os
import statistics
import time

# Factorisations here work on blocks of 60 to 250 unknowns: threads make them slower, on a busy machine 20 times.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import equinox as eqx  # noqa: E402
import jax  # noqa: E402
import jax.numpy as jnp  # noqa: E402
import numpy as np  # noqa: E402
from _frame import run_example  # noqa: E402

import sciml_jax as sj  # noqa: E402
from sciml_jax import zoo  # noqa: E402

REACTIONS = (
    *("NO2 -> NO + O", "NO + O3 -> NO2", "HO2 + NO -> NO2 + OH", "HCHO -> 2 HO2 + CO", "HCHO -> CO"),
    *("HCHO + OH -> HO2 + CO", "ALD -> MeO2 + HO2 + CO", "ALD + OH -> C2O3", "C2O3 + NO -> NO2 + MeO2 + CO2"),
    *("C2O3 + NO2 -> PAN", "PAN -> C2O3 + NO2", "MeO2 + NO -> CH3O + NO2", "CH3O -> HCHO + HO2"),
    *("NO2 + OH -> HNO3", "O -> O3", "O3 -> O1D", "O3 -> O", "O1D -> 2 OH", "O1D -> O", "SO2 + OH -> SO4 + HO2"),
    *("NO3 -> NO", "NO3 -> NO2 + O", "NO2 + O3 -> NO3", "NO3 + NO2 -> N2O5", "N2O5 -> NO3 + NO2"),
)
NO2, NO, OZONE = 0, 1, 3  # places of species in the state
EARLY = (0.0, 2e-3, 1e-2)  # times before diffusion has evened the Brusselator out
JUMP = 1.1  # when the Brusselator's forcing sets in


class Forgetful(sj.BDF):
    """BDF that evaluates and factorises the Jacobian in every step: what keeping it saves."""

    def step(self, system, ta, tb, y, memory=None):
        """A step of BDF, whose Jacobian then counts as too old to be used again."""
        step = super().step(system, ta, tb, y, memory)
        kept = step.scratch
        return step if kept is None else step._replace(scratch=kept._replace(age=kept.age + 1e9))


# --- air pollution ---


def pollution_sparsity():
    """Where the Jacobian of the 20 species is not zero, from its values at three random states."""
    problem = zoo.pollution().problem
    states = jax.random.uniform(jax.random.key(0), (3, problem.y0.size))
    jacobian = jax.jacfwd(lambda y: problem.vector_field(0.0, y, problem.args))
    return np.any(np.asarray(jax.vmap(jacobian)(states)) != 0.0, axis=0)


def pollute(rates, sparsity, method, minutes=None, rtol=1e-6):
    """An hour of air pollution for given rate constants."""
    problem = zoo.pollution().problem
    problem = sj.ODEProblem(problem.vector_field, problem.y0, 0.0, 60.0, rates, sparsity=sparsity)
    sol = sj.solve(problem, method, saveat=minutes, rtol=rtol, atol=1e-4 * rtol, on_failure="status")
    return sol


def ozone_sensitivities(sparsity):
    """Concentrations over the hour, and d log(ozone at the end) / d log(rate) for the 25 rates."""
    rates = zoo.pollution().problem.args
    minutes = jnp.linspace(0.0, 60.0, 121)

    def log_ozone(log_rates):
        sol = pollute(jnp.exp(log_rates), sparsity, sj.BDF(), minutes, rtol=1e-8)
        return jnp.log(sol.ys[-1, OZONE]), (sol.ys, sol.stats)

    gradient = jax.jit(jax.value_and_grad(log_ozone, has_aux=True))
    (value, (ys, stats)), slopes = gradient(jnp.log(rates))
    largest = int(jnp.argmax(jnp.abs(slopes)))
    shift = 1e-3 * (jnp.arange(rates.size) == largest)
    ahead, behind = (gradient(jnp.log(rates) + sign * shift)[0][0] for sign in (1, -1))
    difference = float(ahead - behind) / 2e-3
    report = {
        "ozone_ppm": float(jnp.exp(value)),
        "jacobian_entries": int(sparsity.sum()),
        "products_per_jacobian": int(stats.num_jvp) // int(stats.num_jacobian),
        "d_log_ozone_d_log_rate": {f"{i + 1}: {REACTIONS[i]}": float(s) for i, s in enumerate(slopes)},
        "finite_difference_of_the_largest": difference,
        "relative_difference": abs(difference - float(slopes[largest])) / abs(difference),
    }
    return report, {"minutes": minutes, "species": ys, "slopes": slopes}


# --- the Brusselator ---


def brusselate(rates, size, method, sparsity=None, times=None, rtol=1e-5):
    """The Brusselator for rates (A, B, alpha), stopping where its forcing sets in."""
    problem = zoo.brusselator_2d(size).problem
    problem = sj.ODEProblem(problem.vector_field, problem.y0, 0.0, 11.5, rates, sparsity=sparsity)
    controller = sj.PIDController(tstops=jnp.array([JUMP]))
    options = {"rtol": rtol, "atol": rtol, "max_steps": 2048, "on_failure": "status"}
    return sj.solve(problem, method, saveat=times, controller=controller, **options)


def newton_krylov(size):
    """BDF whose linear systems GMRES solves, preconditioned by the diffusion alone."""
    diffusion = 10.0 * (size - 1) ** 2  # alpha / dx^2; a preconditioner may be a constant while alpha is differentiated
    return sj.BDF(linear_solver=sj.GMRES(sj.FourierDiffusion((2, size, size), diffusion=diffusion)))


def brusselator_gradient(size):
    """States over time, and the gradient of an observation by (A, B, alpha), also by finite differences.

    Observed is U where the forcing acts, averaged over early and late times: diffusion decides early, reaction late.
    """
    rates = zoo.brusselator_2d(size).problem.args
    method = newton_krylov(size)
    times = jnp.concatenate([jnp.array(EARLY), jnp.linspace(0.1, 11.5, 115)])
    observed = np.isin(np.round(times, 3), [0.002, 0.01, 1.0, 6.0, 11.5])
    place = round(0.3 * (size - 1)), round(0.6 * (size - 1))

    def observation(rates):
        ys = brusselate(rates, size, method, times=times, rtol=1e-8).ys
        return jnp.mean(ys[:, 0, *place], where=observed), ys

    run = jax.jit(jax.value_and_grad(observation, has_aux=True))
    (value, ys), gradient = run(rates)
    differences = []
    # Fourth order: the phase of the oscillation makes the observation strongly nonlinear in A and B. It hardly depends
    # on alpha, whose step must be large to stand out from the error of the solve.
    for i, step in enumerate((1e-3, 1e-3, 3e-2)):
        values = [float(run(rates.at[i].multiply(1.0 + k * step))[0][0]) for k in (-2, -1, 1, 2)]
        differences.append(float(np.dot([1, -8, 8, -1], values)) / (12 * step * float(rates[i])))
    errors = np.abs(np.array(differences) - np.asarray(gradient)) / np.abs(np.array(differences))
    report = {
        "observation": float(value),
        "times": [float(t) for t in times[observed]],
        "gradient": dict(zip(("A", "B", "alpha"), map(float, gradient))),
        "finite_differences": differences,
        "relative_difference": float(errors.max()),
    }
    return report, {"times": times, "states": ys}


# --- what the linear algebra costs ---


def measured(solve, operand, rounds):
    """Counts of one solve, its status, median seconds of `rounds` runs, seconds to compile; the state at the end."""
    began = time.perf_counter()
    compiled = jax.jit(lambda x: (lambda sol: (sol.y1, sol.status, sol.stats))(solve(x))).lower(operand).compile()
    compile_seconds = time.perf_counter() - began
    seconds = []
    for _ in range(rounds):
        began = time.perf_counter()
        y1, status, stats = jax.block_until_ready(compiled(operand))
        seconds.append(time.perf_counter() - began)
    counts = {name: int(stats[name]) for name in ("num_steps", "num_jacobian", "num_jvp", "num_factorisation")}
    found = {"status": sj.Status(int(status)).name, "seconds": statistics.median(seconds)}
    return found | counts | {"compile_seconds": compile_seconds}, y1


def linear_algebra(size, full):
    """The Brusselator with different linear algebra: rows of the printed table, with deviations from the first."""
    grid = zoo.brusselator_2d(size).problem
    choices = {
        "dense Jacobian": (None, sj.BDF()),
        "coloured Jacobian": (grid.sparsity, sj.BDF()),
        "coloured, new in every step": (grid.sparsity, Forgetful()),
        "matrix-free, GMRES": (None, newton_krylov(size)),
    }
    if full:  # 8192 unknowns dense: half a gigabyte, and minutes
        del choices["dense Jacobian"]
    rows, first = {}, None
    for name, (pattern, method) in choices.items():
        solve = lambda r: brusselate(r, size, method, pattern)  # noqa: B023
        rows[name], y1 = measured(solve, grid.args, rounds=1 if full else 4)
        first = y1 if first is None else first
        rows[name]["deviation"] = float(jnp.max(jnp.abs(y1 / first - 1.0)))
    return rows


def summarise(report):
    """Print the report."""
    columns = ("seconds", "num_steps", "num_jacobian", "num_jvp", "num_factorisation")
    print("\n" + " " * 30 + "".join(f"{name.removeprefix('num_'):>15}" for name in columns))
    print(f"Brusselator, {report['unknowns']} unknowns")
    for name, row in report["linear_algebra"].items():
        print(f"  {name:<28}" + "".join(f"{row[c]:15.4g}" for c in columns) + f"   {row['status']}")
    pollution, brusselator = report["pollution"], report["brusselator"]
    entries, products = pollution["jacobian_entries"], pollution["products_per_jacobian"]
    print(f"\nAir pollution: {entries} of 400 entries, {products} products for a Jacobian of 20 unknowns")
    print(f"Ozone after an hour: {pollution['ozone_ppm']:.4g} ppm. d log(ozone) / d log(rate), the largest five:")
    slopes = pollution["d_log_ozone_d_log_rate"]
    for name in sorted(slopes, key=lambda name: -abs(slopes[name]))[:5]:
        print(f"  {name:<28} {slopes[name]:+.4f}")
    print(f"  the first by finite differences: relative difference {pollution['relative_difference']:.1e}")
    print(f"Brusselator: observation {brusselator['observation']:.5f}; its gradient, and finite differences")
    for (name, slope), difference in zip(brusselator["gradient"].items(), brusselator["finite_differences"]):
        print(f"  {name:<6} {slope:+.6f} {difference:+.6f}")


def analyse(full, done):
    """All parts: a report, and curves to draw."""
    size = 64 if full else 16
    report = {"unknowns": 2 * size**2, "linear_algebra": linear_algebra(size, full)}
    done("linear algebra compared")
    report["pollution"], pollution = ozone_sensitivities(pollution_sparsity())
    done("air pollution and its gradient")
    report["brusselator"], brusselator = brusselator_gradient(size)
    done("Brusselator and its gradient")
    return report, {"reactions": REACTIONS, "pollution": pollution, "brusselator": brusselator}


def main():
    """Run the analysis; print it, and write stiff_chemistry.json and stiff_chemistry.png."""
    about, full = "Stiff chemistry with sparse Jacobians.", "the Brusselator on 64 x 64 points"
    run_example("stiff_chemistry", about, analyse, summarise, full=full, packages=(eqx,))


if __name__ == "__main__":
    main()
