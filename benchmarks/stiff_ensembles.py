"""2,000 parameter sets of each stiff problem: us against Diffrax `vmap(Kvaerno5)` and LSODA one after another.

The rates of Robertson, HIRES, the Oregonator and pollution are spread by 10 % (log-normal), mu of van der Pol evenly
from 500 to 1,500; times to the end as in stiff_solves.py. All on one CPU device; LSODA is compiled, its loop over the
sets too, on one thread. Peers run at the tolerance at which their median error over a sample, against LSODA at rtol
1e-12, is that of ours at rtol 1e-6. Kvaerno5 takes minutes, so it runs over a subset (its size is kept beside the
figures) and its time is scaled to all sets: in its favour, because a larger batch waits for a slower slowest member.
"""

import functools

import diffrax
import jax
import jax.numpy as jnp
import numpy as np
from _common import table, timed
from _curves import error_at, read_at
from _peers import diffrax_end, our_end, our_methods
from _rows import arguments, folder, measure, print_ratios
from _stiff_problems import Stiff, lsoda_many, problems

import sciml_jax as sj
from sciml_jax import parallel

jax.config.update("jax_enable_x64", True)

RTOL = 1e-6
OURS = ("Rodas5P", "BDF")
THEIRS = "Diffrax vmap"


def members_of(name: str, stiff: Stiff, count: int) -> np.ndarray:
    """The parameter sets, shape (count, m)."""
    if name == "van_der_pol":
        return np.random.default_rng(0).permutation(np.linspace(500.0, 1500.0, count))[:, None]
    rates = np.asarray(stiff.zoo.problem.args)
    return rates * np.exp(0.1 * np.random.default_rng(0).normal(size=(count, rates.size)))


def matched(stiff: Stiff, ends: dict, many, sample, quick: bool) -> dict:
    """The tolerance of every method at which its median error over the sample is that of our Rodas5P at RTOL."""
    reference = many(sample, 1e-12)
    runs = {"numbalsoda LSODA": lambda rtol: many(sample, rtol)}
    for name, end in ends.items():
        runs[name] = functools.partial(vmapped(stiff, end), jnp.asarray(sample))
    points = {}
    for name, run in runs.items():
        grid = 10.0 ** -np.arange(4.0, 8.75, 1.5 if quick else 0.5)
        errors = [float(np.median(stiff.error(run(float(rtol)), reference))) for rtol in grid]
        points[name] = [{"rtol": float(r), "error": e} for r, e in zip(grid, errors, strict=True)]
    error = error_at(points["ours Rodas5P"], RTOL)
    rtols = {name: read_at(of, error, "rtol") or RTOL for name, of in points.items()}
    return {"error": error, "rtol": {**rtols, "ours Rodas5P": RTOL}}


def vmapped(stiff: Stiff, end):
    """`fn(members, rtol) -> states`, compiled."""
    return jax.jit(jax.vmap(lambda p, rtol: end(stiff.problem(p), rtol, rtol * stiff.floor), (0, None)))


def figures_of(name: str, quick: bool) -> dict:
    stiff = problems()[name]
    many = lsoda_many(stiff)
    if many is None:
        raise SystemExit("This benchmark takes its references from numbalsoda. Run: pip install -e '.[bench-lsoda]'")
    count, subset, sampled = (20, 4, 4) if quick else (2_000, 128, 24)
    members = members_of(name, stiff, count)
    methods = our_methods(*OURS)
    ends = {mine: our_end(method) for mine, method in methods.items()}
    ends[THEIRS] = diffrax_end(diffrax.Kvaerno5())
    found = matched(stiff, ends, many, members[:sampled], quick)
    rtols, seconds, failures = found["rtol"], {}, {}
    rounds = 1 if quick else 3
    for mine, method in methods.items():
        run = functools.partial(vmapped(stiff, ends[mine]), jnp.asarray(members), jnp.asarray(rtols[mine]))
        seconds[f"{mine} vmap"] = timed(run, rounds)

        def solve(p, method=method, rtol=rtols[mine]):
            return sj.solve(stiff.problem(p), method, rtol=rtol, atol=rtol * stiff.floor, max_steps=16384)

        ensemble = functools.partial(parallel.ensemble, solve, members, devices=[jax.devices()[0]])
        seconds[f"{mine} ensemble"] = timed(lambda ensemble=ensemble: ensemble().status, rounds)
        failures[mine] = len(ensemble().failures)
    seconds["numbalsoda LSODA"] = timed(lambda: many(members, rtols["numbalsoda LSODA"]), rounds)
    few = jnp.asarray(members[:subset])
    compiled = vmapped(stiff, ends[THEIRS]).lower(few, jnp.asarray(rtols[THEIRS])).compile()
    once = timed(lambda: compiled(few, jnp.asarray(rtols[THEIRS])), rounds=1, warm=False)
    seconds[THEIRS] = once * count / subset
    best = min(value for key, value in seconds.items() if key.startswith("ours"))
    ratios = {f"best against {peer}": seconds[peer] / best for peer in (THEIRS, "numbalsoda LSODA")}
    return {**found, "members": count, "subset of Diffrax": subset, "failures": failures, "seconds": seconds,
            "ratios": ratios}  # fmt: skip


def main():
    rows = {name: functools.partial(figures_of, name) for name in problems()}
    args = arguments(__doc__, rows)
    kept = measure("stiff_ensembles", rows, args)
    if not kept:
        return
    for row, figures in kept.items():
        print(f"{row}: {figures['members']} members, Diffrax from {figures['subset of Diffrax']}")
        table([(f"  {name}", f"{s:.4g} s", f"{s / figures['members'] * 1e6:.4g} us a member")
               for name, s in figures["seconds"].items()])  # fmt: skip
    print_ratios(kept)
    from _plots import bars

    panels = {
        f"{row} ({figures['members']})": {name: s / figures["members"] * 1e6 for name, s in figures["seconds"].items()}
        for row, figures in kept.items()
    }
    picture = folder(args.quick) / "stiff_ensembles.png"
    bars(picture, panels, "microseconds per member", "Stiff ensembles on one CPU device, equal error, float64")


if __name__ == "__main__":
    main()
