"""What the peers share: the conversation with flowmatch experiment, and the training.

A peer is a Python program that trains the network of a run with another library. It
says with one JSON line what it is made of, {"versions": {library: version}}. Where a
JSON line comes from standard input, it is a training:

    {"seed": 42, "dim": 2, "width": 64, "steps": 20000, "batch": 256, "lr": 0.001,
     "threads": the most to use, "log_every": 50, "train": "train.npy", "weights": where to,
     "check": "check.npy", "tolerance": of the likelihoods of check}

The peer answers with lines {"step": k, "loss": loss, "seconds": of the training so far},
of the last step too, leaves the weights as a safetensors file, and ends with {"threads":
used, "nll": of the points of check by the library itself, if it has likelihoods}. It
stops when standard input ends: then flowmatch is gone. By hand: start a program, and
paste the line.
"""
import math
import time

import numpy as np
import torch
from safetensors.torch import save_file

from talk import hear, say

TRIAL, ROUNDS = 0.3, 4  # seconds that each number of threads is tried for, and how often


def steps(net, points, batch, lr, example):
    """Adam on batches of the shuffled points, without end; yields losses.

    example(x0, x1) returns the times [n], the points of the path and its velocities [n, D].
    """
    adam = torch.optim.Adam(net.parameters(), lr)
    while True:
        for index in torch.randperm(len(points)).split(batch)[:len(points) // batch]:
            x1 = points[index]
            t, xt, ut = example(torch.randn_like(x1), x1)
            loss = ((net(torch.cat([xt, t[:, None]], 1)) - ut) ** 2).mean()
            adam.zero_grad()
            loss.backward()
            adam.step()
            yield loss


def fastest(threads, trial):
    """Sets and returns the number of threads, 1 or all, that takes more steps of a trial in its best round."""
    taken = {n: 0 for n in (1, threads)}
    for n in [*taken] * ROUNDS:
        torch.set_num_threads(n)
        work, end, k = trial(), time.perf_counter() + TRIAL, 0
        while time.perf_counter() < end:
            next(work)
            k += 1
        taken[n] = max(taken[n], k)
    best = max(taken, key=taken.get)
    torch.set_num_threads(best)
    return best


def train(q, new, example):
    """Trains as the request says; returns the network and the end of the answer."""
    points = torch.from_numpy(np.load(q["train"])).float()
    fresh = lambda net: steps(net, points, q["batch"], q["lr"], example)
    threads = fastest(q["threads"], lambda: fresh(new(q["dim"], q["width"])))
    torch.manual_seed(q["seed"])
    net = new(q["dim"], q["width"])
    work, start = fresh(net), time.perf_counter()
    for k in range(1, q["steps"] + 1):
        loss = next(work)
        if k == q["steps"] or q["log_every"] and k % q["log_every"] == 0:
            if not math.isfinite(loss.item()):
                raise ArithmeticError(f"the loss of step {k} is {loss.item()}")
            say(step=k, loss=loss.item(), seconds=time.perf_counter() - start)
    return net, {"threads": threads}


def main(library, new, example, likelihood=None, tokens=None):
    """Runs a peer: new(dim, width) makes the network, whose weights are net.0.weight and so on.

    likelihood(net, x, tolerance) returns the log-densities of points, in nats. tokens(request) answers a request
    that is about sequences of tokens.
    """
    q = hear(library, "torch")
    if q is None:
        return
    if "levels" in q:
        tokens(q)
        return
    net, report = train(q, new, example)
    save_file({k: v.contiguous() for k, v in net.state_dict().items()}, q["weights"])
    if likelihood:
        x = torch.from_numpy(np.load(q["check"])).float()
        report["nll"] = -likelihood(net, x, q["tolerance"]).double().mean().item()
    say(**report)
