"""Monte-Carlo dropout: passes that share all before the first mask, against passes through the whole network.

python -m benchmarks.bayesian [--images 20000] [--passes 25] [--repeats 3] [--networks HeadDropout,SCNN]

A plain pass gives features and logits of all images. All ways of a network read the same images through the same
weights in the same process, in turn.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import keras
import numpy as np
from keras import layers

from models import BUILDERS
from tfal.data.images import Images
from tfal.reading.mc_dropout import MonteCarlo
from tfal.reading.named_outputs import NamedOutputs
from tfal.training.runtime import prepare_tensorflow, read_batch_size

SHAPE, N_CLASSES = (28, 28, 1), 10


class Lap(NamedTuple):
    """Median seconds of a way to read all images, and how far its values are from those of shared passes."""

    way: str
    seconds: float
    difference: float


def main(argv: Sequence[str] | None = None) -> None:
    """Prints the table."""
    given = _parser().parse_args(argv)
    prepare_tensorflow()
    images = make_images(given.images)
    print(f"{given.images} images {SHAPE}, {given.passes} passes\n")
    print("| network | way | time [s] | of a plain pass | largest difference |")
    print("| --- | --- | --- | --- | --- |")
    for name in given.networks.split(","):
        laps = measure(NETWORKS[name](), images, given.passes, given.repeats)
        for way, seconds, difference in laps:
            shown = "" if np.isnan(difference) else f"{difference:.1e}"
            print(f"| {name} | {way} | {seconds:.3g} | {seconds / laps[0].seconds:.2f}x | {shown} |", flush=True)


def make_images(n: int) -> Images:
    """Random grey levels."""
    return Images(np.random.default_rng(0).integers(0, 256, (n, *SHAPE), dtype=np.uint8))


def head_dropout() -> keras.Model:
    """S-CNN's convolutions and dense layer, with dropout behind the features only."""
    keras.utils.set_random_seed(0)
    images = keras.Input(SHAPE)
    x = layers.Conv2D(64, 3, activation="relu")(layers.Conv2D(32, 3, activation="relu")(images))
    x = layers.Dense(128, activation="relu")(layers.Flatten()(layers.MaxPooling2D()(x)))
    return keras.Model(images, layers.Dense(N_CLASSES)(layers.Dropout(0.5)(x)), name="HeadDropout")


def scnn() -> keras.Model:
    """S-CNN as it is: dropout before and behind the features."""
    keras.utils.set_random_seed(0)
    return BUILDERS["SCNN"](SHAPE, N_CLASSES)


NETWORKS: dict[str, Callable[[], keras.Model]] = {"HeadDropout": head_dropout, "SCNN": scnn}


def measure(network: keras.Model, images: Images, n_pass: int, repeats: int) -> list[Lap]:
    """A plain pass, shared passes and whole passes: medians over repeats, in turn, after one batch that compiles."""
    outputs = NamedOutputs(network)
    shared, whole = (MonteCarlo(outputs, n_pass, whole=way) for way in (False, True))
    ways: dict[str, Callable[[Any], Any]] = {
        "plain pass": lambda batch: outputs.read(batch, ["features", "logits"])["logits"],
        "passes from the first mask on": lambda batch: shared.read(batch, 0),
        "passes of the whole network": lambda batch: whole.read(batch, 0),
    }
    first = next(iter(images.batches(np.arange(min(len(images), _batch())), _batch())))
    answers = [read(first).numpy() for read in ways.values()]
    difference = float(np.abs(answers[1] - answers[2]).max())
    seconds = [[_lap(read, images) for read in ways.values()] for _ in range(repeats)]
    differences = (float("nan"), 0.0, difference)
    return [Lap(*lap) for lap in zip(ways, map(float, np.median(seconds, axis=0)), differences, strict=True)]


def _lap(read: Callable[[Any], Any], images: Images) -> float:
    started = time.perf_counter()
    for batch in images.batches(np.arange(len(images)), _batch()):
        read(batch).numpy()
    return time.perf_counter() - started


def _batch() -> int:
    return read_batch_size(SHAPE)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--images", type=int, default=20_000)
    parser.add_argument("--passes", type=int, default=25, help="masks")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--networks", default=",".join(NETWORKS), help="a comma list")
    return parser


if __name__ == "__main__":
    main()
