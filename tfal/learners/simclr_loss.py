"""The SimCLR loss of single images: how hard is each to tell from others, when it may look a little different?

Chandra et al., On Initial Pools for Deep Active Learning, NeurIPS 2020 Preregistration Workshop, PMLR 148, 2021, buy
the images with the largest loss first. Differences from their public code:
- Negatives are real: fixed other images of the pool. There the loss is that of a batch of one image, in which the
  positive is the only candidate, so it is -log 1 = 0 for every image, and what is sorted is rounding.
- The variants of an image are fixed crops with fixed changes of colour, and mirrored for colour images only. There
  they are drawn anew on top of random crops, and digits are mirrored, too.
- The temperature is that of the training.
"""

from __future__ import annotations

from collections.abc import Callable

import keras
import numpy as np
import tensorflow as tf

from tfal.data.contrastive_views import COLOR_JITTER, FLIP, MILD_CROP, fixed_draws
from tfal.data.images import Images
from tfal.errors import InputError
from tfal.learners.contrastive import TEMPERATURE
from tfal.training.runtime import read_batch_size

N_NEGATIVES = 512  # one of them may be the image itself
N_VARIANTS = 4


class SimCLRLoss:
    """Scores images by a trained encoder; a score depends on nothing but image, encoder and negatives.

    Args:
        network: images -> features, projection, ...
        prepared: what is done to images before views and network.
        images: the training images, uint8 or files.
        negatives: (m,) ids, at least two, of the images that the others are told from.
        temperature: that of the training.

    Raises:
        InputError: fewer than two negatives.
    """

    def __init__(
        self,
        network: keras.Model,
        prepared: Callable[[tf.Tensor], tf.Tensor],
        images: Images,
        negatives: np.ndarray,
        temperature: float = TEMPERATURE,
    ) -> None:
        if len(negatives) < 2:
            raise InputError(
                f"simclr_loss tells images from others. Expected: a pool of at least 2. Received: {len(negatives)}. "
                "Choose another strategy."
            )
        self._network, self._prepared, self._temperature = network, prepared, temperature
        self._places = tf.constant(np.random.default_rng(0).integers(2**36, size=images.shape))
        self._score = tf.function(
            self._losses, input_signature=[tf.TensorSpec([None, *images.shape], tf.float32)], autograph=False
        )
        self._negatives, self._seen = self._read(images, negatives)

    def __call__(self, batch: tf.Tensor) -> tf.Tensor:
        """(B,) float32: the mean of `nt_xent_loss` over the variants of each image (B, H, W, C) in [0, 1].

        An image that is among the negatives is left out there, together with all that have the same pixels.
        """
        return self._score(tf.cast(batch, tf.float32))

    def _read(self, images: Images, ids: np.ndarray) -> tuple[tf.Tensor, tf.Tensor]:
        batches = images.batches(ids, read_batch_size(images.shape))
        found = [(self._projected(self._prepared(batch)), self._fingerprints(batch)) for batch in batches]
        return tf.concat([rows for rows, _ in found], axis=0), tf.concat([seen for _, seen in found], axis=0)

    def _losses(self, batch: tf.Tensor) -> tf.Tensor:
        images = self._prepared(batch)
        anchors, itself = self._projected(images), self._fingerprints(batch)[:, None] == self._seen

        def add(total: tf.Tensor, number: tf.Tensor) -> tf.Tensor:
            positives = self._projected(variant(images, number))
            return total + nt_xent_loss(anchors, positives, self._negatives, self._temperature, left_out=itself)

        numbers = tf.range(N_VARIANTS)  # one after the other, so memory holds the activations of one batch
        return tf.foldl(add, numbers, tf.zeros_like(anchors[:, 0]), parallel_iterations=1) / N_VARIANTS

    def _projected(self, images: tf.Tensor) -> tf.Tensor:
        return tf.cast(self._network(images, training=False)["projection"], tf.float32)

    def _fingerprints(self, batch: tf.Tensor) -> tf.Tensor:
        """(B,) int64, the same for the same pixels, exactly: projections would differ by rounding between batches."""
        values = tf.cast(tf.round(batch * 255.0), tf.int64)
        return tf.reduce_sum(values * self._places, axis=(1, 2, 3))


def nt_xent_loss(
    anchors: tf.Tensor,
    positives: tf.Tensor,
    negatives: tf.Tensor,
    temperature: float = TEMPERATURE,
    left_out: tf.Tensor | None = None,
) -> tf.Tensor:
    """SimCLR's loss of each anchor, one-sided: -log of the softmax, over positive and negatives, at the positive.

    With unit rows and s = cosine / temperature: -s_positive + log(exp s_positive + sum of exp s_negative).

    Args:
        anchors, positives: (B, d) floats; row i of both shows the same image.
        negatives: (m, d) floats, at least one; those of every anchor.
        left_out: (B, m) bool, True where a negative is none for this anchor. A row that has no other gets 0.

    Returns:
        (B,) float32, at least 0.

    Raises:
        InputError: no negatives, rows of different lengths, a temperature that is not positive.

    Example:
        >>> a, b = tf.constant([[1.0, 0.0]]), tf.constant([[0.6, 0.8]])
        >>> round(float(nt_xent_loss(a, b, tf.constant([[0.0, 1.0], [0.8, 0.6]]), 1.0)[0]), 6)
        1.018925
    """
    if not negatives.shape[0] or len({x.shape[-1] for x in (anchors, positives, negatives)}) > 1 or temperature <= 0:
        raise InputError(
            "nt_xent_loss needs rows of the same length, at least one negative and a positive temperature; without "
            f"negatives every loss is 0. Received: {anchors.shape}, {positives.shape}, {negatives.shape}, "
            f"{temperature}."
        )
    a, p, n = (tf.math.l2_normalize(tf.cast(x, tf.float32), axis=1) for x in (anchors, positives, negatives))
    positive = tf.reduce_sum(a * p, axis=1, keepdims=True) / temperature
    others = tf.matmul(a, n, transpose_b=True) / temperature
    if left_out is not None:
        others = tf.where(left_out, -np.inf, others)
    return tf.reduce_logsumexp(tf.concat([positive, others], axis=1), axis=1) - positive[:, 0]


def variant(images: tf.Tensor, number: tf.Tensor) -> tf.Tensor:
    """All images changed in the same way, which follows from the number: a crop of 54 percent of the area, other
    contrast and colours; of colour images every second variant is mirrored.

    images: (B, H, W, C) float32 in [0, 1]; number: () int.
    """
    n = tf.shape(images)[0]
    changed = MILD_CROP.apply(images, fixed_draws(n, MILD_CROP, number))
    changed = COLOR_JITTER.apply(changed, fixed_draws(n, COLOR_JITTER, number))
    if images.shape[-1] == 1:
        return changed
    return FLIP.apply(changed, tf.fill([n, 1], tf.where(number % 2 == 1, 0.0, 1.0)))
