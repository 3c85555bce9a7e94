"""Least disagree metric (LDM): the smallest share of inputs relabelled by a hypothesis that flips a sample.

Source: "Querying Easily Flip-flopped Samples for Deep Active Learning", ICLR 2024. Hypotheses are Gaussian
perturbations of the last layer. Letters: n candidates, M Monte-Carlo inputs, d features, C classes, B
hypotheses of a block.

The law of the result is that of the authors' code. What differs is how it is computed:
- Noise is keyed by the sigma: hypothesis j of sigma s is the j-th (d + 1, C) block of one stream. Results
  depend on the generator given, not on the block size.
- Hypotheses are evaluated in blocks. Those drawn beyond the stopping one are dropped, which changes no law.
- logits = L0 + E, with E = [F, 1] @ (sigma * noise): small sigmas lose no digits.
- Noise is taken relative to class 0, which leaves every label as it is and saves a class.
- Rows that provably cannot flip or improve are left out. The others are gathered in tiles, so that no copy of the
  features is made.
- Disagreements are counted as integers; the division by M comes last.
"""

from __future__ import annotations

import reprlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from tfal.errors import InputError
from tfal.kernels.hypotheses import GROUP, LabeledRows, Noise, flips
from tfal.kernels.parts import check, cuda
from tfal.kernels.parts.tiles import Each, float32_rows, tiles, workers
from tfal.kernels.parts.xp import array_module, to_numpy

_AHEAD = 2  # threads that draw noise: the last block of a sigma, which nobody needs, must not hold up the next one


def least_disagree_metric(
    features: Any,
    mc_features: Any,
    kernel: Any,
    bias: Any,
    *,
    rng: np.random.Generator,
    sigmas: Sequence[float] | np.ndarray | None = None,
    patience: int = 10,
) -> Any:
    """Least disagree metric of every candidate: SMALLER is more easily flipped, thus more uncertain.

    Hypotheses are kernel + sigma * N(0, 1) and bias + sigma * N(0, 1). Over the hypotheses that relabel a
    candidate, its value is the smallest share of the Monte-Carlo inputs that one of them relabels. Each sigma
    in turn ends after `patience` consecutive hypotheses that lower no candidate's value.

    Args:
        features: inputs of the last layer for the candidates, shape (n, d), float16/32/64, NumPy (memory-mapped
            too) or CuPy.
        mc_features: the same for the Monte-Carlo inputs, a random sample of the data, shape (M, d).
        kernel: weights of the last layer, shape (d, C), C >= 2.
        bias: shape (C,).
        rng: one integer is drawn from it. Equal generators give equal results on one machine; on another, or
            on a GPU, the rounding of a matrix product may move single counts.
        sigmas: positive scales in the order to visit; default np.logspace(-5, 0, 51).
        patience: consecutive hypotheses without an improvement that end a sigma; at least 1.

    Returns:
        float64 of shape (n,), multiples of 1/M in [0, 1], in the array module of the inputs; 1 means that no
        hypothesis flipped the candidate. All arithmetic is float32 with integer counts. Memory beyond the inputs
        holds a few numbers per row, the noise of a block of hypotheses, and tiles; it does not grow with d or C.

    Raises:
        InputError: shapes that disagree, integer arrays, values not finite or above 1e15, unusable sigmas or
            patience.

    Example:
        >>> import numpy as np
        >>> mc = np.random.default_rng(0).normal(size=(500, 2))
        >>> near_and_far = np.array([[0.1, 0.0], [3.0, 0.0]])
        >>> kernel, bias = np.array([[0.0, 1.0], [0.0, 0.0]]), np.zeros(2)
        >>> near, far = least_disagree_metric(near_and_far, mc, kernel, bias, rng=np.random.default_rng(0))
        >>> bool(near < 0.1 < far)
        True
    """
    xp = array_module(features, mc_features, kernel, bias)
    features = check.float_rows(xp, "features", features, ("n", "d"))
    d = features.shape[1]
    mc_features = check.float_rows(xp, "mc_features", mc_features, ("M", d))
    kernel = check.float_array(xp, "kernel", kernel, (d, "C"))
    check.two_classes("kernel", kernel)
    bias = check.float_array(xp, "bias", bias, (kernel.shape[1],))
    scales = _checked_sigmas(sigmas)
    patience = check.whole_number("patience", patience)
    root = int(check.generator(rng).integers(2**63))
    return _least_disagree_metric(features, mc_features, kernel, bias, root, scales, patience)


def _checked_sigmas(sigmas: Sequence[float] | np.ndarray | None) -> list[np.float32]:
    scales = np.logspace(-5, 0, 51) if sigmas is None else np.asarray(sigmas)
    usable = scales.ndim == 1 and scales.size > 0 and scales.dtype.kind in "fiu"
    if not (usable and np.all((scales >= 1e-15) & (scales <= check.LARGEST))):
        raise InputError(
            "sigmas: expected a list of positive numbers from 1e-15 to 1e15, "
            f"received {reprlib.repr(scales.tolist())}. Leave it out for np.logspace(-5, 0, 51)."
        )
    return list(scales.astype(np.float32))


