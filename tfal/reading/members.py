"""Several networks of one task, read as one ensemble.

Beluch et al., The Power of Ensembles for Active Learning in Image Classification, CVPR 2018.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from tfal.errors import InputError


class MemberOutputs:
    """Reads member_logits (B, E, C), logits (B, C), the logarithm of the members' mean probability, and the named
    outputs of member 0; all float32.

    members, also as an attribute: at least two, each with n_classes, read(batch, outputs) and head().

    Raises InputError for members of several numbers of classes.
    """

    def __init__(self, members: Sequence[Any]) -> None:
        self.members = members

    @property
    def n_classes(self) -> int | None:
        """C. Raises InputError where members disagree."""
        found = [member.n_classes for member in self.members]
        if len(set(found)) > 1:
            raise InputError(
                f"the models of an ensemble must have the same classes. Received: models of {found} classes. Give "
                "models that were trained for one task."
            )
        first: int | None = found[0]
        return first

    def read(self, batch: Any, outputs: Sequence[str]) -> dict[str, tf.Tensor]:
        """Named outputs of a batch of images."""
        others = [name for name in outputs if name not in ("logits", "member_logits")]
        found: dict[str, tf.Tensor] = self.members[0].read(batch, others) if others else {}
        if len(others) < len(outputs):
            members = tf.stack([member.read(batch, ["logits"])["logits"] for member in self.members], axis=1)
            made = {"member_logits": members, "logits": log_mean(members)}
            found |= {name: made[name] for name in outputs if name in made}
        return found

    def head(self) -> tuple[np.ndarray, np.ndarray]:
        """Kernel (d, C) and bias (C,) of the last Dense layer of member 0."""
        found: tuple[np.ndarray, np.ndarray] = self.members[0].head()
        return found


def log_mean(logits: tf.Tensor) -> tf.Tensor:
    """(B, C): the logarithm of the mean over members of the softmax of logits (B, E, C)."""
    members = logits.shape[1]
    return tf.reduce_logsumexp(tf.nn.log_softmax(logits), axis=1) - tf.cast(math.log(members), logits.dtype)
