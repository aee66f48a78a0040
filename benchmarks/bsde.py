"""High-dimensional parabolic equations, d = 100: error and time of our methods beside what was published.

Each row is one problem (`_bsde_worker.py` states them; shared/problems.md of the project defines them) with one of our
methods at its defaults, in float32, five seeds. Every seed is a process of its own with an empty compilation cache; its
seconds contain tracing and compiling, not the import. The error is the mean over seeds of |u0 / exact - 1|. Where no
exact value is known the reference is the published Monte Carlo value, with its own error. Published errors and times
are those of Han, Jentzen & E (2018) and Raissi (2018), on their machines. Ratios: aimed error by ours, aimed time by
ours (above 1 is better than aimed). `make bench-bsde CASE="allen_cahn" SEED=0` measures one row with one seed, kept
nowhere.
"""

import json
import os
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path

import numpy as np
from _common import table
from _rows import arguments, measure

SEEDS = (0, 1, 2, 3, 4)
CASES = {
    # row: method, reference value, aimed relative error, aimed seconds, published error and seconds
    "hjb, lambda 0.5": ("DeepBSDE", 4.595210, 5e-4, 60, None, None),
    "hjb, lambda 1": ("DeepBSDE", 4.5901617246, 5e-4, 60, 1.7e-3, 330),
    "hjb, lambda 2": ("DeepBSDE", 4.57996197, 5e-4, 60, None, None),
    "hjb, lambda 10": ("DeepBSDE", 4.49292949, 5e-4, 60, None, None),
    "allen_cahn": ("DeepBSDE", 0.052781357410, 1e-3, 60, 3.0e-3, 647),
    "barenblatt": ("FeynmanKac", 77.104878747, 5e-4, 120, 2.3e-3, None),
    "default_risk": ("DeepBSDE", 57.300, 2e-3, 120, 4.6e-3, 1607),
    "two_rates": ("DeepBSDE", 21.299, 3e-3, None, 3.9e-3, 566),
}


def solve_apart(case: str, method: str, seed: int, quick: bool) -> dict:
    """One seed in a fresh process with nothing compiled."""
    worker = Path(__file__).parent / "_bsde_worker.py"
    with tempfile.TemporaryDirectory() as cache:
        env = os.environ | {"JAX_COMPILATION_CACHE_DIR": cache}
        command = [sys.executable, str(worker), case, method, str(seed), str(int(quick))]
        done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    lines = [line for line in done.stdout.splitlines() if line.startswith("RESULT ")]
    if not lines:
        msg = f"The worker of {case}, seed {seed}, failed:\n{done.stderr[-2000:]}"
        raise RuntimeError(msg)
    return json.loads(lines[0].removeprefix("RESULT "))


def run_case(case: str, quick: bool, seeds=SEEDS) -> dict:
    """All seeds of one problem."""
    method, exact, aim, aimed_seconds, published, published_seconds = CASES[case]
    runs = []
    for seed in seeds[:1] if quick else seeds:
        runs.append(solve_apart(case, method, seed, quick))
        print(f"  seed {seed}: {runs[-1]}", flush=True)
    off = np.abs(np.array([run["u0"] for run in runs]) / exact - 1)
    errors = np.array([run["error"] for run in runs])
    seconds = float(np.median([run["seconds"] for run in runs]))
    error = float(np.mean(off))
    return {
        "method": method,
        "reference": exact,
        "relative_error": error,
        "estimated_relative_error": float(np.mean(errors)) / abs(exact),
        "within_two_errors": int(np.sum(off * abs(exact) < 2 * errors)),
        "seconds": seconds,
        "load": os.getloadavg()[0],
        "published": {"relative_error": published, "seconds": published_seconds},
        "runs": runs,
        "ratios": {
            "aimed error by ours": aim / error,
            "aimed time by ours": aimed_seconds / seconds if aimed_seconds else None,
            "published error by ours": published / error if published else None,
            "published time by ours": published_seconds / seconds if published_seconds else None,
        },
    }


ROWS = {case: partial(run_case, case) for case in CASES}


def report(kept: dict[str, dict]) -> None:
    """The table of the kept rows."""
    percent = lambda value: "-" if value is None else f"{value:.3%}"
    seconds = lambda value: "-" if value is None else f"{value:.0f}"
    lines = [("problem", "method", "error", "estimated", "aim", "published", "seconds", "aim", "published")]
    for case in (case for case in CASES if case in kept):
        found, (_, _, aim, aimed_seconds, *_) = kept[case], CASES[case]
        lines.append(
            (
                *(case, found["method"], percent(found["relative_error"]), percent(found["estimated_relative_error"])),
                *(percent(aim), percent(found["published"]["relative_error"])),
                *(seconds(found["seconds"]), seconds(aimed_seconds), seconds(found["published"]["seconds"])),
            )
        )
    table(lines)


def main():
    """Measure and print."""
    args = arguments(__doc__, ROWS, case="one row, printed and not kept", seed="one seed, printed and not kept")
    if args.case or args.seed:
        seeds = SEEDS if args.seed is None else (int(args.seed),)
        for case in [args.case] if args.case else CASES:
            report({case: run_case(case, args.quick, seeds)})
        return
    kept = measure("bsde", ROWS, args)
    if kept:
        report(kept)


if __name__ == "__main__":
    main()
