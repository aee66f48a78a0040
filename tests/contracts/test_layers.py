"""Folders import only leftwards, no private module of another package, and importing changes nothing."""

import ast
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

import sciml_jax

ROOT = Path(sciml_jax.__file__).parent
TOPICS = {
    "neural", "pinn", "bsde", "pde", "dynamics", "estimation", "inference", "sensitivity", "uncertainty", "surrogate",
}  # fmt: skip
LEVELS = [{"core"}, {"numerics", "networks", "parallel"}, {"training"}, {"profiling"}, {"equations"}, TOPICS, {"zoo"}]
LEVEL = {folder: level for level, folders in enumerate(LEVELS) for folder in folders}
PRIVATE = ("jax._src", "jaxlib", "equinox.internal", "equinox._", "diffrax._", "lineax._", "optimistix._", "optax._src")
FILES = sorted(ROOT.rglob("*.py"))


def imported_modules(source, package):
    """Absolute names of everything that a file imports, wherever in the file; `package` is the one it lies in."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            module = ".".join([*base, *([node.module] if node.module else [])])
            found |= {f"{module}.{alias.name}" for alias in node.names} | {module}
    return found


def violations(source, package):
    """Imports from a folder to the right or beside, and of private modules."""
    wrong = {name for name in imported_modules(source, package) if name.startswith(PRIVATE)}
    parts = package.split(".")
    if len(parts) == 1:
        return wrong
    for name in imported_modules(source, package):
        target = name.split(".")
        if target[0] == "sciml_jax" and len(target) > 1 and target[1] != parts[1] and target[1] in LEVEL:
            if LEVEL[target[1]] >= LEVEL[parts[1]]:
                wrong.add(name)
        elif name == "sciml_jax":
            wrong.add(name)
    return wrong


def package_of(path):
    return ".".join(["sciml_jax", *path.relative_to(ROOT).parent.parts])


@pytest.mark.parametrize("path", FILES, ids=[str(path.relative_to(ROOT)) for path in FILES])
def test_a_file_imports_only_from_folders_to_its_left_and_nothing_private(path):
    assert violations(path.read_text(), package_of(path)) == set()


def test_every_folder_has_its_level():
    folders = {path.name for path in ROOT.iterdir() if path.is_dir() and (path / "__init__.py").exists()}
    assert folders <= set(LEVEL)


@pytest.mark.parametrize(
    ("line", "package"),
    [
        ("from ..equations import solve", "sciml_jax.numerics"),
        ("from ...zoo.hires import hires", "sciml_jax.equations.methods"),
        ("import sciml_jax.training.run", "sciml_jax.core"),
        ("from .. import training", "sciml_jax.numerics"),
        ("import sciml_jax as sj", "sciml_jax.zoo"),
        ("from sciml_jax.pinn import loss", "sciml_jax.neural"),
        ("def f():\n    from jax._src import core", "sciml_jax.core"),
        ("import equinox.internal as eqxi", "sciml_jax.core"),
        ("from equinox import internal", "sciml_jax.core"),
    ],
)
def test_the_check_sees_a_violation(line, package):
    assert violations(line, package)


def test_importing_brings_in_no_heavy_package_and_leaves_jax_as_it_was():
    script = """
        import os, sys
        import jax
        names = sorted(name for name in jax.config.values)
        before = {name: getattr(jax.config, name, None) for name in names}
        environment, seen = dict(os.environ), set(sys.modules)
        import sciml_jax
        assert {name: getattr(jax.config, name, None) for name in names} == before, "jax's configuration changed"
        assert dict(os.environ) == environment, "the environment changed"
        heavy = {"blackjax", "numpyro", "matplotlib", "arviz", "scipy.integrate", "pandas"}
        assert not heavy & (set(sys.modules) - seen), heavy & set(sys.modules)
        assert not jax.config.jax_enable_x64
    """
    environment = {key: value for key, value in os.environ.items() if not key.startswith("JAX_ENABLE")}
    environment["PYTHONPATH"] = os.pathsep.join([str(ROOT.parent), environment.get("PYTHONPATH", "")])
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)], capture_output=True, text=True, env=environment
    )
    assert done.returncode == 0, done.stderr
