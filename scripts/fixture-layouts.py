"""Writes layouts.json, which model/layout is tested with: networks of other programs, made of
their own public sources, with what they output.

Weights and inputs are made by a formula, the same in the test, so that the file holds names,
shapes and outputs only; numbers that the formula is not for stand in it. Layers that begin at
zero are made non-zero by it, too.

SOURCES holds the checkouts guided-diffusion (22e0df8), DiT (ed81ce2), SiT (947f95b) and
flow_matching (11568d3); torchcfm, diffusers and timm are packages.
Run: python3 scripts/fixture-layouts.py SOURCES > model/layout/testdata/layouts.json
"""

import importlib
import json
import math
import re
import sys

import diffusers
import numpy as np
import timm
import torch
import torchcfm
from torchcfm.models import MLP
from torchcfm.models.unet.unet import UNetModelWrapper

sources = sys.argv[1]
torch.set_grad_enabled(False)


def load(folder, module):
    """Imports a module of a checkout; models of several are called the same."""
    sys.path.insert(0, f"{sources}/{folder}")
    for name in [n for n in sys.modules if n.split(".")[0] == module.split(".")[0]]:
        del sys.modules[name]
    found = importlib.import_module(module)
    sys.path.pop(0)
    return found


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
    n = math.prod(shape)
    u = uniform(name, n)
    if len(shape) > 1:
        v = u * (3 / math.sqrt(math.prod(shape[1:])))
    elif name.endswith("weight"):
        v = 1 + u
    else:
        v = u * 0.5
    return torch.from_numpy(v.astype(np.float32)).reshape(shape)


def seed(name):
    """The name by which a tensor has its numbers: diffusers' DiT has the same embeddings in each block."""
    return re.sub(r"transformer_blocks\.\d+\.norm1\.emb", "transformer_blocks.0.norm1.emb", name)


cases = []


def case(name, layout, net, call, shape, settings, times, ts, labels=None, kept=(), channels=None):
    """kept are tensors whose numbers stand in the file; times are what net is called with, ts ours."""
    net.eval()
    state = net.state_dict()
    tensors, values = [], {}
    for key, v in state.items():
        tensors.append([key, list(v.shape)])
        if key in kept:
            values[key] = v.flatten().tolist()
        else:
            v.copy_(numbers(seed(key), list(v.shape)))
    x = torch.from_numpy((3 * uniform("x", 2 * math.prod(shape))).astype(np.float32)).reshape(2, *shape)
    outputs = []
    for i, t in enumerate(times):
        label = None if labels is None else torch.tensor([labels[i]] * 2)
        y = call(net, x, torch.tensor([t] * 2), label)
        if channels:
            y = y[:, :channels]
        outputs.append([float(f"{v:.9g}") for v in y.flatten().tolist()])
    cases.append({"name": name, "layout": layout, "settings": settings, "shape": list(shape), "tensors": tensors,
                  "numbers": values, "times": ts, "labels": labels, "outputs": outputs})


# Steps 0 to 999 of a diffusion are the times 1 - (k+1)/1000; these are times that float32 has.
steps, step_times = [624, 124], [0.375, 0.875]
flow_times = [0.375, 0.875]

adm = load("guided-diffusion", "guided_diffusion.unet")
for name, order, updown, heads in [("legacy", False, False, dict(num_heads=4)),
                                   ("new", True, True, dict(num_head_channels=16))]:
    net = adm.UNetModel(image_size=8, in_channels=3, model_channels=32, out_channels=6, num_res_blocks=1,
                        attention_resolutions=(2,), channel_mult=(1, 2), num_classes=3, use_scale_shift_norm=True,
                        resblock_updown=updown, use_new_attention_order=order, **heads)
    case("ADM, attention in " + name + " order", "guided-diffusion", net, lambda n, x, t, y: n(x, t, y), (3, 8, 8),
         {"image_size": 8, "num_channels": 32, "num_res_blocks": 1, "channel_mult": "1,2", "learn_sigma": True,
          "class_cond": True, "use_new_attention_order": order, "resblock_updown": updown, **heads},
         steps, step_times, [2, 0], channels=3)

net = UNetModelWrapper(dim=(3, 8, 8), num_channels=32, num_res_blocks=1, channel_mult=[1, 2], num_heads=4,
                       num_head_channels=16, attention_resolutions="4", dropout=0.1)
case("torchcfm's UNet", "torchcfm", net, lambda n, x, t, y: n(t, x), (3, 8, 8),
     {"image_size": 8, "num_heads": 4, "num_head_channels": 16, "num_channels": 32}, flow_times, flow_times)
net = UNetModelWrapper(dim=(1, 8, 8), num_channels=32, num_res_blocks=2, channel_mult=[1], num_heads=2, class_cond=True,
                       num_classes=3, attention_resolutions="8", use_new_attention_order=True)
case("torchcfm's UNet with classes", "torchcfm", net, lambda n, x, t, y: n(t, x, y), (1, 8, 8),
     {"image_size": 8, "num_heads": 2, "use_new_attention_order": True}, flow_times, flow_times, [1, 2])

