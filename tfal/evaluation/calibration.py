"""How far probabilities can be trusted: likelihood, Brier score, calibration error, and a temperature.

Logits are turned into probabilities here, in float64, so that none of them is 0 by rounding alone.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import logsumexp

BINS = 15
TEMPERATURES = 0.05, 100.0  # the range that is looked through


class Calibration(NamedTuple):
    """nll: mean negative log-likelihood [nats]. brier: mean over samples of the sum over classes of (p - y)^2,
    0 to 2, as Brier had it. ece: expected calibration error, a fraction.
    """

    nll: float
    brier: float
    ece: float


def calibration(logits: np.ndarray, labels: np.ndarray) -> Calibration:
    """The three of logits (N, C) for whole labels (N,) in 0..C-1."""
    log_p = log_probabilities(logits)
    p, rows = np.exp(log_p), np.arange(len(labels))
    brier = np.sum(p**2, axis=1) - 2 * p[rows, labels] + 1
    right = p.argmax(axis=1) == labels
    return Calibration(float(-log_p[rows, labels].mean()), float(brier.mean()), ece(p.max(axis=1), right))


def log_probabilities(logits: np.ndarray) -> np.ndarray:
    """Logarithm of the softmax of logits (N, C), float64."""
    rows = np.asarray(logits, np.float64)
    found: np.ndarray = rows - logsumexp(rows, axis=1, keepdims=True)
    return found


def ece(confidence: np.ndarray, right: np.ndarray, bins: int = BINS) -> float:
    """Expected calibration error: over bins of equal width, the mean distance of accuracy and mean confidence.

    Guo et al., On Calibration of Modern Neural Networks, ICML 2017, equation 3: a bin is (low, high], so a confidence
    at an edge belongs to the bin below; that of 0 to the first one.

    Args:
        confidence: (N,) probabilities of the predicted classes.
        right: (N,) bool, whether these are the true ones.
        bins: how many.
    """
    confidence, right = np.asarray(confidence, float), np.asarray(right, float)
    place = np.searchsorted(np.linspace(0, 1, bins + 1)[1:-1], confidence, side="left")
    distance = np.bincount(place, right, bins) - np.bincount(place, confidence, bins)
    return float(np.abs(distance).sum() / len(confidence))


def temperature(logits: np.ndarray, labels: np.ndarray, limits: tuple[float, float] = TEMPERATURES) -> float:
    """What logits (N, C) are to be divided by so that their softmax gives `labels` (N,) the largest likelihood.

    Guo et al., ICML 2017; there any positive number, here one within `limits`.
    """
    rows, truth = np.asarray(logits, np.float64), np.asarray(labels)

    def loss(log_t: float) -> float:
        scaled = rows / np.exp(log_t)
        return float(np.mean(logsumexp(scaled, axis=1) - scaled[np.arange(len(truth)), truth]))

    return float(np.exp(minimize_scalar(loss, bounds=np.log(limits), method="bounded").x))
