"""ProbCover: greedy cover of the rows by balls of one radius, and the radius at which balls are still pure.

Source: Yehuda et al., "Active Learning Through a Covering Lens", NeurIPS 2022. Differences from public code:
- A ball is closed (distance <= delta, up to 1e-6 for rounding), so it holds its center and copies of that even at 0.
- Edges are looked for where pivots leave room for some (tfal.kernels.parts.cells). They are kept as int32 rows, and
  those of a row are read once, when it is covered. What is to be covered may be a random part of the rows (anchors),
  which makes a million rows possible.
- Once all rows are covered, where that code goes on at random, the farthest rows follow.
- The radius comes from the sorted distances to the nearest row of another cluster, not from trying a few radii. Its
  k-means may find the centers on a random part of the rows, as faiss does by default.
"""

from __future__ import annotations

import functools
import math
from typing import Any

import numpy as np

from tfal.errors import InputError
from tfal.kernels.kmeans import KMeans, kmeans
from tfal.kernels.parts import check
from tfal.kernels.parts.balls import ROUNDING, Balls
from tfal.kernels.parts.cells import Cells, pivots_of
from tfal.kernels.parts.pairwise import Side, Tile, distances, origin_for, side, taken
from tfal.kernels.parts.tiles import CORES, slices, workers
from tfal.kernels.parts.xp import array_module
from tfal.kernels.representatives import checked_targets, farthest_first, unlabeled
from tfal.kernels.top import tie_ranks

_MOST_EDGES = 1 << 30  # 4 GB
_ROWS = {"numpy": 8192, "cupy": 65536}  # that are looked at together for a radius
_LOOK = 4096  # rows among which distances are found first


def probcover(
    features: Any,
    n: int,
    *,
    delta: float,
    labeled: Any = None,
    n_anchor: int | None = None,
    targets: Any = None,
    rng: np.random.Generator | None = None,
    max_edges: int = _MOST_EDGES,
) -> np.ndarray:
    """Pick `n` rows one by one, each the one whose ball of radius `delta` holds the most rows not covered yet.

    Balls of labeled rows count as covered from the start. Once every row is covered, the rows farthest from all picked
    and labeled ones follow, as farthest_first gives them. Of equal rows chance takes one, or without `rng` the lowest.

    Args:
        features: shape (m, d), float16/32/64, NumPy (memory-mapped too) or CuPy, read as float32 in tiles. Time is at
            most that of the distances of all rows to all anchors, and a small part of it where rows form clusters that
            are wider apart than `delta` (tfal.kernels.parts.cells); memory beyond the features is 4 bytes for each such
            pair within `delta`. With CuPy the distances are computed on the device, and the pairs are kept on the host.
        n: how many rows, from 1 to as many as are not labeled.
        delta: radius (Euclidean), at least 0; see purity_radius.
        labeled: distinct integer rows, (l,), that are labeled already, or None.
        n_anchor: count only the rows of a ball that are among so many unlabeled ones, drawn from `rng` without
            replacement. None, or as many as there are: all rows, exactly. A million rows against all others take hours.
        targets: rows (t, d) that are to be covered, in place of those of `features`: of a pool of which `features` is a
            part. Excludes n_anchor.
        rng: draws anchors, and breaks ties (tfal.kernels.top.tie_order); needed with n_anchor only.
        max_edges: refuse a radius that gives more pairs than this.

    Returns:
        Unique int64 rows of shape (n,), in pick order, on the host.

    Raises:
        InputError: wrong shape, integer features, values not finite or above 1e15, labeled rows out of range or
            repeated, n out of range, a negative radius, more pairs than max_edges, n_anchor without rng or with
            targets.

    Example:
        >>> import numpy as np
        >>> features = np.array([[0.0], [1.0], [2.0], [5.0], [6.0]])
        >>> probcover(features, 2, delta=1.0).tolist()
        [1, 3]
    """
    xp = array_module(features, targets)
    features = check.float_rows(xp, "features", features, ("m", "d"))
    targets = checked_targets(xp, targets, features, n_anchor)
    left = unlabeled(len(features), labeled, n)
    if isinstance(delta, bool) or not (isinstance(delta, (int, float, np.number)) and delta >= 0):
        raise InputError(
            f"delta: expected a radius of at least 0, received {delta!r}. Take that of purity_radius, or choose one."
        )
    max_edges = check.whole_number("max_edges", max_edges)
    anchors = np.flatnonzero(left)
    if targets is not None:
        anchors = np.full(len(targets), -1)  # none of them is a row
    elif n_anchor is None or check.whole_number("n_anchor", n_anchor) >= len(anchors):
        anchors = np.arange(len(features))  # the labeled rows, too: they do no harm, and none needs to be copied
    else:
        anchors = np.sort(check.generator(rng).choice(anchors, n_anchor, replace=False))
    balls = Balls(features, min(float(delta), check.LARGEST), anchors, targets, max_edges)
    return _probcover(balls, features, n, left, rng)


