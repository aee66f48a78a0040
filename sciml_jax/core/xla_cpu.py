"""An opt-in compiler option that makes loops of small operations fast on CPUs."""

import os

import jax

_FLAG = "--xla_backend_extra_options"
_OPTION = "xla_cpu_small_while_loop_byte_threshold"


def enable_fast_cpu_loops(threshold: int = 104_857_600) -> None:
    """Let XLA compile whole loops into single functions on CPUs. Call it before anything runs in JAX.

    For jax 0.10 (Python 3.11): its XLA does so only for loops that touch few bytes in an iteration, and dispatches
    every operation of the others by itself. The option raises that limit. Measured: gradients of small solves 5-16
    times faster, forward solves 1-3 times, compilation 2-7 times. With jax 0.12 the default is as fast, and the option
    changes nothing.

    Parameters
    ----------
    threshold
        Bytes accessed in one iteration below which a loop is compiled as one function (100 MiB).

    Raises
    ------
    RuntimeError
        If JAX has started its backend already: XLA reads its options once.
    TypeError, ValueError
        If `threshold` is not a positive integer.

    Notes
    -----
    Appends `--xla_backend_extra_options=xla_cpu_small_while_loop_byte_threshold=...` to the environment variable
    `XLA_FLAGS` of this process, which child processes inherit; what is there already stays. A second call with the same
    threshold does nothing.

    An internal option of XLA: it may disappear, and XLA ignores silently what it does not know, so measure
    (`benchmarks/xla_cpu_option.py`). Results change by rounding at most. Loops that hold a custom call (LAPACK,
    callbacks) or a collective are not affected, nor are GPUs and TPUs. Do not use it where single iterations are large
    (networks): a loop compiled as one function runs on one core, and took 1.2 times as long.
    """
    if isinstance(threshold, bool) or not isinstance(threshold, int):
        msg = f"`threshold` must be an integer number of bytes; got {threshold!r}. Pass, for example, `100 * 2**20`."
        raise TypeError(msg)
    if threshold <= 0:
        msg = f"`threshold` must be positive; got {threshold}. Pass, for example, `100 * 2**20`."
        raise ValueError(msg)
    flags = _with_option(os.environ.get("XLA_FLAGS", ""), threshold)
    if flags == os.environ.get("XLA_FLAGS", ""):
        return
    if _backend_has_started():
        msg = (
            "`sj.enable_fast_cpu_loops()` must be called before JAX starts its backend; something has run in JAX "
            "already. Call it right after the imports, before the first array is made and before "
            "`jax.devices()`, or set the environment variable "
            f"`XLA_FLAGS={_FLAG}={_OPTION}={threshold}` before Python starts."
        )
        raise RuntimeError(msg)
    os.environ["XLA_FLAGS"] = flags


def _with_option(flags: str, threshold: int) -> str:
    """`XLA_FLAGS` with the option: merged into the last flag that holds such options, if there is one."""
    words = flags.split()
    setting = f"{_OPTION}={threshold}"
    places = [i for i, word in enumerate(words) if word.startswith(f"{_FLAG}=")]
    if not places:
        return " ".join([*words, f"{_FLAG}={setting}"])
    kept: list[str] = []
    for i in places:
        options = words[i].removeprefix(f"{_FLAG}=").split(",")
        kept += [option for option in options if option and option.split("=")[0] != _OPTION]
    if setting in (option for i in places for option in words[i].removeprefix(f"{_FLAG}=").split(",")):
        return flags
    words[places[-1]] = f"{_FLAG}={','.join([*kept, setting])}"
    return " ".join(word for i, word in enumerate(words) if i not in places[:-1])


def _backend_has_started() -> bool:
    """Whether JAX has a backend, found through a public option that it refuses to change from then on."""
    before = jax.config.jax_num_cpu_devices
    try:
        jax.config.update("jax_num_cpu_devices", before + 1)
    except RuntimeError:
        return True
    jax.config.update("jax_num_cpu_devices", before)
    return False