def _least_disagree_metric(
    features: Any,
    mc_features: Any,
    kernel: Any,
    bias: Any,
    root: int,
    sigmas: list[np.float32],
    patience: int,
) -> Any:
    xp = array_module(features)
    with workers(xp) as each, ThreadPoolExecutor(_AHEAD) as ahead:
        # A column that is 0 in every row moves no logit. Its noise is drawn but not multiplied.
        alive = _used_columns(features, each) | _used_columns(mc_features, each)
        layer = xp.concatenate([kernel[xp.asarray(alive)], bias[None]]).T
        pool, mc = (LabeledRows(f, alive, layer, each) for f in (features, mc_features))
        counts = xp.full(len(features), len(mc_features), dtype=np.int32)
        for s, sigma in enumerate(sigmas):
            _search_sigma(pool, mc, counts, Noise([root, s], sigma, len(bias), alive), patience, each, ahead)
    return counts / len(mc_features)


def _used_columns(features: Any, each: Each) -> np.ndarray:
    """Which columns are not 0 in every row, bool (d,), on the host."""
    m, d = features.shape
    used = each(
        lambda tile: to_numpy((float32_rows(features, tile) != 0).any(axis=0)), tiles(array_module(features), m, 4 * d)
    )
    found: np.ndarray = np.logical_or.reduce(used)
    return found


def _search_sigma(
    pool: LabeledRows,
    mc: LabeledRows,
    counts: Any,
    noise: Noise,
    patience: int,
    each: Each,
    ahead: ThreadPoolExecutor,
) -> None:
    """Lower `counts` with the hypotheses of one sigma until `patience` consecutive ones improve nothing.

    The noise of a block is drawn `ahead`, while the block before is looked at.
    """
    by_count = (-counts).argsort()
    size, quiet = min(-(-patience // GROUP) * GROUP, noise.most), 0
    drawn = ahead.submit(noise.next, size)
    while quiet < patience:
        found, radius = drawn.result()
        hypotheses = array_module(counts).asarray(found)
        size = min(2 * size, noise.most)
        drawn = ahead.submit(noise.next, size)
        rho = _disagreements(mc, hypotheses, radius, each)
        rows, lowers = _lowered_rows(pool, counts, by_count, hypotheses, rho, radius, each)
        counts[rows], quiet, _ = _advance(counts[rows], quiet, rho, lowers, patience)
    drawn.cancel()


def _disagreements(mc: LabeledRows, hypotheses: Any, radius: float, each: Each) -> Any:
    """How many Monte-Carlo inputs every hypothesis relabels, int32 (B,)."""
    xp = array_module(hypotheses)
    rows = xp.flatnonzero(mc.reach <= radius)

    def work(place: slice) -> Any:
        return flips(mc.tile(rows[place]), hypotheses).sum(axis=1, dtype=np.int32)

    return sum(each(work, mc.places(len(rows))), xp.zeros(len(hypotheses), np.int32))


def _lowered_rows(
    pool: LabeledRows, counts: Any, by_count: Any, hypotheses: Any, rho: Any, radius: float, each: Each
) -> tuple[Any, Any]:
    """The rows whose count some of the hypotheses lower, (k,), and which of them do, bool (B, k).

    Rows from large to small counts meet hypotheses from small to large ones, so that a tile of rows can leave out
    the hypotheses that lower none of its counts.
    """
    xp = array_module(counts)
    by_rho = rho.argsort()
    ascending = rho[by_rho]
    least = to_numpy(ascending)[::GROUP]
    noise = hypotheses[by_rho]
    rows = by_count[(counts[by_count] > least[0]) & (pool.reach[by_count] <= radius)]

    def work(place: slice) -> tuple[Any, Any]:
        where = rows[place]
        tops = counts[where]
        size = GROUP * int(np.searchsorted(least, int(tops.max())))
        lowers = flips(pool.tile(where), noise[:size])
        lowers &= ascending[:size, None] < tops
        found = xp.flatnonzero(lowers.any(axis=0))
        by_turn = xp.zeros((len(rho), len(found)), bool)
        by_turn[by_rho[:size]] = lowers[:, found]
        return where[found], by_turn

    parts = [(rows[:0], xp.zeros((len(rho), 0), bool)), *each(work, pool.places(len(rows)))]
    return xp.concatenate([where for where, _ in parts]), xp.concatenate([lowers for _, lowers in parts], axis=1)


def _advance(counts: Any, quiet: int, rho: Any, flips: Any, patience: int) -> tuple[Any, int, int]:
    """Take the hypotheses of a block in order, up to the one that makes `patience` without an improvement.

    Args:
        counts: smallest disagreement count so far of some candidates, int32 (k,).
        quiet: consecutive hypotheses without an improvement so far.
        rho: disagreement count of every hypothesis, int32 (B,).
        flips: whether a hypothesis relabels a candidate, bool (B, k). Those that would not lower its count may be
            left out.
        patience: where `quiet` stops the search.

    Returns:
        The new counts, the new `quiet`, and how many hypotheses were consumed.
    """
    xp = array_module(counts)
    best, improved = _lowered(counts, rho, flips) if xp is np else cuda.advance(counts, rho, flips)
    for used, better in enumerate(to_numpy(improved), start=1):  # one wait for the device per block
        quiet = 0 if better else quiet + 1
        if quiet == patience:
            kept = xp.where(flips[:used], rho[:used, None], counts).min(axis=0)
            return xp.minimum(counts, kept), quiet, used
    return best, quiet, len(rho)


def _lowered(counts: np.ndarray, rho: np.ndarray, flips: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The counts after all hypotheses of a block, and which of these lowered some count when their turn came."""
    improved = np.zeros(len(rho), bool)
    for b in range(len(rho)):
        lower = np.where(flips[b], np.minimum(counts, rho[b]), counts)
        improved[b] = (lower < counts).any()
        counts = lower
    return counts, improved
