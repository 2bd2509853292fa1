"""Writes classify/testdata/c2st.json: what scikit-learn says of ten pairs of samples.

    python3 -m venv DIR && DIR/bin/pip install scikit-learn==1.9.1 numpy==2.4.6
    OMP_NUM_THREADS=1 DIR/bin/python scripts/fixture-c2st.py > classify/testdata/c2st.json

Each figure is the accuracy that sbibm's c2st gives: five-fold cross-validation of an MLPClassifier
with two hidden layers of 10 D units, the coordinates scaled by the reference. The samples are made
of whole numbers that classify/sklearn_test.go makes, too.
"""

import json
import multiprocessing
import sys
import warnings

import numpy as np
import sklearn
from sklearn.model_selection import KFold, cross_val_score
from sklearn.neural_network import MLPClassifier

SEEDS = {10: range(1, 9)}  # of dimensions; accuracies of few points in many spread by 0.013 from seed to seed


def uniform(seed, n):
    """n numbers in (0, 1), by SplitMix64."""
    z = (np.arange(1, n + 1, dtype=np.uint64) + np.uint64(seed << 32)) * np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    z = z ^ (z >> np.uint64(31))
    return ((z >> np.uint64(11)).astype(np.float64) + 0.5) * 2.0**-53


def normal(seed, n, d):
    """n points of N(0, I), by Box and Muller."""
    u = uniform(seed, 2 * n * d)
    return (np.sqrt(-2 * np.log(u[0::2])) * np.cos(2 * np.pi * u[1::2])).reshape(n, d)


def ring(seed, n):
    angle = 2 * np.pi * uniform(seed, n)
    return np.sqrt(2) * np.stack([np.cos(angle), np.sin(angle)], 1) + 0.4 * normal(seed + 50, n, 2)


def cases():
    n = 600
    yield "one law", normal(1, n, 2), normal(2, n, 2)
    yield "moved", normal(3, n, 2), normal(4, n, 2) + [0.5, 0]
    yield "wider", 5 + 2 * normal(5, n, 3), 5 + 2.6 * normal(6, n, 3)
    yield "far away", normal(7, n, 5), normal(8, n, 5) + 1.5
    yield "two humps", normal(9, n, 1), 0.6 * normal(10, n, 1) + np.sign(uniform(11, n) - 0.5)[:, None] * 0.8
    yield "a ring", normal(12, n, 2), ring(13, n)
    yield "correlated", normal(14, n, 2), normal(15, n, 2) @ np.array([[1, 0.6], [0, 0.8]])
    yield "heavy tails", normal(16, n, 4), normal(17, n, 4) * np.exp(0.5 * normal(18, n, 1))
    yield "of two sizes", normal(19, n, 3), normal(20, 300, 3) + 0.7
    yield "of ten dimensions", normal(21, 400, 10), normal(22, 400, 10) + 0.2


def c2st(reference, x, seed):
    mean, std = reference.mean(0), reference.std(0, ddof=1)
    d = reference.shape[1]
    data = np.concatenate([(reference - mean) / std, (x - mean) / std]).astype(np.float32)
    kind = np.concatenate([np.zeros(len(reference)), np.ones(len(x))])
    net = MLPClassifier(
        activation="relu", hidden_layer_sizes=(10 * d, 10 * d), max_iter=10000, solver="adam", random_state=seed
    )
    folds = KFold(n_splits=5, shuffle=True, random_state=seed)
    return cross_val_score(net, data, kind, cv=folds, scoring="accuracy")


def measured(case):
    warnings.filterwarnings("ignore")
    name, reference, x = case
    folds = []
    seeds = list(SEEDS.get(reference.shape[1], (1, 2)))
    for seed in seeds:
        folds.append(c2st(reference, x, seed))
        print(name, seed, folds[-1].mean(), file=sys.stderr, flush=True)
    return {
        "name": name,
        "sizes": [len(reference), len(x), reference.shape[1]],
        "sum": float(reference.sum() + x.sum()),
        "seeds": seeds,
        "accuracy": [round(float(f.mean()), 6) for f in folds],
        "folds": [[round(float(v), 6) for v in f] for f in folds],
    }


def main():
    with np.errstate(over="ignore"):
        todo = list(cases())
    with multiprocessing.Pool(5) as pool:
        out = pool.map(measured, todo, chunksize=1)
    by = f"scikit-learn {sklearn.__version__}, numpy {np.__version__}"
    print(json.dumps({"by": by, "cases": out}, indent=1))


if __name__ == "__main__":
    main()
