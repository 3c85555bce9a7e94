"""Least disagree metric (LDM): the smallest share of inputs relabelled by a hypothesis that flips a sample.

Source: "Querying Easily Flip-flopped Samples for Deep Active Learning", ICLR 2024. Hypotheses are Gaussian
perturbations of the last layer. Letters: n candidates, M Monte-Carlo inputs, d features, C classes, B
hypotheses of a block.

The law of the result is that of the authors' code. What differs is how it is computed:
- Noise is keyed by the sigma: hypothesis j of sigma s is the j-th (d + 1, C) block of one stream. Results
  depend on the generator given, not on the block size.
- Hypotheses are evaluated in blocks. Those drawn beyond the stopping one are dropped, which changes no law.
- logits = L0 + E, with E = [F, 1] @ (sigma * noise): base labels are exact, small sigmas lose no digits.
- Rows that provably cannot flip or improve are left out, tile by tile.
- Disagreements are counted as integers; the division by M comes last.
"""

from __future__ import annotations

import contextlib
import os
import reprlib
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import numpy as np
from threadpoolctl import threadpool_limits

from tfal.errors import InputError
from tfal.kernels import check
from tfal.kernels.xp import array_module, row_squares, to_numpy

# Every matrix product takes _GROUP hypotheses (missing ones as zero noise) and a fixed tile of rows. So a
# hypothesis has its place in a product of one shape, and is rounded alike, whatever the block size.
_GROUP = 16
_BLOCK = 64  # most hypotheses between two looks at the stopping rule
_NOISE_BYTES = 1 << 28  # most memory for the noise of a block, one group apart
_TILE_BYTES = {"numpy": 1 << 18, "cupy": 1 << 28}  # the logits of a tile: a CPU should keep them in its cache
_TILE_ROWS = 128  # fewer rows would starve the matrix product


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
        features: inputs of the last layer for the candidates, shape (n, d), float16/32/64, NumPy or CuPy.
        mc_features: the same for the Monte-Carlo inputs, a random sample of the data, shape (M, d).
        kernel: weights of the last layer, shape (d, C), C >= 2.
        bias: shape (C,).
        rng: one integer is drawn from it. Equal generators give equal results on one machine; on another, or
            on a GPU, the rounding of a matrix product may move single counts.
        sigmas: positive scales in the order to visit; default np.logspace(-5, 0, 51).
        patience: consecutive hypotheses without an improvement that end a sigma; at least 1.

    Returns:
        float64 of shape (n,), multiples of 1/M in [0, 1], in the array module of the inputs; 1 means that no
        hypothesis flipped the candidate. All arithmetic is float32 with integer counts; beyond the inputs,
        memory holds a few copies of the features and of the (n + M, C) base logits, and tiles.

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
    features = check.float_array(xp, "features", features, ("n", "d"))
    d = features.shape[1]
    mc_features = check.float_array(xp, "mc_features", mc_features, ("M", d))
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


class _Rows(NamedTuple):
    """Candidates or Monte-Carlo inputs, the nearest to flipping first."""

    inputs: Any  # [F, 1], float32 (n, d + 1)
    own: Any  # logit of the base label, (n,)
    others: Any  # logits of the other classes, -inf at the base label, (C, n)
    label: Any  # base label, (n,)
    reach: np.ndarray  # smallest norm of a perturbation that can flip the row, ascending, on the host
    order: Any  # where each row stood before sorting


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
    # A column that is 0 in every row moves no logit. Its noise is drawn but not multiplied.
    used = (features != 0).any(axis=0) | (mc_features != 0).any(axis=0)
    alive = xp.concatenate([used, xp.ones(1, bool)])
    pool, mc = (_sorted_rows(f, kernel, bias, alive) for f in (features, mc_features))
    alive = to_numpy(alive)
    counts = xp.full(len(features), len(mc_features), dtype=np.int32)
    with _tile_workers(xp) as each:
        for s, sigma in enumerate(sigmas):
            noise = _Noise([root, s], sigma, kernel.shape[1], alive)
            counts = _search_sigma(pool, mc, counts, noise, patience, each)
    ldm = xp.empty(len(features))
    ldm[pool.order] = counts / len(mc_features)
    return ldm


