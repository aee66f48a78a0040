"""Adams steps: exact on polynomials whatever the step sizes, with the estimate and the dense output that they claim."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

import sciml_jax as sj
from sciml_jax.equations.methods.adams_coefficients import interpolation_weights, prediction_weights, rescalings
from sciml_jax.zoo.modulated_hopf import modulated_hopf_field

from .adams_steps import Bare, integral, legs, times_linear, unequal_times

# ---------------------------------------------------------------- coefficients


def test_with_equal_steps_the_weights_are_those_of_backward_differences():
    """Hairer, Norsett & Wanner I, table III.1.1; nothing has to be rescaled."""
    expected = [1, 1 / 2, 5 / 12, 3 / 8, 251 / 720, 95 / 288, 19087 / 60480, 5257 / 17280, 1070017 / 3628800]
    np.testing.assert_allclose(prediction_weights(0.1, [0.1] * 12, 9), expected, rtol=1e-14)
    np.testing.assert_allclose(rescalings(0.1, [0.1] * 12, 12), np.ones(12), rtol=1e-14)


@pytest.mark.parametrize("seed", range(3))
def test_with_unequal_steps_the_weights_are_the_integrals_that_they_stand_for(seed):
    """Twelve factors, integrated in exact arithmetic."""
    times = unequal_times(14, seed)
    ends = times[::-1]
    h, past = float(ends[0] - ends[1]), [float(b - a) for a, b in zip(ends[2:], ends[1:], strict=False)]
    fraction = (ends[0] - ends[1]) * 3 / 7
    basis, other, exact, at_fraction = [1], [1], [], []
    for j in range(13):
        exact.append(float(integral(basis, ends[1], ends[0]) / (ends[0] - ends[1])))
        at_fraction.append(float(integral(other, ends[1], ends[1] + fraction) / (ends[0] - ends[1])))
        if j < 12:
            basis = times_linear(basis, ends[j + 1], ends[0] - ends[j + 1])
            other = times_linear(other, ends[j], ends[0] - ends[j + 1])
    np.testing.assert_allclose(prediction_weights(h, past, 13), exact, rtol=1e-12)
    np.testing.assert_allclose(interpolation_weights(h, past, 3 / 7, 13), at_fraction, rtol=1e-10, atol=1e-13)


# ---------------------------------------------------------------- exactness

POWERS = jnp.arange(14.0)


def monomials(t, y):
    """y_i' = (i + 1) t^i, so that y_i = t^(i + 1): one component for each degree."""
    return (POWERS + 1) * t**POWERS


FIXED = [sj.AdamsBashforth(p) for p in range(1, 7)] + [sj.ABM(p) for p in range(2, 7)]


def name(method):
    return f"{type(method).__name__}{method.order}"


@functools.cache
def last_leg(method):
    """A step after eight unequal ones: where it begins and ends, the error of its increment for each degree, itself."""
    times = unequal_times(9, seed=5)
    (before,), _, step = jax.jit(lambda: legs(method, monomials, times, jnp.zeros(14)))()
    low, high = float(times[-2]), float(times[-1])
    increment = np.asarray(step.y1[0] - before)
    return low, high, increment - (high ** np.asarray(POWERS + 1) - low ** np.asarray(POWERS + 1)), step


@pytest.mark.parametrize("method", FIXED, ids=name)
def test_a_step_is_exact_for_polynomials_up_to_its_order_and_not_beyond(method):
    *_, error, _ = last_leg(method)
    order = method.order
    assert np.max(np.abs(error[:order])) < 1e-13
    assert abs(error[order]) > 1e-7


@pytest.mark.parametrize("method", FIXED, ids=name)
def test_the_error_estimate_vanishes_below_its_order_and_not_at_it(method):
    *_, error, step = last_leg(method)
    estimate, first = np.asarray(step.error[0]), method.error_order - 1
    assert np.max(np.abs(estimate[:first])) < 1e-13
    assert abs(estimate[first]) > 1e-7
    if method.order == 1:
        # Euler's method has no lower one: this is its own error.
        np.testing.assert_allclose(estimate[first], -error[first], rtol=1e-9)
    assert float(step.error_order) == method.error_order


