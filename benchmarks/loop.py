"""A round of the MNIST protocol through the loop, against the same training by hand in Keras, in one process.

By hand it validates on arrays, on a tf.data set, or on batches that are tensors already. Aims: the loop takes at most
0.65 of the first, and 1.05 of the last.

python -m benchmarks.loop [--dataDir FOLDER] [--rounds 3] [--epochs 50]
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple
from unittest import mock

import numpy as np

from models import BUILDERS
from tfal.data import Dataset, load
from tfal.recipe import Recipe

ROOT = Path(__file__).parent.parent
LABELS, VALIDATION = 1000, 5000

# What a new process does up to its first training step: 20 labels are one step of one epoch.
FIRST_STEP = """
import sys, time
begin = time.time()
from models import BUILDERS
from tfal import Recipe, run
from tfal.data import load
recipe = Recipe(n_valid=0, n_epoch=1, n_step=0, n_rep=1, results_dir=sys.argv[1], data_dir=sys.argv[2] or None)
steps = []
list(run(recipe, BUILDERS["SCNN"], data=load("mnist", recipe.data_dir), on_epoch=lambda *_: steps.append(time.time())))
print(steps[0] - begin)
"""

PEAK = """
import sys
from models import BUILDERS
from tfal import Recipe, run
from tfal.data import load
recipe = Recipe(n_init=1000, n_epoch=2, n_step=2, n_rep=1, results_dir=sys.argv[1], data_dir=sys.argv[2] or None)
for done in run(recipe, BUILDERS["SCNN"], data=load("mnist", recipe.data_dir)):
    pass
print(done.row["peak_memory_mb"])
"""


class Lap(NamedTuple):
    """Seconds of the clock on the wall, and of the processor."""

    wall: float
    cpu: float

    @property
    def cores(self) -> float:
        """How many were used."""
        return self.cpu / self.wall


def main() -> None:
    """Prints the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--dataDir", default=None, help="folder with MNIST")
    parser.add_argument("--rounds", type=int, default=3, help="counted rounds of each, after one warm-up")
    parser.add_argument("--epochs", type=int, default=50)
    given = parser.parse_args()
    first_step, peak = _in_new_process(FIRST_STEP, given.dataDir), _in_new_process(PEAK, given.dataDir)
    data = load("mnist", given.dataDir)
    parts, hand = _rounds(data, given.rounds, given.epochs)
    print(f"MNIST, S-CNN, {LABELS} labels, 5,000 for validation, {given.epochs} epochs; medians of {given.rounds}\n")
    _print_parts({"validation (1 epoch)": validation(data), **parts})
    _print_ratios(parts["train"].wall, hand)
    whole = sum(lap.wall for lap in parts.values())
    print(f"query with reading, share of the round     {(parts['read'].wall + parts['query'].wall) / whole:8.1%}")
    print(f"start of Python to first training step     {first_step:8.2f} s")
    print(f"peak memory of a run of its own            {peak:8.0f} MB")


def _rounds(data: Dataset, n_rounds: int, n_epoch: int) -> tuple[dict[str, Lap], dict[str, Lap]]:
    """Medians of the parts of a round of the loop, and of the trainings BY_HAND, all taken in turn.

    The first of each compiles and is dropped. The loop has one clock: every second round it tells processor time.
    """
    from tfal import loop
    from tfal.pool import view

    clocks = {"wall": time.perf_counter, "cpu": time.process_time}
    rows: dict[str, list[dict[str, float]]] = {name: [] for name in clocks}
    laps: dict[str, list[Lap]] = {name: [] for name in BY_HAND}
    with tempfile.TemporaryDirectory() as folder:
        recipe = Recipe(n_init=LABELS, n_query=1, n_epoch=n_epoch, n_step=2 * n_rounds + 1, n_rep=1, results_dir=folder)
        rounds = loop.run(recipe, BUILDERS["SCNN"], data=data)
        next(rounds)
        trainings = {name: by_hand(data, n_epoch, name) for name in BY_HAND}
        for count in range(n_rounds + 1):
            for name, train in trainings.items():
                laps[name].append(timed(train))
                _say(f"{count} of {n_rounds}, by hand, {name}", laps[name][-1].wall)
            for name, clock in clocks.items() if count else ():
                told = mock.Mock(perf_counter=clock)
                with mock.patch.object(loop, "time", told), mock.patch.object(view, "time", told):
                    rows[name].append(next(rounds).row)
                _say(f"{count} of {n_rounds}, through the loop, training, {name} time", rows[name][-1]["seconds_train"])
        rounds.close()  # type: ignore[attr-defined]

    def median(kind: str, part: str) -> float:
        return float(np.median([row[f"seconds_{part}"] for row in rows[kind]]))

    parts = {part: Lap(median("wall", part), median("cpu", part)) for part in ("train", "test", "read", "query")}
    return parts, {name: _median(found[1:]) for name, found in laps.items()}


