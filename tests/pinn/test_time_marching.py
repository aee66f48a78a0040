"""Time marching: windows start where the ones before have got to, and long times become short ones."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import sciml_jax as sj
from sciml_jax.pinn.marching_solution import join
from sciml_jax.pinn.marching_windows import split_conditions, window_problem

pinn = sj.pinn
END = 6.0
RING = pinn.Box({"t": (0.0, END), "x": (-1.0, 1.0)}, periodic="x")
ROOM = pinn.Box({"t": (0.0, 1.5), "x": (0.0, 1.0)})
SMALL = pinn.PINN(width=8, depth=2, num_points=200, num_boundary=60, num_steps=60, block=20)
MARCH = pinn.TimeMarching(SMALL, 6)


def transport():
    """u_t + u_x = 0 on a ring, three times around."""
    residual = lambda u, z, params: sum(RING.partials(u, z, "t", "x"))
    start = lambda z: jnp.exp(jnp.sin(jnp.pi * z[1]))
    problem = pinn.PDEProblem(RING, residual, [pinn.Initial(RING, start)])
    return problem, lambda z: jnp.exp(jnp.sin(jnp.pi * (z[1] - z[0])))


def relative_error(sol, exact):
    points = sol.domain.interior(jax.random.key(9), 500)
    expected = jax.vmap(exact)(points)
    return float(jnp.linalg.norm(sol(points) - expected) / jnp.linalg.norm(expected))


@pytest.fixture(scope="module")
def solved():
    problem, exact = transport()
    return sj.solve(problem, MARCH, key=0), exact, problem


def test_long_times_that_one_network_of_the_size_fails_at_are_solved(solved):
    sol, exact, problem = solved
    alone = sj.solve(problem, SMALL, key=0)
    assert relative_error(alone, exact) > 0.2
    assert relative_error(sol, exact) < 5e-3


def test_the_error_estimate_counts_the_errors_of_earlier_windows(solved):
    sol, exact, _ = solved
    error = relative_error(sol, exact)
    assert 0.1 * error < float(sol.error_estimate) < 10 * error
    assert float(sol.error_estimate) > float(jnp.max(sol.history["window_error"]))


def test_the_function_and_its_derivative_are_continuous_where_windows_meet(solved):
    sol, *_ = solved
    times = jnp.array([1.0, 1.1, 2.0, 2.1])
    sides = jnp.stack([jnp.stack([times + step, jnp.full(4, 0.3)], axis=1) for step in (-1e-7, 1e-7)])
    value, slope = jax.jit(lambda z: (sol(z), sol.gradient(z)))(sides)
    assert float(jnp.max(jnp.abs(value[1] - value[0]))) < 1e-5
    assert float(jnp.max(jnp.abs(slope[1] - slope[0]))) < 1e-4


def test_initial_values_hold_exactly_and_windows_start_from_the_one_before(solved):
    sol, exact, _ = solved
    x = jnp.linspace(-1.0, 1.0, 9)
    first = jnp.stack([jnp.zeros(9), x], axis=1)
    np.testing.assert_allclose(sol(first), jax.vmap(exact)(first), atol=1e-14)
    second = first.at[:, 0].set(1.0)
    np.testing.assert_allclose(sol.windows[1](second), sol.windows[0](second), atol=1e-13)


def test_counts_history_and_residual_are_those_of_all_windows(solved):
    sol, *_ = solved
    assert sol.stats == {"num_windows": 6, "num_steps": 360, "num_points": 200, "num_weights": 113}
    assert sol.history["loss"].shape == (360,)
    assert sol.history["window_error"].shape == (6,)
    z = jnp.array([[0.5, 0.2], [3.05, -0.4]])
    u_t, u_x = sol.partials(z, "t", "x")
    np.testing.assert_allclose(sol.residual(z)[:, 0], u_t + u_x, atol=1e-12)


def test_the_status_is_that_of_the_worst_window(solved):
    sol, *_ = solved
    assert pinn.PINNStatus(int(sol.status)) is pinn.PINNStatus.COMPLETED
    codes = [pinn.PINNStatus.CONVERGED, pinn.PINNStatus.NOT_REACHED, pinn.PINNStatus.COMPLETED]
    with_code = lambda code: eqx.tree_at(lambda w: w.status, sol.windows[0], jnp.asarray(int(code), jnp.int32))
    for chosen, worst in ((codes, codes[1]), (codes[:1], codes[0]), ([codes[0], codes[2]], codes[2])):
        windows = [with_code(code) for code in chosen]
        joined = join(sol.problem, windows, sol.begins[: len(windows)], sol.blend, 0)
        assert pinn.PINNStatus(int(joined.status)) is worst


def test_a_saved_march_is_read_back_bit_for_bit(solved, tmp_path):
    sol, _, problem = solved
    sol.save(tmp_path / "ring.sol")
    again = pinn.load_solution(tmp_path / "ring.sol", problem, MARCH)
    z = RING.interior(jax.random.key(1), 20)
    np.testing.assert_array_equal(again(z), sol(z))
    assert again.stats == sol.stats
    assert float(again.error_estimate) == float(sol.error_estimate)
    with pytest.raises(ValueError, match="holds 6 windows"):
        pinn.load_solution(tmp_path / "ring.sol", problem, pinn.TimeMarching(SMALL, 5))
    with pytest.raises(ValueError, match="is none"):
        pinn.load_solution(tmp_path / "ring.sol", problem, SMALL)


@pytest.mark.full
def test_a_wave_keeps_its_walls_and_its_initial_velocity():
    """u_tt = u_xx / pi^2, u = sin(t) sin(pi x): starts from rest at zero with a velocity."""

    def residual(u, z, params):
        u_tt, u_xx = ROOM.partials(u, z, "tt", "xx")
        return u_tt - u_xx / jnp.pi**2

    speed = pinn.Initial(ROOM, lambda z: jnp.sin(jnp.pi * z[1]), derivative=1)
    conditions = [pinn.Initial(ROOM, 0.0), speed, pinn.Dirichlet(ROOM.face("x"), 0.0)]
    problem = pinn.PDEProblem(ROOM, residual, conditions)
    method = pinn.PINN(width=6, depth=1, num_points=80, num_steps=60, block=20)
    sol = sj.solve(problem, pinn.TimeMarching(method, 2, warm_start=True), key=0)
    assert relative_error(sol, lambda z: jnp.sin(z[0]) * jnp.sin(jnp.pi * z[1])) < 1e-4
    wall = jnp.array([[0.4, 0.0], [0.78, 1.0], [1.3, 1.0]])
    np.testing.assert_allclose(sol(wall), 0.0, atol=1e-13)
    start = jnp.array([[0.0, 0.3]])
    np.testing.assert_allclose(sol.gradient(start)[0], [np.sin(0.3 * np.pi), 0.0], atol=1e-12)


def test_walls_that_jump_against_the_start_and_measurements_are_trained():
    """u = 1 at first, 0 on the walls; measurements lie in the second half of the time."""
    residual = lambda u, z, params: ROOM.partials(u, z, "t")[0] - ROOM.partials(u, z, "xx")[0]
    late = pinn.Data(jnp.array([[1.2, 0.5]]), jnp.array([0.0]))
    problem = pinn.PDEProblem(ROOM, residual, [pinn.Initial(ROOM, 1.0), pinn.Dirichlet(ROOM.face("x"), 0.0), late])
    split = split_conditions(problem, "t", hard=True, method="")
    assert split.initial == problem.conditions[:1]
    assert split.walls == ()
    windows = [window_problem(problem, split, "t", jnp.array(ends)) for ends in ((0.0, 0.8), (0.75, 1.5))]
    kinds = [[type(c).__name__ for c in window.conditions] for window in windows]
    assert kinds == [["Dirichlet"], ["Dirichlet", "Data"]]
    wall = windows[1].conditions[0].region.sample(jax.random.key(0), 200)[0]
    assert 0.75 <= float(jnp.min(wall[:, 0])) < 0.8


def _with(*conditions, domain=RING, **more):
    residual = lambda u, z, params: domain.partials(u, z, "t")[0]
    return pinn.PDEProblem(domain, residual, conditions, **more)


START = pinn.Initial(RING, 1.0)
ERRORS = {
    "no start": (lambda: sj.solve(_with(), MARCH, key=0), "needs initial values"),
    "unknown": (lambda: sj.solve(_with(START, unknown={"a": 1.0}), MARCH, key=0), "forward problems"),
    "end": (
        lambda: sj.solve(_with(START, pinn.Dirichlet(RING.face("t", "upper"), 1.0)), MARCH, key=0),
        "at other times",
    ),
    "integral": (lambda: sj.solve(_with(START, pinn.Integral(RING, 1.0)), MARCH, key=0), "at other times"),
    "acceleration": (lambda: sj.solve(_with(START, pinn.Initial(RING, 1.0, derivative=2)), MARCH, key=0), "velocities"),
    "time": (lambda: sj.solve(_with(START), pinn.TimeMarching(SMALL, 2, time="s"), key=0), "one of"),
    "method": (lambda: pinn.TimeMarching(3), "must be a `sj.pinn.PINN"),
    "windows": (lambda: pinn.TimeMarching(SMALL, 0), "positive integer"),
    "overlap": (lambda: pinn.TimeMarching(SMALL, overlap=1.0), "share of a window"),
}


@pytest.mark.parametrize("name", ERRORS)
def test_what_cannot_march_is_refused_with_the_fix(name):
    call, message = ERRORS[name]
    with pytest.raises((TypeError, ValueError), match=message):
        call()
