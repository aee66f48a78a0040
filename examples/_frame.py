"""What all examples share: their options, the time of each part, and the report and picture that they write.

An example `x.py` has `analyse(full, done)`, which calls `done("part")` after each part of its work and returns a report
(a dict that JSON can hold) and curves; `summarise(report)`, which prints; and a module `_x_picture.py` with
`draw(path, report, curves)`.
"""

import argparse
import importlib
import json
import pathlib
import platform
import time

import jax

import sciml_jax as sj


def best_of(run, rounds=20):
    """Seconds of the fastest of some calls; the first one, which compiles, does not count."""
    jax.block_until_ready(run())
    times = []
    for _ in range(rounds):
        began = time.perf_counter()
        jax.block_until_ready(run())
        times.append(time.perf_counter() - began)
    return min(times)


def _options(about, full):
    parser = argparse.ArgumentParser(description=about)
    parser.add_argument("--output", type=pathlib.Path, default=pathlib.Path(), help="folder for the files")
    parser.add_argument("--full", action="store_true", help=full)
    return parser.parse_args()


def _picture(name):
    try:
        return importlib.import_module(f"_{name}_picture")
    except ModuleNotFoundError as error:
        raise SystemExit(f"This example draws a picture: {error}. Run: pip install -e '.[plot]'") from None


def run_example(name, about, analyse, summarise, *, full, packages=()):
    """Run an example: parse `--output` and `--full` (help: `full`), analyse in float64, print, draw, write.

    Writes `<name>.json` (the report, seconds per part, the versions of Python, JAX, ours and of the modules in
    `packages`, the device) and `<name>.png`.
    """
    options = _options(about, full)
    picture = _picture(name)
    options.output.mkdir(parents=True, exist_ok=True)
    jax.config.update("jax_enable_x64", True)
    began, seconds = time.perf_counter(), {}

    def done(part):
        seconds[part] = round(time.perf_counter() - began - sum(seconds.values()), 2)
        print(f"{part}: {seconds[part]:.1f} s", flush=True)

    report, curves = analyse(options.full, done)
    summarise(report)
    picture.draw(options.output / f"{name}.png", report, curves)
    done("picture")
    versions = {"python": platform.python_version(), "sciml_jax": sj.__version__, "jax": jax.__version__}
    versions |= {package.__name__: package.__version__ for package in packages}
    report = report | {"seconds": seconds, "versions": versions, "device": str(jax.devices()[0])}
    (options.output / f"{name}.json").write_text(json.dumps(report, indent=2) + "\n")
    total = sum(seconds.values())
    print(f"Wrote {name}.png and {name}.json to {options.output.resolve()}, {total:.0f} s in all.")
