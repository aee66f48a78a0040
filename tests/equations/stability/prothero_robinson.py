"""The order that stiffness leaves to a method, on Prothero and Robinson's problem.

`y' = lambda (y - phi(t)) + phi'(t)`, whose solution is phi for every lambda. For `|h lambda|` of order one a method has
its classical order; for `h lambda -> -infinity` only its stages' orders count. Prothero & Robinson, Math. Comp. 28
(1974) 145-162; Hairer & Wanner, Solving Ordinary Differential Equations II (1996), IV.15.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np

import sciml_jax as sj
from sciml_jax.zoo.prothero_robinson import prothero_robinson_exact, prothero_robinson_field

SPAN = 1.5
STEPS = (8, 12, 18, 27, 40, 60)


@functools.partial(jax.jit, static_argnums=0)
def _largest_error(method, rate, dt):
    problem = sj.ODEProblem(prothero_robinson_field, prothero_robinson_exact(0.0, rate), 0.0, SPAN, rate)
    # Tolerances bound what Newton iterations leave; the steps are fixed.
    saveat = sj.SaveAt(t0=True, steps=1)
    solution = sj.solve(
        problem, method, saveat=saveat, dt0=dt, controller=sj.FixedStep(), max_steps=61, rtol=1e-12, atol=1e-12
    )
    return jnp.nanmax(jnp.abs(solution.ys - jax.vmap(prothero_robinson_exact, (0, None))(solution.ts, rate)))


def errors(method, rate, steps=STEPS):
    """Step sizes, and the largest error at the end of a step, with equal steps."""
    sizes = SPAN / np.asarray(steps)
    return sizes, np.array([float(_largest_error(method, jnp.array([rate]), size)) for size in sizes])


def order(method, rate=-1e6, steps=STEPS):
    """The slope of log(error) over log(step), by least squares."""
    sizes, found = errors(method, rate, steps)
    return float(np.polyfit(np.log(sizes), np.log(found), 1)[0])


def table(methods, rates=(-1.0, -1e6)):
    """Rows `(name, order at each rate)`: the classical order and what is left of it, for the guide."""
    return [(method.name, *(order(method, rate) for rate in rates)) for method in methods]
