"""The torchdiffeq side of `neural_ode.py`, run by a Python that has PyTorch: reads a folder, writes result.json there.

Not imported by anything: PyTorch lives in an environment of its own. Usage: python _torch_neural_ode.py FOLDER
"""

import json
import sys
import time
from pathlib import Path

import numpy as np
import torch
import torchdiffeq


def network(weights) -> torch.nn.Module:
    layers = []
    for i in range(len(weights) // 2):
        weight, bias = weights[f"weight{i}"], weights[f"bias{i}"]
        layer = torch.nn.Linear(weight.shape[1], weight.shape[0])
        with torch.no_grad():
            layer.weight.copy_(torch.tensor(weight))
            layer.bias.copy_(torch.tensor(bias))
        layers += [layer, torch.nn.Tanh()]
    return torch.nn.Sequential(*layers[:-1])


def main():
    folder = Path(sys.argv[1])
    task = json.loads((folder / "task.json").read_text())
    data = dict(np.load(folder / "data.npz"))
    weights = {key: value for key, value in data.items() if key.startswith(("weight", "bias"))}
    net = network(weights)
    calls = [0]

    class Field(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.net = net

        def forward(self, t, y):
            calls[0] += 1
            return self.net(y)

    field, y0, ts = Field(), torch.tensor(data["y0"]), torch.tensor(data["ts"])
    target = torch.tensor(data["target"])
    found = []
    for rtol in task["rtols"]:
        options = {"rtol": rtol, "atol": rtol * task["atol_over_rtol"], "method": "dopri5"}
        with torch.no_grad():
            calls[0] = 0
            ys = torchdiffeq.odeint(field, y0, ts, **options)
            row = {"rtol": rtol, "evaluations": calls[0], "error": relative(ys.numpy(), data["reference"])}
        for name, odeint in (("direct", torchdiffeq.odeint), ("adjoint", torchdiffeq.odeint_adjoint)):
            samples = []
            # The adjoint is several times slower than differentiating the steps: fewer rounds of it.
            for _ in range(1 + (task["rounds"] if name == "direct" else 1)):
                net.zero_grad()
                start = time.perf_counter()
                loss = torch.mean((odeint(field, y0, ts, **options) - target) ** 2)
                loss.backward()
                samples.append(time.perf_counter() - start)
            row[name] = float(np.median(samples[1:]))
        found.append(row)
    versions = {"torch": torch.__version__, "torchdiffeq": torchdiffeq.__version__, "threads": torch.get_num_threads()}
    (folder / "result.json").write_text(json.dumps({"rows": found, "versions": versions}))


def relative(value, reference) -> float:
    return float(np.sqrt(np.mean((value - reference) ** 2)) / np.sqrt(np.mean(reference**2)))


if __name__ == "__main__":
    main()
