"""How derivatives of a solve are computed."""

import equinox as eqx


class Replay(eqx.Module):
    """Differentiate the discrete solution by replaying its accepted steps. The default, in both modes and to any order.

    The forward pass records the accepted times and states; derivatives replay those steps with their sizes held fixed
    and recompute each step, so the gradient is that of the numbers returned, to rounding. Steps end where `t0` and `t1`
    are, so derivatives with respect to those and to the save times and to `tstops` are included; step-size control is
    not differentiated.

    Cost: a gradient costs about three to four solves without rejected steps, a Jacobian-vector product about two.
    Memory: `max_steps` states. `jit`, `vmap`, `grad`, `jvp`, `jacfwd`, `jacrev`, `hessian`, `pmap` and `shard_map` all
    compose. Second derivatives run `max_steps` iterations: give a `max_steps` that is not much larger than what is
    needed.

    References
    ----------
    Hairer, Nørsett & Wanner, Solving Ordinary Differential Equations I (1993), II.6 (internal differentiation, Bock
    1981).
    """
