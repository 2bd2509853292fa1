#!/usr/bin/env python3
"""Writes timegrid/testdata/diffusers.json: the levels of FlowMatchEulerDiscreteScheduler for a
grid of options, and what it makes of three that are known to be wrong.

    python3 -m venv VENV && VENV/bin/pip install diffusers==0.42.1 torch==2.15.0 scipy==1.17.1
    VENV/bin/python scripts/time-grids.py timegrid/testdata/diffusers.json
"""
import itertools
import json
import sys

import diffusers
import numpy as np
import scipy
import torch
from diffusers import FlowMatchEulerDiscreteScheduler as Scheduler

SPACINGS = {"uniform": {}, "karras": {"use_karras_sigmas": True},
            "exponential": {"use_exponential_sigmas": True}, "beta": {"use_beta_sigmas": True}}
SHIFTS = [{}, {"shift": 3.0}, {"shift": 0.5}, {"mu": 0.8}, {"tokens": 1024},
          {"tokens": 4096, "base_shift": 0.25, "max_shift": 1.4, "base_tokens": 128, "max_tokens": 8192}]


def mu_of(grid):
    """The mu of pipelines, by the number of patches."""
    if "mu" in grid:
        return grid["mu"]
    base, most = grid.get("base_tokens", 256), grid.get("max_tokens", 4096)
    low, high = grid.get("base_shift", 0.5), grid.get("max_shift", 1.15)
    slope = (high - low) / (most - base)
    return grid["tokens"] * slope + low - slope * base


def levels(grid, steps):
    """The levels of a grid of ours, by diffusers. They are given as sigmas, since without them a shift
    is applied twice."""
    dynamic = "mu" in grid or "tokens" in grid
    scheduler = Scheduler(shift=grid.get("shift", 1.0), use_dynamic_shifting=dynamic,
                          shift_terminal=grid.get("shift_terminal"), **SPACINGS[grid.get("spacing", "uniform")])
    sigmas = grid.get("sigmas", np.linspace(1, grid.get("sigma_min", 1 / steps), steps))
    scheduler.set_timesteps(sigmas=sigmas, mu=mu_of(grid) if dynamic else None)
    return [float(s) for s in scheduler.sigmas]


def main(file):
    cases = []
    for spacing, shift, terminal, sigma_min, steps in itertools.product(
            SPACINGS, SHIFTS, [None, 0.1], [None, 0.001], [2, 3, 10]):
        grid = dict(shift)
        if spacing != "uniform":
            grid["spacing"] = spacing
        if terminal:
            grid["shift_terminal"] = terminal
        if sigma_min:
            grid["sigma_min"] = sigma_min
        cases.append({"grid": grid, "steps": steps, "levels": levels(grid, steps)})
    for shift in SHIFTS:
        grid = {"sigmas": [1.0, 0.9, 0.6, 0.05], **shift}
        cases.append({"grid": grid, "steps": 4, "levels": levels(grid, 4)})

    # Dynamic shifts without sigmas are applied once: the levels from 1 to 1/1000.
    default = Scheduler(use_dynamic_shifting=True)
    default.set_timesteps(8, mu=0.8)
    cases.append({"grid": {"mu": 0.8, "sigma_min": 0.001}, "steps": 8, "levels": [float(s) for s in default.sigmas]})

    twice = Scheduler(num_train_timesteps=10, shift=3.0)
    once = [float(s) for s in twice.sigmas]
    twice.set_timesteps(10)
    ignored = Scheduler(shift=3.0)
    ignored.set_timesteps(timesteps=[1000.0, 500.0, 250.0])
    single = Scheduler(shift_terminal=0.1)
    with np.errstate(invalid="ignore"):
        single.set_timesteps(1)
    out = {
        "versions": {"diffusers": diffusers.__version__, "torch": torch.__version__.split("+")[0],
                     "scipy": scipy.__version__, "numpy": np.__version__},
        "cases": cases,
        "defects": {  # issues of diffusers
            "13243": {"once": once, "twice": [float(s) for s in twice.sigmas]},
            "14461": {"asked": [1.0, 0.5, 0.25], "levels": [float(s) for s in ignored.sigmas]},
            "14411": {"not_a_number": bool(torch.isnan(single.sigmas[0]))},
        },
    }
    with open(file, "w") as f:
        f.write("{\n")
        f.write(f'"versions": {json.dumps(out["versions"])},\n"defects": {json.dumps(out["defects"])},\n"cases": [\n')
        f.write(",\n".join(json.dumps(c) for c in cases))
        f.write("\n]}\n")


if __name__ == "__main__":
    main(sys.argv[1])
