"""What each adjoint supports: transformations, structures of the state, stops, failures; and what it refuses."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import Mesh, PartitionSpec

import sciml_jax as sj

from . import losses

THETA = losses.lotka_volterra()
LANES = THETA["args"] * jnp.linspace(0.9, 1.1, 4)[:, None]
EVERY = {
    "Checkpointed": sj.Checkpointed(5),
    "ForwardSensitivity": sj.ForwardSensitivity(),
    "Interpolating": sj.Interpolating(),
    "Gauss": sj.Gauss(),
    "Backsolve": sj.Backsolve(),
}


def each(default=tuple(EVERY), among=tuple(EVERY)):
    marks = lambda name: () if name in default else pytest.mark.full
    return pytest.mark.parametrize("adjoint", [pytest.param(EVERY[n], id=n, marks=marks(n)) for n in among])


def loss(args, adjoint):
    return losses.lotka_volterra_loss(THETA | {"args": args}, adjoint, rtol=1e-9, atol=1e-9, max_steps=128)


@pytest.fixture(scope="module")
def lane_gradients():
    return jax.jit(jax.vmap(jax.grad(lambda args: loss(args, sj.Replay()))))(LANES)


@each(default=["Gauss"])
def test_gradients_under_vmap_and_of_vmap_inside_shard_map_agree(adjoint, lane_gradients):
    """A batch split over two devices, with the check of varying axes."""
    gradient = jax.vmap(jax.grad(lambda args: loss(args, adjoint)))
    mesh, spec = Mesh(np.array(jax.devices()[:2]), ("lanes",)), PartitionSpec("lanes")
    split = jax.jit(jax.shard_map(gradient, mesh=mesh, in_specs=spec, out_specs=spec))
    assert losses.relative_error(split(LANES), lane_gradients) < 1e-7


@each(default=["Checkpointed"])
def test_gradients_of_a_sum_over_vmap_agree(adjoint, lane_gradients):
    total = lambda lanes: jnp.sum(jax.vmap(lambda args: loss(args, adjoint))(lanes))
    assert losses.relative_error(jax.jit(jax.grad(total))(LANES), lane_gradients) < 1e-7


@pytest.mark.full
@each()
def test_hessians_agree(adjoint):
    hessian = lambda adjoint: jax.jit(jax.hessian(lambda args: loss(args, adjoint)))(THETA["args"])
    assert losses.relative_error(hessian(adjoint), hessian(sj.Replay())) < 1e-6


def test_hessians_of_what_is_linear_in_the_parameters_vanish():
    """`y' = a - y`: the matrix of the replay does not depend on `a`, and its tangent is a symbolic zero."""
    relax = lambda t, y, a: a - y
    end = lambda a: sj.solve(sj.ODEProblem(relax, jnp.ones(1), 0.0, 1.0, a), sj.Tsit5(), rtol=1e-9, atol=1e-9).y1[0]
    hessian, slope = jax.jit(lambda a: (jax.hessian(end)(a), jax.grad(end)(a)))(jnp.array(2.0))
    assert hessian == 0 and float(slope) == pytest.approx(1 - np.exp(-1.0), rel=1e-7)


@each(among=["Checkpointed", "ForwardSensitivity"])
def test_forward_mode_agrees_with_reverse_mode(adjoint, lane_gradients):
    tangent = jnp.array([1.0, -1.0, 0.5, 2.0])
    push = jax.jit(lambda args: jax.jvp(lambda args: loss(args, adjoint), (args,), (tangent,))[1])
    assert float(push(LANES[1])) == pytest.approx(float(lane_gradients[1] @ tangent), rel=1e-7)


@each(among=["Interpolating", "Gauss", "Backsolve"], default=["Backsolve"])
def test_continuous_adjoints_say_that_they_have_no_forward_mode(adjoint):
    with pytest.raises(TypeError, match="forward-mode"):
        jax.jvp(lambda args: loss(args, adjoint), (THETA["args"],), (THETA["args"],))


def stopped_field(t, y, args):
    return jnp.where(t < args[1], -args[0] * y, jnp.sin(t) * y - args[0])


def stopped_gradient(adjoint):
    """Of a solve over a jump of the vector field, with saves on it, on both ends and twice at one time."""

    def total(theta):
        args = jnp.stack([theta["a"], theta["s"]])
        problem = sj.ODEProblem(stopped_field, jnp.array([1.0, 2.0]), theta["t0"], theta["t1"], args)
        saveat = sj.SaveAt(ts=jnp.array([0.0, 0.5, 1.0, 1.5, 2.0, 2.0]), t1=True)
        controller = sj.PIDController(tstops=jnp.stack([-1.0, theta["s"], theta["s"] + 0.7]))
        options = {"rtol": 1e-10, "atol": 1e-10, "max_steps": 128, "adjoint": adjoint}
        sol = sj.solve(problem, sj.Tsit5(), saveat=saveat, controller=controller, **options)
        return jnp.sum(sol.ys**2 * jnp.arange(1.0, 8.0)[:, None])

    theta = {"a": jnp.array(0.7), "s": jnp.array(1.0), "t0": jnp.array(0.0), "t1": jnp.array(2.0)}
    return jax.jit(jax.grad(total))(theta)


@each(among=["Checkpointed", "Interpolating", "Gauss", "Backsolve"], default=["Backsolve"])
def test_times_stepped_on_have_derivatives(adjoint):
    assert losses.relative_error(stopped_gradient(adjoint), stopped_gradient(sj.Replay())) < 1e-7


def mixed_gradient(adjoint):
    """Of a function of a state with complex and real leaves, integrated backwards."""

    def field(t, y, args):
        return {"z": 1j * args * y["z"] + 0.1 * y["x"], "x": -y["x"] + jnp.abs(y["z"]) ** 2}

    def total(theta):
        saved = lambda t, y, args: t * jnp.abs(y["z"]) ** 2 + y["x"] * jnp.real(args)
        problem = sj.ODEProblem(field, {"z": theta["z"], "x": jnp.array([0.5])}, 1.0, 0.0, theta["w"])
        options = {"rtol": 1e-10, "atol": 1e-10, "max_steps": 128, "adjoint": adjoint}
        sol = sj.solve(problem, sj.Tsit5(), saveat=sj.SaveAt(ts=jnp.array([0.8, 0.3]), fn=saved), **options)
        return jnp.sum(jnp.sin(sol.ys))

    return jax.jit(jax.grad(total))({"z": jnp.array([1.0 + 0.5j]), "w": jnp.array([2.0 + 0.3j])})


@each(default=["Backsolve"])
def test_complex_leaves_saved_functions_and_backward_time_have_derivatives(adjoint):
    assert losses.relative_error(mixed_gradient(adjoint), mixed_gradient(sj.Replay())) < 1e-8


@each(default=["ForwardSensitivity"])
def test_after_a_failure_what_was_reached_has_derivatives_and_the_rest_contributes_nothing(adjoint):
    def gradient(adjoint):
        def total(args):
            problem = sj.ODEProblem(stopped_field, THETA["y0"], 0.0, 40.0, args)
            options = {"rtol": 1e-9, "atol": 1e-9, "max_steps": 8, "adjoint": adjoint, "on_failure": "status"}
            return jnp.nansum(sj.solve(problem, sj.Tsit5(), saveat=jnp.array([0.01, 39.0]), **options).ys ** 2)

        return jax.jit(jax.grad(total))(jnp.array([0.7, 100.0]))

    expected = gradient(sj.Replay())
    assert float(expected[0]) != 0.0
    assert losses.relative_error(gradient(adjoint), expected) < 1e-6


@each(default=["Gauss"])
def test_fixed_steps_and_methods_without_an_error_estimate_work(adjoint):
    """The continuous derivative differs from the discrete one by the error of the method, h^4."""

    def gradient(adjoint):
        def total(args):
            problem = sj.ODEProblem(losses.lotka_volterra_field, THETA["y0"], 0.0, 1.0, args)
            return jnp.sum(sj.solve(problem, sj.RK4(), dt0=0.02, max_steps=64, adjoint=adjoint).y1 ** 2)

        return jax.jit(jax.grad(total))(THETA["args"])

    assert losses.relative_error(gradient(adjoint), gradient(sj.Replay())) < 1e-6


def test_the_scale_of_the_loss_does_not_change_the_accuracy_of_the_adjoint_solve():
    gradient = jax.jit(jax.grad(lambda args, scale: scale * loss(args, sj.Backsolve())))
    one, small = gradient(THETA["args"], 1.0), gradient(THETA["args"], 1e-12)
    assert losses.relative_error(small / 1e-12, one) < 1e-10


def test_an_adjoint_solve_that_runs_out_of_steps_gives_nan():
    gradient = jax.jit(jax.grad(lambda args: loss(args, sj.Backsolve(max_steps=2))))(THETA["args"])
    assert np.all(np.isnan(gradient))


def test_the_adjoint_may_have_a_method_and_tolerances_of_its_own(lane_gradients):
    adjoint = sj.Backsolve(rtol=1e-4, atol=1e-4, method=sj.Bosh3(), max_steps=1000)
    gradient = jax.jit(jax.grad(lambda args: loss(args, adjoint)))(LANES[2])
    assert 1e-7 < losses.relative_error(gradient, lane_gradients[2]) < 1e-2


def solve(adjoint, **options):
    problem = sj.ODEProblem(losses.lotka_volterra_field, THETA["y0"], 0.0, 1.0, THETA["args"])
    return lambda: sj.solve(problem, sj.Tsit5(), adjoint=adjoint, **options)


STOPS = sj.PIDController(tstops=jnp.array([0.5]))


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (solve(sj.Gauss(), saveat=sj.SaveAt(dense=True)), ValueError, ("sj.Gauss()", "dense=True", "sj.Replay()")),
        (solve(sj.Backsolve(), saveat=sj.SaveAt(steps=2)), ValueError, ("sj.Backsolve()", "steps=", "sj.Replay()")),
        (solve(sj.Interpolating(), max_steps=None), ValueError, ("max_steps=None", "sj.Checkpointed()")),
        (solve(sj.ForwardSensitivity(), controller=STOPS), ValueError, ("got `tstops`", "sj.Replay()")),
        (solve(sj.ImplicitAdjoint()), TypeError, ("`adjoint` must be", "ImplicitAdjoint")),
        (solve(sj.Gauss), TypeError, ("instance", "`Gauss()`")),
        (lambda: sj.Gauss(rtol=jnp.array(1e-3)), TypeError, ("Python floats", "rtol=1e-8")),
        (lambda: sj.ForwardSensitivity(rtol="1e-3"), TypeError, ("Python floats", "'1e-3'")),
        (lambda: sj.Backsolve(atol=-1.0), ValueError, ("not negative", "-1.0")),
        (lambda: sj.Gauss(method="Tsit5"), TypeError, ("`method` must be", "'Tsit5'")),
        (lambda: sj.Gauss(max_steps=0), ValueError, ("at least 1",)),
    ],
)  # fmt: skip
def test_what_is_not_supported_is_refused_by_name(call, error, words):
    with pytest.raises(error) as caught:
        call()
    for word in words:
        assert word in str(caught.value)
