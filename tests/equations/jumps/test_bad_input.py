"""What wrong jump problems and options say."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import sciml_jax as sj

ONE = jnp.array([1])


def problem(rates=lambda t, y, a: y * 1.0, changes=((-1,),), y0=ONE, t0=0.0, t1=1.0, **options):
    return sj.JumpProblem(rates, changes, y0, t0, t1, **options)


def bad(t, y, a):
    return jnp.stack([1.0 - y[0], 2.0 + 0.0 * y[0]])


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: problem(rates=1), TypeError, ("`rates` must be callable",)),
        (lambda: problem(rates=lambda t, y: y), TypeError, ("`rates` is called with (t, y, args)",)),
        (lambda: problem(changes=[[1, 0]]), ValueError, ("shape (R, n)", "(1, 2)", "state of 1")),
        (lambda: problem(changes=[[1], [0]], y0=jnp.array([1, 2])), ValueError, ("Transpose it",)),
        (lambda: problem(changes=[[0.5]]), ValueError, ("changes by integers", "0.5", "float")),
        (lambda: problem(changes=[[np.nan]], y0=jnp.ones(1)), ValueError, ("finite real numbers",)),
        (lambda: problem(changes=None), ValueError, ("got neither",)),
        (lambda: problem(affect=lambda t, y, a, r, k: y), ValueError, ("got both",)),
        (lambda: problem(y0=jnp.array([True])), TypeError, ("signed integer or float", "bool")),
        (lambda: problem(y0=jnp.ones(1, jnp.uint8)), TypeError, ("uint8",)),
        (lambda: problem(y0=jnp.array([1j])), TypeError, ("complex",)),
        (lambda: problem(y0=jnp.array([jnp.nan])), ValueError, ("`y0` must be finite",)),
        (lambda: problem(t1=-1.0), ValueError, ("`t1` must lie after `t0`", "Swap them")),
        (lambda: problem(t1=0.0), ValueError, ("must differ",)),
        (lambda: problem(dependencies=[[1, 1]]), ValueError, ("`dependencies`", "(1, 2)")),
        (
            lambda: jax.jit(lambda c: sj.solve(problem(changes=c), key=0).y1)(ONE[None]),
            TypeError,
            ("`stoichiometry` must be known",),
        ),
        (lambda: sj.solve(problem()), ValueError, ("`Gillespie` draws random numbers and needs `key`", "`key=0`")),
        (lambda: sj.solve(problem(), key="a"), TypeError, ("`key` must be an integer seed",)),
        (lambda: sj.solve(problem(), key=jax.random.split(jax.random.key(0))), TypeError, ("jax.vmap(lambda key",)),
        (
            lambda: sj.solve(problem(changes=((1,), (2,))), key=0),
            ValueError,
            ("`rates(t, y, args)` must return", "(2,)"),
        ),
        (lambda: sj.solve(problem(rates=lambda t, y, a: y[0] * 1.0), key=0), ValueError, ("one real vector",)),
        (lambda: sj.solve(problem(rates=lambda t, y, a: y * 1j), key=0), ValueError, ("one real vector",)),
        (
            lambda: sj.solve(problem(rates=lambda t, y, a: t * y), key=0),
            ValueError,
            ("depend on time", "rate_bound", "TauLeaping"),
        ),
        (
            lambda: sj.solve(problem(rates=lambda t, y, a: t * y, rate_bound=3.0), sj.GroupedDirect(), key=0),
            ValueError,
            ("do not depend on time",),
        ),
        (lambda: sj.solve(problem(), sj.Tsit5(), key=0), TypeError, ("`Tsit5` solves",)),
        (
            lambda: sj.solve(sj.ODEProblem(bad, jnp.ones(2), 0.0, 1.0), sj.Gillespie(), key=0),
            TypeError,
            ("`Gillespie` solves JumpProblem",),
        ),
        (lambda: sj.solve(problem(), key=0, rtol=1e-3), TypeError, ("`Gillespie` does not take the option `rtol`",)),
        (lambda: sj.solve(problem(), key=0, max_steps=0), ValueError, ("`max_steps` must be at least 1",)),
        (lambda: sj.solve(problem(), key=0, max_steps=None, saveat=sj.SaveAt(steps=1)), ValueError, ("known length",)),
        (lambda: sj.solve(problem(), key=0, saveat=jnp.array([0.5, 0.2])), ValueError, ("increasing",)),
        (lambda: sj.solve(problem(), key=0, saveat=jnp.array([2.0])), ValueError, ("lie in [t0, t1]",)),
        (lambda: sj.solve(problem(), key=0, on_failure="no"), ValueError, ("`on_failure` must be",)),
        (lambda: sj.TauLeaping(epsilon=2.0), ValueError, ("`epsilon` must be a number between 0 and 1",)),
        (lambda: sj.TauLeaping(tau=-1.0), ValueError, ("`tau`",)),
        (lambda: sj.MassAction([[1.5]]), ValueError, ("`reactants` must be counts",)),
        (lambda: sj.MassAction([[1], [2]], [1.0]), ValueError, ("`constants` must have one number",)),
        (
            lambda: sj.solve(problem(changes=None, affect=lambda t, y, a, r, k: y[0]), key=0),
            ValueError,
            ("`affect(t, y, args, reaction, key)` must return",),
        ),
        (
            lambda: sj.solve(problem(changes=None, affect=lambda t, y, a, r, k: y + 0.5), key=0),
            TypeError,
            ("must keep the state's dtype",),
        ),
        (
            lambda: sj.solve(problem(changes=None, affect=lambda t, y, a, r, k: y), sj.TauLeaping(), key=0),
            ValueError,
            ("needs the stoichiometry",),
        ),
    ],
)  # fmt: skip
def test_wrong_input_is_refused_by_name(call, error, words):
    with pytest.raises(error) as caught:
        call()
    for word in words:
        assert word in str(caught.value)


METHODS = [sj.Gillespie(), sj.GroupedDirect(), sj.TauLeaping()]


@pytest.mark.parametrize("method", METHODS, ids=["Gillespie", "GroupedDirect", "TauLeaping"])
def test_a_negative_rate_ends_with_a_status_and_says_where(method):
    """The first rate is 1 - y: negative from y = 2 on."""
    grows = sj.JumpProblem(bad, [[1], [1]], jnp.array([0]), 0.0, 100.0)
    sol = sj.solve(grows, method, key=0, saveat=jnp.array([0.0, 100.0]), on_failure="status")
    assert sj.Status(int(sol.status)) == sj.Status.BAD_RATE
    assert sol.ys[0, 0] == 0 and sol.ys[1, 0] == np.iinfo(np.int64).min
    assert 0 < float(sol.stats.t_last) < 100
    with pytest.raises(sj.SolveError, match="negative"):
        sj.solve(grows, method, key=0)


def test_a_bound_that_does_not_hold_and_rates_that_are_not_finite_have_statuses():
    status = lambda p: sj.Status(int(sj.solve(p, key=0, on_failure="status").status))
    assert status(problem(lambda t, y, a: jnp.stack([1 + t]), t1=100.0, rate_bound=3.0)) == sj.Status.BAD_RATE
    assert status(problem(lambda t, y, a: y / 0.0)) == sj.Status.NON_FINITE
    assert status(problem(lambda t, y, a: y * jnp.nan)) == sj.Status.NON_FINITE


def test_bad_values_that_are_traced_have_a_status():
    run = jax.jit(lambda t1, ts: sj.solve(problem(t1=t1), key=0, saveat=ts).status)
    assert run(1.0, jnp.array([0.0, 1.0])) == 0
    assert run(-1.0, jnp.array([0.0, 1.0])) == sj.Status.BAD_INPUT
    assert run(1.0, jnp.array([1.0, 0.0])) == sj.Status.BAD_INPUT


def test_a_path_has_no_derivative_and_says_so():
    def end(rate):
        rates = lambda t, y, a: jnp.stack([a])
        return sj.solve(sj.JumpProblem(rates, [[1]], jnp.array([0.0]), 0.0, 1.0, rate), key=0).y1[0]

    with pytest.raises(TypeError, match="has no useful derivative"):
        jax.grad(end)(2.0)
