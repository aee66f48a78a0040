"""Checkpointed gives the numbers of Replay, whatever the number of checkpoints and of steps."""

import jax
import jax.numpy as jnp
import pytest

import sciml_jax as sj
from sciml_jax.equations.adjoints import default_adjoint
from sciml_jax.zoo.lotka_volterra import lotka_volterra_field
from tests.helpers import assert_trees_close

from . import losses

THETA = losses.lotka_volterra()


def loss(theta, adjoint, max_steps=128):
    return losses.lotka_volterra_loss(theta, adjoint, rtol=1e-8, atol=1e-8, max_steps=max_steps)


@pytest.fixture(scope="module")
def expected():
    return jax.jit(jax.value_and_grad(lambda theta: loss(theta, sj.Replay())))(THETA)


@pytest.mark.parametrize(
    "num_checkpoints", [None, pytest.param(1, marks=pytest.mark.full), 7, pytest.param(128, marks=pytest.mark.full)]
)
def test_value_and_gradient_are_those_of_replay(num_checkpoints, expected):
    adjoint = sj.Checkpointed(num_checkpoints)
    actual = jax.jit(jax.value_and_grad(lambda theta: loss(theta, adjoint)))(THETA)
    assert_trees_close(actual, expected, rtol=1e-12)


def test_without_a_bound_of_steps_both_modes_work(expected):
    """`adjoint=None` takes Checkpointed by itself."""
    unbounded = lambda theta: loss(theta, None, max_steps=None)
    assert_trees_close(jax.jit(jax.grad(unbounded))(THETA), expected[1], rtol=1e-12)
    tangent = jax.tree_util.tree_map(jnp.ones_like, THETA)
    moved = jax.jit(lambda theta: jax.jvp(unbounded, (theta,), (tangent,))[1])(THETA)
    assert abs(float(moved) / sum(float(jnp.sum(leaf)) for leaf in expected[1].values()) - 1) < 1e-11


def test_a_differentiated_solve_without_a_bound_ends_after_the_square_of_the_checkpoints():
    """More steps are possible without a derivative."""

    def end(args, num_checkpoints):
        problem = sj.ODEProblem(lotka_volterra_field, THETA["y0"], 0.0, 3.0, args)
        adjoint = sj.Checkpointed(num_checkpoints)
        sol = sj.solve(problem, sj.Tsit5(), max_steps=None, adjoint=adjoint, on_failure="status")
        return jnp.sum(sol.y1), sol.status

    grad = jax.jit(jax.grad(end, has_aux=True), static_argnums=1)
    assert int(end(THETA["args"], 2)[1]) == sj.Status.SUCCESS
    assert int(grad(THETA["args"], 2)[1]) == sj.Status.MAX_STEPS
    assert int(grad(THETA["args"], 32)[1]) == sj.Status.SUCCESS


def test_memory_of_a_gradient_grows_with_the_square_root_of_the_steps():
    """With 2,048 numbers in the state and 4,096 steps: less than a tenth of Replay's."""

    def temporary_bytes(adjoint):
        def end(y0):
            problem = sj.ODEProblem(lambda t, y, args: -y, y0, 0.0, 1.0)
            return jnp.sum(sj.solve(problem, sj.Tsit5(), adjoint=adjoint, max_steps=4096).y1)

        return jax.jit(jax.grad(end)).lower(jnp.ones(2048)).compile().memory_analysis().temp_size_in_bytes

    states = 8 * 2048
    replay, checkpointed = temporary_bytes(sj.Replay()), temporary_bytes(sj.Checkpointed())
    assert replay > 4096 * states
    assert checkpointed < (64 + 64 + 200) * states


def test_the_default_is_replay_until_its_record_would_be_too_large():
    state = jnp.zeros(1000)
    assert default_adjoint(state, 4096) == sj.Replay()
    assert default_adjoint(state, 2**20) == sj.Checkpointed()
    assert default_adjoint(state, None) == sj.Checkpointed()


@pytest.mark.full
def test_second_derivatives_and_several_cotangents_are_those_of_replay():
    args = THETA["args"]
    both = [
        jax.jit(jax.hessian(lambda a, x=x: loss(THETA | {"args": a}, x)))(args)
        for x in (sj.Checkpointed(5), sj.Replay())
    ]
    assert_trees_close(*both, rtol=1e-12)


@pytest.mark.parametrize(
    ("count", "error", "words"),
    [
        (0, ValueError, ("at least 1", "got 0")),
        (2.5, TypeError, ("positive integer", "2.5 (float)")),
        (True, TypeError, ("positive integer", "True (bool)")),
    ],
)
def test_a_wrong_number_of_checkpoints_is_refused(count, error, words):
    with pytest.raises(error) as caught:
        sj.Checkpointed(count)
    for word in words:
        assert word in str(caught.value)
