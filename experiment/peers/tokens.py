"""facebookresearch/flow_matching on sequences of tokens, as in its example of text; see peer.py.

The library has the path, the losses and the solver; the network is that of flowmatch in PyTorch, with the same
names of weights and the same initial law: a transformer with adaLN and rotary positions, as that of the example.
The request is

    {"seed": 1, "levels": 65, "length": 64, "mask": true, "exponent": of the schedule, "width": 64, "depth": 2,
     "heads": 4, "hidden": 256, "tied": false, "loss": "cross_entropy" or "generalised_kl", "batch": 32,
     "rates": [learning rate of each step], "betas": [0.9, 0.999], "eps": 1e-8, "clip_norm": 0 or the largest,
     "threads": the most to use, "log_every": 50, "train": "train.npy", "weights": where to,
     "check": "check.npy", "draws": of a time and a state for each sequence of check,
     "samples": sequences to draw, "steps": of the solver, "compiled": steps to take with torch.compile}

and the last line of the answer {"threads": used, "train_cpu": seconds of the processor from the end of the first
step on, "elbo": of check by the library's loss, in bits of a token, "elbo_se", "sample_cpu", "compiled_cpu"}.
"""
import math
import time

import numpy as np
import torch
from flow_matching.loss import MixturePathGeneralizedKL
from flow_matching.path import MixtureDiscreteProbPath
from flow_matching.path.scheduler import PolynomialConvexScheduler
from flow_matching.solver import MixtureDiscreteEulerSolver
from flow_matching.utils import ModelWrapper
from safetensors.torch import save_file
from torch import nn
from torch.nn import functional as F

from peer import fastest
from talk import say

EPSILON = 1e-3  # times end before 1, as in the example
FREQUENCIES, PERIOD = 256, 10000.0


def normed(x, shift, scale):
    return F.layer_norm(x, x.shape[-1:], eps=1e-6) * (1 + scale) + shift


def adaption(width, parts):
    map_ = nn.Linear(width, parts * width)
    nn.init.zeros_(map_.weight)
    nn.init.zeros_(map_.bias)
    return nn.Sequential(nn.SiLU(), map_)


