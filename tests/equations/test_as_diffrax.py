"""Our methods inside `diffrax.diffeqsolve`."""

import functools

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import sciml_jax as sj
from sciml_jax.equations.methods.adams_bashforth import AdamsBashforth

P = jnp.array([1.5, 1.0, 3.0, 1.0])
TIMES = jnp.linspace(0.0, 2.0, 5)
START = {"prey": jnp.array([1.0]), "predator": jnp.array(1.0)}


def lv(t, y, p):
    """Nonautonomous, so that a wrong time or time derivative shows."""
    prey, predator = y["prey"], y["predator"]
    return {"prey": prey * (p[0] - p[1] * predator) + jnp.sin(t), "predator": predator * (p[3] * prey[0] - p[2])}


@functools.cache
def reference():
    sol = sj.solve(sj.ODEProblem(lv, START, 0.0, 2.0, P), sj.Tsit5(), saveat=TIMES, rtol=1e-12, atol=1e-12)
    return sol.ys["prey"][:, 0]


def diffeqsolve(solver, p=P, t0=0.0, t1=2.0, y0=None, saveat=None, **options):
    options = {"stepsize_controller": diffrax.PIDController(rtol=1e-8, atol=1e-8), **options}
    dt0 = options.pop("dt0", None)
    y0 = START if y0 is None else y0
    saveat = saveat or diffrax.SaveAt(t1=True)
    return diffrax.diffeqsolve(diffrax.ODETerm(lv), solver, t0, t1, dt0, y0, p, saveat=saveat, **options)


ADAPTIVE = pytest.mark.parametrize("method", [sj.Tsit5(), sj.Rodas5P()], ids=["Tsit5", "Rodas5P"])


@ADAPTIVE
def test_saved_and_dense_values_reach_the_reference(method):
    sol = diffeqsolve(sj.as_diffrax(method), saveat=diffrax.SaveAt(ts=TIMES, dense=True), max_steps=512)
    np.testing.assert_allclose(sol.ys["prey"][:, 0], reference(), atol=3e-7)
    dense = jax.jit(jax.vmap(sol.evaluate))(TIMES)
    np.testing.assert_allclose(dense["prey"], sol.ys["prey"], atol=1e-12)


def test_the_interpolant_of_a_step_gives_values_increments_and_nothing_for_an_empty_step():
    solver, term = sj.as_diffrax(sj.Tsit5()), diffrax.ODETerm(lv)
    state = solver.init(term, 0.0, 0.1, START, P)
    y1, error, info, _, _ = solver.step(term, 0.0, 0.1, START, P, state, made_jump=False)
    assert jax.tree_util.tree_structure(error) == jax.tree_util.tree_structure(START)
    piece = solver.interpolation_cls(t0=0.0, t1=0.1, **info)
    np.testing.assert_allclose(piece.evaluate(0.1)["prey"], y1["prey"], rtol=1e-14)
    np.testing.assert_allclose(piece.evaluate(0.0, 0.1)["prey"], y1["prey"] - 1.0, rtol=1e-12)
    assert float(solver.interpolation_cls(t0=0.0, t1=0.0, **info).evaluate(0.0)["predator"]) == 1.0


def test_tsit5_takes_the_steps_of_diffraxs_own():
    ours, theirs = diffeqsolve(sj.as_diffrax(sj.Tsit5())), diffeqsolve(diffrax.Tsit5())
    assert int(ours.stats["num_steps"]) == int(theirs.stats["num_steps"])
    np.testing.assert_allclose(ours.ys["prey"], theirs.ys["prey"], rtol=1e-12)


def test_extra_stages_of_the_interpolant_are_evaluated():
    sol = diffeqsolve(sj.as_diffrax(sj.Vern7()), saveat=diffrax.SaveAt(ts=TIMES))
    np.testing.assert_allclose(sol.ys["prey"][:, 0], reference(), atol=3e-7)


@pytest.mark.parametrize(("method", "order"), [(sj.RK4(), 4), (sj.Euler(), 1)], ids=["RK4", "Euler"])
def test_methods_without_an_estimate_take_constant_steps_and_keep_their_order(method, order):
    run = lambda dt0: diffeqsolve(sj.as_diffrax(method), dt0=dt0, stepsize_controller=diffrax.ConstantStepSize()).ys
    errors = [abs(float(run(0.02 / k)["prey"][0, 0] - reference()[-1])) for k in (1, 2)]
    assert abs(np.log2(errors[0] / errors[1]) - order) < 0.25


@ADAPTIVE
def test_backward_time_returns_to_the_start(method):
    end = sj.solve(sj.ODEProblem(lv, START, 0.0, 2.0, P), sj.Tsit5(), rtol=1e-12, atol=1e-12).y1
    sol = diffeqsolve(sj.as_diffrax(method), t0=2.0, t1=0.0, y0=end)
    np.testing.assert_allclose(sol.ys["prey"], 1.0, atol=1e-6)
    np.testing.assert_allclose(sol.ys["predator"], 1.0, atol=1e-6)


@functools.cache
def expected_gradient():
    end = lambda p: sj.solve(sj.ODEProblem(lv, START, 0.0, 2.0, p), sj.Tsit5(), rtol=1e-11, atol=1e-11).y1["predator"]
    return np.asarray(jax.jit(jax.grad(end))(P))


