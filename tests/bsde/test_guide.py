"""The Python lines of docs/guide/bsde.md run, in order."""

import pathlib
import re

import pytest

GUIDE = pathlib.Path(__file__).parents[2] / "docs" / "guide" / "bsde.md"


@pytest.mark.full
def test_the_lines_of_the_guide_run():
    scope = {}
    for block in re.findall(r"```python\n(.*?)```", GUIDE.read_text(), re.DOTALL):
        exec(block, scope)
    assert abs(scope["sol"].u0 / 4.5901617246 - 1) < 1e-3
    assert abs(scope["vega"] / 37.52403 - 1) < 0.01
