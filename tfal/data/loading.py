"""The data of a recipe."""

from __future__ import annotations

import dataclasses

import numpy as np

from tfal.data.dataset import Dataset, load, with_unknown
from tfal.data.listing import Listing
from tfal.data.tabular import load_table
from tfal.recipe import Recipe


def load_for(recipe: Recipe) -> Dataset:
    """The data of a recipe: its csv file, or its data set, with the images of `ood_dataset` where it names one."""
    if recipe.csv or recipe.label or recipe.csv_test:
        return load_table(recipe)
    data = load(recipe.dataset, recipe.data_dir, recipe.image_size)
    if recipe.ood_dataset:
        data = with_unknown(data, load(recipe.ood_dataset, recipe.data_dir, recipe.image_size))
    return skip_corrupt(data) if recipe.corrupt == "skip" else data


def skip_corrupt(data: Dataset, *, show_progress: bool = True) -> Dataset:
    """`data` without the test files that cannot be decoded, and with the training files among them in `corrupt`.

    Decodes every file once; arrays are handed back as they are.
    """
    if not (isinstance(data.x_train, Listing) and isinstance(data.x_test, Listing)):
        return data
    from tfal.data.image_files import find_corrupt

    found = find_corrupt(data.x_test, show_progress=show_progress)
    return dataclasses.replace(
        data,
        corrupt=find_corrupt(data.x_train, show_progress=show_progress),
        x_test=data.x_test.without(found),
        y_test=np.delete(data.y_test, found),
    )
