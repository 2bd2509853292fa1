#!/usr/bin/env python3
"""Writes iris, wine, breast_cancer and diabetes, the tables that come with scikit-learn, as CSV into a folder.

Usage: sklearn-tables.py DIR    (with scikit-learn and pandas; scripts/setup-peers.sh installs both)

For `flowmatch experiment tables --data DIR`. Classes are written by name. Diabetes is in its own units (scaled=False).
"""
import os
import sys

from sklearn import datasets


def main(folder):
    os.makedirs(folder, exist_ok=True)
    for name, how in (("iris", {}), ("wine", {}), ("breast_cancer", {}), ("diabetes", {"scaled": False})):
        d = getattr(datasets, "load_" + name)(as_frame=True, **how)
        table = d.data.copy()
        names = getattr(d, "target_names", None)
        table["target"] = d.target if names is None else [names[k] for k in d.target]
        table.to_csv(os.path.join(folder, name + ".csv"), index=False)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: sklearn-tables.py DIR")
    main(sys.argv[1])
