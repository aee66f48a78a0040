"""A training run on the devices of a mesh: every device takes a part of each batch, gradients are averaged.

The block of steps runs inside `shard_map`: parameters are on every device, and the only communication is one average of
loss and gradient per evaluation. Nothing is sharded automatically, so adaptive solves inside the loss do not wait for
each other step by step.
"""

import dataclasses
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from jaxtyping import Array, PyTree

from .batches import StackedBatches
from .objective import Objective
from .quasi_newton import SolverStep
from .step import Task, TrainState, scan_steps

AXIS = "training_batch"
_EVERYWHERE = PartitionSpec()
_TOLERANCE = 1e-2


class DataParallel:
    """Where a run computes: the devices of a mesh, whatever its shape, in a row."""

    def __init__(self, mesh: Any, task: Task, params: PyTree, batches: Callable | None):
        _check_mesh(mesh, task, batches)
        assert batches is not None
        self.mesh = Mesh(mesh.devices.reshape(-1), (AXIS,))
        self.spans_processes = len({device.process_index for device in mesh.devices.flat}) > 1
        self._original = (task, params, batches)
        _check_shapes(task, params, batches, self.mesh.size)

    def place(self, tree: PyTree) -> PyTree:
        """Every array of the tree on every device; of host batches, each device's part."""
        if isinstance(tree, StackedBatches):
            values = jax.tree.map(lambda leaf: _put(leaf, self.mesh, PartitionSpec(None, AXIS)), tree.values)
            return StackedBatches(values, self.place(tree.start))
        return jax.tree.map(lambda leaf: _everywhere(leaf, self.mesh) if eqx.is_array(leaf) else leaf, tree)

    def block(
        self, task: Task, batches: Any, state: TrainState, stop: Array, length: int
    ) -> tuple[TrainState, Array, Array]:
        """`scan_steps` on the mesh."""
        return _block(task, self.place(batches), state, self.place(stop), length, self.mesh)

    def gather(self, tree: PyTree) -> PyTree:
        """The tree with its arrays on the default device, bound to none."""

        def one(leaf):
            if not isinstance(leaf, jax.Array) or jnp.issubdtype(leaf.dtype, jax.dtypes.extended):
                return leaf
            return jnp.asarray(np.asarray(leaf))

        return jax.tree.map(one, tree)

    def check_first(self, loss: float) -> None:
        """Refuse a loss that is not an average over the samples, by the loss that the devices reported for step 0.

        With a key the loss may draw numbers per sample, which differ; then only the factor of a sum is looked for.
        """
        task, params, batches = self._original
        whole = float(_whole_loss(task, params, batches))
        size = self.mesh.size
        wrong = abs(whole - loss) > _TOLERANCE * max(abs(whole), abs(loss))
        if task.key is not None:
            wrong = size > 1 and abs(whole - size * loss) < _TOLERANCE * abs(whole)
        if wrong:
            msg = (
                "With a mesh, loss_fn must be an average over the samples of its batch, because each device averages "
                f"over its own part; received {whole:.6g} for the whole batch and {loss:.6g} as the mean of "
                f"{size} parts. Divide by the batch size (.mean() in place of .sum())."
            )
            raise ValueError(msg)


class ShardedObjective(Objective):
    """An `Objective` inside `shard_map`: loss and gradient are averages over the parts of the batch."""

    def loss(self, params: PyTree, batch: Any, key: Array | None) -> tuple[Array, PyTree]:
        """The scalar loss and the auxiliary output, its floating parts averaged."""
        loss, aux = Objective.loss(self, _average_gradient(params), batch, key)
        return _average(loss), jax.tree.map(_average_float, aux)


class ShardOf(eqx.Module):
    """A function step -> this device's part of the batch, inside `shard_map`."""

    batches: Callable
    count: int = eqx.field(static=True)

    def __call__(self, step: Any) -> PyTree:
        """Rows axis_index * B / count onwards of the batch, B / count of them."""

        def part(leaf):
            rows = leaf.shape[0] // self.count
            return lax.dynamic_slice_in_dim(leaf, lax.axis_index(AXIS) * rows, rows)

        return jax.tree.map(part, self.batches(step))


@eqx.filter_jit
def _block(task: Task, batches: Any, state: TrainState, stop: Array, length: int, mesh: Mesh):
    arrays, static = eqx.partition((task, batches, state, stop), eqx.is_array)

    def steps(arrays):
        task, batches, state, stop = eqx.combine(arrays, static)
        whole = task.objective
        task = dataclasses.replace(task, objective=ShardedObjective(whole.loss_fn, whole.frozen, whole.has_aux))
        own = batches if isinstance(batches, StackedBatches) else ShardOf(batches, mesh.size)
        return scan_steps(task, own, state, stop, length)

    specs = jax.tree.map(lambda _: _EVERYWHERE, arrays)
    if isinstance(batches, StackedBatches):
        values = jax.tree.map(lambda _: PartitionSpec(None, AXIS), arrays[1].values)
        start: Any = _EVERYWHERE
        specs = (specs[0], StackedBatches(values, start), *specs[2:])
    # Without the check of varying axes: with it, JAX sums the gradient of what all devices share.
    run = jax.shard_map(steps, mesh=mesh, in_specs=(specs,), out_specs=_EVERYWHERE, check_vma=False)
    return run(arrays)