@pytest.fixture(scope="module")
def at_every_order():
    """A step of VCABM after fifteen unequal ones, at each order of the predictor from 1 to 12."""
    times = unequal_times(16, seed=11, mean=0.06)
    method, low, high = sj.VCABM(), jnp.asarray(float(times[-2])), jnp.asarray(float(times[-1]))

    @jax.jit
    def run():
        _, memory, _ = legs(method, monomials, times, jnp.zeros(14))
        at = lambda order: method.step(Bare(monomials), low, high, (low ** (POWERS + 1),), memory._replace(order=order))
        return lax.map(at, jnp.arange(1.0, 13.0))

    return low, high, run()


def test_at_every_order_a_variable_order_step_is_exact_up_to_that_order_and_not_beyond(at_every_order):
    low, high, step = at_every_order
    exact = high ** np.asarray(POWERS + 1)
    for k in range(1, 13):
        error = np.asarray(step.y1[0][k - 1]) - exact
        assert np.max(np.abs(error[: k + 1])) < 1e-13 * np.max(exact)
        assert abs(error[k + 1]) > 3e-13 * exact[k + 1]


def test_at_every_order_the_estimate_is_the_difference_to_one_order_less(at_every_order):
    """The corrector of degree k - 1 errs first at degree k; both may be scaled, for the sake of the controller."""
    *_, step = at_every_order
    for k in range(1, 13):
        estimate = np.abs(np.asarray(step.error[0][k - 1]))
        assert np.max(estimate[:k]) < 1e-4 * estimate[k]


def test_at_every_order_the_dense_output_is_as_exact_as_the_step_and_has_the_slopes_of_its_ends(at_every_order):
    low, high, step = at_every_order
    fractions = jnp.array([0.0, 0.21, 0.5, 0.93, 1.0])
    interpolate = lambda dense, s: sj.VCABM().interpolate(dense, s)[0]
    both = lambda dense, s: jax.jvp(lambda s: interpolate(dense, s), (s,), (1.0,))
    over_orders = jax.vmap(jax.vmap(both, in_axes=(None, 0)), in_axes=(0, None))
    values, slopes = (np.asarray(leaf) for leaf in jax.jit(over_orders)(step.dense, fractions))
    times = low + fractions * (high - low)
    for k in range(1, 13):
        for value, t in zip(values[k - 1], times, strict=True):
            np.testing.assert_allclose(value[: k + 1], (t ** (POWERS + 1))[: k + 1], rtol=1e-11)
        np.testing.assert_array_equal(values[k - 1, 0], low ** (POWERS + 1))
        np.testing.assert_allclose(values[k - 1, -1], step.y1[0][k - 1], rtol=1e-14)
        for row, t in ((0, low), (-1, high)):
            np.testing.assert_allclose(slopes[k - 1, row], (high - low) * monomials(t, None), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("method", [sj.AdamsBashforth(3), sj.ABM(3), sj.VCABM(4)], ids=lambda m: type(m).__name__)
def test_a_step_is_differentiable_in_the_times_the_state_and_the_history(method):
    """Forward mode, reverse mode and differences agree, through the starting steps and with unequal ones."""
    times = jnp.asarray([float(t) for t in unequal_times(7, seed=2)])

    def end(shift):
        moved = times + shift[0] * jnp.sin(3 * times)
        *_, step = legs(method, lambda t, y: modulated_hopf_field(t, y, shift[1:3]), moved, shift[3:])
        return step.y1[0] @ jnp.array([1.0, -2.0])

    point, direction = jnp.array([0.02, 0.9, 1.3, 0.5, 0.2]), jnp.array([1.0, -0.5, 0.7, 0.3, -1.0])
    value_and_grad = jax.jit(jax.value_and_grad(end))
    slope = value_and_grad(point)[1] @ direction
    forward = jax.jit(lambda: jax.jvp(end, (point,), (direction,))[1])()
    np.testing.assert_allclose(forward, slope, rtol=1e-12)
    ahead, behind = (value_and_grad(point + size * direction)[0] for size in (1e-4, -1e-4))
    np.testing.assert_allclose((ahead - behind) / 2e-4, slope, rtol=1e-6)


# ---------------------------------------------------------------- wrong input


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: sj.AdamsBashforth(0), "integer from 1 to 6; got 0"),
        (lambda: sj.AdamsBashforth(7), r"got 7. For higher orders take `sj.VCABM\(\)`"),
        (lambda: sj.ABM(1), "integer from 2 to 6; got 1"),
        (lambda: sj.ABM(4.0), "integer from 2 to 6; got 4.0"),
        (lambda: sj.VCABM(13), "integer from 1 to 12; got 13"),
    ],
)
def test_an_order_that_does_not_exist_is_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()
