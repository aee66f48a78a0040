"""Examples are scripts, not a package: their folder is on the path only while one is imported."""

import importlib
import pathlib
import sys

import pytest

EXAMPLES = pathlib.Path(__file__).parents[2] / "examples"


@pytest.fixture(scope="module")
def load_example():
    """A function that imports an example by its name."""

    def load(name):
        sys.path.insert(0, str(EXAMPLES))
        try:
            return importlib.import_module(name)
        finally:
            sys.path.remove(str(EXAMPLES))

    return load
