"""Chains on the devices of two processes."""

import socket

import numpy as np
import pytest

from sciml_jax import inference
from tests.contracts.samplers import SAMPLERS
from tests.parallel.problems import finished, run_script

OPTIONS = {"num_steps": 4, "num_warmup": 20, "num_samples": 20, "num_chains": 4, "chains_per_group": 2, "key": 5}


def run():
    return inference.hmc(SAMPLERS[1].posterior(), **OPTIONS)


SCRIPT = """
    import sys
    from sciml_jax import parallel
    parallel.initialize(sys.argv[1], 2, int(sys.argv[2]))

    import numpy as np
    from tests.inference.test_processes import run
    draws = run()
    np.savez(f"{sys.argv[3]}/{sys.argv[2]}.npz", positions=draws.positions, step_size=draws.info["step_size"])
"""


@pytest.mark.slow
def test_two_processes_of_two_chains_give_the_draws_of_one_process_of_four(tmp_path):
    """In groups of two, bit by bit; each process gets all draws, and what the warmups of all chains found."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    started = [run_script(SCRIPT, address, process, tmp_path, wait=False) for process in (0, 1)]
    for process in [finished(process) for process in started]:
        assert process.returncode == 0, process.err[-3000:]
    one = run()
    for process in (0, 1):
        found = np.load(tmp_path / f"{process}.npz")
        np.testing.assert_array_equal(found["positions"], one.positions)
        np.testing.assert_array_equal(found["step_size"], one.info["step_size"])
