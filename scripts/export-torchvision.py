"""Writes classifiers of torchvision, with random weights, as ONNX files, with images
and what PyTorch makes of them.

Usage: export-torchvision.py FOLDER
"""

import pathlib
import sys

import torch
import torchvision.models as models

SIDES = {"inception_v3": 299, "resnet18": 64, "mobilenet_v3_small": 64, "densenet121": 64}


def main(folder):
    torch.manual_seed(0)
    for name, side in SIDES.items():
        options = {"init_weights": False} if name == "inception_v3" else {}
        net = getattr(models, name)(weights=None, **options).eval()
        for m in net.modules():  # statistics that are not 0 and 1
            if isinstance(m, torch.nn.BatchNorm2d):
                m.running_mean.uniform_(-0.3, 0.3)
                m.running_var.uniform_(0.5, 2)
        x = torch.rand(2, 3, side, side)
        file = pathlib.Path(folder) / name
        torch.onnx.export(net, (x,), f"{file}.onnx", input_names=["x"], dynamic_axes={"x": {0: "N"}}, dynamo=False)
        with torch.no_grad():
            y = net(x)
        x.numpy().tofile(f"{file}.x")
        y.numpy().tofile(f"{file}.y")


if __name__ == "__main__":
    main(*sys.argv[1:])
