"""ForestDiffusion as a peer, with its defaults: models flow and diffusion; see tables.py.

As in its example, a target of classes is the label that a model is learnt for each of. What is missing in a column of
levels is a level for samples, and numbers may be missing while it learns; its samples are whole. Its own one-hot
coding takes a hole for the first level: for imputation, which only the diffusion has, levels are coded here.
"""
import numpy as np
from ForestDiffusion import ForestDiffusionModel

import tables


def learn(q, x, **how):
    kind = {"flow": "flow", "diffusion": "vp"}[q["model"]]
    return ForestDiffusionModel(x, diffusion_type=kind, n_jobs=q["threads"], seed=q["seed"], **how)


class Codes:
    """The levels that occur in a column as 0, 1, ..., with one for what is missing."""

    def __init__(self, v):
        self.values = [*np.unique(v[~np.isnan(v)]), *([np.nan] if np.isnan(v).any() else [])]

    def __call__(self, v):
        known = self.values if not np.isnan(self.values[-1]) else self.values[:-1]
        return np.where(np.isnan(v), len(known), np.searchsorted(known, v)).astype(float)

    def back(self, v):
        return np.array(self.values)[np.clip(np.round(v), 0, len(self.values) - 1).astype(int)]


def samples(q):
    x, columns = tables.read(q), q["columns"]
    codes = {k: Codes(x[:, k]) for k, c in enumerate(columns) if c["kind"] in ("binary", "category")}
    for k, code in codes.items():
        x[:, k] = code(x[:, k])
    target = next(k for k, c in enumerate(columns) if c["name"] == q["target"])
    label = target if target in codes else None
    rest = [k for k in range(len(columns)) if k != label]
    # It finds the columns of a level by their numbers as texts, in which 1 is in 11: levels come first.
    several = [k for k in rest if k in codes and len(codes[k].values) > 2]
    order = several + [k for k in rest if k not in several]
    at = lambda those: [order.index(k) for k in order if those(k)]
    model = learn(q, x[:, order], label_y=None if label is None else x[:, label],
                  cat_indexes=at(lambda k: k in several), bin_indexes=at(lambda k: k in codes and k not in several),
                  int_indexes=at(lambda k: columns[k]["kind"] in ("integer", "ordered")))
    drawn = model.generate(batch_size=q["n"])
    out = np.empty((len(drawn), len(columns)))
    out[:, order + ([] if label is None else [label])] = drawn
    for k, code in codes.items():
        out[:, k] = code.back(out[:, k])
    return [out]


def imputation(q):
    x, columns = tables.read(q), q["columns"]
    z, undo = tables.one_hot(x, columns)
    whole, at = [], 0
    for c in columns:
        width = len(c["levels"]) if c["kind"] == "category" and len(c["levels"]) > 2 else 1
        if width == 1 and c["kind"] != "real":
            whole.append(at)
        at += width
    drawn = learn(q, z, int_indexes=whole).impute(k=q["n"])
    filled = [undo(d) for d in drawn.reshape(-1, *z.shape)]
    return [np.where(np.isnan(x), f, x) for f in filled]


if __name__ == "__main__":
    tables.main(["ForestDiffusion", "xgboost"], lambda q: {"samples": samples, "imputation": imputation}[q["task"]](q))
