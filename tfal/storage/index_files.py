"""Labeled sets as files of ids, each with a json that says how it came about."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from tfal.errors import InputError
from tfal.files import read_json, write_atomically, write_json
from tfal.storage.array_files import read_ids


def write_ids(path: Path, ids: np.ndarray, about: Mapping[str, Any]) -> None:
    """The json first: the array is what counts."""
    write_json(path.with_suffix(".json"), about)
    content = io.BytesIO()
    np.save(content, ids.astype(np.int64))
    write_atomically(path, lambda file: file.write(content.getvalue()))


def query_seconds(path: Path) -> float:
    """How long the ids of an index file took to choose; NaN where the json beside it does not say.

    Raises InputError when that is damaged.
    """
    seconds = read_json(path.with_suffix(".json"), "Remove its folder.").get("seconds_query", float("nan"))
    if isinstance(seconds, bool) or not isinstance(seconds, int | float):
        raise InputError(f"{path.with_suffix('.json')} is damaged (seconds_query: {seconds!r}). Remove its folder.")
    return float(seconds)


def read_pool_ids(path: Path, known: np.ndarray, n: int | None = None) -> np.ndarray:
    """Distinct ids of the pool, int64, `n` of them where that is given. Raises InputError for anything else."""
    ids = read_ids(path, "Give ids of the pool, saved with numpy.save." if n is None else "Remove its folder.")
    foreign = ids[~np.isin(ids, known)]
    if len(foreign):
        raise InputError(f"{path} must hold ids of the pool. Received: {foreign[:5].tolist()}, which are not in it.")
    if n is not None and len(ids) != n:
        raise InputError(f"{path} must hold {n} ids. Received: {len(ids)}. Remove its folder.")
    return ids
