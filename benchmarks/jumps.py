"""Stochastic reaction networks: our jump methods against a compiled one-thread reference written for this benchmark.

two_states      10,000 paths of A <-> B, 100 molecules, to t = 10 (689 events each): `jax.vmap` on one device and
                `parallel.ensemble` on two, in double and single precision, against Gillespie's method in numba
birth_death     10,000 paths of birth and death to t = 1 (1,900 events each), saved at 11 times, against the same
large_networks  one path of particles hopping on a ring: nanoseconds per event over the number of reactions, `Gillespie`
                against `GroupedDirect`
tau_leaping     1,000 paths of birth and death of 2,000 individuals: steps, time and bias of the variance over epsilon

The reference draws its numbers with numba's own generator and keeps its state in registers; it is what one would
write in C.
"""

import os
import time

# Two devices on the CPU, so that `parallel.ensemble` has something to share; before JAX starts.
os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} --xla_force_host_platform_device_count=2"

import jax  # noqa: E402
import jax.numpy as jnp  # noqa: E402
import numba  # noqa: E402
import numpy as np  # noqa: E402
from _common import table, timed  # noqa: E402
from _rows import arguments, folder, measure  # noqa: E402

import sciml_jax as sj  # noqa: E402

jax.config.update("jax_enable_x64", True)


# --- the reference: Gillespie's direct method, compiled, one thread ---


@numba.njit(fastmath=True)
def reference_two_states(paths, forward, backward, a0, t1, seed):
    np.random.seed(seed)
    ends, events = np.empty(paths, np.int64), 0
    for i in range(paths):
        a, b, t = a0, 0, 0.0
        while True:
            first = forward * a
            total = first + backward * b
            t += np.random.exponential(1.0) / total
            if t > t1:
                break
            events += 1
            if np.random.random() * total < first:
                a, b = a - 1, b + 1
            else:
                a, b = a + 1, b - 1
        ends[i] = a
    return ends, events


@numba.njit(fastmath=True)
def reference_birth_death(paths, birth, death, times, seed):
    np.random.seed(seed)
    saved, events = np.empty((paths, times.size), np.int64), 0
    for i in range(paths):
        y, t, cursor = 0, 0.0, 0
        while cursor < times.size:
            total = birth + death * y
            t += np.random.exponential(1.0) / total
            while cursor < times.size and times[cursor] < t:
                saved[i, cursor] = y
                cursor += 1
            events += 1
            y += 1 if np.random.random() * total < birth else -1
    return saved, events


# --- ours ---


def two_state_problem(dtype):
    rates = lambda t, y, k: k * y
    k = jnp.array([1.0, 0.5], dtype)
    return sj.JumpProblem(rates, [[-1, 1], [1, -1]], jnp.array([100, 0], jnp.int32), dtype(0), dtype(10), k)


def birth_death_problem(birth=1000.0, death=10.0):
    rates = lambda t, y, k: jnp.stack([k[0], k[1] * y[0]])
    return sj.JumpProblem(rates, [[1], [-1]], jnp.array([0]), 0.0, 1.0, jnp.array([birth, death]))


def ring(sites, count=20):
    """Particles hopping between neighbours, 2 reactions per site, until about 20,000 events have happened."""
    reactants, changes = np.zeros((2 * sites, sites), int), np.zeros((2 * sites, sites), int)
    for i in range(sites):
        j = (i + 1) % sites
        reactants[2 * i, i] = reactants[2 * i + 1, j] = 1
        changes[2 * i, [i, j]], changes[2 * i + 1, [j, i]] = (-1, 1), (-1, 1)
    rates = sj.MassAction(reactants, np.linspace(0.5, 1.5, 2 * sites))
    return sj.JumpProblem(rates, changes, jnp.full(sites, count), 0.0, 20_000 / (2 * sites * count))


