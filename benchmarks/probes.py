"""Linear probes of many labeled sets: all together, one after another, and by keras fit one after another.

python -m benchmarks.probes [--selections 20] [--labels 500] [--features 512] [--classes 10] [--epochs 100]

Keras is given what makes it fast: rows scaled once, one model compiled once, whose weights and optimizer are set back
for each selection. All see the same sets, in the same process, in turn.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

import keras
import numpy as np

from tfal.evaluation.linear_heads import MILESTONES
from tfal.evaluation.linear_probe import linear_probes
from tfal.evaluation.scores import step_rates
from tfal.kernels.parts.pairwise import unit_rows
from tfal.training.runtime import prepare_tensorflow

N_POOL, N_TEST, BATCH = 20_000, 5_000, 128


class Task(NamedTuple):
    """Features and labels of a pool, of test samples, and what is selected."""

    x: np.ndarray
    y: np.ndarray
    x_test: np.ndarray
    y_test: np.ndarray
    selections: list[np.ndarray]
    n_classes: int


class Lap(NamedTuple):
    """A call that probes all selections: seconds by the clock, and the mean test accuracy."""

    seconds: float
    accuracy: float


class Found(NamedTuple):
    """Medians; what is compiled at first is left out."""

    together: Lap
    one_by_one: Lap
    keras: Lap


def main(argv: Sequence[str] | None = None) -> None:
    """Prints the table."""
    given = _parser().parse_args(argv)
    prepare_tensorflow()
    task = make_task(given.selections, given.labels, given.features, given.classes)
    found = measure(task, given.epochs, given.repeats)
    sizes = f"{given.labels} labels, {given.features} features, {given.classes} classes"
    print(f"{given.selections} selections of {sizes}, {given.epochs} epochs")
    print(f"{'':12}{'s':>10}{'ratio':>10}{'accuracy':>10}")
    for name, lap in found._asdict().items():
        print(f"{name:12}{lap.seconds:10.2f}{lap.seconds / found.together.seconds:10.1f}{lap.accuracy:10.3f}")


def make_task(n_selections: int, n_labels: int, d: int, n_classes: int) -> Task:
    """Clouds around random centers, and random selections of them."""
    rng = np.random.default_rng(0)
    centers = rng.normal(size=(n_classes, d)).astype(np.float32) * 0.8 / np.sqrt(np.sqrt(d))
    y = rng.integers(0, n_classes, N_POOL + N_TEST)
    x = centers[y] + rng.normal(size=(len(y), d)).astype(np.float32)
    selections = [rng.choice(N_POOL, n_labels, replace=False) for _ in range(n_selections)]
    return Task(x[:N_POOL], y[:N_POOL], x[N_POOL:], y[N_POOL:], selections, n_classes)


def measure(task: Task, epochs: int, repeats: int) -> Found:
    """Medians over repeats, in turn, after a call of each with one epoch, which compiles."""
    n = len(task.selections)
    works: list[Callable[[int], list[float]]] = [
        lambda m: _probe(task, range(n), m),
        lambda m: [_probe(task, [i], m)[0] for i in range(n)],
        _Keras(task),
    ]
    laps = [[_lap(work, epochs if repeat else 1) for work in works] for repeat in range(repeats + 1)]
    return Found(*(Lap(*map(float, values)) for values in np.median(laps[1:], axis=0)))


def _lap(work: Callable[[int], list[float]], epochs: int) -> Lap:
    started = time.perf_counter()
    accuracies = work(epochs)
    return Lap(time.perf_counter() - started, float(np.mean(accuracies)))


def _probe(task: Task, which: Sequence[int], epochs: int) -> list[float]:
    found = linear_probes(
        task.x,
        task.y,
        [task.selections[i] for i in which],
        task.x_test,
        task.y_test,
        n_classes=task.n_classes,
        seeds=which,
        epochs=epochs,
        batch=BATCH,
    )
    return [scores.top1 for scores in found]


class _Keras:
    """keras fit and predict of a Dense layer.

    With a seed, which deterministic TensorFlow asks for, fit shuffles once: all epochs have the same batches, and the
    accuracy is a little lower. With the orders of linear_heads it ends in nearly the same weights as those.
    """

    def __init__(self, task: Task) -> None:
        self._task = task
        self._x, self._x_test = unit_rows(task.x), unit_rows(task.x_test)
        keras.utils.set_random_seed(0)
        start = keras.initializers.RandomUniform(-1 / np.sqrt(task.x.shape[1]), 1 / np.sqrt(task.x.shape[1]))
        head = keras.layers.Dense(task.n_classes, kernel_initializer=start, bias_initializer="zeros")
        self._model = keras.Sequential([keras.Input((task.x.shape[1],)), head])
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        self._model.compile(keras.optimizers.Adam(epsilon=1e-8), loss, jit_compile=False)
        self._model.optimizer.build(self._model.trainable_variables)
        self._variables = [*self._model.variables, *self._model.optimizer.variables]
        self._start = [variable.numpy() for variable in self._variables]

    def __call__(self, epochs: int) -> list[float]:
        rates = step_rates(0.01, epochs, MILESTONES)
        schedule = keras.callbacks.LambdaCallback(on_epoch_begin=lambda epoch, logs: self._set(float(rates[epoch])))
        scores = []
        for ids in self._task.selections:
            for variable, value in zip(self._variables, self._start, strict=True):
                variable.assign(value)
            x, y = self._x[ids], self._task.y[ids]
            self._model.fit(x, y, BATCH, epochs, callbacks=[schedule], verbose=0)
            logits = self._model.predict(self._x_test, batch_size=1000, verbose=0)
            scores.append(float(np.mean(logits.argmax(axis=1) == self._task.y_test)))
        return scores

    def _set(self, rate: float) -> None:
        self._model.optimizer.learning_rate = rate


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--selections", type=int, default=20)
    parser.add_argument("--labels", type=int, default=500, help="of each selection")
    parser.add_argument("--features", type=int, default=512, help="values of a row")
    parser.add_argument("--classes", type=int, default=10)
    parser.add_argument("--epochs", type=int, default=100)
    parser.add_argument("--repeats", type=int, default=3)
    return parser


if __name__ == "__main__":
    main()
