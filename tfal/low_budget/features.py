"""The frozen encoder of a low-budget study, and its features of all images, which are read once."""

from __future__ import annotations

import functools
from collections.abc import Iterable

import numpy as np

from tfal.data import Dataset, fingerprint
from tfal.data.image_files import open_images
from tfal.errors import training_of
from tfal.learners import LEARNERS
from tfal.learners.base import Builder, OnEpoch
from tfal.pool import Pool
from tfal.recipe import Recipe
from tfal.storage.feature_files import Shard
from tfal.storage.feature_store import FeatureStore
from tfal.streams import Streams
from tfal.training.built import checked_builder
from tfal.training.runtime import distribution, prepare_tensorflow, read_batch_size


class FrozenFeatures:
    """An encoder and its features, in files below recipe.results_dir; they are made where their files end.

    Args:
        recipe: the encoder and its options, devices, seed, results_dir.
        build: (input shape, number of classes) -> the network of simclr.
        data: the data set.
        on_epoch: called with ("simclr", epoch, epochs) and ("features", images, all images).

    Attributes: build, checked; images, test_images; encoder; members (m,), ids of the images that can be read.

    Raises InputError for an encoder that does not fit.
    """

    def __init__(self, recipe: Recipe, build: Builder, data: Dataset, on_epoch: OnEpoch | None) -> None:
        prepare_tensorflow(recipe.threads)
        self.build = checked_builder(build, recipe.network)
        self.images, self.test_images = open_images(data.x_train, data.corrupt), open_images(data.x_test)
        self.encoder = LEARNERS["encoder"](self.build, self.images, data.n_classes, recipe)
        self.members = data.readable
        self._shard: Shard | None = None
        self._missing: set[int] = set()
        self._recipe, self._data, self._on_epoch = recipe, data, on_epoch

    def fit(self) -> None:
        """Trains the encoder, or goes on, or takes it from its file; to be called first."""
        with training_of("the frozen encoder", "Lower --lrEncoder, or look at the images."):
            self.encoder.fit(self.empty_pool(), Streams(self._recipe.seed), self._on_epoch)

    def empty_pool(self) -> Pool:
        """Nothing is labeled."""
        return Pool.unlabeled_pool(len(self._data.y_train), self.members)

    def read(self, kinds: Iterable[str], shard: Shard | None = None) -> list[int]:
        """Reads the features of all images, of the kinds "unit" and "raw", or a shard of them.

        Returns the numbers of the shards that are not read to their end then.
        """
        self._shard, self._missing = shard, set()
        self.test()
        for kind in kinds:
            self.train(raw=kind == "raw")
        self._shard = None
        return sorted(self._missing)

    def train(self, *, raw: bool = False) -> np.ndarray:
        """(m, d) memory map, row i of sample members[i]: unit rows, float16, or raw ones, float32, which have no
        largest value that is known."""
        return self._read("train", self.images, self.members, raw)

    def test(self) -> np.ndarray:
        """(n, d) unit rows of the test images, float16, a memory map."""
        return self._read("test", self.test_images, np.arange(len(self.test_images)))

    @functools.cached_property
    def _print(self) -> str:
        return fingerprint(self._data)

    def _read(self, part: str, images: object, ids: np.ndarray, raw: bool = False) -> np.ndarray:
        identity = {"data": self._print, "part": part, **self.encoder.identity()}
        if self._recipe.threads:
            identity["threads"] = self._recipe.threads
        recipe, on_epoch = self._recipe, self._on_epoch
        store = FeatureStore(None, {**identity, "rows": "raw"} if raw else identity, recipe.results_dir, self._shard)
        found = store.open_or_make(
            images,  # type: ignore[arg-type]
            lambda batch: self.encoder.read(batch, ["features"])["features"].numpy(),
            ids,
            read_batch_size(self.images.shape, distribution(recipe.devices).num_replicas_in_sync),
            "float32" if raw else "float16",
            on_block=on_epoch and (lambda done, total: on_epoch("features", done, total)),
        )
        self._missing |= {*store.missing}
        return found
