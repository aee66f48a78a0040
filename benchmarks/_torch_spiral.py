"""The torchdiffeq side of `spiral.py`, run by a Python that has PyTorch: reads a folder, writes result.json there.

Not imported by anything: PyTorch lives in an environment of its own. Usage: python _torch_spiral.py FOLDER
"""

import json
import sys
import time
from pathlib import Path

import numpy as np
import torch
import torchdiffeq


def network(data, stage) -> torch.nn.Module:
    layers = []
    for i in range(sum(key.startswith(f"weight{stage}_") for key in data)):
        weight, bias = data[f"weight{stage}_{i}"], data[f"bias{stage}_{i}"]
        layer = torch.nn.Linear(weight.shape[1], weight.shape[0])
        with torch.no_grad():
            layer.weight.copy_(torch.tensor(weight))
            layer.bias.copy_(torch.tensor(bias))
        layers += [layer, torch.nn.Softplus()]
    return torch.nn.Sequential(*layers[:-1])


def main():
    folder = Path(sys.argv[1])
    task = json.loads((folder / "task.json").read_text())
    data = dict(np.load(folder / "data.npz"))
    ts, ys, rows = torch.tensor(data["ts"]), torch.tensor(data["ys"]), data["rows"]
    found, losses = [], []
    for stage, length in enumerate((len(ts) // 10, len(ts))):
        net = network(data, stage)
        optimizer = torch.optim.Adam(net.parameters(), lr=task["rate"])
        field = lambda t, y, net=net: net(y)
        samples = []
        for chosen in rows[stage][: task["steps"]]:
            start = time.perf_counter()
            batch = ys[chosen, :length]
            optimizer.zero_grad()
            states = torchdiffeq.odeint(
                field, batch[:, 0], ts[:length], rtol=task["rtol"], atol=task["atol"], method="dopri5"
            )
            loss = torch.mean((states.transpose(0, 1) - batch) ** 2)
            loss.backward()
            optimizer.step()
            samples.append(time.perf_counter() - start)
        found.append(float(np.median(samples)))
        losses.append(loss.item())
    versions = {"torch": torch.__version__, "torchdiffeq": torchdiffeq.__version__, "threads": torch.get_num_threads()}
    (folder / "result.json").write_text(json.dumps({"seconds_per_step": found, "losses": losses, "versions": versions}))


if __name__ == "__main__":
    main()
