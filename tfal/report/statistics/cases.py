"""The results that are compared: strategies by settings, repetitions and checkpoints."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from tfal.errors import InputError


def stacked(settings: Sequence[Mapping[str, np.ndarray]]) -> tuple[tuple[str, ...], list[np.ndarray]]:
    """The names of K strategies, and their results (K, R, T) in each setting.

    settings: of each, the results (R, T) of every strategy, a row a repetition, a column a checkpoint; R and T may
        differ between settings.

    Raises InputError for no settings, other strategies in one of them, or other R or T of strategies in one.
    """
    if not settings or not settings[0]:
        raise InputError("a comparison needs results of at least one setting. Received: none.")
    names = tuple(settings[0])
    return names, [_of_one(names, setting) for setting in settings]


def _of_one(names: tuple[str, ...], setting: Mapping[str, np.ndarray]) -> np.ndarray:
    lacking = sorted(set(setting) ^ set(names))
    if lacking:
        raise InputError(
            f"every setting needs the same strategies. Received: {', '.join(lacking)} in some only. Leave them out, or "
            "run them everywhere."
        )
    shapes = {np.shape(setting[name]) for name in names}
    if len(shapes) > 1 or len(next(iter(shapes))) != 2:
        raise InputError(
            f"strategies of one setting need the same repetitions and checkpoints. Received: {sorted(shapes)}."
        )
    return np.array([np.asarray(setting[name], float) for name in names])
