"""Folders of data that are damaged, incomplete or something else."""

from __future__ import annotations

import gzip
import io
import os
import pickle
import struct
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from tests.attack.inputs.case import ACCEPTED, EITHER, REFUSED, Case, together, write

_SMALL = (
    *(
        "--network",
        "MLP",
        "--nRep",
        "1",
        "--nStep",
        "1",
        "--nEpoch",
        "1",
        "--nInit",
        "10",
        "--nValid",
        "0",
        "--nPool",
        "20",
    ),
    *("--nQuery", "3", "--strategy", "margin", "--resultsDir", "{}/results", "--dataDir", "{}"),
)
_MINE = ("run_digits.py", *_SMALL, "--dataset", "mine")
_MNIST = ("run_mnist.py", *_SMALL)
_TREE = (
    *("run_imagenet.py", "--preset", "lowbudget", "--network", "SCNN", "--dataset", "mine", "--nEpochSimclr", "1"),
    *("--nEpochLinear", "1", "--splits", "3,6", "--nRedo", "1", "--strategy", "kmeans", "--imageSize", "16"),
    *("--dataDir", "{}", "--resultsDir", "{}/results"),
)
_RNG = np.random.default_rng(0)
_IMAGES = _RNG.integers(256, size=(90, 8, 8, 1), dtype=np.uint8)
_LABELS = np.arange(90) % 5
_GOOD = {"x_train": _IMAGES, "y_train": _LABELS, "x_test": _IMAGES[:20], "y_test": _LABELS[:20]}
_ARRAYS: dict[str, dict[str, Any]] = {
    "without y_test": {"y_test": None},
    "without images": {"x_train": None},
    "labels too few": {"y_train": _LABELS[:80]},
    "labels from 1": {"y_train": _LABELS + 1, "y_test": _LABELS[:20] + 1},
    "a negative label": {"y_train": _LABELS - 1},
    "one-hot labels": {"y_train": np.eye(5)[_LABELS]},
    "labels as floats": {"y_train": _LABELS / 2},
    "labels as text": {"y_train": _LABELS.astype(str)},
    "labels as bytes": {"y_train": _LABELS.astype(bytes)},
    "labels as dates": {"y_train": _LABELS.astype("M8[D]")},
    "labels as complex numbers": {"y_train": _LABELS.astype(complex)},
    "a gap in the labels": {"y_train": _LABELS * 2, "y_test": _LABELS[:20] * 2},
    "one class": {"y_train": _LABELS * 0, "y_test": _LABELS[:20] * 0},
    "test classes of their own": {"y_test": _LABELS[:20] + 3},
    "huge labels": {"y_train": np.where(_LABELS == 4, 2**62, _LABELS)},
    "images in 0..1": {"x_train": _IMAGES / 255},
    "images with NaN": {"x_train": np.where(_IMAGES > 250, np.nan, _IMAGES)},
    "images with infinity": {"x_train": np.where(_IMAGES > 250, np.inf, _IMAGES)},
    "16-bit images": {"x_train": _IMAGES.astype(np.uint16) * 16},
    "negative images": {"x_train": _IMAGES.astype(int) - 128},
    "images as text": {"x_train": _IMAGES.astype(str)},
    "images as complex numbers": {"x_train": _IMAGES.astype(complex)},
    "images of objects": {"x_train": _IMAGES.astype(object)},
    "no images": {"x_train": _IMAGES[:0], "y_train": _LABELS[:0]},
    "no test images": {"x_test": _IMAGES[:0], "y_test": _LABELS[:0]},
    "flat images": {"x_train": _IMAGES.reshape(90, 64)},
    "volumes": {"x_train": _IMAGES[..., None]},
    "test images of another size": {"x_test": _IMAGES[:20, :7]},
    "test images in colour": {"x_test": np.repeat(_IMAGES[:20], 3, -1)},
    "images of no width": {"x_train": _IMAGES[:, :, :0], "x_test": _IMAGES[:20, :, :0]},
    "channels first": {"x_train": np.moveaxis(_IMAGES, -1, 1)},
    "a single number": {"x_train": np.array(3)},
}
_GOOD_ARRAYS: dict[str, dict[str, Any]] = {
    "plain": {},
    "grey without a channel": {"x_train": _IMAGES[..., 0], "x_test": _IMAGES[:20, ..., 0]},
    "whole numbers as floats": {"x_train": _IMAGES.astype(float)},
    "labels (N, 1)": {"y_train": _LABELS[:, None]},
    "one more array": {"names": np.arange(3)},
    "columns first in memory": {"x_train": np.asfortranarray(_IMAGES)},
    "labels as uint8": {"y_train": _LABELS.astype(np.uint8)},
}


