"""Outputs that need random numbers, beside the named ones of a network: "mc_logits" and "view_logits"."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from tfal.reading.mc_dropout import MonteCarlo
from tfal.reading.named_outputs import NamedOutputs
from tfal.reading.view_logits import ViewLogits

SAMPLED = ("mc_logits", "view_logits")
N_PASS, N_VIEW = 25, 10


class SampledOutputs:
    """Reads the named outputs of a network, and these:

    mc_logits: (B, n_pass, C), logits under n_pass dropout masks; see MonteCarlo.
    view_logits: (B, n_view, C), logits of n_view shifted copies of each image; see ViewLogits.

    Args:
        outputs: the network.
        name: what errors call it; its own name when not given.
        n_pass, n_view: passes and views.
        mirrored: whether views may be mirrored.
        prepare: what images go through before the network sees them; views are made before that.

    Attributes: `seed` (int), from which masks and views follow.
    """

    def __init__(
        self,
        outputs: NamedOutputs,
        name: str | None = None,
        n_pass: int = N_PASS,
        n_view: int = N_VIEW,
        *,
        mirrored: bool = False,
        prepare: Callable[[tf.Tensor], tf.Tensor] = tf.convert_to_tensor,
    ) -> None:
        self.seed = 0
        self._outputs, self._prepare = outputs, prepare
        self._make: dict[str, Callable[[], Any]] = {
            "mc_logits": lambda: MonteCarlo(outputs, n_pass, name),
            "view_logits": lambda: ViewLogits(self._logits, n_view, mirrored=mirrored),
        }
        self._made: dict[str, Any] = {}

    def check(self, outputs: Sequence[str]) -> None:
        """Raises InputError when one of SAMPLED that is among `outputs` cannot be had from this network."""
        for name in outputs:
            if name in SAMPLED and name not in self._made:
                self._made[name] = self._make[name]()

    def read(self, batch: Any, outputs: Sequence[str]) -> dict[str, tf.Tensor]:
        """The named outputs of a batch of images, as float32 tensors."""
        self.check(outputs)
        plain = [name for name in outputs if name not in SAMPLED]
        found = self._outputs.read(self._prepare(batch), plain) if plain else {}
        for name in outputs:
            if name in SAMPLED:
                images = batch if name == "view_logits" else self._prepare(batch)
                found[name] = self._made[name].read(images, self.seed)
        return found

    def head(self) -> tuple[np.ndarray, np.ndarray]:
        """See NamedOutputs."""
        return self._outputs.head()

    def _logits(self, images: tf.Tensor) -> tf.Tensor:
        return self._outputs.read(self._prepare(images), ["logits"])["logits"]
