"""Pseudo-transient continuation: what it finds, in how many steps, and how it fails."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import sciml_jax as sj
from sciml_jax.equations.steady_state import PseudoTransient


def search(right, y0, method=None, **options):
    here = sj.SteadyStateProblem(lambda t, y, args: right(y), jnp.array(y0))
    return sj.solve(here, method or PseudoTransient(), on_failure="status", **options)


def test_the_state_and_its_derivatives_in_both_modes_are_exact():
    """u' = a - u^3 from far away: u = a^(1/3)."""

    def root(a):
        here = sj.SteadyStateProblem(lambda t, y, a: a - y**3, jnp.array([30.0]), a)
        return sj.solve(here, PseudoTransient(), rtol=1e-10, atol=1e-12).y1[0]

    for mode in (jax.jacfwd, jax.jacrev):
        value, slope = jax.jit(lambda a, mode=mode: (root(a), mode(root)(a)))(8.0)
        assert float(value) == pytest.approx(2.0, rel=1e-9)
        assert float(slope) == pytest.approx(1 / 12, rel=1e-9)


def test_it_goes_where_the_dynamics_lead_and_newton_does_not():
    """y' = y - y^3 from 0.1 rests at 1; Newton finds the unstable rest at 0."""
    found = search(lambda y: y - y**3, [0.1])
    np.testing.assert_allclose(found.y1, [1.0], rtol=1e-8)
    assert abs(float(search(lambda y: y - y**3, [0.1], sj.NewtonRaphson()).y1[0])) < 1e-9


def test_stiff_rates_take_few_steps():
    """Rates of 1e-2 and 1e6 apart; the steps grow with the fall of the residual."""
    slow, fast = 0.01, 1e4
    found = search(
        lambda y: jnp.stack([slow * (3 - y[0]), fast * (3 * y[0] - y[1])]), [1.0, 0.0], PseudoTransient(first=1.0)
    )
    np.testing.assert_allclose(found.y1, [3.0, 9.0], rtol=1e-6)
    assert int(found.stats.num_steps) < 15
    assert int(found.stats.num_factorisation) == int(found.stats.num_steps)


def test_a_step_out_of_the_domain_is_repeated_shorter():
    found = search(lambda y: -jnp.log(y), [5.0], PseudoTransient(first=100.0))
    np.testing.assert_allclose(found.y1, [1.0], rtol=1e-8)


@pytest.mark.parametrize(
    ("right", "y0", "status"),
    [
        (lambda y: 1 + y**2, 0.3, "MAX_STEPS"),
        (lambda y: 0 * y + 1, 0.3, "MAX_STEPS"),
        (lambda y: jnp.log(y), -1.0, "NON_FINITE"),
    ],
)
def test_a_failure_has_a_status_and_no_state(right, y0, status):
    found = search(right, [y0], max_steps=60)
    assert sj.Status(int(found.status)).name == status
    assert bool(jnp.isnan(found.y1[0]))


def test_a_first_step_that_is_not_positive_is_refused():
    with pytest.raises(ValueError, match="`first` must be positive"):
        PseudoTransient(first=0.0)
