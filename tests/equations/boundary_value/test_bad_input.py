"""What wrong input and other forms of input say and do."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import sciml_jax as sj
from sciml_jax.equations.boundary_value import BVProblem, Collocation, MultipleShooting, Shooting

ONE = jnp.ones(2)


def field(t, y, args):
    return jnp.stack([y[1], -y[0]])


def ends(start, end, args):
    return jnp.stack([start[0], end[0] - 1])


def problem(guess=ONE, boundary=ends, t0=0.0, t1=1.0):
    return BVProblem(field, boundary, guess, t0, t1)


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: BVProblem(1, ends, ONE, 0, 1), TypeError, ("`vector_field` must be callable",)),
        (lambda: BVProblem(field, lambda a, b: a, ONE, 0, 1), TypeError, ("`boundary`", "(y_start, y_end, args)")),
        (lambda: problem(t1=0.0), ValueError, ("`t0` and `t1` must differ",)),
        (lambda: problem(jnp.array([1, 2])), TypeError, ("`y_guess` must have float", "int")),
        (lambda: problem(jnp.array([1.0, jnp.nan])), ValueError, ("`y_guess` must be finite",)),
        (lambda: problem(ONE * 1j), TypeError, ("must be real", "complex")),
        (lambda: problem((ONE, jnp.ones((3, 2)))), ValueError, ("leaves (T, ...)", "for 2 times")),
        (lambda: problem((jnp.array(1.0), ONE)), ValueError, ("times of shape (T,)", "lambda t: (q, p)")),
        (lambda: problem((jnp.array([0.0, 0.0]), jnp.ones((2, 2)))), ValueError, ("increasing or decreasing",)),
        (lambda: sj.solve(problem(boundary=lambda a, b, args: a[0])), ValueError, ("as many numbers", "a state of 2")),
        (lambda: sj.solve(problem(boundary=lambda a, b, args: jnp.array([1, 2]))), TypeError, ("real numbers", "int")),
        (lambda: sj.solve(BVProblem(lambda t, y, args: y[0], ends, ONE, 0, 1)), ValueError, ("`vector_field(t, y",)),
        (lambda: sj.solve(problem(), sj.Tsit5()), TypeError, ("`Tsit5` solves", "BVProblem")),
        (lambda: sj.solve(problem(), dt0=0.1), TypeError, ("`Collocation` does not take the option `dt0`",)),
        (lambda: sj.solve(problem(), adjoint=sj.Replay()), TypeError, ("sj.ImplicitAdjoint()",)),
        (lambda: sj.solve(problem(), rtol={"a": 1.0, "b": 1.0}), ValueError, ("`rtol`", "one number")),
        (lambda: sj.solve(problem(), saveat=sj.SaveAt(steps=1)), ValueError, ("SaveAt(steps=...)", "dense=True")),
        (lambda: sj.solve(problem(), saveat=jnp.array([0.5, 2.0])), ValueError, ("lie in [t0, t1]",)),
        (lambda: sj.solve(problem(), Shooting(), max_steps=None), ValueError, ("need a bound",)),
        (lambda: sj.solve(problem(), Shooting(sj.RK4())), ValueError, ("dt0",)),
        (lambda: Collocation(0), ValueError, ("`num_intervals` must be an integer of at least 1",)),
        (lambda: Collocation(max_moves=-1), ValueError, ("`max_moves`",)),
        (lambda: MultipleShooting(2.5), ValueError, ("`num_intervals`", "2.5")),
        (lambda: Shooting(sj.NewtonRaphson()), TypeError, ("`method` must be", "sj.Tsit5()")),
    ],
)  # fmt: skip
def test_wrong_input_is_refused_by_name(call, error, words):
    with pytest.raises(error) as caught:
        call()
    for word in words:
        assert word in str(caught.value)


def test_each_way_to_fail_has_its_status():
    """Traced: an empty interval, a guess that the vector field cannot take, and conditions that say nothing."""

    def status(t1, guess, weight):
        logarithm = lambda t, y, args: jnp.stack([y[1], jnp.log(y[0]) * 0 - y[0]])
        boundary = lambda start, end, args: jnp.stack([start[0], weight * (end[0] - 1)])
        here = BVProblem(logarithm, boundary, lambda t: guess * jnp.ones(2), 0.0, t1)
        return sj.solve(here, Collocation(8), on_failure="status").status

    cases = jnp.array([[0.0, 1.0, 1.0], [1.0, -1.0, 1.0], [1.0, 1.0, 0.0]])
    statuses = jax.jit(jax.vmap(lambda case: status(*case)))(cases)
    assert [sj.Status(int(s)).name for s in statuses] == ["BAD_INPUT", "NON_FINITE", "SINGULAR"]


def test_an_eager_failure_raises():
    same = lambda start, end, args: jnp.stack([start[0], start[0] - 1])
    with pytest.raises(sj.SolveError, match="SINGULAR"):
        sj.solve(problem(boundary=same), Collocation(4))


def test_float32_states_stay_float32_and_saved_values_may_be_functions():
    """u = sin(t) / sin(1), in single precision, with its square saved; the guess is a solution."""
    rough = sj.solve(problem(), Collocation(8), saveat=sj.SaveAt(dense=True), rtol=1e-3)
    start = lambda t: rough(t).astype(jnp.float32)
    here = BVProblem(field, ends, start, jnp.float32(0), jnp.float32(1))
    ts = jnp.linspace(0, 1, 5, dtype=jnp.float32)
    solution = sj.solve(here, Collocation(16), saveat=sj.SaveAt(ts=ts, fn=lambda t, y, args: {"square": y[0] ** 2}))
    assert solution.y1.dtype == jnp.float32 and solution.ys["square"].dtype == jnp.float32
    np.testing.assert_allclose(solution.ys["square"], (np.sin(ts) / np.sin(1)) ** 2, atol=1e-5)
