"""The UNet of flowmatch's comparison in PyTorch: the same layers, so the same number of weights."""
import math

import torch
from torch import nn
from torch.nn import functional as F


def norm(channels):
    groups = 32
    while channels % groups:
        groups //= 2
    return nn.GroupNorm(groups, channels)


class Block(nn.Module):
    """x + conv(silu(scale-shift(norm(conv(silu(norm(x)))))))."""

    def __init__(self, inputs, outputs, embedding):
        super().__init__()
        self.norm1, self.conv1 = norm(inputs), nn.Conv2d(inputs, outputs, 3, padding=1)
        self.embed = nn.Linear(embedding, 2 * outputs)
        self.norm2, self.conv2 = norm(outputs), nn.Conv2d(outputs, outputs, 3, padding=1)
        self.skip = nn.Identity() if inputs == outputs else nn.Conv2d(inputs, outputs, 1)

    def forward(self, x, e):
        h = self.conv1(F.silu(self.norm1(x)))
        scale, shift = self.embed(e)[:, :, None, None].chunk(2, 1)
        return self.skip(x) + self.conv2(F.silu(self.norm2(h) * (1 + scale) + shift))


class Attention(nn.Module):
    """x + proj(attention(norm(x))) over the pixels."""

    def __init__(self, channels, head):
        super().__init__()
        self.heads = channels // head
        self.norm, self.qkv, self.proj = norm(channels), nn.Conv1d(channels, 3 * channels, 1), nn.Conv1d(channels, channels, 1)

    def forward(self, x, _):
        n, c, h, w = x.shape
        q, k, v = self.qkv(self.norm(x).reshape(n, c, h * w)).reshape(n, self.heads, 3, c // self.heads, h * w).transpose(-1, -2).unbind(2)
        y = F.scaled_dot_product_attention(q, k, v).transpose(-1, -2).reshape(n, c, h * w)
        return x + self.proj(y).reshape(x.shape)


class UNet(nn.Module):
    def __init__(self, side, channels, mult, blocks, attention, head, images=1, classes=10):
        super().__init__()
        hidden = 4 * channels
        self.channels = channels
        self.time = nn.Sequential(nn.Linear(channels, hidden), nn.SiLU(), nn.Linear(hidden, hidden))
        self.label = nn.Embedding(classes, hidden)
        self.first = nn.Conv2d(images, channels, 3, padding=1)
        width, skips, self.down, self.up = channels, [channels], nn.ModuleList(), nn.ModuleList()
        for i, m in enumerate(mult):
            for _ in range(blocks):
                parts = [Block(width, channels * m, hidden)]
                width = channels * m
                parts += [Attention(width, head)] if side in attention else []
                self.down.append(nn.ModuleList(parts))
                skips.append(width)
            if i < len(mult) - 1:
                self.down.append(nn.Conv2d(width, width, 3, stride=2, padding=1))
                skips.append(width)
                side //= 2
        self.middle = nn.ModuleList([Block(width, width, hidden), Attention(width, head), Block(width, width, hidden)])
        for i, m in reversed(list(enumerate(mult))):
            for k in range(blocks + 1):
                parts = [Block(width + skips.pop(), channels * m, hidden)]
                width = channels * m
                parts += [Attention(width, head)] if side in attention else []
                grow = nn.Conv2d(width, width, 3, padding=1) if i and k == blocks else None
                self.up.append(nn.ModuleDict({"parts": nn.ModuleList(parts), **({"grow": grow} if grow else {})}))
                side *= 2 if grow else 1
        self.norm, self.last = norm(width), nn.Conv2d(width, images, 3, padding=1)

    def forward(self, t, x, label):
        half = self.channels // 2
        phase = 1000 * t[:, None] * torch.exp(-math.log(10000) * torch.arange(half, device=t.device) / half)
        e = F.silu(self.time(torch.cat([phase.cos(), phase.sin()], 1)) + self.label(label))
        h = self.first(x)
        skips = [h]
        for part in self.down:
            if isinstance(part, nn.ModuleList):
                for layer in part:
                    h = layer(h, e)
            else:
                h = part(h)
            skips.append(h)
        for layer in self.middle:
            h = layer(h, e)
        for part in self.up:
            h = torch.cat([h, skips.pop()], 1)
            for layer in part["parts"]:
                h = layer(h, e)
            if "grow" in part:
                h = part["grow"](F.interpolate(h, scale_factor=2, mode="nearest"))
        return self.last(F.silu(self.norm(h)))
