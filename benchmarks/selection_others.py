"""What the kernels are compared with: the methods as papers and their public code state them, in plain array code.

`xp` is numpy or cupy. The packages are imported where they are used, and only when they are installed.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import stats

from tfal.kernels.parts.xp import to_numpy


def one_hypothesis_at_a_time(
    features: Any, mc_features: Any, kernel: Any, bias: Any, *, rng: np.random.Generator, xp: Any, sigmas: Any = None
) -> Any:
    """LDM: one product, one comparison and one wait for its answer a hypothesis; 10 in vain end a sigma.

    The noise is that of tfal's kernel, and is multiplied apart from the base logits, so that values can be equal.
    """
    root = int(rng.integers(2**63))
    base, mc_base = features @ kernel + bias, mc_features @ kernel + bias
    labels, mc_labels = base.argmax(axis=1), mc_base.argmax(axis=1)
    ldm = xp.ones(len(features))
    for index, sigma in enumerate(np.logspace(-5, 0, 51) if sigmas is None else sigmas):
        stream, quiet = np.random.default_rng([root, index]), 0
        while quiet < 10:
            draws = stream.standard_normal((len(kernel) + 1, len(bias)), dtype=np.float32)
            noise = xp.asarray(np.float32(sigma) * draws)
            changed = (base + (features @ noise[:-1] + noise[-1])).argmax(axis=1) != labels
            mc_changed = (mc_base + (mc_features @ noise[:-1] + noise[-1])).argmax(axis=1) != mc_labels
            candidate = xp.where(changed, mc_changed.mean(), 1.0)
            quiet = 0 if bool((candidate < ldm).any()) else quiet + 1
            ldm = xp.minimum(ldm, candidate)
    return ldm


def dense_ldm_seeding(ldm: Any, features: Any, n: int, *, seed: int, xp: Any) -> np.ndarray:
    """LDM-S: the full matrix of cosine distances, then a distribution object of all candidates for every pick."""
    order = xp.argsort(ldm)
    ldm, unit = ldm[order], features[order] / xp.linalg.norm(features[order], axis=1, keepdims=True)
    distances = xp.clip(1 - unit @ unit.T, 0, 2)
    distances[distances < 1e-5] = 0
    level = ldm[n] if ldm[n] > 0 else ldm[ldm > 0].min()
    gamma = xp.exp(-xp.maximum(ldm - level, 0) / level)
    gamma[n:] *= n / gamma[n:].sum()
    gamma = xp.minimum(gamma, 1)
    random_state, picks, closest = np.random.RandomState(seed), [0], distances[0]
    while len(picks) < n:
        pick = _draw(to_numpy((gamma * closest) ** 2), random_state)
        if pick not in picks:
            picks.append(pick)
            closest = xp.minimum(closest, distances[pick])
    return to_numpy(order)[picks]


def factored_badge(features: Any, logits: Any, n: int, *, seed: int, xp: Any) -> np.ndarray:
    """BADGE: one factored product with the embeddings and a distribution object of all candidates for every pick."""
    errors = xp.exp(logits - logits.max(axis=1, keepdims=True))
    errors /= errors.sum(axis=1, keepdims=True)
    errors[xp.arange(len(errors)), logits.argmax(axis=1)] -= 1
    squares = (errors**2).sum(axis=1) * (features**2).sum(axis=1)
    random_state, picks, closest = np.random.RandomState(seed), [int(squares.argmax())], None
    while len(picks) < n:
        last = picks[-1]
        distances = squares + squares[last] - 2 * (errors @ errors[last]) * (features @ features[last])
        closest = distances if closest is None else xp.minimum(closest, distances)
        closest = xp.maximum(closest, 0)
        closest[picks] = 0
        pick = _draw(to_numpy(closest), random_state)
        if pick not in picks:
            picks.append(pick)
    return np.array(picks)


def _draw(weights: np.ndarray, random_state: np.random.RandomState) -> int:
    weights = weights.astype(np.float64)
    law = stats.rv_discrete(values=(np.arange(len(weights)), weights / weights.sum()))
    return int(law.rvs(random_state=random_state))


def plain_k_center(features: Any, n: int, centers: Any, *, xp: Any) -> np.ndarray:
    """Greedy k-center: one matrix-vector product, one minimum and one argmax for every pick."""
    squares, picks = (features**2).sum(axis=1), []
    closest = xp.full(len(features), np.inf, np.float32)
    for center in centers:
        closest = xp.minimum(closest, squares + center @ center - 2 * (features @ center))
    for _ in range(n):
        pick = int(closest.argmax())
        picks.append(pick)
        closest = xp.minimum(closest, squares + squares[pick] - 2 * (features @ features[pick]))
        closest[pick] = -1
    return np.array(picks)


def plain_lloyd(features: Any, centers: Any, n_iter: int, *, xp: Any) -> Any:
    """k-means: all distances at once, then the mean of every cluster, one after the other. Returns the labels."""
    for _ in range(n_iter):
        labels = ((centers**2).sum(axis=1) - 2 * features @ centers.T).argmin(axis=1)
        centers = xp.stack([features[labels == j].mean(axis=0) for j in range(len(centers))])
    return ((centers**2).sum(axis=1) - 2 * features @ centers.T).argmin(axis=1)


def plain_neighbors(queries: Any, points: Any, k: int, *, xp: Any) -> Any:
    """Nearest neighbors: all distances at once, sorted. Returns rows."""
    squared = (queries**2).sum(axis=1)[:, None] + (points**2).sum(axis=1) - 2 * queries @ points.T
    return xp.argsort(squared, axis=1)[:, :k]


def skactiveml_k_center(features: np.ndarray, n: int) -> np.ndarray:
    """scikit-activeml, with row 0 as the labeled one."""
    from skactiveml.pool import k_greedy_center

    y = np.full(len(features), np.nan)
    y[0] = 0
    found: np.ndarray = k_greedy_center(features, y, batch_size=n, random_state=0)[0]
    return found


def skactiveml_badge(features: np.ndarray, logits: np.ndarray, n: int) -> np.ndarray:
    """scikit-activeml, given probabilities and embeddings by a classifier that only hands them out."""
    from skactiveml.base import SkactivemlClassifier
    from skactiveml.pool import Badge

    p = np.exp(logits - logits.max(axis=1, keepdims=True))
    p /= p.sum(axis=1, keepdims=True)

    class Given(SkactivemlClassifier):  # type: ignore[misc]
        def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Given:  # noqa: N803
            return self

        def predict_proba(self, X: Any, return_embeddings: bool = False) -> Any:  # noqa: N803
            return p, features

    strategy = Badge(clf_embedding_flag_name="return_embeddings", random_state=0)
    y = np.full(len(features), np.nan)
    picks = strategy.query(features, y, Given(classes=list(range(p.shape[1]))), fit_clf=False, batch_size=n)
    return np.asarray(picks)


def submodlib_disparity_min(features: np.ndarray, n: int) -> np.ndarray:
    """submodlib: greedy maximization of the smallest distance, which is greedy k-center from its first pick on."""
    from submodlib import DisparityMinFunction

    function = DisparityMinFunction(n=len(features), mode="dense", data=features, metric="euclidean")
    return np.array([row for row, _ in function.maximize(budget=n, show_progress=False)])


def sklearn_kmeans(features: np.ndarray, centers: np.ndarray, n_iter: int) -> np.ndarray:
    """scikit-learn from given centers; labels."""
    from sklearn.cluster import KMeans

    found: np.ndarray = (
        KMeans(len(centers), init=centers, n_init=1, max_iter=n_iter, tol=0, algorithm="lloyd").fit(features).labels_
    )
    return found


def sklearn_kmeans_plusplus(features: np.ndarray, k: int) -> np.ndarray:
    """scikit-learn with one candidate a center, as the paper has it; rows."""
    from sklearn.cluster import kmeans_plusplus

    found: np.ndarray = kmeans_plusplus(features, k, random_state=0, n_local_trials=1)[1]
    return found


def sklearn_neighbors(queries: np.ndarray, points: np.ndarray, k: int) -> np.ndarray:
    """scikit-learn, brute force; rows."""
    from sklearn.neighbors import NearestNeighbors

    found: np.ndarray = NearestNeighbors(n_neighbors=k, algorithm="brute").fit(points).kneighbors(queries)[1]
    return found


def faiss_kmeans(features: np.ndarray, centers: np.ndarray, n_iter: int) -> np.ndarray:
    """Bare faiss from given centers, on all rows; labels."""
    import faiss

    found = faiss.Kmeans(features.shape[1], len(centers), niter=n_iter, max_points_per_centroid=len(features))
    found.train(features, init_centroids=centers)
    result: np.ndarray = found.index.search(features, 1)[1][:, 0]
    return result


def faiss_neighbors(queries: np.ndarray, points: np.ndarray, k: int) -> np.ndarray:
    """Bare faiss, flat index; rows."""
    import faiss

    index = faiss.IndexFlatL2(points.shape[1])
    index.add(points)
    found: np.ndarray = index.search(queries, k)[1]
    return found


def _drawn_by_cumulated_weights(squares: Any, squared_to: Any, first: int, n: int, *, seed: int, xp: Any) -> np.ndarray:
    """k-means++ on a device: one pass over the rows, one sum of weights and one search in it for every draw.

    `squared_to(row)` gives the squared distances to a row, which like all else stays on the device until the end.
    """
    places, picks = np.random.default_rng(seed).random(n), xp.full(n, first)
    closest = xp.full(len(squares), np.inf, squares.dtype)
    for i in range(1, n):
        closest = xp.maximum(xp.minimum(closest, squared_to(picks[i - 1])), 0)
        closest[picks[i - 1]] = 0
        cumulated = xp.cumsum(closest, dtype=np.float64)
        picks[i] = xp.searchsorted(cumulated, cumulated[-1:] * places[i], side="right")[0]
    return to_numpy(picks)


def plain_kmeans_plusplus(features: Any, k: int, *, seed: int, xp: Any) -> np.ndarray:
    """One candidate a center, as the paper has it."""
    squares = (features**2).sum(axis=1)
    squared_to = lambda row: squares + squares[row] - 2 * (features @ features[row])  # noqa: E731
    first = int(np.random.default_rng(seed).integers(len(features)))
    return _drawn_by_cumulated_weights(squares, squared_to, first, k, seed=seed, xp=xp)


def plain_badge(features: Any, logits: Any, n: int, *, seed: int, xp: Any) -> np.ndarray:
    """BADGE with factored products, without the distribution object of the published code, which is of the host."""
    errors = xp.exp(logits - logits.max(axis=1, keepdims=True))
    errors /= errors.sum(axis=1, keepdims=True)
    errors[xp.arange(len(errors)), logits.argmax(axis=1)] -= 1
    squares = (errors**2).sum(axis=1) * (features**2).sum(axis=1)

    def squared_to(row: Any) -> Any:
        return squares + squares[row] - 2 * (errors @ errors[row]) * (features @ features[row])

    return _drawn_by_cumulated_weights(squares, squared_to, int(squares.argmax()), n, seed=seed, xp=xp)


def plain_max_herding(features: Any, n: int, *, xp: Any) -> np.ndarray:
    """MaxHerding: the whole matrix of kernel values, and all that rows would add to the cover, for every pick."""
    squares, picks = (features**2).sum(axis=1), list[int]()
    values = xp.exp(-xp.maximum(squares[:, None] + squares - 2 * features @ features.T, 0))
    cover = xp.zeros(len(features), np.float32)
    for _ in range(n):
        gains = xp.maximum(values - cover, 0).sum(axis=1)
        gains[picks] = -1
        picks.append(int(gains.argmax()))
        cover = xp.maximum(cover, values[picks[-1]])
    return np.array(picks)


def plain_probcover(features: Any, n: int, delta: float, *, xp: Any) -> np.ndarray:
    """ProbCover: the whole matrix of who is near whom; a pick takes the rows that it covers off all counts."""
    squares, picks = (features**2).sum(axis=1), list[int]()
    near = squares[:, None] + squares - 2 * features @ features.T <= delta**2
    counts, covered = near.sum(axis=1), xp.zeros(len(features), bool)
    for _ in range(n):
        picks.append(int(counts.argmax()))
        new = near[picks[-1]] & ~covered
        covered |= new
        counts -= near[xp.flatnonzero(new)].sum(axis=0)
    return np.array(picks)
