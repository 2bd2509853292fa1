"""ctgan as a peer, with its defaults: models ctgan and tvae; see tables.py.

It takes no missing numbers. As its authors' SDV does, the mean stands in their place; a column of levels says where
they are, and what is missing in a column of levels is a level.
"""
import numpy as np
import pandas as pd
import torch
from ctgan import CTGAN, TVAE

import tables

NONE = "missing"


def answer(q):
    x, columns = tables.read(q), q["columns"]
    data, discrete = {}, []
    for k, c in enumerate(columns):
        v, name = x[:, k], str(k)
        hole = np.isnan(v)
        if c.get("levels"):
            data[name] = [NONE if h else str(int(a)) for a, h in zip(v, hole)]
            discrete.append(name)
            continue
        full = np.where(hole, np.nanmean(v), v)
        data[name] = np.round(full).astype(int) if c["kind"] == "integer" else full
        if hole.any():
            data[name + NONE] = np.where(hole, NONE, "there")
            discrete.append(name + NONE)
    torch.set_num_threads(q["threads"])
    torch.manual_seed(q["seed"])
    np.random.seed(q["seed"] % 2**32)
    model = {"ctgan": CTGAN, "tvae": TVAE}[q["model"]](enable_gpu=False)
    model.fit(pd.DataFrame(data), discrete)
    drawn = model.sample(q["n"])
    out = np.empty((q["n"], len(columns)))
    for k, c in enumerate(columns):
        v = drawn[str(k)]
        out[:, k] = [np.nan if a == NONE else float(a) for a in v] if c.get("levels") else v.astype(float)
        if str(k) + NONE in drawn:
            out[drawn[str(k) + NONE] == NONE, k] = np.nan
    return [out]


if __name__ == "__main__":
    tables.main(["ctgan", "torch"], answer)
