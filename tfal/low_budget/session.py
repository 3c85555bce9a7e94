"""What all labeled sets of a low-budget study share: frozen features of the whole data set, and the evaluations."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from tfal.data import Dataset
from tfal.errors import training_of
from tfal.evaluation.knn import knn_scores
from tfal.evaluation.linear_heads import MILESTONES, Head, linear_heads
from tfal.evaluation.linear_probe import linear_probes
from tfal.evaluation.scores import Scores, class_coverage
from tfal.evaluation.trainer import Training
from tfal.evaluation.transfer import finetuner, scratch_trainer
from tfal.learners.base import Builder, OnEpoch
from tfal.low_budget.features import FrozenFeatures
from tfal.low_budget.jobs import Job
from tfal.reading.backend import choose_backend
from tfal.reading.tables import TableReader, Trained
from tfal.recipe import Recipe
from tfal.recipe.options import flag
from tfal.storage.environment import Notes
from tfal.storage.index_files import query_seconds
from tfal.storage.tables import Row
from tfal.strategies import Strategy
from tfal.streams import Streams
from tfal.training.layers import Watched


class Session:
    """Images, encoder and features (unit rows, float16, memory maps), and whatever is compiled once.

    Raises InputError for an encoder that does not fit. Pretrains it, and reads the features, where their files end.
    """

    def __init__(
        self, recipe: Recipe, build: Builder, data: Dataset, on_epoch: OnEpoch | None, jobs: Sequence[Job] = ()
    ) -> None:
        self._frozen = FrozenFeatures(recipe, build, data, on_epoch)
        self.notes = Notes()
        self.recipe, self.build, self.data, self.n_classes = recipe, self._frozen.build, data, data.n_classes
        self.labels, self.members, self.empty_pool = data.y_train, data.readable, self._frozen.empty_pool
        self.images, self.test_images = self._frozen.images, self._frozen.test_images
        self.backend, self.encoder = choose_backend(recipe.backend), self._frozen.encoder
        if recipe.encoder == "simclr" or "scratch" in recipe.evaluate.split(","):
            network = Watched(self.build).described(self.images.shape, self.n_classes)
            for job in jobs:
                job.folder.check_network(network)
        self._frozen.fit()
        self.features, self.test_features = self._frozen.train(), self._frozen.test()
        self._trainers: dict[str, Any] = {}

    @functools.cached_property
    def _seen_by_head(self) -> np.ndarray:
        """What the head of strategies sees (m, d), row i of sample members[i]."""
        if self.recipe.head_input == "unit":
            return self.features
        return self._frozen.train(raw=True)

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
