"""DIRECT: on a line for each class, find the best threshold with half of the labels, and ask around it with others."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tfal.kernels.galaxy import Ask, Lines, checked


def direct(logits: Any, labels: Any, n: int, *, ask: Ask, rng: np.random.Generator, n_parallel: int = 20) -> np.ndarray:
    """`n` rows by DIRECT, chosen with the labels of those before.

    Nuggehalli, Zhang, Jain & Nowak, "DIRECT: Deep Active Learning under Imbalance and Label Noise", 2023. On the line
    of a class (see tfal.kernels.class_order), a threshold is as good as the number of labels that it has on the right
    side less those on the wrong one. n // (2 C) labels of each class narrow down where the best one lies: n_parallel
    are drawn between the ends, which then move inwards, at each step the end that is the worse threshold, until what is
    left would shrink to one sample with the last draw. The rest of the n is shared by the classes, in random order:
    each takes the samples nearest to its best threshold, on both sides in turn.

    Differs from the public code: its smallest budget of a class is a largest one, and leaves classes out; here all have
    the same. Of equally good ends it moves one by a coin, here both alike.

    Args:
        logits, labels, n, ask: see tfal.kernels.galaxy.
        rng: draws samples and the order of the classes.
        n_parallel: labels that are asked for together while the ends move.

    Returns:
        int64 rows of shape (n,), all different, in the order of picking, on the host.

    Raises:
        InputError: see tfal.kernels.galaxy.
    """
    lines, n, n_parallel = checked(logits, labels, n, n_parallel, rng)
    picks: list[int] = []
    for k in range(lines.n_lines):
        picks += _narrowed(lines, k, n // (2 * lines.n_lines), n_parallel, ask, rng)
    rest = n - len(picks)
    for number, k in enumerate(rng.permutation(lines.n_lines).tolist(), start=1):
        share = rest * number // lines.n_lines - (len(picks) - n + rest)
        rows = _around(lines, k, share)
        picks += rows.tolist()
        lines.leave_out(rows)
        if len(rows) and len(picks) < n:
            lines.tell(rows, ask)
    return np.array(picks, np.int64)


def _narrowed(lines: Lines, k: int, budget: int, n_parallel: int, ask: Ask, rng: np.random.Generator) -> list[int]:
    """The rows that are asked for while the ends of line k move inwards."""
    picks: list[int] = []
    line, (places, of_class) = lines.line(k), lines.known(k)
    first, last = _ends(places, of_class, len(line))
    while budget > 0:
        free = first + np.flatnonzero(lines.free[line[first : last + 1]])
        if not len(free):
            break
        rows = line[rng.choice(free, min(n_parallel, budget, len(free)), replace=False)].astype(np.int64)
        lines.tell(rows, ask)
        picks += rows.tolist()
        free = free[lines.free[line[free]]]
        turns = budget // n_parallel
        if len(free) and turns > 1:
            left = math.ceil(len(free) / len(free) ** (1 / turns))
            first, last = _moved(free, _goodness(*lines.known(k), free), left)
        budget -= min(n_parallel, budget)
    return picks


def _ends(places: np.ndarray, of_class: np.ndarray, m: int) -> tuple[int, int]:
    """The last place of the class before the first that is not of it, and the first that is not behind all that are."""
    others, own = np.flatnonzero(~of_class), np.flatnonzero(of_class)
    n_leading = int(others[0]) if len(others) else len(places)
    n_before_trailing = int(own[-1]) + 1 if len(own) else 0
    first = int(places[n_leading - 1]) if n_leading else 0
    last = int(places[n_before_trailing]) if n_before_trailing < len(places) else m - 1
    return first, last


def _lead(of_class: np.ndarray) -> np.ndarray:
    """By how many there are more labels of the class than others among the first 0, 1, ... known ones."""
    return np.concatenate([[0], np.cumsum(np.where(of_class, 1, -1))])


def _goodness(places: np.ndarray, of_class: np.ndarray, at: np.ndarray) -> np.ndarray:
    """How many labels thresholds at some places have on the right side, less those on the wrong one."""
    sums = _lead(of_class)
    found: np.ndarray = 2 * sums[np.searchsorted(places, at)] - sums[-1]
    return found


def _moved(free: np.ndarray, good: np.ndarray, left: int) -> tuple[int, int]:
    """The places of both ends when `left` of the free places are between them. Goes from change to change of `good`."""
    low, high, changes = 0, len(free) - 1, np.flatnonzero(np.diff(good)) + 1  # where another value begins
    while high - low + 1 > left:
        too_many = high - low + 1 - left
        at = np.searchsorted(changes, [low, high], side="right")
        to_right = int(changes[at[0]]) - low if at[0] < len(changes) else too_many
        to_left = high - int(changes[at[1] - 1]) + 1 if at[1] else too_many
        if good[low] < good[high]:
            low += min(to_right, too_many)
        elif good[low] > good[high]:
            high -= min(to_left, too_many)
        else:
            steps = min(too_many, 2 * min(to_right, to_left))
            low, high = low + (steps + 1) // 2, high - steps // 2
    return int(free[low]), int(free[high])


def _around(lines: Lines, k: int, n: int) -> np.ndarray:
    """The n free rows nearest to the best threshold of line k, the one before it first."""
    line, (places, of_class) = lines.line(k), lines.known(k)
    best = int(_lead(of_class).argmax())
    threshold = int(places[best - 1]) + 1 if best else 0
    free = np.flatnonzero(lines.free[line])
    steps = np.where(free < threshold, 2 * (threshold - 1 - free), 2 * (free - threshold) + 1)
    return line[free[np.argsort(steps, kind="stable")[:n]]].astype(np.int64)
