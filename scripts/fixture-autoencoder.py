"""Writes autoencoder.json, which model/layout is tested with: AutoencoderKL of diffusers, small, with what it
encodes and decodes.

Weights and inputs are made by the formula of fixture-layouts.py, the same in the test, so that the file holds
names, shapes and outputs only. decoder.onnx is a decoder with random weights, and decoder.json what it outputs.

Needs diffusers and, for --onnx, onnx.
Run: python3 scripts/fixture-autoencoder.py model/layout/testdata
"""

import json
import math
import sys

import diffusers
import numpy as np
import torch
from diffusers import AutoencoderKL

torch.set_grad_enabled(False)


def uniform(seed, n):
    """n numbers in [-1/2, 1/2): splitmix64 behind the FNV hash of seed."""
    h = np.uint64(14695981039346656037)
    with np.errstate(over="ignore"):
        for b in seed.encode():
            h = (h ^ np.uint64(b)) * np.uint64(1099511628211)
        z = h + np.arange(1, n + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        z = z ^ (z >> np.uint64(31))
    return (z >> np.uint64(40)).astype(np.float64) / 2**24 - 0.5


def numbers(name, shape):
    u = uniform(name, math.prod(shape))
    if len(shape) > 1:
        v = u * (3 / math.sqrt(math.prod(shape[1:])))
    elif name.endswith("weight"):
        v = 1 + u
    else:
        v = u * 0.5
    return torch.from_numpy(v.astype(np.float32)).reshape(shape)


def points(name, *shape):
    return torch.from_numpy((3 * uniform(name, math.prod(shape))).astype(np.float32)).reshape(shape)


def digits(t):
    return [float(f"{v:.9g}") for v in t.flatten().tolist()]


old = {"to_q": "query", "to_k": "key", "to_v": "value", "to_out.0": "proj_attn"}


def case(name, size, rename=None, drop=(), **settings):
    """rename gives tensors the names of earlier versions; drop are settings that these did not write."""
    net = AutoencoderKL(**settings).eval()
    tensors = []
    for key, v in net.state_dict().items():
        for new, was in (rename or {}).items():
            if ".attentions." in key:
                key = key.replace(f".{new}.", f".{was}.")
        v.copy_(numbers(key, list(v.shape)))
        tensors.append([key, list(v.shape)])
    x = points("images", 2, net.config.in_channels, *size)
    scale, shift = net.config.scaling_factor, net.config.shift_factor or 0
    latent = net.encode(x).latent_dist
    z = points("latents", *latent.mean.shape)
    y = net.decode(z / scale + shift).sample
    config = {k: v for k, v in dict(net.config).items() if k not in drop}
    config["_class_name"] = "AutoencoderKL"
    return {"name": name, "settings": config, "image": [net.config.in_channels, *size],
            "latents": list(z.shape[1:]), "tensors": tensors, "mean": digits((latent.mean - shift) * scale),
            "logvar": digits(latent.logvar), "decoded": digits(y)}


three = dict(down_block_types=["DownEncoderBlock2D"] * 3, up_block_types=["UpDecoderBlock2D"] * 3)
cases = [
    case("as Stable Diffusion's", (16, 24), block_out_channels=[16, 32, 32], layers_per_block=2, latent_channels=4,
         norm_num_groups=8, sample_size=16, rename=old,
         drop=("scaling_factor", "shift_factor", "force_upcast", "use_quant_conv", "use_post_quant_conv",
               "mid_block_add_attention", "latents_mean", "latents_std"), **three),
    case("with a shift, without convolutions of latents", (8, 8), block_out_channels=[16, 16], layers_per_block=1,
         latent_channels=8, norm_num_groups=4, scaling_factor=0.3611, shift_factor=0.1159, use_quant_conv=False,
         use_post_quant_conv=False, down_block_types=["DownEncoderBlock2D"] * 2,
         up_block_types=["UpDecoderBlock2D"] * 2),
    case("of gray images, without attention", (8, 8), in_channels=1, out_channels=1, block_out_channels=[8],
         layers_per_block=1, latent_channels=2, norm_num_groups=4, mid_block_add_attention=False),
]
folder = sys.argv[1]
with open(f"{folder}/autoencoder.json", "w") as f:
    versions = {"torch": torch.__version__, "diffusers": diffusers.__version__}
    f.write("{\"versions\": " + json.dumps(versions) + ",\n\"cases\": [\n")
    f.write(",\n".join(json.dumps(c) for c in cases) + "\n]}\n")


class Decoder(torch.nn.Module):
    def __init__(self, net):
        super().__init__()
        self.net = net

    def forward(self, latent_sample):
        return self.net.decode(latent_sample).sample


torch.manual_seed(1)
net = AutoencoderKL(block_out_channels=[8, 8], layers_per_block=1, latent_channels=4, norm_num_groups=4,
                    down_block_types=["DownEncoderBlock2D"] * 2, up_block_types=["UpDecoderBlock2D"] * 2).eval()
z = points("latents", 1, 4, 4, 6)
axes = {"latent_sample": {0: "batch", 2: "height", 3: "width"}}
torch.onnx.export(Decoder(net), (z,), f"{folder}/decoder.onnx", input_names=["latent_sample"],
                  output_names=["sample"], dynamic_axes=axes, dynamo=False, opset_version=17)
with open(f"{folder}/decoder.json", "w") as f:
    json.dump({"latents": [4, 4, 6], "decoded": digits(net.decode(z).sample)}, f)
    f.write("\n")
