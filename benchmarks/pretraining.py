"""Pretraining of an encoder: how fast are views made, how fast is a step, and how long does the step wait for views?

python -m benchmarks.pretraining [--learner csi] [--network SCNN] [--dataset digits] [--images 2000] [--batch 32]

The step alone sees the same views again and again. On a CPU, training and making views share the cores.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from models import BUILDERS
from tfal.data import load
from tfal.data.images import Images
from tfal.learners import LEARNERS
from tfal.learners.contrastive import encoder
from tfal.learners.contrastive_encoders import Encoder
from tfal.recipe import Recipe
from tfal.training.optimizers import WarmupCosine
from tfal.training.runtime import prepare_tensorflow

SEEDS = (1, 2)  # of the order and of the views


class Time(NamedTuple):
    """Time of one batch [s]: by the clock, and of all cores together, which other programs disturb less."""

    wall: float
    cores: float


class Found(NamedTuple):
    """views: making them alone. step: training alone. both: a training."""

    views: Time
    step: Time
    both: Time

    @property
    def waiting(self) -> float:
        """Share of a step's time that making views costs it."""
        return 1 - self.step.wall / self.both.wall

    @property
    def most(self) -> float:
        """`waiting` when nothing were made ahead; while other programs disturb the clock, the better number."""
        return self.views.wall / (self.views.wall + self.step.wall)

    @property
    def work(self) -> float:
        """Share of the views in what the cores do."""
        return self.views.cores / (self.views.cores + self.step.cores)


def main(argv: Sequence[str] | None = None) -> None:
    """Prints the table."""
    given = _parser().parse_args(argv)
    prepare_tensorflow()
    recipe = Recipe(network=given.network, n_batch_encoder=given.batch, n_warmup=1, lr_encoder=1e-4)
    array = _array(given.dataset, given.size, given.images)
    found = measure(recipe, given.learner, array, given.steps, given.repeats)
    shape = " x ".join(map(str, array.shape))
    print(f"{given.learner}, {given.network}, {given.dataset} {shape}, batch {given.batch}; {given.steps} steps")
    print(f"{'':12}{'ms a batch':>12}{'images/s':>12}{'ms of cores':>12}")
    for name, time_ in found._asdict().items():
        print(f"{name:12}{1000 * time_.wall:12.1f}{given.batch / time_.wall:12.0f}{1000 * time_.cores:12.1f}")
    print(f"waiting for views, share of a step   {100 * found.waiting:6.1f} %")
    print(f"views, share of the cores' work      {100 * found.work:6.1f} %")


def measure(recipe: Recipe, learner: str, array: np.ndarray, n_steps: int, repeats: int) -> Found:
    """Measures an encoder, see `compare`; array: (N, H, W, C) uint8, at least one batch of recipe.n_batch_encoder."""
    made, n = LEARNERS[learner](BUILDERS[recipe.network], Images(array), 10, recipe), recipe.n_batch_encoder
    network = encoder(BUILDERS[recipe.network](array.shape[1:], 10), made.method.n_rotations)
    trainer = made.trainer(network, WarmupCosine(recipe.lr_encoder, 1, 100, n_steps))
    trainer.make_train_function()
    views = made.views(np.arange(len(array) // n * n), SEEDS)  # whole batches only
    return compare(trainer.train_function, views, n_steps, repeats)


def compare(train: Callable[[Any], Any], batches: tf.data.Dataset, n_steps: int, repeats: int) -> Found:
    """Medians over repeats of n_steps; the first of each compiles, fills buffers and is dropped.

    As in a training, one iterator goes through all steps: to start one takes longer than many a step. The three are
    measured one after the other, not in turn, since an iterator that waits fills its buffers at the cost of the others.

    train: takes the next batch from an iterator, and trains with it. batches: n_steps * (repeats + 1) at least.
    """
    same = tf.data.Dataset.from_tensors(next(iter(batches))).repeat()
    works = [(next, batches), (train, same), (train, batches)]
    return Found(*(_time(*work, n_steps, repeats) for work in works))


def _time(work: Callable[[Any], Any], data: tf.data.Dataset, n_steps: int, repeats: int) -> Time:
    batches, laps = iter(data), []
    for _ in range(repeats + 1):
        for _ in range(n_steps):
            found = work(batches)
        np.asarray(tf.nest.flatten(found)[0])  # a GPU may still be at it
        laps.append((time.perf_counter(), time.process_time()))
    return Time(*(float(value) / n_steps for value in np.median(np.diff(laps, axis=0), axis=0)))


def _array(dataset: str, size: int, n: int) -> np.ndarray:
    if dataset == "random":
        return np.random.default_rng(0).integers(0, 256, (n, size, size, 3), np.uint8)
    return np.asarray(load(dataset).x_train)[:n]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    encoders = [name for name, learner in LEARNERS.items() if issubclass(learner.load(), Encoder)]
    parser.add_argument("--learner", default="csi", choices=encoders)
    parser.add_argument("--network", default="SCNN", choices=list(BUILDERS))
    parser.add_argument("--dataset", default="digits", help="a data set by name, or random")
    parser.add_argument("--size", type=int, default=32, help="height and width of random images [pixels]")
    parser.add_argument("--images", type=int, default=2000)
    parser.add_argument("--batch", type=int, default=32, help="images before views and turns")
    parser.add_argument("--steps", type=int, default=20, help="of each measurement")
    parser.add_argument("--repeats", type=int, default=3, help="counted measurements, after one that compiles")
    return parser


if __name__ == "__main__":
    main()
