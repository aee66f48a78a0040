"""The Python lines of docs/guide/delays.md run and give what the guide says."""

import pathlib
import re

import numpy as np
import pytest

GUIDE = pathlib.Path(__file__).parents[3] / "docs" / "guide" / "delays.md"


@pytest.mark.full
def test_the_lines_of_the_guide_run_and_give_its_values():
    scope = {}
    for block in re.findall(r"```python\n(.*?)```", GUIDE.read_text(), re.DOTALL):
        exec(block, scope)
    sj, jax, args = scope["sj"], scope["jax"], scope["args"]
    np.testing.assert_allclose(scope["solve"](args).y1, 1.0137, atol=1e-4)
    gradient = jax.grad(lambda args: scope["solve"](args).y1)(args)
    for i, eps in enumerate((1e-5, 1e-5, 1e-4)):
        ahead, behind = (scope["solve"](args.at[i].add(move)).y1 for move in (eps, -eps))
        np.testing.assert_allclose(gradient[i], (ahead - behind) / (2 * eps), rtol=1e-3)
    end = sj.solve(scope["feldstein"], sj.Tsit5(), rtol=1e-9, atol=1e-11).y1
    np.testing.assert_allclose(end, 1.75 + (1 - np.sqrt(0.5)) * np.sqrt(5.0), rtol=1e-7)
