"""One strategy, one call, on a lab's own Keras model and data."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from inspect import signature
from typing import Any, Literal, NamedTuple, overload

import numpy as np

from tfal.asking import (
    Given,
    Opened,
    Ranked,
    checked_number,
    checked_strategy,
    narrowed,
    open_given,
    rank_all,
    shown_name,
)
from tfal.asking import ask as ask_strategy
from tfal.errors import InputError
from tfal.given import check_int, given_ids, given_labels
from tfal.pool import Pool
from tfal.pool.asked import Tell
from tfal.pool.told import told_labels
from tfal.strategies import Strategy
from tfal.streams import Streams


@overload
def query(
    strategy: str | Strategy, model: Any, images: Any, n: int, *, return_scores: Literal[True], **arguments: Any
) -> Ranked: ...


@overload
def query(
    strategy: str | Strategy,
    model: Any,
    images: Any,
    n: int,
    *,
    return_scores: Literal[False] = False,
    **arguments: Any,
) -> np.ndarray: ...


def query(
    strategy: str | Strategy,
    model: Any,
    images: Any,
    n: int,
    *,
    features: Any = None,
    labeled: Any = None,
    labels: Any = None,
    rejected: Any = None,
    seed: int = 0,
    batch_size: int = 256,
    outputs: Mapping[str, Any] | None = None,
    max_candidates: int | None = None,
    return_scores: bool = False,
    backend: str = "auto",
    ask: Callable[[np.ndarray], Any] | None = None,
    **options: Any,
) -> np.ndarray | Ranked:
    """Which n samples should be labeled next?

    Args:
        strategy: a name of tfal.strategies.STRATEGIES, or a Strategy.
        model: what stands for the learners that the strategy reads; its weights stay as they are. Not needed (None) for
            "random", and where features do.
            - A functional or Sequential Keras model of one input that ends in a Dense layer, with or without a softmax
              after it; one unit, with or without a sigmoid, is two classes, 0 and 1. Read in inference mode. Of several
              outputs, `outputs` names the one that is meant.
            - A function of a batch, of images (B, ...) as a NumPy array, that gives a dict of arrays by output:
              {"logits": (B, C), "features": (B, d)}. So subclassed and wrapped models are read, and those of other
              frameworks. It must give an image the same answer in any batch. Strategies that need the kernel of the
              last layer (ldms) cannot be asked about it, and those of dropout only where it gives "mc_logits"
              (B, passes, C) itself.
            - A list of at least two of these: an ensemble, for "variation_ratio" and "ensemble_entropy".
            - A dict by learner, each of these, or an array (N, ...), row i of sample i, or a dict of arrays by output:
              {"classifier": model, "csi": projections} for "mqnet" with mqnet_mode="conf", {"classifier": logits} for
              "margin", {"encoder": model} for "typiclust". The one output of such a model, and a single array, is what
              tfal.learners.LEARNERS says: "logits" of a classifier, "features" of an encoder, "projection" of csi. Of
              an encoder that ends in a linear or softmax Dense layer, they are what that layer takes; to read what it
              gives, name it: outputs={"encoder": {"features": <that layer>}}.
        images: the whole data set as the model takes it; None where features say how many samples there are and
            nothing else reads images. An id is a position in it.
            - An array (N, ...), a memory map, or (array, labels), of which the labels are not looked at.
            - A tf.data.Dataset of images, of tuples that begin with them, or of dicts with one entry that is clearly
              the image: called like the model's input, or "image", "images", "img" or "pixel_values", or the only
              one; batched or not. A keras.utils.PyDataset of such batches. They must give the same images in the same
              order each time, which is looked at, and from one query to the next, which cannot be.
            - A Dataset of Hugging Face, with one column that is clearly the image in the same way, or the only one of
              pictures. Pictures become uint8 arrays (H, W, C), in RGB where the model takes 3 channels; see
              tfal.reading.hub_images.HubImages.
        n: number of samples to pick.
        features: embeddings (N, d) of a lab's own, row i of sample i: an array, a memory map, or the path of an .npy
            file, which is opened as a memory map; only the rows that are asked about are read, and where a strategy
            needs those of all candidates at once, kept (see max_candidates). They are what strategies read of an
            "encoder" (typiclust, probcover, maxherding, uherding, kmeans, ...), which scale them to length 1. Without
            a model they are the features of the "classifier", too, as they are (coreset), and its logits are those of a
            linear head that is trained on the rows and classes of the labeled samples (margin, badge, ldms, uherding,
            ...); see tfal.evaluation.affine_head.
        labeled: ids (positions in `images`) of the samples that have labels, or a boolean mask (N,); they are never
            picked.
        labels: (len(labeled),) integer classes, 0 to C - 1 as the model's outputs, in the order of `labeled` (of a
            mask: ascending), for strategies that use them.
        rejected: ids of samples that turned out to be of no known class, or a boolean mask; they are never picked, and
            "similar" avoids what looks like them.
        seed: the same seed and inputs give the same picks.
        batch_size: images read at once.
        outputs: names the outputs or layers of Keras models that cannot be read otherwise, for example
            {"features": "fc1", "logits": "fc2"}; by learner, where model is a dict. See
            tfal.reading.named_outputs.NamedOutputs.
        max_candidates: how many of the unlabeled samples the strategy looks at, drawn at random, by the seed, where
            there are more; at least n. None: all of them.
        return_scores: whether their scores come with the ids; only of strategies that tfal.rank knows.
        backend: where the strategy computes: "numpy", "cupy", or "auto" for CuPy where it and a GPU are there.
        ask: a function of ids (k,) that gives their labels, k classes, or None for none of the classes, for strategies
            that ask for labels within a query ("galaxy", "direct"), and for no others. They are among the n picks.
        options: options of the strategy, such as n_sample for "ldms". "bald" and its like run n_pass passes through a
            model with Dropout layers, 25 when not given; "consistency" shifts images (H, W, C) n_view times by up to
            4 pixels, with zeros around them, 10 times when not given; "noise_stability" runs n_noise passes of a
            float32 model with noise on its weights, which stay what they are.

    Each query begins anew: what "mqnet" and "probcover" learn from round to round is kept by tfal.Campaign alone, and a
    warning says so.

    Returns:
        ids (n,) int64, distinct, in the order of picking; with return_scores, ids and scores as tfal.rank gives them.

    Raises:
        InputError: something cannot be used; one line says what, what was expected, and how to mend it.
    """
    chosen = checked_strategy(strategy, options, {*signature(query).parameters} - {"options"})
    given = Given(model, images, features, outputs, batch_size, backend)
    asked = _question(chosen, given, (labeled, labels, rejected), seed, max_candidates)
    tell = _tell(chosen, ask, asked.opened.n_classes)
    n = asked.number(n)
    if return_scores:
        every = rank_all(*asked)
        return Ranked(every.ids[:n], every.scores[:n])
    strategy, opened, pool, streams, memory, candidates = asked
    return ask_strategy(strategy, opened, pool, n, streams, memory, candidates, tell)[0].ids


def rank(
    strategy: str | Strategy,
    model: Any,
    images: Any,
    *,
    features: Any = None,
    labeled: Any = None,
    labels: Any = None,
    rejected: Any = None,
    seed: int = 0,
    batch_size: int = 256,
    outputs: Mapping[str, Any] | None = None,
    max_candidates: int | None = None,
    backend: str = "auto",
    **options: Any,
) -> Ranked:
    """All samples that have no label yet, the one to be asked for first at the beginning, with their scores.

    The order is that of tfal.query: its n picks are the first n ids, with the same seed.

    Scores are the quantity as it is known: entropy and BALD in nats, a predicted loss, MQ-Net's meta-score. Where the
    smallest is asked for first, it has a minus: margin, least_confidence (largest probability), max_logit, vaal
    (probability of being labeled), ranking (place in the file). So the LARGER is always asked for first. The order is
    finer than the scores can show: margins of 1 - 1e-20 and of 1 - 1e-30 are both 1 as a number. Equal ones come in
    random order. No score is NaN; all are finite.

    Args:
        strategy: one that scores single samples; those that choose a batch by what else is in it (coreset, badge,
            typiclust, ldms, ...), or draw (random, power_margin), are refused with a list of those that do.
        model, images, features, labeled, labels, rejected, seed, batch_size, outputs, max_candidates, backend, options:
            as of tfal.query.

    Returns:
        ids (m,) int64 and scores (m,) float64, as a named tuple, of the m samples that are neither labeled nor
        rejected; of max_candidates of them where that is less.

    Raises:
        InputError: something cannot be used; one line says what, what was expected, and how to mend it.
    """
    chosen = checked_strategy(strategy, options, {*signature(rank).parameters} - {"options"})
    given = Given(model, images, features, outputs, batch_size, backend)
    asked = _question(chosen, given, (labeled, labels, rejected), seed, max_candidates)
    asked.number(1)
    return rank_all(*asked)


def _tell(strategy: Strategy, ask: Callable[[np.ndarray], Any] | None, n_classes: int | None) -> Tell | None:
    """What gives the labels that the strategy asks for within its query."""
    if not strategy.asks:
        if ask is not None:
            raise InputError(
                f"strategy {shown_name(strategy)} asks for no labels within its query, and nothing would call ask. "
                "Leave it out."
            )
        return None
    if not callable(ask):
        received = "none" if ask is None else f"a {type(ask).__name__}"
        raise InputError(
            f"strategy {shown_name(strategy)} asks for labels within its query. Received: {received}. Give ask=, a "
            "function of ids that gives their labels, or let people answer batch by batch, by tfal.Campaign."
        )

    def tell(ids: np.ndarray) -> np.ndarray:
        told = told_labels(ask(ids), ids)
        given_labels(told[told >= 0], ids[told >= 0], n_classes)
        return told

    return tell


class _Question(NamedTuple):
    """What `rank_all` takes."""

    strategy: Strategy
    opened: Opened
    pool: Pool
    streams: Streams
    memory: None
    candidates: np.ndarray

    def number(self, n: Any) -> int:
        """n as an int, when so many samples are there to pick."""
        every = len(self.pool.unlabeled)
        if not every:
            raise InputError("labeled and rejected must leave a sample to pick. Received: all of them.")
        fewer = len(self.candidates) < every
        return checked_number(
            n, len(self.candidates), "candidates, of max_candidates" if fewer else "unlabeled samples"
        )


def _question(
    strategy: Strategy, given: Given, known: tuple[Any, Any, Any], seed: Any, max_candidates: Any
) -> _Question:
    """known: labeled, labels and rejected, as they were given."""
    check_int("seed", seed, 0)
    if strategy.parts:
        raise InputError(
            f"strategy {shown_name(strategy)} says which of two is asked in which query, and this is a single one. "
            f"Name the one that is meant, {' or '.join(map(shown_name, strategy.parts))}; tfal.Campaign counts queries."
        )
    opened, streams = open_given(strategy, given), Streams(int(seed))
    if opened.size is None:
        raise InputError("images or features must be given: ids are positions in them. Received: neither.")
    pool = _pool(strategy, opened.size, opened.n_classes, *known)
    _warn_of_memory(strategy, pool)
    return _Question(strategy, opened, pool, streams, None, narrowed(pool.unlabeled, max_candidates, streams))


def _pool(strategy: Strategy, size: int, n_classes: int | None, labeled: Any, labels: Any, rejected: Any) -> Pool:
    """What is known of the samples."""
    ids = given_ids("labeled", labeled, size)
    if strategy.uses_labels and labels is None and len(ids):
        raise InputError(
            f"strategy {shown_name(strategy)} needs labels, the class of each id in labeled. Received: None."
        )
    pool = Pool.unlabeled_pool(size)
    pool.label_samples(ids, given_labels(labels, ids, n_classes), 0)
    _reject(pool, rejected)
    return pool


def _warn_of_memory(strategy: Strategy, pool: Pool) -> None:
    """Warns where a strategy would know something from earlier rounds that none of its options says."""
    options = {name for name, value in vars(strategy).items() if value is not None}
    if len(pool.labeled) and {*strategy.memory_shapes} - options:
        warnings.warn(
            f"strategy {shown_name(strategy)} learns from round to round. Here each query is its first; tfal.Campaign "
            "keeps what it has learned.",
            stacklevel=4,
        )


def _reject(pool: Pool, rejected: Any) -> None:
    ids = given_ids("rejected", rejected, len(pool))
    both = np.intersect1d(ids, pool.labeled)
    if len(both):
        raise InputError(f"a sample is labeled or rejected, not both. Received: {both[:5].tolist()} in both.")
    no_class = int(pool.label.max(initial=0)) + 1
    pool.label_samples(ids, np.full(len(ids), no_class), 0, n_known=no_class)