@eqx.filter_jit
def _whole_loss(task: Task, params: PyTree, batches: Callable) -> Array:
    step = jnp.zeros((), jnp.int32)
    key = None if task.key is None else jax.random.fold_in(task.key, step)
    return task.objective.loss(params, batches(step), key)[0]


@jax.custom_vjp
def _average(x: Array) -> Array:
    """The mean over devices, with the derivative of the device's own value."""
    return lax.pmean(x, AXIS)


_average.defvjp(lambda x: (_average(x), None), lambda _, cotangent: (cotangent,))


@jax.custom_vjp
def _average_gradient(params: PyTree) -> PyTree:
    """The identity; what flows back through it is averaged over devices."""
    return params


_average_gradient.defvjp(lambda params: (params, None), lambda _, cotangent: (lax.pmean(cotangent, AXIS),))


def _average_float(x: Array) -> Array:
    return lax.pmean(x, AXIS) if jnp.issubdtype(x.dtype, jnp.inexact) else x


def _everywhere(leaf: Array, mesh: Mesh) -> Array:
    if not jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key):
        return _put(leaf, mesh, _EVERYWHERE)
    return jax.random.wrap_key_data(_put(jax.random.key_data(leaf), mesh, _EVERYWHERE), impl=jax.random.key_impl(leaf))


def _put(leaf: Array, mesh: Mesh, spec: PartitionSpec) -> Array:
    sharding = NamedSharding(mesh, spec)
    if sharding.is_fully_addressable:
        return jax.device_put(leaf, sharding)
    # Every process holds the whole and contributes the parts of its own devices.
    value = np.asarray(leaf)
    return jax.make_array_from_callback(value.shape, sharding, lambda index: value[index])


def _check_mesh(mesh: Any, task: Task, batches: Any) -> None:
    if not isinstance(mesh, Mesh):
        msg = (
            f"mesh must be a jax.sharding.Mesh; received {type(mesh).__name__}. Use "
            'jax.make_mesh((len(jax.devices()),), ("batch",)).'
        )
        raise TypeError(msg)
    if batches is None or isinstance(task.method, SolverStep):
        msg = (
            "A mesh splits batches over its devices; received batches=None, which leaves nothing to split. Pass "
            "batches (training.minibatches(data, batch_size, key=0)), or drop mesh."
        )
        raise ValueError(msg)
    if jax.process_index() not in {device.process_index for device in mesh.devices.flat}:
        msg = (
            f"Every process that calls fit must have devices in the mesh; received one without devices of process "
            f'{jax.process_index()}. Use jax.sharding.Mesh(jax.devices(), "batch") for all processes together.'
        )
        raise ValueError(msg)


def _check_shapes(task: Task, params: PyTree, batches: Callable, size: int) -> None:
    """Refuse batches that cannot be dealt out evenly, and auxiliary outputs that depend on the batch size."""
    batch = jax.eval_shape(batches, jnp.zeros((), jnp.int32))
    shapes = [leaf.shape for leaf in jax.tree.leaves(batch)]
    if not shapes or any(len(shape) == 0 for shape in shapes) or len({shape[0] for shape in shapes}) > 1:
        msg = (
            f"With a mesh, all leaves of a batch must share their first axis, the samples; received shapes {shapes}. "
            "Give every leaf that axis, or let loss_fn close over what all samples share."
        )
        raise ValueError(msg)
    samples = shapes[0][0]
    if samples == 0 or samples % size:
        fitting = max(samples // size, 1) * size
        msg = (
            f"The batch size must be a multiple of the number of devices; received {samples} samples for {size} "
            f"devices. Use a batch size of {fitting}, or a mesh of fewer devices."
        )
        raise ValueError(msg)
    if not task.objective.has_aux:
        return
    part = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct((samples // size, *leaf.shape[1:]), leaf.dtype), batch)
    aux, own = (jax.eval_shape(task.objective.loss, params, b, task.key)[1] for b in (batch, part))
    if jax.tree.map(jnp.shape, aux) != jax.tree.map(jnp.shape, own):
        msg = (
            f"With a mesh, aux must not have one entry per sample; received shapes {jax.tree.map(jnp.shape, aux)} for "
            f"{samples} samples. Reduce it over the samples in loss_fn."
        )
        raise ValueError(msg)
