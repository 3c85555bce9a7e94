"""The frozen encoder of a folder of pictures, and the features of all of them, which are read once.

The encoder is that of `--encoder`, see FrozenEncoder; SimCLR is trained here, in the first round, on pictures of the
folder without labels, and then stays as it is, however many pictures are added.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import keras
import numpy as np
from tqdm import tqdm

from tfal.data.image_files import ImageFiles
from tfal.data.images import Images
from tfal.data.listing import SIZE, Listing
from tfal.data.pictures import say_left_out, squares
from tfal.errors import InputError, training_of
from tfal.files import write_atomically
from tfal.labeling.options import Options
from tfal.labeling.photographs import Photographs
from tfal.labeling.rows import Rows
from tfal.learners.frozen_encoder import FrozenEncoder, has_safe_mode
from tfal.learners.keras_files import objects
from tfal.pool import Pool
from tfal.progress import Progress
from tfal.recipe import Recipe
from tfal.storage.feature_store import normalized
from tfal.streams import Streams
from tfal.training.runtime import read_batch_size

if TYPE_CHECKING:
    from tfal.learners.base import Builder

NETWORK = "ResNet18-16"
_SIDE = 32  # pixels, of pictures that SimCLR is trained on
_MOST = 20_000  # pictures that it is trained on: 61 MB
_SEEN = 15_000, 60_000  # pictures in all passes together, at least and at most: 7 ms of a processor each
_EPOCHS = 3, 300  # at least, and at most
_BATCH = 64
_BLOCK = 4096  # pictures that are read between two notes on the disk, by a pipeline of their own


class Budget(NamedTuple):
    """How SimCLR is trained on a folder: pictures, passes over them, those before the rate is at its height, batch."""

    n: int
    epochs: int
    warmup: int
    batch: int


def budget(n: int) -> Budget:
    """For `n` pictures. So short a training is worth something for small pools, too: some minutes on two cores."""
    used = min(n, _MOST)
    seen = min(max(_SEEN[0], 30 * used), _SEEN[1])
    epochs = max(_EPOCHS[0], min(_EPOCHS[1], round(seen / used)))
    return Budget(used, epochs, max(1, epochs // 10), min(_BATCH, max(2, used // 2)))


class Encoding:
    """The encoder and the features of `photographs`.

    Args:
        folder: where encoder.keras (SimCLR only) and the features lie.
        options: encoder and what belongs to it, network, seed.
        photographs: the pictures.
        build: the network of SimCLR.

    Attributes: size, the side of the pictures that it takes [pixels]; network, pictures (B, size, size, 3) in [0, 1] ->
    features (B, d); listing, the pictures as it reads them.

    Raises InputError for an encoder that cannot be used.
    """

    def __init__(self, folder: Path, options: Options, photographs: Photographs, build: Builder) -> None:
        self._folder, self._options, self._photographs = folder, options, photographs
        file = folder / "encoder.keras"
        trained = options.encoder == "simclr"
        self.size = side_of(options)
        self.listing = photographs.listing(self.size, options.max_pixels)
        if trained and not file.exists():
            save(self._trained(build), file)
            shutil.rmtree(folder / "encoders", ignore_errors=True)  # its checkpoints
        trust = "on" if trained and not has_safe_mode() else options.trust_encoder  # it was written here
        recipe = Recipe(
            encoder=str(file) if trained else options.encoder,
            trust_encoder=trust,
            encoder_statistics=options.encoder_statistics,
        )
        self._encoder = FrozenEncoder(build, ImageFiles(self.listing), 2, recipe)
        self.network = self._encoder.network

    def features(self) -> tuple[np.ndarray, np.ndarray]:
        """Features (n, d) of all pictures by id, rows of length 1, float32 memory map; and the ids that have some.

        Only those of pictures that are new are read. A picture that cannot be decoded has zeros, and is said.
        """
        rows = Rows(self._folder, self._encoder.identity())
        said, most = rows.notes.get("unreadable", []), self._options.max_pixels
        again = said if rows.notes.get("max_pixels") != most else []
        new = np.concatenate([np.array(again, np.int64), np.arange(rows.n, len(self._photographs))])
        unreadable = {*said} - {*again}
        self._read(rows, new, unreadable)
        known = np.ones(len(self._photographs), bool)
        known[[*unreadable]] = False
        lost = [self.listing.path(id) for id in sorted(unreadable) if self._photographs.is_there[id]]
        there = int(np.count_nonzero(self._photographs.is_there))
        say_left_out(self._photographs.root.name, lost, there, most)
        return rows.open(), np.flatnonzero(known)

    def _read(self, rows: Rows, new: np.ndarray, unreadable: set[int]) -> None:
        """Reads the pictures `new`, ids, and adds those that cannot be decoded to `unreadable`."""
        size = read_batch_size((self.size, self.size, 3))
        hidden = None if len(new) > _BLOCK else True
        with tqdm(total=len(new), desc="reading pictures", unit="picture", disable=hidden) as bar:
            for ids in _runs(new, _BLOCK):
                last = {"max_pixels": self._options.max_pixels} if ids[-1] == new[-1] else {}
                found = np.zeros((len(ids), self.network.output.shape[1]), np.float32)
                left = {*range(len(ids))}
                for places, images in squares(self.listing, ids, size):
                    values = self._encoder.read(images, ["features"])["features"].numpy()
                    found[places] = normalized(_finite(values, self.listing, ids[places]))
                    left -= {*places.tolist()}
                unreadable |= {int(ids[place]) for place in left}
                rows.put(int(ids[0]), found, unreadable=sorted(unreadable), **last)
                bar.update(len(ids))

    def _trained(self, build: Builder) -> keras.Model:
        """SimCLR, trained on pictures of the folder; goes on where a training was stopped."""
        there = np.flatnonzero(self._photographs.is_there)
        plan = budget(len(there))
        ids = np.sort(Streams(self._options.seed)("fixed_sample").permutation(there)[: plan.n])
        images = _copies(self.listing, ids)
        print(
            f"Encoder: SimCLR with {self._options.network}, trained here without labels on {len(images):,} pictures of "
            f"{self.size} x {self.size} pixels, {plan.epochs} times. For photographs one that was trained on millions, "
            "--encoder keras:MobileNetV2 (a download of 9 MB), will usually choose and classify better."
        )
        recipe = Recipe(
            encoder="simclr",
            network=self._options.network,
            n_epoch_simclr=plan.epochs,
            n_warmup=plan.warmup,
            n_batch_encoder=plan.batch,
            seed=self._options.seed,
            results_dir=str(self._folder),
        )
        encoder = FrozenEncoder(build, Images(images), 2, recipe)
        with Progress(plan.epochs, "epoch", "training the encoder") as progress:
            mend = "Give another --network or --encoder, or look at the pictures."
            with training_of("the encoder", mend):
                encoder.fit(
                    Pool.unlabeled_pool(len(images)),
                    Streams(self._options.seed),
                    lambda name, done, total: progress.below("training the encoder", "epoch", done, total),
                )
        return encoder.network


def side_of(options: Options) -> int:
    """The side of the pictures that the encoder takes [pixels]: what is given, or what it was made for."""
    if options.image_size:
        return options.image_size
    if options.encoder == "simclr":
        return _SIDE
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError, IndexError, zipfile.BadZipFile):
        with zipfile.ZipFile(options.encoder) as file:
            config = json.loads(file.read("config.json"))
        first = next(part for part in objects(config) if part["class_name"] == "InputLayer")
        sides = set(first["config"]["batch_shape"][1:3])
        if len(sides) == 1 and None not in sides:
            return int(sides.pop())
    return SIZE


def save(model: keras.Model, file: Path) -> None:
    """Creates or replaces a .keras file. Raises StorageError."""
    with tempfile.TemporaryDirectory() as folder:
        temporary = Path(folder) / "model.keras"
        model.save(temporary)
        write_atomically(file, lambda target: target.write(temporary.read_bytes()))


def _copies(listing: Listing, ids: np.ndarray) -> np.ndarray:
    """uint8 (m, size, size, 3) of those that can be decoded, in the order of `ids`."""
    images, n = np.empty((len(ids), listing.size, listing.size, 3), np.uint8), 0
    for _, batch in tqdm(squares(listing, ids, 1), total=len(ids), desc="reading pictures", disable=None, leave=False):
        images[n : n + len(batch)] = np.rint(255 * batch.numpy())
        n += len(batch)
    if not n:
        say_left_out(Path(listing.root).name, [listing.path(id) for id in ids], len(ids), listing.max_pixels)
    return images[:n]


def _runs(ids: np.ndarray, most: int) -> Iterator[np.ndarray]:
    """Parts of ascending ids that follow one another, `most` at a time."""
    for run in np.split(ids, np.flatnonzero(np.diff(ids) != 1) + 1):
        for start in range(0, len(run), most):
            yield run[start : start + most]


def _finite(values: np.ndarray, listing: Listing, ids: np.ndarray) -> np.ndarray:
    finite = np.isfinite(values).all(axis=1)
    if not finite.all():
        raise InputError(
            f"features must be finite. Received: NaN or infinity for {listing.path(ids[np.argmin(finite)])}. Look at "
            "this picture and at the encoder's weights."
        )
    return values