def _probcover(balls: Balls, features: Any, n: int, left: np.ndarray, rng: np.random.Generator | None) -> np.ndarray:
    m = len(features)
    uncovered = np.ones(balls.n_anchor, bool)
    keys = m * balls.lists.counts(m) + m - 1 - tie_ranks(m, rng)  # the uncovered rows of a ball, then its rank

    def cover(row: int) -> None:
        new = np.flatnonzero(balls.around(row) & uncovered)
        uncovered[new] = False
        for anchor in new.tolist():
            keys[balls.lists.of(anchor)] -= m

    picks: list[int] = []
    with workers(array_module(features)):  # products of one row gain nothing from threads
        for row in np.flatnonzero(~left).tolist():
            cover(row)
        keys[~left] = -1  # never picked, whatever is subtracted
        while len(picks) < n and keys[pick := int(keys.argmax())] >= m:
            picks.append(pick)
            keys[pick] = -1
            cover(pick)
    found = np.array(picks, np.int64)
    if len(picks) == n:
        return found
    return np.append(found, farthest_first(features, n - len(found), np.append(np.flatnonzero(~left), found), rng=rng))


def purity_radius(
    features: Any,
    n_clusters: int,
    *,
    rng: np.random.Generator,
    alpha: float = 0.95,
    n_balls: int | None = None,
    n_train: int | None = None,
    n_iter: int = 20,
    n_init: int = 1,
    backend: str = "auto",
) -> float:
    """The largest radius at which a share `alpha` of the balls hold rows of one k-means cluster only.

    The paper's rule for ProbCover's delta, with as many clusters as there are classes. It is just below (1e-6) a
    distance of some row to the nearest row of another cluster, and 0 when too many rows have a copy in another.

    Args:
        features: shape (m, d), float16/32/64, NumPy (memory-mapped too) or CuPy, read as float32 in tiles.
        n_clusters: from 2 to m.
        rng: for k-means, and before it for the rows that it takes, then for the choice of balls.
        alpha: least share of pure balls, above 0 and at most 1.
        n_balls: look at the balls of so many rows, drawn at random, in time n_balls * m at most; None or m: of all.
        n_train: k-means finds its centers on so many rows, drawn at random, and moves them once over all rows; at least
            n_clusters. None, m or more: on all rows. A sample in the dtype of the features is held in memory.
        n_iter, n_init, backend: see tfal.kernels.kmeans.

    Returns:
        The radius (Euclidean); infinite when k-means finds a single cluster.

    Raises:
        InputError: wrong shape, integer features, values not finite or above 1e15, a number out of range, unknown
            backend or one that is not installed.

    Example:
        >>> import numpy as np
        >>> features = np.array([[0.0], [1.0], [5.0], [7.0]])
        >>> round(purity_radius(features, 2, rng=np.random.default_rng(0), alpha=1.0), 4)
        4.0
    """
    xp = array_module(features)
    features = check.float_rows(xp, "features", features, ("m", "d"))
    if check.whole_number("n_clusters", n_clusters, most=len(features)) == 1:
        raise InputError("n_clusters: expected at least 2, received 1. Balls of any radius would be pure.")
    if isinstance(alpha, bool) or not (isinstance(alpha, (int, float, np.number)) and 0 < alpha <= 1):
        raise InputError(f"alpha: expected a share above 0 and at most 1, received {alpha!r}. Choose such a share.")
    if n_balls is not None:
        check.whole_number("n_balls", n_balls, most=len(features))
    if n_train is not None and check.whole_number("n_train", n_train) < n_clusters:
        raise InputError(f"n_train: expected at least n_clusters, {n_clusters}, received {n_train}. Draw more rows.")
    found = _clusters(features, n_clusters, n_train, rng=rng, n_iter=n_iter, n_init=n_init, backend=backend)
    rows = None if n_balls in (None, len(features)) else np.sort(rng.choice(len(features), n_balls, replace=False))
    n = len(features) if rows is None else len(rows)
    impure = n - math.ceil(alpha * n - 1e-9)  # balls that need not be pure
    away = _to_other_cluster(features, found, rows, impure)
    return math.sqrt(away) * (1 - ROUNDING)


