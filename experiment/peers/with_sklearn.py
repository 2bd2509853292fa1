"""scikit-learn as a peer: missforest fills in tables as MissForest (Stekhoven and Bühlmann 2012) does; see tables.py.

It is IterativeImputer with random forests of 100 trees: each column is told by the others, round after round. Levels
are columns of 0 and 1 for it, of which the largest is taken. Nothing is drawn, so that one table is all there is.
"""
import numpy as np
from sklearn.ensemble import RandomForestRegressor
from sklearn.experimental import enable_iterative_imputer  # noqa: F401
from sklearn.impute import IterativeImputer

import tables


def answer(q):
    x = tables.read(q)
    z, undo = tables.one_hot(x, q["columns"])
    forest = RandomForestRegressor(n_estimators=100, n_jobs=q["threads"], random_state=q["seed"])
    filled = undo(IterativeImputer(forest, random_state=q["seed"]).fit_transform(z))
    return [np.where(np.isnan(x), filled, x)]


if __name__ == "__main__":
    tables.main(["scikit-learn"], answer)
