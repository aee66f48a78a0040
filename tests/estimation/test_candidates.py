"""Libraries of candidates: names and values belong together, products and sums hold everything once."""

import jax.numpy as jnp
import numpy as np
import pytest

from sciml_jax import estimation as es

Y, U = jnp.array([2.0, 3.0]), jnp.array([5.0])
NONE = jnp.zeros(0)


def values(library, y=Y, u=NONE, t=0.5, names=("x", "y")):
    inputs = ("u",) if u.size else ()
    return dict(zip(library.names(names, inputs), np.asarray(library.evaluate(t, y, u)), strict=True))


def test_polynomials_are_all_monomials_in_order():
    found = values(es.polynomials(2))
    assert found == {"1": 1.0, "x": 2.0, "y": 3.0, "x^2": 4.0, "x y": 6.0, "y^2": 9.0}
    assert list(found) == ["1", "x", "y", "x^2", "x y", "y^2"]
    assert len(es.polynomials(5).names(("a", "b", "c"))) == 56
    assert values(es.polynomials(2, constant=False, interactions=False)) == {"x": 2.0, "y": 3.0, "x^2": 4.0, "y^2": 9.0}
    assert values(es.polynomials(3))["x^2 y"] == 12.0


def test_inputs_are_variables_too():
    found = values(es.polynomials(2), u=U)
    assert found["u"] == 5.0 and found["x u"] == 10.0 and found["u^2"] == 25.0 and len(found) == 10


def test_fourier_terms_of_states_and_of_time():
    found = values(es.fourier(2))
    assert np.isclose(found["sin(x)"], np.sin(2)) and np.isclose(found["cos(2 y)"], np.cos(6)) and len(found) == 8
    forced = values(es.fourier(1, frequency=1.5, time=True))
    assert np.isclose(forced["sin(1.5 t)"], np.sin(0.75)) and np.isclose(forced["cos(1.5 t)"], np.cos(0.75))


def test_functions_of_ones_own():
    library = es.custom(
        {"exp(-{})": lambda x: jnp.exp(-x), "x/(1+y)": lambda t, y, u: y[0] / (1 + y[1]), "sin({})": jnp.sin}
    )
    found = values(library)
    assert np.isclose(found["exp(-y)"], np.exp(-3)) and np.isclose(found["x/(1+y)"], 0.5) and len(found) == 5


def test_sums_and_products_hold_each_candidate_once():
    assert list(values(es.polynomials(1) + es.polynomials(2))) == ["1", "x", "y", "x^2", "x y", "y^2"]
    product = values(es.polynomials(1) * es.polynomials(1))
    assert product == {"1": 1.0, "x": 2.0, "y": 3.0, "x^2": 4.0, "x y": 6.0, "y^2": 9.0}
    mixed = values(es.polynomials(1) * es.fourier(1))
    assert np.isclose(mixed["x sin(y)"], 2 * np.sin(3)) and len(mixed) == 12
    assert np.isclose(values(es.polynomials(1) + es.fourier(1) * es.fourier(1))["sin(x) cos(x)"], np.sin(2) * np.cos(2))


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: es.polynomials(-1), ValueError, "`degree`"),
        (lambda: es.polynomials(2.0), ValueError, "`degree`"),
        (lambda: es.polynomials(0, constant=False), ValueError, "`degree`"),
        (lambda: es.fourier(0), ValueError, "`order`"),
        (lambda: es.fourier(1, frequency=-1.0), ValueError, "positive"),
        (lambda: es.custom({}), ValueError, "dict of names"),
        (lambda: es.custom({"f": 3.0}), TypeError, "callable"),
        (lambda: es.custom({"f": lambda t: t}), TypeError, "t, y, u"),
        (lambda: values(es.custom({"f": lambda t, y, u: y})), ValueError, "one number"),
        (lambda: es.polynomials(2) + 1, TypeError, "library"),
        (lambda: es.STLSQ(-0.1), ValueError, "`threshold`"),
        (lambda: es.STLSQ(0.1, max_iterations=0), ValueError, "max_iterations"),
        (lambda: es.SR3(0.1, relaxation=0.0), ValueError, "positive"),
        (lambda: es.Weak(0), ValueError, "`half_width`"),
        (lambda: es.Weak(order=1), ValueError, "`order`"),
        (lambda: es.Bagging(10, block=0), ValueError, "`block`"),
    ],
)
def test_bad_input_is_refused_with_the_rule(make, error, message):
    with pytest.raises(error, match=message):
        make()
