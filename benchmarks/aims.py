"""The table of aims, with what the kept results reached. Measures nothing.

Where several methods were run, "best" is the peer's best method against our best: the hardest reading of the aim.
"""

import argparse
from collections.abc import Iterator

from _common import table
from _rows import load

SMALL = ("lorenz", "lotka_volterra", "pleiades")
RTOLS = ("1e-06", "1e-10")


def small_solves(ratio_of) -> Iterator[tuple]:
    for row in SMALL:
        for rtol in RTOLS:
            name = f"one solve, {row}, rtol {rtol}"
            find = lambda what, row=row, rtol=rtol: ratio_of("work_precision", row, f"{what}, rtol {rtol}")
            yield name, "Diffrax Tsit5 (our Tsit5)", 3.0, find("Tsit5 against Diffrax Tsit5")
            yield name, "Diffrax, best of its methods", 3.0, find("best against Diffrax's best")
            yield name, "numbalsoda, best of its methods", 2.0, find("best against numbalsoda's best")
        vern9 = ratio_of("work_precision", row, "Vern9 against Diffrax's best, rtol 1e-10")
        yield f"one solve, {row}, Vern9, rtol 1e-10", "Diffrax, best of its methods", 5.0, vern9


def gradients(ratio_of) -> Iterator[tuple]:
    for row in SMALL:
        for rtol in RTOLS:
            find = lambda what, row=row, rtol=rtol: ratio_of("gradients", row, f"{what}, rtol {rtol}")
            name = f"gradient, {row}, rtol {rtol}"
            yield name, "Diffrax Tsit5 (our Tsit5)", 8.0, find("Tsit5 against Diffrax Tsit5")
            yield name, "Diffrax, best of its methods", 8.0, find("best against Diffrax's best")
    find = lambda what: ratio_of("neural_ode", "gradient", what)
    yield "gradient of a neural ODE", "Diffrax vmap (our vmap)", 2.0, find("vmap against Diffrax vmap")
    yield "gradient of a neural ODE", "Diffrax, better batching", 2.0, find("best against Diffrax's best")
    yield "gradient of a neural ODE", "torchdiffeq, better adjoint", 20.0, find("best against torchdiffeq's best")


def ensembles(ratio_of) -> Iterator[tuple]:
    forward = lambda what: ratio_of("ensembles", "lorenz_forward", what)
    yield "10,000 Lorenz sets, ensemble", "Diffrax vmap", 15.0, forward("ours ensemble against Diffrax vmap")
    yield "10,000 Lorenz sets, ensemble", "gradsolve", 100.0, forward("ours ensemble against gradsolve")
    compiled = forward("ours ensemble against gradsolve, fused kernel")
    yield "10,000 Lorenz sets, ensemble", "gradsolve, fused kernel", None, compiled
    yield "10,000 Lorenz sets, plain vmap", "Diffrax vmap", 8.0, forward("ours vmap against Diffrax vmap")
    gradient = lambda what: ratio_of("ensembles", "lorenz_gradient", what)
    for how in ("ensemble", "vmap"):
        name = f"gradient of 10,000 Lorenz sets, {how}"
        yield name, "Diffrax vmap", 20.0, gradient(f"ours {how} against Diffrax vmap")
        yield name, "gradsolve", 20.0, gradient(f"ours {how} against gradsolve")
        yield name, "gradsolve, fused kernel", 20.0, gradient(f"ours {how} against gradsolve, fused kernel")
    stiff = ratio_of("ensembles", "van_der_pol", "ours ensemble against Diffrax vmap")
    yield "2,000 van der Pol sets, ensemble", "Diffrax vmap(Kvaerno5)", 50.0, stiff
    yield "two CPU devices, 10,000 sets", "one", 1.8, ratio_of("scaling", "devices", "two against one")
    yield "two processes, 10,000 sets", "one", 1.7, ratio_of("scaling", "processes", "two against one")


def compiling(ratio_of) -> Iterator[tuple]:
    for row in SMALL:
        for what in ("solve", "gradient", "vmapped gradient"):
            aim = 1.0 if row == "pleiades" else 4.0
            yield f"compile time, {row}, {what}", "Diffrax", aim, ratio_of("compile_times", row, f"compile {what}")


STIFF = {"robertson": 2.0, "oregonator": 2.0, "van_der_pol": 2.0, "hires": 1.0, "pollution": 1.0}
"""Problem -> how many times faster than compiled codes."""


