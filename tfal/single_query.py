"""One strategy, one call, on a lab's own Keras model and data."""

from __future__ import annotations

from collections.abc import Mapping
from inspect import signature
from typing import Any

import numpy as np

from tfal.asking import Given, Opened, ask, checked_number, checked_strategy, open_given, shown_name
from tfal.data.images import check_int
from tfal.errors import InputError
from tfal.given import given_ids, given_labels
from tfal.pool import Pool
from tfal.strategies import Strategy
from tfal.streams import Streams


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
    backend: str = "auto",
    **options: Any,
) -> np.ndarray:
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
              tfal.learners.LEARNERS says: "logits" of a classifier, "features" of an encoder, "projection" of csi.
        images: the whole data set as the model takes it: an array (N, ...); a tf.data.Dataset of images or of tuples
            that begin with them, batched or not; or a keras.utils.PyDataset of such batches. Data sets must give the
            same images in the same order each time, which is looked at, and from one query to the next, which cannot
            be: an id is a position in that order.
            None where features say how many samples there are and nothing else reads images.
        n: number of samples to pick.
        features: embeddings (N, d) of a lab's own, row i of sample i: an array, a memory map, or the path of an .npy
            file, which is opened as a memory map; only the rows that are asked about are read. They are what strategies
            read of an "encoder" (typiclust, probcover, maxherding, uherding, kmeans, ...), which scale them to length
            1. Without a model they are the features of the "classifier", too, as they are (coreset), and its logits
            are those of a linear head that is trained on the rows and classes of the labeled samples (margin, badge,
            ldms, uherding, ...); see tfal.evaluation.affine_head.
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
        backend: where the strategy computes: "numpy", "cupy", or "auto" for CuPy where it and a GPU are there.
        options: options of the strategy, such as n_sample for "ldms". "bald" and its like run n_pass passes through a
            model with Dropout layers, 25 when not given; "consistency" shifts images (H, W, C) n_view times by up to
            4 pixels, with zeros around them, 10 times when not given.

    Returns:
        ids (n,) int64, distinct, in the order of picking.

    Raises:
        InputError: something cannot be used; one line says what, what was expected, and how to mend it.
    """
    chosen = checked_strategy(strategy, options, {*signature(query).parameters} - {"options"})
    check_int("seed", seed, 0)
    opened = _told(open_given(chosen, Given(model, images, features, outputs, batch_size, backend)))
    pool = _pool(chosen, opened, labeled, labels, rejected)
    picks, _ = ask(chosen, opened, pool, _number(n, pool), Streams(int(seed)))
    return picks.ids


def _told(opened: Opened) -> Opened:
    """Raises InputError where nothing tells how many samples there are."""
    if opened.size is None:
        raise InputError("images or features must be given: ids are positions in them. Received: neither.")
    return opened


def _pool(strategy: Strategy, opened: Opened, labeled: Any, labels: Any, rejected: Any) -> Pool:
    """What is known of the samples."""
    ids = given_ids("labeled", labeled, opened.size or 0)
    if strategy.uses_labels and labels is None and len(ids):
        raise InputError(
            f"strategy {shown_name(strategy)} needs labels, the class of each id in labeled. Received: None."
        )
    pool = Pool.unlabeled_pool(opened.size or 0)
    pool.label_samples(ids, given_labels(labels, ids, opened.n_classes), 0)
    _reject(pool, rejected)
    return pool


def _number(n: Any, pool: Pool) -> int:
    if not len(pool.unlabeled):
        raise InputError("labeled and rejected must leave a sample to pick. Received: all of them.")
    return checked_number(n, len(pool.unlabeled))


def _reject(pool: Pool, rejected: Any) -> None:
    ids = given_ids("rejected", rejected, len(pool))
    both = np.intersect1d(ids, pool.labeled)
    if len(both):
        raise InputError(f"a sample is labeled or rejected, not both. Received: {both[:5].tolist()} in both.")
    no_class = int(pool.label.max(initial=0)) + 1
    pool.label_samples(ids, np.full(len(ids), no_class), 0, n_known=no_class)
