"""Trains on large data as programs over torch do, for scripts/large.sh.

large.py csv|parquet|jpegs PATH       reads by pandas, pyarrow or Pillow, a DataLoader, a perceptron, 300 (200) steps
large.py make PATH ROWS               writes rows of 20 numbers as Parquet, a million at a time
"""

import pathlib
import sys
import time

import numpy as np


def make(path, rows):
    import pyarrow as pa
    import pyarrow.parquet as pq

    rng, out = np.random.default_rng(1), None
    for start in range(0, rows, 1_000_000):
        x = rng.standard_normal((min(1_000_000, rows - start), 20))
        x[:, 1] += np.sin(x[:, 0])
        t = pa.table({f"c{k}": x[:, k] for k in range(20)})
        out = out or pq.ParquetWriter(path, t.schema)
        out.write_table(t, row_group_size=100_000)
    out.close()


def table(kind, path):
    if kind == "csv":
        import pandas

        x = pandas.read_csv(path).to_numpy("float32")
    else:
        import pyarrow.parquet as pq

        t = pq.read_table(path)
        x = np.empty((t.num_rows, t.num_columns), "float32")
        for k in range(t.num_columns):
            x[:, k] = t.column(k).to_numpy()
        del t
    x -= x.mean(0)
    x /= x.std(0)
    return x


def main():
    if sys.argv[1] == "make":
        make(sys.argv[2], int(sys.argv[3]))
        return
    import torch
    from torch.utils.data import DataLoader, Dataset, TensorDataset

    class Images(Dataset):
        def __init__(self, folder):
            self.files = sorted(pathlib.Path(folder).rglob("*.jpg"))

        def __len__(self):
            return len(self.files)

        def __getitem__(self, i):
            from PIL import Image

            with Image.open(self.files[i]) as f:
                f = f.convert("RGB").resize((64, 64), Image.Resampling.BOX)
                return (torch.from_numpy(np.asarray(f, "float32") / 127.5 - 1).flatten(),)

    kind, path = sys.argv[1:]
    images = kind == "jpegs"
    data = Images(path) if images else TensorDataset(torch.from_numpy(table(kind, path)))
    steps, batch, hidden = (200, 64, [64]) if images else (300, 256, [256] * 3)
    loader = DataLoader(data, batch, shuffle=True, drop_last=True, num_workers=2 if images else 0)
    dim = 64 * 64 * 3 if images else data.tensors[0].shape[1]
    sizes = [dim + 1, *hidden, dim]
    layers = [m for a, b in zip(sizes, sizes[1:]) for m in (torch.nn.Linear(a, b), torch.nn.SiLU())]
    net = torch.nn.Sequential(*layers[:-1])
    opt = torch.optim.AdamW(net.parameters(), 1e-3)
    taken, start = 0, time.perf_counter()
    while taken < steps:
        for (x1,) in loader:
            x0, t = torch.randn_like(x1), torch.rand(len(x1), 1)
            v = net(torch.cat([(1 - t) * x0 + t * x1, t], 1))
            opt.zero_grad()
            ((v - (x1 - x0)) ** 2).mean().backward()
            opt.step()
            taken += 1
            if taken == steps:
                break
    print("steps", taken)
    print("seconds", time.perf_counter() - start)


main()
