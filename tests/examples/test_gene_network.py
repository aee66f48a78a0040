"""The parts of the gene network example, at small sizes; `make examples` runs the whole."""

import jax.numpy as jnp
import numpy as np
import pytest

import sciml_jax as sj


@pytest.fixture(scope="module")
def example(load_example):
    return load_example("gene_network")


def test_drift_and_diffusion_are_the_mean_and_the_covariance_of_the_jumps(example):
    """At a state with gene, messengers and proteins: `S^T a` and `S^T diag(a) S`."""
    y = jnp.array([1.0, 8.0, 50.0, 0.0])
    jumps, noise = example.jumps(), example.langevin()
    rates = np.asarray(jumps.rates(0.0, y.astype(int), jumps.args))
    assert np.allclose(noise.drift(0.0, y, noise.args), example.CHANGES.T @ rates)
    g = np.asarray(noise.diffusion(0.0, y, noise.args))
    assert np.allclose(g @ g.T, example.CHANGES.T @ np.diag(rates) @ example.CHANGES)
    assert np.allclose(example.rate_equations().vector_field(0.0, y, jumps.args), example.CHANGES.T @ rates)


def test_the_exact_paths_have_the_published_mean(example):
    proteins, steps, _ = example.ensemble(example.jumps(), sj.Gillespie(), 1000, jnp.array([500.0, 1000.0]))
    row = example.figures(proteins, steps, 1.0)
    assert abs(row["mean"] - example.PUBLISHED) < 4 * row["standard_error"] * np.sqrt(1 + 1 / 8)
    assert 3000 < row["steps_per_path"] < 4000
