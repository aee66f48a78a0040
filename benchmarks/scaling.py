"""10,000 Lorenz sets (rho 0..56, t to 20) on two CPU devices against one, and in two processes against one.

Every run is a process of its own, because the number of devices is fixed when JAX starts; compilation and start are
left out (shortest of three calls after the first). What the machine itself allows is measured beside, before and
after: two copies of a plain Python loop at once against one alone; 2.0 means that two real cores are free.
"""

import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

from _common import table
from _rows import arguments, folder, measure, print_ratios

WORKER = Path(__file__).parent / "_scaling_worker.py"
SPIN = "import time; s = time.perf_counter(); sum(i * i for i in range(20_000_000)); print(time.perf_counter() - s)"


def start(*command: str) -> subprocess.Popen:
    root = str(Path(__file__).parent.parent)
    path = os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH")]))
    env = {**os.environ, "PYTHONPATH": path, "JAX_PLATFORMS": "cpu"}
    return subprocess.Popen([sys.executable, *command], stdout=subprocess.PIPE, text=True, env=env)


def outputs(processes: list[subprocess.Popen]) -> list[str]:
    """What they print; all are ended if one fails or nothing comes for half an hour."""
    try:
        texts = [process.communicate(timeout=1800)[0] for process in processes]
    finally:
        for process in processes:
            if process.poll() is None:
                process.kill()
    if any(process.returncode for process in processes):
        msg = f"a worker failed with exit codes {[process.returncode for process in processes]}; its messages are above"
        raise RuntimeError(msg)
    return texts


def worker(*arguments_of: str) -> subprocess.Popen:
    return start(str(WORKER), *arguments_of)


def result(text: str) -> dict:
    return json.loads(next(line for line in text.splitlines() if line.startswith("RESULT ")).removeprefix("RESULT "))


def free_cores() -> float:
    """How much faster two processes are than one, on work that shares nothing."""
    alone = float(outputs([start("-c", SPIN)])[0])
    both = max(float(text) for text in outputs([start("-c", SPIN), start("-c", SPIN)]))
    return 2.0 * alone / both


def size(quick: bool) -> tuple[str, str]:
    return ("400", "2.0") if quick else ("10000", "20.0")


def one_device(quick: bool) -> dict:
    return result(outputs([worker(*size(quick), "1")])[0])


def compare(other: dict, one: dict, before: float, quick: bool) -> dict:
    found = {"free_cores": {"before": before, "after": free_cores()}, "one": one, "two": other}
    # The same members give the same bits in whatever chunk, or the run is not what it says it is.
    found["largest_difference"] = abs(one["checksum"] - other["checksum"]) / abs(one["checksum"])
    return {**found, "ratios": {"two against one": one["seconds"] / other["seconds"]}}


def devices(quick: bool) -> dict:
    before = free_cores()
    one = one_device(quick)
    return compare(result(outputs([worker(*size(quick), "2")])[0]), one, before, quick)


def processes(quick: bool) -> dict:
    before = free_cores()
    one = one_device(quick)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    time.sleep(0.1)
    both = [worker(*size(quick), "1", f"127.0.0.1:{port}", "2", str(k)) for k in range(2)]
    found = [result(text) for text in outputs(both)]
    return compare(max(found, key=lambda f: f["seconds"]), one, before, quick)


def main():
    rows = {"devices": devices, "processes": processes}
    args = arguments(__doc__, rows)
    kept = measure("scaling", rows, args)
    if not kept:
        return
    lines: list[tuple] = [
        ("row", "seconds of one", "of two", "busy cores of one", "of two", "free cores before", "after")
    ]
    for row, found in kept.items():
        one, two, free = found["one"], found["two"], found["free_cores"]
        numbers = (one["seconds"], two["seconds"], one["cores_busy"], two["cores_busy"], free["before"], free["after"])
        lines += [(row, *(f"{number:.3g}" for number in numbers))]
    table(lines)
    print_ratios(kept)
    from _plots import bars

    panels = {row: {"ours, one": f["one"]["seconds"], "ours, two": f["two"]["seconds"]} for row, f in kept.items()}
    title = "Two devices, two processes against one" if args.quick else "10,000 Lorenz sets: two against one"
    bars(folder(args.quick) / "scaling.png", panels, "seconds", title)


if __name__ == "__main__":
    main()
