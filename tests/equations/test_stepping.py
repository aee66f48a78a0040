"""The stepping interface takes the steps of `solve`, in any loop and under any transformation."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

import sciml_jax as sj
from sciml_jax.equations.methods.adams_bashforth import AdamsBashforth

P = jnp.array([1.5, 1.0, 3.0, 1.0])
OPTIONS = {"rtol": 1e-7, "atol": 1e-9}
T1 = 3.0
METHODS = pytest.mark.parametrize("method", [sj.Tsit5(), sj.Rodas5P()], ids=["Tsit5", "Rodas5P"])


def lv(t, y, p):
    prey, predator = y["prey"], y["predator"]
    return {"prey": prey * (p[0] - p[1] * predator), "predator": predator * (p[3] * prey - p[2])}


START = {"prey": jnp.array(1.0), "predator": jnp.array(1.0)}


def problem(p=P, t1=T1):
    return sj.ODEProblem(lv, START, 0.0, t1, p)


def begin(p=P, method=None, t1=T1):
    return sj.init(problem(p, t1), method or sj.Tsit5(), **OPTIONS)


def scanned(p, t1=T1, method=None, length=80):
    """The state after more steps than it takes."""
    return lax.scan(lambda state, _: (sj.step(state), None), begin(p, method, t1), length=length)[0]


def solved(p, t1=T1, method=None):
    return sj.solve(problem(p, t1), method or sj.Tsit5(), max_steps=128, **OPTIONS)


@METHODS
def test_stepping_to_the_end_is_the_solve(method):
    state, times = begin(method=method), []
    while state.running:
        state = sj.step(state)
        times.append(float(state.t))
    sol = solved(P, method=method)
    assert times[-1] == T1 and np.all(np.diff([0.0, *times]) > 0)
    assert int(state.status) == sj.Status.SUCCESS
    for name in ("num_steps", "num_accepted", "num_rejected", "num_vector_field", "num_jacobian"):
        assert int(state.stats[name]) == int(sol.stats[name])
    assert len(times) == int(sol.stats.num_accepted)
    # The programs differ, so the sums round differently.
    np.testing.assert_allclose([state.y[k] for k in START], [sol.y1[k] for k in START], rtol=1e-13)


def test_a_step_after_the_end_changes_nothing():
    state = scanned(P)
    again = sj.step(state)
    for old, new in zip(jax.tree_util.tree_leaves(state), jax.tree_util.tree_leaves(again), strict=True):
        np.testing.assert_array_equal(old, new)


def test_a_method_with_a_memory_steps_as_it_solves():
    options = {"method": AdamsBashforth(3), "rtol": 1e-6, "atol": 1e-8}
    run = jax.jit(lambda: lax.while_loop(lambda s: s.running, sj.step, sj.init(problem(), **options)))
    state, sol = run(), sj.solve(problem(), **options)
    assert int(state.stats.num_steps) == int(sol.stats.num_steps)
    np.testing.assert_allclose(state.y["prey"], sol.y1["prey"], rtol=1e-12)


def test_a_while_loop_inside_jit_gives_the_same_end():
    run = jax.jit(lambda p: lax.while_loop(lambda s: s.running, sj.step, begin(p)).y["prey"])
    np.testing.assert_allclose(run(P), solved(P).y1["prey"], rtol=1e-13)


@METHODS
def test_derivatives_through_a_scan_of_steps_are_those_of_the_solve(method):
    stepped = lambda p, t1: scanned(p, t1, method).y["prey"]
    expected = jax.jit(jax.grad(lambda p, t1: solved(p, t1, method).y1["prey"], (0, 1)))(P, T1)
    reverse = jax.jit(jax.grad(stepped, (0, 1)))(P, T1)
    for ours, theirs in zip(reverse, expected, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-11)
    forward = jax.jit(lambda p, t1: jax.jvp(stepped, (p, t1), (jnp.ones(4), 1.0))[1])(P, T1)
    np.testing.assert_allclose(forward, jnp.sum(reverse[0]) + reverse[1], rtol=1e-11)


def test_a_batch_takes_one_accepted_step_of_each_lane():
    rates = P * jnp.array([0.9, 1.0, 1.3])[:, None]
    states = jax.jit(jax.vmap(lambda p: sj.step(sj.step(begin(p)))))(rates)
    assert np.all(states.stats.num_accepted == 2)
    alone = sj.step(sj.step(begin(rates[2])))
    np.testing.assert_allclose(states.t[2], alone.t, rtol=1e-13)
    np.testing.assert_allclose(states.y["prey"][2], alone.y["prey"], rtol=1e-13)
    with pytest.raises(ValueError, match=r"got a batch of shape \(3,\)"):
        sj.step(states)
    mapped = jax.vmap(sj.step)(states)
    assert np.all(mapped.stats.num_accepted == 3)


def test_the_last_step_can_be_interpolated():
    state = sj.step(sj.step(begin()))
    middle = 0.5 * (state.t_previous + state.t)
    expected = sj.solve(problem(), sj.Tsit5(), saveat=middle[None], **OPTIONS).ys["prey"][0]
    np.testing.assert_allclose(state.interpolate(middle)["prey"], expected, rtol=1e-13)
    times = jnp.array([state.t_previous, state.t, state.t + 0.1])
    values = state.interpolate(times)["predator"]
    np.testing.assert_allclose(values[:2], [state.y_previous["predator"], state.y["predator"]], rtol=1e-13)
    assert np.isnan(values[2])
    assert float(begin().interpolate(0.0)["prey"]) == 1.0 and np.isnan(begin().interpolate(0.1)["prey"])


def test_a_changed_state_is_integrated_on_from_where_it_stands():
    """A dose of prey at the time of the fifth step, against a solve that starts there."""
    state = begin()
    for _ in range(5):
        state = sj.step(state)
    dosed = {"prey": state.y["prey"] + 2.0, "predator": state.y["predator"]}
    run = jax.jit(lambda state: lax.while_loop(lambda s: s.running, sj.step, state))
    end = run(state.with_y(dosed))
    expected = sj.solve(sj.ODEProblem(lv, dosed, state.t, T1, P), rtol=1e-10, atol=1e-12).y1["prey"]
    np.testing.assert_allclose(end.y["prey"], expected, rtol=1e-6)
    with pytest.raises(ValueError, match="structure and shapes of the state"):
        state.with_y({"prey": 1.0})
    with pytest.raises(ValueError, match="structure and shapes of the state"):
        state.with_y({"prey": jnp.ones(2), "predator": 1.0})


def test_a_derivative_flows_through_a_changed_state():
    def end(dose):
        state = sj.step(sj.step(begin()))
        state = state.with_y({"prey": state.y["prey"] + dose, "predator": state.y["predator"]})
        return lax.scan(lambda s, _: (sj.step(s), None), state, length=40)[0].y["prey"]

    run = jax.jit(end)
    difference = (run(1.0 + 1e-3) - run(1.0 - 1e-3)) / 2e-3
    np.testing.assert_allclose(jax.jit(jax.grad(end))(1.0), difference, rtol=1e-4)


def test_stops_are_stepped_on():
    stops = jnp.array([0.7, 1.9])
    state, times = sj.init(problem(), controller=sj.PIDController(tstops=stops), **OPTIONS), []
    while state.running:
        state = sj.step(state)
        times.append(float(state.t))
    assert {0.7, 1.9} <= set(times)


def test_backward_time_and_fixed_steps():
    state = sj.init(sj.ODEProblem(lv, START, 1.0, 0.0, P), sj.RK4(), dt0=0.3)
    times = [float(state.t)]
    while state.running:
        state = sj.step(state)
        times.append(float(state.t))
    np.testing.assert_allclose(times, [1.0, 0.7, 0.4, 0.1, 0.0], atol=1e-15)


def test_a_failure_is_an_error_or_a_status_and_keeps_what_was_reached():
    blow_up = sj.ODEProblem(lambda t, y, args: y * y, jnp.array([1.0]), 0.0, 2.0)

    def run(state):
        while state.running:
            state = sj.step(state)
        return state

    with pytest.raises(sj.SolveError) as caught:
        run(sj.init(blow_up, sj.Tsit5()))
    assert caught.value.status in (sj.Status.STEP_TOO_SMALL, sj.Status.NON_FINITE)
    state = run(sj.init(blow_up, sj.Tsit5(), on_failure="status"))
    assert not bool(state.running) and not sj.Status(int(state.status)).is_success
    assert 0.99 < float(state.t) < 1.01 and np.all(np.isfinite(state.y))


def test_invalid_traced_input_is_a_status_at_once():
    status = jax.jit(lambda t1: sj.init(sj.ODEProblem(lv, START, 0.0, t1, P)).status)
    assert int(status(0.0)) == sj.Status.BAD_INPUT and int(status(1.0)) == sj.Status.RUNNING
    assert "sj.step" in str(sj.Status.RUNNING) and not sj.Status.RUNNING.is_success


def test_a_second_integration_compiles_nothing():
    sj.step(begin())
    traces = []

    def counted(t, y, p):
        traces.append(None)
        return lv(t, y, p)

    start = lambda p: sj.init(sj.ODEProblem(counted, START, 0.0, T1, p), **OPTIONS)
    sj.step(sj.step(start(P)))
    first = len(traces)
    sj.step(sj.step(start(1.1 * P)))
    assert first > 0 and len(traces) == first


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: sj.init(problem(), sj.RK4()), ValueError, "`dt0` is required"),
        (lambda: sj.init(problem(), sj.Tsit5), TypeError, "got the class `Tsit5`"),
        (lambda: sj.init(problem(), "Tsit5"), TypeError, "must be an instance"),
        (lambda: sj.init(problem(), rtol=-1.0), ValueError, "`rtol` must be finite and not negative"),
        (lambda: sj.init(problem(), on_failure="ignore"), ValueError, "`on_failure` must be"),
        (lambda: sj.init(lv), TypeError, "must be a problem"),
        (lambda: sj.step(problem()), TypeError, r"such as `sj.init\(problem\)`"),
    ],
)
def test_wrong_input_is_refused_by_the_rule(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_a_state_prints_where_it_stands():
    assert repr(begin()) == "SteppingState(t=0, status=RUNNING, steps=0)"


def test_second_derivatives_through_steps_are_those_of_the_exact_solution():
    """y' = -p y^2 from 1: y(1) = 1 / (1 + p), whose second derivative is 2 / (1 + p)^3."""

    def end(p):
        riccati = sj.ODEProblem(lambda t, y, p: -p * y * y, jnp.ones(1), 0.0, 1.0, p)
        state = sj.init(riccati, sj.Tsit5(), rtol=1e-9, atol=1e-9)
        return lax.scan(lambda s, _: (sj.step(s), None), state, length=32)[0].y[0]

    np.testing.assert_allclose(jax.jit(jax.hessian(end))(1.3), 2 / 2.3**3, rtol=1e-7)
