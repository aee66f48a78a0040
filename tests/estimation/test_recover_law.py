"""The symbolic form of learned functions: known ones, noisy ones, and the missing part of a universal equation."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import sciml_jax as sj
from sciml_jax import estimation as es

STATES = jax.random.uniform(jax.random.key(0), (200, 2), minval=0.1, maxval=3.0)


def interaction(y):
    return jnp.stack([-0.9 * y[0] * y[1], 0.8 * y[0] * y[1]])


def test_a_known_function_is_read_exactly():
    law = es.recover_law(interaction, STATES, library=es.polynomials(3), threshold=0.1)
    assert law.as_dict() == {"f1": {"x y": pytest.approx(-0.9)}, "f2": {"x y": pytest.approx(0.8)}}
    assert str(law) == "f1 = -0.900 x y\nf2 = 0.800 x y"
    assert np.allclose(law(0.0, STATES[0]), interaction(STATES[0]))


def test_one_output_of_one_variable_is_a_number():
    law = es.recover_law(
        lambda x: 2.0 * jnp.sin(x) - 0.5, STATES[:, 0], library=es.polynomials(2) + es.fourier(1), names="angle"
    )
    assert str(law) == "f = -0.500 + 2.000 sin(angle)" and law(0.0, 1.0).shape == ()
    assert float(law(0.0, 1.0)) == pytest.approx(2 * np.sin(1) - 0.5)


def test_errors_of_the_function_do_not_become_terms():
    """A network's errors: smooth, of 2 %, no polynomial."""
    wave = lambda y: interaction(y) * (1 + 0.02 * jnp.sin(5 * y[0]) * jnp.cos(4 * y[1]))
    law = es.recover_law(wave, STATES, library=es.polynomials(3), threshold=0.1, ensemble=40, key=0)
    assert {k: set(v) for k, v in law.as_dict().items()} == {"f1": {"x y"}, "f2": {"x y"}}
    assert np.all(np.asarray(law.inclusion)[np.asarray(law.support)] > 0.9)


def test_the_missing_part_of_a_universal_equation_is_read_and_put_back():
    """A stand-in for the network that is right: the law in its place gives the same solution."""
    known = lambda t, y, p: jnp.stack([1.3 * y[0], -1.8 * y[1]])
    net = eqx.nn.Lambda(interaction)
    model = sj.neural.Universal(known, net, method=sj.Tsit5(), rtol=1e-8, atol=1e-10)
    ts, y0 = jnp.linspace(0.0, 3.0, 31), jnp.array([0.44, 4.6])
    ys = model(y0, ts)
    law = es.recover_law(model.missing, ys, library=es.polynomials(2), outputs=("prey", "predators"))
    assert law.left == ("prey", "predators") and law.support.sum() == 2
    terms, params = law.parametric()
    field = lambda t, y, p: known(t, y, None) + terms(t, y, p)
    again = sj.solve(sj.ODEProblem(field, y0, 0.0, 3.0, params), sj.Tsit5(), saveat=ts, rtol=1e-8, atol=1e-10).ys
    assert np.allclose(again, ys, rtol=1e-6)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ((interaction, STATES.at[0, 0].set(jnp.nan)), ValueError, "`samples` must be finite"),
        ((interaction, STATES[:3]), ValueError, "at least as many rows"),
        ((interaction, STATES[None]), ValueError, "shape"),
        ((lambda y: jnp.outer(y, y), STATES), ValueError, "number or a vector"),
        ((3.0, STATES), TypeError, "callable"),
        ((lambda t, y: y, STATES), TypeError, "term"),
    ],
)
def test_bad_input_is_refused_with_the_rule(arguments, error, message):
    with pytest.raises(error, match=message):
        es.recover_law(*arguments)
