"""The criteria of the cold-start benchmark: from what was read of all images to a ranking of them. Arrays only.

Source: Chen et al., Making Your First Choice, 2022 (arXiv 2210.02442), its public code, and the fork of Chandra et al.,
On Initial Pools for Deep Active Learning, 2021, that it grew from. Differences:
- What needs a classifier is called an oracle: its network has seen the labels of the test split, which nobody has who
  starts from nothing. The published rankings named after query strategies are all of that kind.
- "cosine_sum" is what that code calls VAAL; "vaal" is Variational Adversarial Active Learning, with the test split as
  its labeled pool.
- bald and consistency are refused where passes do not differ; there they rank numerical noise.
- Equal scores keep the order of the rows, and a NaN is refused, where reversing an ascending sort puts it first.
- Clusters are those of the self-supervised features themselves, without UMAP before k-means. They take turns as there,
  so "hard" is not the reverse of "easy".
- coreset orders all images, "coreset_logits" too; there the list is as long as the test split.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from tfal.coldstart.data_maps import DataMap, SupervisedMap
from tfal.errors import InputError, resolve_name
from tfal.kernels import (
    entropy,
    in_turn,
    k_center_greedy,
    kmeans,
    log_entropy,
    margin,
    margin_log_odds,
    ranked,
    typiclust,
)
from tfal.kernels.parts import check
from tfal.kernels.parts.xp import to_numpy

LEAST_VARIANCE = 1e-6  # mean of a score from several passes, below which they are the same pass


class SelfSupervised(NamedTuple):
    """What was read without labels, of n images.

    map: contrastive. loss (n,): NT-Xent after the last epoch. features (n, d): unit rows. n_clusters: of K-means.
    """

    map: DataMap
    loss: np.ndarray
    features: np.ndarray
    n_clusters: int


class Oracle(NamedTuple):
    """What a classifier trained on the test split says of n images.

    logits (n, C) and test_logits (m, C): of the whole test split. map: supervised. bald, consistency, vaal (n,): None
    where they were not asked for; vaal is how unlike the test images an image is, no label counts in it.
    """

    logits: np.ndarray
    test_logits: np.ndarray
    map: SupervisedMap
    bald: np.ndarray | None = None
    consistency: np.ndarray | None = None
    vaal: np.ndarray | None = None


class Ranking(NamedTuple):
    """rows (n,) int64, best first. scores (n,) float64 or None where single images have none, LARGER is better."""

    rows: np.ndarray
    scores: np.ndarray | None = None


class Criterion(NamedTuple):
    """rank(what was read, rng) -> Ranking. oracle: reads an Oracle. pairs: a pool's score is the sum of the cosine
    distances of its pairs, in the vectors of `pool_vectors`."""

    rank: Callable[[Any, np.random.Generator], Ranking]
    oracle: bool = False
    pairs: bool = False


def cosine_sum(rows: Any, others: Any) -> np.ndarray:
    """For every row, the sum of its cosine distances 1 - cos to all `others`: LARGER is more unlike them.

    n - u . sum_l l of unit vectors, one product of a matrix and a vector. A row of zeros has cosine 0.

    Args:
        rows: (m, d) float16/32/64.
        others: (n, d).

    Returns:
        float64 (m,), in [0, 2 n].

    Raises:
        InputError: shapes that disagree, integers, values not finite.

    Example:
        >>> cosine_sum(np.array([[1.0, 0.0], [1.0, 1.0]]), np.eye(2)).round(6).tolist()
        [1.0, 0.585786]
    """
    rows = check.float_array(np, "rows", rows, ("m", "d"), dtype=np.float64)
    others = check.float_array(np, "others", others, ("n", rows.shape[1]), dtype=np.float64)
    found: np.ndarray = len(others) - _unit(rows) @ _unit(others).sum(axis=0)
    return found


def pool_vectors(read: SelfSupervised | Oracle) -> np.ndarray:
    """The vectors in which the two coresets measure distances."""
    return read.logits if isinstance(read, Oracle) else read.features


def resolve(names: str | None, oracle: bool) -> tuple[str, ...]:
    """The criteria that a comma list means; all label-free ones where it is None, with `oracle` all.

    Raises InputError for unknown or repeated names, and for an oracle that was not asked for.
    """
    allowed = [name for name, criterion in CRITERIA.items() if oracle or not criterion.oracle]
    if names is None:
        return tuple(allowed)
    found = tuple(resolve_name("criterion", name.strip(), CRITERIA) for name in names.split(","))
    if len(set(found)) < len(found):
        raise InputError(f"--criteria must name each criterion once. Received: {names!r}.")
    hidden = [name for name in found if name not in allowed]
    if hidden:
        raise InputError(
            f"criterion {hidden[0]!r} needs a classifier, which is trained on the labels of the test split. "
            f"Ask for that with --oracle, or choose from {', '.join(allowed)}."
        )
    return found


def _unit(rows: np.ndarray) -> np.ndarray:
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return rows / np.where(lengths > 0, lengths, 1)


def _by_scores(
    score: Callable[[Oracle], Any], by: Callable[[Oracle], Any] | None = None
) -> Callable[[Oracle, np.random.Generator], Ranking]:
    """A ranking by one number for each image, or by another of the same order that does not saturate."""

    def rank(read: Oracle, rng: np.random.Generator) -> Ranking:
        scores = np.asarray(to_numpy(score(read)), np.float64)
        return Ranking(ranked(to_numpy(by(read)) if by else scores, rng=rng), scores)

    return rank


def _in_turns_by(score: Callable[[SelfSupervised], np.ndarray]) -> Callable[..., Ranking]:
    """A ranking by one number for each image, the K-means clusters of the features taking turns."""

    def rank(read: SelfSupervised, rng: np.random.Generator) -> Ranking:
        k = min(read.n_clusters, len(read.features))
        clusters = to_numpy(kmeans(read.features, k, rng=rng, n_iter=100, n_init=5).labels)
        scores = np.asarray(score(read), np.float64)
        rows = ranked(scores, rng=rng)
        return Ranking(rows[in_turn(clusters[rows], order=rng.permutation(k))], scores)

    return rank


def _simclr_loss(read: SelfSupervised, rng: np.random.Generator) -> Ranking:
    return Ranking(ranked(read.loss, rng=rng), read.loss)


def _coreset(read: SelfSupervised, rng: np.random.Generator) -> Ranking:
    return Ranking(k_center_greedy(read.features, len(read.features)))


def _coreset_logits(read: Oracle, rng: np.random.Generator) -> Ranking:
    return Ranking(k_center_greedy(read.logits, len(read.logits), centers=read.test_logits))


def _typiclust(read: SelfSupervised, rng: np.random.Generator) -> Ranking:
    """TypiClust for all images at once, so with a fixed number of clusters in place of one for each label."""
    n = len(read.features)
    return Ranking(typiclust(read.features, n, rng=rng, max_clusters=min(read.n_clusters, n)))


def _spread_out(name: str, scores: np.ndarray | None) -> np.ndarray:
    """Scores that come from passes which differ. Raises InputError where they are numerical noise."""
    scores = _asked(name, scores)
    if not float(np.mean(scores)) > LEAST_VARIANCE:
        raise InputError(
            f"criterion {name!r}: the passes of an image hardly differ, mean score {float(np.mean(scores)):.1e}. "
            "Expected: a network with dropout for bald, an augmentation for consistency. Leave it out of --criteria."
        )
    return scores


def _asked(name: str, scores: np.ndarray | None) -> np.ndarray:
    if scores is None:
        raise ValueError(f"{name} was not read")
    return scores


CRITERIA: dict[str, Criterion] = {
    "easy": Criterion(_in_turns_by(lambda read: read.map.confidence)),
    "ambiguous": Criterion(_in_turns_by(lambda read: read.map.variability)),
    "hard": Criterion(_in_turns_by(lambda read: -read.map.confidence)),
    "simclr_loss": Criterion(_simclr_loss),
    "coreset": Criterion(_coreset, pairs=True),
    "typiclust": Criterion(_typiclust),
    "entropy": Criterion(
        _by_scores(lambda read: entropy(read.logits), lambda read: log_entropy(read.logits)), oracle=True
    ),
    "margin": Criterion(
        _by_scores(lambda read: -margin(read.logits), lambda read: margin_log_odds(read.logits)), oracle=True
    ),
    "bald": Criterion(_by_scores(lambda read: _spread_out("bald", read.bald)), oracle=True),
    "consistency": Criterion(_by_scores(lambda read: _spread_out("consistency", read.consistency)), oracle=True),
    "vaal": Criterion(_by_scores(lambda read: _asked("vaal", read.vaal)), oracle=True),
    "cosine_sum": Criterion(_by_scores(lambda read: cosine_sum(read.logits, read.test_logits)), oracle=True),
    "coreset_logits": Criterion(_coreset_logits, oracle=True, pairs=True),
    "gt_easy": Criterion(_by_scores(lambda read: read.map.confidence), oracle=True),
    "gt_ambiguous": Criterion(_by_scores(lambda read: read.map.variability), oracle=True),
    "gt_hard": Criterion(_by_scores(lambda read: -read.map.confidence), oracle=True),
    "gt_correctness": Criterion(_by_scores(lambda read: -read.map.correctness), oracle=True),  # rarely right: first
    "gt_forgetfulness": Criterion(_by_scores(lambda read: read.map.forgetfulness), oracle=True),
}
