"""A table of a run's parameters, with warnings in words."""

from typing import Any, NamedTuple

import jax
import numpy as np

from . import diagnostics
from .run_advice import run_advice

_COLUMNS = ("mean", "sd", "q5", "q95", "mcse_mean", "ess_bulk", "ess_tail", "rhat")


class Summary(NamedTuple):
    """What `Draws.summary` returns; `print` it."""

    rows: dict[str, dict[str, float]]
    """By scalar parameter (`theta[0]`, `group.mu`): mean, sd, q5, q95, mcse_mean, ess_bulk, ess_tail, rhat."""
    warnings: tuple[str, ...]
    """Reasons not to trust the draws, with remedies; empty when none was found."""
    title: str

    @property
    def ok(self) -> bool:
        """Whether nothing speaks against the draws."""
        return not self.warnings

    def __str__(self) -> str:
        width = max((len(name) for name in self.rows), default=4) + 2
        head = " " * width + "".join(f"{column:>12s}" for column in _COLUMNS)
        lines = [self.title, head]
        for name, row in self.rows.items():
            cells = [f"{row[c]:12.0f}" if c.startswith("ess") else f"{row[c]:12.5g}" for c in _COLUMNS[:-1]]
            lines.append(f"{name:<{width}s}" + "".join(cells) + f"{row['rhat']:12.3f}")
        lines += [f"WARNING: {text}" for text in self.warnings] or ["No warnings."]
        return "\n".join(lines)


def summarise(draws: Any) -> Summary:
    """The table and the warnings of some draws."""
    rows = {name: _row(x, draws.correlated) for name, x in scalars(draws.samples).items()}
    title = f"{draws.method}: {draws.num_chains} chain(s) of {draws.num_draws} draws"
    return Summary(rows, tuple(_warnings(draws, rows)), title)


def scalars(samples: Any) -> dict[str, np.ndarray]:
    """Every scalar parameter by name, shape (chains, draws)."""
    found = {}
    for name, leaf in named_leaves(samples).items():
        flat = leaf.reshape(*leaf.shape[:2], -1)
        for i, place in enumerate(np.ndindex(leaf.shape[2:])):
            index = "" if not place else "[" + ",".join(map(str, place)) + "]"
            found[name + index] = flat[:, :, i]
    return found


def named_leaves(samples: Any) -> dict[str, np.ndarray]:
    """The leaves of nested dicts, names joined by dots."""
    if isinstance(samples, dict):
        nested = ((key, named_leaves(value)) for key, value in samples.items())
        return {key + ("." + name if name else ""): leaf for key, inside in nested for name, leaf in inside.items()}
    leaves = jax.tree.leaves(samples)
    if len(leaves) == 1:
        return {"": np.asarray(leaves[0])}
    return {str(i): np.asarray(leaf) for i, leaf in enumerate(leaves)}


def _row(x: np.ndarray, correlated: bool) -> dict[str, float]:
    x = np.asarray(x, float)
    low, high = np.quantile(x, [0.05, 0.95])
    independent = float(x.size)
    return {
        "mean": float(x.mean()),
        "sd": float(x.std(ddof=1)) if x.size > 1 else float("nan"),
        "q5": float(low),
        "q95": float(high),
        "mcse_mean": diagnostics.mcse_mean(x) if correlated else float(x.std() / np.sqrt(independent)),
        "ess_bulk": diagnostics.ess_bulk(x) if correlated else independent,
        "ess_tail": diagnostics.ess_tail(x) if correlated else independent,
        "rhat": diagnostics.rhat(x) if correlated else float("nan"),
    }


def _warnings(draws: Any, rows: dict[str, dict[str, float]]) -> list[str]:
    found = [*_of_transitions(draws), *run_advice(draws)]
    if not all(np.all(np.isfinite(leaf)) for leaf in named_leaves(draws.samples).values()):
        found.append("Some draws are not finite: the posterior may be improper. Tighten the priors.")
    found += _of_likelihood(draws)
    if draws.correlated:
        found += _of_convergence(draws, rows)
    return found


