"""What selection_closed_set.py compares with: the methods in plain array code, and scikit-activeml."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.selection_inputs import Head


def plain_dropquery(head: Head, n: int, n_pass: int = 3, rate: float = 0.75) -> np.ndarray:
    """A mask for all features in each pass; k-means on a copy of the candidates, of which it looks at all pairs."""
    rng = np.random.default_rng(1)
    clean = (head.features @ head.kernel + head.bias).argmax(axis=1)
    flips = np.zeros(len(clean), int)
    for _ in range(n_pass):
        kept = head.features * (rng.random(head.features.shape) >= rate) / (1 - rate)
        flips += (kept @ head.kernel + head.bias).argmax(axis=1) != clean
    threshold = n_pass // 2
    while threshold and (flips > threshold).sum() < 25 * n:
        threshold -= 1
    rows = np.flatnonzero(flips > threshold)
    if len(rows) < n:
        return np.append(rows, rng.permutation(np.setdiff1d(np.arange(len(flips)), rows))[: n - len(rows)])
    found: np.ndarray = rows[nearest_to_centers(_unit(head.features[rows]), n)]
    return found


def plain_mixtures(head: Head, means: np.ndarray, eps: float) -> np.ndarray:
    """ALFA-Mix: the mixture of every row with every mean, and whether its class is another one, bool (m,)."""
    logits = head.features @ head.kernel + head.bias
    errors = np.exp(logits - logits.max(axis=1, keepdims=True))
    errors /= errors.sum(axis=1, keepdims=True)
    errors[np.arange(len(errors)), logits.argmax(axis=1)] -= 1
    g = errors @ head.kernel.T
    g *= eps / np.sqrt(g.shape[1]) / np.linalg.norm(g, axis=1, keepdims=True)
    changed = np.zeros(len(g), bool)
    for mean in means:
        away = np.linalg.norm(mean - head.features, axis=1, keepdims=True)
        mixed = head.features + away * g
        changed |= (mixed @ head.kernel + head.bias).argmax(axis=1) != logits.argmax(axis=1)
    return changed


def sklearn_linkage(features: np.ndarray, linked: int) -> np.ndarray:
    """scikit-learn's average linkage of the same rows, and the nearest mean of the others; clusters."""
    from sklearn.cluster import AgglomerativeClustering
    from sklearn.metrics import pairwise_distances_argmin

    n, rows = len(features), np.arange(len(features))
    if n > linked:
        rows = np.sort(np.random.default_rng(0).choice(n, linked, replace=False))
    chosen = features[rows].astype(np.float64)
    clusters = AgglomerativeClustering(max(1, len(rows) // 2), linkage="average").fit_predict(chosen)
    means = np.stack([chosen[clusters == cluster].mean(axis=0) for cluster in range(clusters.max() + 1)])
    found: np.ndarray = pairwise_distances_argmin(features.astype(np.float64), means)
    found[rows] = clusters
    return found


def plain_bait_binary(features: Any, logits: Any, n: int, *, xp: Any, ridge: float = 1.0) -> np.ndarray:
    """BAIT with the two gradients of each sample, none labeled; inverses by Woodbury, all gains anew for each pick."""
    p = xp.exp(logits.astype(np.float64) - logits.max(axis=1, keepdims=True))
    p = (p / p.sum(axis=1, keepdims=True)).max(axis=1)
    rows = xp.stack([xp.sqrt(p) * (1 - p), -xp.sqrt(1 - p) * p], axis=1)[:, :, None] * features[:, None].astype(
        np.float64
    )
    flat = rows.reshape(-1, rows.shape[2])
    fisher, inverse, picks = flat.T @ flat / len(rows), xp.eye(rows.shape[2]) / ridge, list[int]()

    def changed(sign: int) -> Any:
        both = inverse @ fisher @ inverse
        left = xp.eye(2) + sign * rows @ inverse @ rows.transpose(0, 2, 1)
        return xp.einsum("mii->m", xp.linalg.solve(left, rows @ both @ rows.transpose(0, 2, 1)))

    def taken(row: int, sign: int) -> Any:
        side = inverse @ rows[row].T
        return inverse - sign * side @ xp.linalg.inv(xp.eye(2) + sign * rows[row] @ side) @ side.T

    for _ in range(min(2 * n, len(rows))):
        gains = changed(1)
        gains[xp.asarray(picks, dtype=np.int64)] = -np.inf
        picks.append(int(gains.argmax()))
        inverse = taken(picks[-1], 1)
    while len(picks) > n:
        inverse = taken(picks.pop(int(changed(-1)[xp.asarray(picks)].argmin())), -1)
    return np.array(picks)


def plain_falcun(logits: np.ndarray, n: int, gamma: float = 10.0) -> np.ndarray:
    """FALCUN: all distances, and a draw from all candidates, for every pick."""
    rng, p = np.random.default_rng(1), np.exp(logits - logits.max(axis=1, keepdims=True))
    p /= p.sum(axis=1, keepdims=True)
    ranked = np.sort(p, axis=1)
    u, left, picks = 1 - ranked[:, -1] + ranked[:, -2], np.ones(len(p), bool), list[int]()
    away = u.copy()
    while len(picks) < n:
        low, high = away[left].min(), away[left].max()
        scores = np.where(left, u + (away - low) / max(high - low, 1e-12), 0).astype(np.float64) ** gamma
        picks.append(int(rng.choice(len(p), p=scores / scores.sum())))
        left[picks[-1]] = False
        away = np.minimum(away, np.abs(p - p[picks[-1]]).sum(axis=1))
    return np.array(picks)


def skactiveml_falcun(head: Head, n: int) -> np.ndarray:
    """scikit-activeml, given the last layer as a classifier. It scales distances again that are scaled already."""
    from skactiveml.pool import Falcun

    labels = np.full(len(head.features), np.nan)
    strategy = Falcun(random_state=0)
    return np.asarray(strategy.query(head.features, labels, _classifier(head), fit_clf=False, batch_size=n))


def plain_activeft(features: Any, n: int, n_iter: int, *, xp: Any, temperature: float = 0.07) -> np.ndarray:
    """ActiveFT: all products of rows and directions, then the derivatives, then a step of Adam."""
    rows = features / xp.linalg.norm(features, axis=1, keepdims=True)
    theta = rows[xp.asarray(np.random.default_rng(0).choice(len(rows), n, replace=False))].astype(np.float64)
    first, second = xp.zeros(theta.shape), xp.zeros(theta.shape)
    for step in range(1, n_iter + 1):
        lengths = xp.linalg.norm(theta, axis=1, keepdims=True)
        unit = theta / lengths
        pairs, apart = rows @ unit.T.astype(np.float32) / temperature, xp.exp(unit @ unit.T / temperature)
        nearest, total = pairs.argmax(axis=1), apart.sum(axis=1)
        q = 1 / (1 + xp.exp(pairs.max(axis=1)) / total[nearest])
        share = (nearest[:, None] == xp.arange(n)) * q[:, None] / len(rows)
        mass = share.sum(axis=0)
        slope = -share.T @ rows + (mass / total)[:, None] * (apart @ unit) + apart @ ((mass / total)[:, None] * unit)
        slope /= temperature
        slope = (slope - (slope * unit).sum(axis=1, keepdims=True) * unit) / lengths
        first, second = 0.9 * first + 0.1 * slope, 0.999 * second + 0.001 * slope**2
        theta -= 0.001 * first / (1 - 0.9**step) / (xp.sqrt(second / (1 - 0.999**step)) + 1e-8)
    away, picks = 1 - rows @ (theta / xp.linalg.norm(theta, axis=1, keepdims=True)).T, list[int]()
    for direction in range(n):
        away[xp.asarray(picks, dtype=np.int64), direction] = np.inf
        picks.append(int(away[:, direction].argmin()))
    return np.array(picks)


def nearest_to_centers(rows: np.ndarray, n: int) -> np.ndarray:
    """scikit-learn's k-means, and for each center the nearest row that no other center has."""
    from sklearn.cluster import KMeans

    away, picks = KMeans(n, n_init=1, max_iter=20, random_state=0).fit_transform(rows), list[int]()
    for center in range(n):
        away[picks, center] = np.inf
        picks.append(int(away[:, center].argmin()))
    return np.array(picks)


def _unit(rows: np.ndarray) -> np.ndarray:
    found: np.ndarray = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)
    return found


def skactiveml_dropquery(head: Head, n: int) -> np.ndarray:
    """scikit-activeml, given the last layer as a classifier. Its rule is another one.

    Survivors are not scaled; more than half of the passes count, or the n that change most, whatever n_contested says.
    """
    from skactiveml.pool import DropQuery

    strategy = DropQuery(n_dropout_samples=3, cluster_algo_dict={"n_init": 1, "max_iter": 20}, random_state=0)
    given, labels = _classifier(head), np.full(len(head.features), np.nan)
    return np.asarray(strategy.query(head.features, labels, given, fit_clf=False, batch_size=n))


def _classifier(head: Head) -> Any:
    """The last layer, as scikit-activeml asks for it."""
    from skactiveml.base import SkactivemlClassifier

    class Given(SkactivemlClassifier):  # type: ignore[misc]
        def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Given:  # noqa: N803
            return self

        def predict(self, X: Any) -> Any:  # noqa: N803
            return (np.asarray(X) @ head.kernel + head.bias).argmax(axis=1)

        def predict_proba(self, X: Any) -> Any:  # noqa: N803
            logits = np.asarray(X) @ head.kernel + head.bias
            powers = np.exp(logits - logits.max(axis=1, keepdims=True))
            return powers / powers.sum(axis=1, keepdims=True)

    return Given(classes=list(range(len(head.bias))))
