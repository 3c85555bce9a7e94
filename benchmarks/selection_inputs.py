"""Inputs that the benchmark makes by itself."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

_BLOCK = 50_000
_APART = 10**9  # where blocks of other rows begin, beyond all candidates

Factors = tuple[np.ndarray, np.ndarray]


class Head(NamedTuple):
    """Features of a network with its last layer, all float32."""

    features: np.ndarray  # (n, d)
    kernel: np.ndarray  # (d, C)
    bias: np.ndarray  # (C,)


class Case(NamedTuple):
    """A kernel at one size. The work is counted as when it is done in the plain way, pass by pass."""

    work: Callable[[], Any]
    passes: int  # over the features: one a pick, an iteration, a hypothesis
    flops: float  # of the products that every pass needs
    unit: str = ""  # what a candidate is multiplied with in "time per candidate"
    units: int = 1
    numbers: int = 0  # that a candidate has, when these are not its features


class Inputs(NamedTuple):
    """As written by write_head; float16 features stay a memory map."""

    features: np.ndarray
    logits: np.ndarray
    kernel: np.ndarray
    bias: np.ndarray


def trained_head(n: int, d: int = 128) -> Head:
    """A small network trained on digits: its hidden layer for `n` noisy copies of them, and its last layer."""
    import warnings

    from sklearn.datasets import load_digits
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.neural_network import MLPClassifier

    x, y = load_digits(return_X_y=True)
    x = (x / 16).astype(np.float32)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # it is to be a network, not a good one
        network = MLPClassifier((d,), max_iter=30, random_state=0).fit(x, y)
    rng = np.random.default_rng(0)
    copies = x[rng.integers(len(x), size=n)] + 0.15 * rng.standard_normal((n, x.shape[1]), dtype=np.float32)
    (first, last), (first_bias, last_bias) = network.coefs_, network.intercepts_
    features = np.maximum(copies @ first.astype(np.float32) + first_bias.astype(np.float32), 0)
    return Head(features.astype(np.float32), last.astype(np.float32), last_bias.astype(np.float32))


def relu_head(n: int, d: int = 512, classes: int = 10) -> Head:
    """Sparse, correlated, non-negative features as after a ReLU, with a random last layer."""
    features = np.empty((n, d), np.float32)
    for start in range(0, n, _BLOCK):
        features[start : start + _BLOCK] = _relu_block(start, min(_BLOCK, n - start), d)
    return Head(features, *_random_layer(d, classes))


def _relu_block(start: int, n: int, d: int) -> np.ndarray:
    rng, shared = np.random.default_rng([1, start]), np.random.default_rng(2)
    rank = min(64, d)
    mixing = shared.standard_normal((rank, d), dtype=np.float32) / np.float32(np.sqrt(rank))
    centers = shared.standard_normal((100, rank), dtype=np.float32)
    hidden = centers[rng.integers(100, size=n)] + rng.standard_normal((n, rank), dtype=np.float32)
    found: np.ndarray = np.maximum(hidden @ mixing + np.float32(0.3) * rng.standard_normal((n, d), dtype=np.float32), 0)
    return found


def _random_layer(d: int, classes: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(3)
    kernel = rng.standard_normal((d, classes), dtype=np.float32) * np.float32(np.sqrt(2 / d))
    return kernel, np.zeros(classes, np.float32)


def similar_factors(n: int, m: int, p: int, d: int, classes: int) -> tuple[Factors, Factors, Factors]:
    """SIMILAR's factors of n candidates, m labeled and p rejected samples; rejected ones are of the last class."""
    head = relu_head(n, d, classes + 1)
    return gradient_factors(head.features, head.features @ head.kernel), *labeled_factors(m, p, d, classes)


def labeled_factors(m: int, p: int, d: int, classes: int) -> tuple[Factors, Factors]:
    """The labeled and rejected ones alone; they are the same for any candidates."""
    rows, (kernel, _) = _relu_block(_APART, m + p, d), _random_layer(d, classes + 1)
    logits = rows @ kernel
    labels = np.where(np.arange(m + p) < m, logits[:, :classes].argmax(axis=1), classes)
    return gradient_factors(rows[:m], logits[:m], labels[:m]), gradient_factors(rows[m:], logits[m:], labels[m:])


def gradient_factors(features: np.ndarray, logits: np.ndarray, labels: np.ndarray | None = None) -> Factors:
    """Whose outer products are gradients of the last layer with bias; without labels, of the predicted classes."""
    errors = np.exp(logits - logits.max(axis=1, keepdims=True))
    errors /= errors.sum(axis=1, keepdims=True)
    errors[np.arange(len(errors)), logits.argmax(axis=1) if labels is None else labels] -= 1
    return errors, np.column_stack([np.ones(len(features), features.dtype), features])


def coder_rows(n: int, rotations: int, d: int) -> np.ndarray:
    """Rows as of a contrastive coder, float32 (n, rotations, d): in 50 directions, with noise; rotations agree."""
    rng = np.random.default_rng(4)
    centers = rng.standard_normal((50, 1, d), dtype=np.float32)
    return centers[rng.integers(50, size=n)] + rng.standard_normal((n, rotations, d), dtype=np.float32)


def write_head(folder: Path, n: int, d: int, dtype: str, classes: int = 10) -> None:
    """Writes what relu_head makes to files, block by block; also the logits."""
    kernel, bias = _random_layer(d, classes)
    features = np.lib.format.open_memmap(folder / "features.npy", "w+", dtype, (n, d))
    logits = np.lib.format.open_memmap(folder / "logits.npy", "w+", np.float32, (n, classes))
    for start in range(0, n, _BLOCK):
        block = _relu_block(start, min(_BLOCK, n - start), d)
        features[start : start + len(block)] = block
        logits[start : start + len(block)] = block @ kernel + bias
    np.save(folder / "kernel.npy", kernel)
    np.save(folder / "bias.npy", bias)
