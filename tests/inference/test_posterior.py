"""Priors, transforms, and densities of unconstrained vectors."""

import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
import pytest

import sciml_jax as sj

inference = sj.inference


def nested():
    """Every kind of prior: a vector, nested names, a bound that depends on another parameter, a simplex."""
    priors = {
        "a": dist.Normal(jnp.zeros(2), 1.0),
        "b": {"s": dist.LogNormal(0.0, 1.0), "z": lambda p: dist.TruncatedNormal(p["a"][0], 1.0, low=p["m"])},
        "m": dist.Uniform(-1.0, 0.0),
        "q": dist.Dirichlet(jnp.ones(3)),
    }
    return inference.posterior(priors, lambda p: -jnp.sum(p["q"] * p["b"]["z"]) / p["b"]["s"])


def test_positions_and_parameters_are_one_to_one():
    """`unconstrain` undoes `constrain`, and names keep the order of the priors."""
    post = nested()
    assert post.dim == 7
    assert post.names == ("a", "b.s", "b.z", "m", "q")
    params = post.sample_prior(3)
    again = post.constrain(post.unconstrain(params))
    for one, other in zip(jax.tree.leaves(params), jax.tree.leaves(again), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-10)


def test_the_density_holds_the_jacobian():
    """A half-normal on the log scale has the density of the half-normal times the value."""
    post = inference.posterior({"x": dist.HalfNormal(2.0)}, lambda p: -p["x"])
    for x in (0.3, 1.7):
        expected = dist.HalfNormal(2.0).log_prob(x) - x + np.log(x)
        np.testing.assert_allclose(post.log_density(post.unconstrain({"x": jnp.asarray(x)})), expected, rtol=1e-12)


def test_both_gradient_modes_and_differences_agree():
    """Forward and reverse derivatives are those of the function."""
    modes = [
        inference.posterior({"x": dist.Normal(jnp.zeros(3), 2.0)}, _curved, gradient=g) for g in ("forward", "reverse")
    ]
    at = jnp.array([0.3, -0.2, 0.9])
    plain = lambda u: _curved({"x": u}) + jnp.sum(dist.Normal(0.0, 2.0).log_prob(u))
    for post in modes:
        np.testing.assert_allclose(jax.grad(post.log_density)(at), jax.grad(plain)(at), rtol=1e-12)
        np.testing.assert_allclose(jax.hessian(post.log_density)(at), jax.hessian(plain)(at), rtol=1e-10, atol=1e-12)


def _curved(params):
    x = params["x"]
    return jnp.sin(x[0] * x[1]) - jnp.exp(x[2]) * x[0] ** 2


def test_derivatives_by_data_that_the_likelihood_closes_over():
    """Mixed derivatives by position and data are right."""

    def slope(data):
        post = inference.posterior({"x": dist.Normal(0.0, 1.0)}, lambda p: -0.5 * jnp.sum((data - p["x"]) ** 2))
        return jax.grad(post.log_density)(jnp.array([0.5]))[0]

    np.testing.assert_allclose(jax.grad(slope)(jnp.arange(3.0)), jnp.ones(3), rtol=1e-12)


@pytest.mark.parametrize("gradient", ["forward", "reverse"])
def test_a_failure_has_no_likelihood_and_the_priors_gradient(gradient):
    """NaN is minus infinity with a finite derivative."""
    post = inference.posterior({"x": dist.Normal(0.0, 1.0)}, lambda p: jnp.log(p["x"] - 1.0), gradient=gradient)
    at = jnp.array([-0.5])
    assert bool(post.failed(at))
    assert post.log_density(at) == -jnp.inf
    np.testing.assert_allclose(jax.grad(post.log_density)(at), [0.5])


