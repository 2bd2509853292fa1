"""Prints the numbers that quality_test.go and fid_test.go expect, as lines of Go.

The made features and images are those of the test, by the same formula; the
metrics are done here with NumPy and SciPy, by their definitions and apart from
the Go code. Run: python3 quality.py
"""

import numpy as np
from scipy.linalg import sqrtm, svdvals
from scipy.ndimage import gaussian_filter
from scipy.spatial.distance import cdist


def made(n, d, shift=0):
    i = np.arange(n)[:, None] + shift
    j = np.arange(d)[None, :]
    return ((i * 7919 + j * 104729 + i * i * 31 * (j + 1)) % 10007) / 10007 - 0.5


def pair(n, m, d):
    """Two sets; the second is moved, and stretched more the later the feature."""
    return made(n, d), made(m, d, 5000) * (1 + np.arange(d) / d) + 0.1


def fid(a, b):
    c1, c2 = np.cov(a, rowvar=False), np.cov(b, rowvar=False)
    gap = a.mean(0) - b.mean(0)
    return gap @ gap + np.trace(c1 + c2 - 2 * sqrtm(c1 @ c2).real)


def fid_of_few(a, b):
    """From the points, without covariances, which are singular for N <= D."""
    x = (a - a.mean(0)) / np.sqrt(len(a) - 1)
    y = (b - b.mean(0)) / np.sqrt(len(b) - 1)
    gap = a.mean(0) - b.mean(0)
    return gap @ gap + (x**2).sum() + (y**2).sum() - 2 * svdvals(x @ y.T).sum()


def kid(a, b):
    """Of one subset: all points."""
    k = lambda x, y: (x @ y.T / x.shape[1] + 1) ** 3
    n, m = len(a), len(b)
    within = lambda x: (k(x, x).sum() - np.trace(k(x, x))) / (len(x) * (len(x) - 1))
    return within(a) + within(b) - 2 * k(a, b).mean()


def probabilities(n, k):
    e = np.exp(6 * made(n, k))
    return e / e.sum(1, keepdims=True)


def inception_score(p, splits):
    scores = []
    for s in range(splits):
        part = p[s * len(p) // splits : (s + 1) * len(p) // splits]
        kl = part * (np.log(part) - np.log(part.mean(0, keepdims=True)))
        scores.append(np.exp(kl.sum(1).mean()))
    return np.mean(scores), np.std(scores)


def precision_recall(data, samples, k):
    radius = lambda x: np.sort(cdist(x, x), axis=1)[:, k]  # column 0 is the point itself
    between = cdist(data, samples)
    precision = (between <= radius(data)[:, None]).any(0).mean()
    recall = (between <= radius(samples)[None, :]).any(1).mean()
    return precision, recall


def images(n, h, w, c):
    """Made images in [-1, 1], and the same with noise."""
    i, y, x, k = np.indices((n, h, w, c))
    a = np.sin(0.3 * x + 0.2 * y * (i + 1) + k)
    return a, np.clip(a + made(n, h * w * c).reshape(a.shape) * 0.8, -1, 1)


def psnr(a, b, data_range):
    return np.mean([10 * np.log10(data_range**2 / ((x - y) ** 2).mean()) for x, y in zip(a, b)])


def ssim(a, b, data_range):
    """As skimage.metrics.structural_similarity, gaussian_weights=True."""
    c1, c2 = (0.01 * data_range) ** 2, (0.03 * data_range) ** 2
    blur = lambda v: gaussian_filter(v, 1.5, truncate=3.5)
    values = []
    for x, y in zip(a, b):
        for k in range(x.shape[-1]):
            p, q = x[..., k], y[..., k]
            mp, mq = blur(p), blur(q)
            vp, vq, vpq = blur(p * p) - mp * mp, blur(q * q) - mq * mq, blur(p * q) - mp * mq
            s = (2 * mp * mq + c1) * (2 * vpq + c2) / ((mp**2 + mq**2 + c1) * (vp + vq + c2))
            values.append(s[5:-5, 5:-5].mean())
    return np.mean(values)


def row(*cells):
    print("{" + ", ".join(str(c) for c in cells) + "},")


print("FID: n, m, d, value")
for n, m, d in (300, 200, 5), (1500, 1100, 40):
    row(n, m, d, fid(*pair(n, m, d)))
for n, m, d in (20, 30, 64), (100, 12, 30), (150, 90, 120):
    row(n, m, d, fid_of_few(*pair(n, m, d)))
print("KID: n, d, value")
for n, d in (100, 7), (250, 64):
    row(n, d, kid(*pair(n, n, d)))
print("InceptionScore: n, classes, splits, mean, std")
for n, k, splits in (200, 10, 1), (203, 7, 4):
    row(n, k, splits, *inception_score(probabilities(n, k), splits))
print("PrecisionRecall: n, m, d, k, precision, recall")
for n, m, d, k in (200, 150, 3, 3), (150, 300, 4, 1), (300, 300, 2, 5):
    row(n, m, d, k, *precision_recall(*pair(n, m, d), k))
print("images: n, h, w, c, range, PSNR, SSIM")
for n, h, w, c, r in (2, 16, 23, 1, 2), (3, 32, 32, 3, 2), (1, 11, 11, 2, 1):
    a, b = images(n, h, w, c)
    row(n, h, w, c, r, psnr(a, b, r), ssim(a, b, r))