def cases() -> Iterator[Case]:
    """All of them."""
    for table, expected in ((_ARRAYS, REFUSED), (_GOOD_ARRAYS, ACCEPTED)):
        for name, change in table.items():
            yield Case(f"npz: {name}", _MINE, make=_npz(change), expected=expected)
    good = _bytes(_GOOD)
    for name, content in damages(good).items():
        yield Case(f"npz file: {name}", _MINE, make=write("mine.npz", content))
    yield Case("npz file: a folder in its place", _MINE, make=lambda folder: (folder / "mine.npz").mkdir())
    yield Case("npz file: a link to nowhere", _MINE, make=lambda folder: (folder / "mine.npz").symlink_to("gone"))
    yield Case("an empty folder of data", _MINE)
    yield Case(
        "a folder of data that is a file", (*_MINE[:-2], "--dataDir", "{}/mine.npz", "--dataset", "mine"), make=_npz({})
    )
    for name, content in damages(good).items():
        yield Case(f"MedMNIST file: {name}", ("run_medmnist.py", *_SMALL), make=write("pathmnist.npz", content))
    yield from _idx()
    yield from _trees()
    yield from _lists()


def damages(good: bytes) -> dict[str, bytes]:
    """What may be found in place of a file of arrays."""
    zipped = io.BytesIO()
    with zipfile.ZipFile(zipped, "w") as file:
        file.writestr("x_train.npy", b"no array")
    header = (
        b"\x93NUMPY\x01\x00v\x00"
        + b"{'descr': '<f8', 'fortran_order': False, 'shape': (5000000000000,), }".ljust(117)
        + b"\n"
    )
    middle = bytearray(good)
    middle[len(good) // 3 : len(good) // 3 + 40] = bytes(40)
    return {
        "empty": b"",
        "a half": good[: len(good) // 2],
        "without its end": good[:-3],
        "garbage": bytes(range(256)) * 20,
        "zeros inside": bytes(middle),
        "zeros": bytes(2000),
        "a pickle": pickle.dumps({"a": 1}),
        "text": b"not found\n",
        "a zip of text": zipped.getvalue(),
        "a header of 40 TB": header,
        "a header alone": header[:40],
        "a plain array": _plain(np.arange(6)),
        "objects": _plain(np.array([{}, None], object)),
        "gzip": gzip.compress(good),
    }


def _plain(array: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.save(file, array, allow_pickle=True)
    return file.getvalue()


def _bytes(arrays: dict[str, Any]) -> bytes:
    file = io.BytesIO()
    np.savez(file, **arrays)
    return file.getvalue()


def _npz(change: dict[str, Any]) -> Callable[[Path], object]:
    arrays = {name: array for name, array in {**_GOOD, **change}.items() if array is not None}
    return lambda folder: np.savez(folder / "mine.npz", **arrays)


def _idx() -> Iterator[Case]:
    shapes = (60, 28, 28), (60,), (20, 28, 28), (20,)
    names = ("train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1")
    parts = dict(zip(names, shapes, strict=True))

    def made(damaged: str, damage: Callable[[bytes], bytes | None]) -> Callable[[Path], object]:
        def make(folder: Path) -> None:
            for name, shape in parts.items():
                values = _RNG.integers(256, size=shape) if len(shape) > 1 else np.arange(shape[0]) % 10
                head = struct.pack(f">{len(shape) + 1}I", 0x800 + len(shape), *shape)
                good = gzip.compress(head + values.astype(np.uint8).tobytes())
                content = damage(good) if name == damaged else good
                if content is not None:
                    (folder / f"{name}-ubyte.gz").write_bytes(content)

        return make

    for name, damage in {
        "missing": lambda data: None,
        "empty": lambda data: b"",
        "cut": lambda data: data[: len(data) // 2],
        "not zipped": gzip.decompress,
        "of text": lambda data: b"404",
        "zipped twice": gzip.compress,
        "with another magic": lambda data: gzip.compress(b"\0\0\x0b\3" + gzip.decompress(data)[4:]),
        "of too many sizes": lambda data: gzip.compress(gzip.decompress(data)[:4] + b"\xff" * 12),
    }.items():
        for damaged in names:
            yield Case(f"MNIST's files: {damaged} {name}", _MNIST, make=made(damaged, damage))


def tree(
    folder: Path,
    classes: str = "abc",
    n: int = 6,
    size: tuple[int, int] = (16, 16),
    parts: tuple[str, ...] = ("train", "val"),
) -> None:
    """Class folders of small pictures."""
    rng = np.random.default_rng(1)
    for part in parts:
        for name in classes:
            (folder / part / name).mkdir(parents=True)
            for number in range(n):
                Image.fromarray(rng.integers(256, size=(*size, 3), dtype=np.uint8)).save(
                    folder / part / name / f"{number}.png"
                )


def _trees() -> Iterator[Case]:
    def changed(change: Callable[[Path], object]) -> Callable[[Path], object]:
        return lambda folder: (tree(folder), change(folder))

    def put(content: bytes, name: str = "train/a/0.png") -> Callable[[Path], object]:
        return changed(write(name, content))

    png = io.BytesIO()
    Image.fromarray(_IMAGES[0, :, :, 0]).save(png, "png")
    bomb = png.getvalue()[:16] + struct.pack(">II", 20_000, 20_000) + png.getvalue()[24:]
    for name, make in {
        "an empty picture": put(b""),
        "a picture of text": put(b"404, not found"),
        "half a picture": put(png.getvalue()[:60]),
        "a picture of zeros": put(bytes(500)),
        "a picture that says 20,000 x 20,000": put(bomb),
        "an empty test picture": put(b"", "val/b/1.png"),
        "a class in the test part only": put(png.getvalue(), "val/zz/0.png"),
        "no test part": lambda folder: tree(folder, parts=("train",)),
        "no training part": lambda folder: tree(folder, parts=("val",)),
        "one class": lambda folder: tree(folder, classes="a"),
        "no pictures": lambda folder: tree(folder, n=0),
        "no class folders": put(png.getvalue(), "flat/0.png"),
        "a class without pictures": changed(lambda folder: [path.unlink() for path in (folder / "train/a").iterdir()]),
        "pictures in the part itself": together(
            *(write(f"{part}/{number}.png", png.getvalue()) for part in ("train", "val") for number in range(5))
        ),
    }.items():
        expected = EITHER if name in ("no class folders",) else REFUSED
        yield Case(f"tree: {name}", _TREE, make=make, expected=expected)
    for name, change in {
        "plain": lambda folder: None,
        "an empty picture, skipped": lambda folder: write("train/a/0.png", b"")(folder),
        "a file of notes": lambda folder: write("train/a/notes.txt", "hello")(folder),
        "a dead link": lambda folder: (folder / "train/a/zz.png").symlink_to("gone"),
        "a folder below a class": lambda folder: write("train/a/more/0.png", png.getvalue())(folder),
        "a hidden folder": lambda folder: (folder / "train/.git").mkdir(),
        "a grey picture": lambda folder: write("train/a/0.png", png.getvalue())(folder),
        "a name that is no UTF-8": lambda folder: (folder / os.fsdecode(b"train/a/\xff.png")).write_bytes(
            png.getvalue()
        ),
        "valid for val": lambda folder: (folder / "val").rename(folder / "test"),
    }.items():
        flags = ("--corrupt", "skip") if "skipped" in name else ()
        yield Case(f"good tree: {name}", (*_TREE, *flags), make=changed(change), expected=ACCEPTED)


def _lists() -> Iterator[Case]:
    good = "".join(f"train/{name}/{number}.png {label}\n" for label, name in enumerate("abc") for number in range(5))
    for name, text in {
        "empty": b"",
        "with a missing file": good + "train/a/99.png 0\n",
        "with a text label": good + "train/a/5.png cat\n",
        "with a negative label": good + "train/a/5.png -1\n",
        "with a huge label": good + "train/a/5.png 99999999999999999999\n",
        "with a label of 999": good + "train/a/5.png 999\n",
        "without labels": good.replace(" 0", "").replace(" 1", "").replace(" 2", ""),
        "with a file twice": good + "train/a/0.png 1\n",
        "with ./ before a file": good + "./train/a/0.png 1\n",
        "that leaves the folder": good + "../../etc/passwd 0\n",
        "in UTF-16": good.encode("utf-16"),
        "of zeros": bytes(300),
        "of one class": good.replace(" 1", " 0").replace(" 2", " 0"),
    }.items():
        make = _listed(text)
        yield Case(f"list: {name}", _TREE, make=make)
    for name, text in {
        "plain": good,
        "with a byte order mark": "\ufeff" + good,
        "with Windows' line ends": good.replace("\n", "\r\n"),
        "with commas": good.replace(" ", ","),
    }.items():
        yield Case(f"good list: {name}", _TREE, make=_listed(text), expected=ACCEPTED)


def _listed(text: str | bytes) -> Callable[[Path], object]:
    return lambda folder: (tree(folder), write("mine_train.txt", text)(folder))
