"""The Python lines of docs/guide/scale-out.md run, in order."""

import pathlib
import re

import pytest

GUIDE = pathlib.Path(__file__).parents[2] / "docs" / "guide" / "scale-out.md"


@pytest.mark.full
def test_the_lines_of_the_guide_run(tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    scope = {}
    for block in re.findall(r"```python\n(.*?)```", GUIDE.read_text(), re.DOTALL):
        if "parallel.initialize()" not in block:
            exec(block, scope)
    assert "1000 members, none failed, 8 chunks of 128" in capfd.readouterr().out
    assert scope["out"].values.y1.shape == (1000, 3) and scope["out"].failures == ()
    assert scope["stats"].reduced["quantiles"].shape == (3, 3)
    assert scope["fitted"].losses[-1] < 0.2 * scope["fitted"].losses[0]
