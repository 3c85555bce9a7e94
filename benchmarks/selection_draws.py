"""Comparisons and growth of kernels over draws of a network, dropout passes and noise on weights, and of dcom."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.special import entr, softmax

from benchmarks import selection_others
from benchmarks.selection_inputs import Case, Inputs, relu_head
from benchmarks.selection_rows import Comparison, near, same
from tfal import kernels
from tfal.kernels.parts.xp import to_numpy


def noise_stability(xp: Any, n: int = 10_000, draws: int = 50, q: int = 200) -> Comparison:
    """Against all deviations at once and a plain loop, in float64."""
    logits, noisy = (xp.asarray(array) for array in noisy_logits(n, draws))
    host = [np.asarray(array) for array in noisy_logits(n, draws)] if xp is np else []

    def plain() -> np.ndarray:
        p = softmax(host[0].astype(np.float64), axis=1)[:, None]
        moved = (softmax(host[1].astype(np.float64), axis=2) - p) / np.linalg.norm(p, axis=2, keepdims=True)
        rows = moved.reshape(n, -1)
        found: np.ndarray = selection_others.plain_k_center(rows, q, np.zeros((1, rows.shape[1])), xp=np)
        return found

    return Comparison(
        "noise_stability",
        f"n={n:,} K={draws} C=10 q={q}",
        lambda: kernels.noise_stability(kernels.noise_deviations(logits, noisy), q),
        {"all at once, plain loop": plain} if xp is np else {},
        same("picks"),
    )


def noisy_logits(n: int, draws: int) -> tuple[np.ndarray, np.ndarray]:
    """Logits (n, 10) of a random last layer, and of draws of noise on it (n, draws, 10), float32."""
    head, rng = relu_head(n, 64), np.random.default_rng(5)
    logits = head.features @ head.kernel
    noise = rng.standard_normal((draws, *head.kernel.shape), dtype=np.float32) * np.float32(0.01)
    moved = np.stack([head.features @ each for each in noise], axis=1)
    return logits, logits[:, None] + moved


def _grow_noise_stability(given: Inputs, q: int) -> Case:
    """The features stand for the deviations."""
    n, d = given.features.shape
    return Case(lambda: kernels.noise_stability(given.features, q), q, 2.0 * n * q * d)


def epig(xp: Any, n: int = 2000, m: int = 100, draws: int = 25) -> Comparison:
    """Against all joint distributions of a candidate at once, by entropies."""
    passes = noisy_logits(n + m, draws)[1]
    pool, targets = xp.asarray(passes[:n]), xp.asarray(passes[n:])

    def plain() -> np.ndarray:
        p, q = (softmax(each.astype(np.float64), axis=2) for each in (passes[:n], passes[n:]))
        fixed = entr(q.mean(axis=1)).sum(axis=1)
        found = []
        for sample in p:
            joint = np.einsum("kc,mke->mce", sample, q, optimize=True) / draws
            pairs = entr(sample.mean(axis=0)).sum() + fixed - entr(joint).sum(axis=(1, 2))
            found.append(pairs.mean())
        return np.array(found)

    return Comparison(
        "epig",
        f"n={n:,} targets={m} T={draws} C=10",
        lambda: kernels.epig(pool, targets),
        {"one candidate at a time, entropies": plain} if xp is np else {},
        near("values", 1e-6),
    )


def dcom(xp: Any, n: int = 5000, d: int = 64, q: int = 200) -> Comparison:
    """Against the matrix of all pairs, whose degrees are summed anew for each pick."""
    features, doubt = relu_head(n, d).features, np.random.default_rng(6).random(n)
    given, delta = xp.asarray(features), _radius(features)

    def plain() -> np.ndarray:
        near = squared(features, features) <= delta**2
        left, covered, picks = np.ones(n, bool), np.zeros(n, bool), list[int]()
        while len(picks) < q:
            scores = 0.3 * scaled(doubt, np.ones(n, bool)) + 0.7 * scaled(near[:, ~covered].sum(axis=1), left)
            picks.append(int(np.where(left, scores, -1).argmax()))
            left[picks[-1]] = False
            covered |= near[picks[-1]]
        return np.array(picks)

    def squared(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        found: np.ndarray = np.square(a).sum(axis=1)[:, None] + np.square(b).sum(axis=1) - 2 * a @ b.T
        return found

    def scaled(values: np.ndarray, among: np.ndarray) -> np.ndarray:
        low, high = values[among].min(), values[among].max()
        return (values - low) / (high - low) if high > low else np.zeros(n)

    return Comparison(
        "dcom",
        f"n={n:,} d={d} q={q} delta={delta:.3g}",
        lambda: kernels.dcom(given, q, delta=delta, uncertainty=doubt, skill=0.3),
        {"all pairs, degrees anew": plain} if xp is np else {},
        same("picks"),
    )


def _radius(features: np.ndarray) -> float:
    """Half of how far rows are apart, in the middle."""
    rows = features[:200].astype(np.float64)
    return float(np.median(np.linalg.norm(rows[:100] - rows[-100:], axis=1))) / 2


def _grow_dcom(given: Inputs, q: int) -> Case:
    """At most 2,000 rows are to be covered."""
    (n, d), doubt = given.features.shape, np.random.default_rng(6).random(len(given.features))
    most, delta = min(2000, n), _radius(to_numpy(given.features[:200]))
    options: dict[str, Any] = {"delta": delta, "uncertainty": doubt, "skill": 0.3, "n_anchor": most, "rng": _rng()}
    return Case(lambda: kernels.dcom(given.features, q, **options), 1, 2.0 * n * most * d)


def _rng() -> np.random.Generator:
    return np.random.default_rng(0)


def _grow_epig(given: Inputs, q: int) -> Case:
    """The features, in parts, stand for the logits of 8 classes in each pass; the first 20 rows are targets."""
    n, d = given.features.shape
    passes = given.features.reshape(n, -1, 8)
    return Case(lambda: kernels.epig(passes, passes[:20]), 1, 2.0 * n * d * 20 * 8)


COMPARISONS: dict[str, list[Callable[..., Comparison]]] = {
    "noise_stability": [noise_stability],
    "epig": [epig],
    "dcom": [dcom],
}
GROWTH: dict[str, Callable[[Inputs, int], Case]] = {
    "noise_stability": _grow_noise_stability,
    "epig": _grow_epig,
    "dcom": _grow_dcom,
}
