"""Optimizers by name, those that published recipes count in another way, LARS, and learning rates."""

from __future__ import annotations

from math import cos, pi
from typing import Any

import keras
from keras import ops

from tfal.errors import InputError
from tfal.recipe import Recipe

PEAK = 10.0  # largest rate, in units of the first one
LOWEST = 0.1  # smallest rate of the warm-up, in the same units
_MILESTONES, _FACTOR = (0.5, 0.75), 0.1


class CoupledSGD(keras.optimizers.SGD):  # type: ignore[misc]
    """SGD with momentum and an L2 penalty, counted as PyTorch counts them, which published recipes mean.

    g <- g + decay * w;  m <- momentum * m + g;  w <- w - rate * m, for every trainable variable, the scales and
    offsets of batch normalisation and the biases too. With Nesterov momentum w <- w - rate * (g + momentum * m).

    Keras' own `weight_decay` is decoupled: w shrinks by rate * decay * w beside the step, past the momentum. With a
    momentum of 0.9 the coupled decay is ten times as strong in the long run, so 5e-4 means something else there.
    Keras' momentum holds steps already multiplied by the rate, so after a cut of the rate some large steps are still
    to come; here the new rate counts at once.

    Args:
        learning_rate: a number, positive.
        momentum: in [0, 1).
        decay: added to the gradient times the weight.
        nesterov: whether a step looks ahead by one more momentum.
    """

    def __init__(
        self,
        learning_rate: float = 0.01,
        momentum: float = 0.0,
        decay: float = 0.0,
        nesterov: bool = False,
        name: str = "SGD",
        **rest: Any,
    ) -> None:
        super().__init__(learning_rate=learning_rate, momentum=momentum, nesterov=nesterov, name=name, **rest)
        self.decay = decay

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        """One step of one variable; Keras calls it."""
        step = _with_decay(gradient, variable, self.decay)
        if self.momentum:
            past, momentum = self.momentums[self._get_variable_index(variable)], ops.cast(self.momentum, variable.dtype)
            moving = momentum * past + step
            self.assign(past, moving)
            step = step + momentum * moving if self.nesterov else moving
        self.assign_sub(variable, ops.cast(learning_rate, variable.dtype) * step)

    def get_config(self) -> dict[str, Any]:
        """The arguments, to build it again."""
        return {**super().get_config(), "decay": self.decay}


