"""A pool in the plane, on which every strategy can be watched: 410 samples of three classes, one of them in two places.

What a strategy reads is what a small network would give it, without one: a fixed hidden layer of 64 tanh units on the
two coordinates (`features`), and a softmax regression on it (`logits`) that is trained on the labels of each round.
Whatever else is read is made of the same two, see TOY_OUTPUTS. NumPy and scikit-learn alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from operator import attrgetter
from typing import NamedTuple

import numpy as np
from sklearn.cluster import KMeans
from sklearn.linear_model import LogisticRegression
from sklearn.mixture import GaussianMixture
from sklearn.model_selection import cross_val_predict
from sklearn.neighbors import KNeighborsRegressor

from tfal.errors import InputError
from tfal.pool import Pool
from tfal.pool.told import told_of
from tfal.pool.view import PoolView
from tfal.strategies import STRATEGIES, picks_of
from tfal.streams import Streams

N_CLASSES, N_FIRST, N_QUERY, N_ROUND = 3, 9, 9, 4
HIDDEN, N_PASS, N_MEMBER, N_VIEW = 64, 20, 5, 10
SEED = 0
CANNOT = {"ranking": "it reads a file of your own"}  # strategies that the plane has nothing for


class Plane(NamedTuple):
    """points: (m, 2) in about [-1, 1]. classes: (m,), from 0 to 2; in an open set, class 2 is of no interest."""

    points: np.ndarray
    classes: np.ndarray


def plane() -> Plane:
    """Two moons of classes 0 and 1 that touch, a heap of near copies in each of two corners, class 2, and outliers."""
    rng = np.random.default_rng(SEED)
    angle = rng.uniform(0, np.pi, 240)
    upper = np.arange(240) < 130
    x, y = np.cos(angle), np.sin(angle)
    moons = np.stack([np.where(upper, x, 1 - x), np.where(upper, y, 0.4 - y)], axis=1)
    moons = (moons + rng.normal(0, 0.13, (240, 2)) - [0.5, 0.2]) * 0.6
    heap = rng.normal([-0.62, 0.22], 0.02, (40, 2))  # near copies, of class 0
    third = np.concatenate([rng.normal([0.72, 0.62], 0.13, (90, 2)), rng.normal([-0.7, -0.62], 0.09, (30, 2))])
    outliers = rng.uniform(-1, 1, (10, 2))
    classes = np.concatenate([np.where(upper, 0, 1), np.zeros(40), np.full(120, 2), rng.integers(N_CLASSES, size=10)])
    return Plane(np.concatenate([moons, heap, third, outliers]), classes.astype(np.int32))


def _hidden(points: np.ndarray, member: int = 0, noise: np.random.Generator | None = None) -> np.ndarray:
    """(m, 64) float32: the hidden layer of one network, whose weights are disturbed where there is noise."""
    rng = np.random.default_rng([SEED, member])
    weights, bias = rng.normal(0, 2.5, (2, HIDDEN)), rng.uniform(-2, 2, HIDDEN)
    weights = weights if noise is None else _disturbed(weights, noise)
    return np.asarray(np.tanh(points @ weights + bias), np.float32)


def _disturbed(weights: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Weights with noise of a thousandth of their length."""
    noise = rng.standard_normal(weights.shape)
    found: np.ndarray = weights + 0.001 * np.linalg.norm(weights) / np.linalg.norm(noise) * noise
    return found


def _sphere(points: np.ndarray) -> np.ndarray:
    """(m, 3) float32 of length 1: the plane seen from its middle, so that angles are about distances."""
    found = np.c_[points, np.ones(len(points))]
    return np.asarray(found / np.linalg.norm(found, axis=1, keepdims=True), np.float32)


