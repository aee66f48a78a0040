"""Rows of a benchmark: chosen on the command line, kept one by one, so that a run can stop and go on.

Every script takes `--quick` (tiny sizes, for trying the script; figures go to output/ and mean nothing), `--only ROW`
(may be repeated), `--missing` (only the rows that have no kept result yet) and `--list`.
"""

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path

from _common import RESULTS, machine

SCRATCH = Path(__file__).parent.parent / "output" / "benchmarks"


def folder(quick: bool) -> Path:
    """Where results go: the kept ones, or a scratch folder that git ignores."""
    found = SCRATCH if quick else RESULTS
    found.mkdir(parents=True, exist_ok=True)
    return found


def load(name: str, quick: bool = False) -> dict[str, dict]:
    """Row -> {"machine", "seconds_to_measure", "figures"} of a benchmark; empty when nothing is kept."""
    path = folder(quick) / f"{name}.json"
    return json.loads(path.read_text())["rows"] if path.exists() else {}


def keep_row(name: str, row: str, figures: dict, took: float, quick: bool) -> None:
    """Write one row beside the others, with the machine it was measured on."""
    rows = load(name, quick)
    rows[row] = {"machine": machine(), "seconds_to_measure": round(took, 1), "figures": figures}
    path = folder(quick) / f"{name}.json"
    path.write_text(json.dumps({"rows": rows}, indent=2) + "\n")
    print(f"kept {row} in {path.name} ({took:.0f} s)\n", flush=True)


def arguments(doc: str | None, rows: dict[str, Callable], **more: str) -> argparse.Namespace:
    """The command line; `more` are further options, name -> help."""
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="tiny sizes: tries the script, measures nothing")
    parser.add_argument("--only", action="append", choices=list(rows), help="measure this row (may be repeated)")
    parser.add_argument("--missing", action="store_true", help="measure only rows without a kept result")
    parser.add_argument("--list", action="store_true", help="print the rows and stop")
    for option, text in more.items():
        parser.add_argument(f"--{option.replace('_', '-')}", default=None, help=text)
    return parser.parse_args()


def measure(name: str, rows: dict[str, Callable], args: argparse.Namespace) -> dict[str, dict]:
    """Measure the chosen rows, `rows[row](quick) -> figures`, keeping each; return all that are kept."""
    if args.list:
        print("\n".join(rows))
        return {}
    kept = load(name, args.quick)
    for row, figures_of in rows.items():
        if (args.only and row not in args.only) or (args.missing and row in kept):
            continue
        print(f"== {name}: {row}", flush=True)
        start = time.perf_counter()
        figures = figures_of(args.quick)
        keep_row(name, row, figures, time.perf_counter() - start, args.quick)
    return {row: value["figures"] for row, value in load(name, args.quick).items()}


def print_ratios(kept: dict[str, dict]) -> None:
    """Every ratio of every row, one a line."""
    for row, figures in kept.items():
        for what, ratio in figures.get("ratios", {}).items():
            text = "-" if ratio is None else f"{ratio:8.2f}"
            print(f"{row:32s} {text:>8s}  {what}")
