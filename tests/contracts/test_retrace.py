"""Everything that is a number can change without compiling again."""

import jax
import jax.numpy as jnp
from helpers import Counted, assert_no_retrace

import sciml_jax as sj


@Counted
def field(t, y, args):
    return -args * y


def solve(y0=1.0, t0=0.0, t1=1.0, args=0.5, **options):
    return sj.solve(sj.ODEProblem(field, jnp.full(2, y0), t0, t1, args), sj.Tsit5(), max_steps=64, **options)


def test_a_second_eager_call_with_other_numbers_is_not_traced_again():
    options = lambda **new: {"rtol": 1e-6, "atol": 1e-9, "dt0": 0.1, "saveat": jnp.array([0.3, 0.6]), **new}
    solve(**options())
    with assert_no_retrace(field):
        solve(**options())
        solve(y0=2.0, t0=0.1, t1=2.0, args=0.7, **options())
        solve(t1=-1.0, **options(saveat=jnp.array([-0.2, -0.9])))
        solve(**options(rtol=1e-4, atol=1e-7, dt0=0.2, saveat=jnp.array([0.1, 0.9])))
        solve(**options(), controller=sj.PIDController())


def test_gains_and_bounds_of_the_controller_change_without_a_trace():
    solve(controller=sj.PIDController(pcoeff=0.4, icoeff=0.3, dtmax=0.5))
    with assert_no_retrace(field):
        solve(controller=sj.PIDController(pcoeff=0.3, icoeff=0.4, dtmax=0.25))


def test_a_second_gradient_is_not_traced_again():
    gradient = jax.grad(lambda args, t1, rtol: solve(args=args, t1=t1, rtol=rtol).y1[0])
    compiled = jax.jit(gradient)
    compiled(0.5, 1.0, 1e-6)
    with assert_no_retrace(field):
        compiled(0.6, 1.5, 1e-5)


def test_a_new_problem_object_with_the_same_function_shares_the_compilation():
    compiled = jax.jit(lambda problem: sj.solve(problem, sj.Tsit5(), max_steps=64).y1)
    make = lambda t1: sj.ODEProblem(field, jnp.ones(2), 0.0, t1, 0.5)
    compiled(make(1.0))
    with assert_no_retrace(field):
        compiled(make(2.0))


def test_a_second_method_object_of_the_same_kind_shares_the_compilation():
    problem = sj.ODEProblem(field, jnp.ones(2), 0.0, 1.0, 0.5)
    sj.solve(problem, sj.Heun(), max_steps=4096)
    with assert_no_retrace(field):
        sj.solve(problem, sj.Heun(), max_steps=4096)
