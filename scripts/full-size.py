"""Makes networks of others in full size, with random weights, and what they output: a check that is run by hand,
for it takes minutes and gigabytes.

SOURCES holds the checkouts DiT (ed81ce2) and SiT (947f95b); torchcfm, diffusers and timm are packages. OUT gets a
folder for each of the names: dit-s, torchcfm, sit-xl, vae.
Run: python3 scripts/full-size.py SOURCES OUT NAME...
     FLOWMATCH_FULL_SIZE=OUT/NAME go test ./model/layout -run FullSize -v
"""

import importlib
import json
import os
import sys
import time

import numpy as np
import torch
from safetensors.torch import save_file

sources, out, names = sys.argv[1], sys.argv[2], sys.argv[3:]
torch.set_grad_enabled(False)
torch.manual_seed(0)


def load(folder):
    sys.path.insert(0, f"{sources}/{folder}")
    sys.modules.pop("models", None)
    found = importlib.import_module("models")
    sys.path.pop(0)
    return found


def randomize(net):
    """Numbers as large as in a trained network, also where layers begin at zero."""
    for name, v in net.state_dict().items():
        if name in ("pos_embed", "label_emb.weight"):
            continue
        if v.dim() > 1:
            v.normal_(0, 0.7 / (v[0].numel() ** 0.5))
        elif name.endswith("weight"):
            v.normal_(1, 0.1)
        else:
            v.normal_(0, 0.05)


def case(name, layout, net, call, shape, settings, times, ts, labels=None, channels=None):
    net.eval()
    randomize(net)
    folder = f"{out}/{name}"
    os.makedirs(folder, exist_ok=True)
    x = torch.randn(2, *shape)
    outputs, seconds = [], []
    for i, t in enumerate(times):
        label = None if labels is None else torch.tensor([labels[i]] * 2)
        began = time.time()
        y = call(net, x, torch.tensor([t] * 2), label)
        seconds.append(time.time() - began)
        outputs.append(y[:, :channels].flatten().tolist())
    save_file({k: v.contiguous() for k, v in net.state_dict().items()}, f"{folder}/model.safetensors")
    with open(f"{folder}/case.json", "w") as f:
        json.dump({"name": name, "layout": layout, "settings": settings, "shape": list(shape), "times": ts,
                   "labels": labels, "points": x.flatten().tolist(), "outputs": outputs}, f)
    weights = sum(v.numel() for v in net.state_dict().values())
    print(f"{name}: {weights / 1e6:.1f} M numbers, {seconds} s for 2 points in PyTorch {torch.__version__} on "
          f"{torch.get_num_threads()} threads", flush=True)


steps, step_times, flow_times = [624, 124], [0.375, 0.875], [0.375, 0.875]
if "dit-s" in names:
    net = load("DiT").DiT_models["DiT-S/2"](input_size=32, num_classes=1000)
    case("dit-s", "dit", net, lambda n, x, t, y: n(x, t, y), (4, 32, 32), {"num_heads": 6}, steps, step_times,
         [207, 1000 - 1], channels=4)
if "sit-xl" in names:
    net = load("SiT").SiT_models["SiT-XL/2"](input_size=32, num_classes=1000, learn_sigma=True)
    case("sit-xl", "sit", net, lambda n, x, t, y: n(x, t, y), (4, 32, 32), {"num_heads": 16}, flow_times, flow_times,
         [207, 360], channels=4)
if "torchcfm" in names:
    from torchcfm.models.unet.unet import UNetModelWrapper

    net = UNetModelWrapper(dim=(3, 32, 32), num_res_blocks=2, num_channels=128, channel_mult=[1, 2, 2, 2], num_heads=4,
                           num_head_channels=64, attention_resolutions="16", dropout=0.1)
    case("torchcfm", "torchcfm", net, lambda n, x, t, y: n(t, x), (3, 32, 32),
         {"image_size": 32, "num_heads": 4, "num_head_channels": 64}, flow_times, flow_times)
if "vae" in names:
    from diffusers import AutoencoderKL

    net = AutoencoderKL(block_out_channels=[128, 256, 512, 512], layers_per_block=2, latent_channels=4, sample_size=256,
                        down_block_types=["DownEncoderBlock2D"] * 4, up_block_types=["UpDecoderBlock2D"] * 4)
    net.save_pretrained(f"{out}/vae")  # as drawn, which is as large as trained weights
    z = torch.randn(1, 4, 32, 32)
    began = time.time()
    y = net.decode(z / net.config.scaling_factor).sample
    print(f"vae: {time.time() - began:.2f} s for an image of 256 by 256", flush=True)
    np.save(f"{out}/vae/latents.npy", z.permute(0, 2, 3, 1).flatten(1).numpy().astype(np.float64))
    np.save(f"{out}/vae/decoded.npy", y.permute(0, 2, 3, 1).flatten(1).numpy().astype(np.float64))
