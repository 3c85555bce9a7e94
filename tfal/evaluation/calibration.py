"""How far probabilities can be trusted: likelihood, Brier score, calibration error, and a temperature.

Logits are turned into probabilities here, in float64, so that none of them is 0 by rounding alone; in blocks, so that
those of a whole test set are never in memory at once.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.special import log_softmax

BINS = 15
BLOCK = 2**20  # logits at a time
TEMPERATURES = 0.05, 100.0  # the range that is looked through


class Calibration(NamedTuple):
    """nll: mean negative log-likelihood [nats]. brier: mean over samples of the sum over classes of (p - y)^2,
    0 to 2, as Brier had it. ece: expected calibration error, a fraction.
    """

    nll: float
    brier: float
    ece: float


class Tally:
    """Calibration of logits that come block by block, divided by a temperature.

    Args:
        temperature: positive.
        bins: of the expected calibration error.
    """

    def __init__(self, temperature: float = 1.0, bins: int = BINS) -> None:
        self._temperature, self._n, self._nll, self._brier = temperature, 0, 0.0, 0.0
        self._distances = np.zeros(bins)

    def add(self, logits: np.ndarray, labels: np.ndarray) -> None:
        """Counts logits (n, C) for whole labels (n,) in 0..C-1."""
        log_p = log_softmax(np.asarray(logits, np.float64) / self._temperature, axis=1)
        p, rows = np.exp(log_p), np.arange(len(labels))
        self._n += len(labels)
        self._nll -= log_p[rows, labels].sum()
        self._brier += np.sum(p**2) + np.sum(1 - 2 * p[rows, labels])
        self._distances += _distances(p.max(axis=1), p.argmax(axis=1) == labels, len(self._distances))

    def found(self) -> Calibration:
        """The three over all that were counted, at least one."""
        n = self._n
        return Calibration(float(self._nll / n), float(self._brier / n), float(np.abs(self._distances).sum() / n))


def calibration(logits: np.ndarray, labels: np.ndarray) -> Calibration:
    """The three of logits (N, C) for whole labels (N,) in 0..C-1."""
    tally = Tally()
    tally.add(logits, labels)
    return tally.found()


def ece(confidence: np.ndarray, right: np.ndarray, bins: int = BINS) -> float:
    """Expected calibration error: over bins of equal width, the mean distance of accuracy and mean confidence.

    Guo et al., On Calibration of Modern Neural Networks, ICML 2017, equation 3: a bin is (low, high], so a confidence
    at an edge belongs to the bin below; that of 0 to the first one.

    Args:
        confidence: (N,) probabilities of the predicted classes.
        right: (N,) bool, whether these are the true ones.
        bins: how many.
    """
    return float(np.abs(_distances(confidence, right, bins)).sum() / len(confidence))


def temperature(logits: np.ndarray, labels: np.ndarray, limits: tuple[float, float] = TEMPERATURES) -> float:
    """What logits (N, C) are to be divided by so that their softmax gives `labels` (N,) the largest likelihood.

    Guo et al., ICML 2017; there any positive number, here one within `limits`.
    """
    from scipy.optimize import minimize_scalar

    rows, truth = np.asarray(logits), np.asarray(labels)
    size = max(BLOCK // rows.shape[1], 1)

    def loss(log_t: float) -> float:
        scale, total = np.exp(-log_t), 0.0
        for start in range(0, len(rows), size):
            log_p = log_softmax(rows[start : start + size].astype(np.float64) * scale, axis=1)
            total -= log_p[np.arange(len(log_p)), truth[start : start + size]].sum()
        return float(total / len(rows))

    return float(np.exp(minimize_scalar(loss, bounds=np.log(limits), method="bounded").x))


def _distances(confidence: np.ndarray, right: np.ndarray, bins: int) -> np.ndarray:
    """(bins,) of each bin, the number of right samples less the sum of confidences; see `ece`."""
    confidence, right = np.asarray(confidence, float), np.asarray(right, float)
    place = np.searchsorted(np.linspace(0, 1, bins + 1)[1:-1], confidence, side="left")
    found: np.ndarray = np.bincount(place, right, bins) - np.bincount(place, confidence, bins)
    return found
