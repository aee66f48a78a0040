"""Problems with events whose solutions are known in closed form."""

import functools

import jax.numpy as jnp

import sciml_jax as sj

TIGHT = {"rtol": 1e-11, "atol": 1e-12}


# --- a ball that falls from height h and loses the part 1 - e of its speed in every bounce ---


def fall(t, y, args):
    """Free fall of (height, speed); args are (g, e)."""
    return jnp.stack([y[1], -args[0]])


def reflect(t, y, args):
    """A bounce on the floor."""
    return jnp.stack([jnp.zeros_like(y[0]), -args[1] * y[1]])


def height(t, y, args):
    """The condition of a bounce."""
    return y[0]


BOUNCE = sj.Event(height, reflect, direction=-1, max_triggers=12)


def ball(h=50.0, g=9.8, e=0.9, t1=10.0, speed=0.0):
    """A ball let go at height h."""
    start = jnp.stack([jnp.asarray(h, float), jnp.asarray(speed, float)])
    return sj.ODEProblem(fall, start, 0.0, t1, (jnp.asarray(g, float), jnp.asarray(e, float)))


def impacts(h, g, e, count):
    """Times of the first impacts, shape (count,)."""
    first = jnp.sqrt(2 * h / g)
    lengths = jnp.stack([first, *(2 * first * e**k for k in range(1, count))])
    return jnp.cumsum(lengths)


def ball_at(t, h, g, e, bounces):
    """(height, speed) at a time behind `bounces` impacts, at least one, and before the next."""
    since = t - impacts(h, g, e, bounces)[-1]
    up = e**bounces * jnp.sqrt(2 * g * h)
    return jnp.stack([up * since - g * since**2 / 2, up - g * since])


# --- an oscillator that hits a wall ---


def oscillate(t, y, args):
    """y'' = -w^2 y; args are (w, wall, r, ...)."""
    return jnp.stack([y[1], -(args[0] ** 2) * y[0]])


def hit(t, y, args):
    """Reflection at the wall with restitution r."""
    return jnp.stack([args[1], -args[2] * y[1]])


WALL = sj.Event(lambda t, y, args: y[0] - args[1], hit, direction=1, max_triggers=4)


def oscillator(args, t1=1.5):
    """From (0, v0) with args (w, wall, r, v0); one impact up to 1.5."""
    return sj.ODEProblem(oscillate, jnp.stack([jnp.zeros_like(args[3]), args[3]]), 0.0, t1, args)


def oscillator_at(t, args):
    """(position, speed) behind the first impact."""
    w, wall, r, v0 = args
    since = t - jnp.arcsin(wall * w / v0) / w
    speed = -r * jnp.sqrt(v0**2 - (w * wall) ** 2)
    c, s = jnp.cos(w * since), jnp.sin(w * since)
    return jnp.stack([wall * c + speed / w * s, -w * wall * s + speed * c])


OSCILLATOR_ARGS = jnp.array([1.3, 0.5, 0.8, 1.0])


# --- clocks, for the search alone ---


def clock(t, y, args):
    """y' = 1."""
    return jnp.ones_like(y)


@functools.cache
def at(place, affect=None, **options):
    """An event where the clock passes a place."""
    return sj.Event(lambda t, y, args: y[0] - place, affect, **options)
