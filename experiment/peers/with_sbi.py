"""sbi as a peer: flow matching posterior estimation (FMPE) with its defaults.

After its versions it takes one line of JSON,

    {"seed": 1, "theta": "theta.npy", "x": "x.npy", "lo": [-1, -1], "hi": [1, 1], "threads": the most to use,
     "observations": "observations.npy", "samples": of each posterior, "out": where to}

of parameters [N, D] and data [N, Dx], the support of the prior (null: without bound) and observations
[M, Dx]. It trains, draws samples of each posterior, leaves them as one array [M * samples, D], and
answers {"step": epochs, "seconds": of the training}, then {"threads": used, "sample_seconds": of one
posterior}.
"""
import math
import os
import sys
import tempfile
import time

import numpy as np
import torch
from sbi.inference import FMPE
from sbi.utils import BoxUniform

from talk import hear, say

TRIAL, ROUNDS = 2000, 3  # simulations of an epoch that each number of threads is tried with, and how often


def prior(lo, hi):
    """A law of that support, all that FMPE asks a prior for: samples outside of it are drawn again."""
    bounded = [a is not None for a in lo + hi]
    if all(bounded):
        return BoxUniform(torch.tensor(lo), torch.tensor(hi))
    if not any(bounded):
        return torch.distributions.MultivariateNormal(torch.zeros(len(lo)), torch.eye(len(lo)))
    if all(a == 0 for a in lo) and all(b is None for b in hi):
        return torch.distributions.Independent(
            torch.distributions.LogNormal(torch.zeros(len(lo)), torch.ones(len(lo))), 1)
    raise ValueError(f"a prior from {lo} to {hi}; its numbers must be bounded, unbounded, or above 0")


def learn(law, theta, x, **how):
    """Trains; returns the method with its estimator in it."""
    method = FMPE(prior=law, show_progress_bars=False)
    method.append_simulations(theta, x).train(**how)
    return method


def fastest(threads, law, theta, x):
    """Sets and returns the number of threads, 1 or all, whose best epoch of a part takes less time."""
    def epoch():
        start = time.perf_counter()
        learn(law, theta[:TRIAL], x[:TRIAL], max_num_epochs=1)
        return time.perf_counter() - start

    epoch()  # the first one takes seconds more, whatever the threads: libraries are loaded
    took = {}
    for n in [1, threads] * ROUNDS:
        torch.set_num_threads(n)
        took[n] = min(took.get(n, math.inf), epoch())
    best = min(took, key=took.get)
    torch.set_num_threads(best)
    return best


def answer(q):
    law = prior(q["lo"], q["hi"])
    theta, x, observed = (torch.from_numpy(np.load(q[key])).float() for key in ("theta", "x", "observations"))
    threads = fastest(q["threads"], law, theta, x)
    torch.manual_seed(q["seed"])
    start = time.perf_counter()
    method = learn(law, theta, x)
    seconds = time.perf_counter() - start
    say(step=int(method.summary["epochs_trained"][-1]), seconds=seconds)
    posterior = method.build_posterior()
    start, drawn = time.perf_counter(), []
    for o in observed:
        drawn.append(posterior.sample((q["samples"],), x=o, show_progress_bars=False))
    seconds = (time.perf_counter() - start) / len(observed)
    np.save(q["out"], torch.cat(drawn).double().numpy())
    say(threads=threads, sample_seconds=seconds)


if __name__ == "__main__":
    q = hear("sbi", "torch")
    if q is not None:
        sys.stdout = sys.stderr  # what sbi prints is none of the conversation
        with tempfile.TemporaryDirectory() as folder:  # for its logs
            os.chdir(folder)
            answer(q)
