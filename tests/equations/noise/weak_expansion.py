"""Expectations after one step, without sampling: of a method by quadrature, of the equation by its generator.

For `dX = f dt + g dW` and a smooth phi, `E phi(X_h) = phi + h L phi + h^2/2 L^2 phi + O(h^3)` with the generator
`L = d/dt + f . grad + 1/2 tr(g g^T hess)`. A method of weak order p agrees with it up to `h^(p+1)`.
"""

import itertools

import jax
import jax.numpy as jnp
import numpy as np

from sciml_jax.equations.engine.noise_form import NoiseForm


class OneStep:
    """What a method's `step` asks for, with increments that are given: the state is one vector."""

    def __init__(self, drift, diffusion, form, w, h, signs):
        self.drift, self.form = drift, form
        self.diffusion_function, self.given = diffusion, (w, h, signs)
        self.noise = self

    def vector_field(self, t, y):
        return (self.drift(t, y[0]),)

    def diffusion(self, t, y):
        return (self.diffusion_function(t, y[0]),)

    def diffusion_and_term(self, t, y):
        value = self.diffusion_function(t, y[0])
        jacobian = jax.jacfwd(lambda y: self.diffusion_function(t, y))(y[0])
        return (value,), (jnp.diagonal(jacobian) * value,) if self.form.kind == "diagonal" else (jacobian @ value,)

    def increments(self, ta, tb):
        w, h, _ = self.given
        scalar = self.form.kind == "scalar"
        return ((w[0],), (h[0],)) if scalar else ((w,), (h,))

    def signs(self, ta):
        return self.given[2]

    def times(self, diffusion, motions):
        if self.form.kind == "general":
            return (diffusion[0] @ motions[0],)
        return (diffusion[0] * motions[0],)


def expectation(method, drift, diffusion, kind, size, phi, t, y, h, is_additive=False, nodes=9, areas=3, signs=False):
    """`E phi(Y1)` of one step: Gauss-Hermite quadrature over W (and H), all signs."""
    points, weights = np.polynomial.hermite_e.hermegauss(nodes)
    area_points, area_weights = np.polynomial.hermite_e.hermegauss(areas)
    axes = [(points, weights / weights.sum())] * size + [(area_points, area_weights / area_weights.sum())] * size
    flips = list(itertools.product((1.0, -1.0), repeat=size)) if signs else [(1.0,) * size]
    grid = np.array(list(itertools.product(*(axis[0] for axis in axes))))
    mass = np.array([np.prod(w) for w in itertools.product(*(axis[1] for axis in axes))])
    form = NoiseForm(kind, size, is_additive)

    def value(z, flip):
        w, area = z[:size] * jnp.sqrt(h), z[size:] * jnp.sqrt(h / 12)
        system = OneStep(drift, diffusion, form, w, area, flip)
        return phi(method.step(system, t, t + h, (y,)).y1[0])

    each = jax.vmap(lambda flip: jnp.dot(jnp.asarray(mass), jax.vmap(lambda z: value(z, flip))(jnp.asarray(grid))))
    return jnp.mean(each(jnp.asarray(flips)))


def expansion(drift, diffusion, kind, phi, t, y, h):
    """`phi + h L phi + h^2/2 L^2 phi`."""

    def matrix(t, y):
        out = diffusion(t, y)
        return jnp.diag(out) if kind == "diagonal" else out[:, None] if kind == "scalar" else out

    def generator(u):
        def applied(t, y):
            g = matrix(t, y)
            in_time = jax.grad(u, 0)(t, y)
            return in_time + jax.grad(u, 1)(t, y) @ drift(t, y) + 0.5 * jnp.trace(g @ g.T @ jax.hessian(u, 1)(t, y))

        return applied

    first = generator(lambda t, y: phi(y))
    second = generator(first)
    return phi(y) + h * first(t, y) + 0.5 * h**2 * second(t, y)


def local_orders(method, drift, diffusion, kind, size, observables, t, y, sizes, **options):
    """Observed orders of the local weak error between successive step sizes, root mean square over observables."""

    @jax.jit
    def wrong(h):
        pairs = [
            (
                expectation(method, drift, diffusion, kind, size, phi, t, y, h, **options),
                expansion(drift, diffusion, kind, phi, t, y, h),
            )
            for phi in observables
        ]
        return jnp.sqrt(sum((a - b) ** 2 for a, b in pairs) / len(pairs))

    errors = np.array([float(wrong(h)) for h in sizes])
    return np.log(errors[:-1] / errors[1:]) / np.log(np.array(sizes[:-1]) / np.array(sizes[1:])), errors