def test_a_solve_that_fails_has_no_likelihood():
    """A solve that runs out of steps gives minus infinity, and a finite gradient."""

    def predict(p):
        problem = sj.ODEProblem(lambda t, y, k: k * y**2, jnp.ones(1), 0.0, 2.0, p["k"])
        return sj.solve(problem, sj.Tsit5(), saveat=jnp.array([0.5, 2.0]), max_steps=40, on_failure="return").ys

    post = inference.posterior({"k": dist.Normal(0.0, 1.0)}, inference.gaussian(predict, jnp.ones((2, 1)), scale=0.1))
    values, slopes = jax.vmap(jax.value_and_grad(post.log_density))(jnp.array([[0.1], [1.0]]))
    assert np.isfinite(values[0])
    assert values[1] == -jnp.inf
    assert np.all(np.isfinite(slopes))


def test_a_numpyro_model_has_numpyros_density():
    """A model is a posterior as it is."""
    import numpyro
    from numpyro.infer.util import potential_energy, unconstrain_fn

    data = jnp.array([1.0, 2.0, 4.0])

    def model(y):
        mu = numpyro.sample("mu", dist.Normal(0.0, 1.0))
        s = numpyro.sample("s", dist.HalfNormal(1.0))
        with numpyro.plate("n", 3):
            numpyro.sample("y", dist.Normal(mu, s), obs=y)

    post = inference.posterior(model, data)
    at = jnp.array([0.4, -0.3])
    free = unconstrain_fn(model, (data,), {}, post.constrain(at))
    np.testing.assert_allclose(post.log_density(at), -potential_energy(model, (data,), {}, free), rtol=1e-12)
    np.testing.assert_allclose(post.unconstrain(post.constrain(at)), at, rtol=1e-12)


BAD = {
    "constant": (lambda: _of(dist.Normal(), lambda p: 0.0), ValueError, "constant"),
    "name": (lambda: _of(dist.Normal(), lambda p: p["b"]), ValueError, "'b'"),
    "unused": (lambda: inference.posterior({"a": dist.Normal(), "c": dist.Normal()}, _a), ValueError, "every prior"),
    "circle": (lambda: _of(lambda p: dist.Normal(p["z"], 1.0), _a), ValueError, "asks for"),
    "discrete": (lambda: _of(dist.Poisson(1.0), _a), ValueError, "continuous"),
    "shape": (lambda: _of(dist.Normal(jnp.zeros(3)), lambda p: jnp.sum(p["a"] + jnp.zeros(4))), TypeError, "shapes"),
    "vector": (lambda: _of(dist.Normal(jnp.zeros(3)), _a), ValueError, "real scalar"),
    "number": (lambda: _of(1.0, _a), TypeError, "NumPyro distribution"),
    "empty": (lambda: inference.posterior({}, _a), ValueError, "at least one"),
    "mode": (lambda: inference.posterior({"a": dist.Normal()}, _a, gradient="both"), ValueError, "`gradient`"),
    "none": (lambda: inference.posterior({"a": dist.Normal()}), TypeError, "needs a likelihood"),
    "start": (
        lambda: _of(dist.Normal(), lambda p: jnp.log(-jnp.exp(p["a"]))).initial_position(0),
        ValueError,
        "finite",
    ),
}


def _a(params):
    return params["a"]


def _of(prior, likelihood):
    return inference.posterior({"a": prior}, likelihood)


@pytest.mark.parametrize("case", list(BAD))
def test_bad_input_says_what_to_do(case):
    """Every misuse has a message of its own."""
    make, error, words = BAD[case]
    with pytest.raises(error, match=words):
        make()


def test_a_likelihood_without_a_reverse_mode_is_differentiated_forwards():
    """With more parameters than three; where reverse mode works it is chosen."""
    loop = lambda p: jax.lax.while_loop(lambda x: jnp.sum(x**2) > 1.0, lambda x: 0.5 * x, p["x"])
    priors = {"x": dist.Normal(jnp.zeros(5), 1.0)}
    assert inference.posterior(priors, lambda p: jnp.sum(loop(p) ** 2)).gradient == "forward"
    assert inference.posterior(priors, lambda p: jnp.sum(p["x"] ** 2)).gradient == "reverse"
