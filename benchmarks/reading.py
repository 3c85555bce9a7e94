"""Reading image files: how fast are they decoded and cut, and how long does a network wait for them?

python -m benchmarks.reading --folder TREE [--network ResNet18-ImageNet] [--images 1000] [--batch 32]

TREE holds train/<class>/ with image files. The network alone sees the same batch again and again. On a CPU, network and
reading share the cores. The first pass over the files is not counted, so they may come from the system's memory.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from models import BUILDERS
from tfal.data import decoding
from tfal.data.image_files import ImageFiles, named_errors
from tfal.data.listing import SIZE, Listing, class_names, from_tree
from tfal.data.pipeline import parallel_map
from tfal.reading.named_outputs import NamedOutputs
from tfal.training.runtime import prepare_tensorflow


class Time(NamedTuple):
    """Time of one image [s]: by the clock, and of all cores together, which other programs disturb less."""

    wall: float
    cores: float


class Found(NamedTuple):
    """decode: whole pictures. read: decoded, cut to their centre and batched. crop: random windows of a training.
    network: features of ready batches. both: features of files."""

    decode: Time
    read: Time
    crop: Time
    network: Time
    both: Time

    @property
    def waiting(self) -> float:
        """Share of the time for features of files that the reading costs."""
        return max(0.0, 1 - self.network.wall / self.both.wall)


def main(argv: Sequence[str] | None = None) -> None:
    """Prints the table."""
    given = _parser().parse_args(argv)
    prepare_tensorflow()
    root = Path(given.folder)
    listing = from_tree(root, "train", class_names(root / "train"), given.size)
    chosen = np.linspace(0, len(listing) - 1, min(len(listing), given.images)).astype(np.int64)
    listing = listing.without(np.setdiff1d(np.arange(len(listing)), chosen))
    kilobytes = listing.file_sizes(np.arange(len(listing))).mean() / 1000
    with named_errors():
        found = measure(listing, given.network, given.batch, given.repeats)
    print(f"{len(listing)} files of {kilobytes:.0f} kB, read as {given.size} x {given.size}, batch {given.batch}")
    print(f"{'':28}{'images/s':>12}{'ms of cores':>14}")
    for name, took in found._asdict().items():
        label = f"{name} ({given.network})" if name in ("network", "both") else name
        print(f"{label:28}{1 / took.wall:12.0f}{1000 * took.cores:14.2f}")
    print(f"waiting for images, share of both {100 * found.waiting:6.1f} %")


def measure(listing: Listing, network: str, batch: int, repeats: int) -> Found:
    """Medians over repeats of passes over all files; the first pass compiles, and fills the system's memory."""
    files, ids = ImageFiles(listing), np.arange(len(listing))
    outputs = NamedOutputs(BUILDERS[network](files.shape, 10))
    ready = next(iter(files.batches(ids, batch)))
    n_ready = -(-len(ids) // batch)

    def features(images: tf.Tensor) -> Any:
        return outputs.read(images, ("features",))["features"].numpy()

    works: list[Callable[[], Iterable[Any]]] = [
        lambda: _decoded(listing, batch),
        lambda: files.batches(ids, batch),
        lambda: files.training(ids, ids, batch, 1, 0, "flip_crop"),
        lambda: (features(ready) for _ in range(n_ready)),
        lambda: (features(images) for images in files.batches(ids, batch)),
    ]
    times = [_time(work, len(ids), repeats) for work in works]
    seen = n_ready * len(ready)  # by the network alone, whose batches are all full
    times[3] = Time(*(value * len(ids) / seen for value in times[3]))
    return Found(*times)


def _decoded(listing: Listing, batch: int) -> tf.data.Dataset:
    paths = tf.data.Dataset.from_tensor_slices([str(listing.path(row)) for row in range(len(listing))])
    sizes = parallel_map(paths, lambda path: tf.size(decoding.decoded(tf.io.read_file(path))), single=True)
    return sizes.batch(batch)


def _time(work: Callable[[], Iterable[Any]], n: int, repeats: int) -> Time:
    laps = []
    for _ in range(repeats + 1):
        start = time.perf_counter(), time.process_time()
        for _ in work():
            pass
        laps.append((time.perf_counter() - start[0], time.process_time() - start[1]))
    return Time(*(float(value) / n for value in np.median(laps[1:], axis=0)))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--folder", required=True, help="holds train/<class>/ with image files")
    parser.add_argument("--network", default="ResNet18-ImageNet", choices=list(BUILDERS))
    parser.add_argument("--images", type=int, default=1000, help="at equal distances in the listing")
    parser.add_argument("--size", type=int, default=SIZE, help="height and width that the network sees [pixels]")
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--repeats", type=int, default=3, help="counted passes, after one that compiles")
    return parser


if __name__ == "__main__":
    main()