def stiff(ratio_of) -> Iterator[tuple]:
    for row, compiled in STIFF.items():
        for rtol in ("1e-04", "1e-06", "1e-08"):
            name = f"one solve, {row}, rtol {rtol}"
            aims = {"Diffrax Kvaerno5": 10.0 if row == "pollution" else 50.0, "numbalsoda LSODA": compiled}
            aims |= {} if row == "pollution" else {"CVODE": compiled}
            for peer, aim in aims.items():
                yield name, peer, aim, ratio_of("stiff_solves", row, f"best against {peer}, rtol {rtol}")
    ratio = ratio_of("stiff_solves", "pollution", "ten seconds over the compile time of our best")
    yield "compile time, pollution", "ten seconds", 1.0, ratio
    for row in STIFF:
        for peer, aim in (("Diffrax vmap", 80.0), ("numbalsoda LSODA", 5.0)):
            yield f"2,000 {row} sets", peer, aim, ratio_of("stiff_ensembles", row, f"best against {peer}")
    for peer, aim in (("SciPy BDF, sparse", 3.0), ("CVODE, GMRES", 1 / 1.5), ("CVODE, GMRES + Fourier", 1 / 1.5)):
        ratio = ratio_of("brusselator", "2 x 64 x 64", f"best against {peer}")
        yield "Brusselator, 2 x 64 x 64, rtol 1e-05", peer, round(aim, 2), ratio
    ratio = ratio_of("brusselator", "growth", "1.3 over the exponent")
    yield "Brusselator, growth with the unknowns", "1.3 over the exponent", 1.0, ratio


def fits(ratio_of) -> Iterator[tuple]:
    for row in ("oscillators", "spiral"):
        find = lambda what, row=row: ratio_of("spiral", row, what)
        yield f"neural ODE, {row}, training", "Diffrax and Optax", 2.0, find("run against Diffrax and Optax")
        yield f"neural ODE, {row}, compile time", "Diffrax and Optax", 3.0, find("compile against Diffrax and Optax")
        yield f"neural ODE, {row}, training", "torchdiffeq", 20.0, find("run against torchdiffeq")
    for row in ("lotka_volterra", "robertson"):
        find = lambda what, row=row: ratio_of("estimation", row, what)
        yield f"64 bounded fits, {row}", "SciPy", 10.0, find("SciPy's time by ours")
        starts = find("starts that reach the best, ours by SciPy's")
        yield f"64 bounded fits, {row}, starts that reach the best", "SciPy", 1.0, starts


def parabolic(ratio_of) -> Iterator[tuple]:
    cases = ("hjb, lambda 0.5", "hjb, lambda 1", "hjb, lambda 2", "hjb, lambda 10", "allen_cahn", "barenblatt")
    for row in (*cases, "default_risk", "two_rates"):
        find = lambda what, row=row: ratio_of("bsde", row, what)
        yield f"100 dimensions, {row}, error", "the aimed error", 1.0, find("aimed error by ours")
        if row != "two_rates":
            yield f"100 dimensions, {row}, time", "the aimed time", 1.0, find("aimed time by ours")


def notes(rows_of) -> None:
    """What the table of aims asks to be reported beside the ratios."""
    found = rows_of("roofline").get("roofline")
    if found:
        print(
            f"\n10,000 Lorenz sets: {found['share_of_one_core']:.1%} of the peak of one core, "
            f"{found['cores_busy']:.2f} cores busy; largest obstacle: {found['largest_obstacle']}"
        )
        table([(f"  {part}", f"{ns:.1f} ns a step") for part, ns in found["ns_per_step"].items()])
    found = rows_of("neural_ode").get("gradient")
    if found:
        shares = ", ".join(f"{name} {share:.1%}" for name, share in found["share_of_peak"].items())
        print(f"\nNeural ODE, share of the matrix-product peak: {shares}")
    for row, found in rows_of("scaling").items():
        free = found["free_cores"]
        print(f"\nScaling, {row}: the machine allowed {free['before']:.2f} before, {free['after']:.2f} after")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="read the figures of --quick runs, which mean nothing")
    args = parser.parse_args()
    cache: dict = {}

    def rows_of(name: str) -> dict:
        if name not in cache:
            cache[name] = {row: value["figures"] for row, value in load(name, args.quick).items()}
        return cache[name]

    def ratio_of(name: str, row: str, what: str) -> float | None:
        return rows_of(name).get(row, {}).get("ratios", {}).get(what)

    lines, reached, measured = [("work", "against", "aim", "reached", "")], 0, 0
    for part in (small_solves, gradients, ensembles, compiling, stiff, fits, parabolic):
        for work, peer, aim, ratio in part(ratio_of):
            verdict = "" if aim is None or ratio is None else "yes" if ratio >= aim else f"{ratio / aim:.0%} of the aim"
            measured += verdict != ""
            reached += verdict == "yes"
            number = "not measured" if ratio is None else f"{ratio:.2f}"
            lines.append((work, peer, "-" if aim is None else f"{aim:g}", number, verdict))
    table(lines)
    print(f"\n{reached} of {measured} measured aims reached")
    notes(rows_of)


if __name__ == "__main__":
    main()