def compare(problem, reference, number, saveat, read):
    """Seconds and nanoseconds per event: the reference, our batch on one device, our ensemble on two."""
    keys = jax.random.split(jax.random.key(0), number)
    solve = lambda p: lambda key: (lambda s: (read(s), s.stats.num_steps))(sj.solve(p, key=key, saveat=saveat))
    batch = {name: jax.jit(jax.vmap(solve(p))) for name, p in problem.items()}
    calls = {"numba, one thread": reference}
    calls |= {f"ours vmap, {name}": lambda run=run: run(keys) for name, run in batch.items()}
    members = {name: solve(p) for name, p in problem.items()}
    for name, fn in members.items():
        run = lambda fn=fn: sj.parallel.ensemble(fn, keys, chunk_size=2500, cost=jnp.ones(number)).values
        calls[f"ours ensemble, {name}"] = run
    seconds, work = best(calls)
    events = {name: float(np.sum(run(keys)[1])) for name, run in batch.items()}
    events["reference"] = float(reference()[1])
    means = {name: np.mean(run(keys)[0], axis=0).tolist() for name, run in batch.items()}
    means["reference"] = np.mean(reference()[0], axis=0).tolist()
    count = lambda name: events.get(name.split(", ")[1], events["reference"])
    figures = {"paths": number, "means": means}
    for kind, of in (("seconds", seconds), ("processor seconds", work)):
        per_event = {name: s / count(name) * 1e9 for name, s in of.items()}
        ratios = {name: per_event["numba, one thread"] / value for name, value in per_event.items()}
        figures[kind] = {"total": of, "ns_per_event": per_event, "times_the_reference": ratios}
        table([(n, f"{of[n]:.4f} {kind}", f"{per_event[n]:.2f} ns per event", f"x {ratios[n]:.1f}") for n in of])
    return figures


def best(calls, rounds=7):
    """Least seconds of each call by the clock and by the processor, in turn; the latter holds on a busy machine."""
    clock, work = dict.fromkeys(calls, np.inf), dict.fromkeys(calls, np.inf)
    for name, call in list(calls.items()) * (rounds + 1):
        began = time.perf_counter(), time.process_time()
        jax.block_until_ready(call())
        clock[name] = min(clock[name], time.perf_counter() - began[0])
        work[name] = min(work[name], time.process_time() - began[1])
    return clock, work


def two_states(quick):
    number = 500 if quick else 10_000
    problems = {"float64": two_state_problem(np.float64), "float32": two_state_problem(np.float32)}
    return compare(
        problems, lambda: reference_two_states(number, 1.0, 0.5, 100, 10.0, 1), number, None, lambda s: s.y1[0]
    )


def birth_death(quick):
    number = 500 if quick else 10_000
    times = np.linspace(0.0, 1.0, 11)
    reference = lambda: reference_birth_death(number, 1000.0, 10.0, times, 1)
    return compare({"float64": birth_death_problem()}, reference, number, jnp.asarray(times), lambda s: s.ys[:, 0])


def large_networks(quick):
    found = {}
    for sites in (16, 64) if quick else (8, 16, 32, 64, 128, 256, 512):
        problem, row = ring(sites), {}
        for method in (sj.Gillespie(), sj.GroupedDirect()):
            run = jax.jit(
                lambda key, m=method, p=problem: (lambda s: (s.y1, s.stats.num_steps))(sj.solve(p, m, key=key))
            )
            events = int(run(jax.random.key(0))[1])
            row[method.name] = timed(lambda run=run: run(jax.random.key(0)), rounds=3) / events * 1e9
        found[2 * sites] = row
        table([(f"{2 * sites} reactions", *(f"{name} {ns:.0f} ns per event" for name, ns in row.items()))])
    return {"ns_per_event": found}


def tau_leaping(quick):
    number, found = 100 if quick else 1000, {}
    problem, exact = birth_death_problem(20_000.0, 10.0), 2000 * (1 - np.exp(-10.0))
    keys = jax.random.split(jax.random.key(0), number)
    methods = {f"epsilon {e:g}": sj.TauLeaping(e) for e in (0.1, 0.03, 0.01)} | {"Gillespie": sj.Gillespie()}
    for name, method in methods.items():
        run = jax.jit(
            jax.vmap(lambda k, m=method: (lambda s: (s.y1[0], s.stats.num_steps))(sj.solve(problem, m, key=k)))
        )
        y1, steps = map(np.asarray, run(keys))
        found[name] = {
            "seconds": timed(lambda run=run: run(keys), rounds=3),
            "steps": float(steps.mean()),
            "mean / exact": float(y1.mean() / exact),
            "variance / exact": float(y1.var() / exact),
        }
        table([(name, *(f"{key} {value:.4g}" for key, value in found[name].items()))])
    return {"paths": number, "methods": found}


ROWS = {
    "two_states": two_states,
    "birth_death": birth_death,
    "large_networks": large_networks,
    "tau_leaping": tau_leaping,
}

if __name__ == "__main__":
    args = arguments(__doc__, ROWS)
    measure("jumps", ROWS, args)
    print(f"results in {folder(args.quick)}")
