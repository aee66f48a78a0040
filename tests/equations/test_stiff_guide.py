"""The Python lines of docs/guide/stiff.md run, in order, and give what the guide says."""

import pathlib
import re

import numpy as np
import pytest

GUIDE = pathlib.Path(__file__).parents[2] / "docs" / "guide" / "stiff.md"


@pytest.mark.full
def test_the_lines_of_the_guide_run():
    scope = {}
    for block in re.findall(r"```python\n(.*?)```", GUIDE.read_text(), re.DOTALL):
        exec(block, scope)
    end = np.array([1.786592114209946e-2, 7.27475146843631873e-8, 9.821340061104e-1])
    for y1 in (scope["by_mass"], np.concatenate([scope["y"], scope["z"]]), scope["by_residual"]):
        np.testing.assert_allclose(y1, end, rtol=1e-5)
    assert scope["colours"] < 16
    np.testing.assert_allclose(scope["end"], scope["sol"].y1, rtol=1e-3)
    np.testing.assert_allclose(scope["start"], [1.0, 0.0, 0.0], atol=1e-9)