def _of_transitions(draws: Any) -> list[str]:
    stats, found = draws.stats, []
    total = draws.num_chains * draws.num_draws
    diverging = int(np.sum(np.asarray(stats.get("diverging", 0))))
    if diverging:
        found.append(
            f"{diverging} of {total} transitions diverged: the posterior has regions that the step size cannot follow, "
            "and the draws miss them. Raise `target_accept`, reparameterise, or look where: draws.divergences()."
        )
    failed = int(np.sum(np.asarray(stats.get("failed", 0))))
    if failed:
        found.append(
            f"{failed} of {total} transitions ({100 * failed / total:.3g} %) met a failed solve (or a likelihood that "
            "is zero or NaN), taken as zero likelihood. If there are many, raise `max_steps`, use an implicit method, "
            "or tighten the priors."
        )
    depth = np.asarray(stats.get("tree_depth", 0))
    deepest = int(np.sum(depth >= draws.info.get("max_tree_depth", np.inf)))
    if deepest:
        found.append(
            f"{deepest} of {total} transitions reached `max_tree_depth`: draws are correlated and slow. Raise it, use "
            "`dense_mass=True`, or reparameterise."
        )
    if "energy" in stats and draws.num_draws >= 20:
        low = np.flatnonzero(diagnostics.bfmi(np.asarray(stats["energy"], float)) < 0.3)
        if low.size:
            found.append(
                f"E-BFMI is below 0.3 in chains {low.tolist()}: tails are explored slowly. Reparameterise (non-centred "
                "hierarchies) or take more draws."
            )
    if "acceptance_rate" in stats and draws.correlated:
        rate = float(np.mean(np.asarray(stats["acceptance_rate"])))
        if rate < 0.05:
            found.append(f"Only {100 * rate:.2g} % of the proposals were accepted. Lengthen the warmup.")
    return found


def _of_likelihood(draws: Any) -> list[str]:
    """Whether it was the same at all draws: what `lp` is above the prior, which costs no solve."""
    if "lp" not in draws.stats:
        return []
    total = draws.num_chains * draws.num_draws
    places = np.linspace(0, total - 1, min(total, 64)).round().astype(int)
    positions = np.asarray(draws.positions).reshape(total, -1)[places]
    density = np.asarray(draws.stats["lp"], float).reshape(-1)[places]
    fit = density - np.asarray(jax.vmap(draws.posterior.log_prior_density)(positions), float)
    if total < 4 or np.ptp(positions) == 0 or not np.all(np.isfinite(fit)):
        return []
    rounding = 16 * np.finfo(draws.positions.dtype).eps * max(np.max(np.abs(density)), 1.0)
    if np.ptp(fit) > rounding:
        return []
    return [
        "The likelihood is the same at all draws (constant): the data say nothing, and these are draws from the prior. "
        "Check that the prediction depends on the parameters, and the units of the noise scale."
    ]


def _of_convergence(draws: Any, rows: dict[str, dict[str, float]]) -> list[str]:
    found = []
    mixed = [name for name, row in rows.items() if row["rhat"] > 1.01]
    stuck = [name for name, row in rows.items() if row["sd"] == 0]
    if stuck:
        found.append(f"{_list(stuck)} never moved. Check the start and the step size.")
    if mixed:
        worst = max(rows[name]["rhat"] for name in mixed)
        found.append(
            f"R-hat is above 1.01 for {_list(mixed)} (highest {worst:.3f}): chains have not mixed. Lengthen the "
            "warmup, take more draws, or look for several modes."
        )
    need = 100 * draws.num_chains
    few = [name for name, row in rows.items() if min(row["ess_bulk"], row["ess_tail"]) < need]
    if few:
        found.append(
            f"The effective sample size is below {need} (100 per chain) for {_list(few)}: means and quantiles are "
            "rough. Take more draws."
        )
    if draws.num_chains == 1:
        found.append("There is one chain only: R-hat cannot see chains that found different regions. Run four.")
    return found


def _list(names: list[str]) -> str:
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
