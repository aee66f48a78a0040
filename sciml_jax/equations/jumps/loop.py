"""The loop over events: advances one lane or a batch from one save time to the next.

All lanes of a batch share the position of the next save time, so that every save is one contiguous block. A lane whose
next event lies beyond that time waits and keeps its generator where it is: it draws the same event again afterwards, so
that a path does not depend on what is saved of it.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from ...core.status import Status
from ...numerics.batching import batch_native, in_blocks
from ...numerics.loops import vary_like, while_loop
from ...numerics.one_kernel import MOST_REDUCED, undifferentiated_kernel
from .lanes import Lanes, One, one_by_one

BLOCK = 256
"""Lanes of a batch that run together on the CPU, of a small network."""

RUNNING = -1
"""Status of a path that goes on."""


class Operands(NamedTuple):
    """The arrays that go into a solve; nothing is differentiated with respect to them."""

    y0: tuple
    t0: Any
    t1: Any
    functions: dict
    """Operands of the user's functions."""
    bound: Any
    """A constant bound of the rates, or NaN."""
    save_ts: Any
    words: tuple
    """Where the generator starts: four words."""
    bad_input: Any


class Place(NamedTuple):
    """Where a path stands."""

    t: Any
    """The time of the last event."""
    lost: Any
    """What the sum of the waiting times has lost to rounding, in single precision; or None."""
    y: tuple
    words: tuple
    method: Any
    """What the method keeps between events; or None."""
    num_thinned: Any
    """Steps in which nothing fired; or None."""
    num_steps: Any
    """Attempts that moved time: events, thinned candidates, leaps."""
    status: Any
    going: Any
    """Whether the next event may lie before the time to stop at."""
    stepped: tuple
    """Times and states after every k-th step, leading axis max_steps // k; or ()."""