@pytest.mark.parametrize(
    ("method", "adjoint"),
    [
        (sj.Tsit5(), diffrax.RecursiveCheckpointAdjoint()),
        (sj.Rodas5P(), diffrax.RecursiveCheckpointAdjoint()),
        pytest.param(sj.Tsit5(), diffrax.DirectAdjoint(), marks=pytest.mark.full),
    ],
    ids=["Tsit5-checkpointed", "Rodas5P-checkpointed", "Tsit5-direct"],
)
def test_reverse_gradients_are_right_under_every_adjoint(method, adjoint):
    end = lambda p: diffeqsolve(sj.as_diffrax(method), p, adjoint=adjoint, max_steps=128).ys["predator"][-1]
    np.testing.assert_allclose(jax.jit(jax.grad(end))(P), expected_gradient(), rtol=2e-6)


def test_forward_mode_works_through_an_implicit_method():
    solver = sj.as_diffrax(sj.Rodas5P())
    end = lambda p: diffeqsolve(solver, p, adjoint=diffrax.ForwardMode(), max_steps=128).ys["predator"][-1]
    tangent = jax.jit(lambda p: jax.jvp(end, (p,), (jnp.ones(4),))[1])(P)
    np.testing.assert_allclose(tangent, expected_gradient().sum(), rtol=2e-6)


def test_a_batch_under_jit_equals_its_lanes():
    run = jax.jit(lambda p: diffeqsolve(sj.as_diffrax(sj.Rodas5P()), p).ys["prey"])
    rates = jnp.stack([P, 1.1 * P])
    np.testing.assert_allclose(jax.jit(jax.vmap(run))(rates), [run(p) for p in rates], rtol=1e-12)


def test_a_jump_renews_the_evaluation_that_is_carried():
    """y' = 1 before t = 1 and -1 after: with a stale first stage the first step after the jump is wrong."""
    field = lambda t, y, args: jnp.where(t < 1.0, 1.0, -1.0) * jnp.ones(1)
    controller = diffrax.ClipStepSizeController(diffrax.PIDController(rtol=1e-8, atol=1e-8), jump_ts=jnp.array([1.0]))
    sol = diffrax.diffeqsolve(
        diffrax.ODETerm(field), sj.as_diffrax(sj.Tsit5()), 0.0, 2.0, 0.5, jnp.zeros(1), stepsize_controller=controller
    )
    np.testing.assert_allclose(sol.ys, 0.0, atol=1e-12)
    assert int(sol.stats["num_rejected_steps"]) == 0


def test_a_stiff_problem_of_more_than_eight_numbers_is_solved():
    """Beyond eight the linear systems go through the loop over columns."""
    rates = -jnp.logspace(0.0, 5.0, 10)
    field = lambda t, y, args: args * (y - jnp.cos(t)) - jnp.sin(t)
    sol = diffrax.diffeqsolve(
        diffrax.ODETerm(field), sj.as_diffrax(sj.Rodas5P()), 0.0, 1.0, None, jnp.full(10, 1.5), rates,
        stepsize_controller=diffrax.PIDController(rtol=1e-7, atol=1e-9), max_steps=512,
    )  # fmt: skip
    exact = np.cos(1.0) + 0.5 * np.exp(np.asarray(rates))
    np.testing.assert_allclose(sol.ys[-1], exact, rtol=1e-5)
    assert int(sol.stats["num_steps"]) < 200


def test_solvers_of_equal_methods_are_one_program():
    traces = []

    @eqx.filter_jit
    def run(solver):
        traces.append(None)
        return diffeqsolve(solver, saveat=diffrax.SaveAt(dense=True), max_steps=64).evaluate(1.0)

    run(sj.as_diffrax(sj.Tsit5()))
    run(sj.as_diffrax(sj.Tsit5()))
    assert len(traces) == 1


def test_what_is_not_an_ordinary_differential_equation_is_refused():
    brownian = diffrax.VirtualBrownianTree(0.0, 1.0, tol=1e-3, shape=(), key=jax.random.key(0))
    noise = diffrax.ControlTerm(lambda t, y, args: 1.0, brownian)
    solver = sj.as_diffrax(sj.RK4())
    solve = lambda terms: diffrax.diffeqsolve(terms, solver, 0.0, 1.0, 0.1, jnp.array(1.0))
    drift = diffrax.ODETerm(lambda t, y, args: -y)
    with pytest.warns(UserWarning, match="not marked"), pytest.raises(TypeError, match=r"ODETerm`; got `MultiTerm`"):
        solve(diffrax.MultiTerm(drift, noise))
    complex_start = jnp.array([1.0 + 1.0j])
    with pytest.warns(UserWarning, match="Complex dtype"), pytest.raises(ValueError, match="needs a real state"):
        diffrax.diffeqsolve(drift, sj.as_diffrax(sj.Rodas5P()), 0.0, 1.0, 0.1, complex_start)


@pytest.mark.parametrize(
    ("method", "message"),
    [
        (sj.Tsit5, "got the class `Tsit5`"),
        (diffrax.Tsit5(), "must be an instance of `AbstractOneStepMethod`"),
        (AdamsBashforth(), "carries earlier"),
        (sj.VelocityVerlet(), "takes methods for `ODEProblem`; got `VelocityVerlet`"),
    ],
)
def test_what_is_not_a_one_step_method_is_refused(method, message):
    with pytest.raises(TypeError, match=message):
        sj.as_diffrax(method)


def test_an_adaptive_controller_without_an_estimate_is_refused():
    with pytest.raises(RuntimeError, match="error"):
        diffeqsolve(sj.as_diffrax(sj.RK4()), dt0=0.1)
