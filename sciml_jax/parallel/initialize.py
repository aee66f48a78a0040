"""Join the processes of one run."""

import importlib.util
import os
import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import jax

from .cluster import Settings, detect


class ProcessInfo(NamedTuple):
    """The place of a process in its run."""

    process_id: int
    num_processes: int
    coordinator: str | None
    """``host:port`` of process 0; None for a single process."""
    source: str
    """Where the settings came from."""

    def __str__(self) -> str:
        if self.num_processes == 1:
            return f"one process ({self.source}): nothing to join; all local devices are used"
        return f"process {self.process_id} of {self.num_processes}, coordinator {self.coordinator} ({self.source})"


def initialize(
    coordinator: str | None = None,
    num_processes: int | None = None,
    process_id: int | None = None,
    *,
    local_device_ids: Sequence[int] | None = None,
    timeout: int = 300,
) -> ProcessInfo:
    """Join the processes of a run, so that `ensemble` and `training.fit` can use the devices of all of them.

    Call it once, first thing in the script: before any JAX computation. Started by SLURM's ``srun``, Open MPI's
    ``mpirun`` or on a TPU pod it needs no arguments; in a script that is started alone it does nothing, so one script
    serves the laptop and the cluster.

    Parameters
    ----------
    coordinator
        ``host:port`` of process 0, reachable from all. By default SLURM's first node or Open MPI's launcher, with a
        port derived from the job's number.
    num_processes, process_id
        Processes in all, and which of them this is. By default JAX_NUM_PROCESSES and JAX_PROCESS_ID (with
        JAX_COORDINATOR_ADDRESS), else what Open MPI or SLURM say, in this order. Arguments replace single settings.
    local_device_ids
        GPUs of this machine that this process takes. By default all that it sees, divided evenly where several
        processes share a machine.
    timeout
        Seconds to wait for the other processes.

    Returns
    -------
    A `ProcessInfo`; ``print`` it to see what was found.

    Raises
    ------
    ValueError
        For settings that are incomplete, impossible, or differ from those of an earlier call.
    RuntimeError
        When JAX has computed something already, or the other processes do not answer.

    Notes
    -----
    A second call with the same settings does nothing. If one process dies, JAX ends the others: keep a ``checkpoint``.
    CPUs exchange results through gloo, which JAX selects by itself.
    """
    given = (coordinator, num_processes, process_id)
    if jax.distributed.is_initialized():
        return _joined_already(given)
    settings = resolve(coordinator, num_processes, process_id, os.environ)
    if settings is None:
        return _ask_jax()
    if settings.num_processes == 1:
        return ProcessInfo(0, 1, None, settings.source)
    devices = settings.local_device_ids if local_device_ids is None else tuple(local_device_ids)
    _join(settings, devices, timeout)
    return ProcessInfo(
        int(settings.process_id or 0), int(settings.num_processes or 1), settings.coordinator, settings.source
    )


def resolve(
    coordinator: str | None, num_processes: int | None, process_id: int | None, env: Mapping[str, str]
) -> Settings | None:
    """Arguments and environment together, complete and checked; None when neither speaks of several processes."""
    given = {"coordinator": coordinator, "num_processes": num_processes, "process_id": process_id}
    explicit = {name: value for name, value in given.items() if value is not None}
    found = detect(env)
    if found is None and not explicit:
        return None
    found = found or Settings(None, None, None, None, "arguments")
    source = found.source if not explicit or found.source == "arguments" else f"{found.source} and arguments"
    settings = found._replace(**explicit, source="arguments" if len(explicit) == 3 else source)
    if settings.num_processes == 1 and settings.process_id in (None, 0):
        return settings._replace(process_id=0)
    missing = [name for name in given if getattr(settings, name) is None]
    if missing:
        have = ", ".join(f"{name}={getattr(settings, name)!r}" for name in given if name not in missing) or "nothing"
        msg = (
            f"Several processes need a coordinator, their number and each one's id; {', '.join(missing)} missing, got "
            f"{have} from {settings.source}. Pass initialize(coordinator='host:port', num_processes=..., "
            "process_id=...), or start the script with srun or mpirun."
        )
        raise ValueError(msg)
    _check(settings)
    return settings


def _check(settings: Settings) -> None:
    count, index, address = settings.num_processes, settings.process_id, settings.coordinator
    for name, value in (("num_processes", count), ("process_id", index)):
        if isinstance(value, bool) or not isinstance(value, int):
            msg = f"`{name}` must be an integer; got {value!r} ({type(value).__name__}). Pass int({name})."
            raise ValueError(msg)
    assert isinstance(count, int)
    assert isinstance(index, int)
    if count < 1 or not 0 <= index < count:
        msg = (
            f"`process_id` must lie in 0 ... num_processes - 1; got process_id={index}, num_processes={count} from "
            f"{settings.source}. Number the processes from 0."
        )
        raise ValueError(msg)
    port = re.fullmatch(r".+:(\d{1,5})", address) if isinstance(address, str) else None
    if port is None or not 0 < int(port.group(1)) < 65536:
        msg = f"`coordinator` must be 'host:port'; got {address!r}. Pass, for example, 'node001:62000'."
        raise ValueError(msg)


def _join(settings: Settings, devices: tuple[int, ...] | None, timeout: int) -> None:
    host = str(settings.coordinator).rpartition(":")[0]
    local = host in ("127.0.0.1", "localhost", "[::1]")
    try:
        jax.distributed.initialize(
            settings.coordinator,
            settings.num_processes,
            settings.process_id,
            local_device_ids=devices,
            # Ours has decided; JAX's would give a process one device wherever SLURM is in the environment.
            cluster_detection_method="deactivate",
            initialization_timeout=timeout,
            # A run on one machine needs no port that others can reach.
            coordinator_bind_address=settings.coordinator if local else None,
        )
    except RuntimeError as error:
        text = str(error)
        if "before" in text:
            msg = (
                "`initialize` must come before the first JAX computation; JAX has started already. Move "
                "parallel.initialize() to the top of the script, before arrays are made or devices asked for."
            )
        else:
            msg = (
                f"Process {settings.process_id} of {settings.num_processes} could not join at "
                f"{settings.coordinator} ({settings.source}) within {timeout} s: {text.splitlines()[0]}. Start all "
                "processes (with srun, not in the batch script alone), or pass a coordinator that all can reach."
            )
        raise RuntimeError(msg) from error


def _joined_already(given: tuple) -> ProcessInfo:
    now = (None, jax.process_count(), jax.process_index())
    for name, value, have in zip(("coordinator", "num_processes", "process_id"), given, now, strict=True):
        if None not in (value, have) and value != have:
            msg = (
                f"A process joins once; it is process {now[2]} of {now[1]}, and the call asks for {name}={value!r}. "
                "Call initialize with the same settings, or without any."
            )
            raise ValueError(msg)
    return ProcessInfo(now[2], now[1], given[0], "joined before")


def _ask_jax() -> ProcessInfo:
    """JAX knows TPU pods itself; anything else without settings is a single process."""
    if importlib.util.find_spec("libtpu") is None:
        return ProcessInfo(0, 1, None, "no SLURM, Open MPI or JAX settings in the environment")
    try:
        jax.distributed.initialize()
    except ValueError:
        return ProcessInfo(0, 1, None, "a TPU without neighbours")
    return ProcessInfo(jax.process_index(), jax.process_count(), None, "TPU pod")
