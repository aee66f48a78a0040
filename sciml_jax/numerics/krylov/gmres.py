"""Restarted GMRES with right preconditioning, for operators that are known only through their products."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Bool, Float, Inexact, Int

from ...core.checks import check_not_both_zero, check_tolerance
from ..batching import batch_native
from ..loops import vary_like
from .checks import check_count, check_like, check_rhs, check_weights, traced_operator
from .iteration import Problem, iterate


class KrylovInfo(NamedTuple):
    """How a Krylov iteration ended; no derivative."""

    iterations: Int[Array, ""]
    """Dimensions of the Krylov spaces, all cycles together: one operator product and one preconditioner solve each."""
    products: Int[Array, ""]
    """Operator products, those that compute residuals included."""
    residual_norm: Float[Array, ""]
    """The norm of `rhs - A x`, weighted where weights were given."""
    converged: Bool[Array, ""]
    """Whether that norm is at most `max(rtol * norm(rhs), atol)`."""


def gmres(
    matvec: Callable[[Inexact[Array, " n"]], Inexact[Array, " n"]],
    rhs: Inexact[Array, " n"],
    *,
    preconditioner: Callable[[Inexact[Array, " n"]], Inexact[Array, " n"]] | None = None,
    x0: Inexact[Array, " n"] | None = None,
    rtol: Any = 1e-6,
    atol: Any = 0.0,
    weights: Float[Array, " n"] | None = None,
    restart: int = 20,
    max_iterations: int = 200,
) -> tuple[Inexact[Array, " n"], KrylovInfo]:
    """Solve `A x = rhs` for a general square `A` from products with it.

    In each cycle the iterate minimises `norm(rhs - A x)` over `x0 + M K`, with `M` the preconditioner, about `A^-1`,
    and `K` the Krylov space of `A M`. Preconditioning from the right keeps the residual that of the system itself.

    Parameters
    ----------
    matvec
        `matvec(v) = A v`, linear. Values that it closes over are operands: gradients reach them, tracers are welcome.
        To keep them explicit, pass `functools.partial(matvec, operands)`.
    rhs
        The right-hand side, real or complex, shape (n,). A pytree is packed with `jax.flatten_util.ravel_pytree`.
    preconditioner
        `preconditioner(v)`, linear and fixed, about `A^-1 v`; see `sciml_jax.numerics.krylov` for ready ones. It
        decides how many iterations are needed, never the solution, and no gradient reaches it.
    x0
        The first iterate; None is zero and saves a product. The solution does not depend on it, nor do derivatives.
    rtol, atol
        Ends when `norm(rhs - A x) <= max(rtol * norm(rhs), atol)`.
    weights
        Positive weights, shape (n,): the norm becomes the root mean square of `weights * v`, as in `norm(v / scale)` of
        ODE solvers with `weights = 1 / scale`. None: the Euclidean norm.
    restart
        Dimension at which the Krylov space is dropped and begun anew (at most n).
    max_iterations
        Limit of the dimensions of all cycles together.

    Returns
    -------
    tuple
        The last iterate, finite if `rhs` and `x0` are, and how the iteration ended (`KrylovInfo`). Check `converged`:
        a limit that was reached, a restarted iteration that stagnates and a singular `A` without a solution clear it.
        Remedies: a better preconditioner, a larger `restart`, a larger `max_iterations`, a looser tolerance.

    Raises
    ------
    TypeError
        If `rhs` is not float or complex, or the operator changes the dtype.
    ValueError
        If shapes do not fit, or a limit or tolerance makes no sense.

    Notes
    -----
    Cost of iteration j: a product, a preconditioner solve and `8 n j` flops of orthogonalisation (Gram-Schmidt, twice);
    nothing is computed beyond convergence. One more product per restart, and one at the end where the tolerance is
    below `sqrt(eps)`, since the recurrence for the residual is not trusted there. Memory: `(restart + 1) n` numbers,
    cleared in each call: on a CPU as dear as a few products, so keep `restart` near what is needed.

    `vmap` runs the lanes in one loop as long as any is unfinished; finished lanes keep their values. Derivatives are
    those of the linear system, `dx = A^-1 (d rhs - dA x)`, by another solve with this function, in reverse mode with
    the transposes of operator and preconditioner (which JAX derives), to the relative tolerance `rtol` in either mode
    (`sqrt(eps)` where `rtol` is 0) and with the same limits. Whether these solves converged is not reported: leave
    `max_iterations` generous where gradients matter. Call it under `jit`: eager calls compile each time.

    Not for symmetric positive definite systems (conjugate gradients need less memory) nor for small ones (n below about
    200: `factorised_solver`). A preconditioner that changes from product to product breaks the recurrence.

    References
    ----------
    Saad & Schultz, "GMRES: a generalized minimal residual algorithm", SIAM J. Sci. Stat. Comput. 7 (1986) 856-869.
    Giraud, Langou & Rozloznik, "The loss of orthogonality in the Gram-Schmidt process", Comput. Math. Appl. 50 (2005).
    """
    rhs = check_rhs(rhs)
    x0 = check_like(x0, rhs, "x0")
    weights = check_weights(weights, rhs)
    limits = (check_count(restart, "restart"), check_count(max_iterations, "max_iterations"))
    for value, name in ((rtol, "rtol"), (atol, "atol")):
        check_tolerance(value, name, rhs[0])
    check_not_both_zero(rtol, atol)
    real = jnp.finfo(rhs.dtype).dtype
    rtol, atol = jnp.asarray(rtol, real), jnp.asarray(atol, real)
    system = traced_operator(matvec, rhs, "matvec")
    approximate = traced_operator(preconditioner, rhs, "preconditioner") if preconditioner is not None else None
    consts = (system.consts, approximate.consts if approximate is not None else ())
    operands = (consts, rhs, x0, weights, rtol, atol)
    # Inside shard_map everything must vary alike; what a constant varies over shows only now.
    consts, rhs, x0, weights, rtol, atol = vary_like(operands, operands)
    apply = lambda consts, vector: system(*consts, vector)[0]
    approximately = None if approximate is None else (lambda consts, vector: approximate(*consts, vector)[0])
    x, counts = _differentiable(apply, approximately, limits)(consts, rhs, x0, weights, rtol, atol)
    iterations, products, size, converged = lax.stop_gradient(counts)
    return x, KrylovInfo(iterations.astype(int), products.astype(int), size, converged > 0)


def _differentiable(apply: Callable, approximate: Callable | None, limits: tuple[int, int]) -> Callable:
    """`solve(consts, rhs, x0, weights, rtol, atol)`, with the derivative of a linear system."""
    solve = jax.custom_jvp(_solver(apply, approximate, limits))

    @solve.defjvp
    def rule(primals, tangents):
        consts, rhs, _, weights, rtol, _ = primals
        x, counts = solve(*primals)
        product = jax.jvp(lambda own: apply(own, x), (consts[0],), (tangents[0][0],))[1]
        # What is small enough for the values may be all there is of a derivative: only a relative tolerance counts.
        relative = jnp.where(rtol > 0, rtol, np.sqrt(jnp.finfo(rtol.dtype).eps))

        def forward(_, vector):
            return solver(consts, vector, None, weights, relative, jnp.zeros_like(rtol))[0]

        def backward(_, vector):
            return transposed(consts, vector, None, None, relative, jnp.zeros_like(rtol))[0]

        solver = _solver(apply, approximate, limits)
        turned = _transpose(apply, rhs)
        transposed = _solver(turned, None if approximate is None else _transpose(approximate, rhs), limits)
        # An operator without a transpose (one with a loop of its own, say) still has forward derivatives.
        pull = backward if _exists(turned, consts[0], rhs) else None
        x_dot = lax.custom_linear_solve(lambda v: apply(consts[0], v), tangents[1] - product, forward, pull)
        return (x, counts), (x_dot, jax.tree_util.tree_map(jnp.zeros_like, counts))

    return solve


def _solver(apply: Callable, approximate: Callable | None, limits: tuple[int, int]) -> Callable:
    """`solve(consts, rhs, x0, weights, rtol, atol)`, without a derivative; a batch shares one loop.

    Counts and the flag are floats: inside `shard_map` a custom derivative cannot return tangents of integers.
    """

    def run(operator, preconditioner, rhs, x0, weights, rtol, atol):
        problem = Problem(operator, preconditioner, rhs, None if weights is None else weights**2, *limits)
        x, iterations, products, size, target = iterate(problem, x0, rtol, atol)
        return x, tuple(part.astype(size.dtype) for part in (iterations, products, size, size <= target))

    def single(consts, *rest):
        own = [None if f is None else _on_one(f, c) for f, c in zip((apply, approximate), consts, strict=True)]
        out = run(*own, *jax.tree_util.tree_map(lambda leaf: leaf[None], rest))
        return jax.tree_util.tree_map(lambda leaf: leaf[0], out)

    def lanes(size, axes, consts, *rest):
        def on_all(function, consts, axes):
            return lambda vectors: jax.vmap(function, (axes, 0), axis_size=size)(consts, vectors)

        triples = zip((apply, approximate), consts, axes[0], strict=True)
        own = [None if f is None else on_all(f, c, a) for f, c, a in triples]
        return run(*own, *_broadcast(rest, axes[1:], size))

    return batch_native(single, lanes)


def _on_one(function: Callable, consts: Any) -> Callable:
    return lambda vectors: function(consts, vectors[0])[None]


def _broadcast(args: tuple, axes: tuple, size: int) -> tuple:
    leaves, treedef = jax.tree_util.tree_flatten(args)
    flat_axes = treedef.flatten_up_to(axes)
    wide = [
        leaf if axis == 0 else jnp.broadcast_to(leaf, (size, *leaf.shape))
        for leaf, axis in zip(leaves, flat_axes, strict=True)
    ]
    return jax.tree_util.tree_unflatten(treedef, wide)


def _transpose(function: Callable, example: Any) -> Callable:
    return lambda consts, vector: jax.linear_transpose(lambda v: function(consts, v), example)(vector)[0]


def _exists(function: Callable, *args: Any) -> bool:
    """Whether the function can be traced."""
    try:
        jax.eval_shape(function, *args)
    except (NotImplementedError, TypeError, ValueError):
        return False
    return True
