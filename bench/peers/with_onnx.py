"""onnxruntime as a peer; see peer.py. Usage: with_onnx.py THREADS"""
import os
import sys
import tempfile
from functools import partial

import onnxruntime
import torch

import networks
import peer


def velocity(make, shape, batch, threads):
    """One evaluation of a network, which PyTorch writes as an ONNX file of this batch."""
    net = make().eval()
    x, t, label = torch.randn(batch, *shape), torch.full((batch,), 0.5), torch.randint(0, 1000, (batch,))
    names = ["t", "x", "label"]
    with tempfile.TemporaryDirectory() as folder:
        file = os.path.join(folder, "net.onnx")
        with torch.no_grad():
            torch.onnx.export(net, (t, x, label), file, input_names=names, dynamo=True, verbose=False)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
        session = onnxruntime.InferenceSession(file, options, ["CPUExecutionProvider"])
    known = {i.name for i in session.get_inputs()}
    given = {n: v.numpy() for n, v in zip(names, (t, x, label)) if n in known}
    return {"onnxruntime": lambda: session.run(None, given)}


def main():
    threads = int(sys.argv[1])
    torch.set_num_threads(threads)
    cases = {f"velocity {name} B{batch}": partial(velocity, make, shape, batch, threads)
             for name, make, shape, batch in networks.velocities()}
    peer.serve({"onnxruntime": onnxruntime.__version__}, cases)


if __name__ == "__main__":
    main()
