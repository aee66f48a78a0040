"""Events of equations with noise: located on the path, with the law of hitting times, and what derivatives mean.

Normal numbers are made in single precision: two programs agree to its rounding.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

import sciml_jax as sj

DRIFT, SPREAD, LEVEL, END = 1.0, 0.5, 0.7, 3.0
ARGS = jnp.array([DRIFT, SPREAD])


def rise(t, y, args):
    return jnp.full_like(y, args[0])


def even(t, y, args):
    return jnp.full_like(y, args[1])


def above(t, y, args):
    return y[0] - LEVEL


def back(t, y, args):
    return 0.0 * y


def drifting(args=ARGS, y0=(0.0,)):
    """Brownian motion with drift, of which Euler's steps are exact."""
    return sj.SDEProblem(rise, even, jnp.array(y0), 0.0, END, args, noise="additive")


def on_the_path(key, times):
    return DRIFT * times + SPREAD * sj.BrownianPath(key, 0.0, END, (1,)).evaluate(times)[..., 0]


@pytest.mark.parametrize(
    ("method", "options"), [(sj.EulerMaruyama(), {"dt0": 0.02}), (sj.SOSRA(), {})], ids=["fixed", "adaptive"]
)
def test_a_terminal_event_ends_on_the_path_at_the_level(method, options):
    found = sj.solve(drifting(), method, key=0, events=[sj.Event(above, terminal=True)], **options)
    assert int(found.status) == sj.Status.EVENT and int(found.events[0].count) == 1
    # The time is known to 2^-32 of the interval, in which the path moves by its root.
    np.testing.assert_allclose(on_the_path(0, found.events[0].ts[0]), LEVEL, atol=1e-4)
    np.testing.assert_allclose(found.y1[0], LEVEL, atol=1e-4)


def test_event_times_come_down_to_the_first_passage_of_the_path():
    """The path is known in a million times; every step that ends beyond the level bounds its first passage."""
    fine = jnp.linspace(0.0, END, 2**20 + 1)
    first = float(fine[int(jnp.argmax(on_the_path(0, fine) > LEVEL))])
    solve = jax.jit(
        lambda dt: sj.solve(drifting(), sj.EulerMaruyama(), key=0, dt0=dt, events=[sj.Event(above, terminal=True)])
    )
    late = [float(solve(dt).events[0].ts[0]) - first for dt in (0.1, 0.01, 0.001)]
    assert late[0] >= late[1] >= late[2] > -1e-5 and late[2] < 0.01


def test_hitting_times_have_the_inverse_gaussian_law():
    """Looked at in steps of h the level seems higher by 0.5826 sigma sqrt(h) (Broadie, Glasserman & Kou, 1997)."""
    h = 1 / 50
    solve = lambda key: sj.solve(
        drifting(), sj.EulerMaruyama(), key=key, dt0=h, events=[sj.Event(above, terminal=True)], max_steps=200
    ).events[0].ts[0]  # fmt: skip
    found = np.asarray(jax.jit(jax.vmap(solve))(jax.random.split(jax.random.key(1), 2000)))
    found = np.where(np.isnan(found), np.inf, found)
    seen = LEVEL + 0.5826 * SPREAD * np.sqrt(h)
    law = stats.invgauss(SPREAD**2 / (seen * DRIFT), scale=seen**2 / SPREAD**2)
    assert stats.kstest(found[found < END], lambda t: law.cdf(t) / law.cdf(END)).pvalue > 1e-3
    assert abs(np.mean(found < END) - law.cdf(END)) < 4 * np.sqrt(law.sf(END) * law.cdf(END) / found.size) + 1e-3


RETURNS = sj.Event(above, back, direction=1, max_triggers=20)


def returning(args, key, events=(RETURNS,)):
    return sj.solve(drifting(args), sj.EulerMaruyama(), key=key, dt0=0.02, events=list(events), saveat=sj.SaveAt(ts=TS))


TS = jnp.linspace(0.0, END, 7)


def test_lanes_have_different_numbers_of_events():
    keys = jax.random.split(jax.random.key(2), 6)
    batch = jax.jit(jax.vmap(returning, (None, 0)))(ARGS, keys)
    assert len(set(np.asarray(batch.events[0].count).tolist())) > 1 and np.all(batch.status == sj.Status.SUCCESS)
    for i in range(2):
        alone = returning(ARGS, keys[i])
        np.testing.assert_allclose(batch.events[0].ts[i], alone.events[0].ts, rtol=1e-6)
        np.testing.assert_allclose(batch.ys[i], alone.ys, rtol=1e-6, atol=1e-7)
    # Between events it is the path, begun anew.
    count = int(batch.events[0].count[0])
    last = batch.events[0].ts[0, count - 1]
    wanted = on_the_path(keys[0], jnp.array(END)) - on_the_path(keys[0], last)
    np.testing.assert_allclose(batch.ys[0, -1, 0], wanted, atol=1e-6)


def end(args, events):
    return sj.solve(drifting(args), sj.EulerMaruyama(), key=3, dt0=0.05, events=events, max_steps=400).y1[0]


def test_derivatives_are_those_with_the_event_times_held():
    """A path has no derivative in time: the same gradient as that of a solve whose events come at given times."""
    found = sj.solve(drifting(), sj.EulerMaruyama(), key=3, dt0=0.05, events=[RETURNS], max_steps=400)
    count = int(found.events[0].count)
    assert count > 1
    given = sj.PresetTimes(found.events[0].ts[:count], back)
    gradient, wanted = (jax.grad(lambda args: end(args, [event]))(ARGS) for event in (RETURNS, given))  # noqa: B023
    np.testing.assert_allclose(gradient, wanted, rtol=1e-6)


