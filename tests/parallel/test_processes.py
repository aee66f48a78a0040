"""Two real processes on loopback: each gets the whole result, equal to that of one process."""

import socket

import jax
import numpy as np
import optax
import pytest

from sciml_jax import parallel, training
from sciml_jax.parallel.processes import shares

from .problems import INPUTS, finished, root, run_script

RULES = {
    "mean": parallel.mean(lambda out: out.y),
    "variance": parallel.variance(lambda out: out.y),
    "quantiles": parallel.quantiles([0.2, 0.8], lambda out: out.y, size=512),
}
DATA = {"x": np.linspace(-1.0, 1.0, 12), "y": np.linspace(1.0, 4.0, 12) ** 2}


def line(params, batch, key):
    return ((params["a"] + params["b"] * batch["x"] - batch["y"]) ** 2).mean()


def train(**options):
    start = {"a": jax.numpy.zeros(()), "b": jax.numpy.zeros(())}
    batches = training.minibatches(DATA, 6, key=1)
    return training.fit(line, start, optimizer=optax.adam(0.1), num_steps=20, batches=batches, key=0, **options)


SCRIPT = """
    import sys
    from sciml_jax import parallel
    address, process, folder = sys.argv[1], int(sys.argv[2]), sys.argv[3]
    info = parallel.initialize(address, 2, process)
    assert str(parallel.initialize()) == f"process {process} of 2, coordinator None (joined before)", info

    import jax, numpy as np
    from tests.parallel.problems import INPUTS, root
    from tests.parallel.test_processes import RULES, train
    whole = parallel.ensemble(root, INPUTS, chunk_size=8)
    mesh = jax.sharding.Mesh(jax.devices(), "members")
    options = dict(mesh=mesh, reduce=RULES, chunk_size=8, checkpoint=folder + "/chunks")
    parallel.ensemble(root, INPUTS, **options)
    again = parallel.ensemble(root, INPUTS, **options)
    assert again.num_resumed == again.num_chunks == 34
    own = parallel.ensemble(root, INPUTS, devices=jax.local_devices(), chunk_size=8)
    np.testing.assert_allclose(own.values.y, whole.values.y, rtol=1e-14)
    trained = train(mesh=mesh, checkpoint=folder + "/training")
    try:
        parallel.initialize(num_processes=3)
    except ValueError as error:
        assert "joins once" in str(error)
    np.savez(f"{folder}/{process}.npz", y=whole.values.y, draw=whole.values.draw, status=whole.status,
             losses=trained.losses, a=trained.params["a"], **again.reduced)
"""


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    folder = tmp_path_factory.mktemp("two")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    started = [run_script(SCRIPT, address, process, folder, wait=False) for process in (0, 1)]
    for process in [finished(process) for process in started]:
        assert process.returncode == 0, process.err[-3000:]
    return [np.load(folder / f"{process}.npz") for process in (0, 1)]


@pytest.mark.slow
def test_two_processes_each_get_the_result_of_one(results):
    one = parallel.ensemble(root, INPUTS, chunk_size=8)
    for result in results:
        np.testing.assert_allclose(result["y"], one.values.y, rtol=1e-14)
        np.testing.assert_array_equal(result["draw"], one.values.draw)
        np.testing.assert_array_equal(result["status"], one.status)
    assert len(one.failures) > 0


@pytest.mark.slow
def test_two_processes_reduce_and_resume_as_one(results):
    one = parallel.ensemble(root, INPUTS, chunk_size=8, reduce=RULES)
    for result in results:
        for name, value in one.reduced.items():
            np.testing.assert_allclose(result[name], value, rtol=1e-13)


@pytest.mark.slow
def test_two_processes_train_with_the_losses_of_one(results):
    one = train()
    for result in results:
        np.testing.assert_allclose(result["losses"], one.losses, rtol=1e-12)
        np.testing.assert_allclose(result["a"], one.params["a"], rtol=1e-12)


class Device:
    def __init__(self, process_index):
        self.process_index = process_index


def test_members_are_dealt_out_in_proportion_to_devices_each_once():
    devices = [Device(0), Device(1), Device(1)]
    parts = shares(300, devices, None)
    assert [len(part) for part in parts] == [100, 200]
    assert sorted(np.concatenate(parts)) == list(range(300))


def test_known_costs_are_dealt_out_evenly():
    cost = np.random.default_rng(0).exponential(size=400) ** 2
    parts = shares(400, [Device(0), Device(1)], cost)
    sums = [cost[part].sum() for part in parts]
    assert abs(sums[0] / sums[1] - 1) < 0.1
