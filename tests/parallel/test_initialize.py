"""`parallel.initialize`: what it finds in the environment, and what it says about what is missing."""

import os

import jax
import pytest

from sciml_jax import parallel
from sciml_jax.parallel.cluster import detect, expand_nodelist
from sciml_jax.parallel.initialize import resolve

SLURM = {
    "SLURM_JOB_ID": "4242",
    "SLURM_JOB_NODELIST": "node[001-003,7],login",
    "SLURM_NTASKS": "8",
    "SLURM_PROCID": "5",
    "SLURM_LOCALID": "1",
    "SLURM_NODEID": "1",
    "SLURM_TASKS_PER_NODE": "4(x1),2(x2)",
}
OPEN_MPI = {
    "OMPI_COMM_WORLD_SIZE": "4",
    "OMPI_COMM_WORLD_RANK": "3",
    "OMPI_COMM_WORLD_LOCAL_RANK": "1",
    "OMPI_COMM_WORLD_LOCAL_SIZE": "2",
    "OMPI_MCA_orte_hnp_uri": "1531576320.0;tcp://10.96.0.1,10.148.0.1:34911",
}


@pytest.mark.parametrize(
    ("text", "hosts"),
    [
        ("node1", ["node1"]),
        ("a,b-2", ["a", "b-2"]),
        ("node[001-003,7]", ["node001", "node002", "node003", "node7"]),
        ("node[09-11],login", ["node09", "node10", "node11", "login"]),
        ("rack[1-2]n[01,03].x", ["rack1n01.x", "rack1n03.x", "rack2n01.x", "rack2n03.x"]),
    ],
)
def test_node_lists_expand(text, hosts):
    assert expand_nodelist(text) == hosts


@pytest.mark.parametrize("text", ["", "node[", "node[a-b]", "node[1-]"])
def test_malformed_node_lists_are_refused(text):
    with pytest.raises(ValueError, match="SLURM node list"):
        expand_nodelist(text)


def test_slurm_gives_all_settings():
    found = detect(SLURM)
    host, port = found.coordinator.split(":")
    assert (host, found.num_processes, found.process_id, found.source) == ("node001", 8, 5, "SLURM")
    assert 61440 <= int(port) < 65536 and found.local_device_ids == (1,)
    assert detect(SLURM | {"SLURM_PROCID": "0"}).coordinator == found.coordinator
    assert detect(SLURM | {"SLURM_JOB_ID": "4243"}).coordinator != found.coordinator
    assert detect(SLURM | {"SLURM_STEP_NODELIST": "node7"}).coordinator.startswith("node7:")


@pytest.mark.parametrize(
    ("change", "devices"),
    [
        ({"CUDA_VISIBLE_DEVICES": "0,1,2,3"}, (2, 3)),
        ({"CUDA_VISIBLE_DEVICES": "2"}, (0,)),
        ({"SLURM_TASKS_PER_NODE": "1(x8)", "SLURM_LOCALID": "0"}, None),
    ],
)
def test_processes_of_one_machine_divide_its_gpus(change, devices):
    assert detect(SLURM | change).local_device_ids == devices


def test_open_mpi_wins_over_slurm_and_finds_its_launcher():
    found = detect(SLURM | OPEN_MPI)
    assert (found.num_processes, found.process_id, found.source) == (4, 3, "Open MPI")
    assert found.coordinator.startswith("10.96.0.1:") and found.local_device_ids == (1,)
    six = detect(OPEN_MPI | {"OMPI_MCA_orte_hnp_uri": "1314521088.0;tcp6://[fe80::1,2620:10d::2]:43370"})
    assert six.coordinator.startswith("[fe80::1]:")


def test_open_mpi_on_one_machine_needs_no_launcher_address():
    env = OPEN_MPI | {"OMPI_COMM_WORLD_LOCAL_SIZE": "4", "PMIX_NAMESPACE": "prterun-1@1"}
    del env["OMPI_MCA_orte_hnp_uri"]
    assert detect(env).coordinator.startswith("127.0.0.1:")
    env["OMPI_COMM_WORLD_LOCAL_SIZE"] = "2"
    with pytest.raises(ValueError, match="coordinator missing.*from Open MPI.*coordinator='host:port'"):
        resolve(None, None, None, env)


def test_arguments_replace_single_settings():
    found = resolve("head:1234", None, None, SLURM)
    assert found[:3] == ("head:1234", 8, 5) and found.source == "SLURM and arguments"
    assert resolve("head:1234", 2, 1, SLURM)[:3] == ("head:1234", 2, 1)
    own = {"JAX_NUM_PROCESSES": "3", "JAX_PROCESS_ID": "2", "JAX_COORDINATOR_ADDRESS": "a:99"}
    assert resolve(None, None, None, SLURM | own)[:3] == ("a:99", 3, 2)


@pytest.mark.parametrize(
    ("arguments", "env", "message"),
    [
        ((None, 2, None), {}, "coordinator, process_id missing, got num_processes=2 from arguments"),
        (("a:1", None, 0), {}, "num_processes missing"),
        (("a:1", 2, 2), {}, "process_id=2, num_processes=2.*Number the processes from 0"),
        (("a:1", 2, -1), {}, "process_id=-1"),
        (("a", 2, 0), {}, "'host:port'; got 'a'"),
        (("a:99999", 2, 0), {}, "'host:port'; got 'a:99999'"),
        (("a:1", 2.0, 0), {}, "`num_processes` must be an integer; got 2.0"),
        ((None, None, None), {"SLURM_PROCID": "0", "SLURM_NTASKS": "2"}, "coordinator missing.*from SLURM"),
        ((None, None, None), SLURM | {"SLURM_NTASKS": "many"}, "SLURM_NTASKS must be an integer; got 'many'"),
    ],
)
def test_incomplete_and_impossible_settings_are_refused(arguments, env, message):
    with pytest.raises(ValueError, match=message):
        resolve(*arguments, env)


@pytest.mark.parametrize("env", [{}, {"SLURM_PROCID": "0", "SLURM_NTASKS": "1", "SLURM_JOB_NODELIST": "n1"}])
def test_a_single_process_joins_nothing_and_says_so(monkeypatch, env):
    for name in list(os.environ):
        if name.startswith(("SLURM_", "OMPI_", "JAX_NUM_PROCESSES", "JAX_PROCESS_ID")):
            monkeypatch.delenv(name)
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    info = parallel.initialize()
    assert info.num_processes == 1 and info.process_id == 0 and "nothing to join" in str(info)
    assert not jax.distributed.is_initialized()


def test_joining_after_the_first_computation_is_refused_with_the_fix():
    jax.devices()
    with pytest.raises(RuntimeError, match="before the first JAX computation.*top of the script"):
        parallel.initialize("127.0.0.1:61999", 2, 0)
