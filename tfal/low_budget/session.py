"""What all labeled sets of a low-budget study share: frozen features of the whole data set, and the evaluations."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from tfal.data import Dataset, fingerprint
from tfal.data.image_files import open_images
from tfal.errors import training_of
from tfal.evaluation.knn import knn_scores
from tfal.evaluation.linear_heads import MILESTONES, Head, linear_heads
from tfal.evaluation.linear_probe import linear_probes
from tfal.evaluation.scores import Scores, class_coverage
from tfal.evaluation.trainer import Training
from tfal.evaluation.transfer import finetuner, scratch_trainer
from tfal.learners import LEARNERS
from tfal.learners.base import Builder, OnEpoch
from tfal.low_budget.jobs import Job
from tfal.pool import Pool
from tfal.reading.backend import choose_backend
from tfal.reading.tables import TableReader, Trained
from tfal.recipe import Recipe
from tfal.recipe.options import flag
from tfal.storage.environment import Notes
from tfal.storage.feature_store import FeatureStore
from tfal.storage.index_files import query_seconds
from tfal.storage.tables import Row
from tfal.strategies import Strategy
from tfal.streams import Streams
from tfal.training.built import checked_builder
from tfal.training.layers import Watched
from tfal.training.runtime import distribution, prepare_tensorflow, read_batch_size


class Session:
    """Images, encoder and features (unit rows, float16, memory maps), and whatever is compiled once.

    Raises InputError for an encoder that does not fit. Pretrains it, and reads the features, where their files end.
    """

    def __init__(
        self, recipe: Recipe, build: Builder, data: Dataset, on_epoch: OnEpoch | None, jobs: Sequence[Job] = ()
    ) -> None:
        prepare_tensorflow(recipe.threads)
        build = checked_builder(build, recipe.network)
        self.notes = Notes()
        self.recipe, self.build, self.data, self.n_classes = recipe, build, data, data.n_classes
        self.labels, self.members = data.y_train, data.readable
        self.images = open_images(data.x_train, data.corrupt)
        self.test_images = open_images(data.x_test)
        self.backend = choose_backend(recipe.backend)
        self.encoder = LEARNERS["encoder"](build, self.images, self.n_classes, recipe)
        if recipe.encoder == "simclr" or "scratch" in recipe.evaluate.split(","):
            network = Watched(build).described(self.images.shape, self.n_classes)
            for job in jobs:
                job.folder.check_network(network)
        with training_of("the frozen encoder", "Lower --lrEncoder, or look at the images."):
            self.encoder.fit(self.empty_pool(), Streams(recipe.seed), on_epoch)
        self._on_epoch = on_epoch
        self.features, self.test_features = self._features(on_epoch)
        self._trainers: dict[str, Any] = {}

    def empty_pool(self) -> Pool:
        """Nothing is labeled."""
        return Pool.unlabeled_pool(len(self.labels), self.members)

    def _features(self, on_epoch: OnEpoch | None) -> tuple[np.ndarray, np.ndarray]:
        test_ids = np.arange(len(self.test_images))
        return (
            self._read("train", self.images, self.members, on_epoch),
            self._read("test", self.test_images, test_ids, on_epoch),
        )

    def _read(
        self, part: str, images: Any, ids: np.ndarray, on_epoch: OnEpoch | None, *, raw: bool = False
    ) -> np.ndarray:
        """Unit rows, float16, or raw ones, float32, which have no largest value that is known."""
        identity = {"data": fingerprint(self.data), "part": part, **self.encoder.identity()}
        store = FeatureStore(None, {**identity, "rows": "raw"} if raw else identity, self.recipe.results_dir)
        return store.open_or_make(
            images,
            lambda batch: self.encoder.read(batch, ["features"])["features"].numpy(),
            ids,
            read_batch_size(self.images.shape, distribution(self.recipe.devices).num_replicas_in_sync),
            "float32" if raw else "float16",
            on_block=on_epoch and (lambda done, total: on_epoch("features", done, total)),
        )

    @functools.cached_property
    def _seen_by_head(self) -> np.ndarray:
        """What the head of strategies sees (m, d), row i of sample members[i]."""
        if self.recipe.head_input == "unit":
            return self.features
        return self._read("train", self.images, self.members, self._on_epoch, raw=True)

    def reader(self, strategy: Strategy, labeled: np.ndarray, streams: Streams) -> TableReader:
        """What the strategy reads; trains a head on the labeled samples once it asks for one."""

        @functools.cache
        def trained() -> Trained:
            return Trained(self._head(labeled, streams), self._seen_by_head)

        asked = trained if strategy.needs_labels else None
        return TableReader({"features": self.features}, self.backend, self.members, asked)

    def _head(self, labeled: np.ndarray, streams: Streams) -> Head:
        rows = np.searchsorted(self.members, labeled)
        (head,) = linear_heads(
            self._seen_by_head,
            self.labels[self.members],
            [rows],
            n_classes=self.n_classes,
            seeds=[streams.integer("model")],
            epochs=self.recipe.n_epoch_linear,
            learning_rate=self.recipe.lr_head,
            milestones=self.recipe.milestones or MILESTONES,
            unit=self.recipe.head_input == "unit",
        )
        return head

    def rows(self, job: Job, selections: Mapping[int, np.ndarray], n_done: int) -> Iterator[Row]:
        """What each budget's labeled set is worth, beginning at the n_done-th."""
        budgets = job.budgets[n_done:]
        steps = range(n_done, len(job.budgets))
        seeds = [Streams(job.recipe.seed, job.rep, step).integer("evaluate") for step in steps]
        linear: Sequence[Scores] = ()
        names = job.recipe.evaluate.split(",")
        if "linear" in names:
            with _training_of("linear", job, f"{budgets[0]} to {budgets[-1]} labels"):
                linear = self._linear([selections[budget] for budget in budgets], seeds)
        for place, (budget, seed) in enumerate(zip(budgets, seeds, strict=True)):
            ids = selections[budget]
            scores = {}
            for name in names:
                with _training_of(name, job, f"{budget} labels"):
                    scores[name] = linear[place] if name == "linear" else getattr(self, f"_{name}")(ids, seed)
            yield {
                "round": n_done + place,
                "labels": budget,
                "test_accuracy": scores[names[0]].top1,
                "coverage": class_coverage(self.labels[ids], self.n_classes),
                **{f"{name}_{top}": getattr(score, top) for name, score in scores.items() for top in ("top1", "top5")},
                "seconds_query": query_seconds(job.index_file(budget)),
            }

    def _linear(self, selections: Sequence[np.ndarray], seeds: Sequence[int]) -> Sequence[Scores]:
        return linear_probes(
            self.features,
            self.labels[self.members],
            [np.searchsorted(self.members, ids) for ids in selections],
            self.test_features,
            self.data.y_test,
            n_classes=self.n_classes,
            seeds=seeds,
            epochs=self.recipe.n_epoch_linear,
            learning_rate=self.recipe.lr_linear,
            milestones=self.recipe.milestones or MILESTONES,
        )

    def _knn(self, ids: np.ndarray, seed: int) -> Scores:
        rows, labels = np.searchsorted(self.members, ids), self.labels[self.members]
        rng = np.random.default_rng(seed)
        return knn_scores(
            self.features, labels, rows, self.test_features, self.data.y_test, self.recipe.n_neighbor, rng
        )

    def _finetune(self, ids: np.ndarray, seed: int) -> Scores:
        recipe = self.recipe
        if "finetune" not in self._trainers:
            training = self._training()
            self._trainers["finetune"] = finetuner(
                self.encoder.network, self.images, self.n_classes, training, recipe.lr_finetune, recipe.lr_linear
            )
        return self._trained("finetune", ids, seed)

    def _scratch(self, ids: np.ndarray, seed: int) -> Scores:
        recipe = self.recipe
        if "scratch" not in self._trainers:
            training = self._training()
            self._trainers["scratch"] = scratch_trainer(
                self.build, self.images, self.n_classes, training, recipe.lr_scratch
            )
        return self._trained("scratch", ids, seed)

    def _training(self) -> Training:
        recipe = self.recipe
        return Training(
            recipe.n_epoch_linear,
            recipe.n_batch,
            recipe.augment,
            devices=recipe.devices,
            milestones=recipe.milestones,
        )

    def _trained(self, name: str, ids: np.ndarray, seed: int) -> Scores:
        trainer = self._trainers[name]
        trainer.fit(ids, self.labels[ids], seed)
        found: Scores = trainer.scores(self.test_images, np.arange(len(self.data.y_test)), self.data.y_test)
        return found


def _training_of(evaluation: str, job: Job, labels: str) -> contextlib.AbstractContextManager[None]:
    where = f"{evaluation} in repetition {job.rep} of {job.recipe.strategy}, {labels}"
    rate = flag(f"lr_{evaluation}")
    return training_of(where, f"Lower {rate}, or look at the images and labels.")
