"""Shared by the benchmarks: interleaved timing, errors, comparison at equal achieved error, results as JSON."""

import json
import platform
import time
from collections.abc import Callable
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import jax
import numpy as np

RESULTS = Path(__file__).parent / "results"
PACKAGES = (
    *("sciml_jax", "jax", "jaxlib", "diffrax", "equinox", "gradsolve", "warp-lang", "numpy", "scipy", "numba"),
    *("numbalsoda", "scikit-sundae"),
)


def compile_timed(fn: Callable, *args):
    """The compiled function and the seconds that tracing, lowering and compiling took."""
    jax.clear_caches()
    start = time.perf_counter()
    compiled = jax.jit(fn).lower(*args).compile()
    return compiled, time.perf_counter() - start


def interleaved(calls: dict[str, Callable], rounds: int = 41) -> dict[str, float]:
    """Median seconds of each call, all calls in turn in every round, so that a drifting machine treats them alike."""
    for call in calls.values():
        jax.block_until_ready(call())
    samples = {name: [] for name in calls}
    for _ in range(rounds):
        for name, call in calls.items():
            # Once untimed, so that no call pays for the caches that the one before has emptied.
            jax.block_until_ready(call())
            start = time.perf_counter()
            jax.block_until_ready(call())
            samples[name].append(time.perf_counter() - start)
    return {name: float(np.median(values)) for name, values in samples.items()}


def timed(call, rounds: int = 3, warm: bool = True) -> float:
    """Median seconds of a call; `warm`: once before, untimed."""
    if warm:
        jax.block_until_ready(call())
    samples = []
    for _ in range(rounds):
        start = time.perf_counter()
        jax.block_until_ready(call())
        samples.append(time.perf_counter() - start)
    return float(np.median(samples))


def relative_error(value, reference) -> float:
    """Largest error relative to the largest entry of each component's reference."""
    value, reference = np.asarray(value), np.asarray(reference)
    scale = np.max(np.abs(reference), axis=0) if reference.ndim > 1 else np.abs(reference)
    return float(np.max(np.abs(value - reference) / scale))


def match_error(error_at: Callable[[float], float], target: float, low: float = -13.0, high: float = -2.0) -> float:
    """The loosest relative tolerance on a grid of a tenth of a decade whose error is at most `target`."""
    grid = np.arange(high, low, -0.1)
    # Errors are not monotone in the tolerance: take the first tolerance from the loose end that is good enough,
    # found on a coarse grid first.
    coarse = next((x for x in grid[::5] if error_at(10.0**x) <= target), low)
    fine = np.arange(min(coarse + 0.5, high), coarse - 0.05, -0.1)
    return 10.0 ** next((x for x in fine if error_at(10.0**x) <= target), coarse)


def machine() -> dict:
    """What a figure depends on."""
    found = {}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    model = platform.processor()
    info = Path("/proc/cpuinfo")
    if info.exists():
        model = next(
            (line.split(":")[1].strip() for line in info.read_text().splitlines() if "model name" in line), model
        )
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "processor": model,
        "devices": [str(device) for device in jax.devices()],
        "python": platform.python_version(),
        "packages": found,
    }


def keep(name: str, figures: dict) -> None:
    """Write the figures of a benchmark beside the machine they were measured on."""
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{name}.json"
    path.write_text(json.dumps({"machine": machine(), "figures": figures}, indent=2) + "\n")
    print(f"wrote {path}")


def table(rows: list[tuple]) -> None:
    """Print aligned columns."""
    widths = [max(len(str(row[i])) for row in rows) for i in range(len(rows[0]))]
    for row in rows:
        print("  ".join(str(cell).ljust(width) for cell, width in zip(row, widths, strict=True)))
