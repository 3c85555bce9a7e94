"""What is read from a trained encoder: of plain images, and averaged over crops, in each of four turns."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import keras
import tensorflow as tf

from tfal.data.contrastive_views import MILD_CROP, N_ROTATIONS, SIMCLR, check_rotatable, fixed_draws
from tfal.errors import InputError
from tfal.training.replicas import reading_function

OUTPUTS = ("features", "projection", "projection_views", "projection_rotations")
N_MILD = 10  # of CCAL's public code


class EncoderReader:
    """Reads an encoder in inference mode, with one tf.function for each set of names.

    network: images -> features, projection, ...; prepared: what is done to images before views and network; views:
    "mild", the mean over 10 crops of 54 percent of the area, as CCAL's public code has it, or "heavy", one view as in
    training, as MQ-Net's code has it; strategy: the one that the network was built under. A view changes all images
    alike, so that what is read of one does not depend on the others in its batch, on order, or on a random state.
    """

    def __init__(
        self,
        network: keras.Model,
        prepared: Callable[[tf.Tensor], tf.Tensor],
        views: str,
        strategy: tf.distribute.Strategy,
    ) -> None:
        self._network, self._prepared, self._strategy = network, prepared, strategy
        self._augmentation, self._n_views = (MILD_CROP, N_MILD) if views == "mild" else (SIMCLR, 1)
        self._functions: dict[tuple[str, ...], Any] = {}

    def read(self, batch: tf.Tensor, outputs: Sequence[str]) -> dict[str, tf.Tensor]:
        """Named outputs of a batch of images (B, H, W, C) in [0, 1], float32.

        features (B, d) and projection (B, 128): of the images as they are. projection_views (B, 128): the mean of
        the unit projections of the views. projection_rotations (B, 4, 128): the same of the images turned by 0, 90,
        180 and 270 degrees.
        """
        key = tuple(outputs)
        if key not in self._functions:
            self._functions[key] = self._compile(key)
        found: dict[str, tf.Tensor] = self._functions[key](tf.cast(batch, tf.float32))
        return found

    def _compile(self, outputs: tuple[str, ...]) -> Any:
        unknown = [name for name in outputs if name not in OUTPUTS]
        if unknown:
            raise InputError(f"an encoder has no output {unknown[0]!r}. It has: {', '.join(OUTPUTS)}.")
        shape = self._network.inputs[0].shape[1:]
        if "projection_rotations" in outputs:
            check_rotatable(shape)

        def read(batch: tf.Tensor) -> dict[str, tf.Tensor]:
            images = self._prepared(batch)
            plain = self._network(images, training=False) if {"features", "projection"} & {*outputs} else {}
            found = {name: tf.cast(plain[name], tf.float32) for name in outputs if name in plain}
            if "projection_views" in outputs:
                found["projection_views"] = self._mean_of_views(images)
            if "projection_rotations" in outputs:
                found["projection_rotations"] = self._of_rotations(images)
            return {name: found[name] for name in outputs}

        return reading_function(self._strategy, read, tf.TensorSpec([None, *shape], tf.float32))

    def _of_rotations(self, images: tf.Tensor) -> tf.Tensor:
        def of_one(turns: tf.Tensor) -> tf.Tensor:
            return self._mean_of_views(tf.ensure_shape(tf.image.rot90(images, turns), images.shape))

        turns = tf.range(N_ROTATIONS)  # one after the other, so memory holds the activations of one batch
        found = tf.map_fn(of_one, turns, fn_output_signature=tf.float32, parallel_iterations=1)
        return tf.transpose(found, [1, 0, 2])

    def _mean_of_views(self, images: tf.Tensor) -> tf.Tensor:
        def add(total: tf.Tensor, view: tf.Tensor) -> tf.Tensor:
            draws = fixed_draws(tf.shape(images)[0], self._augmentation, view)
            seen = self._network(self._augmentation.apply(images, draws), training=False)["projection"]
            return total + tf.math.l2_normalize(tf.cast(seen, tf.float32), axis=1)

        start = tf.zeros([tf.shape(images)[0], self._network.output["projection"].shape[1]])
        views = tf.range(self._n_views)
        return tf.foldl(add, views, start, parallel_iterations=1) / self._n_views
