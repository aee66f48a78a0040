"""Methods of high order and the strong-stability-preserving one, against other codes and their defining properties."""

import functools
from typing import Any, ClassVar

import diffrax
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import sciml_jax as sj
from sciml_jax.equations.methods.explicit_runge_kutta import AbstractExplicitRungeKutta, Tableau
from sciml_jax.zoo.modulated_hopf import modulated_hopf_field

EXTENDED = [sj.Vern6(), sj.Vern7(), sj.Vern8(), sj.Vern9(), sj.Dopri8()]
extended = pytest.mark.parametrize("method", EXTENDED, ids=lambda m: type(m).__name__)
ARGS = jnp.array([0.9, 1.3])
Y0 = jnp.array([0.5, 0.2])
TA, TB = 0.1, 0.35


class Field:
    """What a method's `step` asks for, for a state that is one vector."""

    def vector_field(self, t, y):
        return (modulated_hopf_field(t, y[0], ARGS),)


@functools.cache
def one_step(method):
    """The step, and value and slope of its dense output at fractions 0 and 1."""

    @jax.jit
    def run(ta, tb):
        step = method.step(Field(), ta, tb, (Y0,), None)
        dense = method.complete(Field(), ta, tb, step.dense)
        at = lambda s: jax.jvp(lambda s: method.interpolate(dense, s)[0], (s,), (1.0,))
        return step, at(0.0), at(1.0)

    return jax.device_get(run(TA, TB))


def test_dopri8_takes_the_step_of_diffrax():
    solver, term = diffrax.Dopri8(), diffrax.ODETerm(modulated_hopf_field)
    state = solver.init(term, TA, TB, Y0, ARGS)
    expected, error, *_ = solver.step(term, TA, TB, Y0, ARGS, state, made_jump=False)
    step, *_ = one_step(sj.Dopri8())
    np.testing.assert_allclose(step.y1[0], expected, rtol=2e-15)
    np.testing.assert_allclose(step.error[0], error, rtol=1e-5, atol=1e-16)


@extended
def test_the_dense_output_has_the_values_and_slopes_of_both_ends(method):
    """Continuously differentiable across steps, to rounding."""
    step, (start, start_slope), (end, end_slope) = one_step(method)
    h = TB - TA
    np.testing.assert_allclose(start, Y0, rtol=1e-15)
    np.testing.assert_allclose(end, step.y1[0], rtol=1e-15)
    np.testing.assert_allclose(start_slope, h * modulated_hopf_field(TA, Y0, ARGS), rtol=1e-14)
    np.testing.assert_allclose(end_slope, h * modulated_hopf_field(TB, step.y1[0], ARGS), rtol=1e-14)


def arenstorf(t, y, mu):
    """The restricted three-body problem: a satellite between Earth and Moon."""
    position, velocity = y[:2], y[2:]
    one = position + jnp.stack([mu, 0.0])
    two = position - jnp.stack([1 - mu, 0.0])
    pull = -(1 - mu) * one / jnp.sum(one**2) ** 1.5 - mu * two / jnp.sum(two**2) ** 1.5
    return jnp.concatenate([velocity, position + 2 * jnp.stack([velocity[1], -velocity[0]]) + pull])


@pytest.mark.parametrize("method", [sj.Vern7(), sj.Vern9()], ids=lambda m: type(m).__name__)
def test_the_arenstorf_orbit_closes(method):
    """Hairer, Nørsett & Wanner I, II.0: initial values and period; errors grow a millionfold on the way."""
    start = jnp.array([0.994, 0.0, 0.0, -2.00158510637908252240537862224])
    period = 17.0652165601579625588917206249
    problem = sj.ODEProblem(arenstorf, start, 0.0, period, jnp.asarray(0.012277471))
    sol = sj.solve(problem, method, rtol=1e-13, atol=1e-13)
    np.testing.assert_allclose(sol.y1, start, atol=2e-7)


def total_variation(u):
    return np.abs(u - np.roll(u, 1, axis=-1)).sum(axis=-1)


def upwind_burgers(t, u, args):
    """u_t + (u^2/2)_x = 0 for u >= 0, periodic, on cells of width 1/n."""
    flux = 0.5 * u**2
    return -(flux - jnp.roll(flux, 1)) * u.size


def upwind_advection(t, u, args):
    return -(u - jnp.roll(u, 1)) * u.size


class NotSSP(AbstractExplicitRungeKutta):
    """Gottlieb and Shu's second-order example with a negative weight."""

    tableau: ClassVar[Tableau] = Tableau(c=(-20.0,), a=((-20.0,),), b=(41 / 40, -1 / 40), b_error=None)
    order: ClassVar[int] = 2
    error_order: ClassVar[int | None] = None
    evaluations_per_step: ClassVar[int] = 2


PULSE = np.where(np.abs(np.arange(64) - 20) < 8, 1.0, 0.1)
ROUGH = np.random.default_rng(5).uniform(0.0, 1.0, 64)


def growth(field: Any, method: Any, courant: float, start: Any = PULSE) -> float:
    """The largest increase of the total variation over any step."""
    problem = sj.ODEProblem(field, jnp.asarray(start), 0.0, 0.5)
    saveat = sj.SaveAt(t0=True, steps=1)
    sol = sj.solve(problem, method, dt0=courant / 64, saveat=saveat, max_steps=40, on_failure="status")
    return float(np.diff(total_variation(np.asarray(sol.ys)[np.isfinite(sol.ts)])).max())


@pytest.mark.parametrize("field", [upwind_burgers, upwind_advection])
@pytest.mark.parametrize("start", [PULSE, ROUGH], ids=["pulse", "rough"])
def test_ssprk33_does_not_increase_the_total_variation_up_to_courant_number_one(field, start):
    assert growth(field, sj.SSPRK33(), 1.0, start) < 1e-13


def test_beyond_the_bound_and_without_the_property_the_variation_grows():
    assert growth(upwind_burgers, sj.SSPRK33(), 1.3) > 1e-3
    assert growth(upwind_burgers, NotSSP(), 0.9) > 1e-3


def test_ssprk33_in_registers_is_the_method_of_its_tableau():
    class Written(AbstractExplicitRungeKutta):
        tableau: ClassVar[Tableau] = sj.SSPRK33.tableau
        order: ClassVar[int] = 3
        error_order: ClassVar[int | None] = None
        evaluations_per_step: ClassVar[int] = 3

    steps = [method.step(Field(), TA, TB, (Y0,), None) for method in (sj.SSPRK33(), Written())]
    np.testing.assert_allclose(steps[0].y1[0], steps[1].y1[0], rtol=4e-16)
