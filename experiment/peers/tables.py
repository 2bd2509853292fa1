"""What the peers of tables share: the conversation, and rows as numbers and back.

A peer says its versions, and takes one line of JSON:

    {"seed": 1, "model": one of its own, "task": "samples" or "imputation", "table": "train.csv", "out": where to,
     "n": rows to draw, or how often to fill in, "target": a column, "threads": to use,
     "columns": [{"name": "age", "kind": "real, integer, binary, category or ordered", "levels": ["a", "b"]}]}

An empty field of the table is missing. The peer leaves samples, or the table n times with its holes filled in, one
below the other and numbered from 1 in a first column "imputation", and answers {"threads": used}.
"""
import os
import sys
import tempfile

import numpy as np
import pandas as pd

from talk import hear, say


def levels_of(column):
    return column.get("levels") or None


def read(q):
    """The table as numbers [N, C]: those of the file, and the places of levels; NaN is missing."""
    texts = pd.read_csv(q["table"], dtype=str, keep_default_na=False)
    columns = []
    for c in q["columns"]:
        text, levels = texts[c["name"]], levels_of(c)
        if levels:
            place = {level: k for k, level in enumerate(levels)}
            columns.append([place[t] if t in place else np.nan for t in text])
        elif c["kind"] in ("real", "integer"):
            columns.append([float(t) if t else np.nan for t in text])
        else:
            raise ValueError(f"column {c['name']!r} is of kind {c['kind']}, which no peer takes")
    return np.array(columns, dtype=float).T


def frame(x, columns):
    """Rows [N, C] as texts: whole numbers as such, levels by name."""
    out = {}
    for k, c in enumerate(columns):
        levels = levels_of(c)
        write = (lambda v: levels[int(v)]) if levels else lambda v: str(int(v)) if v == int(v) else repr(float(v))
        out[c["name"]] = ["" if np.isnan(v) else write(v) for v in x[:, k]]
    return pd.DataFrame(out)


def write(q, tables):
    """Leaves samples, the only one of tables, or tables whose holes were filled in."""
    frames = [frame(x, q["columns"]) for x in tables]
    if q["task"] == "imputation":
        frames = [pd.concat([pd.Series([k] * len(f), name="imputation"), f], axis=1) for k, f in enumerate(frames, 1)]
    pd.concat(frames).to_csv(q["out"], index=False)


def one_hot(x, columns):
    """Rows with a column for each of three or more levels, NaN where the level is; returns the way back, too."""
    parts, back = [], []
    for k, c in enumerate(columns):
        v, levels = x[:, k], levels_of(c)
        if c["kind"] != "category" or len(levels) < 3:
            parts.append(v[:, None])
            back.append(None)
            continue
        hot = (v[:, None] == np.arange(len(levels))).astype(float)
        hot[np.isnan(v)] = np.nan
        parts.append(hot)
        back.append(len(levels))

    def undo(z):
        out, at = [], 0
        for c, n in zip(columns, back):
            if n:
                out.append(z[:, at:at + n].argmax(1))
            else:
                v, levels = z[:, at], levels_of(c)
                out.append(np.clip(np.round(v), 0, len(levels) - 1) if levels else v)
            at += n or 1
        return np.stack(out, 1).astype(float)

    return np.concatenate(parts, 1), undo


def main(libraries, answer):
    """Runs a peer: answer(q) draws as the request says, and returns the tables of write."""
    q = hear(*libraries)
    if q is None:
        return
    sys.stdout = sys.stderr
    with tempfile.TemporaryDirectory() as folder:  # for what a library writes besides
        os.chdir(folder)
        write(q, answer(q))
        os.chdir("/")
    say(threads=q["threads"])
