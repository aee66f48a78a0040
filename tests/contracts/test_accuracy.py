"""Adaptive solves meet their tolerance on the zoo, get better with it, and do a pinned amount of work."""

import functools

import jax
import numpy as np
import pytest

import sciml_jax as sj
from sciml_jax import zoo

from .methods import METHODS

BY_NAME = {m.name: m for m in METHODS}
# Work is pinned to a band, because the last bit of an error norm differs between platforms and moves a step or two.
BAND = 2


@functools.cache
def entry(name):
    # Intervals on which errors do not grow much beyond the local ones: the law compares with the tolerance itself.
    ends = {"robertson": 40.0, "modulated_hopf": 2.0, "lotka_volterra": 10.0, "linear_oscillator": 10.0}
    return getattr(zoo, name)(ends[name]) if name in ends else getattr(zoo, name)()


@functools.cache
def compiled(name, method_name):
    method = BY_NAME[method_name].method
    return jax.jit(
        lambda problem, rtol, atol: sj.solve(
            problem, method, rtol=rtol, atol=atol, max_steps=2**14, on_failure="status"
        )
    )


@functools.cache
def run(name, method_name, rtol, atol):
    return jax.device_get(compiled(name, method_name)(entry(name).problem, rtol, atol))


def reference(name):
    problem = entry(name).problem
    if entry(name).exact is not None:
        return np.asarray(entry(name).exact(problem.t1, problem.args))
    return entry(name).references[problem.t1]


def scaled_error(name, method_name, rtol, atol):
    """The largest |error| / (atol + rtol |ref|)."""
    expected = reference(name)
    error = np.abs(run(name, method_name, rtol, atol).y1 - expected)
    return float(np.max(error / (atol + rtol * np.abs(expected))))


# problem, method, atol/rtol, tolerances: three a factor of a hundred apart
ACCURACY = [
    ("modulated_hopf", "Tsit5", 1.0, (1e-4, 1e-6, 1e-8)),
    ("modulated_hopf", "Dopri5", 1.0, (1e-4, 1e-6, 1e-8)),
    ("modulated_hopf", "Bosh3", 1.0, (1e-3, 1e-5, 1e-7)),
    ("modulated_hopf", "Heun", 1.0, (1e-2, 1e-4, 1e-6)),
    ("modulated_hopf", "Rodas5P", 1.0, (1e-4, 1e-6, 1e-8)),
    ("linear_oscillator", "Tsit5", 1.0, (1e-4, 1e-6, 1e-8)),
    ("modulated_hopf", "Midpoint", 1.0, (1e-2, 1e-4, 1e-6)),
    ("modulated_hopf", "Ralston", 1.0, (1e-2, 1e-4, 1e-6)),
    ("linear_oscillator", "Vern6", 1.0, (1e-6, 1e-8, 1e-10)),
    ("linear_oscillator", "Vern7", 1.0, (1e-6, 1e-8, 1e-10)),
    ("linear_oscillator", "Vern8", 1.0, (1e-6, 1e-8, 1e-10)),
    ("linear_oscillator", "Dopri8", 1.0, (1e-6, 1e-8, 1e-10)),
    ("linear_oscillator", "Vern9", 1.0, (1e-8, 1e-10, 1e-12)),
    ("robertson", "Rodas5P", 1e-4, (1e-4, 1e-6, 1e-8)),
    ("hires", "Rodas5P", 1e-4, (1e-4, 1e-6, 1e-8)),
]
IDS = [f"{name}-{method}" for name, method, *_ in ACCURACY]


@pytest.mark.parametrize(("name", "method", "ratio", "tolerances"), ACCURACY, ids=IDS)
def test_the_error_is_within_ten_tolerances(name, method, ratio, tolerances):
    """|error| <= 10 (atol + rtol |reference|), for every component."""
    scaled = [scaled_error(name, method, rtol, ratio * rtol) for rtol in tolerances]
    assert max(scaled) < 10, scaled
    assert all(sj.Status(int(run(name, method, rtol, ratio * rtol).status)).is_success for rtol in tolerances)


@pytest.mark.parametrize(("name", "method", "ratio", "tolerances"), ACCURACY, ids=IDS)
def test_the_error_falls_in_proportion_to_the_tolerance(name, method, ratio, tolerances):
    """The error is a power of the tolerance between 0.6 and 1.4 of a decade for a decade."""
    expected = reference(name)
    errors = [np.max(np.abs(run(name, method, r, ratio * r).y1 - expected) / np.abs(expected)) for r in tolerances]
    slope = np.polyfit(np.log(tolerances), np.log(errors), 1)[0]
    assert 0.6 < slope < 1.4, (slope, errors)


def test_the_default_tolerances_give_five_digits_on_lotka_volterra():
    """Errors grow along the closed orbits, to a few times the relative tolerance after three of them."""
    error = np.abs(run("lotka_volterra", "Tsit5", 1e-6, 1e-9).y1 - reference("lotka_volterra"))
    assert np.max(error / np.abs(reference("lotka_volterra"))) < 5e-6


# problem, method, rtol, atol: accepted, rejected steps; why that many
WORK = {
    ("lotka_volterra", "Tsit5", 1e-6, 1e-9): (92, 16, "a rejection or two at each of the six fronts of three orbits"),
    ("lotka_volterra", "Dopri5", 1e-6, 1e-9): (83, 20, "the error estimate is more optimistic than Tsit5's"),
    ("lotka_volterra", "Bosh3", 1e-6, 1e-9): (
        760,
        6,
        "order 3 pays at this tolerance; steps change slowly, so few fail",
    ),
    ("linear_oscillator", "Tsit5", 1e-6, 1e-6): (67, 0, "steps of one size: 20 radians, 0.3 each"),
    ("linear_oscillator", "Vern6", 1e-10, 1e-10): (182, 0, "1458 evaluations; Tsit5 needs 2534"),
    ("linear_oscillator", "Vern7", 1e-10, 1e-10): (115, 0, "1152 evaluations"),
    ("linear_oscillator", "Vern8", 1e-10, 1e-10): (57, 0, "743 evaluations"),
    ("linear_oscillator", "Dopri8", 1e-10, 1e-10): (54, 0, "704 evaluations"),
    ("linear_oscillator", "Vern9", 1e-12, 1e-12): (82, 0, "1314 evaluations; Tsit5 needs 6362"),
    ("robertson", "Rodas5P", 1e-6, 1e-10): (40, 5, "the rejections are in the initial layer"),
    ("modulated_hopf", "Rodas5P", 1e-6, 1e-6): (17, 1, "the first step is found to be too long"),
}


@pytest.mark.parametrize("key", WORK, ids=lambda key: f"{key[0]}-{key[1]}")
def test_the_work_is_what_it_was(key):
    accepted, rejected, _ = WORK[key]
    stats = run(*key).stats
    assert abs(int(stats.num_accepted) - accepted) <= BAND, stats
    assert abs(int(stats.num_rejected) - rejected) <= BAND, stats


@pytest.mark.parametrize("key", WORK, ids=lambda key: f"{key[0]}-{key[1]}")
def test_counts_add_up(key):
    """Every attempt costs the method's evaluations; two more choose the first step, one of which is handed on."""
    method, stats = BY_NAME[key[1]], run(*key).stats
    steps = int(stats.num_accepted) + int(stats.num_rejected)
    assert int(stats.num_steps) == steps
    assert int(stats.num_vector_field) == 2 + method.method.evaluations_per_step * steps
    assert int(stats.num_jacobian) == int(stats.num_factorisation) == (steps if method.is_implicit else 0)
