"""A bounce is exact and differentiable with every adaptive method."""

import jax
import jax.numpy as jnp
import numpy as np

import sciml_jax as sj

from .methods import METHODS, representatives

ADAPTIVE = [m for m in METHODS if m.has_error_estimate]
ARGS = jnp.array([1.3, 0.5, 0.8, 1.0])


def oscillate(t, y, args):
    """y'' = -w^2 y; args are (w, place of a wall, restitution, first speed)."""
    return jnp.stack([y[1], -(args[0] ** 2) * y[0]])


def reflect(t, y, args):
    """A bounce at the wall."""
    return jnp.stack([y[0], -args[2] * y[1]])


WALL = sj.Event(lambda t, y, args: y[0] - args[1], reflect, direction=1, max_triggers=2)


def exact(args, end):
    """(position, time of the impact)."""
    w, wall, r, v0 = args
    impact = jnp.arcsin(wall * w / v0) / w
    speed = -r * jnp.sqrt(v0**2 - (w * wall) ** 2)
    return wall * jnp.cos(w * (end - impact)) + speed / w * jnp.sin(w * (end - impact)), impact


@representatives(ADAPTIVE)
def test_a_bounce_and_its_gradient_are_those_of_the_formula(listed):
    # Methods of low order, and those that begin anew at order one, are asked for less.
    rtol = 1e-9 if listed.order > 4 else 1e-6
    field = listed.stated(oscillate)

    def end(args):
        problem = sj.ODEProblem(field, jnp.stack([0.0 * args[3], args[3]]), 0.0, 1.0, args)
        sol = sj.solve(problem, listed.method, events=[WALL], rtol=rtol, atol=rtol, max_steps=4096)
        return sol.y1[0], sol.events[0]

    (position, log), slopes = jax.jit(jax.value_and_grad(end, has_aux=True))(ARGS)
    (expected, impact), expected_slopes = jax.value_and_grad(exact, has_aux=True)(ARGS, 1.0)
    assert int(log.count) == 1 and np.isnan(log.ts[1])
    allowed = (100 if listed.has_fixed_order and not listed.is_implicit else 1000) * rtol
    np.testing.assert_allclose(log.ts[0], impact, rtol=allowed)
    # The event is where the condition vanishes, to within its resolution, however large the error of the state is.
    np.testing.assert_allclose(log.ys[0, 0], ARGS[1], rtol=1e-12)
    np.testing.assert_allclose(position, expected, rtol=allowed, atol=allowed)
    np.testing.assert_allclose(slopes, expected_slopes, rtol=10 * allowed, atol=10 * allowed)
