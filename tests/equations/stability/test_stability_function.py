"""R(z) against formulas, tableaus and the solutions that methods compute."""

import diffrax
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpy.polynomial import chebyshev

import sciml_jax as sj
from sciml_jax.equations.methods.bdf import BDF
from sciml_jax.equations.methods.explicit_runge_kutta import AbstractExplicitRungeKutta
from sciml_jax.equations.stability import multistep_stability, stability_function
from tests.contracts.methods import METHODS, representatives

DISC = 3.0 * np.sqrt(np.linspace(0.0, 1.0, 40)) * np.exp(2j * np.pi * 0.618 * np.arange(40))
"""Points all over the disc of radius 3."""


def taylor(z, order):
    return sum(z**k / np.prod(np.arange(1.0, k + 1)) for k in range(order + 1))


def assert_equal(actual, expected, rtol=1e-12):
    assert np.max(np.abs(np.asarray(actual) - expected) / np.maximum(np.abs(expected), 1.0)) < rtol


@pytest.mark.parametrize(
    ("method", "order"),
    [
        (sj.Euler(), 1),
        (sj.Heun(), 2),
        (sj.Midpoint(), 2),
        (sj.Ralston(), 2),
        (sj.SSPRK33(), 3),
        (sj.Bosh3(), 3),
        (sj.RK4(), 4),
    ],
    ids=lambda value: getattr(value, "name", None),
)
def test_methods_of_as_many_stages_as_their_order_are_taylor_polynomials(method, order):
    assert_equal(stability_function(method)(DISC), taylor(DISC, order))


RUNGE_KUTTA = [m for m in METHODS if isinstance(m.method, AbstractExplicitRungeKutta) and m.order > 4]


@representatives(RUNGE_KUTTA)
def test_explicit_methods_have_the_polynomial_of_their_tableau(listed):
    """`1 + z b (I - z A)^-1 1`."""
    table = listed.method.tableau
    size = len(table.b)
    a = np.zeros((size, size))
    for i, row in enumerate(table.a, start=1):
        a[i, : len(row)] = row
    expected = [1 + z * np.asarray(table.b) @ np.linalg.solve(np.eye(size) - z * a, np.ones(size)) for z in DISC]
    # Rounding errors are those of coefficients that cancel, in A and in b: of 12 in Tsit5, of 200 in Vern6.
    rtol = 1e-14 * np.abs(a).max() ** 2
    assert_equal(stability_function(listed.method)(DISC), np.array(expected), rtol)


@pytest.mark.parametrize("radius", [1.0, 1e3, 1e6])
def test_rodas5p_is_the_rational_function_of_its_tableau(radius):
    """The stages for `y' = z y` in complex arithmetic: `(1/gamma - z) u_i = z (1 + a_i u) + c_i u`."""
    z = radius * DISC[1:]
    table, stages = sj.Rodas5P().tableau, []
    for a, c in zip(table.a, table.coupling, strict=True):
        argument = 1 + sum(w * u for w, u in zip(a, stages))
        stages.append((z * argument + sum(w * u for w, u in zip(c, stages))) / (1 / table.gamma - z))
    expected = argument + stages[-1]
    assert_equal(stability_function(sj.Rodas5P())(z), expected)


def test_rkc_with_a_given_radius_is_a_shifted_chebyshev_polynomial():
    """`a_s + b_s T_s(w0 + w1 z)` with w0 = 1 + 2/(13 s^2), w1 = T'(w0)/T''(w0), b_s = T''/T'^2, a_s = 1 - b_s T."""
    s = 10
    method = sj.RKC(spectral_radius=0.65 * (s**2 - 1) * 0.999, max_stages=s)
    basis = np.eye(s + 1)[s]
    w0 = 1 + 2 / (13 * s**2)
    t, d1, d2 = (chebyshev.chebval(w0, chebyshev.chebder(basis, m)) for m in range(3))
    z = np.concatenate([DISC, -np.linspace(0, 70, 50) + 1j])
    b = d2 / d1**2
    expected = 1 - b * t + b * chebyshev.chebval(w0 + d1 / d2 * z, basis)
    assert_equal(stability_function(method)(z), expected, rtol=1e-11)


WITH_ONE = [m for m in METHODS if m.has_fixed_order and not m.method.needs_split]


@representatives(WITH_ONE)
def test_r_agrees_with_the_exponential_to_the_order_of_the_method(listed):
    """On the imaginary axis, `R(z) - e^z = O(z^(p+1))`."""
    size = {5: 0.3, 6: 0.4, 7: 0.6, 8: 0.9, 9: 1.1}.get(listed.order, 0.1)
    z = 1j * size * np.array([1.0, 0.5])
    large, small = np.abs(np.asarray(stability_function(listed.method)(z)) - np.exp(z))
    assert small > 1e-13
    assert np.log2(large / small) > listed.order + 0.75


def rotation(t, y, z):
    return jnp.stack([z[0] * y[0] - z[1] * y[1], z[1] * y[0] + z[0] * y[1]])


