"""PyTorch and torchdiffeq as peers; see peer.py. Usage: with_torch.py THREADS"""
import sys
from functools import partial

import torch
import torchdiffeq

import networks
import peer
from dit import DiT
from unet import UNet

POINTS, TOLERANCE = 1000, 1e-5


def autocast(half):
    return torch.autocast("cpu", torch.bfloat16, enabled=half)


def mlp(width, depth):
    """The network of every case: [x, t] in two dimensions, SiLU between layers."""
    layers = [torch.nn.Linear(3, width), torch.nn.SiLU()]
    for _ in range(depth - 1):
        layers += [torch.nn.Linear(width, width), torch.nn.SiLU()]
    return torch.nn.Sequential(*layers, torch.nn.Linear(width, 2))


def checkerboard(n):
    x = torch.rand(n) * 4 - 2
    y = torch.rand(n) - torch.randint(0, 2, (n,)) * 2 + torch.floor(x) % 2
    return torch.stack([x, y], 1) / 0.45


def train(width, depth, batch, half=False):
    """Training steps; half: under autocast, with products in bfloat16 and weights that stay float32."""
    net = mlp(width, depth)

    def loss(x0, x1, t):
        xt = (1 - t) * x0 + t * x1
        with autocast(half):
            v = net(torch.cat([xt, t], 1))
        return ((v.float() - (x1 - x0)) ** 2).mean()

    compiled = torch.compile(loss)

    def step(loss, adam):
        x1 = checkerboard(batch)
        adam.zero_grad()
        loss(torch.randn_like(x1), x1, torch.rand(batch, 1)).backward()
        adam.step()

    plain, fused = (torch.optim.Adam(net.parameters(), 1e-3, fused=f) for f in (False, True))
    if half:
        return {"torch autocast": partial(step, loss, fused), "torch.compile autocast": partial(step, compiled, fused)}
    return {
        "torch": partial(step, loss, plain), "torch fused": partial(step, loss, fused),
        "torch.compile": partial(step, compiled, plain), "torch.compile fused": partial(step, compiled, fused),
    }


def conv(backward):
    def work(layout):
        w = torch.nn.Conv2d(64, 64, 3, padding=1, bias=False).to(memory_format=layout)
        x = torch.randn(32, 64, 32, 32).to(memory_format=layout)
        if not backward:
            @torch.no_grad()
            def forward():
                w(x)
            return forward
        x.requires_grad_()

        def both():
            x.grad = w.weight.grad = None
            (w(x) ** 2).sum().backward()
        return both
    return {"torch": work(torch.contiguous_format), "torch channels_last": work(torch.channels_last)}


def field(width, depth):
    net = mlp(width, depth)
    return lambda t, x: net(torch.cat([x, t.expand(len(x), 1)], 1))


def sample(width, depth, **method):
    v, x0 = field(width, depth), torch.randn(POINTS, 2)
    times = torch.linspace(0, 1, 101) if method.get("method") == "euler" else torch.tensor([0.0, 1.0])

    @torch.no_grad()
    def work():
        torchdiffeq.odeint(v, x0, times, **method)
    return {"torchdiffeq": work}


def logp(width, depth):
    v = field(width, depth)
    state = torch.cat([torch.randn(POINTS, 2), torch.zeros(POINTS, 1)], 1)

    def augmented(t, s):
        with torch.enable_grad():
            x = s[:, :2].detach().requires_grad_()
            u = v(t, x)
            div = sum(torch.autograd.grad(u[:, i].sum(), x, retain_graph=i == 0)[0][:, i] for i in range(2))
        return torch.cat([u.detach(), -div[:, None]], 1)

    @torch.no_grad()
    def work():
        torchdiffeq.odeint(augmented, state, torch.tensor([1.0, 0.0]), rtol=TOLERANCE, atol=TOLERANCE)
    return {"torchdiffeq": work}


