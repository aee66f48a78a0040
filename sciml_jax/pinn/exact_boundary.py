"""Dirichlet conditions on any geometry that hold exactly, whatever the network is."""

from collections.abc import Callable, Sequence
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ..core.callables import as_callable
from ..core.frozen import Frozen
from ..core.tree import is_concrete
from .condition_values import as_value
from .geometry import AbstractGeometry

PROBES = 256
"""Points at which the side of a piece is looked at."""


class ExactBoundary(eqx.Module):
    r"""$u(z) = G(z) + \prod_i \phi_i(z)\, N(z)$ with distances $\phi_i$ that vanish on pieces of a boundary.

    With one piece G is its value; with several it joins their values by inverse distances, all taken positive inside,

    .. math:: G = \frac{\sum_i g_i \prod_{j \ne i} \phi_j}{\sum_i \prod_{j \ne i} \phi_j} .

    A network like any other, so it composes: with layers inside, and as the network of `sj.pinn.PINN`. The problem then
    needs no condition on this boundary.

    Parameters
    ----------
    net
        A network `net(z)` of the point itself.
    domain
        The geometry in which the equation holds; it says on which side of every piece the points lie.
    pieces
        Pairs `(where, value)`. `where` is a geometry, of which the whole boundary is meant, or a function
        `where(z) -> number` that vanishes where the value holds. `value` is a number, or `value(z)` for one point, of
        shape () or (m,), smooth inside as well, because G continues it.
    num_outputs
        The number of unknown functions m.

    Raises
    ------
    TypeError, ValueError
        For pieces that are no pairs, what has no distance function, and pieces that cut through the domain.

    Notes
    -----
    `domain.distance` is smooth but at corners; there its second derivatives are infinite, and the network has to vanish
    or bend where the solution does not. Products of functions that are smooth everywhere, one per side, do better on
    convex corners: for a rectangle with a disc cut out, `[(lambda z: z[0] * (1 - z[0]) * z[1] * (1 - z[1]), 0.0),
    (disc, 1.0)]`. Values that jump where pieces meet make G jump there.

    References
    ----------
    Sukumar & Srivastava, Exact imposition of boundary conditions with distance functions in physics-informed deep
    neural networks, CMAME 389 (2022). Rvachev & Sheiko, R-functions in boundary value problems in mechanics, Applied
    Mechanics Reviews 48 (1995).
    """

    net: Callable
    pieces: Frozen
    signs: Frozen
    """Of every distance inside the domain: absolute values have no derivative where they are needed, on the wall."""
    num_outputs: int = eqx.field(static=True)

    def __init__(
        self, net: Callable, domain: AbstractGeometry, pieces: Sequence[tuple[Any, Any]], *, num_outputs: int = 1
    ):
        if not isinstance(domain, AbstractGeometry):
            msg = f"`domain` must be a geometry; got {type(domain).__name__}. Pass that of the problem."
            raise TypeError(msg)
        pieces = tuple(pieces)
        if not pieces or not all(isinstance(piece, (tuple, list)) and len(piece) == 2 for piece in pieces):
            msg = f"`pieces` must be pairs (where, value); got {pieces!r}. Write `[(domain, 0.0)]`."
            raise ValueError(msg)
        held = tuple((_where(where), as_value(value, "value")) for where, value in pieces)
        self.net, self.pieces, self.num_outputs = net, Frozen(held), num_outputs
        self.signs = Frozen(jnp.stack([_side(where, domain) for where, _ in held]))

    def factor(self, z: Float[Array, " d"]) -> Float[Array, ""]:
        """The product of the distance functions at a point."""
        return jnp.prod(self._distances(z))

    def lift(self, z: Float[Array, " d"]) -> Float[Array, " m"]:
        """G at a point."""
        values = [jnp.broadcast_to(value(z, None), (self.num_outputs,)) for _, value in self.pieces.value]
        if len(values) == 1:
            return values[0].astype(z.dtype)
        sizes = self._distances(z)
        others = [jnp.prod(jnp.delete(sizes, i, assume_unique_indices=True)) for i in range(len(values))]
        # Where pieces meet all of them vanish: there the values agree, and any mean is right.
        shares = jnp.stack(others) + jnp.finfo(z.dtype).tiny
        return (jnp.stack(values).T @ (shares / jnp.sum(shares))).astype(z.dtype)

    def __call__(self, z: Float[Array, " d"]) -> Float[Array, " m"]:
        """The unknown functions at one point."""
        return self.lift(z) + self.factor(z) * jnp.reshape(self.net(z), (self.num_outputs,))

    def _distances(self, z: Array) -> Float[Array, " pieces"]:
        found = jnp.stack([_distance(where, z) for where, _ in self.pieces.value])
        return self.signs.value.astype(found.dtype) * found


def _distance(where: Any, z: Array) -> Array:
    return where.distance(z) if _is_geometry(where) else where(z)


def _side(where: Any, domain: AbstractGeometry) -> Array:
    """The sign of a distance inside the domain."""
    points = domain.interior(jax.random.key(0), PROBES)
    signs = jnp.sign(jax.vmap(lambda z: _distance(where, z))(points))
    if is_concrete(signs) and len(set(np.asarray(signs).tolist())) > 1:
        msg = (
            "A piece of a boundary must not cut through the domain; the distance to one vanishes or changes its sign "
            "inside. Pass functions that vanish on the boundary alone."
        )
        raise ValueError(msg)
    return signs[0]


def _is_geometry(where: Any) -> bool:
    return isinstance(where, AbstractGeometry)


def _where(where: Any) -> Any:
    if not _is_geometry(where):
        return as_callable(where, "where", "z")
    try:
        where.distance(where.lower)
    except NotImplementedError as error:
        raise ValueError(str(error)) from error
    return where
