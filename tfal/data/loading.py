"""The data of a recipe."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from tfal.command import loads_tensorflow
from tfal.data.dataset import Dataset, load, with_unknown
from tfal.data.listing import Listing
from tfal.data.tabular import load_table
from tfal.errors import InputError
from tfal.recipe import Recipe


def data_for(recipe: Recipe, data: Any = None) -> tuple[Recipe, Dataset]:
    """The data of a run, `data` or that of the recipe when it is None, and the recipe with the name that they have.

    Raises InputError for anything else, and for a Dataset that was not made as `load` and `from_arrays` make it.
    """
    if not isinstance(recipe, Recipe):
        raise InputError(f"recipe must be a tfal.Recipe. Received: a {type(recipe).__name__}. Give Recipe(**options).")
    if data is None:
        data = load_for(recipe)
    make = "tfal.data.from_arrays(name, x_train, y_train, x_test, y_test) makes one of arrays"
    if not isinstance(data, Dataset):
        raise InputError(f"data must be a tfal.data.Dataset. Received: a {type(data).__name__}. {make}.")
    for part, images, labels in (("train", data.x_train, data.y_train), ("test", data.x_test, data.y_test)):
        if not (_are_images(images) and _are_labels(labels, len(images))):
            raise InputError(
                f"data must hold uint8 images and int64 labels from 0. Received: others in {part}. {make}."
            )
    return recipe.replace(dataset=data.name), data


def load_for(recipe: Recipe) -> Dataset:
    """The data of a recipe: its csv file, or its data set, with the images of `ood_dataset` where it names one."""
    if recipe.threads:  # before images are looked at
        with loads_tensorflow():
            from tfal.training.runtime import fix_threads

            fix_threads(recipe.threads)
    if recipe.csv or recipe.label or recipe.csv_test or recipe.drop is not None:
        return load_table(recipe)
    data = _load(recipe.dataset, recipe)
    if recipe.ood_dataset:
        data = with_unknown(data, _load(recipe.ood_dataset, recipe))
    return skip_corrupt(data) if recipe.corrupt == "skip" else data


def _load(name: str, recipe: Recipe) -> Dataset:
    skip = recipe.corrupt == "skip"
    return load(name, recipe.data_dir, recipe.image_size, max_pixels=recipe.max_pixels, skip_corrupt=skip)


def skip_corrupt(data: Dataset, *, show_progress: bool = True) -> Dataset:
    """`data` without the test files that cannot be decoded, and with the training files among them in `corrupt`.

    Decodes every file once; arrays are handed back as they are. Raises InputError when nothing is left of a part.
    """
    if not (isinstance(data.x_train, Listing) and isinstance(data.x_test, Listing)):
        return data
    with loads_tensorflow():
        from tfal.data.pictures import find_corrupt, say_left_out

    train, test = (find_corrupt(part, show_progress=show_progress) for part in (data.x_train, data.x_test))
    for part, listing, rows in (("training", data.x_train, train), ("test", data.x_test, test)):
        paths = [listing.path(row) for row in rows]
        say_left_out(f"{data.name}: {part}", paths, len(listing), listing.max_pixels)
    return dataclasses.replace(
        data, corrupt=train, x_test=data.x_test.without(test), y_test=np.delete(data.y_test, test)
    )


def _are_images(images: Any) -> bool:
    if isinstance(images, Listing):
        return True
    is_table = isinstance(images, np.ndarray) and images.dtype == np.float32 and images.shape[1:3] == (1, 1)
    return is_table or (isinstance(images, np.ndarray) and images.dtype == np.uint8 and images.ndim == 4)


def _are_labels(labels: Any, n: int) -> bool:
    return isinstance(labels, np.ndarray) and labels.dtype == np.int64 and labels.shape == (n,) and labels.min() >= 0