class Plan:
    """What is fixed when a solve is traced."""

    def __init__(self, method: Any, network: Any, *, max_steps: int | None, num_save: int, save_every: int | None):
        self.method, self.network = method, network
        self.max_steps: Any = max_steps
        self.num_save, self.save_every = num_save, save_every

    @property
    def block(self) -> int:
        """Lanes of a batch that run together on the CPU."""
        network = self.network
        if network.components:
            return BLOCK
        entries = network.num_reactions * (network.size if self.method.needs_slopes else 1)
        # What is reduced must stay small enough for a kernel; see `numerics.one_kernel`.
        return min(max(MOST_REDUCED // entries, 8), BLOCK)

    def start(self, operands: Operands) -> Place:
        """The path before its first event."""
        t0 = operands.t0
        finite = jnp.isfinite(t0) & jnp.isfinite(operands.t1)
        for leaf in operands.y0:
            finite = finite & jnp.all(jnp.isfinite(leaf))
        bad = operands.bad_input | ~finite | ~(t0 < operands.t1)
        zero = jnp.zeros((), jnp.int32)
        stepped = ()
        if self.save_every is not None:
            rows = self.max_steps // self.save_every
            stepped = tuple(blank((rows, *jnp.shape(x)), x.dtype) for x in (t0, *operands.y0))
        status = jnp.where(bad, jnp.int32(Status.BAD_INPUT), jnp.int32(RUNNING))
        lost = jnp.zeros_like(t0) if jnp.finfo(t0.dtype).bits < 64 else None
        state = self.method.begin(self, operands)
        thinned = zero if self.method.thins(self) else None
        going = status == RUNNING
        place = Place(t0, lost, operands.y0, operands.words, state, thinned, zero, status, going, stepped)
        return vary_like(place, operands)

    def step(self, operands: Operands, target: Any, place: Place) -> Place:
        """One attempt of a lane that is going; it stays where it is if the attempt does not count."""
        new = self.method.advance(self, operands, target, place)
        moves = place.going & new.moves & self._has_room(place)
        choose = lambda a, b: jax.tree_util.tree_map(lambda x, y: jnp.where(moves, x, y), a, b)
        fires = moves if new.fires is None else moves & new.fires
        y = choose(new.y, place.y) if new.y_if is None else new.y_if(fires)
        stepped, count = place.stepped, place.num_steps + moves.astype(jnp.int32)
        if self.save_every is not None:
            keep = moves & (count % self.save_every == 0)
            row = jnp.where(keep, count // self.save_every - 1, 0)
            values = zip(stepped, (new.t, *y), strict=True)
            stepped = tuple(_write(buffer, jnp.where(keep, x, buffer[row]), row) for buffer, x in values)
        return Place(
            t=jnp.where(moves, new.t, place.t),
            lost=None if place.lost is None else jnp.where(moves, new.lost, place.lost),
            y=y,
            words=choose(new.words, place.words),
            method=choose(new.method, place.method) if new.method_if is None else new.method_if(y, fires),
            num_thinned=None if new.fires is None else place.num_thinned + (moves & ~new.fires).astype(jnp.int32),
            num_steps=count,
            status=place.status,
            going=moves,
            stepped=stepped,
        )

    def judge(self, operands: Operands, target: Any, place: Place) -> Place:
        """Why a lane has stopped: the attempt that did not count is made again and looked at."""
        new = self.method.advance(self, operands, target, place)
        ran_out = new.moves & ~self._has_room(place)
        status = jnp.where((new.status == RUNNING) & ran_out, jnp.int32(Status.MAX_STEPS), new.status)
        return place._replace(status=jnp.where(place.status == RUNNING, status, place.status))

    def _has_room(self, place):
        return jnp.array(True) if self.max_steps is None else place.num_steps < self.max_steps


class Attempt(NamedTuple):
    """What a method proposes for one lane."""

    t: Any
    lost: Any
    words: tuple
    moves: Any
    """Whether it is valid and lies before the time to stop at."""
    status: Any
    """`RUNNING`, or what is wrong; looked at once a lane has stopped."""
    fires: Any = None
    """Whether a reaction fires there, for methods that may propose times at which nothing does."""
    y: Any = None
    """The state there, as arrays to choose from;"""
    y_if: Callable | None = None
    """or a function of whether it counts, where that is cheaper."""
    method: Any = None
    """What the method keeps;"""
    method_if: Callable | None = None
    """or a function of the new state and of whether it counts."""


def simulate(plan: Plan) -> Callable:
    """`operands -> (place, saved)` for one path, and under `vmap` for a batch in blocks that fit into the cache."""

    def single(operands):
        return _simulate(plan, One(), operands)

    def lanes(size, axes, operands):
        on_cpu = jax.default_backend() == "cpu"
        if on_cpu and plan.method.lane_by_lane:
            return one_by_one(single, size, axes[0], operands)
        block = plan.block if on_cpu else size
        return in_blocks(lambda count, ops: _block(count, axes[0], ops), size, axes, (operands,), block)

    def _block(count, axes, operands):
        place, saved = _simulate(plan, Lanes(count, axes), operands)
        return place, tuple(jnp.moveaxis(leaf, 1, 0) for leaf in saved)

    def kernel_of_lanes(size, axes, operands):
        return undifferentiated_kernel(lambda operands: lanes(size, axes, operands))(operands)

    return batch_native(undifferentiated_kernel(single), kernel_of_lanes)


def _simulate(plan: Plan, over: Any, operands: Operands) -> tuple[Place, tuple]:
    place = over.map(plan.start, operands)
    saved = tuple(blank((plan.num_save, *leaf.shape), leaf.dtype) for leaf in place.y) if plan.num_save else ()
    if plan.num_save:

        def save(carry):
            cursor, place, saved = carry
            place = _advance(plan, over, operands, place, lambda operands: operands.save_ts[cursor])
            good = place.status == RUNNING
            rows = tuple(jnp.where(_like(good, y), y, blank(y.shape, y.dtype)) for y in place.y)
            return cursor + 1, place, tuple(_write(b, row, cursor) for b, row in zip(saved, rows, strict=True))

        going = lambda carry: (carry[0] < plan.num_save) & jnp.any(carry[1].status == RUNNING)
        init = vary_like((jnp.zeros((), jnp.int32), place, saved), operands, place)
        _, place, saved = while_loop(going, save, init, operands)
    place = _advance(plan, over, operands, place, lambda operands: operands.t1)
    done = jnp.where(place.status == RUNNING, jnp.int32(Status.SUCCESS), place.status)
    return place._replace(status=done), saved


def _advance(plan, over, operands, place, target_of):
    """Let every lane run until its next event lies beyond its target."""
    place = place._replace(going=place.status == RUNNING)
    step = lambda operands, place: plan.step(operands, target_of(operands), place)
    place = while_loop(lambda p: jnp.any(p.going), lambda p: over.map(step, operands, p), place, operands)
    return over.map(lambda operands, place: plan.judge(operands, target_of(operands), place), operands, place)


def blank(shape: tuple, dtype: Any) -> Any:
    """What was not reached: NaN, and the smallest integer of an integer dtype."""
    return jnp.full(shape, jnp.nan if jnp.issubdtype(dtype, jnp.inexact) else jnp.iinfo(dtype).min, dtype)


def _write(buffer, value, index):
    return lax.dynamic_update_index_in_dim(buffer, value.astype(buffer.dtype), index, 0)


def _like(mask, leaf):
    return mask.reshape(mask.shape + (1,) * (leaf.ndim - mask.ndim))