def _say(what: str, seconds: float) -> None:
    """A run of half an hour that is stopped has said something."""
    print(f"{what}: {seconds:.2f} s", file=sys.stderr, flush=True)


def timed(work: Callable[[], Any]) -> Lap:
    """What `work` takes."""
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return Lap(time.perf_counter() - wall, time.process_time() - cpu)


def _median(laps: list[Lap]) -> Lap:
    return Lap(*np.median(laps, axis=0).tolist())


def validation(data: Dataset, repeats: int = 7) -> Lap:
    """A pass of a classifier over 5,000 validation images, as in each epoch."""
    from tfal.data.images import Images
    from tfal.learners.classifier import Classifier
    from tfal.pool import Pool

    images = np.asarray(data.x_train)[: VALIDATION + LABELS]
    classifier = Classifier(BUILDERS["SCNN"], Images(images), data.n_classes, Recipe())
    pool = Pool.unlabeled_pool(len(images))
    pool.set_validation(np.arange(VALIDATION), data.y_train[:VALIDATION])
    accuracy = classifier.validation(pool)
    return _median([timed(accuracy) for _ in range(repeats + 1)][1:])


def by_hand(data: Dataset, n_epoch: int, kind: str) -> Callable[[], Any]:
    """The bare minimum: one compiled model, arrays in memory, fit, best weights, nothing reset.

    kind: how it validates, a key of BY_HAND.
    """
    import keras

    from tfal.training.runtime import read_batch_size

    network = BUILDERS["SCNN"](data.input_shape, data.n_classes)
    model = keras.Model(network.input, network.output["logits"])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizer=keras.optimizers.Adam(1e-3), loss=loss, metrics=["accuracy"])
    x = np.asarray(data.x_train)[: LABELS + VALIDATION].astype(np.float32) / 255
    y = data.y_train[: LABELS + VALIDATION]
    options = BY_HAND[kind](model, x[LABELS:], y[LABELS:], read_batch_size(data.input_shape))
    best = keras.callbacks.EarlyStopping("val_accuracy", patience=n_epoch, restore_best_weights=True, mode="max")
    callbacks = [*options.pop("callbacks", []), best]
    return lambda: model.fit(
        x[:LABELS], y[:LABELS], batch_size=32, epochs=n_epoch, callbacks=callbacks, verbose=0, **options
    )


def _on_arrays(model: Any, x: np.ndarray, y: np.ndarray, size: int) -> dict[str, Any]:
    return {"validation_data": (x, y), "validation_batch_size": size}


def _on_dataset(model: Any, x: np.ndarray, y: np.ndarray, size: int) -> dict[str, Any]:
    import tensorflow as tf

    return {"validation_data": tf.data.Dataset.from_tensor_slices((x, y)).batch(size).cache().prefetch(4)}


def _on_tensors(model: Any, x: np.ndarray, y: np.ndarray, size: int) -> dict[str, Any]:
    import keras
    import tensorflow as tf

    batches = [tf.constant(x[start : start + size]) for start in range(0, len(x), size)]
    logits = tf.function(lambda batch: model(batch, training=False), reduce_retracing=True)

    def validate(epoch: int, logs: dict[str, float]) -> None:
        found = np.concatenate([logits(batch).numpy() for batch in batches])
        logs["val_accuracy"] = float(np.mean(found.argmax(axis=1) == y))

    return {"callbacks": [keras.callbacks.LambdaCallback(on_epoch_end=validate)]}


BY_HAND = {"arrays": _on_arrays, "a tf.data set": _on_dataset, "tensors": _on_tensors}


def _in_new_process(code: str, data_dir: str | None) -> float:
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-c", code, folder, data_dir or ""]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return float(done.stdout.splitlines()[-1])


def _print_parts(parts: dict[str, Lap]) -> None:
    print(f"{'through the loop':<28}{'wall [s]':>10}{'cpu [s]':>10}{'cores':>8}")
    for name, lap in parts.items():
        print(f"{name:<28}{lap.wall:10.2f}{lap.cpu:10.2f}{lap.cores:8.2f}")


def _print_ratios(train: float, hand: dict[str, Lap]) -> None:
    print(f"\n{'by hand, validation on':<28}{'wall [s]':>10}{'cpu [s]':>10}{'cores':>8}{'the loop, of it':>18}")
    for name, lap in hand.items():
        print(f"{name:<28}{lap.wall:10.2f}{lap.cpu:10.2f}{lap.cores:8.2f}{train / lap.wall:18.2f}")
    print()


if __name__ == "__main__":
    main()