def _clusters(
    features: Any, k: int, n_train: int | None, *, rng: np.random.Generator, backend: str, **times: int
) -> KMeans:
    """k-means of all rows, whose centers come from `n_train` of them; times: n_iter, n_init."""
    if n_train is None or n_train >= len(features):
        return kmeans(features, k, rng=rng, backend=backend, **times)
    rows = array_module(features).asarray(np.sort(check.generator(rng).choice(len(features), n_train, replace=False)))
    centers = kmeans(features[rows], k, rng=rng, backend=backend, **times).centers
    return kmeans(features, k, rng=rng, init=centers, n_iter=1, backend=backend)


def _to_other_cluster(features: Any, found: KMeans, rows: np.ndarray | None, place: int) -> float:
    """The squared distances of all rows, or some, to the nearest row of another cluster, sorted: the one at `place`.

    Infinite where there is no other cluster. A distance beyond those to the nearest of some of the rows is at no such
    place, and need not be known.
    """
    xp = array_module(features)
    every = side(features, origin_for("euclidean", features))
    balls = every if rows is None else taken(every, rows)
    cells = Cells(balls, pivots_of(balls, found.centers))
    places = cells.order if rows is None else rows[cells.order]
    own = found.labels[xp.asarray(places)]

    def least(among: Side, labels: Any, radius: float) -> Any:
        reach = cells.reach(radius, every)

        def of(part: slice) -> Any:
            nearest, tile = xp.full(len(own), np.inf, np.float32), among.tile(part)
            for points, some in cells.blocks(tile, reach):
                squared = distances(cells.tile(points), Tile(tile.points[some], tile.squares[some]))
                squared[own[points, None] == labels[part][some]] = np.inf
                nearest[points] = xp.minimum(nearest[points], squared.min(axis=1))
            return nearest

        nearest, tiles = xp.full(len(own), np.inf, np.float32), slices(len(labels), _ROWS[xp.__name__])
        with workers(xp) as each:
            for some in slices(len(tiles), 2 * CORES):
                nearest = functools.reduce(xp.minimum, each(of, tiles[some]), nearest)
        return nearest

    look = np.linspace(0, len(features) - 1, min(len(features), _LOOK)).astype(np.int64)
    bound = float(xp.sort(least(taken(every, look), found.labels[xp.asarray(look)], np.inf))[place])
    # Most often fewer rows will do: those as near as rows of one cluster are, which is quick to try.
    for squared in (min(bound, 2 * float(xp.square(found.distances).mean())), bound):
        nearest = float(xp.sort(least(every, found.labels, math.sqrt(squared)))[place])
        if nearest <= squared:
            break
    return nearest
