"""The progress bar of `ensemble`."""

import contextlib
import sys
from collections.abc import Callable, Iterator


@contextlib.contextmanager
def progress_bar(total: int, progress: bool | None) -> Iterator[Callable[[int, int], None]]:
    """Yield ``report(done, failed)``, which adds members; draws on stderr when `progress` is True.

    With None, when stderr is a terminal.
    """
    shown = sys.stderr.isatty() if progress is None else progress
    if not shown:
        yield lambda _done, _failed: None
        return
    import tqdm

    failures = 0
    with tqdm.tqdm(total=total, unit="member", dynamic_ncols=True) as bar:

        def report(done: int, failed: int) -> None:
            nonlocal failures
            failures += failed
            if failures:
                bar.set_postfix_str(f"failed={failures}", refresh=False)
            bar.update(done)

        yield report
