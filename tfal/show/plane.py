"""A pool in two dimensions, with what was picked in each round."""

from __future__ import annotations

import os
import textwrap
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from tfal.data.dataset import Dataset
from tfal.errors import InputError
from tfal.given import check_int
from tfal.report.figures import panels, plain
from tfal.report.words import counted
from tfal.show.colors import explain, group_colors
from tfal.show.picked import Series, series_of
from tfal.show.samples import Pictures, check_data
from tfal.storage.array_files import map_array

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Method = Literal["tsne", "pca"]
_NAMES = {"tsne": "t-SNE", "pca": "PCA", "given": "given"}
_FEWEST = 5  # samples of t-SNE
_SIDE = 32  # pixels of a picture, at most, whose pixels are features
_COLUMNS = 3  # panels in a row
_GREY = "0.72"


def embedding(
    features: Any,
    picks: Any,
    *,
    most: int = 2000,
    method: Method = "tsne",
    seed: int = 0,
    title: str | None = None,
) -> Figure:
    """The pool in two dimensions, with the picks of each round in its color; a panel for each strategy.

    The plane is that of t-SNE (scikit-learn, from a start by PCA) or of PCA. Of a large pool a random part is drawn,
    the same in all panels, of which picks are at most half; the figure says how many of how many.

    Args:
        features: of the training set: (N, d) numbers, an array, a memory map or the path of an .npy file; of d = 2
            columns they are drawn as they are. Or images as tfal.show.contact_sheet takes them, a table's Dataset
            too: pixels are features then, of no more than 32 x 32 of a picture, which tells little of photographs.
        picks: ids, {name: ids}, the rounds of tfal.run, a tfal.Campaign, a pool.npz, the folder of a repetition, or of
            an experiment: of each strategy the first repetition that all of them have.
        most: samples that are drawn, at most. t-SNE of 2,000 takes some seconds, of 10,000 minutes.
        method: "tsne", whose distances between clusters mean little, or "pca".
        seed: of the random part and of the method.
        title: above the panels.

    Returns:
        A matplotlib figure.

    Raises:
        InputError: in one line, for features that are not finite, are all alike or of one column, for anything that is
            no id, and for runs of other data.
    """
    check_int("most", most, 2)
    check_int("seed", seed, 0)
    if method not in ("tsne", "pca"):
        raise InputError(f"method must be 'tsne' or 'pca'. Received: {method!r}.")
    rows_of = _Rows(features)
    series = series_of(picks, rows_of.size)
    if isinstance(features, Dataset):
        check_data(features, series)
    pool = _pool(series, rows_of.size)
    shown = _some(pool, np.unique(np.concatenate([one.ids for one in series])), most, seed)
    points, how = in_the_plane(rows_of.read(shown), method, seed)
    said = f"{rows_of.what}, {how}" if how != _NAMES["given"] else "points as given"
    said += f"; {len(shown):,} of {len(pool):,} samples" if len(shown) < len(pool) else f"; {len(shown):,} samples"
    return _drawn(series, shown, points, how, "\n".join([*textwrap.wrap(title or "", 90), said]))


def in_the_plane(features: np.ndarray, method: Method = "tsne", seed: int = 0) -> tuple[np.ndarray, str]:
    """Features (n, d) in two dimensions, float32 (n, 2), and how: "t-SNE", "PCA", or "given" where d is 2.

    PCA stands in for t-SNE below 5 samples. Raises InputError for features that are not finite, all alike, or of less
    than 2 columns or rows.
    """
    values = np.asarray(features, np.float32)
    if not np.isfinite(values).all():
        raise InputError("features must be finite. Received: NaN or infinity. Mend or leave out these samples.")
    if min(values.shape) < 2 or np.ptp(values, axis=0).max() == 0:
        what = "all alike" if min(values.shape) >= 2 else f"an array of shape {values.shape}"
        raise InputError(f"features must be of 2 columns or more, and of 2 samples that differ. Received: {what}.")
    if values.shape[1] == 2:
        return values, _NAMES["given"]
    from sklearn.decomposition import PCA
    from sklearn.manifold import TSNE

    if method == "pca" or len(values) < _FEWEST:
        return PCA(2, random_state=seed).fit_transform(values).astype(np.float32), _NAMES["pca"]
    perplexity = min(30.0, (len(values) - 1) / 3)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a start by PCA in which all values are alike
        found = TSNE(2, init="pca", perplexity=perplexity, random_state=seed).fit_transform(values)
    return found.astype(np.float32), _NAMES["tsne"]


