"""The networks of the methods: the first guess of the solution, corrected by a perceptron."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from ..networks import MLP
from ..training import Frozen
from .problem import ParabolicProblem
from .scaling import Scaling


class ZModel(eqx.Module):
    r"""$Z(t, x) = \sigma^T (a\,\nabla v + b)$ with $v$ the first guess and $(a - 1, b)$ the outputs of a network."""

    network: MLP
    problem: Frozen
    scaling: Frozen

    def __call__(self, t: Any, x: Float[Array, " d"]) -> Float[Array, " m"]:
        """sigma^T grad u at one point."""
        problem, scaling = self.problem.value, self.scaling.value
        t = jnp.asarray(t, x.dtype)
        out = self.network(scaling.inputs(problem, t, x))
        gradient = scaling.guess_gradient(problem, t, x)
        unit = scaling.g_scale / scaling.x_scale / jnp.sqrt(jnp.asarray(problem.dim, x.dtype))
        return problem.to_z(t, x, (1 + out[0]) * gradient + unit * out[1:])


class ValueModel(eqx.Module):
    r"""$u(t, x) = v + (t_1 - t)/(t_1 - t_0) (a v + b)$: equal to $g$ at the end, whatever the network."""

    network: MLP
    problem: Frozen
    scaling: Frozen

    def __call__(self, t: Any, x: Float[Array, " d"]) -> Float[Array, ""]:
        """u at one point."""
        problem, scaling = self.problem.value, self.scaling.value
        t = jnp.asarray(t, x.dtype)
        a, b = self.network(scaling.inputs(problem, t, x))
        guess = scaling.guess(problem, t, x)
        left = (problem.t1 - t) / (problem.t1 - problem.t0)
        return guess + left * (a * (guess - scaling.g_mean) + b * scaling.g_scale)

    def with_z(self, t: Any, x: Float[Array, " d"]) -> tuple[Float[Array, ""], Float[Array, " m"]]:
        """u and sigma^T grad u at one point."""
        u, gradient = jax.value_and_grad(self, argnums=1)(t, x)
        return u, self.problem.value.to_z(t, x, gradient)


class ZOfValue(eqx.Module):
    """sigma^T grad u of a model of u."""

    value_model: ValueModel

    def __call__(self, t: Any, x: Float[Array, " d"]) -> Float[Array, " m"]:
        """sigma^T grad u at one point."""
        return self.value_model.with_z(t, x)[1]


def silent_network(problem: ParabolicProblem, out_size: int, width: int, depth: int, key: Any) -> MLP:
    """A perceptron of scaled inputs that starts at zero."""
    net = MLP(problem.dim + 2, out_size, width, depth, key=key, dtype=problem.x0.dtype)
    return eqx.tree_at(lambda net: net.output.weight, net, jnp.zeros_like(net.output.weight))


def frozen(problem: ParabolicProblem, scaling: Scaling) -> dict[str, Frozen]:
    """Problem and scales as parts of a model that are not trained."""
    return {"problem": Frozen(problem), "scaling": Frozen(scaling)}
