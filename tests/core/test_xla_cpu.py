"""The option for loops on CPUs: what it writes, when it refuses, and that XLA takes it."""

import json
import os
import subprocess
import sys
import textwrap

import jax
import pytest

import sciml_jax as sj

OPTION = "xla_cpu_small_while_loop_byte_threshold"


def in_a_process(script, flags=""):
    """Run a script in a fresh Python with `XLA_FLAGS`; the JSON that it prints."""
    environment = {**os.environ, "XLA_FLAGS": flags, "JAX_PLATFORMS": "cpu"}
    environment["PYTHONPATH"] = os.pathsep.join([os.getcwd(), environment.get("PYTHONPATH", "")])
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)], capture_output=True, text=True, env=environment, timeout=300
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_the_option_is_merged_twice_is_once_and_xla_runs_with_it():
    found = in_a_process(
        """
        import json, os
        import jax
        import sciml_jax as sj
        devices = jax.config.jax_num_cpu_devices
        seen = []
        for threshold in (1000, 2000, 2000):
            sj.enable_fast_cpu_loops(threshold)
            seen.append(os.environ["XLA_FLAGS"])
        double = float(jax.jit(lambda x: jax.lax.fori_loop(0, 3, lambda _, y: 2 * y, x))(1.0))
        sj.enable_fast_cpu_loops(2000)
        late = ""
        try:
            sj.enable_fast_cpu_loops(3000)
        except RuntimeError as error:
            late = str(error)
        unchanged = os.environ["XLA_FLAGS"] == seen[-1] and jax.config.jax_num_cpu_devices == devices
        print(json.dumps([seen, double, late, unchanged]))
        """,
        flags="--xla_force_host_platform_device_count=1 --xla_backend_extra_options=xla_cpu_other=1",
    )
    seen, double, late, unchanged = found
    start = "--xla_force_host_platform_device_count=1 --xla_backend_extra_options=xla_cpu_other=1,"
    assert seen == [f"{start}{OPTION}=1000", f"{start}{OPTION}=2000", f"{start}{OPTION}=2000"]
    assert double == 8.0
    assert "before JAX starts its backend" in late and f"{OPTION}=3000" in late
    assert unchanged


def test_it_refuses_once_jax_has_run(monkeypatch):
    monkeypatch.delenv("XLA_FLAGS", raising=False)
    jax.devices()
    with pytest.raises(RuntimeError, match="right after the imports"):
        sj.enable_fast_cpu_loops()
    assert "XLA_FLAGS" not in os.environ


@pytest.mark.parametrize(
    ("threshold", "error", "message"),
    [(1e8, TypeError, "integer number of bytes"), (True, TypeError, "integer"), (0, ValueError, "must be positive")],
)
def test_a_threshold_that_is_no_size_is_refused(threshold, error, message):
    with pytest.raises(error, match=message):
        sj.enable_fast_cpu_loops(threshold)
