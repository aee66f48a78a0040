"""Compile a function into one kernel on the CPU, so that a small loop does not pay for every operation it dispatches.

XLA:CPU runs a program operation by operation: each costs 50 to 100 ns to start, and independent ones may be handed to
another thread, which costs tens of microseconds. It compiles a loop that it takes for small into one function instead.
That choice can be made here, for one function and without any process-wide option: a call that carries the attributes
below is neither inlined nor taken apart. Measured (2 cores, jax 0.10.2): 1,000 reverse steps of a small system in 56
instead of 1,396 microseconds.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jax.experimental.xla_metadata import set_xla_metadata
from jax.sharding import AxisType

MOST_EQUATIONS = 10000
"""Equations of a program up to which it compiles in reasonable time as one function."""

MOST_MULTIPLY_ADDS = 4096
"""Size of a matrix product (rows times columns times inner) up to which plain loops are as good as a library's."""

MOST_OF_MATRICES = 9
"""Entries of a product of two matrices that XLA:CPU still compiles inside a kernel, as it does any product of a matrix
and a vector; a larger one becomes a fusion of a kind that it does not know there (`UNIMPLEMENTED: Fusion kind`)."""

MOST_REDUCED = 4095
"""Entries of a floating-point sum, maximum or minimum that XLA:CPU still compiles inside a kernel; it hands larger ones
to a library, and then fails (`UNIMPLEMENTED: Fusion kind`)."""

CHEAP = 1000
"""Operations, as XLA counts them, below which the CPU client runs a program in the thread that called it."""

_TAG = {"xla_cpu_small_call": "true", "inlineable": "false"}


def one_kernel(function: Callable) -> Callable:
    """The same function, compiled into one kernel where the CPU is the platform and everything in it allows that.

    What does not: matrix products beyond a small size, scatters, sorts, factorisations, callbacks, collectives, random
    bits; then the function is left as it is. Results are the same but for rounding, and so are derivatives, which are
    those of the function as it is. Arguments and results are pytrees of arrays.
    """

    @jax.custom_jvp
    def kernel(args):
        return undifferentiated_kernel(function)(*args)

    @kernel.defjvp
    def kernel_jvp(primals, tangents):
        # What a derivative leaves of a tagged call may have unused parameters; see `_tagged`.
        return kernel(*primals), jax.jvp(lambda args: function(*args), primals, tangents)[1]

    return lambda *args: kernel(args)


def undifferentiated_kernel(function: Callable) -> Callable:
    """The same for a function inside a derivative rule of its own, which must not be differentiated itself."""

    # Traced once, to be looked at and to be called.
    traced = _jitted(function)

    def call(*args: Any) -> Any:
        return _tagged(traced, args) if can_be_one_kernel(traced, *args) else function(*args)

    return call


def computed_once(values: Any) -> Any:
    """The same pytree of scalars, computed where they stand and not again by each of their readers.

    XLA:CPU copies cheap arithmetic into all operations that read it. Among scalars the machine code generator finds the
    copies again, but XLA counts them: a program of `CHEAP` operations or more goes to another thread, which costs 15 to
    60 microseconds. In a batch, where every operation is a loop over lanes, the copies are executed. The price is a
    trip through memory: a loop of scalars whose count does not matter is up to a fifth slower so. On other platforms
    and for arrays nothing happens (inside `vmap` a lane's scalars are scalars), and XLA of jax 0.10 copies anyway.
    """
    leaves = jax.tree_util.tree_leaves(values)
    if not leaves or jax.default_backend() != "cpu" or any(jnp.ndim(leaf) for leaf in leaves):
        return values
    return lax.optimization_barrier(values)


def can_be_one_kernel(function: Callable, *args: Any) -> bool:
    """Whether the CPU is the platform and everything in the function is known to work in one kernel.

    Where `jit` may divide an array among several devices it puts collectives into the function, which cannot be in a
    kernel; inside `shard_map` everything is local.
    """
    return _is_on_cpu(args) and fits_one_kernel(jax.make_jaxpr(_jitted(function))(*args))


def fits_one_kernel(closed: Any) -> bool:
    """Whether the CPU is the platform and all of a traced program is known to work in one kernel."""
    reduced = _largest_reduction(closed) if jax.default_backend() == "cpu" else None
    return reduced is not None and reduced <= MOST_REDUCED


def lanes_in_one_kernel(make: Callable[[int], tuple[Callable, tuple]], most: int) -> int:
    """How many lanes, at most `most`, can be one kernel together; 0 if not even one can.

    `make(lanes)` returns the function of so many lanes and its arguments.
    """
    lanes = most
    while lanes > 0:
        function, args = make(lanes)
        if not _is_on_cpu(args):
            return 0
        reduced = _largest_reduction(jax.make_jaxpr(_jitted(function))(*args))
        if reduced is None or reduced <= MOST_REDUCED:
            return 0 if reduced is None else lanes
        lanes = lanes * MOST_REDUCED // reduced
    return 0


def _jitted(function: Callable) -> Callable:
    return function if hasattr(function, "lower") else jax.jit(function)


