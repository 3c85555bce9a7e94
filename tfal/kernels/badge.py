"""BADGE: k-means++ seeding on the gradient embeddings of the last layer, without building them.

Source: Ash et al., "Deep Batch Active Learning by Diverse, Uncertain Gradient Lower Bounds", ICLR 2020.
Differences from public code:
- The embedding of a sample is the outer product of e = softmax(logits) - onehot(argmax) and its features f.
  Dot products factorise as (e_i . e_j) * (f_i . f_j), so no m x (d * C) array is needed.
- Many draws share one pass over the features, by rejection, which leaves their law as it is.
- A draw cannot hit a chosen row, so none is repeated. When every distance is 0, the rest is equally likely.
- Squared distances that are float32 rounding count as 0: below 2e-6 of a row's squared norm, more at many features.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tfal.kernels.parts import check
from tfal.kernels.parts.d2_sampling import draw_spread
from tfal.kernels.parts.euclidean import rounding
from tfal.kernels.parts.tiles import Each, fill, float32_rows, slices, tiles, workers
from tfal.kernels.parts.xp import array_module, row_squares, to_numpy
from tfal.kernels.top import largest
from tfal.kernels.uncertainty import confidence_log_odds, log_softmax

_MOST_CENTERS = 512  # whose distances to a tile are in memory at a time
_SMALLEST = 1e-200  # square of an embedding; below, digits are lost


def badge_seeding(features: Any, logits: Any, n: int, *, weights: Any = None, rng: np.random.Generator) -> np.ndarray:
    """Pick `n` rows whose gradient embeddings are large and far apart.

    The first pick has the largest embedding (of equal ones, a random one). Each next one is drawn with a probability
    proportional to its squared Euclidean distance to the nearest pick.

    Args:
        features: inputs of the last layer, shape (m, d), float16/32/64, NumPy (memory-mapped too) or CuPy. They are
            read as float32 in tiles: memory beyond the inputs does not grow with d.
        logits: shape (m, C), float16/32/64, C >= 2; their softmax is computed in float64, in tiles too.
        n: how many rows, from 1 to m.
        weights: how many rows each row stands for, shape (m,), above 0: it is drawn that many times as often. None:
            itself alone.
        rng: where the draws come from; none when n is 1, but for ties.

    Returns:
        Unique int64 rows of shape (n,), in pick order, on the host.

    Raises:
        InputError: shapes that disagree, integer arrays, values not finite, n out of range.

    Example:
        >>> import numpy as np
        >>> features = np.array([[1.0, 0.0], [0.0, 2.0], [1.0, 1.0]])
        >>> logits = np.array([[2.0, 0.0], [0.0, 1.0], [0.5, 0.5]])
        >>> badge_seeding(features, logits, 2, rng=np.random.default_rng(0)).tolist()
        [2, 1]
    """
    xp = array_module(features, logits)
    logits = check.float_rows(xp, "logits", logits, ("n", "C"), limit=np.finfo(np.float64).max)
    check.two_classes("logits", logits)
    features = check.float_rows(xp, "features", features, (len(logits), "d"))
    n = check.whole_number("n", n, most=len(logits))
    log_gamma = xp.zeros(len(logits)) if weights is None else xp.log(check.weights(xp, weights, len(logits))) / 2
    return _badge_seeding(features, logits, n, log_gamma, check.generator(rng))


def _badge_seeding(features: Any, logits: Any, n: int, log_gamma: Any, rng: np.random.Generator) -> np.ndarray:
    xp = array_module(features)
    with workers(xp) as each:
        space = _Embeddings(features, logits, each)
        first = largest(space.squares, rng)
        return draw_spread(space, first, n, log_gamma, xp.arange(len(features)), rng, each)


def badge_nearest(features: Any, logits: Any, picks: Any) -> np.ndarray:
    """The pick whose gradient embedding is nearest (Euclidean) to that of each row.

    Args:
        features, logits: as of badge_seeding.
        picks: distinct integer rows, shape (k,), k >= 1.

    Returns:
        Positions in `picks`, int64 (m,), on the host; of equally near ones the first, and of a pick its own.

    Raises:
        InputError: shapes that disagree, integer arrays, values not finite, picks that are no rows.

    Example:
        >>> import numpy as np
        >>> features = np.array([[1.0, 0.0], [0.0, 2.0], [1.0, 1.0], [0.0, 1.9]])
        >>> badge_nearest(features, np.array([[2.0, 0.0], [0.0, 1.0], [0.5, 0.5], [0.0, 1.0]]), [1, 0]).tolist()
        [1, 0, 1, 0]
    """
    xp = array_module(features, logits)
    logits = check.float_rows(xp, "logits", logits, ("n", "C"), limit=np.finfo(np.float64).max)
    check.two_classes("logits", logits)
    features = check.float_rows(xp, "features", features, (len(logits), "d"))
    picks = check.numbers("picks", np.asarray(picks), len(picks), len(logits), "Give rows.")
    return _badge_nearest(features, logits, picks)


def _badge_nearest(features: Any, logits: Any, picks: np.ndarray) -> np.ndarray:
    xp = array_module(features)
    best, owner = xp.full(len(logits), -np.inf), xp.zeros(len(logits), np.int64)
    with workers(xp) as each:
        space = _Embeddings(features, logits, each)
        for block in slices(len(picks), _MOST_CENTERS):
            some, start = space.centers(xp.asarray(picks[block])), block.start

            def look(tile: slice, some: Any = some, start: int = start) -> None:
                nearness = space.nearness(space.rows(tile), some)
                most = nearness.max(axis=1)
                owner[tile] = xp.where(most > best[tile], nearness.argmax(axis=1) + start, owner[tile])
                best[tile] = xp.maximum(best[tile], most)

            each(look, tiles(xp, len(logits), 4 * features.shape[1] + 12 * (block.stop - start)))
    found = to_numpy(owner)
    found[picks] = np.arange(len(picks))
    return found


class _Embeddings:
    """Outer products e f', kept as their two factors, of which e is at hand as length and direction."""

    def __init__(self, features: Any, logits: Any, each: Each) -> None:
        self.features, self.logits = features, logits
        self.rounding = rounding(features.shape[1]) + rounding(logits.shape[1])

        self.scale, xp = 0.0, array_module(features)  # logarithm, of all errors alike

        def squares(tile: slice) -> Any:
            return row_squares(_softmax_errors(logits[tile], self.scale)) * row_squares(float32_rows(features, tile))

        width = 4 * features.shape[1] + 8 * logits.shape[1]
        self.squares = fill(xp, len(features), width, each, squares)  # |e|**2 * |f|**2
        if self.squares.max() < _SMALLEST:  # all samples are that confident: only how they compare matters
            self.scale = -float(
                fill(xp, len(logits), width, each, lambda tile: confidence_log_odds(logits[tile])).max()
            )
            self.squares = fill(xp, len(features), width, each, squares)

    def rows(self, where: Any) -> tuple[Any, Any, Any, Any]:
        lengths, directions = _polar(_softmax_errors(self.logits[where], self.scale))
        return lengths, directions, float32_rows(self.features, where), self.squares[where][:, None]

    def centers(self, where: Any) -> tuple[Any, Any, Any]:
        _, directions, features, squares = self.rows(where)
        return directions.T, _polar(features)[1].T, squares[:, 0]

    def nearness(self, rows: tuple[Any, Any, Any, Any], centers: tuple[Any, Any, Any]) -> Any:
        """2 x . c - |c|**2 of embeddings x and c."""
        lengths, directions, features, _ = rows
        center_directions, center_features, center_squares = centers
        cosines = (directions @ center_directions) * (features @ center_features)
        return cosines * lengths * (2 * array_module(cosines).sqrt(center_squares)) - center_squares

    def squared(self, rows: tuple[Any, Any, Any, Any], nearness: Any) -> Any:
        squares = rows[-1]
        squared = squares - nearness
        return array_module(squared).where(squared > self.rounding * squares, squared, 0)


def _softmax_errors(logits: Any, scale: float = 0.0) -> Any:
    """(softmax - onehot(argmax)) * exp(scale) of logits (m, C), float64: the loss's gradient at the predicted label."""
    xp = array_module(logits)
    logits = logits.astype(np.float64, copy=False)
    log_p = log_softmax(xp, logits)
    predicted = xp.arange(len(log_p)), logits.argmax(axis=1)
    if scale:
        log_p[predicted] = -np.inf
        log_p += scale
    errors = xp.exp(log_p)
    errors[predicted] = 0
    errors[predicted] = -errors.sum(axis=1)  # p - 1, with all digits where p is close to 1
    return errors


def _polar(rows: Any) -> tuple[Any, Any]:
    """Lengths (m, 1), float64, and directions (m, k), float32; a row of zeros has the direction zero."""
    xp = array_module(rows)
    lengths = xp.sqrt(row_squares(rows))[:, None]
    return lengths, (rows / xp.where(lengths > 0, lengths, 1)).astype(np.float32)