@pytest.mark.parametrize("method", [sj.AdamsBashforth(1), sj.AdamsBashforth(3), sj.ABM(2), sj.ABM(4)], ids=str)
def test_adams_methods_grow_by_r_in_the_long_run(method):
    z = 0.1 + 0.5j

    def end(steps):
        problem = sj.ODEProblem(rotation, jnp.array([1.0, 0.0]), 0.0, steps, jnp.array([z.real, z.imag]))
        y1 = sj.solve(problem, method, dt0=1.0, controller=sj.FixedStep(), max_steps=100).y1
        return y1[0] + 1j * y1[1]

    ends = jax.vmap(end)(jnp.array([60.0, 61.0]))
    assert complex(ends[1] / ends[0]) == pytest.approx(complex(stability_function(method)(z)), rel=1e-11)


def test_backward_differences_of_order_two_have_the_larger_root_of_a_quadratic():
    z = DISC - 1.0
    roots = [(2 + sign * np.sqrt(1 + 2 * z)) / (3 - 2 * z) for sign in (1, -1)]
    expected = np.where(np.abs(roots[0]) > np.abs(roots[1]), *roots)
    actual = multistep_stability([0.5, -2.0, 1.5], [0.0, 0.0, 1.0], "BDF2")
    assert actual.name == "BDF2"
    assert_equal(np.abs(np.asarray(actual(z))), np.abs(expected), rtol=1e-10)
    assert np.isinf(np.asarray(actual(1.5)))
    assert_equal(multistep_stability([-1.0, 1.0], [0.0, 1.0])(DISC - 4.0), 1 / (5.0 - DISC))


def test_methods_of_variable_order_have_r_of_their_highest_order():
    z = DISC / 4
    adams = [np.abs(stability_function(method)(z)) for method in (sj.VCABM(max_order=3), sj.ABM(4))]
    assert_equal(*adams)
    # Of order one, `nabla y - kappa nabla^2 y = h f` with kappa = -0.185.
    roots = np.array([np.roots([1.185 - w, -1.37, 0.185]) for w in z])
    assert_equal(np.abs(stability_function(BDF(1))(z)), np.abs(roots).max(axis=1))


def test_shape_and_precision_are_those_of_z():
    function = stability_function(sj.RK4())
    assert function(-1).shape == () and function(-1).dtype == jnp.complex128
    assert complex(function(-1)) == pytest.approx(0.375, abs=1e-15)
    single = function(jnp.full((2, 3), -1.0, jnp.float32))
    assert single.shape == (2, 3) and single.dtype == jnp.complex64
    assert function(np.zeros((0,))).shape == (0,)


@pytest.mark.parametrize("method", [sj.RK4(), sj.Rodas5P(), sj.AdamsBashforth(1)], ids=lambda m: m.name)
def test_r_works_under_jit_vmap_and_grad(method):
    function = stability_function(method)
    z = jnp.linspace(-2.0, 0.4, 5)
    slope = jax.jit(jax.vmap(jax.grad(lambda x: function(x).real)))(z)
    size = 1e-5
    expected = (function(z + size) - function(z - size)).real / (2 * size)
    assert np.allclose(slope, expected, rtol=1e-8, atol=1e-8)


def test_a_switching_method_has_r_of_its_non_stiff_one():
    assert stability_function(sj.AutoSwitch()) == stability_function(sj.AutoSwitch().nonstiff)


class Remembering(sj.Euler):
    """A method of somebody else's that depends on earlier steps."""

    carries_memory = True


@pytest.mark.parametrize(
    ("method", "error", "words"),
    [
        (sj.RK4, TypeError, r"Call it: `RK4\(\)`"),
        (diffrax.Tsit5(), TypeError, "must be an instance of `AbstractOneStepMethod`"),
        (None, TypeError, "got None"),
        (sj.VelocityVerlet(), ValueError, "solves SecondOrderProblem, HamiltonianProblem"),
        (Remembering(), ValueError, r"Pass the coefficients of one order to `sj.multistep_stability"),
    ],
)
def test_what_has_no_stability_function_is_refused_with_the_remedy(method, error, words):
    with pytest.raises(error, match=words):
        stability_function(method)


@pytest.mark.parametrize("z", ["1", True, None, {}])
def test_z_must_be_numbers(z):
    with pytest.raises(TypeError, match="`z` must be a real or complex array"):
        stability_function(sj.RK4())(z)


@pytest.mark.parametrize(
    ("alpha", "beta", "error", "words"),
    [
        ([-1.0, 1.0], [1.0], ValueError, "same number of coefficients"),
        ([1.0], [1.0], ValueError, "at least two"),
        ([1.0, 0.0], [0.0, 1.0], ValueError, "coefficient of the new value, not zero"),
        ([-1.0, np.nan], [0.0, 1.0], ValueError, "must be finite"),
        ("a", [0.0, 1.0], TypeError, "`alpha` must be a sequence of numbers"),
    ],
)
def test_coefficients_that_make_no_method_are_refused(alpha, beta, error, words):
    with pytest.raises(error, match=words):
        multistep_stability(alpha, beta)
