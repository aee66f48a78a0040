"""The progress bar of `fit`."""

import contextlib
import sys
from collections.abc import Callable, Iterator


@contextlib.contextmanager
def progress_bar(total: int, initial: int, progress: bool | None) -> Iterator[Callable[[int, float], None]]:
    """Yield ``report(step, loss)``; it draws on stderr when ``progress`` is True, or None and stderr is a terminal."""
    shown = sys.stderr.isatty() if progress is None else progress
    if not shown:
        yield lambda _step, _loss: None
        return
    import tqdm

    with tqdm.tqdm(total=total, initial=initial, unit="step", dynamic_ncols=True) as bar:

        def report(step: int, loss: float) -> None:
            bar.set_postfix_str(f"loss={loss:.4g}", refresh=False)
            bar.update(step - bar.n)

        yield report