class _Rows:
    """Features of a training set, read for some samples. what: what they are, in words."""

    def __init__(self, features: Any) -> None:
        if isinstance(features, str | os.PathLike):
            features = map_array(Path(features), "Give the path of an .npy file of features (N, d).")
        self._array: np.ndarray | None = None
        if isinstance(features, Dataset) and features.x_train.shape[1:3] == (1, 1):
            self._array, self.what = np.asarray(features.x_train)[:, 0, 0], "columns"
        elif not isinstance(features, Dataset) and np.ndim(features) == 2:
            self._array, self.what = np.asarray(features), "features"
            if self._array.dtype.kind not in "uif" or not self._array.size:
                raise InputError(
                    f"features must be numbers (N, d). Received: {self._array.dtype} of shape {self._array.shape}."
                )
        else:
            self._pictures, self.what = Pictures(features), "pixels"
        self.size = self._pictures.size if self._array is None else len(self._array)

    def read(self, ids: np.ndarray) -> np.ndarray:
        """(n, d) float32."""
        if self._array is not None:
            return np.asarray(self._array[ids], np.float32)
        return np.stack([_pixels(picture) for picture in self._pictures.some(ids)])


def _pixels(picture: np.ndarray) -> np.ndarray:
    """The pixels of a picture as one row, of _SIDE x _SIDE in grey where it is larger."""
    if max(picture.shape[:2]) <= _SIDE:
        return picture.astype(np.float32).ravel()
    from PIL import Image

    whole = picture if picture.dtype == np.uint8 else np.rint(255 * picture).astype(np.uint8)
    small = Image.fromarray(whole).convert("L").resize((_SIDE, _SIDE), Image.Resampling.BOX)
    return np.asarray(small, np.float32).ravel()


def _pool(series: Sequence[Series], size: int) -> np.ndarray:
    """Ids of the samples that belong to a run's pool; of all where no run is known."""
    pools = [one.pool.members for one in series if one.pool is not None]
    ids = [one.ids for one in series]
    return np.unique(np.concatenate([*pools, *ids])) if len(pools) == len(series) else np.arange(size)


def _some(pool: np.ndarray, picked: np.ndarray, most: int, seed: int) -> np.ndarray:
    """At most so many samples of the pool, ascending: picks, half of all if others make up the rest, and others."""
    if len(pool) <= most:
        return pool
    rng, others = np.random.default_rng(seed), np.setdiff1d(pool, picked)
    n_taken = max(min(len(picked), most // 2), most - len(others))
    taken = rng.choice(picked, n_taken, replace=False) if n_taken < len(picked) else picked
    rest = rng.choice(others, most - n_taken, replace=False)
    return np.sort(np.concatenate([taken, rest]))


def _drawn(series: Sequence[Series], shown: np.ndarray, points: np.ndarray, how: str, title: str) -> Figure:
    rows, columns = -(-len(series) // _COLUMNS), min(len(series), _COLUMNS)
    side = 5.0 if columns == 1 else 3.9
    figure, grid = panels(rows, columns, (side * columns + 0.8, side * rows + 0.5), sharex=True, sharey=True)
    every, colors = [*grid.ravel()], group_colors(series)
    for axes, one in zip(every, series, strict=False):
        _panel(axes, one, (shown, points), colors)
        axes.set_xlabel(f"{how}, first axis", fontsize=7)
        axes.set_ylabel(f"{how}, second axis", fontsize=7)
        axes.tick_params(labelsize=6)
        if how != _NAMES["given"]:
            axes.set(xticks=[], yticks=[])  # their units mean nothing
    for axes in every[len(series) :]:
        axes.remove()
    explain(figure, every[: len(series)], colors)
    figure.suptitle(plain(title), fontsize=9)
    return figure


def _panel(axes: Any, series: Series, plane: tuple[np.ndarray, np.ndarray], colors: Mapping[str, Any]) -> None:
    shown, points = plane
    others = ~np.isin(shown, series.ids)
    axes.scatter(*points[others].T, color=_GREY, s=5, linewidths=0, label="not picked")
    for group in series.groups:
        there = np.isin(shown, group.ids)
        label = plain(group.name) or "picks"
        axes.scatter(*points[there].T, color=colors[group.name], s=22, linewidths=0.4, edgecolors="white", label=label)
    n, head = int(np.isin(series.ids, shown).sum()), f"{series.name}: " if series.name else ""
    part = "" if n == len(series.ids) else f" ({n} shown)"
    axes.set_title(plain(f"{head}{counted(len(series.ids), 'pick')}{part}"), fontsize=8)
