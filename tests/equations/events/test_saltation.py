"""Sensitivities jump where an event happens: derivatives against closed forms, both modes, and differences."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import finite_difference_jvp

import sciml_jax as sj

from .problems import OSCILLATOR_ARGS, TIGHT, WALL, oscillator, oscillator_at

END = 1.5


def end(args):
    return sj.solve(oscillator(args), sj.Tsit5(), events=[WALL], **TIGHT).y1


solve_end = jax.jit(end)


def test_an_impact_with_a_moving_wall():
    np.testing.assert_allclose(solve_end(OSCILLATOR_ARGS), oscillator_at(END, OSCILLATOR_ARGS), rtol=1e-10)


def test_forward_reverse_closed_form_and_differences_agree():
    exact = jax.jacfwd(lambda args: oscillator_at(END, args))(OSCILLATOR_ARGS)
    forward, reverse = jax.jit(jax.jacfwd(end))(OSCILLATOR_ARGS), jax.jit(jax.jacrev(end))(OSCILLATOR_ARGS)
    np.testing.assert_allclose(forward, exact, rtol=1e-8, atol=1e-9)
    np.testing.assert_allclose(reverse, forward, rtol=1e-11, atol=1e-12)
    direction = jnp.array([0.3, -0.2, 0.5, 0.4])
    difference = finite_difference_jvp(solve_end, OSCILLATOR_ARGS, direction)
    np.testing.assert_allclose(difference, exact @ direction, rtol=1e-7)


def test_the_hessian_is_that_of_the_closed_form():
    position = lambda args: end(args)[0]
    found = jax.jit(jax.hessian(position))(OSCILLATOR_ARGS)
    exact = jax.hessian(lambda args: oscillator_at(END, args)[0])(OSCILLATOR_ARGS)
    np.testing.assert_allclose(found, exact, rtol=1e-7, atol=1e-7)


def saved(args):
    """States at times in front of the impact and behind it, and the end moving with t1."""
    ts = jnp.array([0.2, 0.9]) + 0.0 * args[0]
    sol = sj.solve(
        oscillator(args[:4], t1=args[4]), sj.Tsit5(), events=[WALL], saveat=sj.SaveAt(ts=ts, t1=True), **TIGHT
    )
    return sol.ys


@pytest.mark.full
def test_saved_states_and_the_end_have_the_derivatives_of_the_closed_form():
    args = jnp.append(OSCILLATOR_ARGS, END)

    def exact(args):
        free = args[3] / args[0] * jnp.sin(0.2 * args[0]), args[3] * jnp.cos(0.2 * args[0])
        return jnp.stack([jnp.stack(free), oscillator_at(0.9, args[:4]), oscillator_at(args[4], args[:4])])

    np.testing.assert_allclose(saved(args), exact(args), rtol=1e-8)
    found = jax.jit(jax.jacrev(saved))(args)
    np.testing.assert_allclose(found, jax.jacfwd(exact)(args), rtol=1e-6, atol=1e-6)


@pytest.mark.full
@pytest.mark.parametrize("mode", [jax.jacfwd, jax.jacrev])
def test_an_event_that_only_watches_changes_no_derivative(mode):
    watch = sj.Event(lambda t, y, args: y[0] - args[1], max_triggers=4)
    problem = lambda args: oscillator(args)
    with_it = lambda args: sj.solve(problem(args), sj.Tsit5(), events=[watch], **TIGHT).y1
    without = lambda args: sj.solve(problem(args), sj.Tsit5(), **TIGHT).y1
    np.testing.assert_allclose(
        jax.jit(mode(with_it))(OSCILLATOR_ARGS), jax.jit(mode(without))(OSCILLATOR_ARGS), rtol=1e-8, atol=1e-9
    )
