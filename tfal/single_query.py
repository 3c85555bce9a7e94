"""One strategy, one call, on a lab's own Keras model and data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from inspect import signature
from typing import Any

import numpy as np

from tfal.data.images import check_int
from tfal.errors import InputError, unknown_name
from tfal.given import given_ids, given_labels
from tfal.learners import LEARNERS
from tfal.pool import Pool
from tfal.pool.view import PoolView
from tfal.reading.backend import choose_backend
from tfal.reading.named_outputs import NamedOutputs
from tfal.reading.reader import LearnerReader
from tfal.reading.stochastic_outputs import N_PASS, N_VIEW, SampledOutputs
from tfal.reading.user_images import open_source
from tfal.recipe.options import check_value
from tfal.strategies import STRATEGIES, Strategy, check_picks, strategy_name
from tfal.streams import Streams
from tfal.training.finite import check_finite_weights


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
        model: a functional or Sequential Keras model of one input that ends in a Dense layer, with or without a
            softmax after it; one unit, with or without a sigmoid, is two classes, 0 and 1. Read in inference mode, its
            weights stay as they are. Not needed (None) for "random".
        images: the whole data set as the model takes it: an array (N, ...); a tf.data.Dataset of images or of tuples
            that begin with them, batched or not; or a keras.utils.PyDataset of such batches. Data sets must give the
            same images in the same order each time, which is looked at, and from one query to the next, which cannot
            be: an id is a position in that order.
        n: number of samples to pick.
        labeled: ids (positions in `images`) of the samples that have labels, or a boolean mask (N,); they are never
            picked.
        labels: (len(labeled),) integer classes, 0 to C - 1 as the model's outputs, in the order of `labeled` (of a
            mask: ascending), for strategies that use them.
        rejected: ids of samples that turned out to be of no known class, or a boolean mask; they are never picked, and
            "similar" avoids what looks like them.
        seed: the same seed and inputs give the same picks.
        batch_size: images read at once.
        outputs: names the layers of a model that cannot be read otherwise, for example
            {"features": "fc1", "logits": "fc2"}; see tfal.reading.named_outputs.NamedOutputs.
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
    check_int("seed", seed, 0)
    check_int("batch_size", batch_size, 1)
    if outputs is not None and not (isinstance(outputs, Mapping) and all(isinstance(v, str) for v in outputs.values())):
        raise InputError(f"outputs must be a dict of layers' names by outputs' names. Received: {outputs!r}.")
    network = NamedOutputs(model, outputs) if chosen.learners else None
    if network:
        check_finite_weights(model)
    source = open_source(images, model if chosen.learners else None, int(batch_size))
    ids = given_ids("labeled", labeled, source.size)
    if chosen.uses_labels and labels is None and len(ids):
        raise InputError(f"strategy {strategy!r} needs labels, the class of each id in labeled. Received: None.")
    pool = Pool.unlabeled_pool(source.size)
    pool.label_samples(ids, given_labels(labels, ids, network.n_classes if network else None), 0)
    _reject(pool, rejected)
    n = _number(n, len(pool.unlabeled))
    streams = Streams(int(seed))
    learners = _learners(chosen, network, streams.integer("dropout"))
    reader = LearnerReader(source, learners, int(batch_size), choose_backend(backend))
    view = PoolView(pool, pool.unlabeled, reader, streams, learners=chosen.learners)
    picks = chosen.query(view, n, streams("query"))
    return check_picks(picks, view.candidates, n, type(chosen).__name__).ids


def _strategy(strategy: str | Strategy, options: Mapping[str, Any]) -> Strategy:
    """The strategy, one that can be asked here, with its options checked."""
    made = strategy if isinstance(strategy, Strategy) else _made(strategy, options)
    if made is strategy and options:
        raise InputError(f"options go to the strategy itself when it is no name. Received: {sorted(options)}.")
    if made.oracle:
        raise InputError(f"strategy {strategy!r} looks at labels that nobody has bought: it is for studies only.")
    other = [name for name in made.learners if name not in LEARNERS or not LEARNERS[name].from_model]
    if other:
        raise InputError(
            f"strategy {strategy!r} needs {' and '.join(other)}, trained by tfal; run it through tfal.run."
        )
    return made


def _made(name: Any, options: Mapping[str, Any]) -> Strategy:
    if isinstance(name, type) and issubclass(name, Strategy):
        raise InputError(f"strategy must be a name or a Strategy. Received: a class. Make one: {name.__name__}().")
    if not isinstance(name, str):
        raise InputError(f"strategy must be a name or a Strategy. Received: a {type(name).__name__}.")
    kind = STRATEGIES[strategy_name(name)]
    known = {field.name: field for field in fields(kind)}  # type: ignore[arg-type]
    given = {option: value.item() if isinstance(value, np.generic) else value for option, value in options.items()}
    for option, value in given.items():
        if option not in known:
            raise unknown_name("argument", option, {*known, *signature(query).parameters} - {"options"})
        check_value(known[option], value, option)
    return kind(**given)


def _learners(strategy: Strategy, network: NamedOutputs | None, seed: int) -> dict[str, SampledOutputs]:
    if network is None:
        return {}
    n_pass, n_view = getattr(strategy, "n_pass", N_PASS), getattr(strategy, "n_view", N_VIEW)
    found = {name: SampledOutputs(network, n_pass=n_pass, n_view=n_view) for name in strategy.learners}
    for learner in found.values():
        learner.seed = seed
    return found


def _number(n: Any, n_unlabeled: int) -> int:
    """n as an int, when so many samples are there to pick."""
    if not n_unlabeled:
        raise InputError("labeled and rejected must leave a sample to pick. Received: all of them.")
    if isinstance(n, bool) or not isinstance(n, (int, np.integer)) or not 1 <= n <= n_unlabeled:
        mend = " Give int(n)." if isinstance(n, float) and n.is_integer() else ""
        raise InputError(
            f"n must be a whole number from 1 to the {n_unlabeled} unlabeled samples. Received: {n!r}.{mend}"
        )
    return int(n)


def _reject(pool: Pool, rejected: Any) -> None:
    ids = given_ids("rejected", rejected, len(pool))
    both = np.intersect1d(ids, pool.labeled)
    if len(both):
        raise InputError(f"a sample is labeled or rejected, not both. Received: {both[:5].tolist()} in both.")
    no_class = int(pool.label.max(initial=0)) + 1
    pool.label_samples(ids, np.full(len(ids), no_class), 0, n_known=no_class)
