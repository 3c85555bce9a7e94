"""How many cores does the training of each learner use, with tf.data's autotuning and without?

python -m benchmarks.cores [--learners classifier,simclr] [--network SCNN] [--size 32] [--images 512] [--epochs 6]

On random RGB images in memory, half of them labeled or for validation. The first epoch compiles and is not counted. The
figures mean something on an idle machine alone. "scan" trains SimCLR first, and "self_label" both: all count. "linear
heads" are 20 of the low-budget study on 512 features of each image; they take no pipeline, so both figures are alike.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Sequence
from typing import Any
from unittest import mock

import numpy as np

from benchmarks.loop import Lap
from models import BUILDERS
from tfal.data import pipeline
from tfal.data.images import Images
from tfal.errors import resolve_name
from tfal.evaluation.linear_heads import linear_heads
from tfal.learners import LEARNERS
from tfal.pool import Pool
from tfal.recipe import Recipe
from tfal.recipe.components import options
from tfal.streams import Streams
from tfal.training.runtime import prepare_tensorflow

HEADS = "linear heads"
TRAINED = [*(name for name in LEARNERS if name != "encoder"), HEADS]  # the encoder is one of the others
COLUMNS = "learner, autotuned [s], cores, as it is [s], cores, of it"


def main(argv: Sequence[str] | None = None) -> None:
    """Prints the table."""
    given = _parser().parse_args(argv)
    learners = [resolve_name("learner", name, TRAINED) for name in given.learners.split(",")]
    prepare_tensorflow()
    for row in (COLUMNS.split(", "), ["---"] * 6):
        print(f"| {' | '.join(row)} |")
    for learner in learners:
        before, after = (
            measure(learner, given.network, given.size, given.images, given.epochs, autotuning)
            for autotuning in (True, False)
        )
        laps = [f"{value:.2f}" for value in (before.wall, before.cores, after.wall, after.cores)]
        print(f"| {' | '.join([learner, *laps, f'{after.wall / before.wall:.2f}'])} |", flush=True)


def measure(learner: str, network: str, size: int, n: int, n_epoch: int, autotuning: bool) -> Lap:
    """The epochs but the first of each training that a learner of TRAINED has, on n images of size x size x 3."""
    if learner == HEADS:
        return _heads(n, n_epoch)
    images = Images(np.random.default_rng(0).integers(0, 256, (n, size, size, 3), np.uint8))
    pool, quarter = Pool.unlabeled_pool(n), np.arange(n // 4)
    pool.label_samples(quarter, (quarter % 10).astype(np.int32), 0)
    pool.set_validation(n // 4 + quarter, (quarter % 10).astype(np.int32))
    options: dict[str, Any] = dict.fromkeys(_fields("n_epoch"), n_epoch) | dict.fromkeys(_fields("n_batch"), 32)
    seen: list[tuple[str, float, float]] = []

    def note(name: str, epoch: int, n_epoch: int) -> None:
        seen.append((name, time.perf_counter(), time.process_time()))

    with tempfile.TemporaryDirectory() as folder, mock.patch.object(pipeline, "AUTOTUNING", autotuning):
        recipe = Recipe(network=network, results_dir=folder, **options)
        LEARNERS[learner](BUILDERS[network], images, 10, recipe).fit(pool, Streams(0), note)
    return _whole(seen)


def _heads(n: int, n_epoch: int) -> Lap:
    """All epochs, in a second call: the first one compiles."""
    rng = np.random.default_rng(0)
    features, labels = rng.normal(size=(n, 512)).astype(np.float32), np.arange(n) % 10
    selections = [rng.choice(n, n // 2, replace=False) for _ in range(20)]
    found = []
    for _ in range(2):
        start = np.array([time.perf_counter(), time.process_time()])
        linear_heads(features, labels, selections, n_classes=10, seeds=range(20), epochs=n_epoch)
        found.append(np.array([time.perf_counter(), time.process_time()]) - start)
    return Lap(*found[1].tolist())


def _fields(start: str) -> list[str]:
    return [name for name in options() if name.startswith(start)]


def _whole(seen: list[tuple[str, float, float]]) -> Lap:
    """The sum over all trainings, from the second note on: some note their start, too, and the first epoch compiles."""
    laps = []
    for name in dict.fromkeys(name for name, *_ in seen):
        times = np.array([when for of, *when in seen if of == name])
        laps.append(times[-1] - times[1])
    return Lap(*np.sum(laps, axis=0).tolist())


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--learners", default=",".join(TRAINED), help=f"a comma list of {', '.join(TRAINED)}")
    parser.add_argument("--network", default="SCNN", choices=list(BUILDERS))
    parser.add_argument("--size", type=int, default=32, help="height and width of the images [pixels]")
    parser.add_argument("--images", type=int, default=512, help="in the pool; a quarter is labeled, one for validation")
    parser.add_argument("--epochs", type=int, default=6, help="of each training")
    return parser


if __name__ == "__main__":
    main()
