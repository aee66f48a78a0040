"""NUTS, HMC and Metropolis: exact targets, groups, checkpoints, failures, transformations."""

import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
import pytest

from sciml_jax import inference

DATA = jnp.array([1.2, 0.4, 2.2, 1.6, 0.9])


def predict(params):
    return params["mu"] * jnp.ones(5)


def conjugate(data=DATA, spread=2.0):
    """mu ~ N(0, spread^2), five values with noise 0.5: the posterior is normal."""
    return inference.posterior({"mu": dist.Normal(0.0, spread)}, inference.gaussian(predict, data, scale=0.5))


def exact():
    """Mean and standard deviation of the conjugate posterior."""
    precision = 1 / 4 + 5 / 0.25
    return float(DATA.sum()) / 0.25 / precision, precision**-0.5


METHODS = {
    "nuts": lambda post, **o: inference.nuts(post, num_warmup=200, num_samples=400, **o),
    "nuts dense": lambda post, **o: inference.nuts(post, num_warmup=200, num_samples=400, dense_mass=True, **o),
    "hmc": lambda post, **o: inference.hmc(post, num_steps=3, num_warmup=200, num_samples=400, **o),
    "metropolis": lambda post, **o: inference.metropolis(post, num_warmup=500, num_samples=2000, **o),
}


@pytest.mark.parametrize(
    "method", [pytest.param(name, marks=pytest.mark.full) if name == "nuts dense" else name for name in METHODS]
)
def test_a_conjugate_posterior_is_found(method):
    """Mean and standard deviation lie within four Monte Carlo standard errors of the exact ones."""
    draws = METHODS[method](conjugate(), key=0)
    mean, sd = exact()
    found = np.asarray(draws.samples["mu"])
    assert abs(found.mean() - mean) < 4 * draws.mcse()["mu"]
    assert abs(found.std() - sd) < 4 * draws.mcse("sd")["mu"]
    assert draws.rhat()["mu"] < 1.03
    assert "mu" in str(draws.summary())


@pytest.mark.full
def test_scales_that_differ_by_a_thousand_are_adapted():
    """After the warmup, a badly scaled Gaussian takes few leapfrog steps."""
    scales = jnp.array([0.01, 0.1, 1.0, 10.0])
    post = inference.posterior({"x": dist.Normal(jnp.zeros(4), 1e3)}, lambda p: -0.5 * jnp.sum((p["x"] / scales) ** 2))
    draws = inference.nuts(post, num_warmup=300, num_samples=300, key=1)
    assert draws.stats["n_steps"].mean() < 8
    np.testing.assert_allclose(draws.samples["x"].std((0, 1)), scales, rtol=0.15)


def test_draws_do_not_depend_on_how_groups_are_arranged():
    """The chains of a group of two are bitwise the same in a run of two and of four chains, and of three."""
    run = lambda chains: inference.nuts(
        conjugate(), num_warmup=40, num_samples=20, num_chains=chains, chains_per_group=2, key=5
    )
    four, three, two = run(4), run(3), run(2)
    np.testing.assert_array_equal(four.positions[:2], two.positions)
    np.testing.assert_array_equal(four.positions[:3], three.positions)
    assert not np.array_equal(four.positions[0], four.positions[1])


def test_a_run_goes_on_from_its_checkpoint(tmp_path):
    """A run that lost its last blocks gives the same draws; another run is refused."""
    run = lambda folder, **o: inference.hmc(
        conjugate(), num_steps=3, num_warmup=30, num_samples=30, key=2, checkpoint=folder, **o
    )
    whole = run(None)
    np.testing.assert_array_equal(run(tmp_path).positions, whole.positions)
    np.testing.assert_array_equal(run(tmp_path).positions, whole.positions)
    with pytest.raises(ValueError, match="same run"):
        run(tmp_path, num_chains=2)


def test_an_interrupted_run_goes_on(tmp_path, monkeypatch):
    """After an exception in the middle, the same call continues, bit by bit."""
    from sciml_jax.inference import chain_store

    run = lambda folder: inference.hmc(
        conjugate(), num_steps=3, num_warmup=30, num_samples=30, key=2, checkpoint=folder
    )
    save, calls = chain_store.GroupStore.save, []

    def stops(self, block, done, state):
        save(self, block, done, state)
        calls.append(block)
        if block == 7:
            raise KeyboardInterrupt

    monkeypatch.setattr(chain_store.GroupStore, "save", stops)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path)
    monkeypatch.setattr(chain_store.GroupStore, "save", save)
    np.testing.assert_array_equal(run(tmp_path).positions, run(None).positions)
    assert calls[-1] == 7


def test_a_run_with_many_failed_solves_finishes_and_says_so():
    """Where the likelihood cannot be evaluated beyond a bound, draws stay inside it, and the summary counts."""
    bounded = lambda p: jnp.where(p["x"] < 0.8, -0.5 * p["x"] ** 2, jnp.nan)
    post = inference.posterior({"x": dist.Normal(0.0, 3.0)}, bounded)
    for draws in (
        inference.nuts(post, num_warmup=200, num_samples=300, key=0),
        inference.metropolis(post, num_samples=500, key=0),
    ):
        assert np.all(draws.samples["x"] < 0.8)
        share = float(np.mean(draws.stats["failed"]))
        assert share > 0.1
        if "energy" in draws.stats:
            assert np.all(np.isfinite(draws.stats["energy"]))
        assert any("failed solve" in text for text in draws.summary().warnings)


BAD = {
    "posterior": (lambda: inference.nuts(lambda p: 0.0, key=0), TypeError, "Posterior"),
    "samples": (lambda: inference.nuts(conjugate(), num_samples=0, key=0), ValueError, "num_samples"),
    "key": (lambda: inference.nuts(conjugate(), key=None), ValueError, "key"),
    "accept": (lambda: inference.nuts(conjugate(), key=0, target_accept=1.5), ValueError, "target_accept"),
    "jitter": (lambda: inference.hmc(conjugate(), key=0, jitter=1.0), ValueError, "jitter"),
    "mass": (lambda: inference.hmc(conjugate(), key=0, inverse_mass=jnp.ones(2)), ValueError, "inverse_mass"),
    "init": (lambda: inference.nuts(conjugate(), key=0, init={"nu": 1.0}), ValueError, "init"),
    "start": (lambda: inference.metropolis(conjugate(), key=0, init={"mu": jnp.nan}), ValueError, "must start"),
}


@pytest.mark.parametrize("case", list(BAD))
def test_bad_options_say_what_to_do(case):
    """Every misuse has a message of its own."""
    run, error, words = BAD[case]
    with pytest.raises(error, match=words):
        run()