class Attention(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.heads, self.qkv, self.proj = heads, nn.Linear(width, 3 * width), nn.Linear(width, width)

    def forward(self, x, turn):
        n, l, w = x.shape
        q, k, v = self.qkv(x).view(n, l, 3, self.heads, w // self.heads).permute(2, 0, 3, 1, 4)
        return self.proj(F.scaled_dot_product_attention(turn(q), turn(k), v).transpose(1, 2).reshape(n, l, w))


class MLP(nn.Module):
    def __init__(self, width, hidden):
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(width, hidden), nn.Linear(hidden, width)

    def forward(self, x):
        return self.fc2(F.gelu(self.fc1(x), approximate="tanh"))


class Block(nn.Module):
    def __init__(self, width, heads, hidden):
        super().__init__()
        self.attn, self.mlp = Attention(width, heads), MLP(width, hidden)
        for map_ in (self.attn.qkv, self.attn.proj, self.mlp.fc1, self.mlp.fc2):
            nn.init.xavier_uniform_(map_.weight)
            nn.init.zeros_(map_.bias)
        self.adaLN_modulation = adaption(width, 6)

    def forward(self, x, given, turn):
        a, b, c, d, e, f = self.adaLN_modulation(given)[:, None].chunk(6, -1)
        x = x + c * self.attn(normed(x, a, b), turn)
        return x + f * self.mlp(normed(x, d, e))


class Times(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.mlp = nn.Sequential(nn.Linear(FREQUENCIES, width), nn.SiLU(), nn.Linear(width, width))
        half = FREQUENCIES // 2
        self.register_buffer("omega", 1000 * PERIOD ** (-torch.arange(half) / half), persistent=False)

    def forward(self, t):
        phase = t[:, None] * self.omega
        return self.mlp(torch.cat([phase.cos(), phase.sin()], -1))


class Last(nn.Module):
    def __init__(self, width, levels, tied):
        super().__init__()
        if not tied:
            self.linear = nn.Linear(width, levels)
            nn.init.zeros_(self.linear.weight)
            nn.init.zeros_(self.linear.bias)
        self.adaLN_modulation = adaption(width, 2)


class Network(nn.Module):
    def __init__(self, q):
        super().__init__()
        width, half = q["width"], q["width"] // q["heads"] // 2
        self.levels, self.mask, self.tied = q["levels"], q["mask"], q["tied"]
        self.embed = nn.Embedding(q["levels"] + q["mask"], width)
        self.pos_embed = nn.Embedding(q["length"], width)
        self.t_embedder = Times(width)
        for table in (self.embed, self.pos_embed, self.t_embedder.mlp[0], self.t_embedder.mlp[2]):
            nn.init.normal_(table.weight, std=0.02)
        for map_ in (self.t_embedder.mlp[0], self.t_embedder.mlp[2]):
            nn.init.zeros_(map_.bias)
        self.blocks = nn.ModuleList(Block(width, q["heads"], q["hidden"]) for _ in range(q["depth"]))
        self.final_layer = Last(width, q["levels"], q["tied"])
        angle = torch.arange(q["length"])[:, None] * PERIOD ** (-torch.arange(half) / half)
        self.register_buffer("cos", angle.cos(), persistent=False)
        self.register_buffer("sin", angle.sin(), persistent=False)

    def turn(self, x):
        a, b = x.chunk(2, -1)
        return torch.cat([a * self.cos - b * self.sin, b * self.cos + a * self.sin], -1)

    def forward(self, x, t):
        given = self.t_embedder(t)
        x = self.embed(x) + self.pos_embed.weight
        for block in self.blocks:
            x = block(x, given, self.turn)
        x = normed(x, *self.final_layer.adaLN_modulation(given)[:, None].chunk(2, -1))
        if self.tied:
            logits = x @ self.embed.weight[:self.levels].T
        else:
            logits = self.final_layer.linear(x)
        # The losses of the library want an entry for each state. A mask is no level: its probability is 0.
        return F.pad(logits, (0, 1), value=-1e9) if self.mask else logits


class Probabilities(ModelWrapper):
    def forward(self, x, t, **extras):
        return torch.softmax(self.model(x, t), -1)


class Work:
    """What a request is about, with the parts of the library."""

    def __init__(self, q):
        self.q = q
        self.path = MixtureDiscreteProbPath(PolynomialConvexScheduler(n=q["exponent"]))
        self.bound = MixturePathGeneralizedKL(self.path)
        self.text = torch.from_numpy(np.load(q["train"]).reshape(-1)).long()

    def noise(self, shape):
        if self.q["mask"]:
            return torch.full(shape, self.q["levels"])
        return torch.randint(self.q["levels"], shape)

    def batch(self):
        length = self.q["length"]
        starts = torch.randint(len(self.text) - length + 1, (self.q["batch"],))
        return self.text[starts[:, None] + torch.arange(length)]

    def loss(self, net, x1):
        t = torch.rand(len(x1)) * (1 - EPSILON)
        xt = self.path.sample(x_0=self.noise(x1.shape), x_1=x1, t=t).x_t
        logits = net(xt, t)
        if self.q["loss"] == "cross_entropy":
            return F.cross_entropy(logits.flatten(0, 1), x1.flatten())
        return self.bound(logits, x1, xt, t)

    def steps(self, net):
        """AdamW on batches; yields losses."""
        q = self.q
        adam = torch.optim.AdamW(net.parameters(), q["rates"][0], tuple(q["betas"]), q["eps"], 0.0)
        step = 0
        while True:
            for group in adam.param_groups:
                group["lr"] = q["rates"][min(step, len(q["rates"]) - 1)]
            loss = self.loss(net, self.batch())
            adam.zero_grad()
            loss.backward()
            if q["clip_norm"]:
                nn.utils.clip_grad_norm_(net.parameters(), q["clip_norm"])
            adam.step()
            step += 1
            yield loss

    @torch.no_grad()
    def elbo(self, net):
        """The mean of the library's loss over the sequences of check, in bits of a token, and its error."""
        x1, draws = torch.from_numpy(np.load(self.q["check"])).long(), self.q["draws"]
        total = torch.zeros(len(x1), dtype=torch.float64)
        loss = MixturePathGeneralizedKL(self.path, reduction="none")
        for k in range(draws):
            rest = 1 - (k + torch.rand(len(x1))) / draws * (1 - EPSILON)  # more times near the data, where it varies
            t = 1 - rest ** 2
            xt = self.path.sample(x_0=self.noise(x1.shape), x_1=x1, t=t).x_t
            total += 2 * rest.double() * loss(net(xt, t), x1, xt, t).double().mean(-1)
        each = total / draws / math.log(2)
        return each.mean().item(), each.std().item() / math.sqrt(len(x1))

    def sample(self, net, steps):
        q = self.q
        solver = MixtureDiscreteEulerSolver(Probabilities(net), self.path, q["levels"] + q["mask"])
        return solver.sample(x_init=self.noise((q["samples"], q["length"])), step_size=1 / steps)


def taken(do):
    """The seconds of the processor that it takes."""
    start = time.process_time()
    do()
    return time.process_time() - start


def many(work, n):
    for _ in range(n):
        next(work)


def answer(q):
    """Trains as the request says, and says what came out."""
    w = Work(q)
    threads = fastest(q["threads"], lambda: w.steps(Network(q)))
    torch.manual_seed(q["seed"])
    net, steps = Network(q), len(q["rates"])
    work, start = w.steps(net), time.perf_counter()
    for k in range(1, steps + 1):
        loss = next(work)
        if k == 1:
            first = time.process_time()
        if k == steps or q["log_every"] and k % q["log_every"] == 0:
            if not math.isfinite(loss.item()):
                raise ArithmeticError(f"the loss of step {k} is {loss.item()}")
            say(step=k, loss=loss.item(), seconds=time.perf_counter() - start)
    report = {"threads": threads, "train_cpu": time.process_time() - first}
    save_file({k: v.contiguous() for k, v in net.state_dict().items()}, q["weights"])
    net.eval()
    report["elbo"], report["elbo_se"] = w.elbo(net)
    if q["samples"]:
        w.sample(net, 2)
        report["sample_cpu"] = taken(lambda: w.sample(net, q["steps"]))
    if q["compiled"]:
        work = w.steps(torch.compile(Network(q)))
        many(work, 3)
        report["compiled_cpu"] = taken(lambda: many(work, q["compiled"]))
    say(**report)
