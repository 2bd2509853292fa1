"""POT and SciPy as peers for exact optimal transport; see peer.py."""
from functools import partial
from importlib.metadata import version

import numpy as np
import ot
import scipy.optimize

import peer

# SciPy takes most of a minute above this number of points.
SCIPY_POINTS = 1024


def match(n, d):
    rng = np.random.default_rng(1)
    a, b = (rng.normal(size=(n, d)) + k for k in (0, 1))
    u = np.full(n, 1 / n)
    ways = {"POT": lambda: ot.emd(u, u, ot.dist(a, b), numItermax=10**7)}
    if n <= SCIPY_POINTS:
        ways["scipy"] = lambda: scipy.optimize.linear_sum_assignment(ot.dist(a, b))
    return ways


def main():
    cases = {f"exact OT n{n} d{d}": partial(match, n, d) for n, d in ((256, 2), (256, 784), (1024, 2), (4096, 2))}
    peer.serve({"POT": version("POT"), "scipy": scipy.__version__}, cases)


if __name__ == "__main__":
    main()
