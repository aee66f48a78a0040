"""The Python lines of docs/guide/approximate-inference.md run, in order, and give what the guide says."""

import pathlib
import re

import numpy as np
import pytest

GUIDE = pathlib.Path(__file__).parents[2] / "docs" / "guide" / "approximate-inference.md"


@pytest.mark.full
def test_the_lines_of_the_guide_run():
    scope = {}
    for block in re.findall(r"```python\n(.*?)```", GUIDE.read_text(), re.DOTALL):
        exec(block, scope)
    mode = scope["mode"]
    assert abs(float(mode.params["k"]) - 0.7) < 4 * float(mode.std["k"])
    evidences = [float(scope[name].info["log_evidence"]) for name in ("gaussian", "particles")]
    assert abs(evidences[0] - evidences[1]) < 0.5
    assert np.all(np.isfinite(scope["position"]))
    assert np.all(scope["lower"] < scope["upper"])