class Networks:
    """What the networks of a round say of all samples; see tfal.pool.view.Reader.

    pool: whose labels they were trained on, as they are now.
    """

    def __init__(self, points: np.ndarray, pool: Pool) -> None:
        self.points, self.labeled, self.rejected = points, pool.labeled, pool.rejected
        self.labels = pool.label[self.labeled]

    def chunks(self, learner: str, outputs: Sequence[str], ids: np.ndarray) -> Iterator[dict[str, np.ndarray]]:
        """The outputs of some samples, as a reader gives them."""
        unknown = [name for name in outputs if (learner, name) not in TOY_OUTPUTS]
        if unknown:
            raise InputError(f"it reads {unknown[0]!r} of {learner!r}, which the plane has none of")
        yield {name: TOY_OUTPUTS[learner, name](self)[ids] for name in outputs}

    def head(self, learner: str) -> tuple[np.ndarray, np.ndarray]:
        """Kernel (64, C) and bias (C,) of the softmax regression."""
        return self.layer

    @cached_property
    def layer(self) -> tuple[np.ndarray, np.ndarray]:
        """What `head` gives."""
        return self._head(self.features)

    @cached_property
    def features(self) -> np.ndarray:
        """(m, 64)"""
        return _hidden(self.points)

    @cached_property
    def logits(self) -> np.ndarray:
        """(m, C)"""
        kernel, bias = self.layer
        found: np.ndarray = self.features @ kernel + bias
        return found

    @cached_property
    def mc_logits(self) -> np.ndarray:
        """(m, passes, C): three hidden units of ten are left out in each pass."""
        rng, (kernel, bias) = np.random.default_rng(SEED), self.layer
        kept = (rng.random((N_PASS, len(self.points), HIDDEN)) > 0.3) / np.float32(0.7)
        return np.asarray(np.swapaxes((self.features * kept) @ kernel + bias, 0, 1), np.float32)

    @cached_property
    def view_logits(self) -> np.ndarray:
        """(m, views, C): the points moved a little."""
        rng, (kernel, bias) = np.random.default_rng(SEED), self.layer
        moved = self.points + rng.normal(0, 0.05, (N_VIEW, *self.points.shape))
        return np.stack([_hidden(points) @ kernel + bias for points in moved], axis=1).astype(np.float32)

    @cached_property
    def noise_logits(self) -> np.ndarray:
        """(m, passes, C): noise on the weights of both layers."""
        rng, (kernel, bias) = np.random.default_rng(SEED), self.layer
        moved = [_hidden(self.points, noise=rng) @ _disturbed(kernel, rng) + bias for _ in range(N_PASS)]
        return np.stack(moved, axis=1).astype(np.float32)

    @cached_property
    def member_logits(self) -> np.ndarray:
        """(m, members, C): other hidden layers."""
        return np.stack([self._logits(_hidden(self.points, member)) for member in range(1, N_MEMBER + 1)], axis=1)

    @cached_property
    def predicted_loss(self) -> np.ndarray:
        """(m,): the mean loss of the three nearest labeled samples, each while it was left out of the training."""
        rows = self.features[self.labeled]
        least = int(np.bincount(self.labels)[np.unique(self.labels)].min())
        kept = cross_val_predict(_regression(), rows, self.labels, cv=min(3, least), method="predict_proba")
        place = np.searchsorted(np.unique(self.labels), self.labels)
        losses = -np.log(kept[np.arange(len(kept)), place])
        nearest = KNeighborsRegressor(3, weights="distance").fit(self.points[self.labeled], losses)
        return np.asarray(nearest.predict(self.points), np.float32)

    @cached_property
    def labeled_logit(self) -> np.ndarray:
        """(m,): a regression that tells labeled from other samples."""
        is_labeled = np.isin(np.arange(len(self.points)), self.labeled)
        found = LogisticRegression(class_weight="balanced", max_iter=1000).fit(self.features, is_labeled)
        return np.asarray(found.decision_function(self.features), np.float32)

    @cached_property
    def simclr_loss(self) -> np.ndarray:
        """(m,): how hard a sample is to tell from the others, on the sphere."""
        cosines = _sphere(self.points) @ _sphere(self.points).T
        return np.asarray(np.log(np.exp((cosines - 1) / 0.1).sum(axis=1)), np.float32)

    @cached_property
    def vae_loss(self) -> np.ndarray:
        """(m,): squared distance to the line that reconstructs the points best."""
        centred = self.points - self.points.mean(axis=0)
        across = np.linalg.svd(centred, full_matrices=False)[2][1]
        return np.asarray((centred @ across) ** 2, np.float32)

    @cached_property
    def detector_logits(self) -> np.ndarray:
        """(m, C + 1): a regression with one more class, that of the rejected samples."""
        found = _regression().fit(*self._bought)
        return np.asarray(found.decision_function(self.features), np.float32)

    @cached_property
    def binary_logits(self) -> np.ndarray:
        """(m, C, 2): a regression for each class, of all others and of it."""
        rows, labels = self._bought
        heads = [_regression().fit(rows, labels == k) for k in np.unique(self.labels)]
        of_it = np.stack([head.decision_function(self.features) for head in heads], axis=1) / 2
        return np.stack([-of_it, of_it], axis=-1).astype(np.float32)

    @cached_property
    def center_distances(self) -> np.ndarray:
        """(m, 2): to the centers of two clusters of the rejected samples."""
        found = KMeans(2, n_init=1, random_state=SEED).fit(self.features[self.rejected])
        return np.asarray(found.transform(self.features), np.float32)

    @property
    def _bought(self) -> tuple[np.ndarray, np.ndarray]:
        """Features and classes of labeled and rejected samples; the latter are one more class."""
        none = np.full(len(self.rejected), self.labels.max() + 1)
        return self.features[np.r_[self.labeled, self.rejected]], np.r_[self.labels, none]

    def cluster_logits(self, shape: str) -> np.ndarray:
        """(m, C): a mixture of as many Gaussians as classes, "spherical" or of any shape, "full"."""
        found = GaussianMixture(N_CLASSES, covariance_type=shape, random_state=SEED).fit(self.points)
        return np.asarray(np.log(found.predict_proba(self.points) + 1e-12), np.float32)

    def predicted(self, points: np.ndarray) -> np.ndarray:
        """The class of any points (k, 2), int64 (k,)."""
        kernel, bias = self.layer
        found: np.ndarray = np.unique(self.labels)[(_hidden(points) @ kernel + bias).argmax(axis=1)]
        return found

    def _logits(self, features: np.ndarray) -> np.ndarray:
        kernel, bias = self._head(features)
        found: np.ndarray = features @ kernel + bias
        return found

    def _head(self, features: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        found = _regression().fit(features[self.labeled], self.labels)
        kernel, bias = found.coef_.T, found.intercept_
        if len(found.classes_) == 2:  # one column, of the second class
            kernel, bias = np.c_[-kernel / 2, kernel / 2], np.r_[-bias / 2, bias / 2]
        return kernel.astype(np.float32), bias.astype(np.float32)


def _regression() -> LogisticRegression:
    return LogisticRegression(C=30, max_iter=1000)


_STOCHASTIC = ("mc_logits", "view_logits", "noise_logits")
# What is read of which learner: the classifier's outputs also of those that stand in its place.
TOY_OUTPUTS: Mapping[tuple[str, str], Callable[[Networks], np.ndarray]] = {
    **{
        (learner, output): attrgetter(output)
        for learner in ("classifier", "loss_predictor", "ensemble")
        for output in (*_STOCHASTIC, "features", "logits", "member_logits", "predicted_loss")
    },
    ("vaal", "labeled_logit"): attrgetter("labeled_logit"),
    ("simclr", "simclr_loss"): attrgetter("simclr_loss"),
    ("vae", "vae_loss"): attrgetter("vae_loss"),
    ("detector", "logits"): attrgetter("detector_logits"),
    **{(f"{kind}_detector", "logits"): attrgetter("detector_logits") for kind in ("energy", "entropic")},
    **{(f"{kind}_detector", "features"): attrgetter("features") for kind in ("energy", "entropic")},
    ("entropic_detector", "binary_logits"): attrgetter("binary_logits"),
    ("entropic_detector", "center_distances"): attrgetter("center_distances"),
    ("scan", "logits"): lambda networks: networks.cluster_logits("spherical"),
    ("self_label", "logits"): lambda networks: networks.cluster_logits("full"),
    **{(learner, "features"): (lambda networks: _sphere(networks.points)) for learner in ("encoder", "simclr", "csi")},
    ("csi", "projection"): lambda networks: _sphere(networks.points),
    ("ccal_semantic", "projection_views"): lambda networks: _sphere(networks.points),
    ("ccal_distinctive", "projection_rotations"): lambda networks: _sphere(networks.points)[:, None],
}


class Played(NamedTuple):
    """first: ids of the first labels. rounds: ids of the picks of each round, in their order. networks: the last."""

    first: np.ndarray
    rounds: list[np.ndarray]
    networks: Networks


def first_labels(classes: np.ndarray) -> np.ndarray:
    """Ids of as many random samples of each class, the same for all strategies."""
    rng = np.random.default_rng([SEED, 1])
    found = [rng.choice(np.flatnonzero(classes == k), N_FIRST // N_CLASSES, replace=False) for k in range(N_CLASSES)]
    return np.sort(np.concatenate(found))


def play(name: str, open_set: bool = False) -> Played:
    """What a strategy of that name, with its default options, asks for in four rounds; the same each time.

    open_set: class 2 is of no interest; its samples are rejected once their label is bought.

    Raises InputError where the plane has nothing for it to read: the message says what that is.
    """
    if name in CANNOT:
        raise InputError(CANNOT[name])
    points, classes = plane()
    pool, before = Pool.unlabeled_pool(len(points)), None
    known = N_CLASSES - 1 if open_set else N_CLASSES
    first, rounds = first_labels(classes), []
    memory: dict[str, np.ndarray] = {}
    pool.label_samples(first, classes[first], 0, n_known=known)
    for number in range(N_ROUND):
        networks, strategy = Networks(points, pool), STRATEGIES[name]().in_round(number)
        memory = memory if strategy == before else {}
        streams = Streams(SEED, 1, number)
        oracle = classes if strategy.oracle else None
        view = PoolView(pool, pool.unlabeled, networks, streams, memory, oracle, strategy.learners)
        picks = picks_of(strategy, view, N_QUERY, streams("query"), name, lambda ids: told_of(classes[ids], known))
        pool.label_samples(picks.ids, classes[picks.ids], number + 1, n_known=known)
        view = PoolView(pool, pool.unlabeled, networks, streams, memory, oracle, strategy.learners)
        memory = dict(strategy.observe(view, picks, streams("observe")))
        before = strategy
        rounds.append(picks.ids)
    return Played(first, rounds, Networks(points, pool))
