"""A- and L-stability, angles and intervals against the literature and against Padé approximations."""

import math

import numpy as np
import pytest
from numpy.polynomial import chebyshev

import sciml_jax as sj
from sciml_jax.equations.methods.bdf import BDF
from sciml_jax.equations.stability import is_a_stable, is_l_stable, multistep_stability, stability_report


def backward_differences(order):
    """`sum_j nabla^j/j y = h f`."""
    alpha = np.zeros(order + 1)
    for j in range(1, order + 1):
        for i in range(j + 1):
            alpha[order - i] += (-1) ** i * math.comb(j, i) / j
    return multistep_stability(alpha, np.eye(order + 1)[-1], f"BDF{order}")


def pade(k, j):
    """The approximation of the exponential with a numerator of degree k and a denominator of degree j."""
    f = math.factorial
    up = [f(j + k - i) * f(k) / (f(j + k) * f(i) * f(k - i)) for i in range(k + 1)]
    down = [f(j + k - i) * f(j) / (f(j + k) * f(i) * f(j - i)) * (-1) ** i for i in range(j + 1)]
    return lambda z: np.polyval(up[::-1], z) / np.polyval(down[::-1], z)


def test_rodas5p_is_l_stable():
    report = stability_report(sj.Rodas5P())
    assert report.is_a_stable and report.is_l_stable and is_l_stable(sj.Rodas5P())
    assert (report.angle, report.real_interval, report.imaginary_interval) == (90.0, math.inf, math.inf)
    assert report.at_infinity < 1e-5
    assert str(report).startswith("Rodas5P: L-stable, |R(inf)| = ")


# Hairer & Wanner II (1996), IV.2; for three stages of order three and four of order four, roots of their polynomials.
@pytest.mark.parametrize(
    ("method", "real", "imaginary"),
    [
        (sj.Euler(), 2.0, 0.0),
        (sj.Heun(), 2.0, 0.0),
        (sj.SSPRK33(), 2.512745326618, math.sqrt(3.0)),
        (sj.RK4(), 2.785293563405, math.sqrt(8.0)),
    ],
    ids=lambda value: getattr(value, "name", None),
)
def test_intervals_of_explicit_methods_are_those_of_the_literature(method, real, imaginary):
    report = stability_report(method)
    assert report.real_interval == pytest.approx(real, rel=1e-8)
    assert report.imaginary_interval == pytest.approx(imaginary, rel=1e-7)
    assert not report.is_a_stable and not report.is_l_stable
    assert report.angle == 0.0 and report.at_infinity == math.inf
    assert "not A(alpha)-stable" in str(report)


def test_intervals_of_dopri5_are_roots_of_its_polynomial():
    """`R = sum_(k<6) z^k/k! + z^6/600`: where R(-x) = 1, and where `|R(iy)|^2 = 1`."""
    c = np.array([1 / math.factorial(k) for k in range(6)] + [1 / 600])
    on_axis = c * 1j ** np.arange(7)
    squared = np.convolve(on_axis, on_axis.conj())
    # The first six derivatives of |R|^2 - 1 vanish.
    imaginary = np.roots(squared.real[6:][::-1])
    real = np.roots((c[1:] * (-1.0) ** np.arange(1, 7))[::-1])
    smallest = lambda roots: min(root.real for root in roots if abs(root.imag) < 1e-9 and root.real > 1e-6)
    report = stability_report(sj.Dopri5())
    assert report.real_interval == pytest.approx(smallest(real), rel=1e-8) == pytest.approx(3.3066, abs=1e-4)
    assert report.imaginary_interval == pytest.approx(smallest(imaginary), rel=1e-7)


# The boundary of order k on the negative axis: 2, 1, 6/11, 3/10; Hairer & Wanner II (1996), V.1.
@pytest.mark.parametrize(("order", "real"), [(2, 1.0), (3, 6 / 11), (4, 0.3)])
def test_real_intervals_of_adams_bashforth_methods_are_those_of_the_literature(order, real):
    assert stability_report(sj.AdamsBashforth(order)).real_interval == pytest.approx(real, rel=1e-7)


