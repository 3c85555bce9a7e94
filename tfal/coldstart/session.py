"""The network side of a cold-start study: what is read of all images, and what a pool is worth. Made when asked for."""

from __future__ import annotations

import time
from functools import cached_property

import numpy as np
from sklearn.metrics import roc_auc_score

from tfal.coldstart import oracle
from tfal.coldstart.criteria import CRITERIA, Oracle, SelfSupervised
from tfal.coldstart.dynamics import ContrastiveDynamics
from tfal.coldstart.study import Plan, Work
from tfal.data.image_files import open_images
from tfal.errors import InputError, training_of
from tfal.evaluation.scores import class_coverage
from tfal.files import write_atomically
from tfal.learners.base import Builder, OnEpoch
from tfal.learners.classifier import Classifier
from tfal.pool import Pool
from tfal.storage.array_files import read_arrays
from tfal.storage.feature_store import FeatureStore
from tfal.streams import Streams
from tfal.training.built import checked_builder
from tfal.training.runtime import prepare_tensorflow, read_batch_size

_MEND = "Lower --learningRate, or look at the images and labels."


class Session:
    """Images, the self-supervised encoder, the oracle, and one compiled classifier for all pools."""

    def __init__(self, plan: Plan, build: Builder, on_epoch: OnEpoch | None) -> None:
        prepare_tensorflow(plan.recipe.threads)
        self.plan, self._build, self._on_epoch = plan, checked_builder(build, plan.recipe.network), on_epoch
        self._images = open_images(plan.data.x_train, plan.data.corrupt)
        self._test_images = open_images(plan.data.x_test)
        self._read_batch = read_batch_size(plan.data.input_shape)
        self._stored_oracle = _load_oracle(plan)  # looked at now, not when all pools are trained

    @cached_property
    def self_supervised(self) -> SelfSupervised:
        """Trains the encoder, or takes it from its file, and reads the features of all images, once."""
        plan, data = self.plan, self.plan.data
        dynamics = ContrastiveDynamics(
            self._build, self._images, data.n_classes, plan.recipe, plan.folder / "self_supervised"
        )
        with training_of("the self-supervised encoder", "Lower --lrEncoder, or look at the images."):
            dynamics.fit(
                Pool.unlabeled_pool(len(data.y_train), plan.members), Streams(plan.recipe.seed), self._on_epoch
            )
        store = FeatureStore(plan.folder / "self_supervised" / "features", {"encoder": dynamics.identity})
        features = store.open_or_make(
            self._images, lambda batch: dynamics.features(batch).numpy(), plan.members, self._read_batch
        )
        data_map = dynamics.map(plan.study.temperature)
        return SelfSupervised(data_map, dynamics.loss, features, plan.study.n_cluster)

    @cached_property
    def oracle(self) -> Oracle:
        """Trains on the test split and reads all images, or takes what was read from its file."""
        wanted, found = [name for name in self.plan.criteria if name in oracle.OPTIONAL], self._stored_oracle
        if found and all(getattr(found, name) is not None for name in wanted):
            return found
        with training_of("the oracle", _MEND):
            found = oracle.read_oracle(
                self._build, self.plan.data, self._images, self._test_images, self.plan.recipe, wanted, self._on_epoch
            )
        arrays = oracle.as_arrays(found)
        write_atomically(self.plan.oracle_file, lambda file: np.savez(file, **arrays))  # type: ignore[arg-type]
        return found

    @cached_property
    def _classifier(self) -> Classifier:
        return Classifier(self._build, self._images, self.plan.data.n_classes, self.plan.recipe)

    def train(self, work: Work) -> dict[str, float]:
        """Trains a fresh classifier on a pool; what it and the pool are worth.

        accuracy: top-1 on the test split, a fraction. auc: see `one_vs_rest_auc`. coverage: share of the classes that
        the pool has. train_loss, seconds_train.
        """
        data, ids = self.plan.data, self.plan.pool(work)
        pool = Pool.unlabeled_pool(len(data.y_train))
        pool.label_samples(ids, data.y_train[ids], 0)
        began = time.perf_counter()
        with training_of(f"training {work.run} of {work.criterion}, {work.budget} images", _MEND):
            found = self._classifier.fit(pool, Streams(self.plan.recipe.seed, work.run, work.budget))
            seconds = time.perf_counter() - began
            test_ids = np.arange(len(data.y_test))
            logits = oracle.read_logits(self._classifier, self._test_images, test_ids, self._read_batch)
        return {
            "accuracy": float(np.mean(logits.argmax(axis=1) == data.y_test)),
            "auc": one_vs_rest_auc(oracle.softmax(logits), data.y_test),
            "coverage": class_coverage(data.y_train[ids], data.n_classes),
            "train_loss": found["train_loss"],
            "seconds_train": seconds,
        }


def one_vs_rest_auc(probabilities: np.ndarray, labels: np.ndarray) -> float:
    """The mean over classes of the area under the ROC curve of one class against the rest.

    probabilities: (n, C), rows sum to 1. labels: (n,) 0..C-1. NaN where a class has no sample, or all of them.
    """
    counts = np.bincount(labels, minlength=probabilities.shape[1])
    if counts.min() == 0 or counts.max() == len(labels):
        return float("nan")
    columns = probabilities.T
    return float(np.mean([roc_auc_score(labels == c, column) for c, column in enumerate(columns)]))


def _load_oracle(plan: Plan) -> Oracle | None:
    """What a file says of the images, where a criterion asks for it; None where there is none."""
    path, mend = plan.oracle_file, "Remove it to train anew."
    if not path.exists() or not any(CRITERIA[name].oracle for name in plan.criteria):
        return None
    arrays, data = read_arrays(path, mend), plan.data
    try:
        found = oracle.from_arrays(arrays)
    except KeyError as error:
        raise InputError(f"{path} is damaged (it holds no {error}). {mend}") from None
    wanted = dict.fromkeys(arrays, (len(plan.members),)) | {
        "logits": (len(plan.members), data.n_classes),
        "test_logits": (len(data.y_test), data.n_classes),
    }
    odd = [name for name, array in arrays.items() if array.shape != wanted[name] or array.dtype.kind != "f"]
    odd += [name for name, array in arrays.items() if name not in odd and not np.isfinite(array).all()]
    if odd:
        raise InputError(f"{path} is damaged ({odd[0]!r} is not of finite numbers {wanted[odd[0]]}). {mend}")
    return found
