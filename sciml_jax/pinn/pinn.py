"""Physics-informed neural networks: the method."""

from typing import Any, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax

from ..core.method import AbstractMethod
from ..core.tree import is_concrete
from ..equations.keys import as_key
from ..training.checks import as_count
from .damped_steps import damped_block, start_state
from .error_estimate import estimate_error
from .gradient_steps import gradient_block
from .hard_conditions import build_in
from .pinn_status import PINNStatus
from .points import refresh
from .problem import PDEProblem
from .residual_system import Balance, ResidualSystem, term_residuals
from .sharded import check_mesh, everywhere
from .solution import PINNSolution
from .trial_function import make_trial_function

_RTOL = {8: 1e-6, 4: 1e-3}


class PINN(AbstractMethod):
    r"""Train a network so that the residual vanishes, and estimate how wrong it is.

    Minimises the weighted mean square of the residual and of the conditions over collocation points,

    .. math:: \frac1N \sum_i w_i^2\, r(z_i)^2 + \sum_j \frac{\lambda_j}{N_j} \sum_i c_j(z_{ij})^2 ,

    by default with Levenberg-Marquardt steps on dense normal equations.
    Dirichlet conditions on faces of a box hold exactly. Every `block` steps half of the
    points are drawn anew where the residual is large, the factors $w_i$ are set so that steep parts do not outweigh the
    others, the weights $\lambda_j$ so that all terms move the network alike, and the error is estimated from fresh
    points.

    Parameters
    ----------
    network
        None: a perceptron of `width` and `depth` with tanh on coordinates scaled to [-1, 1], periodic ones as cosine
        and sine. A function `(in_size, out_size, key) -> net` makes another network for the same inputs. A network
        itself, `net(z)`, takes the point as it is.
    width, depth
        Neurons per hidden layer; hidden layers.
    num_points
        Collocation points inside.
    num_boundary
        Points for each condition that is not built in.
    num_steps
        Steps at most.
    block
        Steps between redrawing points.
    optimizer
        None: Levenberg-Marquardt in float64, SOAP in float32. Or an Optax transformation, which gets the weights as a
        pytree and `value_fn=`, `residual_fn=` where it takes them.
    minibatch
        Share of the points that one step of an Optax transformation sees, chosen at random. Methods with a line search
        or a memory of gradients need 1.0: `sj.training.ss_broyden()`, `sj.training.natural_gradient()`,
        `optax.lbfgs()`.
    sampler
        How fresh points are drawn; None draws uniform ones.
    adaptive
        How points follow the residual: an object with `update(key, points, magnitude, draw) -> points`; None keeps half
        and draws half where the residual is large.
    weights
        Weights of the equation and of every condition that is not built in, such as `sj.pinn.GradNormWeights()`,
        revised at every block; None balances them by the size of their derivatives, as the neural tangent kernel does.
    causal
        `sj.pinn.CausalWeights(...)`: later times count once earlier ones are learned; None for none.
    time
        Name of the coordinate that `causal` takes as time.
    hard
        Whether Dirichlet conditions on faces of a box are built in where they agree at edges.
    balance
        How strongly rows with large derivatives are damped; 0 leaves all factors at one.
    mesh
        A `jax.sharding.Mesh`: points are spread over its devices, and losses, gradients and normal equations are sums
        over them. Its size must divide `num_points`. None takes one device.

    Raises
    ------
    TypeError, ValueError
        For a network of the wrong sizes or without the derivatives that the residual takes, counts that are not
        positive, and a missing key.

    Notes
    -----
    `sj.solve(problem, sj.pinn.PINN(), key=0, rtol=1e-5)` ends when the estimated error is below `rtol` (default 1e-6,
    in float32 1e-3). `progress=True` prints a line after every block; a function there is called with the solution so
    far instead, to save it, draw it or compare it, and ends the training by returning True. With n weights
    and N points a Levenberg-Marquardt step costs `N n^2 + n^3 / 3` multiplications and `N n` numbers of memory: for up
    to about 3,000 weights. An Optax step costs one gradient; above 3,000 weights the error estimate forms no matrix
    either, and costs about 200 gradients on all points in every block: raise `block` with the number of steps.
    Eager calls compile one block and run it from the host;
    under `jit` and `vmap` (over keys: an ensemble) all blocks are one program, without an early end.

    Not for problems for which a mesh is easily made: finite elements are faster in two and three dimensions.

    References
    ----------
    Raissi, Perdikaris & Karniadakis, Physics-informed neural networks, JCP 378 (2019). Wang, Sankaran, Wang &
    Perdikaris, An expert's guide to training physics-informed neural networks, arXiv:2308.08468. Müller & Zeinhofer,
    Achieving high accuracy with PINNs via energy natural gradient descent, ICML 2023.
    """

    problem_types: ClassVar[tuple[type, ...]] = (PDEProblem,)

    network: Any = None
    width: int = eqx.field(static=True, default=20)
    depth: int = eqx.field(static=True, default=3)
    num_points: int = eqx.field(static=True, default=3000)
    num_boundary: int = eqx.field(static=True, default=400)
    num_steps: int = eqx.field(static=True, default=300)
    block: int = eqx.field(static=True, default=20)
    optimizer: Any = eqx.field(static=True, default=None)
    minibatch: float = eqx.field(static=True, default=0.5)
    sampler: Any = None
    adaptive: Any = None
    weights: Any = None
    causal: Any = None
    time: str = eqx.field(static=True, default="t")
    hard: bool = eqx.field(static=True, default=True)
    balance: float = eqx.field(static=True, default=1.0)
    mesh: Any = eqx.field(static=True, default=None)

    def __check_init__(self) -> None:
        for name in ("width", "depth", "num_points", "num_boundary", "num_steps", "block"):
            as_count(getattr(self, name), name)
        if self.optimizer is not None and not isinstance(self.optimizer, optax.GradientTransformation):
            msg = (
                "`optimizer` must be an Optax transformation, or None for the default; got "
                f"{type(self.optimizer).__name__}. Pass, for example, `optax.adam(1e-3)`."
            )
            raise TypeError(msg)
        if not 0 < self.minibatch <= 1:
            msg = f"`minibatch` must be a share in (0, 1]; got {self.minibatch!r}. Pass 1.0 for all points."
            raise ValueError(msg)

    def solve(self, problem: Any, *, key: Any = None, rtol: Any = None, progress: Any = None) -> PINNSolution:
        """Train; see `sj.solve` and the class."""
        if self.causal is not None and self.time not in problem.domain.names:
            msg = f"`causal` needs the coordinate `time`, one of {problem.domain.names}; got {self.time!r}. Name it."
            raise ValueError(msg)
        check_mesh(self.mesh, self.num_points)
        key_net, key_points, key_train = jax.random.split(as_key(key, "PINN"), 3)
        system = self.system(problem, key_net)
        vector = system.start
        optimizer = self._optimizer(vector.dtype)
        state = start_state(vector, _first_points(problem.domain, key_points, self.num_points, self.sampler))
        weights = None if self.weights is None else self.weights.init(1 + len(system.conditions))
        carry = (state, None if optimizer is None else optimizer.init(system.weights(vector)), weights)
        target = _RTOL[vector.dtype.itemsize] if rtol is None else rtol
        blocks = max(1, -(-self.num_steps // self.block))
        keys = jax.random.split(key_train, blocks)
        carry = _placed(carry, self.mesh)
        if is_concrete((carry, keys)):
            carry, records = self._from_host(system, carry, keys, target, _reporter(progress))
        else:
            carry, records = jax.lax.scan(lambda c, k: _block(system, self, c, k), carry, keys)
        return self._finish(system, carry[0], records, target, asked=rtol is not None)

    def system(self, problem: PDEProblem, key: Any) -> ResidualSystem:
        """The equations for the weights of a fresh network."""
        hard, soft = build_in(problem) if self.hard else (None, problem.conditions)
        trial = make_trial_function(problem, self.network, (self.width, self.depth), hard, key)
        unknown = jax.tree_util.tree_map(_as_trained, problem.unknown)
        return ResidualSystem(problem, (trial, unknown), soft)

    def _optimizer(self, dtype: Any) -> Any:
        if self.optimizer is not None or dtype == jnp.float64:
            return self.optimizer
        from ..training.soap import soap

        return soap(3e-3)

    def _from_host(self, system: Any, carry: Any, keys: Any, target: Any, report: Any) -> tuple:
        records = []
        for number in range(len(keys)):
            carry, record = _compiled_block(system, self, carry, keys[number])
            records.append(record)
            error, enough = float(record["error"]), False
            if report is not None:
                so_far = jax.tree_util.tree_map(lambda *parts: jnp.stack(parts), *records)
                enough = report(self._finish(system, carry[0], so_far, target, asked=False)) is True
            if enough or error < float(target) or bool(carry[0].failed) or not np.isfinite(float(record["loss"][0])):
                break
        return carry, jax.tree_util.tree_map(lambda *parts: jnp.stack(parts), *records)

    def _finish(self, system: Any, state: Any, records: Any, target: Any, *, asked: bool) -> PINNSolution:
        error = records["error"][-1]
        blocks = records["loss"].shape[0]
        ended = PINNStatus.NOT_REACHED if asked else PINNStatus.COMPLETED
        status = jnp.where(state.failed, int(PINNStatus.STALLED), int(ended))
        status = jnp.where(error < target, int(PINNStatus.CONVERGED), status)
        status = jnp.where(jnp.isfinite(records["loss"][0, 0]), status, int(PINNStatus.NON_FINITE))
        counts = {"num_steps": blocks * self.block, "num_points": self.num_points, "num_weights": state.vector.shape[0]}
        return PINNSolution(
            system=system,
            vector=state.vector,
            correction=records["step"][-1],
            error_estimate=error,
            residual_norm=records["residual_norm"][-1],
            status=status.astype(jnp.int32),
            stats=counts,
            history={"loss": records["loss"].reshape(-1), "error": records["error"]},
        )


def _block(system: ResidualSystem, method: PINN, carry: tuple, key: Any) -> tuple[tuple, dict]:
    """Draw points, weigh the equations, take steps, estimate the error."""
    state, opt_state, weights = carry
    key_points, key_items, key_steps, key_error = jax.random.split(key, 4)
    magnitude = lambda points: system.magnitude(state.vector, points)
    draw = lambda key, n: system.problem.domain.interior(key, n, method.sampler)
    update = refresh if method.adaptive is None else method.adaptive.update
    state = state._replace(points=update(key_points, state.points, magnitude, draw))
    items = system.draw_items(key_items, method.num_boundary)
    balance, weights = _balance(system, method, state, items, weights)
    optimizer = method._optimizer(state.vector.dtype)
    if optimizer is None:
        state, costs = damped_block(system, state, items, balance, method.block)
    else:
        args = (optimizer, balance, method.block, method.minibatch)
        state, opt_state, costs = gradient_block(system, state, opt_state, key_steps, items, *args)
    found = estimate_error(system, state, key_error, method.num_boundary, balance._replace(causal=None))
    return everywhere((state, opt_state, weights), method.mesh), {"loss": costs, **_record(found)}


def _balance(system: ResidualSystem, method: PINN, state: Any, items: list, weights: Any) -> tuple[Balance, Any]:
    """How the equations are weighed, and the new state of the weights."""
    axis = 0 if method.causal is None else system.problem.domain.names.index(method.time)
    balance = Balance(method.balance, None, method.causal, axis, method.mesh)
    if method.weights is None:
        return balance, weights
    residuals = lambda vector: term_residuals(system, vector, state.points, items)
    losses = lambda vector: jnp.stack([jnp.mean(part**2) for part in residuals(vector)])
    weights = method.weights.update(weights, losses, state.vector, residuals_fn=residuals)
    return balance._replace(terms=method.weights.values(weights)), weights


def _record(found: Any) -> dict:
    return {"error": found.relative, "step": found.step, "residual_norm": found.residual_norm}


def _reporter(progress: Any) -> Any:
    """What is called after every block with the solution so far; None for nothing."""
    return _print_progress if progress is True else progress if callable(progress) else None


def _print_progress(sol: PINNSolution) -> None:
    loss, error = float(sol.history["loss"][-1]), float(sol.error_estimate)
    print(f"step {sol.stats['num_steps']}: loss {loss:.2e}, estimated error {error:.2e}")  # noqa: T201


_compiled_block = eqx.filter_jit(_block)


_placed = eqx.filter_jit(everywhere)


@eqx.filter_jit
def _first_points(domain: Any, key: Any, n: int, sampler: Any) -> Any:
    return domain.interior(key, n, sampler)


def _as_trained(leaf: Any) -> Any:
    return jnp.asarray(leaf, float) if isinstance(leaf, (int, float)) and not isinstance(leaf, bool) else leaf
