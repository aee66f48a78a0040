"""Who started this process, read from the environment: explicit variables, Open MPI, SLURM. Pure functions."""

import re
import zlib
from collections.abc import Mapping
from typing import NamedTuple

_FIRST_PORT, _PORTS = 61440, 4096  # the upper end of the dynamic ports


class Settings(NamedTuple):
    """What is known about the run; None is unknown."""

    coordinator: str | None
    """``host:port`` of process 0."""
    num_processes: int | None
    process_id: int | None
    local_device_ids: tuple[int, ...] | None
    """Which accelerators of the machine this process takes; None: all that it sees."""
    source: str
    """Where the settings come from."""


def detect(env: Mapping[str, str]) -> Settings | None:
    """The settings in the environment, or None when nobody started several processes.

    JAX's own variables come first, then Open MPI (whose `mpirun` also runs inside SLURM), then SLURM.
    """
    if "JAX_NUM_PROCESSES" in env or "JAX_PROCESS_ID" in env:
        return Settings(
            env.get("JAX_COORDINATOR_ADDRESS"),
            _integer(env, "JAX_NUM_PROCESSES"),
            _integer(env, "JAX_PROCESS_ID"),
            None,
            "JAX_NUM_PROCESSES, JAX_PROCESS_ID",
        )
    if "OMPI_COMM_WORLD_SIZE" in env:
        return _open_mpi(env)
    if "SLURM_PROCID" in env:
        return _slurm(env)
    return None


def expand_nodelist(text: str) -> list[str]:
    """Host names of a SLURM node list: ``node[001-003,7],login`` is node001, node002, node003, node7, login."""
    hosts: list[str] = []
    paired = re.fullmatch(r"(?:[^\[\]]|\[[^\[\]]*\])*", text)
    for group in _split_outside_brackets(text):
        names = [""]
        for literal, ranges in re.findall(r"([^\[\]]+)|\[([^\[\]]*)\]", group):
            endings = [literal] if literal else _expand_ranges(ranges, text)
            names = [name + ending for name in names for ending in endings]
        hosts += names
    if not hosts or "" in hosts or not paired:
        msg = f"A SLURM node list looks like 'node[001-003,7],login'; got {text!r}. Pass coordinator='host:port'."
        raise ValueError(msg)
    return hosts


def port_for(job: str) -> int:
    """A port that the processes of one job agree on and other jobs hardly ever choose."""
    return _FIRST_PORT + (int(job) if job.isdigit() else zlib.crc32(job.encode())) % _PORTS


def _slurm(env: Mapping[str, str]) -> Settings:
    count = _integer(env, "SLURM_STEP_NUM_TASKS")
    count = _integer(env, "SLURM_NTASKS") if count is None else count
    count = _integer(env, "SLURM_NPROCS") if count is None else count
    nodes = env.get("SLURM_STEP_NODELIST") or env.get("SLURM_JOB_NODELIST") or env.get("SLURM_NODELIST")
    job = env.get("SLURM_JOB_ID") or env.get("SLURM_JOBID") or ""
    coordinator = None
    if nodes:
        coordinator = f"{expand_nodelist(nodes)[0]}:{port_for(job + _step(env))}"
    rank, local = _integer(env, "SLURM_PROCID"), _integer(env, "SLURM_LOCALID")
    return Settings(coordinator, count, rank, _local_devices(env, local, _tasks_per_node(env)), "SLURM")


def _open_mpi(env: Mapping[str, str]) -> Settings:
    size, rank = _integer(env, "OMPI_COMM_WORLD_SIZE"), _integer(env, "OMPI_COMM_WORLD_RANK")
    local_size, local = _integer(env, "OMPI_COMM_WORLD_LOCAL_SIZE"), _integer(env, "OMPI_COMM_WORLD_LOCAL_RANK")
    uri = env.get("OMPI_MCA_orte_hnp_uri", "")
    address = re.search(r"tcp://([^,:]+)|tcp6://\[([^,\]]+)", uri)
    job = uri.split(".")[0] or env.get("PMIX_NAMESPACE") or env.get("OMPI_MCA_ess_base_jobid") or ""
    coordinator = None
    if address:
        host = address.group(1) or f"[{address.group(2)}]"
        # Open MPI numbers its jobs in steps of 4096.
        coordinator = f"{host}:{port_for(str(int(job) // _PORTS) if job.isdigit() else job)}"
    elif size is not None and size == local_size:
        coordinator = f"127.0.0.1:{port_for(job)}"
    return Settings(coordinator, size, rank, _local_devices(env, local, local_size), "Open MPI")


def _local_devices(env: Mapping[str, str], local: int | None, num_local: int | None) -> tuple[int, ...] | None:
    """The process's part of the machine's accelerators, when it shares the machine with others."""
    if local is None or num_local is None or num_local <= 1:
        return None
    for name in ("CUDA_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES"):
        if env.get(name):
            visible = len(env[name].split(","))
            if visible < num_local:  # the scheduler has bound each process to its own already
                return tuple(range(visible))
            each = visible // num_local
            return tuple(range(local * each, (local + 1) * each))
    return (local,)


def _tasks_per_node(env: Mapping[str, str]) -> int | None:
    """The tasks on this node: entry SLURM_NODEID of a list such as ``4(x2),3``."""
    text = env.get("SLURM_STEP_TASKS_PER_NODE") or env.get("SLURM_TASKS_PER_NODE")
    if not text:
        return _integer(env, "SLURM_NTASKS_PER_NODE")
    counts: list[int] = []
    for tasks, repeat in re.findall(r"(\d+)(?:\(x(\d+)\))?", text):
        counts += [int(tasks)] * int(repeat or 1)
    node = _integer(env, "SLURM_NODEID") or 0
    return counts[node] if node < len(counts) else None


def _step(env: Mapping[str, str]) -> str:
    """Digits that tell the steps of one job apart."""
    step = env.get("SLURM_STEP_ID", "")
    return step if step.isdigit() and len(step) < 4 else ""


def _integer(env: Mapping[str, str], name: str) -> int | None:
    if name not in env:
        return None
    try:
        return int(env[name])
    except ValueError:
        msg = f"The environment variable {name} must be an integer; got {env[name]!r}. Correct or unset it."
        raise ValueError(msg) from None


def _split_outside_brackets(text: str) -> list[str]:
    return [group for group in re.findall(r"(?:[^,\[]|\[[^\]]*\])+", text.replace(" ", "")) if group]


def _expand_ranges(ranges: str, text: str) -> list[str]:
    found: list[str] = []
    for part in ranges.split(","):
        match = re.fullmatch(r"(\d+)(?:-(\d+))?", part)
        if match is None:
            msg = f"A SLURM node list has numbers in its brackets; got {text!r}. Pass coordinator='host:port'."
            raise ValueError(msg)
        first, last = match.group(1), match.group(2) or match.group(1)
        found += [str(number).zfill(len(first)) for number in range(int(first), int(last) + 1)]
    return found
