"""Contrastive training: the NT-Xent loss, an encoder on any network's features, and the model that `fit` trains.

SimCLR: Chen et al., ICML 2020. CSI: Tack et al., CSI: Novelty Detection via Contrastive Learning on Distributionally
Shifted Instances, NeurIPS 2020; it takes an image turned by 90, 180 or 270 degrees for another image, and also learns
to tell the turns apart.
"""

from __future__ import annotations

from collections.abc import Callable
from math import sqrt
from typing import Any

import keras
import tensorflow as tf
from keras import layers
from keras.initializers import RandomUniform

from tfal.data.contrastive_views import N_ROTATIONS
from tfal.reading.named_outputs import NamedOutputs
from tfal.training.replicas import WholeBatchModel, share_of_loss

TEMPERATURE = 0.5
N_PROJECTION = 128
_EPSILON = 1e-8  # of the public code; keeps the logarithm finite


def nt_xent(projections: tf.Tensor, temperature: float = TEMPERATURE) -> tf.Tensor:
    """The normalised, temperature-scaled cross-entropy of SimCLR, equation 1, as CSI's public code computes it.

    With unit rows z and E_ij = exp(z_i . z_j / T), E_ii = 0: the mean over all 2M rows of
    -log(E_i,positive / (sum_j E_ij + 1e-8) + 1e-8). The sum includes the positive; everything else is a negative.

    Args:
        projections: (2M, d) float; rows i and i + M belong together.

    Returns:
        () float32.
    """
    z = tf.math.l2_normalize(tf.cast(projections, tf.float32), axis=1)
    n = tf.shape(z)[0]
    e = tf.exp(tf.matmul(z, z, transpose_b=True) / temperature) * (1 - tf.eye(n))
    e_positive = tf.exp(tf.reduce_sum(z * tf.roll(z, n // 2, axis=0), axis=1) / temperature)
    return tf.reduce_mean(-tf.math.log(e_positive / (tf.reduce_sum(e, axis=1) + _EPSILON) + _EPSILON))


def one_sided_nt_xent(projections: tf.Tensor, temperature: float) -> tf.Tensor:
    """SimCLR's cross-entropy of the first views alone, each told from all other rows, as in SCAN's public code.

    Args:
        projections: (2M, d) float; rows i and i + M belong together.
        temperature: positive.

    Returns:
        () float32, the mean over the first M rows.

    Example:
        >>> z = tf.constant([[1.0, 0.0], [0.0, 1.0], [0.6, 0.8], [0.8, 0.6]])
        >>> round(float(one_sided_nt_xent(z, 0.1)), 4), round(float(one_sided_nt_xent(z, 1.0)), 4)
        (2.1272, 1.0189)
    """
    z = tf.math.l2_normalize(tf.cast(projections, tf.float32), axis=1)
    m = tf.shape(z)[0] // 2
    logits = tf.matmul(z[:m], z, transpose_b=True) / temperature
    logits = tf.linalg.set_diag(logits, tf.fill([m], -float("inf")))
    return tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels=m + tf.range(m), logits=logits))


def rotation_loss(shift: tf.Tensor) -> tf.Tensor:
    """Cross-entropy of the logits (8B, 4) of the turns of `contrastive_views`: B rows at 0 degrees, B at 90, ..."""
    n = tf.shape(shift)[0]
    turns = tf.range(n) // (n // (2 * N_ROTATIONS)) % N_ROTATIONS
    losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=turns, logits=tf.cast(shift, tf.float32))
    return tf.reduce_mean(losses)


class Contrastive(WholeBatchModel):
    """An `encoder`, trained by views: fit(dataset of `contrastive_views`). One with a shift head is trained by CSI.

    On several devices, too, every view is compared with all others of the batch.

    loss: of the projections (2M, d); arguments of keras.Model and WholeBatchModel.
    """

    def __init__(self, *arguments: Any, loss: Callable[[tf.Tensor], tf.Tensor] = nt_xent, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._loss_of_projections = loss

    def compute_loss(
        self,
        x: Any = None,
        y: Any = None,
        y_pred: Any = None,
        sample_weight: Any = None,
        training: bool = True,
    ) -> tf.Tensor:
        """That of the projections, plus the cross-entropy of the turns where there is a head for it."""
        loss = self._loss_of_projections(y_pred["projection"])
        return share_of_loss(loss + rotation_loss(y_pred["shift"]) if "shift" in y_pred else loss)


def encoder(network: keras.Model, n_rotations: int) -> keras.Model:
    """A network's features with the heads of contrastive training; the layers after the features are left out.

    Args:
        network: (B, H, W, C) -> ...; anything that NamedOutputs can read.
        n_rotations: 4 for a head that tells turns apart, 1 for none.

    Returns:
        A model (B, H, W, C) in [0, 1] -> features (B, d), projection (B, 128), and shift (B, 4); heads in float32.

    Raises:
        InputError: the features of the network cannot be found.
    """
    backbone = keras.Model(network.inputs, NamedOutputs(network).features, name="backbone")
    images = keras.Input(network.inputs[0].shape[1:], name="views")
    features = backbone(layers.Rescaling(scale=2.0, offset=-1.0, name="centered")(images))  # (x - 0.5) / 0.5
    hidden = _dense(features, features.shape[-1], "projection_hidden", "relu")
    outputs = {"features": features, "projection": _dense(hidden, N_PROJECTION, "projection")}
    if n_rotations > 1:
        outputs["shift"] = _dense(features, n_rotations, "shift")
    return keras.Model(images, outputs, name="encoder")


def _dense(x: keras.KerasTensor, units: int, name: str, activation: str | None = None) -> keras.KerasTensor:
    """Dense with kernel and bias uniform in +-1 / sqrt(fan-in), the start of the public code's layers."""
    limit = 1 / sqrt(x.shape[-1])
    start = {key: RandomUniform(-limit, limit) for key in ("kernel_initializer", "bias_initializer")}
    return layers.Dense(units, activation, dtype="float32", name=name, **start)(x)
