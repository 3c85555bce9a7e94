"""An ensemble: classifiers that differ in their first weights and in the order of their batches.

Beluch et al., The Power of Ensembles for Active Learning in Image Classification, CVPR 2018.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import tensorflow as tf

from tfal.data.images import Images
from tfal.errors import InputError
from tfal.files import storage_errors
from tfal.learners.base import Builder, OnEpoch
from tfal.learners.classifier import Classifier
from tfal.pool import Pool
from tfal.reading.members import log_mean
from tfal.recipe import Recipe
from tfal.streams import PURPOSES, Streams

IN_MEMORY = 2**30  # bytes of weights, of all members, that are kept in main memory


class Ensemble:
    """recipe.n_member classifiers, trained one after the other in one compiled network, whose weights are kept.

    Member 0 is the classifier that the same streams train on its own. Weights of up to IN_MEMORY bytes stay in main
    memory, larger ones in a temporary folder that goes with this object; the network itself holds one member at a time.

    `read` knows member_logits (B, E, C), logits (B, C), the logarithm of the members' mean probability, and the named
    outputs of member 0; all float32.

    Args:
        build, images, n_classes, recipe: see Classifier.
    """

    name: ClassVar[str] = "ensemble"

    def __init__(self, build: Builder, images: Images, n_classes: int, recipe: Recipe) -> None:
        self._recipe = recipe
        self._classifier = Classifier(build, images, n_classes, recipe)
        self._members: list[list[np.ndarray]] = []
        self._starts: list[Sequence[np.ndarray]] = []
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._loaded: int | None = None

    def fit(self, pool: Pool, streams: Streams, on_epoch: OnEpoch | None = None) -> dict[str, float]:
        """Trains all members on pool.labeled; see Classifier. What it returns are means over the members."""
        n, epochs = self._recipe.n_member, self._recipe.n_epoch
        starts, self._starts = self._starts, []
        self._members, self._loaded = [], None
        found = []
        for member in range(n):
            if starts:
                self._classifier.start_from(starts[member])

            def report(name: str, epoch: int, of: int, before: int = member * epochs) -> None:
                done = before + epoch
                if on_epoch and done % n == 0:  # an epoch of the ensemble is as much as one of each member
                    on_epoch(self.name, done // n, epochs)

            found.append(self._classifier.fit(pool, _of_member(streams, member), report))
            self._members.append(self._kept(self._classifier.weights(), member))
        self._loaded = n - 1
        return {name: float(np.mean([log[name] for log in found])) for name in found[0]}

    def read(self, batch: tf.Tensor, outputs: Sequence[str]) -> dict[str, tf.Tensor]:
        """Named outputs of a batch of float32 images, in inference mode."""
        others = [name for name in outputs if name not in ("logits", "member_logits")]
        found: dict[str, tf.Tensor] = {}
        logits = []
        for member in range(len(self._members) if len(others) < len(outputs) else 1):
            self._load(member)
            read = self._classifier.read(batch, ["logits", *(others if member == 0 else [])])
            logits.append(read.pop("logits"))
            found |= read
        if "member_logits" in outputs:
            found["member_logits"] = tf.stack(logits, axis=1)
        if "logits" in outputs:
            found["logits"] = log_mean(tf.stack(logits, axis=1))
        return found

    def head(self) -> tuple[np.ndarray, np.ndarray]:
        """Kernel (d, C) and bias (C,) of the last Dense layer of member 0."""
        self._load(0)
        return self._classifier.head()

    def weights(self) -> list[np.ndarray]:
        """The weights and moving statistics of all members, one member after the other."""
        return [np.array(values) for member in self._members for values in member]

    def start_from(self, weights: Sequence[np.ndarray]) -> None:
        """The next `fit`, and it alone, begins with what `weights` gave; see Classifier."""
        n, size = self._recipe.n_member, len(self._classifier.weights())
        if len(weights) != n * size:
            raise InputError(
                f"weights must be the {size} arrays of each of {n} members. Received: {len(weights)} arrays. "
                "Give what weights() of the same ensemble gave."
            )
        self._starts = [weights[member * size : (member + 1) * size] for member in range(n)]

    def _load(self, member: int) -> None:
        if self._loaded != member:
            self._classifier.load(self._members[member])
            self._loaded = member

    def _kept(self, weights: list[np.ndarray], member: int) -> list[np.ndarray]:
        """The weights of a member in memory, or in files that are mapped."""
        if self._recipe.n_member * sum(values.nbytes for values in weights) <= IN_MEMORY:
            return weights
        if self._folder is None:
            self._folder = tempfile.TemporaryDirectory(prefix="tfal-ensemble-", ignore_cleanup_errors=True)
        paths = [Path(self._folder.name) / f"{member}-{number}.npy" for number in range(len(weights))]
        for path, values in zip(paths, weights, strict=True):
            with storage_errors(path):
                np.save(path, values)
        return [np.load(path, mmap_mode="r") for path in paths]


@dataclass(frozen=True)
class _MemberStreams(Streams):
    """Streams of a member above 0, independent of those of all others."""

    member: int = 1

    def __call__(self, purpose: str) -> np.random.Generator:
        return np.random.default_rng([self.seed, self.rep, self.round, PURPOSES[purpose], self.member])


def _of_member(streams: Streams, member: int) -> Streams:
    return _MemberStreams(streams.seed, streams.rep, streams.round, member) if member else streams
