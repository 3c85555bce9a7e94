"""LARS, and the learning rates of contrastive training: a linear warm-up to the tenfold, then a cosine; or a cosine.

You et al., Large Batch Training of Convolutional Networks, 2017, as the public code of CSI and MQ-Net has it.
"""

from __future__ import annotations

from math import pi
from typing import Any

import keras
from keras import ops

from tfal.training.optimizers import CoupledSGD

PEAK = 10.0  # largest rate, in units of the first one
LOWEST = 0.1  # smallest rate of the warm-up, in the same units


class LARS(CoupledSGD):
    """SGD after a rescaling that ties the length of a gradient to that of the weights, tensor by tensor.

    g <- (g + decay * w) * trust * |w| / (|g| + decay * |w| + eps), the factor being 1 where |w| or |g| is 0, and then
    CoupledSGD's momentum. Biases and normalisation are treated as all other weights.

    Args:
        learning_rate: a number or a schedule.
        momentum: in [0, 1).
        decay: added to the gradient times the weight, before the rescaling.
        trust: length of a step at rate 1, in lengths of the weights.
    """

    def __init__(self, learning_rate: Any, momentum: float, decay: float, trust: float = 1e-3) -> None:
        super().__init__(learning_rate, momentum, name="LARS")
        self._decay, self._trust = decay, trust

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        """One step of one variable; Keras calls it."""
        g, w = ops.cast(gradient, variable.dtype), ops.convert_to_tensor(variable)
        factor = lars_factor(_norm(w), _norm(g), self._decay, self._trust)
        super().update_step((g + self._decay * w) * factor, variable, learning_rate)


def lars_factor(w: Any, g: Any, decay: float, trust: float = 1e-3, eps: float = 1e-8) -> Any:
    """trust * w / (g + decay * w + eps) of two norms; 1 where one of them is 0."""
    factor = trust * w / (g + decay * w + eps)
    return ops.where(ops.logical_and(w > 0, g > 0), factor, ops.ones_like(factor))


def _norm(x: Any) -> Any:
    return ops.sqrt(ops.sum(ops.square(x)))


class WarmupCosine(keras.optimizers.schedules.LearningRateSchedule):
    """From rate / 10 to 10 * rate in a line, then half a cosine down to `floor`; counted in steps.

    With e = step / steps_per_epoch - 1, the public code's count: rate * (9 * e / n_warmup + 1) while e <= n_warmup,
    then floor + (10 * rate - floor) * (1 + cos(pi * (e - n_warmup) / n_epochs)) / 2. The cosine is as long as the
    whole training, so its last n_warmup + 1 epochs are never reached, as there.

    Three differences: the line never goes below rate / 10, where it begins at the published n_warmup = 10, and below 0
    for n_warmup < 9; that code asks the schedule after each step, so that a step has the rate of the one before; and
    its second step of the schedule in each epoch, which disturbs one step, is left out.

    Args:
        rate: of the start of the second epoch. n_warmup, n_epochs: [epochs]. steps_per_epoch: [steps].
        floor: what the cosine falls to.
    """

    def __init__(self, rate: float, n_warmup: int, n_epochs: int, steps_per_epoch: int, floor: float = 0.0) -> None:
        self._rate, self._n_warmup, self._n_epochs = rate, n_warmup, n_epochs
        self._steps_per_epoch, self._floor = steps_per_epoch, floor

    def __call__(self, step: Any) -> Any:
        """The rate of a step, counted from 0."""
        e = ops.cast(step, "float32") / self._steps_per_epoch - 1
        peak = PEAK * self._rate
        line = self._rate * ops.maximum((PEAK - 1) * e / max(self._n_warmup, 1) + 1, LOWEST)
        turn = pi * ops.maximum(e - self._n_warmup, 0) / self._n_epochs
        cosine = self._floor + (peak - self._floor) * (1 + ops.cos(turn)) / 2
        return ops.where(e <= self._n_warmup, line, cosine) if self._n_warmup else cosine


class EpochCosine(keras.optimizers.schedules.LearningRateSchedule):
    """Half a cosine from `rate` to `floor`, which the epoch after the last one would have; the same in a whole epoch.

    floor + (rate - floor) * (1 + cos(pi * epoch / n_epochs)) / 2, as SCAN's public code has it.

    Args:
        rate, floor: of the first epoch and of the one after the last. n_epochs: [epochs]. steps_per_epoch: [steps].
    """

    def __init__(self, rate: float, n_epochs: int, steps_per_epoch: int, floor: float = 0.0) -> None:
        self._rate, self._n_epochs, self._steps_per_epoch, self._floor = rate, n_epochs, steps_per_epoch, floor

    def __call__(self, step: Any) -> Any:
        """The rate of a step, counted from 0."""
        epoch = ops.floor(ops.cast(step, "float32") / self._steps_per_epoch)
        return self._floor + (self._rate - self._floor) * (1 + ops.cos(pi * epoch / self._n_epochs)) / 2
