"""The oracle: a classifier that learned the labels of the test split, and what it says of every training image.

Source: the "reverse" scoring of the cold-start benchmark's public code (Chen et al., 2022). Differences: it trains on
the whole test split, not on nine tenths; both splits are scaled and normalised alike, where that code pads and crops
in training and resizes when scoring; one pass in inference mode follows every epoch, where that code reads the last
network twice and the first epoch never.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tfal import kernels
from tfal.coldstart.criteria import Oracle
from tfal.coldstart.data_maps import SupervisedDynamics, SupervisedMap
from tfal.data import Dataset
from tfal.data.dataset import joined_images
from tfal.data.image_files import open_images
from tfal.data.images import Images
from tfal.kernels.uncertainty import log_softmax
from tfal.learners.base import Builder, OnEpoch
from tfal.learners.classifier import Classifier
from tfal.learners.vaal import VAALearner
from tfal.pool import Pool
from tfal.recipe import Recipe
from tfal.streams import Streams
from tfal.training.finite import checked_logits
from tfal.training.runtime import read_batch_size

NAME = "oracle"  # in progress callbacks
PASSES = {"bald": "mc_logits", "consistency": "view_logits"}  # criterion: what it reads of the classifier
OPTIONAL = (*PASSES, "vaal")  # criteria that are read only when they are asked for


def read_oracle(
    build: Builder,
    data: Dataset,
    images: Images,
    test_images: Images,
    recipe: Recipe,
    wanted: Sequence[str],
    on_epoch: OnEpoch | None = None,
) -> Oracle:
    """Trains on all test images and reads all readable training images; wanted: of OPTIONAL.

    Seeds Keras, NumPy's global generator and Python's `random`, as every training does. Raises TrainingError when the
    loss became NaN or infinite.
    """
    ids, size = data.readable, read_batch_size(data.input_shape)
    labels, dynamics = data.y_train[ids], SupervisedDynamics(len(ids))
    classifier = Classifier(build, test_images, data.n_classes, recipe)

    def end(name: str, epoch: int, n_epoch: int) -> None:
        dynamics.add(softmax(read_logits(classifier, images, ids, size)), labels)
        if on_epoch:
            on_epoch(NAME, epoch, n_epoch)

    classifier.fit(_all_labeled(data.y_test), Streams(recipe.seed), end)
    scores = {name: _scores(classifier, images, ids, name, max(1, size // 8)) for name in wanted if name in PASSES}
    if "vaal" in wanted:
        scores["vaal"] = vaal_scores(build, data, recipe, on_epoch)
    test_ids = np.arange(len(data.y_test))
    return Oracle(
        read_logits(classifier, images, ids, size),
        read_logits(classifier, test_images, test_ids, size),
        dynamics.map(),
        *(scores.get(name) for name in OPTIONAL),
    )


def vaal_scores(build: Builder, data: Dataset, recipe: Recipe, on_epoch: OnEpoch | None = None) -> np.ndarray:
    """float64 (n,) of the readable training images: 1 - the probability that VAAL takes them for labeled ones.

    Its labeled pool are the test images, its unlabeled one the training images.
    """
    n, m, size = len(data.y_train), len(data.y_test), read_batch_size(data.input_shape)
    pool = Pool.unlabeled_pool(n + m)
    pool.exclude(data.corrupt)
    pool.label_samples(np.arange(n, n + m), data.y_test, 0)
    images = open_images(joined_images(data), data.corrupt)
    vaal = VAALearner(build, images, data.n_classes, recipe)
    vaal.fit(pool, Streams(recipe.seed), on_epoch)
    batches = images.batches(data.readable, size)
    taken_for_labeled = [vaal.read(batch, ["labeled_probability"])["labeled_probability"] for batch in batches]
    return 1 - np.concatenate([np.asarray(part, np.float64) for part in taken_for_labeled])


def read_logits(classifier: Classifier, images: Images, ids: np.ndarray, batch_size: int) -> np.ndarray:
    """float32 (n, C) of images `ids`, in inference mode. Raises TrainingError for logits that are NaN or infinite."""
    parts = [
        checked_logits(classifier.read(batch, ["logits"])["logits"].numpy())
        for batch in images.batches(ids, batch_size)
    ]
    return np.concatenate(parts)


def softmax(logits: np.ndarray) -> np.ndarray:
    """float64 probabilities (n, C) of logits."""
    found: np.ndarray = np.exp(log_softmax(np, logits.astype(np.float64)))
    return found


def as_arrays(found: Oracle) -> dict[str, np.ndarray]:
    """To be saved: what `from_arrays` makes the same Oracle from."""
    scores = {name: getattr(found, name) for name in OPTIONAL if getattr(found, name) is not None}
    return {"logits": found.logits, "test_logits": found.test_logits} | found.map._asdict() | scores


def from_arrays(arrays: dict[str, np.ndarray]) -> Oracle:
    """An Oracle of saved arrays. Raises KeyError where one is missing."""
    data_map = SupervisedMap(*(arrays[name] for name in SupervisedMap._fields))
    return Oracle(arrays["logits"], arrays["test_logits"], data_map, *(arrays.get(name) for name in OPTIONAL))


def _scores(classifier: Classifier, images: Images, ids: np.ndarray, name: str, batch_size: int) -> np.ndarray:
    """float64 (n,) of bald or consistency: several passes of an image, kept for one batch at a time."""
    kernel = kernels.bald if name == "bald" else kernels.predictive_variance
    output = PASSES[name]
    parts = [kernel(classifier.read(batch, [output])[output].numpy()) for batch in images.batches(ids, batch_size)]
    return np.concatenate(parts).astype(np.float64)


def _all_labeled(labels: np.ndarray) -> Pool:
    pool = Pool.unlabeled_pool(len(labels))
    pool.label_samples(np.arange(len(labels)), labels, 0)
    return pool
