"""The public Brownian path: what it returns, that solves run on it, and the lines of the guide."""

import pathlib
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import sciml_jax as sj

GUIDE = pathlib.Path(__file__).parents[3] / "docs" / "guide" / "noise.md"


def test_shapes_dtypes_and_increments():
    path = sj.BrownianPath(3, 0.0, 2.0, (2, 3), dtype=jnp.float32)
    times = jnp.array([0.0, 0.5, 2.0])
    w = path.evaluate(times)
    assert w.shape == (3, 2, 3) and w.dtype == jnp.float32 and np.all(w[0] == 0)
    assert path.evaluate(0.5).shape == (2, 3)
    moved = path.increment(0.5, 2.0)
    assert moved.W.shape == moved.H.shape == (2, 3)
    np.testing.assert_allclose(moved.W, w[2] - w[1], rtol=1e-6)
    assert sj.BrownianPath(3, 0.0, 2.0).evaluate(times).shape == (3,)
    assert sj.BrownianPath(3, 0.0, 2.0, 4).evaluate(1.0).shape == (4,)


def test_a_seed_stands_for_its_key_and_keys_can_be_mapped():
    value = lambda key: sj.BrownianPath(key, 0.0, 1.0).evaluate(0.3)
    assert value(0) == value(jax.random.key(0)) == value(jnp.array(0)) == value(jax.random.PRNGKey(0))
    keys = jax.random.split(jax.random.key(1), 3)
    np.testing.assert_array_equal(jax.vmap(value)(keys), jnp.stack([value(key) for key in keys]))
    assert len({float(value(key)) for key in keys}) == 3


@pytest.mark.parametrize(
    ("noise", "shape", "diffusion", "moved"),
    [
        ("additive", (2,), lambda t, y, args: jnp.array([0.5, 0.2]), lambda w: jnp.array([0.5, 0.2]) * w),
        ("scalar", (), lambda t, y, args: jnp.array([0.5, 0.2]), lambda w: jnp.array([0.5, 0.2]) * w),
        (
            "general",
            (3,),
            lambda t, y, args: jnp.arange(6.0).reshape(2, 3),
            lambda w: jnp.arange(6.0).reshape(2, 3) @ w,
        ),
    ],
)
def test_a_solve_without_drift_adds_up_the_path(noise, shape, diffusion, moved):
    """For every kind of noise, at save times too."""
    still = lambda t, y, args: jnp.zeros_like(y)
    problem = sj.SDEProblem(still, diffusion, jnp.array([1.0, -1.0]), -1.0, 1.0, noise=noise)
    times = jnp.array([-0.3, 0.71])
    found = sj.solve(problem, sj.EulerMaruyama(), key=4, dt0=0.3, saveat=times).ys
    path = sj.BrownianPath(4, -1.0, 1.0, shape)
    wanted = problem.y0 + jax.vmap(moved)(path.evaluate(times))
    np.testing.assert_allclose(found, wanted, rtol=1e-6)


@pytest.mark.full
def test_the_lines_of_the_guide_run():
    scope = {}
    for block in re.findall(r"```python\n(.*?)```", GUIDE.read_text(), re.DOTALL):
        exec(block, scope)
    assert scope["sol"].ys.shape == (11, 1) and scope["paths"].shape == (1000, 1)
    end = sj.solve(scope["problem"], sj.SRIW1(), key=0, dt0=1e-3, controller=sj.FixedStep()).y1
    np.testing.assert_allclose(end, scope["exact"], rtol=1e-3)
