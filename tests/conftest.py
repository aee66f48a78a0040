"""What holds for every test: 64-bit floats, two CPU devices, fixed seeds, and memory that does not pile up."""

import gc
import os
import random
import sys

# Before JAX starts its backend. Two devices: what `shard_map` and `pmap` need to be tested at all. The other two flags
# halve compile times, which are nearly all of the test time; they change speed and rounding, nothing else. Set
# SCIML_JAX_TEST_OPTIMISED=1 to test what XLA makes by default.
_FLAGS = ["--xla_force_host_platform_device_count=2"]
if not os.environ.get("SCIML_JAX_TEST_OPTIMISED"):
    _FLAGS += ["--xla_backend_optimization_level=0", "--xla_llvm_disable_expensive_passes=true"]
for _flag in _FLAGS:
    if _flag.split("=")[0] not in os.environ.get("XLA_FLAGS", ""):
        os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} {_flag}".strip()
os.environ.setdefault("JAX_PLATFORMS", "cpu")
os.environ.setdefault("MPLBACKEND", "Agg")

import jax  # noqa: E402
import numpy as np  # noqa: E402
import pytest  # noqa: E402

jax.config.update("jax_enable_x64", True)

MEMORY_LIMIT = 2.0e9
"""Resident bytes above which compiled functions are dropped between modules."""


@pytest.fixture(autouse=True)
def _fixed_seeds():
    random.seed(0)
    np.random.seed(0)  # noqa: NPY002


@pytest.fixture(autouse=True, scope="module")
def _memory_sweep():
    yield
    if resident_bytes() > MEMORY_LIMIT:
        jax.clear_caches()
        gc.collect()


def resident_bytes() -> float:
    """Memory in use by this process; 0 where the system does not say."""
    if not sys.platform.startswith("linux"):
        return 0.0
    with open("/proc/self/statm") as file:
        return float(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