def test_rkc_reaches_as_far_as_its_polynomial():
    """beta(s) = (w0 + 1) T''(w0)/T'(w0), close to 2/3 (s^2 - 1)(1 - 4/195); Sommeijer et al. (1998), section 2.1."""
    s = 10
    method = sj.RKC(spectral_radius=0.65 * (s**2 - 1) * 0.999, max_stages=s)
    basis = np.eye(s + 1)[s]
    w0 = 1 + 2 / (13 * s**2)
    d1, d2 = (chebyshev.chebval(w0, chebyshev.chebder(basis, m)) for m in (1, 2))
    end = stability_report(method).real_interval
    # Between -w0 and -1 - the damping, |T_s| passes one once more: beyond (w0 + 1) w1 by a little.
    assert (w0 + 1) * d2 / d1 / 1.02 < end < (w0 + 1) * d2 / d1 * 1.02
    assert end == pytest.approx(2 / 3 * (s**2 - 1) * (1 - 4 / 195), rel=5e-3)


@pytest.mark.parametrize(
    ("order", "angle"),
    [
        (2, 90.0),
        (3, 86.03),
        pytest.param(4, 73.35, marks=pytest.mark.full),
        pytest.param(5, 51.84, marks=pytest.mark.full),
        pytest.param(6, 17.84, marks=pytest.mark.full),
    ],
)
def test_angles_of_backward_differences_are_those_of_the_literature(order, angle):
    """Hairer & Wanner II (1996), V.2, table 2.1."""
    report = stability_report(backward_differences(order))
    assert report.angle == pytest.approx(angle, abs=0.008)
    assert report.is_l_stable == (order <= 2) and report.at_infinity == 0.0
    assert report.real_interval == math.inf


@pytest.mark.parametrize(
    ("order", "angle"),
    [
        (2, 90),
        pytest.param(3, 86, marks=pytest.mark.full),
        pytest.param(4, 73, marks=pytest.mark.full),
        pytest.param(5, 51, marks=pytest.mark.full),
    ],
)
def test_angles_of_bdf_are_those_of_its_formulas_of_which_the_first_two_lean_on_their_predictor(order, angle):
    """Shampine & Reichelt, SIAM J. Sci. Comput. 18 (1997), table 1, to whole degrees: the NDF at 2, BDFs above."""
    report = stability_report(BDF(order))
    assert report.name == f"BDF({order})"
    assert report.angle == pytest.approx(angle, abs=1.0)


@pytest.mark.parametrize("k", range(4))
@pytest.mark.parametrize("j", range(1, 5))
def test_pade_approximations_are_a_stable_where_ehle_says_so(k, j):
    """If and only if k <= j <= k + 2; and L-stable if k < j."""
    assert is_a_stable(pade(k, j)) == (k <= j <= k + 2)
    assert is_l_stable(pade(k, j)) == (k < j <= k + 2)


def test_a_function_that_is_bounded_on_the_axis_but_has_poles_on_the_left_is_not_a_stable():
    report = stability_report(lambda z: (1 - z / 2) / (1 + z / 2))
    assert not report.is_a_stable and report.angle == 0.0 and report.real_interval == 0.0
    assert report.imaginary_interval == math.inf
    # Both poles far to the left and off the axis, where few points of any grid are.
    far = lambda z: (1 - z / (-30 + 40j)) * (1 - z / (-30 - 40j))
    assert not is_a_stable(lambda z: far(-z) / far(z)) and is_a_stable(lambda z: far(z) / far(-z))


def test_an_unstable_multistep_pole_is_found():
    """`y1 - y0 = -h f1 + 2 h f0` has zeta = (1 + 2 z)/(1 + z), infinite at z = -1."""
    assert not is_a_stable(multistep_stability([-1.0, 1.0], [2.0, -1.0]))
    assert not is_a_stable(multistep_stability([-1.0, 1.0], [1.5, -0.5]))


def test_classes_and_other_things_are_refused():
    with pytest.raises(TypeError, match=r"Call it: `RK4\(\)`"):
        stability_report(sj.RK4)
    with pytest.raises(TypeError, match="must be an instance of `AbstractOneStepMethod`"):
        is_a_stable("RK4")
