"""One strategy, one call, on a lab's own Keras model and data."""

from __future__ import annotations

from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

import numpy as np

from tfal.errors import InputError
from tfal.learners.backend import choose_backend
from tfal.learners.outputs import NamedOutputs
from tfal.learners.reader import LearnerReader
from tfal.learners.sampled import N_PASS, N_VIEW, SampledOutputs
from tfal.learners.sources import ArraySource, DatasetSource
from tfal.pool import Pool
from tfal.strategies import Strategy, check_picks, make_strategy
from tfal.streams import Streams
from tfal.view import PoolView


def query(
    strategy: str | Strategy,
    model: Any,
    images: Any,
    n: int,
    *,
    labeled: Any = None,
    labels: Any = None,
    rejected: Any = None,
    seed: int = 0,
    batch_size: int = 256,
    outputs: Mapping[str, str] | None = None,
    backend: str = "auto",
    **options: Any,
) -> np.ndarray:
    """Which n samples should be labeled next?

    Args:
        strategy: a name of tfal.strategies.STRATEGIES, or a Strategy.
        model: a functional or Sequential Keras model that ends in a Dense layer, with or without a softmax after
            it; read in inference mode, its weights stay as they are. Not needed (None) for "random".
        images: the whole data set as the model takes it: an array (N, ...), or a tf.data.Dataset of images or of
            tuples that begin with them, batched or not, in the same order each time it is iterated.
        n: number of samples to pick.
        labeled: ids (positions in `images`) of the samples that have labels; they are never picked.
        labels: (len(labeled),) integer classes in the order of `labeled`, for strategies that use them.
        rejected: ids of samples that turned out to be of no known class; they are never picked, and "similar" avoids
            what looks like them.
        seed: the same seed and inputs give the same picks.
        batch_size: images read at once.
        outputs: names the layers of a model that cannot be read otherwise, for example
            {"features": "fc1", "logits": "fc2"}; see tfal.learners.outputs.NamedOutputs.
        backend: where the strategy computes: "numpy", "cupy", or "auto" for CuPy where it and a GPU are there.
        options: options of the strategy, such as n_sample for "ldms". "bald" and its like run n_pass passes through a
            model with Dropout layers, 25 when not given; "consistency" shifts images (H, W, C) n_view times by up to
            4 pixels, with zeros around them, 10 times when not given.

    Returns:
        ids (n,) int64, distinct, in the order of picking.

    Raises:
        InputError: something cannot be used; one line says what, what was expected, and how to mend it.
    """
    chosen = _strategy(strategy, options)
    if chosen.oracle:
        raise InputError(f"strategy {strategy!r} looks at labels that nobody has bought: it is for studies only.")
    source = _source(images, model)
    if chosen.uses_labels and labels is None and labeled is not None and len(labeled):
        raise InputError(f"strategy {strategy!r} needs labels, the class of each id in labeled. Received: None.")
    pool = _pool(source.size, labeled, labels)
    _reject(pool, rejected)
    if isinstance(n, bool) or not isinstance(n, (int, np.integer)) or not 1 <= n <= len(pool.unlabeled):
        raise InputError(
            f"n must be a whole number from 1 to the {len(pool.unlabeled)} unlabeled samples. Received: {n!r}."
        )
    learners = _learners(chosen, model, outputs, Streams(seed).integer("dropout"))
    reader = LearnerReader(source, learners, batch_size, choose_backend(backend))
    view = PoolView(pool, pool.unlabeled, reader, Streams(seed))
    picks = chosen.query(view, int(n), Streams(seed)("query"))
    return check_picks(picks, view.candidates, int(n), type(chosen).__name__).ids


def _strategy(strategy: str | Strategy, options: Mapping[str, Any]) -> Strategy:
    if isinstance(strategy, Strategy):
        if options:
            raise InputError(f"options go to the strategy itself when it is no name. Received: {sorted(options)}.")
        return strategy
    made = make_strategy(strategy, SimpleNamespace(**options))
    unknown = [name for name in options if not hasattr(made, name)]
    if unknown:
        raise InputError(f"strategy {strategy!r} has no option {unknown[0]!r}. It has: {made}.")
    return made


def _learners(
    strategy: Strategy, model: Any, outputs: Mapping[str, str] | None, seed: int
) -> dict[str, SampledOutputs]:
    other = [name for name in strategy.learners if name not in ("classifier", "loss_predictor")]
    if other:
        raise InputError(f"this strategy needs {' and '.join(other)}, trained by tfal; run it through tfal.run.")
    n_pass, n_view = getattr(strategy, "n_pass", N_PASS), getattr(strategy, "n_view", N_VIEW)
    found = {}
    for name in strategy.learners:
        found[name] = SampledOutputs(NamedOutputs(model, outputs), n_pass=n_pass, n_view=n_view)
        found[name].seed = seed
    return found


def _pool(size: int, labeled: Any, labels: Any) -> Pool:
    ids = _ids("labeled", labeled, size)
    classes = np.zeros(len(ids), np.int64) if labels is None else np.asarray(labels)
    if classes.shape != ids.shape or not np.issubdtype(classes.dtype, np.integer):
        raise InputError(
            f"labels must be {len(ids)} integers, one for each id in labeled. "
            f"Received: an array {classes.shape} of {classes.dtype}."
        )
    pool = Pool.unlabeled_pool(size)
    pool.label_samples(ids, classes, 0)
    return pool


def _reject(pool: Pool, rejected: Any) -> None:
    ids = _ids("rejected", rejected, len(pool))
    both = np.intersect1d(ids, pool.labeled)
    if len(both):
        raise InputError(f"a sample is labeled or rejected, not both. Received: {both[:5].tolist()} in both.")
    no_class = int(pool.label.max(initial=0)) + 1
    pool.label_samples(ids, np.full(len(ids), no_class), 0, n_known=no_class)


def _ids(name: str, given: Any, size: int) -> np.ndarray:
    ids = np.zeros(0, np.int64) if given is None else np.asarray(given)
    if ids.ndim != 1 or (len(ids) and not np.issubdtype(ids.dtype, np.integer)):
        raise InputError(f"{name} must be a list of ids. Received: an array {ids.shape} of {ids.dtype}.")
    if len(ids) and (ids.min() < 0 or ids.max() >= size or len(np.unique(ids)) < len(ids)):
        raise InputError(
            f"{name} must hold distinct ids from 0 to {size - 1}. Received: {ids.min()} to {ids.max()}, "
            f"{len(ids) - len(np.unique(ids))} of them repeated."
        )
    return ids.astype(np.int64)


def _source(images: Any, model: Any) -> Any:
    if hasattr(images, "element_spec"):
        return DatasetSource(images, model)
    return ArraySource(images)
