"""What wrong problems with noise, keys and methods say."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import sciml_jax as sj

from .problems import ARGS, fluctuation, geometric, growth


def stated(diffusion=fluctuation, y0=None, **options):
    y0 = jnp.array([0.5, 0.4]) if y0 is None else y0
    return sj.SDEProblem(growth, diffusion, y0, 0.0, 1.0, ARGS, **options)


def solved(problem, method=None, **options):
    return sj.solve(problem, method, **{"key": 0, "dt0": 0.1, **options})


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: stated(noise="white"), ValueError, "`noise` must be one of 'diagonal', 'additive', .*got 'white'"),
        (lambda: stated(noise=None), ValueError, "`noise` must be one of"),
        (lambda: stated(interpretation="Ito"), ValueError, "must be one of 'ito', 'stratonovich'; got 'Ito'"),
        (lambda: stated(y0=jnp.array([1, 2])), TypeError, "`y0` must have float or complex leaves"),
        (lambda: stated(diffusion=0.3), TypeError, "`diffusion` must be callable; got 0.3"),
        (lambda: stated(diffusion=lambda t, y: y), TypeError, r"`diffusion` is called with \(t, y, args\)"),
        (lambda: sj.SDEProblem(growth, fluctuation, 1.0, 1.0, 0.0), ValueError, "runs forward in time.*t0 = 1.0"),
        (lambda: sj.BrownianPath(0, 1.0, 0.0), ValueError, "runs forward in time"),
        (lambda: sj.BrownianPath(None, 0.0, 1.0), ValueError, "needs `key`"),
    ],
)
def test_what_cannot_be_stated_is_refused_at_once(make, error, message):
    with pytest.raises(error, match=message):
        make()


@pytest.mark.parametrize(
    ("noise", "diffusion", "message"),
    [
        ("diagonal", lambda t, y, a: jnp.ones((2, 3)), r"noise='diagonal'.*one motion for each.*float64\[2,3\]"),
        ("diagonal", lambda t, y, a: jnp.ones(3), r"structure and shapes of the state.*got float64\[3\]"),
        ("diagonal", lambda t, y, a: {"a": y}, "structure and shapes of the state"),
        ("scalar", lambda t, y, a: jnp.ones((2, 1)), "all moved by one motion"),
        ("general", lambda t, y, a: y, r"one more axis of length m.*got float64\[2\]"),
        ("general", lambda t, y, a: jnp.ones((3, 2)), "one more axis of length m"),
        ("general", lambda t, y, a: jnp.ones((2, 0)), "one more axis of length m"),
        ("additive", lambda t, y, a: jnp.ones(3), r"\(n,\), .* or one more axis \(n, m\)"),
        ("additive", fluctuation, "must not depend on `y`.*noise='diagonal'"),
        ("additive", lambda t, y, a: jnp.outer(y, jnp.ones(2)), "must not depend on `y`"),
    ],
)
def test_a_diffusion_whose_shape_does_not_fit_is_refused(noise, diffusion, message):
    with pytest.raises(ValueError, match=message):
        solved(stated(diffusion, noise=noise))


def test_a_diffusion_in_a_wider_dtype_is_refused():
    problem = stated(lambda t, y, a: jnp.ones(2), y0=jnp.ones(2, jnp.float32))
    with pytest.raises(TypeError, match="dtype of the state, float32; got float64"):
        solved(problem)


def test_additive_noise_may_use_the_shape_of_the_state():
    problem = stated(lambda t, y, a: a[1] * jnp.ones_like(y) + 0 * t, noise="additive")
    assert np.all(np.isfinite(solved(problem).y1))


@pytest.mark.parametrize(
    ("method", "noise", "message"),
    [
        (
            sj.SOSRA(),
            "diagonal",
            r"`SOSRA` solves problems with 'additive' noise; got noise='diagonal'.*`sj.SOSRI\(\)`",
        ),
        (sj.SRA1(), "scalar", "if the diffusion does not depend on `y`, state the problem with `noise='additive'`"),
        (sj.SOSRI(), "general", r"got noise='general'. Choose `sj.EulerMaruyama\(\)`, `sj.DRI1\(\)`"),
        (sj.Milstein(), "general", "got noise='general'"),
    ],
)
def test_a_method_that_cannot_solve_the_noise_says_which_can(method, noise, message):
    with pytest.raises(ValueError, match=message):
        solved(stated(noise=noise), method)


def test_a_matrix_of_additive_noise_is_refused_by_methods_for_diagonal_noise():
    problem = stated(lambda t, y, a: jnp.ones((2, 3)), noise="additive")
    with pytest.raises(ValueError, match=r"got a matrix for 3 motions. Choose `sj.SOSRA\(\)`"):
        solved(problem, sj.SRIW1())


@pytest.mark.parametrize(
    ("key", "error", "message"),
    [
        (None, ValueError, "`SOSRI` draws random numbers and needs `key`"),
        (0.5, TypeError, "`key` must be an integer seed or one PRNG key"),
        (True, TypeError, "`key` must be an integer seed"),
        ("seed", TypeError, "`key` must be an integer seed"),
        (jax.random.split(jax.random.key(0)), TypeError, "For many paths map over the keys"),
    ],
)
def test_a_key_is_required_and_must_be_one(key, error, message):
    with pytest.raises(error, match=message):
        solved(geometric(), key=key)


def test_methods_without_noise_refuse_the_problem_and_the_other_way_round():
    with pytest.raises(TypeError, match="`Tsit5` solves ODEProblem.*; got SDEProblem"):
        solved(geometric(), sj.Tsit5())
    with pytest.raises(TypeError, match="`SOSRI` solves SDEProblem; got ODEProblem"):
        sj.solve(sj.ODEProblem(growth, jnp.ones(1), 0.0, 1.0, ARGS), sj.SOSRI())


def test_steps_and_adjoints_that_do_not_suit_are_refused():
    with pytest.raises(ValueError, match="`dt0` is required with fixed steps"):
        solved(geometric(), sj.EulerMaruyama(), dt0=None)
    with pytest.raises(ValueError, match="`dt0` must be at least .* a Brownian path over the interval resolves"):
        solved(geometric(), sj.EulerMaruyama(), dt0=1e-8)
    with pytest.raises(ValueError, match="`EulerMaruyama` has no error estimate"):
        solved(geometric(), sj.EulerMaruyama(), controller=sj.PIDController())
    with pytest.raises(ValueError, match=r"`Gauss` integrates an equation of its own.*noise.*`sj.Replay\(\)`"):
        solved(geometric(), adjoint=sj.Gauss())


def test_steps_below_what_the_path_resolves_end_with_a_status():
    found = solved(geometric(), sj.SOSRI(), rtol=1e-13, atol=1e-13, dt0=1e-3, on_failure="status")
    assert int(found.status) == sj.Status.STEP_TOO_SMALL