def _sorted_rows(features: Any, kernel: Any, bias: Any, alive: Any) -> _Rows:
    """Base logits and labels, sorted by the margin over the norm of [f, 1]: rows out of reach are the last."""
    xp = array_module(features)
    inputs = xp.concatenate([features, xp.ones((len(features), 1), np.float32)], axis=1)[:, alive]
    logits = (features @ kernel + bias).T
    slack = 1e-6 * xp.abs(logits).max(axis=0)  # logits closer than rounding can tie, and a tie can flip
    label, rows = logits.argmax(axis=0), xp.arange(len(features))
    own = logits[label, rows]
    logits[label, rows] = -np.inf
    reach = (own - logits.max(axis=0) - slack) / xp.sqrt(row_squares(inputs)).astype(np.float32)
    order = xp.argsort(reach, kind="stable")
    return _Rows(inputs[order], own[order], logits[:, order], label[order], to_numpy(reach[order]), order)


class _Noise:
    """The hypotheses of one sigma, one after the other: the (d + 1, C) blocks of its random stream."""

    def __init__(self, key: list[int], sigma: np.float32, classes: int, alive: np.ndarray) -> None:
        self.stream = np.random.default_rng(key)
        self.sigma, self.classes, self.alive = sigma, classes, alive
        self.drawn = 0
        largest = _NOISE_BYTES // (4 * alive.size * classes) // _GROUP * _GROUP
        self.most = min(_BLOCK, max(_GROUP, largest))

    def next(self, size: int) -> tuple[np.ndarray, slice]:
        """The next `size` hypotheses times sigma, as (groups, _GROUP, C, d + 1), and their place therein."""
        first = self.drawn % _GROUP
        self.drawn += size
        groups = -(-(first + size) // _GROUP)
        padded = np.zeros((groups * _GROUP, self.classes, int(self.alive.sum())), np.float32)
        normals = self.stream.standard_normal((size, self.alive.size, self.classes), dtype=np.float32)
        padded[first : first + size] = (self.sigma * normals).transpose(0, 2, 1)[:, :, self.alive]
        return padded.reshape(groups, _GROUP, *padded.shape[1:]), slice(first, first + size)


def _search_sigma(pool: _Rows, mc: _Rows, counts: Any, noise: _Noise, patience: int, each: Any) -> Any:
    """Lower `counts` with the hypotheses of one sigma until `patience` consecutive ones improve nothing."""
    size, quiet = -(-patience // _GROUP) * _GROUP, 0
    while quiet < patience:
        size = min(size, noise.most)
        groups, block = noise.next(size)
        rho, flips = _evaluate(pool, mc, counts, groups, block, each)
        counts, quiet, _ = _advance(counts, quiet, rho, flips, patience)
        size *= 2
    return counts


def _evaluate(
    pool: _Rows, mc: _Rows, counts: Any, groups: np.ndarray, block: slice, each: Any = map
) -> tuple[Any, Any]:
    """Of every hypothesis of a block: how many of M it relabels, int32 (B,); what candidates, bool (B, n)."""
    xp = array_module(counts)
    classes, radii = groups.shape[2], [_radius(group) for group in groups]
    groups = xp.asarray(groups)
    rho = xp.zeros(groups.shape[:2], np.int32)
    for relabelled in each(lambda tile: _flips(mc, tile, groups, radii).sum(axis=2), _tiles(mc, classes, max(radii))):
        rho += relabelled
    rho = rho.ravel()[block]
    lowest = rho.min()
    # A tile without a count above all of rho has no row that could improve.
    tiles = [tile for tile in _tiles(pool, classes, max(radii)) if counts[tile].max() > lowest]
    flips = xp.zeros((*groups.shape[:2], len(counts)), bool)
    for tile, flipped in zip(tiles, each(lambda tile: _flips(pool, tile, groups, radii), tiles), strict=True):
        flips[:, :, tile] = flipped
    return rho, flips.reshape(-1, len(counts))[block]


def _radius(group: np.ndarray) -> float:
    """Upper bound on the norm of a difference of two classes' noise; by Cauchy-Schwarz it bounds flips."""
    norms = np.sqrt(np.einsum("gcd,gcd->gc", group, group))
    return 1.001 * float(np.partition(norms, -2, axis=1)[:, -2:].sum(axis=1).max())


def _tiles(rows: _Rows, classes: int, radius: float) -> list[slice]:
    """Fixed tiles of rows, up to the last row that a perturbation of norm `radius` can flip."""
    xp = array_module(rows.own)
    height = max(_TILE_ROWS, _TILE_BYTES[xp.__name__] // (4 * _GROUP * classes))
    last = int(np.searchsorted(rows.reach, radius, side="right"))
    return [slice(start, min(start + height, len(rows.reach))) for start in range(0, last, height)]


def _flips(rows: _Rows, tile: slice, groups: Any, radii: list[float]) -> Any:
    """Whether each hypothesis changes the label of each row of a tile, bool (groups, _GROUP, rows)."""
    flips = array_module(groups).zeros((*groups.shape[:2], tile.stop - tile.start), bool)
    for g, radius in enumerate(radii):
        if rows.reach[tile.start] <= radius:
            flips[g] = _group_flips(rows, tile, groups[g])
    return flips


def _group_flips(rows: _Rows, tile: slice, group: Any) -> Any:
    xp = array_module(group)
    _, classes, width = group.shape
    height = tile.stop - tile.start
    logits = (group.reshape(-1, width) @ rows.inputs[tile].T).reshape(-1, classes, height)
    at_label = rows.label[tile] * height + xp.arange(height)
    own = logits.reshape(-1, classes * height).take(at_label, axis=1) + rows.own[tile]
    logits += rows.others[:, tile]
    best = logits.max(axis=1)
    flips = best > own
    ties = best == own
    # The test spares a CPU the slow argmax. A GPU would have to wait for its answer.
    if xp is not np or ties.any():
        flips |= ties & (logits.argmax(axis=1) < rows.label[tile])  # argmax gives a tie to the lower class
    return flips


@contextlib.contextmanager
def _tile_workers(xp: Any) -> Iterator[Any]:
    """A `map` over tiles: on a CPU one thread a core, and single-threaded matrix products.

    Products of this size gain little when they are themselves split over threads, and on a busy machine their
    threads wait for each other: that made a call up to 20 times slower.
    """
    if xp is not np:
        yield map
        return
    with threadpool_limits(1, user_api="blas"), ThreadPoolExecutor(os.cpu_count()) as executor:
        yield executor.map


def _advance(counts: Any, quiet: int, rho: Any, flips: Any, patience: int) -> tuple[Any, int, int]:
    """Take the hypotheses of a block in order, up to the one that makes `patience` without an improvement.

    Args:
        counts: smallest disagreement count so far of every candidate, int32 (n,).
        quiet: consecutive hypotheses without an improvement so far.
        rho: disagreement count of every hypothesis, int32 (B,).
        flips: whether a hypothesis relabels a candidate, bool (B, n).
        patience: where `quiet` stops the search.

    Returns:
        The new counts, the new `quiet`, and how many hypotheses were consumed.
    """
    xp = array_module(counts)
    best, improved = counts, xp.zeros(len(rho), bool)
    for b in range(len(rho)):
        lower = xp.where(flips[b], xp.minimum(best, rho[b]), best)
        improved[b] = (lower < best).any()
        best = lower
    for used, better in enumerate(to_numpy(improved), start=1):  # one wait for the device per block
        quiet = 0 if better else quiet + 1
        if quiet == patience:
            kept = xp.where(flips[:used], rho[:used, None], counts).min(axis=0)
            return xp.minimum(counts, kept), quiet, used
    return best, quiet, len(rho)
