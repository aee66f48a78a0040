"""The default method is the better of its pair, whichever that is and for as long as it is."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import assert_trees_close

import sciml_jax as sj

# No problem for either half: algebraic equations, more unknowns than the stiff half takes, and one whose smallest
# component needs an `atol` of its own.
NAMES = sorted(set(sj.zoo.all_problems()) - set(sj.zoo.with_tag("dae")) - {"brusselator_2d", "e5"})
Y0 = jnp.array([1.5, 0.2])
ARGS = jnp.array([2000.0, 0.7])
TIMES = jnp.array([1.0, 3.0, 5.0, 8.0])


def stiff_in_the_middle(t, y, a):
    """Rates of 1, and of `a[0]` between 2 and 4."""
    rate = 1.0 + 0.5 * a[0] * (jnp.tanh(20 * (t - 2)) - jnp.tanh(20 * (t - 4)))
    return jnp.stack([-rate * (y[0] - jnp.cos(t)), y[0] - a[1] * y[1]])


def middle(a, method=None, t0=0.0, t1=8.0, **options):
    problem = sj.ODEProblem(stiff_in_the_middle, Y0, t0, t1, a)
    return sj.solve(problem, method, **{"saveat": TIMES, "max_steps": 2000, **options}, on_failure="status")


def work(problem, method, rtol):
    solve = lambda y0: sj.solve(
        dataclasses.replace(problem, y0=y0), method, rtol=rtol, atol=1e-3 * rtol, max_steps=20_000, on_failure="status"
    )
    found = jax.jit(lambda y0: (lambda s: (s.status, s.stats.num_steps, s.stats.num_jacobian))(solve(y0)))(problem.y0)
    return [int(number) for number in found]


def assert_steps_are_within_a_fifth(name, rtol):
    """One that stays with the wrong method, or goes back and forth, takes several times as many."""
    problem = sj.zoo.all_problems()[name]().problem
    is_stiff = name in sj.zoo.with_tag("stiff")
    status, steps, jacobians = work(problem, None, rtol)
    _, best, _ = work(problem, sj.Rodas5P() if is_stiff else sj.Tsit5(), rtol)
    assert status == sj.Status.SUCCESS
    # It takes some steps, at the beginning mostly, to find out.
    assert steps <= 1.2 * best + 40
    assert (jacobians > 0) == is_stiff


@pytest.mark.parametrize(("name", "rtol"), [("lotka_volterra", 1e-3), ("robertson", 1e-6), ("robertson", 1e-9)])
def test_the_steps_are_those_of_the_better_method(name, rtol):
    assert_steps_are_within_a_fifth(name, rtol)


@pytest.mark.full
@pytest.mark.parametrize("rtol", [1e-3, 1e-6, 1e-9])
@pytest.mark.parametrize("name", NAMES)
def test_the_steps_are_those_of_the_better_method_on_every_problem_of_the_zoo(name, rtol):
    assert_steps_are_within_a_fifth(name, rtol)


@pytest.mark.full
def test_hires_takes_fewer_jacobians_than_the_stiff_method():
    problem = sj.zoo.hires().problem
    status, _, jacobians = work(problem, None, 1e-6)
    assert status == sj.Status.SUCCESS
    assert 0 < jacobians <= work(problem, sj.Rodas5P(), 1e-6)[1]


def precise(a, saveat=TIMES):
    """An independent reference: an explicit method of order 9, far below the tolerances here."""
    return middle(a, sj.Vern9(), saveat=saveat, rtol=1e-12, atol=1e-13, max_steps=20_000).ys


def test_a_problem_that_is_stiff_in_the_middle_is_left_to_the_stiff_method_there_only():
    found = middle(ARGS)
    explicit = middle(ARGS, sj.Tsit5())
    assert found.status == sj.Status.SUCCESS
    assert_trees_close(found.ys, precise(ARGS), rtol=1e-5)
    stiff = int(found.stats.num_jacobian)
    assert 10 < stiff < int(found.stats.num_steps) - 10
    assert int(found.stats.num_steps) < int(explicit.stats.num_steps) / 5


def test_evaluations_are_counted_by_the_method_that_made_the_step():
    stats = middle(ARGS).stats
    stiff, total = int(stats.num_jacobian), int(stats.num_steps)
    # Two for the size of the first step.
    expected = 2 + sj.Rodas5P.evaluations_per_step * stiff + 7 * (total - stiff)
    assert int(stats.num_vector_field) == expected
    assert int(stats.num_factorisation) == stiff


def test_dense_output_is_as_accurate_on_both_sides_of_a_switch():
    times = jnp.linspace(0.0, 8.0, 57)
    dense = middle(ARGS, saveat=sj.SaveAt(dense=True), max_steps=400)
    assert_trees_close(jax.vmap(dense)(times), precise(ARGS, times), rtol=1e-5)
    assert_trees_close(middle(ARGS, saveat=times).ys, jax.vmap(dense)(times), rtol=1e-12)


def test_running_backwards_is_running_forwards_with_the_sign_of_time_changed():
    mirrored = sj.ODEProblem(lambda t, y, a: -stiff_in_the_middle(-t, y, a), Y0, 0.0, -8.0, ARGS)
    back = sj.solve(mirrored, None, saveat=-TIMES, max_steps=2000)
    assert_trees_close(back.ys, middle(ARGS).ys, rtol=1e-9)


def loss(a, method=None, **options):
    return jnp.sum(middle(a, method, rtol=1e-8, atol=1e-10, **options).ys ** 2)


def test_a_gradient_passes_through_the_switches():
    assert int(middle(ARGS, rtol=1e-8, atol=1e-10).stats.num_jacobian) > 10
    found = jax.jit(jax.grad(loss))(ARGS)
    move = jnp.array([20.0, 1e-3])
    value = jax.jit(lambda a: jnp.sum(precise(a) ** 2))
    differences = jnp.stack([(value(ARGS + d) - value(ARGS - d)) / (2 * d.sum()) for d in jnp.diag(move)])
    # The derivative with respect to the rate is 500,000 times smaller than the other.
    assert_trees_close(found[1], differences[1], rtol=1e-5)
    assert_trees_close(found[0], differences[0], rtol=1e-3)


@pytest.mark.full
def test_forward_and_reverse_mode_agree_over_the_switches():
    saved = lambda a: middle(a, max_steps=400).ys
    assert_trees_close(jax.jit(jax.jacfwd(saved))(ARGS), jax.jit(jax.jacrev(saved))(ARGS), rtol=1e-11)


@pytest.mark.full
def test_derivatives_with_respect_to_both_ends_are_differences():
    ends = (jnp.float64(0.5), jnp.float64(3.0))
    end = lambda t0, t1: jnp.sum(middle(ARGS, None, t0, t1, saveat=None, rtol=1e-10, atol=1e-12).y1 ** 2)
    found, value, e = jax.jit(jax.grad(end, (0, 1)))(*ends), jax.jit(end), 1e-5
    differences = ((value(ends[0] + e, ends[1]) - value(ends[0] - e, ends[1])) / (2 * e),
                   (value(ends[0], ends[1] + e) - value(ends[0], ends[1] - e)) / (2 * e))  # fmt: skip
    assert_trees_close(found, differences, rtol=1e-5)


RATES = jnp.array([[2000.0, 0.7], [0.0, 0.7], [20.0, 0.7], [1e4, 0.7], [1e5, 0.2]])


def outcome(a):
    found = middle(a)
    return found.ys, found.status, found.stats.num_steps, found.stats.num_jacobian


def test_in_a_batch_every_lane_switches_on_its_own():
    found = jax.jit(jax.vmap(outcome))(RATES)
    single = jax.jit(outcome)
    for i in range(len(RATES)):
        expected = single(RATES[i])
        assert_trees_close(found[0][i], expected[0], rtol=1e-8)
        assert int(found[1][i]) == int(expected[1]) == sj.Status.SUCCESS
        # A step more or less where an error norm differs in the last bit.
        assert abs(int(found[2][i]) - int(expected[2])) <= 2
    jacobians = found[3]
    assert int(jacobians[1]) == 0
    assert int(jacobians[0]) > 10


@pytest.mark.full
def test_in_a_batch_every_lane_has_its_gradient():
    gradient = jax.grad(loss)
    found = jax.jit(jax.vmap(gradient))(RATES)
    single = jax.jit(gradient)
    for i in range(len(RATES)):
        assert_trees_close(found[i], single(RATES[i]), rtol=1e-6)


def network(t, y, weights):
    return -y + weights.T @ jnp.tanh(weights @ y)


@jax.custom_vjp
def reverse_only(y):
    return jnp.sin(y)


reverse_only.defvjp(lambda y: (jnp.sin(y), y), lambda y, ct: (ct * jnp.cos(y),))

ALONE = {
    "a complex state": (lambda t, y, a: 1j * y * a, jnp.array([1 + 0j]), 2.0),
    "more than 100 numbers": (lambda t, y, a: -a * y * jnp.sin(t), jnp.linspace(0, 1, 101), 2.0),
    "a network": (network, jnp.ones(3), jnp.sin(jnp.arange(96.0)).reshape(32, 3)),
    "two dtypes": (lambda t, y, a: (-a * y[0], -y[1]), (jnp.ones(2), jnp.float32(1)), 2.0),
    "derivatives in reverse mode only": (lambda t, y, a: -a * jax.vmap(reverse_only)(y), jnp.ones(2), 2.0),
}


@pytest.mark.parametrize("name", ALONE)
def test_where_the_stiff_method_cannot_or_should_not_be_used_the_other_solves_alone(name):
    field, y0, args = ALONE[name]
    of = lambda method: sj.solve(sj.ODEProblem(field, y0, 0.0, 1.0, args), method)
    found, alone = of(None), of(sj.Tsit5())
    assert_trees_close(found.y1, alone.y1, rtol=1e-12)
    assert int(found.stats.num_jacobian) == 0


def test_a_callback_without_derivatives_is_solved_by_the_other_alone():
    field = lambda t, y, a: jax.pure_callback(lambda y: -np.asarray(y), jax.ShapeDtypeStruct((2,), float), y)
    found = sj.solve(sj.ODEProblem(field, jnp.ones(2), 0.0, 1.0), rtol=1e-9, atol=1e-11)
    assert_trees_close(found.y1, jnp.full(2, jnp.exp(-1.0)), rtol=1e-8)


@pytest.mark.full
def test_a_gradient_needs_derivatives_in_reverse_mode_only():
    field = lambda t, y, a: -a * reverse_only(y)
    of = lambda method: (
        lambda a: jnp.sum(sj.solve(sj.ODEProblem(field, jnp.ones(2), 0.0, 1.0, a), method, max_steps=60).y1)
    )
    assert_trees_close(jax.jit(jax.grad(of(None)))(2.0), jax.jit(jax.grad(of(sj.Tsit5())))(2.0), rtol=1e-10)


def test_a_stiff_problem_without_a_stiff_method_says_so():
    rates = jnp.logspace(0.0, 5.0, 101)
    found = sj.solve(sj.ODEProblem(lambda t, y, a: -a * (y - jnp.cos(t)), jnp.ones(101), 0.0, 1.0, rates),
                     max_steps=300, on_failure="status")  # fmt: skip
    assert found.status == sj.Status.STIFF


def test_the_users_jacobian_is_the_one_that_is_used():
    """A vector field that cannot be differentiated at all, with a Jacobian that can be evaluated."""
    call = lambda function, shape: lambda t, y, a: jax.pure_callback(function, jax.ShapeDtypeStruct(shape, float), y)
    field = call(lambda y: np.stack([-1000 * (y[0] - 1), -y[1]]), (2,))
    jacobian = call(lambda y: np.diag([-1000.0, -1.0]), (2, 2))
    found = sj.solve(sj.ODEProblem(field, 2 * jnp.ones(2), 0.0, 3.0, jacobian=jacobian), rtol=1e-6, atol=1e-9)
    assert_trees_close(found.y1, jnp.array([1.0, 2 * jnp.exp(-3.0)]), rtol=1e-6)
    assert int(found.stats.num_jacobian) > 0


@pytest.mark.parametrize(
    ("options", "rule", "got"),
    [
        ({"nonstiff": sj.Vern7()}, r"`AutoSwitch\(nonstiff=...\)` must be", "Vern7"),
        ({"nonstiff": sj.Rodas5P()}, r"`AutoSwitch\(nonstiff=...\)` must be", "Rodas5P"),
        ({"stiff": sj.Tsit5()}, r"`AutoSwitch\(stiff=...\)` must be", "Tsit5"),
        ({"stiff": "Rodas5P"}, r"`AutoSwitch\(stiff=...\)` must be", "Rodas5P"),
    ],
)
def test_methods_that_cannot_be_paired_are_refused(options, rule, got):
    with pytest.raises(TypeError, match=rule) as caught:
        sj.AutoSwitch(**options)
    assert got in str(caught.value)
    assert "Pass `sj." in str(caught.value)


def test_none_is_the_pair_of_the_default_methods():
    assert_trees_close(middle(ARGS, sj.AutoSwitch()).ys, middle(ARGS).ys)
