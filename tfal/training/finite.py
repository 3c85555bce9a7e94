"""Whether the loss, the weights and the outputs of a network are numbers.

A ReLU turns NaN into 0, so that a diverged network can answer with logits that look in order and mean nothing.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import keras
import numpy as np
import tensorflow as tf

from tfal.errors import InputError, TrainingError


def non_finite_weights(network: keras.Model) -> str | None:
    """Which weights of a network are not finite: the first such layer and weight, and how many. None when all are.

    Moving statistics count, states of random numbers do not. One pass over the weights, on the device where they lie.
    """
    floats = [weight for weight in network.weights if tf.as_dtype(weight.dtype).is_floating]
    if not floats:
        return None
    bad = tf.stack([tf.math.count_nonzero(~tf.math.is_finite(tf.convert_to_tensor(w.value))) for w in floats]).numpy()
    if not bad.any():
        return None
    weight, count = next((weight, count) for weight, count in zip(floats, bad, strict=True) if count)
    return f"{count} of {int(tf.size(weight.value))} values of {weight.path!r} are NaN or infinite"


def check_finite_weights(network: keras.Model) -> None:
    """Raises InputError when a weight of the network is NaN or infinite, naming the first one."""
    found = non_finite_weights(network)
    if found:
        raise InputError(
            f"model {network.name!r}: expected finite weights, but {found}. The training diverged, or a file is "
            "damaged: train it anew with a lower learning rate, or load an earlier checkpoint."
        )


def check_trained(network: keras.Model) -> None:
    """Raises TrainingError when a weight is NaN or infinite after the last step, which no loss has seen."""
    found = non_finite_weights(network)
    if found:
        raise TrainingError(f"{found} after the last step")


def check_loss(what: str, loss: float, epoch: int) -> None:
    """Raises TrainingError when the loss of an epoch, from 1, is NaN or infinite. what: whose loss it is."""
    if not math.isfinite(loss):
        raise TrainingError(f"{what} became {loss} in epoch {epoch}")


def checked_logits(logits: np.ndarray) -> np.ndarray:
    """Logits (n, C) of a trained network. Raises TrainingError when one is NaN or infinite."""
    finite = np.isfinite(logits).all(axis=1)
    if not finite.all():
        raise TrainingError(f"the logits of {np.sum(~finite)} of {len(logits)} images are NaN or infinite")
    return logits


def check_outputs(found: Mapping[str, tf.Tensor], ids: np.ndarray) -> None:
    """Raises InputError when an output (B, ...) of the samples `ids` is NaN or infinite, naming these samples."""
    for name, values in found.items():
        if values.dtype.is_floating and not bool(tf.reduce_all(tf.math.is_finite(values))):
            wrong = ids[~np.isfinite(values.numpy()).reshape(len(ids), -1).all(axis=1)]
            more = f" and {len(wrong) - 5} more" if len(wrong) > 5 else ""
            raise InputError(
                f"{name} of the network must be finite. Received: NaN or infinity for ids {wrong[:5].tolist()}{more}. "
                "Look at the scale of these images, or for a diverged network or an overflow of float16."
            )
