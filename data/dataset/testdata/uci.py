"""Prints the numbers that uci_test.go expects, as lines of Go.

The made files are those of the test, by the same formula; the steps are those
of the published code (github.com/gpapamak/maf, datasets/), done here with NumPy
and pandas apart from the Go code. Run: python3 uci.py
"""

import io

import numpy as np
import pandas as pd


def made(n, d, shift=0):
    i = np.arange(n)[:, None] + shift
    j = np.arange(d)[None, :]
    return ((i * 7919 + j * 104729 + i * i * 31 * (j + 1)) % 10007) / 100


def mark(x):
    """One number that knows the order of rows and columns."""
    i, j = np.indices(x.shape)
    return float((x * ((i * 13 + j * 7) % 11 + 1)).sum())


def show(name, *parts):
    cells = ", ".join(f"{{{len(p)}, {mark(p)!r}}}" for p in parts)
    print(f'{{"{name}", {parts[0].shape[1]}, []part{{{cells}}}, {[float(v) for v in parts[2][0][:3]]}}},')


def tenths(x):
    test = x[-int(0.1 * len(x)):]
    rest = x[: -int(0.1 * len(x))]
    return rest[: -int(0.1 * len(rest))], rest[-int(0.1 * len(rest)):], test


def by_tenths(x):
    train, val, test = tenths(x)
    fit = np.vstack((train, val))
    return [(p - fit.mean(0)) / fit.std(0) for p in (train, val, test)]


def power():
    rng, x = np.random.RandomState(42), made(203, 8)
    rng.shuffle(x)
    n, x = len(x), x[:, [0, 2, 4, 5, 6, 7]]
    voltage, active, sub = rng.rand(n, 1), rng.rand(n, 1), rng.rand(n, 3)
    return by_tenths(x + np.hstack((0.001 * active, 0.01 * voltage, sub, np.zeros((n, 1)))))


def gas_table():
    x = made(150, 19)
    x[:, 5] = x[:, 4] + 0.15 * x[:, 3]  # a chain: 4 ~ 5 ~ 6, but 4 and 6 are apart
    x[:, 6] = x[:, 4] + 0.3 * x[:, 3]
    x[:, 8] = -x[:, 7]  # the opposite is no repetition
    x[:, 10] = 2 * x[:, 12] + 1
    return pd.DataFrame(x, columns=["Time", "Meth", "Eth"] + [f"S{k}" for k in range(16)])


def gas():
    x = gas_table().drop(columns=["Meth", "Eth", "Time"])
    while True:
        partners = (x.corr() > 0.98).to_numpy().sum(axis=1)
        if not np.any(partners > 1):
            break
        x = x.drop(columns=x.columns[np.where(partners > 1)[0][0]])
    print("//", " ".join(x.columns))
    return tenths(((x - x.mean()) / x.std()).to_numpy())


def collisions(n, columns, shift):
    x = made(n, columns, shift)
    row = np.arange(n)
    signal = np.cumsum(row % 3 != 0)  # how many rows of class 1 there are up to here
    x[:, 0] = row % 3 != 0
    x[:, 3] = row % 4  # a count: its smallest value comes often
    x[:, 5] = np.where(row == 7, -1, 7)  # comes often, but the smallest does not
    x[:, 9] = np.where(signal <= 5, -2, x[:, 9])  # 5 times among the rows of class 1
    x[:, 10] = np.where(signal <= 6, -2, x[:, 10])  # 6 times
    names = ["# label"] + [f"f{k}" for k in range(columns - 1)]
    text = pd.DataFrame(x, columns=names).to_csv(index=False)
    return pd.read_csv(io.StringIO(text), index_col=False)


def hepmass():
    train, test = collisions(180, 28, 0), collisions(60, 29, 1000)
    train = train[train.iloc[:, 0] == 1].iloc[:, 1:]
    test = test[test.iloc[:, 0] == 1].iloc[:, 1:-1]
    mean, std = train.mean(), train.std()
    kept = [c for c in train.columns if train[c].value_counts().sort_index().iloc[0] <= 5]
    print("//", " ".join(c for c in train.columns if c not in kept), "are dropped")
    train, test = ((train - mean) / std)[kept].to_numpy(), ((test - mean) / std)[kept].to_numpy()
    n = int(len(train) * 0.1)
    return train[:-n], train[-n:], test


show("power", *power())
show("gas", *gas())
show("hepmass", *hepmass())
show("miniboone", *by_tenths(made(120, 43)))
show("bsds300", made(7, 63), made(4, 63, 100), made(3, 63, 200))

rng = np.random.RandomState(42)
order = np.arange(1000)
rng.shuffle(order)
print("//", order[:8].tolist(), [float(v).hex() for v in rng.rand(3)])
