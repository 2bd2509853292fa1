"""Compares an ONNX file of flowmatch export with the points of its --check.

Usage: check-onnx.py FILE.onnx FOLDER
"""

import pathlib
import sys

import numpy as np
import onnx
import onnxruntime

TOLERANCE = 1e-4  # of the largest output


def main(file, folder):
    onnx.checker.check_model(onnx.load(file), full_check=True)
    session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    arrays = {p.stem: np.load(p) for p in pathlib.Path(folder).glob("*.npy")}
    want = arrays["output"]
    if "steps" in arrays:
        return sampler(session, arrays)
    feed = {}
    for port in session.get_inputs():
        dtype = np.int64 if port.type == "tensor(int64)" else np.float32
        feed[port.name] = arrays[port.name].astype(dtype).reshape(-1, *port.shape[1:])
        print(f"  {port.name}: {port.type} {port.shape}")
    scale = np.abs(want).max()
    failed = False
    for n in 1, 3, 64:
        worst = 0.0
        for i in range(0, len(want) - n + 1, n):
            (got,) = session.run(None, {k: v[i : i + n] for k, v in feed.items()})
            worst = max(worst, np.abs(got.reshape(n, -1) - want[i : i + n]).max())
        good = worst <= TOLERANCE * scale
        failed |= not good
        print(f"  batch {n}: difference {worst:.2e}, of outputs up to {scale:.3g}: {'good' if good else 'TOO LARGE'}")
    return failed


def sampler(session, arrays):
    """The file of a sampler, in each number of steps."""
    feed = {}
    for port in session.get_inputs():
        print(f"  {port.name}: {port.type} {port.shape}")
        if port.name != "steps":
            dtype = np.int64 if port.type == "tensor(int64)" else np.float32
            feed[port.name] = arrays[port.name].astype(dtype).reshape(-1, *port.shape[1:])
    n = len(feed["noise"])
    worst = 0.0
    for k, steps in enumerate(arrays["steps"].ravel().astype(np.int64)):
        want = arrays["output"][k * n : (k + 1) * n]
        (got,) = session.run(None, {**feed, "steps": np.array(steps)})
        worst = max(worst, np.abs(got.reshape(n, -1) - want).max() / np.abs(want).max())
    good = worst <= TOLERANCE
    first, last = arrays["steps"].ravel()[[0, -1]]
    print(f"  {first:g} to {last:g} steps: difference {worst:.2e} of the samples: {'good' if good else 'TOO LARGE'}")
    return not good


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
