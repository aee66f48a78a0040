"""How a method that is not a Markov chain ended."""

from ..core.worded_status import WordedStatus


class InferenceStatus(WordedStatus):
    """How `map_estimate`, `laplace`, `advi`, `pathfinder`, `smc` or `sgld` ended.

    Results hold the code as an integer array (traced under `jit`); `str(sj.inference.InferenceStatus(int(code)))` gives
    the reason and the remedy.
    """

    CONVERGED = 0, "the run met its tolerances."
    MAX_STEPS = (
        1,
        "the search for a mode did not meet its tolerances in `max_steps` steps. Raise `max_steps`, or start "
        "nearer with `init=`. If a scale of a hierarchical model went to zero, there is no mode: sample instead.",
    )
    STALLED = (
        2,
        "the search for a mode stopped where no step along its direction raises the density, though the gradient "
        "is not small. The gradient may be noisy (tighten the solver's tolerances), or the density may grow "
        "without bound at the edge of a prior's support (scales of a hierarchical model: sample instead, or use a "
        "prior that keeps away from zero).",
    )
    NON_FINITE_START = (
        3,
        "no start had a finite density and gradient. Tighten the priors, or pass `init=` parameters for which the "
        "model solves.",
    )
    FLAT = (
        4,
        "the likelihood does not change with the parameters (it is the same at all starts, with a zero gradient), "
        "so the data say nothing and the result is that of the prior. Check that the prediction depends on the "
        "parameters, and the units of the noise scale.",
    )
    NOT_A_MAXIMUM = (
        5,
        "the Hessian at the end is not positive definite: no isolated maximum, hence no Gaussian there. A "
        "parameter may not be identified; give it a tighter prior, or sample (`sj.inference.nuts`).",
    )
    BOUND_NOT_CONVERGED = (
        6,
        "the evidence lower bound still changed by more than its Monte Carlo error when the steps ran out. Raise "
        "`num_steps` (or lower `learning_rate` if `info['elbo']` jumps).",
    )
    TEMPERING_UNFINISHED = (
        7,
        "the tempering did not reach the posterior in `max_stages` stages; weights and draws are not of the "
        "posterior. Raise `max_stages`, lower `target_ess`, or tighten the priors.",
    )
    NO_PARTICLE = (
        8,
        "no particle drawn from the priors had a finite likelihood. Tighten the priors, raise `num_particles`, or "
        "look at post.log_likelihood(post.sample_prior(0)).",
    )
    NON_FINITE = (
        9,
        "values became NaN or infinite and the run stopped being meaningful. Lower `step_size` or `learning_rate`, "
        "or start nearer with `init=`.",
    )

    @property
    def is_success(self) -> bool:
        """Whether the run ended as asked."""
        return self is InferenceStatus.CONVERGED
