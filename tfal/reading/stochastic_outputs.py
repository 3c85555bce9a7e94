"""Outputs that need random numbers, beside the named ones of a network: "mc_logits", "view_logits", "noise_logits"."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import tensorflow as tf

from tfal.data.augmentations import AUGMENTATIONS
from tfal.errors import InputError
from tfal.given import check_int
from tfal.reading.mc_dropout import MonteCarlo
from tfal.reading.named_outputs import NamedOutputs
from tfal.reading.weight_noise import WeightNoise

SAMPLED = ("mc_logits", "view_logits", "noise_logits")


@dataclass(frozen=True)
class Draws:
    """How often random outputs are drawn: passes with dropout, augmented views, noise on weights, and its length."""

    n_pass: int = 25
    n_view: int = 10
    n_noise: int = 50
    noise_scale: float = 0.001

    @classmethod
    def of(cls, options: Any) -> Draws:
        """What a recipe or a strategy says of them; defaults where it says nothing."""
        names = [field.name for field in fields(cls)]
        return cls(**{name: getattr(options, name) for name in names if hasattr(options, name)})


class SampledOutputs:
    """Reads the named outputs of a network, and these:

    mc_logits: (B, n_pass, C), logits under n_pass dropout masks; see MonteCarlo.
    view_logits: (B, n_view, C), logits of n_view shifted copies of each image; see ViewLogits.
    noise_logits: (B, n_noise, C), logits under n_noise draws of noise on all weights; see WeightNoise.

    Args:
        outputs: the network.
        name: what errors call it; its own name when not given.
        draws: how many of each.
        mirrored: whether views may be mirrored.
        prepare: what images go through before the network sees them; views are made before that.

    Attributes: `seed` (int), from which masks and views follow.
    """

    def __init__(
        self,
        outputs: NamedOutputs,
        name: str | None = None,
        draws: Draws = Draws(),
        *,
        mirrored: bool = False,
        prepare: Callable[[tf.Tensor], tf.Tensor] = tf.convert_to_tensor,
    ) -> None:
        self.seed = 0
        self._outputs, self._prepare = outputs, prepare
        self._make: dict[str, Callable[[], Any]] = {
            "mc_logits": lambda: MonteCarlo(outputs, draws.n_pass, name),
            "view_logits": lambda: ViewLogits(self._logits, draws.n_view, mirrored=mirrored),
            "noise_logits": lambda: WeightNoise(outputs, draws.n_noise, draws.noise_scale, name),
        }
        self._made: dict[str, Any] = {}

    @property
    def n_classes(self) -> int | None:
        """See NamedOutputs."""
        return self._outputs.n_classes

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


class ViewLogits:
    """Logits of n_view views of each image: cut out of the image at a random place, after padding it with zeros.

    Gao et al., Consistency-Based Semi-Supervised Active Learning, ECCV 2020, score by them. A public study of cold
    starts scores with one deterministic transform, so that its variances are rounding errors; here views are random.

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
