"""The Python lines of docs/guide/inference.md run, in order, and give what the guide says."""

import pathlib
import re

import pytest

GUIDE = pathlib.Path(__file__).parents[2] / "docs" / "guide" / "inference.md"


@pytest.mark.full
def test_the_lines_of_the_guide_run():
    """All blocks in one namespace; replicated data have the shape of the data."""
    lines = "\n".join(re.findall(r"```python\n(.*?)```", GUIDE.read_text(encoding="utf-8"), re.DOTALL))
    space: dict = {}
    exec(compile(lines, str(GUIDE), "exec"), space)
    assert space["replicated"].shape == (4, 500, 10)
    assert space["curves"].shape == (100, 10)
