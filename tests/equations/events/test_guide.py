"""The Python lines of docs/guide/events.md run and give what the guide says."""

import pathlib
import re

import jax
import numpy as np
import pytest

import sciml_jax as sj

GUIDE = pathlib.Path(__file__).parents[3] / "docs" / "guide" / "events.md"


@pytest.mark.full
def test_the_lines_of_the_guide_run_and_a_restart_by_hand_agrees():
    scope = {}
    for block in re.findall(r"```python\n(.*?)```", GUIDE.read_text(), re.DOTALL):
        exec(block, scope)
    np.testing.assert_allclose(scope["sol"].events[0].ts[:2], [3.194, 8.944], atol=1e-3)
    stop = sj.Event(lambda t, y, e: y[0], scope["bounce"].affect, direction=-1, terminal=True)

    def by_hand(e):
        y, t = scope["jnp"].array([50.0, 0.0]), 0.0
        for events in ([stop], [stop], []):
            sol = sj.solve(
                sj.ODEProblem(scope["fall"], y, t, 10.0, e), sj.Tsit5(), events=events, rtol=1e-10, atol=1e-10
            )
            y, t = sol.y1, sol.ts[-1]
        return y[0]

    expected = jax.value_and_grad(lambda e: scope["end"](e).y1[0])(0.9)
    np.testing.assert_allclose(jax.jit(jax.value_and_grad(by_hand))(0.9), expected, rtol=1e-8)
