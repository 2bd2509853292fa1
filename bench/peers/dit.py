"""DiT-S/2 in PyTorch: the layers of the public one, so the same number of weights."""
import math

import torch
from torch import nn
from torch.nn import functional as F


class Block(nn.Module):
    """Attention and a perceptron, each with its input shifted and scaled and its result weighed by c (adaLN-zero)."""

    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.norm1 = nn.LayerNorm(width, eps=1e-6, elementwise_affine=False)
        self.norm2 = nn.LayerNorm(width, eps=1e-6, elementwise_affine=False)
        self.qkv, self.proj = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.fc1, self.fc2 = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)
        self.adapt = nn.Linear(width, 6 * width)

    def attention(self, x):
        n, t, w = x.shape
        q, k, v = self.qkv(x).reshape(n, t, 3, self.heads, w // self.heads).permute(2, 0, 3, 1, 4)
        return self.proj(F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(n, t, w))

    def forward(self, x, c):
        shift1, scale1, gate1, shift2, scale2, gate2 = self.adapt(F.silu(c))[:, None].chunk(6, 2)
        x = x + gate1 * self.attention(self.norm1(x) * (1 + scale1) + shift1)
        h = self.fc1(self.norm2(x) * (1 + scale2) + shift2)
        return x + gate2 * self.fc2(F.gelu(h, approximate="tanh"))


class DiT(nn.Module):
    def __init__(self, side=32, channels=4, patch=2, width=384, depth=12, heads=6, classes=1000):
        super().__init__()
        self.patch = nn.Conv2d(channels, width, patch, stride=patch)
        self.side, self.channels, self.kernel = side // patch, channels, patch
        self.time = nn.Sequential(nn.Linear(256, width), nn.SiLU(), nn.Linear(width, width))
        self.label = nn.Embedding(classes + 1, width)
        self.blocks = nn.ModuleList(Block(width, heads) for _ in range(depth))
        self.norm = nn.LayerNorm(width, eps=1e-6, elementwise_affine=False)
        self.adapt, self.last = nn.Linear(width, 2 * width), nn.Linear(width, patch * patch * channels)
        self.register_buffer("positions", torch.randn(1, self.side**2, width))

    def forward(self, t, x, label):
        f = torch.exp(-math.log(10000) * torch.arange(128) / 128)
        a = 1000 * t[:, None] * f
        c = self.time(torch.cat([a.cos(), a.sin()], 1)) + self.label(label)
        x = self.patch(x).flatten(2).transpose(1, 2) + self.positions
        for block in self.blocks:
            x = block(x, c)
        shift, scale = self.adapt(F.silu(c))[:, None].chunk(2, 2)
        x = self.last(self.norm(x) * (1 + scale) + shift)
        n, s, k = len(x), self.side, self.kernel
        return x.reshape(n, s, s, k, k, self.channels).permute(0, 5, 1, 3, 2, 4).reshape(n, self.channels, s * k, s * k)
