"""Which event happens when: the earliest first, all of those inside a step, none twice."""

import functools

import jax.numpy as jnp
import numpy as np
import pytest

import sciml_jax as sj

from .problems import at, clock

FIXED = {"controller": sj.FixedStep(), "dt0": 1.0}


def run(events, method=None, t0=0.0, t1=4.0, y0=None, **options):
    """The clock with events; by default in four steps of length one."""
    y0 = jnp.array([t0]) if y0 is None else y0
    options = options or FIXED
    return sj.solve(sj.ODEProblem(clock, y0, t0, t1), method or sj.RK4(), events=events, **options)


def reached(sol, number=0):
    """The times of an event that are not padding."""
    ts = np.asarray(sol.events[number].ts)
    count = int(sol.events[number].count)
    assert np.all(np.isnan(ts[count:])) and not np.any(np.isnan(ts[:count]))
    return ts[:count]


def double(t, y, args):
    return 2 * y


def one_more(t, y, args):
    return y + 1


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 0, 1), (1, 2, 0)])
def test_the_order_of_the_list_does_not_matter_for_three_crossings_inside_one_step(order):
    # Times 0.31, 0.3 and 0.7 lie in the first step: y doubles at 0.3, is past 0.31 by then, and meets 0.7 at 0.4.
    events = [at(0.31, one_more), at(0.3, double), at(0.7, one_more)]
    sol = run([events[i] for i in order])
    found = {place: reached(sol, order.index(i)) for i, place in enumerate((0.31, 0.3, 0.7))}
    np.testing.assert_allclose(found[0.3], [0.3], rtol=1e-13)
    np.testing.assert_allclose(found[0.7], [0.4], rtol=1e-13)
    assert found[0.31].size == 0
    np.testing.assert_allclose(sol.y1, [4.0 + 0.3 + 1.0], rtol=1e-13)


def test_watching_three_crossings_inside_one_step():
    sol = run([at(0.31), at(0.3), at(0.7)])
    for number, place in enumerate((0.31, 0.3, 0.7)):
        np.testing.assert_allclose(reached(sol, number), [place], rtol=1e-13)
    np.testing.assert_allclose(sol.y1, [4.0], rtol=1e-13)


@pytest.mark.parametrize(("events", "end"), [((double, one_more), 2 * 1.5 + 1), ((one_more, double), 2 * (1.5 + 1))])
def test_simultaneous_events_are_applied_in_the_order_of_the_list(events, end):
    sol = run([at(1.5, affect) for affect in events])
    np.testing.assert_allclose(sol.y1, [end + 2.5], rtol=1e-13)
    # The second sees what the first left.
    np.testing.assert_allclose(sol.events[1].ys[0], [end - 1 if events[1] is one_more else end / 2])
    assert reached(sol, 0) == reached(sol, 1)


@pytest.mark.parametrize(("direction", "expected"), [(0, [1, 2, 3]), (1, [2]), (-1, [1, 3])])
def test_directions_and_a_start_on_the_root(direction, expected):
    # sin begins on its root, which is no event; a crossing that changes nothing is one event, not two.
    wave = sj.Event(lambda t, y, args: jnp.sin(jnp.pi * y[0]), lambda t, y, args: y, direction=direction)
    sol = run([wave], t1=3.6)
    np.testing.assert_allclose(reached(sol), expected, rtol=1e-12)


