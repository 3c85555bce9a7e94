"""One compiled network that is trained again and again, each time from fresh values: what all such trainings share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import keras
import tensorflow as tf

from tfal.training.finite import check_loss, check_trained
from tfal.training.replicas import WholeBatchModel, networks_on, own_dropout

Rate = Callable[[int], float]  # epoch, from 0 -> learning rate


class Engine:
    """Trains by cross-entropy; weights, optimizer state and dropout seeds are set back in place of a new model.

    So nothing is traced again after the first training.

    Args:
        build: makes the network, with the values that a training starts from.
        network: what `build` made once; its variables are what is trained, and set back.
        model: over the layers of the network, of the outputs that are trained; compiled here.
        optimizer: a new one, made inside `networks_on(strategy)`.
        strategy: of the network's devices.
    """

    def __init__(
        self,
        build: Callable[[], keras.Model],
        network: keras.Model,
        model: WholeBatchModel,
        optimizer: keras.optimizers.Optimizer,
        strategy: tf.distribute.Strategy,
    ) -> None:
        self._build, self._network, self.model, self._strategy = build, network, model, strategy
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        # No metrics: their variables come to be in the first step, which would be traced twice.
        model.compile(optimizer=optimizer, loss=loss, jit_compile=False)
        with networks_on(strategy):
            optimizer.build(model.trainable_variables)
        # In half precision the model wraps it in one that also scales the loss.
        self._optimizer_start = [variable.numpy() for variable in model.optimizer.variables]

    def reset(self, seed: int, start: Callable[[], object] | None = None) -> None:
        """Fresh values in all variables. Seeds Keras, NumPy's global generator and Python's `random`.

        start: called before devices get dropout masks of their own; may give the network other values.
        """
        keras.utils.set_random_seed(seed)
        for variable, value in zip(self._network.variables, self._build().variables, strict=True):
            variable.assign(value)  # weights, moving statistics and dropout seeds
        if start:
            start()
        own_dropout(self._strategy, self._network)
        for variable, value in zip(self.model.optimizer.variables, self._optimizer_start, strict=True):
            variable.assign(value)

    def train(
        self,
        batches: tf.data.Dataset,
        n_steps: int,
        n_epoch: int,
        rate: Rate,
        callbacks: Sequence[keras.callbacks.Callback] = (),
    ) -> dict[str, list[float]]:
        """Trains from the values that are there; the loss of each epoch, and what the callbacks add.

        Args:
            batches: of all epochs, n_steps for each.
            n_steps: training steps of an epoch.
            n_epoch: epochs.
            rate: the learning rate of an epoch, from 0.
            callbacks: run behind those that set the rate and look at the loss.

        Raises:
            TrainingError: the loss, or a weight in the last step, became NaN or infinite.
        """
        history = self.model.fit(
            batches,
            steps_per_epoch=n_steps,
            epochs=n_epoch,
            callbacks=[_Epochs(rate), *callbacks],
            shuffle=False,  # the pipeline has its own order
            verbose=0,
        ).history
        check_trained(self._network)
        return dict(history)


class _Epochs(keras.callbacks.Callback):  # type: ignore[misc]
    """Sets the learning rate of each epoch, and stops at a loss that is no number.

    Keras' own scheduler also logs the rate, at the cost of warnings.
    """

    def __init__(self, rate: Rate) -> None:
        super().__init__()
        self._rate = rate

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self.model.optimizer.learning_rate = float(self._rate(epoch))

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        check_loss("the training loss", (logs or {})["loss"], epoch + 1)
