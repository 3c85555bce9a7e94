"""Learners with training steps of their own: how long does a step wait for its input? The aim: less than 5 percent.

python -m benchmarks.waiting [--learners vaal,scan] [--network SCNN] [--sizes 8,32] [--batch 64] [--steps 5]

On random RGB images in memory. The step alone sees the same batch again and again; see benchmarks.pretraining, which
does the same for encoders and their views. On a CPU, training and reading share the cores. "At most" is what waiting
would be if no input were made while a step runs.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from benchmarks.pretraining import SEEDS, Found, compare
from models import BUILDERS
from tfal.data.images import Images
from tfal.errors import resolve_name
from tfal.learners.scan import Scan
from tfal.learners.vaal import VAALearner
from tfal.pool import Pool
from tfal.recipe import Recipe
from tfal.streams import Streams
from tfal.training.runtime import prepare_tensorflow

AIM = 0.05  # share of a step's time
COLUMNS = "learner, images, input [ms], step [ms], training [ms], waiting, at most, input's share of the cores' work"

# What trains with the next batch of an iterator, and the batches.
Training = tuple[Callable[[Any], Any], tf.data.Dataset]


def main(argv: Sequence[str] | None = None) -> None:
    """Prints the table."""
    given = _parser().parse_args(argv)
    learners = [resolve_name("learner", name, TRAININGS) for name in given.learners.split(",")]
    prepare_tensorflow()
    print(f"batch {given.batch}; medians of {given.repeats} times {given.steps} steps; aim: {100 * AIM:g} %\n")
    columns = COLUMNS.split(", ")
    for row in (columns, ["---"] * len(columns)):
        print(f"| {' | '.join(row)} |")
    for learner in learners:
        for size in map(int, given.sizes.split(",")):
            found = measure(learner, given.network, size, given.batch, given.steps, given.repeats)
            times = [f"{1000 * time.wall:.1f}" for time in found]
            shares = [f"{100 * share:.1f} %" for share in (found.waiting, found.most, found.work)]
            print(f"| {' | '.join([learner, f'{size} x {size} x 3', *times, *shares])} |", flush=True)


def measure(learner: str, network: str, size: int, batch: int, n_steps: int, repeats: int) -> Found:
    """Measures the training steps of a learner of TRAININGS on images of size x size x 3; see `compare`.

    network: a name of BUILDERS; vaal has its own.
    """
    images = Images(np.random.default_rng(0).integers(0, 256, (16 * batch, size, size, 3), np.uint8))
    n = n_steps * (repeats + 1)  # epochs, of at least a step each
    recipe = Recipe(network=network, n_batch_vaal=batch, n_epoch_vaal=n, n_batch_scan=batch, n_epoch_scan=n)
    return compare(*TRAININGS[learner](images, recipe), n_steps, repeats)


def _vaal(images: Images, recipe: Recipe) -> Training:
    """A quarter of the images is labeled."""
    learner = VAALearner(BUILDERS[recipe.network], images, 10, recipe)
    pool = Pool.unlabeled_pool(len(images))
    pool.label_samples(np.arange(len(images) // 4), np.zeros(len(images) // 4, np.int32), 0)
    return lambda batches: learner.step(*next(batches)), learner.batches(pool, Streams(0))


def _scan(images: Images, recipe: Recipe) -> Training:
    """Every image is the neighbor of itself, since which ones are neighbors costs no time."""
    learner, ids = Scan(BUILDERS[recipe.network], images, 10, recipe), np.arange(len(images))
    learner._neighbors = ids[:, None]
    trainer = learner._trainer(learner._new_network(), len(ids))
    trainer.make_train_function()
    return trainer.train_function, learner._batches(ids, SEEDS, 0)


TRAININGS: dict[str, Callable[[Images, Recipe], Training]] = {"vaal": _vaal, "scan": _scan}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--learners", default=",".join(TRAININGS), help=f"a comma list of {', '.join(TRAININGS)}")
    parser.add_argument("--network", default="SCNN", choices=list(BUILDERS), help="of scan")
    parser.add_argument("--sizes", default="8,32", help="a comma list of heights and widths [pixels]")
    parser.add_argument("--batch", type=int, default=64, help="images a step; vaal: of each pool")
    parser.add_argument("--steps", type=int, default=5, help="of each measurement")
    parser.add_argument("--repeats", type=int, default=3, help="counted measurements, after one that compiles")
    return parser


if __name__ == "__main__":
    main()