def test_an_affect_that_leaves_the_state_on_the_root_does_not_fire_again():
    problem = sj.ODEProblem(lambda t, y, args: jnp.stack([y[1], -1.0]), jnp.array([0.0, 1.0]), 0.0, 9.0)
    bounce = sj.Event(lambda t, y, args: y[0], lambda t, y, args: jnp.stack([0.0 * y[0], -y[1]]))
    sol = sj.solve(problem, sj.Tsit5(), events=[bounce], rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(reached(sol), [2.0, 4.0, 6.0, 8.0], rtol=1e-8)


def test_a_jump_over_a_root_is_no_crossing():
    sol = run([at(1.5, lambda t, y, args: y + 1), at(2.0)])
    assert reached(sol, 1).size == 0


@pytest.mark.parametrize("width", [0.3, 0.1, 0.08])
def test_an_excursion_inside_a_step_is_found_down_to_a_sixteenth_of_it(width):
    # Anywhere in the step, whatever its shape is: two crossings closer together than the points that are looked at.
    for middle in np.linspace(1.1, 1.9, 7):
        dip = sj.Event(lambda t, y, args: (y[0] - args) ** 2 - (width / 2) ** 2)
        problem = sj.ODEProblem(clock, jnp.zeros(1), 0.0, 4.0, jnp.asarray(middle))
        sol = sj.solve(problem, sj.RK4(), events=[dip], **FIXED)
        np.testing.assert_allclose(reached(sol), [middle - width / 2, middle + width / 2], rtol=1e-10)


@pytest.mark.parametrize("direction", [1, -1])
def test_of_an_excursion_only_the_asked_side_counts(direction):
    dip = sj.Event(lambda t, y, args: (y[0] - 1.4) ** 2 - 0.01, direction=direction)
    np.testing.assert_allclose(reached(run([dip])), [1.5 if direction == 1 else 1.3], rtol=1e-10)


def test_boolean_conditions_trigger_where_they_become_true():
    becomes = sj.Event(lambda t, y, args: y[0] > 1.25, double)
    ceases = sj.Event(lambda t, y, args: y[0] < 1.75, direction=-1)
    sol = run([becomes, ceases])
    np.testing.assert_allclose(reached(sol, 0), [1.25], rtol=1e-12)
    np.testing.assert_allclose(sol.y1, [4.0 + 1.25], rtol=1e-12)


def test_backwards_in_time_the_latest_comes_first():
    sol = run([at(1.0), at(3.3, lambda t, y, args: y - 1)], t0=4.0, t1=0.5, method=sj.Tsit5(), rtol=1e-8)
    np.testing.assert_allclose([reached(sol, 0), reached(sol, 1)], [[2.0], [3.3]], rtol=1e-12)
    np.testing.assert_allclose(sol.y1, [-0.5], rtol=1e-12)


@pytest.mark.parametrize(("e", "method"), [(0.5, sj.Tsit5()), (0.2, sj.Rodas5P())])
def test_a_ball_that_comes_to_rest_stops_with_a_status_and_never_falls_through_the_floor(e, method):
    problem = sj.ODEProblem(lambda t, y, args: jnp.stack([y[1], -9.8]), jnp.array([1.0, 0.0]), 0.0, 20.0, e)
    bounce = sj.Event(lambda t, y, e: y[0], lambda t, y, e: jnp.stack([0.0 * y[0], -e * y[1]]), direction=-1)
    sol = sj.solve(problem, method, events=[bounce], saveat=sj.SaveAt(steps=1), on_failure="status")
    assert int(sol.status) == sj.Status.ZENO
    assert np.nanmin(sol.ys[:, 0]) > -1e-9
    accumulation = np.sqrt(2 / 9.8) * (1 + e) / (1 - e)
    np.testing.assert_allclose(sol.stats.t_last, accumulation, rtol=1e-6)
    with pytest.raises(sj.SolveError, match="Zeno"):
        sj.solve(problem, method, events=[bounce])


def test_one_trigger_more_than_the_log_holds_is_a_failure():
    wave = functools.partial(sj.Event, lambda t, y, args: jnp.sin(jnp.pi * y[0]))
    assert int(run([wave(max_triggers=3)], t1=3.6).status) == sj.Status.SUCCESS
    with pytest.raises(sj.SolveError, match="max_triggers"):
        run([wave(max_triggers=2)], t1=3.6)
    assert run([wave(max_triggers=None)], t1=3.6).events[0].ts is None


def test_a_terminal_event_ends_the_solve_with_success():
    saveat = sj.SaveAt(ts=jnp.array([0.5, 1.5, 2.5]), t1=True)
    sol = run([at(2.2, double, terminal=True), at(1.0)], saveat=saveat, **FIXED)
    assert int(sol.status) == sj.Status.EVENT
    np.testing.assert_allclose(sol.y1, [4.4], rtol=1e-13)
    np.testing.assert_allclose(sol.ts[-1], 2.2, rtol=1e-13)
    np.testing.assert_allclose(sol.ys[:, 0], [0.5, 1.5, np.nan, 4.4], rtol=1e-13)
