"""What a network answers to shifted copies of an image, for "consistency".

Gao et al., Consistency-Based Semi-Supervised Active Learning, ECCV 2020. A public study of cold starts scores with one
deterministic transform, so that its variances are rounding errors; here every view is a random one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from tfal.data.augmentations import AUGMENTATIONS
from tfal.data.images import check_int
from tfal.errors import InputError


class ViewLogits:
    """Logits of n_view views of each image: cut out of the image at a random place, after padding it with zeros.

    View v is the same shift for all images and follows from (seed, v) alone, so that no answer depends on the other
    images of a batch, and all images are compared under the same shifts.

    Args:
        logits: images (B, H, W, C) -> (B, n_classes) in inference mode.
        n_view: views, at least 2.
        mirrored: whether a view may be mirrored, too; for networks that saw mirrored images in training.
    """

    def __init__(self, logits: Callable[[tf.Tensor], tf.Tensor], n_view: int, *, mirrored: bool = False) -> None:
        check_int("n_view", n_view, 2)
        self._logits, self._n_view = logits, n_view
        self._augmentation = AUGMENTATIONS["flip_crop" if mirrored else "crop"]

    def read(self, batch: Any, seed: int) -> tf.Tensor:
        """(B, n_view, n_classes) float32. Raises InputError for a batch that is not (B, H, W, C)."""
        batch = tf.convert_to_tensor(batch)
        if batch.shape.rank != 4:
            raise InputError(
                f"views need images (H, W, C). Received: samples of shape {tuple(batch.shape[1:])}. "
                "Choose another strategy than consistency."
            )
        return tf.stack([self._logits(self._view(batch, seed, number)) for number in range(self._n_view)], axis=1)

    def _view(self, batch: tf.Tensor, seed: int, number: int) -> tf.Tensor:
        key = tf.constant([seed, number], tf.int64)
        draws = tf.random.stateless_uniform([1, self._augmentation.n_draws], key)
        return self._augmentation.apply(batch, tf.repeat(draws, tf.shape(batch)[0], axis=0))
