"""The picture of `gene_network.py`: paths and means over time, and the distribution at the end."""

import matplotlib.pyplot as plt
import numpy as np

COLOURS = {"Gillespie": "tab:blue", "tau-leaping": "tab:green", "diffusion": "tab:orange"}


def draw(path, report, curves):
    """Two panels: proteins over time; a histogram of the last values."""
    times, proteins, mean_field = curves["times"], curves["proteins"], curves["mean_field"]
    figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4.2), layout="constrained")
    for values in proteins["Gillespie"][:8]:
        left.step(times, values, where="post", color=COLOURS["Gillespie"], alpha=0.3, linewidth=0.8)
    for name, values in proteins.items():
        left.plot(times, values.mean(axis=0), color=COLOURS[name], label=f"{name}, mean")
    left.plot(times, mean_field, color="black", linestyle="--", label="rate equations")
    left.set(xlabel="time", ylabel="proteins", title="A self-repressing gene: eight exact paths, and means")
    left.legend()
    last = [values[:, -1] for values in proteins.values()]
    bins = np.linspace(min(v.min() for v in last), max(v.max() for v in last), 30)
    for name, values in proteins.items():
        right.hist(values[:, -1], bins, density=True, histtype="step", color=COLOURS[name], linewidth=1.6, label=name)
    right.set(xlabel="proteins at the end", ylabel="density", title="Their distribution")
    right.legend()
    figure.savefig(path, dpi=130)
    plt.close(figure)
