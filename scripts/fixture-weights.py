"""Writes the files that model/weights is tested with: the same few tensors as PyTorch and
safetensors save them, and what the numbers are.

Run: python3 scripts/fixture-weights.py model/weights/testdata
"""

import argparse
import collections
import json
import pathlib
import sys

import numpy
import safetensors
import safetensors.torch
import torch

out = pathlib.Path(sys.argv[1])
out.mkdir(parents=True, exist_ok=True)
torch.manual_seed(1)
net = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.SiLU(), torch.nn.Linear(4, 2))
ema = {k: v.detach() * 0.5 for k, v in net.state_dict().items()}
state = collections.OrderedDict((k, v.detach().clone()) for k, v in net.state_dict().items())


def cast(d, dtype):
    return collections.OrderedDict((k, v.to(dtype)) for k, v in d.items())


def legacy(obj, name, protocol=2):
    torch.save(obj, out / name, _use_new_zipfile_serialization=False, pickle_protocol=protocol)


torch.save(state, out / "float32.pt")
torch.save(cast(state, torch.float16), out / "float16.pt")
torch.save(cast(state, torch.bfloat16), out / "bfloat16.pt")
torch.save(cast(state, torch.float64), out / "float64.pt")
torch.save(state, out / "protocol4.pt", pickle_protocol=4)
legacy(state, "legacy.pt")
legacy(cast(state, torch.bfloat16), "legacy-bfloat16.pth")

# A checkpoint: nested dictionaries, an optimizer, settings, numbers of numpy.
opt = torch.optim.Adam(net.parameters())
net(torch.ones(1, 3)).sum().backward()
opt.step()
checkpoint = {
    "net_model": {"module." + k: v for k, v in state.items()},
    "ema_model": {"module._orig_mod." + k: v for k, v in ema.items()},
    "optim": opt.state_dict(),
    "args": argparse.Namespace(lr=1e-4, name="small"),
    "step": 7,
    "loss": numpy.float64(0.25),
    "big": 2**80,
    "shape": torch.Size([2, 3]),
}
torch.save(checkpoint, out / "checkpoint.ckpt")
legacy(checkpoint, "checkpoint-legacy.ckpt")

# Tensors that are views: a transposed one, parts of one storage, a parameter.
base = torch.arange(24.0).reshape(4, 6)
views = {"t": base.t(), "part": base[1:3, 2:5], "scalar": torch.tensor(2.5), "none": torch.zeros(0, 3),
         "parameter": torch.nn.Parameter(base[0]), "long": torch.arange(3), "column": base[:, 1]}
torch.save(views, out / "views.pt")
legacy(views, "views-legacy.pt")


# A model beside its average, which is a list in the order of the weights, as flow_matching saves it.
shadow = {"model." + k: v for k, v in state.items()}
shadow["num_updates"] = torch.tensor(3)
shadow.update({f"shadow_params.{i}": v * 0.5 for i, v in enumerate(state.values())})
torch.save({"model": shadow, "epoch": 1}, out / "shadow.pth")

# The same as the packages torch_ema and diffusers save it, in a tuple, beside the state of a generator of numpy.
averages = {"decay": 0.9, "shadow_params": [v * 0.5 for v in state.values()], "collected_params": None}
torch.save((1, {"model": state, "ema": averages, "rng": numpy.random.RandomState(1).get_state()}), out / "list.pth")


class Mine:
    pass


torch.save({"weight": base, "model": Mine()}, out / "class.pt")

safetensors.torch.save_file(state, out / "float32.safetensors", metadata={"format": "pt"})
safetensors.torch.save_file(cast(state, torch.bfloat16), out / "bfloat16.safetensors")
safetensors.torch.save_file(cast(state, torch.float16), out / "float16.safetensors")
names = sorted(state)
parts = {"model-00001-of-00002.safetensors": names[:2], "model-00002-of-00002.safetensors": names[2:]}
for file, keys in parts.items():
    safetensors.torch.save_file({k: state[k] for k in keys}, out / file)
index = {"metadata": {}, "weight_map": {k: f for f, keys in parts.items() for k in keys}}
(out / "model.safetensors.index.json").write_text(json.dumps(index, indent=1) + "\n")

expected = {
    "versions": {"torch": torch.__version__, "safetensors": safetensors.__version__, "numpy": numpy.__version__},
    "state": {k: v.flatten().tolist() for k, v in state.items()},
    "float16": {k: v.half().float().flatten().tolist() for k, v in state.items()},
    "bfloat16": {k: v.bfloat16().float().flatten().tolist() for k, v in state.items()},
    "ema": {k: v.flatten().tolist() for k, v in ema.items()},
    "views": {k: v.detach().float().flatten().tolist() for k, v in views.items() if v.is_floating_point()},
    "shapes": {k: list(v.shape) for k, v in {**state, **views}.items()},
}
(out / "expected.json").write_text(json.dumps(expected, indent=1) + "\n")
