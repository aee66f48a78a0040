"""Semi-explicit differential-algebraic problems: solutions, the initial algebraic variables, derivatives, bad input."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import sciml_jax as sj
from sciml_jax.equations.dae import DAEProblem
from sciml_jax.equations.methods.rodas4 import Rodas4
from sciml_jax.zoo.pendulum import pendulum, pendulum_index2

TIGHT = {"rtol": 1e-10, "atol": 1e-12}


def decay(t, y, z, k):
    return -k * z


def root_of_y(t, y, z, k):
    """z = +-sqrt(y), so that y' = -k sqrt(y) on the positive branch: y = (1 - k t / 2)^2 from one."""
    return z**2 - y


def torricelli(k=1.0, z0=0.7, y0=1.0):
    return DAEProblem(decay, root_of_y, y0, z0, 0.0, 1.0, k)


def test_the_guess_chooses_a_root_and_has_no_other_influence():
    k, ts = 0.8, np.array([0.0, 0.5, 1.0])
    for guess, sign in ((0.7, 1.0), (2.5, 1.0), (-0.3, -1.0)):
        ys, zs = sj.solve(torricelli(k, guess), saveat=ts, **TIGHT).ys
        root = sign * (1 - sign * k * ts / 2)
        np.testing.assert_allclose(zs, root, rtol=1e-9)
        np.testing.assert_allclose(ys, root**2, rtol=1e-9)


def test_derivatives_pass_through_the_initial_algebraic_variables():
    """d/dk and d/dy0 of z(1) = sqrt(y0) - k/2, in both modes, and its second derivative with respect to y0."""
    end = lambda k, y0: sj.solve(torricelli(k, 0.7, y0), Rodas4(), **TIGHT).y1[1]
    expected = -0.5, 0.5 / np.sqrt(1.3)
    np.testing.assert_allclose(end(0.8, 1.3), np.sqrt(1.3) - 0.4, rtol=1e-8)
    np.testing.assert_allclose(jax.grad(end, argnums=(0, 1))(0.8, 1.3), expected, rtol=1e-7)
    _, forward = jax.jvp(end, (0.8, 1.3), (1.0, 1.0))
    np.testing.assert_allclose(forward, sum(expected), rtol=1e-7)
    second = jax.grad(jax.grad(end, argnums=1), argnums=1)(0.8, 1.3)
    np.testing.assert_allclose(second, -0.25 * 1.3**-1.5, rtol=1e-6)


def chain(t, y, z, args):
    return {"a": -args["rate"] * y["a"] + z[0], "b": jnp.sin(t) - z[1] * y["b"]}


def balance(t, y, z, args):
    """Two coupled nonlinear equations; their solution depends on args at t0 already."""
    return jnp.stack([z[0] + jnp.tanh(z[1]) - args["feed"] * y["a"], z[1] + 0.1 * z[0] ** 3 - y["b"][0] - args["rate"]])


def mixed(args):
    y0 = {"a": jnp.array(1.0), "b": jnp.array([0.5])}
    return DAEProblem(chain, balance, y0, jnp.zeros(2), 0.2, 1.5, args)


ARGS = {"rate": jnp.array(0.7), "feed": jnp.array(1.3)}


def loss(args, **options):
    ys, zs = sj.solve(mixed(args), Rodas4(), saveat=np.array([0.2, 0.9, 1.5]), **options).ys
    return jnp.sum(ys["b"] ** 2) + jnp.sum(zs**3)


def test_gradients_of_a_pytree_state_agree_with_finite_differences():
    gradient = jax.grad(lambda args: loss(args, **TIGHT))(ARGS)
    step = 1e-5
    for name in ARGS:
        ends = [loss(ARGS | {name: ARGS[name] + sign * step}, **TIGHT) for sign in (1, -1)]
        np.testing.assert_allclose(gradient[name], (ends[0] - ends[1]) / (2 * step), rtol=1e-6)


def test_the_algebraic_equations_hold_at_every_saved_time():
    ys, zs = sj.solve(mixed(ARGS), Rodas4(), saveat=np.array([0.2, 0.9, 1.5]), **TIGHT).ys
    residuals = jax.vmap(lambda y, z: balance(0.0, y, z, ARGS))(ys, zs)
    assert np.max(np.abs(residuals[0])) < 1e-14
    assert np.max(np.abs(residuals)) < 1e-8


def test_batches_and_problems_as_arguments_of_jit():
    solve = jax.jit(lambda problem: sj.solve(problem, Rodas4(), rtol=1e-8, atol=1e-10).y1)
    rates = jnp.array([0.3, 0.8, 1.1])
    ys, zs = jax.vmap(lambda k: solve(torricelli(k)))(rates)
    np.testing.assert_allclose(zs, 1 - rates / 2, rtol=1e-7)
    np.testing.assert_allclose(ys, zs**2, rtol=1e-7)
    moved = eqx.tree_at(lambda p: p.y0, torricelli(0.3), (jnp.array(4.0), jnp.array(0.7)))
    np.testing.assert_allclose(solve(moved)[1], 2 - 0.15, rtol=1e-7)


