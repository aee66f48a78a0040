"""Small problems with known solutions, shared by the tests of `sj.pinn`."""

import jax.numpy as jnp

import sciml_jax as sj

pinn = sj.pinn
LINE = pinn.Box({"t": (0.0, 2.0)})
PLANE = pinn.Box({"t": (0.0, 1.0), "x": (-1.0, 1.0)})
SMALL = pinn.PINN(width=8, depth=1, num_points=60, num_boundary=20, num_steps=60, block=20)


def bell_residual(u, z, params):
    (u_t,) = LINE.partials(u, z, "t")
    return u_t + params * z[0] * u(z)


def bell(rate=2.0):
    """u' = -rate t u, u(0) = 1; the exact solution is that of rate 2."""
    problem = pinn.PDEProblem(LINE, bell_residual, [pinn.Initial(LINE, 1.0)], params=jnp.asarray(rate))
    return problem, lambda z: jnp.exp(-(z[0] ** 2))


def burgers_residual(u, z, params):
    u_t, u_x, u_xx = PLANE.partials(u, z, "t", "x", "xx")
    return u_t + u(z) * u_x - 0.01 / jnp.pi * u_xx


def burgers(*extra):
    conditions = [
        pinn.Dirichlet(PLANE.face("t", "lower"), lambda z: -jnp.sin(jnp.pi * z[1])),
        pinn.Dirichlet(PLANE.face("x"), lambda z: 0.0),
    ]
    return pinn.PDEProblem(PLANE, burgers_residual, conditions=[*conditions, *extra])
