"""The Python lines of docs/guide/neural.md run, in order."""

import pathlib
import re

import pytest

GUIDE = pathlib.Path(__file__).parents[2] / "docs" / "guide" / "neural.md"


@pytest.mark.full
def test_the_lines_of_the_guide_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    scope = {}
    for block in re.findall(r"```python\n(.*?)```", GUIDE.read_text(), re.DOTALL):
        exec(block, scope)
    assert scope["ys"].shape == (11, 2) and scope["result"].losses[-1] < 0.5 * scope["result"].losses[0]
