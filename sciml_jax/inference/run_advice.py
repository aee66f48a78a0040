"""What the results of methods without accept-reject steps say about themselves, in words."""

from typing import Any

import numpy as np

from .inference_status import InferenceStatus

BAD_PARETO = 0.7
"""Index above which weights are dominated by a few draws (Vehtari et al., JMLR 25, 2024)."""


def run_advice(draws: Any) -> list[str]:
    """Sentences about a run's status, approximation error and failed solves; empty when there is nothing to say."""
    info, said = draws.info, []
    status = info.get("status")
    if status is not None and not InferenceStatus(int(status)).is_success:
        said.append(f"{draws.method}: {InferenceStatus(int(status))}")
    index = info.get("pareto_k")
    if index is not None and not float(index) <= BAD_PARETO:
        said.append(
            f"The Pareto index of the weights is {float(index):.2f}, above {BAD_PARETO}: {draws.method}'s "
            "approximation is far from the posterior, in its tails at least. Use its draws as starts of `nuts` only."
        )
    failed = info.get("prior_failed", info.get("failed"))
    if failed is not None and np.ndim(failed) == 0 and float(failed) > 0:
        what = "draws from the priors" if "prior_failed" in info else "draws"
        said.append(f"{100 * float(failed):.3g} % of the {what} had a likelihood that could not be evaluated.")
    stages = info.get("acceptance_rate")
    if draws.method == "smc" and stages is not None and np.nanmin(np.asarray(stages), initial=1.0) < 0.05:
        said.append("Some stages accepted under 5 % of their moves: particles hardly moved. Raise `num_moves`.")
    return said
