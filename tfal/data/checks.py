"""What arrays of images and labels must be, whatever source they come from."""

from __future__ import annotations

import sys

import numpy as np

from tfal.data.found import Found
from tfal.data.listing import Listing
from tfal.errors import InputError


def checked_images(what: str, images: np.ndarray | Listing) -> np.ndarray | Listing:
    """(N, H, W, C) uint8 of uint8 or of whole numbers in 0..255; grey (N, H, W) gets its channel. Files as they are."""
    if isinstance(images, Listing):
        return images
    images = np.asarray(images)
    images = images[..., None] if images.ndim == 3 else images
    if images.ndim != 4 or not images.size:
        raise InputError(f"{what} must be images (N, H, W, C) or (N, H, W), at least one. Received: {images.shape}.")
    if images.dtype == np.uint8:
        return _not_black(what, images)
    if images.dtype == bool:
        raise InputError(f"{what} must be uint8. Received: bool. Give 255 * x.astype(np.uint8).")
    if images.dtype.kind not in "iuf":
        raise InputError(f"{what} must be uint8. Received: {images.dtype}. Convert the images to 0..255.")
    if images.dtype.kind == "f" and not np.isfinite(images).all():
        kind = "NaN" if np.isnan(images).any() else "infinity"
        row = int(np.argmin(np.isfinite(images).all(axis=(1, 2, 3))))
        raise InputError(f"{what} must be finite. Received: {kind}, first in image {row}. Mend or remove the image.")
    low, high = images.min(), images.max()
    whole = images.dtype.kind != "f" or (high > 1 and (images == np.rint(images)).all())
    if low < 0 or high > 255 or not whole:
        raise InputError(
            f"{what} must be uint8, or whole numbers in 0..255. Received: {images.dtype} in "
            f"{low:g}..{high:g}. {_scaling(float(low), float(high))}"
        )
    return _not_black(what, images.astype(np.uint8))


def _not_black(what: str, images: np.ndarray) -> np.ndarray:
    if images.max() == 1:
        mend = "Give 255 * x for masks and images in 0..1."
        print(f"{what}: the largest value is 1 of 255, so all images are black. {mend}", file=sys.stderr)
    return images


def _scaling(low: float, high: float) -> str:
    """How to make grey levels of values in low..high, so that none wraps round."""
    if low >= 0 and high <= 1:
        return "Undo the scaling: np.rint(255 * x).astype(np.uint8)."
    if low >= 0 and high <= 255:
        return "Round them: np.rint(x).astype(np.uint8)."
    return (
        "Scale training and test images alike: np.rint(np.clip((x.astype(float) - low) / (high - low), 0, 1) * 255)"
        f".astype(np.uint8), with low, high = {low:.9g}, {high:.9g}, or better those of the training images."
    )


def checked_labels(what: str, labels: np.ndarray, n: int) -> np.ndarray:
    """(N,) int64 of integers (N,) or (N, 1)."""
    labels = np.asarray(labels)
    labels = labels[:, 0] if labels.ndim == 2 and labels.shape[1] == 1 else labels
    if labels.ndim != 1:
        raise InputError(f"{what} must be of shape (N,) or (N, 1). Received: {labels.shape}. Undo a one-hot by argmax.")
    if labels.dtype.kind not in "iu":
        whole = labels.dtype == bool or (labels.dtype.kind == "f" and bool((labels == np.rint(labels)).all()))
        mend = "They are whole: give y.astype(int)." if whole else "Convert them to class numbers 0..C-1."
        raise InputError(f"{what} must be integers. Received: {labels.dtype}. {mend}")
    if labels.dtype == np.uint64 and labels.size and labels.max() > np.iinfo(np.int64).max:
        raise InputError(f"{what} must be class numbers 0..C-1. Received: {labels.max()}. Number the classes from 0.")
    if len(labels) != n:
        raise InputError(f"{what} must be one label for each of {n} images. Received: {len(labels)}.")
    return labels.astype(np.int64)


def check_classes(found: Found, y_train: np.ndarray, y_test: np.ndarray, n_classes: int, every_class: bool) -> None:
    """Labels are 0..C-1; where nothing else says what C is (every_class), every class has a training image."""
    names, source = found.class_names, found.source
    if names is not None and len(names) != n_classes:
        raise InputError(
            f"the data set has {n_classes} classes. Received: names of {len(names)} in {source}. Mend them."
        )
    for part, labels in (("y_train", y_train), ("y_test", y_test)):
        if labels.min() < 0 or labels.max() >= n_classes:
            raise InputError(
                f"{part} of {source} must be in 0..{n_classes - 1}. Received: "
                f"{labels.min()}..{labels.max()}. Number the classes from 0; training must hold every class."
            )
    empty = n_classes - len(np.unique(y_train))
    if empty and every_class:
        raise InputError(
            f"every class 0..{n_classes - 1} of {source} must have a training image. Received: {empty} "
            "without one. Number the classes from 0 without gaps."
        )