@pytest.mark.full
def test_forward_mode_agrees_and_event_times_count_as_constants():
    move = jnp.array([0.3, -1.0])
    gradient = jax.grad(lambda args: end(args, [RETURNS]))(ARGS)
    tangent = jax.jvp(lambda args: end(args, [RETURNS]), (ARGS,), (move,))[1]
    np.testing.assert_allclose(tangent, gradient @ move, rtol=1e-6)
    assert np.all(jax.jacfwd(lambda args: returning(args, 3).events[0].ts[0])(ARGS) == 0)


def switch(t, y, args):
    """Only the first state is noisy and is looked at; it switches the second on."""
    return jnp.stack([0.3 * jnp.ones_like(y[0]), -args * y[1]])


def first_only(t, y, args):
    return jnp.array([0.5, 0.0])


def test_where_parameters_do_not_move_the_time_derivatives_agree_with_differences():
    add = sj.Event(above, lambda t, y, args: jnp.stack([y[0] - 1.0, y[1] + args**2]), max_triggers=50)

    def end(args):
        problem = sj.SDEProblem(switch, first_only, jnp.array([0.0, 1.0]), 0.0, END, args, noise="additive")
        return sj.solve(problem, sj.SRA1(), key=5, dt0=0.05, controller=sj.FixedStep(), events=[add]).y1[1]

    assert end(jnp.array(0.8)) > 0.2
    difference = (end(jnp.array(0.8 + 1e-6)) - end(jnp.array(0.8 - 1e-6))) / 2e-6
    np.testing.assert_allclose(jax.grad(end)(jnp.array(0.8)), difference, rtol=1e-6)


def coast(t, y, args):
    return jnp.stack([y[1], args * jnp.ones_like(y[1])])


@pytest.mark.full
def test_the_time_at_which_a_smooth_state_crosses_has_its_derivative():
    """The place of a particle whose speed is noisy: it has a slope, and `d ts = -dx / v`."""
    crossing = sj.Event(lambda t, y, args: y[0] - 0.5, terminal=True)

    def when(args):
        speed_only = lambda t, y, args: jnp.array([0.0, 0.2])
        problem = sj.SDEProblem(coast, speed_only, jnp.array([0.0, 1.0]), 0.0, 1.0, args, noise="additive")
        found = sj.solve(problem, sj.SRA1(), key=1, dt0=0.002, controller=sj.FixedStep(), events=[crossing])
        return found.events[0].ts[0]

    at = jnp.array(0.3)
    difference = (when(at + 1e-3) - when(at - 1e-3)) / 2e-3
    np.testing.assert_allclose(jax.grad(when)(at), difference, rtol=0.02)


def test_boolean_conditions_and_events_at_given_times_share_a_solve():
    """A Boolean condition is located as a number is; a save time on a dose sees the state behind it."""
    seen = sj.Event(lambda t, y, args: y[0] > LEVEL, terminal=True)
    found = sj.solve(drifting(), sj.EulerMaruyama(), key=0, dt0=0.02, events=[seen])
    number = sj.solve(drifting(), sj.EulerMaruyama(), key=0, dt0=0.02, events=[sj.Event(above, terminal=True)])
    np.testing.assert_allclose(found.events[0].ts[0], number.events[0].ts[0], atol=1e-8)
    dose = sj.PresetTimes(jnp.array([0.51]), lambda t, y, args: y + 10.0)
    dosed = sj.solve(drifting(), sj.EulerMaruyama(), key=0, dt0=0.02, events=[seen, dose], saveat=jnp.array([0.51]))
    np.testing.assert_allclose(dosed.ys[0, 0], on_the_path(0, 0.51) + 10.0, rtol=1e-6)
    assert int(dosed.events[0].count) == 0 or float(dosed.events[0].ts[0]) > 0.51


def test_derivatives_with_respect_to_given_times_are_refused():
    def end(when):
        dose = sj.PresetTimes(when[None], lambda t, y, args: y + 1.0)
        return sj.solve(drifting(), sj.EulerMaruyama(), key=0, dt0=0.1, events=[dose]).y1[0]

    with pytest.raises(ValueError, match="nor to given times of events, because a Brownian path has none"):
        jax.grad(end)(0.5)


@pytest.mark.parametrize("noise", [pytest.param("diagonal", marks=pytest.mark.full), "additive"])
def test_events_change_parameters_of_drift_and_diffusion(noise):
    """From half time on twice the drift and no noise; additive noise stays so."""
    double = sj.PresetTimes(jnp.array([0.5]), lambda t, y, args: (y, {"drift": 2 * args["drift"], "spread": 0.0}))
    drift = lambda t, y, args: jnp.full_like(y, args["drift"])
    spread = lambda t, y, args: jnp.full_like(y, args["spread"])
    method = sj.SOSRA() if noise == "additive" else sj.EulerMaruyama()

    def end(args):
        problem = sj.SDEProblem(drift, spread, jnp.zeros(2), 0.0, 1.0, args, noise=noise)
        return sj.solve(problem, method, key=0, dt0=0.1, controller=sj.FixedStep(), events=[double]).y1[1]

    args = {"drift": jnp.array(1.0), "spread": jnp.array(0.3)}
    half = sj.BrownianPath(0, 0.0, 1.0, (2,)).evaluate(0.5)[1]
    value, gradient = jax.value_and_grad(end)(args)
    np.testing.assert_allclose(value, 1.5 + 0.3 * half, rtol=1e-6)
    np.testing.assert_allclose([gradient["drift"], gradient["spread"]], [1.5, half], rtol=1e-6)