class LARS(CoupledSGD):
    """SGD after a rescaling that ties the length of a gradient to that of the weights, tensor by tensor.

    You et al., Large Batch Training of Convolutional Networks, 2017, as the public code of CSI and MQ-Net has it.

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


class CoupledAdam(keras.optimizers.Adam):  # type: ignore[misc]
    """Adam with an L2 penalty as PyTorch's Adam counts it: g <- g + decay * w, before the moments.

    Keras' own `weight_decay` is that of AdamW, which shrinks w beside the step. Epsilon is Keras' 1e-7, inside the
    bias correction.

    Args:
        learning_rate: a number, positive.
        decay: added to the gradient times the weight.
    """

    def __init__(self, learning_rate: float = 1e-3, decay: float = 0.0, name: str = "Adam", **rest: Any) -> None:
        super().__init__(learning_rate=learning_rate, name=name, **rest)
        self.decay = decay

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        """One step of one variable; Keras calls it."""
        super().update_step(_with_decay(gradient, variable, self.decay), variable, learning_rate)

    def get_config(self) -> dict[str, Any]:
        """The arguments, to build it again."""
        return {**super().get_config(), "decay": self.decay}


class RMSprop(keras.optimizers.RMSprop):  # type: ignore[misc]
    """RMSprop with epsilon beside the root, as Keras 2 and PyTorch count it.

    v <- rho * v + (1 - rho) * g^2;  w <- w - rate * g / (sqrt(v) + epsilon), without momentum.

    Keras 3 has sqrt(v + epsilon): with epsilon 1e-7, steps shrink where the root is below 3e-4, with Keras 2 below
    1e-7. The protocol of K-CNN is one of Keras 2. (Adam is the same in both.)

    Args:
        learning_rate: a number, positive.
        rho: of the running mean, in [0, 1).
        epsilon: added to the root, positive.
    """

    def __init__(
        self,
        learning_rate: float = 1e-3,
        rho: float = 0.9,
        epsilon: float = 1e-7,
        name: str = "RMSprop",
        **rest: Any,
    ) -> None:
        super().__init__(learning_rate, rho, momentum=0.0, epsilon=epsilon, centered=False, name=name, **rest)

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        """One step of one variable; Keras calls it."""
        g = ops.cast(gradient, variable.dtype)
        mean = self._velocities[self._get_variable_index(variable)]
        self.assign(mean, self.rho * mean + (1 - self.rho) * ops.square(g))
        step = ops.cast(learning_rate, variable.dtype) * g / (ops.sqrt(mean) + self.epsilon)
        self.assign_sub(variable, step)

    def get_config(self) -> dict[str, Any]:
        """The arguments, to build it again."""
        return {key: value for key, value in super().get_config().items() if key not in ("momentum", "centered")}


def _with_decay(gradient: Any, variable: Any, decay: float) -> Any:
    step = ops.cast(gradient, variable.dtype)
    return step + ops.cast(decay, variable.dtype) * variable if decay else step


def make_optimizer(recipe: Recipe) -> keras.optimizers.Optimizer:
    """The Keras optimizer of that name, at recipe.learning_rate. "sgd" is CoupledSGD, "adam" with decay CoupledAdam,
    "rmsprop" the one above.

    Raises InputError for an unknown name, and for a momentum or weight decay that does not go with it.
    """
    name, decay = recipe.optimizer.lower(), recipe.weight_decay
    _check_options(recipe, name)
    if name == "sgd":
        return CoupledSGD(recipe.learning_rate, float(recipe.momentum), decay, recipe.nesterov == "on")
    if name == "adam" and decay:
        return CoupledAdam(recipe.learning_rate, decay)
    if name == "rmsprop":
        return RMSprop(recipe.learning_rate)
    try:
        optimizer = keras.optimizers.get(recipe.optimizer)
    except ValueError:
        raise InputError(
            f"--optimizer must be the name of a Keras optimizer, such as adam, rmsprop or sgd. "
            f"Received: {recipe.optimizer!r}."
        ) from None
    optimizer.learning_rate = recipe.learning_rate
    return optimizer


def _check_options(recipe: Recipe, name: str) -> None:
    if recipe.momentum and name != "sgd":
        raise InputError(
            f"--momentum goes with --optimizer sgd. Received: {recipe.momentum} with {recipe.optimizer}. "
            "Leave it out, or choose sgd."
        )
    if recipe.weight_decay and name not in ("sgd", "adam"):
        raise InputError(
            f"--weightDecay goes with --optimizer sgd or adam. Received: {recipe.weight_decay} with "
            f"{recipe.optimizer}. Leave it out, or choose one of these."
        )
    if recipe.nesterov == "on" and not recipe.momentum:
        raise InputError(
            f"--nesterov on needs --optimizer sgd and a --momentum above 0. Received: {recipe.optimizer} with "
            f"{recipe.momentum}. Give both, or leave it out."
        )


def learning_rate(recipe: Recipe, epoch: int) -> float:
    """The learning rate of `epoch`, counted from 0.

    With the schedule "multistep" a tenth from half of the epochs on, and a hundredth from three quarters on: epochs
    100 and 150 of MQ-Net's 200 (Park et al., NeurIPS 2022). Its code keeps 100 and 150 for any number of epochs.
    With "cosine" half a cosine from the first rate to 0, which the epoch after the last one would have.

    It goes by epochs and not by optimizer steps: the steps of an epoch change with the labeled set, and a schedule of
    steps inside the compiled training function would have to be traced anew for each.
    """
    if recipe.schedule == "constant":
        return recipe.learning_rate
    if recipe.schedule == "cosine":
        return recipe.learning_rate / 2 * (1 + cos(pi * epoch / recipe.n_epoch))
    passed = sum(epoch >= share * recipe.n_epoch for share in _MILESTONES)
    return recipe.learning_rate * _FACTOR**passed


class WarmupCosine(keras.optimizers.schedules.LearningRateSchedule):  # type: ignore[misc]
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


class EpochCosine(keras.optimizers.schedules.LearningRateSchedule):  # type: ignore[misc]
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