def _is_on_cpu(args: Any) -> bool:
    return jax.default_backend() == "cpu" and all(_is_local(leaf) for leaf in jax.tree_util.tree_leaves(args))


def _is_local(leaf: Any) -> bool:
    """Whether an array lies on one device, as far as its type tells."""
    mesh = getattr(getattr(jax.typeof(leaf), "sharding", None), "mesh", None)
    if mesh is None or mesh.empty or mesh.size == 1:
        return True
    return all(kind == AxisType.Manual for kind in mesh.axis_types)


def _tagged(function: Callable, args: tuple) -> Any:
    leaves, treedef = jax.tree_util.tree_flatten(args)
    empty = [leaf.size == 0 for leaf in leaves]

    @jax.jit
    def compiled(present):
        # XLA aborts on a parameter that the call does not use, and may itself find out that one is not needed:
        # returning them uses all. The barrier hides from JAX that they are returned as they came; they cost nothing.
        present = lax.optimization_barrier(present)
        supply = iter(present)
        # XLA replaces arrays without elements by constants, so those do not go in.
        full = [
            jnp.zeros(leaf.shape, leaf.dtype) if drop else next(supply)
            for leaf, drop in zip(leaves, empty, strict=True)
        ]
        return function(*jax.tree_util.tree_unflatten(treedef, full)), present

    present = [leaf for leaf, drop in zip(leaves, empty, strict=True) if not drop]
    # The first barrier keeps XLA from moving constants into the call, the last one JAX from dropping what nobody reads.
    out, present = compiled(lax.optimization_barrier(present))
    results, out_tree = jax.tree_util.tree_flatten(out)
    # The attributes go to the operation that produces a value: here the call. One of its results is enough.
    chosen = next((i for i, leaf in enumerate(results) if leaf.size), None)
    if chosen is None:
        return out
    results[chosen] = set_xla_metadata(results[chosen], **_TAG)
    results, _ = lax.optimization_barrier((results, present))
    return jax.tree_util.tree_unflatten(out_tree, results)


def _largest_reduction(closed: Any) -> int | None:
    """Entries of the largest sum or extremum in a program; None if something else in it cannot be in a kernel."""
    count, largest = 0, 0
    stack = [closed.jaxpr]
    while stack:
        for eqn in stack.pop().eqns:
            count += 1
            inner = _inner_jaxprs(eqn)
            if inner and eqn.primitive.name in _NESTED:
                stack.extend(inner)
            elif eqn.primitive.name not in _PLAIN and not _is_small_product(eqn):
                return None
            largest = max(largest, _reduced(eqn))
    return largest if count <= MOST_EQUATIONS else None


def _is_small_product(eqn: Any) -> bool:
    if eqn.primitive.name != "dot_general":
        return False
    (contract, other), (batch, _) = eqn.params["dimension_numbers"]
    left, right, out = eqn.invars[0].aval, eqn.invars[1].aval, eqn.outvars[0].aval
    inner = 1
    for axis in contract:
        inner *= left.shape[axis]
    is_of_matrices = min(left.ndim - len(contract), right.ndim - len(other)) > len(batch)
    if is_of_matrices and out.size > MOST_OF_MATRICES:
        return False
    return out.size * inner <= MOST_MULTIPLY_ADDS


def _reduced(eqn: Any) -> int:
    """Entries of a sum or an extremum of floating-point numbers."""
    aval = eqn.invars[0].aval if eqn.primitive.name in ("reduce_sum", "reduce_max", "reduce_min") else None
    return 0 if aval is None or jnp.issubdtype(aval.dtype, jnp.integer) else aval.size


def _inner_jaxprs(eqn: Any) -> list:
    found = []
    for value in eqn.params.values():
        for item in value if isinstance(value, (tuple, list)) else (value,):
            jaxpr = getattr(item, "jaxpr", item)
            if hasattr(jaxpr, "eqns"):
                found.append(jaxpr)
    return found


_NESTED = frozenset(
    """
    checkpoint closed_call cond core_call custom_jvp_call custom_vjp_call custom_vmap_call jit pjit remat remat2
    scan while
    """.split()  # noqa: SIM905
)
_PLAIN = frozenset(
    """
    abs acos acosh add add_any and argmax argmin asin asinh atan atan2 atanh broadcast_in_dim cbrt ceil clamp
    complex concatenate conj convert_element_type copy copy_p cos cosh cummax cummin cumprod cumsum digamma div
    dynamic_slice dynamic_update_slice empty empty2 eq erf erf_inv erfc exp exp2 expand_dims expm1 floor full
    gather ge gt imag integer_pow iota is_finite le lgamma log log1p logistic lt max min mul ne neg nextafter not
    optimization_barrier or pad pcast pow pvary real reduce_and reduce_max reduce_min reduce_or reduce_prod
    reduce_sum rem reshape rev round rsqrt select_n shift_left shift_right_arithmetic shift_right_logical sign sin
    sinh slice split sqrt square squeeze stack stop_gradient sub tan tanh transpose unstack xor
    """.split()  # noqa: SIM905
)
