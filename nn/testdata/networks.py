"""Writes networks.json, which networks_test.go compares the networks of images with.

The networks are written here in PyTorch, apart from the Go code, from what is public
of DiT (Peebles and Xie 2022) and of ADM (Dhariwal and Nichol 2021): the names and
shapes of the tensors are theirs. Weights and inputs are made by a formula, the same
in the test, so that only names, shapes and outputs are kept. For the networks of
the paper's table 3 it is the number of weights alone.
Run: python3 networks.py > networks.json
"""

import json
import math

import torch
from torch import nn
from torch.nn import functional as F


def waves(t, width):
    """Of times in [0, 1]: cosines, then sines."""
    omega = torch.exp(-math.log(10000) * torch.arange(width // 2) / (width // 2))
    phase = 1000 * t[:, None] * omega
    return torch.cat([phase.cos(), phase.sin()], 1)


def soft(q, k, v):
    """Attention of [N, heads, T, d]."""
    return torch.softmax(q @ k.transpose(-1, -2) / math.sqrt(q.shape[-1]), -1) @ v


# DiT


class Table(nn.Module):
    def __init__(self, classes, width):
        super().__init__()
        self.embedding_table = nn.Embedding(classes + 1, width)
        self.classes = classes

    def forward(self, y):
        return self.embedding_table(torch.where(y < 0, self.classes, y))


class Patches(nn.Module):
    def __init__(self, channels, side, width):
        super().__init__()
        self.proj = nn.Conv2d(channels, width, side, stride=side)

    def forward(self, x):
        return self.proj(x).flatten(2).transpose(1, 2)


class Times(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.mlp = nn.Sequential(nn.Linear(256, width), nn.SiLU(), nn.Linear(width, width))

    def forward(self, t):
        return self.mlp(waves(t, 256))


class SelfAttention(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.heads, self.qkv, self.proj = heads, nn.Linear(width, 3 * width), nn.Linear(width, width)

    def forward(self, x):
        n, t, w = x.shape
        q, k, v = self.qkv(x).view(n, t, 3, self.heads, w // self.heads).permute(2, 0, 3, 1, 4)
        return self.proj(soft(q, k, v).transpose(1, 2).reshape(n, t, w))


class Perceptron(nn.Module):
    def __init__(self, width, hidden):
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(width, hidden), nn.Linear(hidden, width)

    def forward(self, x):
        return self.fc2(F.gelu(self.fc1(x), approximate="tanh"))


def adapter(width, parts):
    return nn.Sequential(nn.SiLU(), nn.Linear(width, parts * width))


def moved(x, shift, scale):
    return F.layer_norm(x, x.shape[-1:], eps=1e-6) * (1 + scale[:, None]) + shift[:, None]


class Block(nn.Module):
    def __init__(self, width, heads, hidden):
        super().__init__()
        self.attn = SelfAttention(width, heads)
        self.mlp = Perceptron(width, hidden)
        self.adaLN_modulation = adapter(width, 6)

    def forward(self, x, c):
        a, b, g, d, e, h = self.adaLN_modulation(c).chunk(6, 1)
        x = x + g[:, None] * self.attn(moved(x, a, b))
        return x + h[:, None] * self.mlp(moved(x, d, e))


class Final(nn.Module):
    def __init__(self, width, out):
        super().__init__()
        self.linear, self.adaLN_modulation = nn.Linear(width, out), adapter(width, 2)

    def forward(self, x, c):
        return self.linear(moved(x, *self.adaLN_modulation(c).chunk(2, 1)))


def places(rows, columns, width):
    """[rows·columns, width]: the column in the first half, the row in the second."""

    def line(at):
        omega = 10000.0 ** (-torch.arange(width // 4) / (width / 4))
        return torch.cat([(at[:, None] * omega).sin(), (at[:, None] * omega).cos()], 1)

    i, j = torch.meshgrid(torch.arange(rows), torch.arange(columns), indexing="ij")
    return torch.cat([line(j.flatten()), line(i.flatten())], 1)


class DiT(nn.Module):
    def __init__(self, image, classes, patch, width, depth, heads, mlp_ratio):
        super().__init__()
        self.image, self.patch, self.width = image, patch, width
        self.x_embedder = Patches(image[2], patch, width)
        self.t_embedder = Times(width)
        if classes:
            self.y_embedder = Table(classes, width)
        self.blocks = nn.ModuleList(Block(width, heads, int(width * mlp_ratio)) for _ in range(depth))
        self.final_layer = Final(width, patch * patch * image[2])

    def forward(self, x, t, y):
        (h, w, c), p = self.image, self.patch
        z = self.x_embedder(x) + places(h // p, w // p, self.width)
        e = self.t_embedder(t) + (self.y_embedder(y) if hasattr(self, "y_embedder") else 0)
        for block in self.blocks:
            z = block(z, e)
        z = self.final_layer(z, e).view(-1, h // p, w // p, p, p, c)
        return torch.einsum("nhwpqc->nchpwq", z).reshape(-1, c, h, w)


# The UNet of ADM


def twice(x):
    return F.interpolate(x, scale_factor=2, mode="nearest")


def half(x):
    return F.avg_pool2d(x, 2)


class ResBlock(nn.Module):
    def __init__(self, into, out, emb, adds, resize=None):
        super().__init__()
        conv = lambda a, b, k: nn.Conv2d(a, b, k, padding=k // 2)
        self.in_layers = nn.Sequential(nn.GroupNorm(32, into), nn.SiLU(), conv(into, out, 3))
        self.emb_layers = nn.Sequential(nn.SiLU(), nn.Linear(emb, out if adds else 2 * out))
        self.out_layers = nn.Sequential(nn.GroupNorm(32, out), nn.SiLU(), nn.Dropout(0), conv(out, out, 3))
        self.skip_connection = conv(into, out, 1) if into != out else nn.Identity()
        self.adds, self.resize = adds, resize or (lambda x: x)

    def forward(self, x, emb):
        h = self.in_layers[2](self.resize(self.in_layers[1](self.in_layers[0](x))))
        e = self.emb_layers(emb)[:, :, None, None]
        if self.adds:
            h = self.out_layers[0](h + e)
        else:
            scale, shift = e.chunk(2, 1)
            h = self.out_layers[0](h) * (1 + scale) + shift
        return self.skip_connection(self.resize(x)) + self.out_layers[3](self.out_layers[1](h))


class Attention(nn.Module):
    def __init__(self, channels, heads, head_channels):
        super().__init__()
        self.heads = channels // head_channels if head_channels else heads
        self.norm = nn.GroupNorm(32, channels)
        self.qkv, self.proj_out = nn.Conv1d(channels, 3 * channels, 1), nn.Conv1d(channels, channels, 1)

    def forward(self, x):
        n, c, h, w = x.shape
        z = self.qkv(self.norm(x).flatten(2)).view(n, self.heads, 3, c // self.heads, h * w).transpose(-1, -2)
        z = soft(z[:, :, 0], z[:, :, 1], z[:, :, 2]).transpose(-1, -2).reshape(n, c, h * w)
        return x + self.proj_out(z).view(n, c, h, w)


class Down(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.op = nn.Conv2d(channels, channels, 3, stride=2, padding=1)

    def forward(self, x):
        return self.op(x)


class Up(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x):
        return self.conv(twice(x))


class UNet(nn.Module):
    def __init__(self, image, classes, channels, mult, blocks, attention=(), heads=1, head_channels=0,
                 embedding="scale_shift", resblock_updown=False):
        super().__init__()
        self.channels, emb, size = channels, 4 * channels, image[0]
        res = lambda a, b, resize=None: ResBlock(a, b, emb, embedding == "add", resize)
        heed = lambda c: [Attention(c, heads, head_channels)] if size in attention else []
        self.time_embed = nn.Sequential(nn.Linear(channels, emb), nn.SiLU(), nn.Linear(emb, emb))
        if classes:
            self.label_emb = nn.Embedding(classes, emb)
        c = channels * mult[0]
        self.input_blocks, skips = nn.ModuleList([nn.ModuleList([nn.Conv2d(image[2], c, 3, padding=1)])]), [c]
        for i, m in enumerate(mult):
            for _ in range(blocks):
                layers = [res(c, channels * m)]
                c = channels * m
                self.input_blocks.append(nn.ModuleList(layers + heed(c)))
                skips.append(c)
            if i < len(mult) - 1:
                self.input_blocks.append(nn.ModuleList([res(c, c, half) if resblock_updown else Down(c)]))
                skips.append(c)
                size //= 2
        self.middle_block = nn.ModuleList([res(c, c), Attention(c, heads, head_channels), res(c, c)])
        self.output_blocks = nn.ModuleList()
        for i, m in reversed(list(enumerate(mult))):
            for k in range(blocks + 1):
                layers = [res(c + skips.pop(), channels * m)]
                c = channels * m
                layers += heed(c)
                if i and k == blocks:
                    layers.append(res(c, c, twice) if resblock_updown else Up(c))
                    size *= 2
                self.output_blocks.append(nn.ModuleList(layers))
        self.out = nn.Sequential(nn.GroupNorm(32, c), nn.SiLU(), nn.Conv2d(c, image[2], 3, padding=1))

    def forward(self, x, t, y):
        emb = self.time_embed(waves(t, self.channels))
        if hasattr(self, "label_emb"):  # label -1: no label, which the Go code adds
            emb = emb + torch.where(y[:, None] < 0, 0, self.label_emb(y.clamp(min=0)))

        def through(layers, x):
            for layer in layers:
                x = layer(x, emb) if isinstance(layer, ResBlock) else layer(x)
            return x

        skips = []
        for layers in self.input_blocks:
            x = through(layers, x)
            skips.append(x)
        x = through(self.middle_block, x)
        for layers in self.output_blocks:
            x = through(layers, torch.cat([x, skips.pop()], 1))
        return self.out(x)


# Cases


def made(n, k):
    """n numbers in [-0.5, 0.5]."""
    i = torch.arange(n, dtype=torch.int64)
    return ((i * 7919 + k * 104729 + i * i % 10007 * 31 * (k + 1)) % 10007).double() / 10007 - 0.5


def fill(name, p):
    """A tensor from the letters of its name: vectors of weights about 1, biases about 0,
    the rest by the number of its inputs."""
    v = made(p.numel(), sum((i + 1) * ord(c) for i, c in enumerate(name)) % 10007)
    if p.dim() > 1:
        v *= 3 / math.sqrt(p[0].numel())
    elif name.endswith("weight"):
        v = 1 + v / 2
    p.copy_(v.float().view(p.shape))


def case(kind, classes, **config):
    net = {"dit": DiT, "unet": UNet}[kind](classes=classes, **config)
    h, w, c = config["image"]
    n, labels = 3, [0, classes - 1, -1]
    with torch.no_grad():
        for name, p in net.named_parameters():
            fill(name, p)
        x = 4 * made(n * h * w * c, 1).float().view(n, h, w, c)
        t = torch.tensor([0.0, 0.37, 1.0])
        y = net(x.permute(0, 3, 1, 2), t, torch.tensor(labels)).permute(0, 2, 3, 1)
    shapes = {name: list(p.shape) for name, p in net.named_parameters()}
    return {"classes": classes, kind: config, "tensors": shapes, "t": [round(v, 4) for v in t.tolist()],
            "label": labels if classes else [], "output": [round(v, 6) for v in y.flatten().tolist()]}


def count(row, kind, classes=0, **config):
    with torch.device("meta"):
        net = {"dit": DiT, "unet": UNet}[kind](classes=classes, **config)
    return {"row": row, "classes": classes, kind: config, "weights": sum(p.numel() for p in net.parameters())}


networks = [
    case("dit", 3, image=[6, 4, 2], patch=2, width=16, depth=2, heads=4, mlp_ratio=2),
    case("dit", 0, image=[3, 3, 1], patch=1, width=12, depth=1, heads=1, mlp_ratio=4),
    case("unet", 3, image=[8, 8, 2], channels=32, mult=[1, 2], blocks=1, attention=[4], heads=2),
    case("unet", 2, image=[8, 4, 1], channels=32, mult=[1, 2], blocks=1, attention=[8], head_channels=16,
         embedding="add", resblock_updown=True),
]
sizes = [
    count("DiT-S/2 of 32x32x4", "dit", 1000, image=[32, 32, 4], patch=2, width=384, depth=12, heads=6, mlp_ratio=4),
    count("ADM of ImageNet-64", "unet", 1000, image=[64, 64, 3], channels=192, mult=[1, 2, 3, 4], blocks=3,
          attention=[32, 16, 8], head_channels=64, resblock_updown=True),
]
table3 = [
    ("CIFAR-10", 32, dict(channels=256, blocks=2, mult=[1, 2, 2, 2], attention=[16])),
    ("ImageNet-32", 32, dict(channels=256, blocks=3, mult=[1, 2, 2, 2], attention=[16, 8])),
    ("ImageNet-64", 64, dict(channels=192, blocks=3, mult=[1, 2, 3, 4], attention=[32, 16, 8])),
    ("ImageNet-128", 128, dict(channels=256, blocks=3, mult=[1, 1, 2, 3, 4], attention=[32, 16, 8])),
]
for row, size, net in table3:
    for more in {}, {"resblock_updown": True}, {"embedding": "add"}:
        name = " ".join(["table 3:", row, *more])
        sizes.append(count(name, "unet", image=[size, size, 3], heads=4, head_channels=64, **net, **more))
line = lambda items: "[\n" + ",\n".join(json.dumps(i) for i in items) + "\n]"
print('{"networks": ' + line(networks) + ',\n"sizes": ' + line(sizes) + "}")