def images(what, half=False):
    """The UNet of examples/digits.yaml on 64 images: see unet.py. half is as for train."""
    def prepare(layout):
        net = UNet(28, 32, (1, 2, 2), 1, (7,), 32).to(memory_format=layout)
        fresh = lambda: torch.randn(64, 1, 28, 28).to(memory_format=layout)
        x, v, label = fresh(), fresh(), torch.randint(0, 10, (64,))
        return net, fresh, x, v, label

    def velocity(net, fresh, x, v, label):
        @torch.no_grad()
        def work():
            net(torch.full((64,), 0.5), x, label)
        return work

    def vjp(net, fresh, x, v, label):
        for p in net.parameters():
            p.requires_grad_(False)
        x.requires_grad_()

        def work():
            torch.autograd.grad(net(torch.full((64,), 0.5), x, label), x, v)
        return work

    def train(net, fresh, x, v, label):
        adam = torch.optim.Adam(net.parameters(), 1e-3, fused=True)

        def work():
            x0, x1, t = fresh(), torch.rand_like(x) * 2 - 1, torch.rand(64)
            s = t[:, None, None, None]
            adam.zero_grad()
            with autocast(half):
                v = net(t, (1 - s) * x0 + s * x1, label)
            ((v.float() - (x1 - x0)) ** 2).mean().backward()
            adam.step()
        return work

    kind, ways = {"velocity": velocity, "vjp": vjp, "train": train}[what], {}
    if half:
        plain, (net, *rest) = prepare(torch.contiguous_format), prepare(torch.contiguous_format)
        net.compile()
        return {"torch autocast": kind(*plain), "torch.compile autocast": kind(net, *rest)}
    for name, layout in ("torch", torch.contiguous_format), ("torch channels_last", torch.channels_last):
        ways[name] = kind(*prepare(layout))
    net, *rest = prepare(torch.contiguous_format)
    net.compile()
    ways["torch.compile"] = kind(net, *rest)
    return ways


def velocity(make, shape, batch, half=False, compiles=False):
    """One evaluation of a network, as it is and, if it is to be, compiled; half: under autocast."""
    def work(compiled):
        net = make().eval()
        if compiled:
            net.compile()
        x, t, label = torch.randn(batch, *shape), torch.full((batch,), 0.5), torch.randint(0, 1000, (batch,))

        @torch.no_grad()
        def velocity():
            with autocast(half):
                net(t, x, label)
        return velocity
    name = " autocast" if half else ""
    ways = {"torch" + name: work(False)}
    return ways | ({"torch.compile" + name: work(True)} if compiles else {})


def transformer_steps(batch):
    """Training steps of DiT-S/2 on latents of 32x32x4: see dit.py."""
    def work(compiled):
        net, label = DiT(), torch.randint(0, 1000, (batch,))
        if compiled:
            net.compile()
        fresh = lambda: torch.randn(batch, 4, 32, 32)
        adam = torch.optim.Adam(net.parameters(), 1e-4, fused=True)

        def train():
            x0, x1, t = fresh(), fresh(), torch.rand(batch)
            s = t[:, None, None, None]
            adam.zero_grad()
            ((net(t, (1 - s) * x0 + s * x1, label) - (x1 - x0)) ** 2).mean().backward()
            adam.step()
        return train
    return {"torch": work(False), "torch.compile": work(True)}


def main():
    torch.set_num_threads(int(sys.argv[1]))
    torch.manual_seed(1)
    cases = {f"train mlp{w}x{n} B{b}": partial(train, w, n, b) for w, n, b in peer.training()}
    cases["conv3x3 64-64 32x32 B32 forward"] = partial(conv, False)
    cases["conv3x3 64-64 32x32 B32 forward+backward"] = partial(conv, True)
    for what in "velocity", "vjp", "train":
        cases[f"{what} unet32 28x28 B64"] = partial(images, what)
    cases["train DiT-S/2 B4"] = partial(transformer_steps, 4)
    cases["velocity DiT-S/2 B4"] = partial(velocity, DiT, (4, 32, 32), 4, compiles=True)
    for name, make, shape, batch in networks.velocities():
        cases[f"velocity {name} B{batch}"] = partial(velocity, make, shape, batch)
        cases[f"velocity bf16 {name} B{batch}"] = partial(velocity, make, shape, batch, True)
    cases |= {f"train bf16 mlp{w}x{n} B{b}": partial(train, w, n, b, True) for w, n, b in peer.half_training()}
    cases["train bf16 unet32 28x28 B64"] = partial(images, "train", True)
    for w, n in peer.nets():
        net = f"mlp{w}x{n} n{POINTS}"
        cases[f"sample euler100 {net}"] = partial(sample, w, n, method="euler")
        cases[f"sample dopri5 1e-5 {net}"] = partial(sample, w, n, rtol=TOLERANCE, atol=TOLERANCE)
        cases[f"logp exact dopri5 1e-5 {net}"] = partial(logp, w, n)
    peer.serve({"torch": torch.__version__, "torchdiffeq": torchdiffeq.__version__}, cases)


if __name__ == "__main__":
    main()
