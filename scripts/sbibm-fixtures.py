"""Writes what sbibm (arXiv 2101.04653) draws and knows as JSON, for the tests of data/simulator.

Usage: sbibm-fixtures.py OUT, with sbibm 1.1.0 in the environment (see sbibm-fixtures.sh).

For each task: moments of 10,000 simulations at the true parameters of three observations
(of slcp_distractors one), each with its standard error; moments of 10,000 draws of the
prior, and log densities of five. sir and lotka_volterra are solved by SciPy in place of
Julia, which sbibm reaches through diffeqtorch: what it makes of the solution is sbibm's
own code.
"""
import functools
import gc
import json
import os
import re
import sys
import types

os.environ["TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD"] = "1"  # sbibm's files are pickles

import numpy as np
import torch
from scipy.integrate import solve_ivp


def rates(_, u, p, n):
    if len(p) == 2:  # sir
        new, gone = p[0] * u[0] * u[1] / n, p[1] * u[1]
        return [-new, new - gone, gone]
    return [p[0] * u[0] - p[1] * u[0] * u[1], -p[2] * u[1] + p[3] * u[0] * u[1]]


@functools.lru_cache
def solve(u0, span, p, every):
    times = np.linspace(*span, round((span[1] - span[0]) / every) + 1)
    # The rates are those of the Julia text of the task.
    got = solve_ivp(rates, span, u0, method="DOP853", t_eval=times, rtol=1e-10, atol=1e-14, args=(p, 1e6))
    assert got.success, got.message
    return torch.from_numpy(got.y), torch.from_numpy(times)


class DiffEq:
    """What sbibm uses of diffeqtorch."""

    def __init__(self, f, saveat, debug):
        self.saveat = saveat
        self.jl = types.SimpleNamespace(eval=lambda _: None)

    def __call__(self, u0, span, p):
        return solve(*(tuple(v.double().tolist()) for v in (u0, span, p)), self.saveat)


sys.modules["diffeqtorch"] = types.ModuleType("diffeqtorch")
sys.modules["diffeqtorch"].DiffEq = DiffEq
import sbibm

gc.freeze()  # lotka_volterra collects every hundred simulations
N = 10_000
AT_ONCE = 100  # simulations; more of slcp_distractors take gigabytes
torch.set_num_threads(1)  # the tensors are small


def moments(x):
    """Mean, standard deviation and correlation with the next column, with standard errors."""
    mean, std = x.mean(0), x.std(0)
    z = (x - mean) / np.where(std > 0, std, 1)
    a, b = z[:, :-1], z[:, 1:]
    r = (a * b).mean(0)
    parts = {
        "mean": (mean, x),
        "std": (std, std * (z**2 - 1) / 2),
        "next": (r, a * b - r * (a**2 + b**2) / 2),
    }
    out = {}
    for name, (value, influence) in parts.items():
        out[name] = value.tolist()
        out[name + "_error"] = (influence.std(0) / np.sqrt(len(x))).tolist()
    return out


def rounded(v):
    if isinstance(v, float):
        return float(f"{v:.7g}")
    if isinstance(v, dict):
        return {k: rounded(w) for k, w in v.items()}
    return [rounded(w) for w in v] if isinstance(v, list) else v


def fixture(name):
    print(name, file=sys.stderr)
    task = sbibm.get_task(name)
    simulator, prior = task.get_simulator(), task.get_prior()
    torch.manual_seed(1)
    # Student's noise of two degrees of freedom has no variance; its arsinh has all moments.
    change = np.arcsinh if name == "slcp_distractors" else np.asarray
    at = []
    for i in (1,) if name == "slcp_distractors" else (1, 2, 3):  # which takes long
        theta = task.get_true_parameters(i)
        x = torch.cat([simulator(theta.repeat(AT_ONCE, 1)) for _ in range(N // AT_ONCE)])
        x = change(x.double().numpy())
        at.append({"theta": theta[0].double().tolist(), **moments(x)})
    draws = prior(N)
    some = draws[:5]
    return {
        "arsinh": change is np.arcsinh,
        "at": at,
        "prior": {
            **moments(draws.double().log().numpy() if name in ("sir", "lotka_volterra") else draws.double().numpy()),
            "theta": some.double().tolist(),
            "logp": task.get_prior_dist().log_prob(some).double().tolist(),
        },
    }


def parts():
    """The random numbers that sbibm keeps in files."""
    slcp, glm = sbibm.get_task("slcp").path / "files", sbibm.get_task("bernoulli_glm").path / "files"
    noise = torch.load(slcp / "gmm.torch").component_distribution.base_dist
    return {
        "permutation": torch.load(slcp / "permutation_idx.torch").tolist(),
        "loc": noise.loc.sum(1).tolist(),
        "scale": noise.scale_tril.abs().sum((1, 2)).tolist(),
        "design": torch.load(glm / "design_matrix.pt").double().sum(1).tolist(),
    }


names = sorted(sbibm.get_available_tasks())
versions = {"sbibm": sbibm.__version__, "torch": torch.__version__, "numpy": np.__version__}
result = {"made by": "scripts/sbibm-fixtures.sh", "versions": versions, "simulations": N,
          "parts": parts(), "tasks": {name: fixture(name) for name in names}}
with open(sys.argv[1], "w") as f:
    # One line for each list of numbers, so that a change can be read.
    text = json.dumps(rounded(result), indent=1)
    f.write(re.sub(r"\[[^\[\]{}]*\]", lambda m: " ".join(m[0].split()), text) + "\n")