def test_float32_stays_float32():
    problem = DAEProblem(decay, root_of_y, jnp.float32(1.0), jnp.float32(0.7), 0.0, 1.0, jnp.float32(0.8))
    y, z = sj.solve(problem).y1
    assert y.dtype == z.dtype == jnp.float32
    np.testing.assert_allclose(z, 0.6, rtol=1e-4)


def test_the_pendulum_of_index_one_keeps_its_hidden_constraints_to_the_tolerance():
    zoo = pendulum(2.0)
    sol = sj.solve(zoo.problem, rtol=1e-8, atol=1e-10, saveat=np.array([1.0, 2.0]))
    np.testing.assert_allclose(sol.ys[1], zoo.references[2.0], rtol=1e-6)
    x, y, u, v, tension = sol.ys.T
    # Nothing holds x^2 + y^2 at one after the reduction: it drifts with the local errors.
    assert np.max(np.abs(x**2 + y**2 - 1)) < 1e-7
    assert np.max(np.abs(x * u + y * v)) < 1e-7
    # The algebraic equation itself is solved in every step.
    assert np.max(np.abs(u**2 + v**2 - tension * (x**2 + y**2) - 9.81 * y)) < 1e-6


@pytest.mark.parametrize("adjoint", [sj.Gauss(), sj.Interpolating(), sj.Backsolve(), sj.ForwardSensitivity()])
def test_continuous_adjoints_refuse_algebraic_equations(adjoint):
    with pytest.raises(ValueError, match=r"a mass matrix.*sj.Checkpointed\(\)"):
        sj.solve(torricelli(), Rodas4(), adjoint=adjoint)


def test_explicit_methods_refuse_algebraic_equations():
    with pytest.raises(ValueError, match=r"`Tsit5` solves `y' = f` without a mass matrix.*sj.Rodas5P"):
        sj.solve(torricelli(), sj.Tsit5())


def test_the_default_method_takes_algebraic_equations():
    large = DAEProblem(lambda t, y, z, k: -y, lambda t, y, z, k: z - y, jnp.ones(60), jnp.ones(60), 0.0, 1.0)
    assert isinstance(torricelli().default_method(), sj.Rodas5P)
    assert type(large.default_method()).__name__ == "BDF"
    massive = sj.ODEProblem(lambda t, y, k: -y, jnp.ones(3), 0.0, 1.0, mass_matrix=jnp.ones(3))
    assert isinstance(massive.default_method(), sj.Rodas5P)


def test_algebraic_equations_without_a_solution_end_as_inconsistent():
    impossible = DAEProblem(decay, lambda t, y, z, k: z**2 + 1 + y, 1.0, 0.7, 0.0, 1.0, 1.0)
    with pytest.raises(sj.SolveError, match=r"INCONSISTENT.*better `z0`.*equation 1 is .* instead of 0") as caught:
        sj.solve(impossible, Rodas4())
    assert caught.value.status == sj.Status.INCONSISTENT
    sol = jax.jit(lambda problem: sj.solve(problem, Rodas4()))(impossible)
    assert sol.status == sj.Status.INCONSISTENT
    assert sol.stats.num_steps == 0
    assert np.isnan(sol.y1[0])


def test_an_index_above_one_is_refused_with_the_equation_and_the_remedy():
    index2 = DAEProblem(lambda t, y, z, k: -z, lambda t, y, z, k: y - jnp.cos(t), 1.0, 0.0, 0.0, 1.0)
    message = (
        r"SINGULAR.*RadauIIA5.*equation 1 is algebraic and contains no algebraic variable, so the index is above one"
    )
    with pytest.raises(sj.SolveError, match=message):
        sj.solve(index2, Rodas4())
    with pytest.raises(sj.SolveError, match=r"SINGULAR.*equation 4 is algebraic and contains no algebraic variable"):
        sj.solve(pendulum_index2(1.0).problem, Rodas4())


def test_wrong_shapes_are_refused_by_the_name_of_the_function():
    y0, z0 = jnp.ones(2), jnp.ones(1)
    wrong_g = DAEProblem(lambda t, y, z, k: -y, lambda t, y, z, k: y - z, y0, z0, 0.0, 1.0)
    with pytest.raises(
        ValueError, match=r"`algebraic\(t, y, z, args\)` must return.*of z, float64\[1\]; got float64\[2\]"
    ):
        sj.solve(wrong_g)
    wrong_f = DAEProblem(lambda t, y, z, k: y[0], lambda t, y, z, k: y[:1] - z, y0, z0, 0.0, 1.0)
    with pytest.raises(
        ValueError, match=r"`differential\(t, y, z, args\)` must return.*of y, float64\[2\]; got float64"
    ):
        sj.solve(wrong_f)
    with pytest.raises(TypeError, match=r"`algebraic` is called with \(t, y, z, args\)"):
        DAEProblem(decay, lambda t, y, args: y, 1.0, 1.0, 0.0, 1.0)
    with pytest.raises(TypeError, match="z0"):
        DAEProblem(decay, root_of_y, 1.0, 1, 0.0, 1.0)
    with pytest.raises(ValueError, match="y0"):
        DAEProblem(decay, root_of_y, np.nan, 1.0, 0.0, 1.0)


def test_the_functions_can_be_read_back():
    problem = torricelli()
    assert problem.differential(0.0, 1.0, 2.0, 3.0) == -6.0
    assert problem.algebraic(0.0, 1.0, 2.0, 3.0) == 3.0