for varying in [True, False]:
    net = MLP(dim=2, w=16, time_varying=varying)
    case(f"torchcfm's MLP, time_varying {varying}", "torchcfm", net,
         lambda n, x, t, y: n(torch.cat([x, t[:, None]], 1) if varying else x), (2,), {}, flow_times, flow_times)

fm = load("flow_matching/examples/image", "models.unet")
net = fm.UNetModel(in_channels=3, model_channels=32, out_channels=3, num_res_blocks=2, attention_resolutions=[2],
                   channel_mult=[2, 1], conv_resample=False, num_heads=1, use_scale_shift_norm=True,
                   use_new_attention_order=True)
case("flow_matching's UNet as for CIFAR-10", "flow-matching", net, lambda n, x, t, y: n(x, t, {}), (3, 8, 8),
     {"image_size": 8, "num_heads": 1}, flow_times, flow_times)
net = fm.UNetModel(in_channels=3, model_channels=32, out_channels=3, num_res_blocks=1, attention_resolutions=[2],
                   channel_mult=[1, 2], num_heads=4, num_head_channels=16, num_classes=3, use_scale_shift_norm=True,
                   resblock_updown=True, use_new_attention_order=True)
table = net.label_emb.weight
table.copy_(numbers("label_emb.weight", list(table.shape)))
table[3] = 0  # the row of no label, which is not learnt
case("flow_matching's UNet as for ImageNet", "flow-matching", net,
     lambda n, x, t, y: n(x, t, {} if int(y[0]) < 0 else {"label": y}), (3, 8, 8),
     {"image_size": 8, "num_head_channels": 16, "num_heads": 4}, flow_times, flow_times, [2, -1],
     kept=["label_emb.weight"])

dit = load("DiT", "models")
net = dit.DiT(input_size=8, patch_size=2, in_channels=3, hidden_size=32, depth=2, num_heads=4, num_classes=3)
case("DiT", "dit", net, lambda n, x, t, y: n(x, t, torch.where(y < 0, 3, y)), (3, 8, 8),
     {"num_heads": 4, "num_classes": 3}, steps, step_times, [2, -1], kept=["pos_embed"], channels=3)
sit = load("SiT", "models")
for learnt in [True, False]:
    net = sit.SiT(input_size=8, patch_size=2, in_channels=4, hidden_size=32, depth=2, num_heads=4, num_classes=3,
                  learn_sigma=learnt)
    case(f"SiT, learn_sigma {learnt}", "sit", net, lambda n, x, t, y: n(x, t, torch.where(y < 0, 3, y)), (4, 8, 8),
         {"num_heads": 4, "learn_sigma": learnt}, flow_times, flow_times, [2, -1], kept=["pos_embed"])

for name, make, labels in [
    ("as DDPM", dict(flip_sin_to_cos=False, freq_shift=1, norm_eps=1e-6, downsample_padding=0, attention_head_dim=None,
                     block_out_channels=(32, 64), down_block_types=("DownBlock2D", "AttnDownBlock2D"),
                     up_block_types=("AttnUpBlock2D", "UpBlock2D"), layers_per_block=1), None),
    ("with classes", dict(block_out_channels=(16, 16), down_block_types=("AttnDownBlock2D", "DownBlock2D"), norm_num_groups=8,
                          up_block_types=("UpBlock2D", "AttnUpBlock2D"), layers_per_block=2, attention_head_dim=8,
                          num_class_embeds=3), [2, 1]),
]:
    net = diffusers.UNet2DModel(sample_size=8, **make)
    case("UNet2DModel " + name, "diffusers", net, lambda n, x, t, y: n(x, t, class_labels=y).sample, (3, 8, 8),
         dict(net.config), steps, step_times, labels)

net = diffusers.DiTTransformer2DModel(num_attention_heads=4, attention_head_dim=8, in_channels=4, out_channels=8,
                                      num_layers=2, sample_size=8, num_embeds_ada_norm=3)
case("DiTTransformer2DModel", "diffusers", net,
     lambda n, x, t, y: n(x, timestep=t, class_labels=torch.where(y < 0, 3, y)).sample, (4, 8, 8), dict(net.config), steps,
     step_times, [2, -1], channels=4)

net = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.SiLU(), torch.nn.Dropout(0.1), torch.nn.Linear(8, 6),
                          torch.nn.SiLU(), torch.nn.Linear(6, 3))
case("nn.Sequential", "sequential", net, lambda n, x, t, y: n(torch.cat([x, t[:, None]], 1)), (3,),
     {"activation": "silu"}, flow_times, flow_times)

versions = {"torch": torch.__version__, "diffusers": diffusers.__version__, "timm": timm.__version__,
            "torchcfm": importlib.metadata.version("torchcfm")}
print("{\"versions\": " + json.dumps(versions) + ",\n\"cases\": [")
print(",\n".join(json.dumps(c) for c in cases))
print("]}")
