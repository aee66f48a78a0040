"""The progress bar of a run of chains."""

import contextlib
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np


@contextlib.contextmanager
def chain_progress(total: int, progress: bool | None) -> Iterator[Callable[[int, dict], None]]:
    """Yield ``report(transitions, stats)``; draws divergences, failures, acceptance and the time left on stderr."""
    shown = sys.stderr.isatty() if progress is None else progress
    if not shown:
        yield lambda _count, _stats: None
        return
    import tqdm

    lock, sums = threading.Lock(), {"diverging": 0, "failed": 0}
    with tqdm.tqdm(total=total, unit="transition", dynamic_ncols=True) as bar:

        def report(count: int, stats: dict[str, Any]) -> None:
            with lock:
                for name in sums:
                    sums[name] += int(np.sum(stats.get(name, 0)))
                acceptance = float(np.mean(stats["acceptance_rate"])) if "acceptance_rate" in stats else float("nan")
                text = f"divergences={sums['diverging']}, failed solves={sums['failed']}, acceptance={acceptance:.2f}"
                bar.set_postfix_str(text, refresh=False)
                bar.update(count)

        yield report
