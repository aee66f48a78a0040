"""The Python lines of docs/guide/estimation.md run, in order, and give what the guide says."""

import pathlib
import re

import numpy as np
import pytest

GUIDE = pathlib.Path(__file__).parents[2] / "docs" / "guide" / "estimation.md"


@pytest.mark.full
def test_the_lines_of_the_guide_run(capsys):
    scope = {}
    for block in re.findall(r"```python\n(.*?)```", GUIDE.read_text(), re.DOTALL):
        exec(block, scope)
    assert "CONVERGED" in capsys.readouterr().out
    np.testing.assert_allclose(scope["fit"].params, [1.5, 1.0, 3.0, 1.0], rtol=0.05)
    np.testing.assert_array_equal(scope["vague"].identifiable, [False, False, True])
    np.testing.assert_allclose(scope["best"].controls, [0.0, 2.0], atol=1e-4)
    np.testing.assert_allclose(float(scope["rates"].params["half"]), 1.5, rtol=1e-6)
