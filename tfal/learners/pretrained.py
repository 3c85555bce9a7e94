"""What all learners share that are trained once, without labels: one training for a pool, and its file as memory."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tfal.data.images import Images
from tfal.errors import InputError
from tfal.learners.base import OnEpoch
from tfal.pool import Pool
from tfal.recipe import Recipe
from tfal.storage.checkpoint import EncoderFile, Snapshot
from tfal.streams import Streams
from tfal.training.finite import check_loss
from tfal.training.layers import described
from tfal.training.replicas import networks_on, own_dropout

FORMAT = 1  # to be raised with every change after which a training ends in other weights


class Pretrained:
    """A network that is trained once on the images of a pool and then stays as it is; it is kept in a file.

    A learner of this kind says what its network is (`_new_network`), what trains it (`_trainer`) by which batches
    (`_batches`, `_n_steps`), what the weights depend on (`_identity`), and what is read from it (`outputs`, `_read`).
    One that looks at its images after each epoch (`_after_epoch`) keeps what it finds in the same file (`_state`,
    `_take_state`).

    images: the training images; recipe: results_dir, and the options of the learner.
    """

    name: str
    outputs: tuple[str, ...]

    def __init__(self, images: Images, recipe: Recipe) -> None:
        self._images, self._recipe = images, recipe
        self._folder, self._file_name = Path(recipe.results_dir) / "encoders", self.name
        self._strategy = tf.distribute.get_strategy()  # one device; a learner that can use more sets its own
        self._made_for: tuple[int, np.ndarray] | None = None
        self._loss = math.nan
        self._network: keras.Model | None = None
        self._functions: dict[tuple[str, ...], Any] = {}

    @property
    def frozen_for(self) -> np.ndarray | None:
        """Ids of the pool that it was trained for; its outputs stay as they are until this is another array."""
        return self._made_for[1] if self._made_for else None

    @property
    def n_epoch(self) -> int:
        """Epochs of the whole training."""
        raise NotImplementedError

    @property
    def n_images(self) -> int:
        """Number of images that it was trained on, 0 before `fit`."""
        return len(self._made_for[1]) if self._made_for else 0

    @property
    def network(self) -> keras.Model:
        """The trained network. Raises InputError before `fit`."""
        if self._network is None:
            raise self._untrained()
        return self._network

    def fit(self, pool: Pool, streams: Streams, on_epoch: OnEpoch | None = None) -> dict[str, float]:
        """Trains on all images of the pool, or goes on from the last epoch in the file, or takes what is finished.

        The training depends on the images, the recipe and streams.seed, not on repetition, round, state or labels.
        Seeds Keras, NumPy's global generator and Python's `random` when it builds the network. The weights are those
        of the last epoch.

        Args:
            pool: its members are the images.
            streams: only its seed counts.
            on_epoch: called with (name, epochs done, all epochs) at the start and after each epoch.

        Returns:
            <name>_loss: mean of the last epoch.

        Raises:
            InputError: the file is damaged or does not fit.
            TrainingError: the loss became NaN or infinite.
        """
        members, made_for = pool.members, self._made_for
        if made_for is None or made_for[0] != streams.seed or not np.array_equal(made_for[1], members):
            self._load_or_train(pool, Streams(streams.seed), on_epoch)
            self._made_for = streams.seed, members
        return {f"{self.name}_loss": self._loss}

    def read(self, batch: tf.Tensor, outputs: Sequence[str]) -> dict[str, tf.Tensor]:
        """Named outputs, float32, of a batch of images (B, H, W, C) in [0, 1]; see the class for their names."""
        self._check_outputs(outputs)
        network = self.network
        key = tuple(outputs)
        if key not in self._functions:

            @tf.function(input_signature=[tf.TensorSpec([None, *self._images.shape], tf.float32)])  # type: ignore[untyped-decorator]
            def read(images: tf.Tensor) -> dict[str, tf.Tensor]:
                found = self._read(network, images)
                return {name: tf.cast(found[name], tf.float32) for name in key}

            self._functions[key] = read
        result: dict[str, tf.Tensor] = self._functions[key](tf.cast(batch, tf.float32))
        return result

    def _check_outputs(self, outputs: Sequence[str]) -> None:
        unknown = [name for name in outputs if name not in self.outputs]
        if self._network is None:
            raise self._untrained()
        if unknown:
            raise InputError(
                f"the encoder {self.name!r} has no output {unknown[0]!r}. It has: {', '.join(self.outputs)}."
            )

    def _untrained(self) -> InputError:
        return InputError(f"the encoder {self.name!r} is not trained yet. Call fit first.")

    def _load_or_train(self, pool: Pool, streams: Streams, on_epoch: OnEpoch | None) -> None:
        ids, numbers = pool.members, [int(number) for number in streams("pretrain").integers(2**31, size=3)]
        with networks_on(self._strategy):
            again = self._new_network()
            keras.utils.set_random_seed(numbers[0])
            network = self._new_network()
        file = EncoderFile(self._folder, self._file_name, self._identity(ids, numbers[0]), described(network, again))
        with file.locked():
            found = file.load()
            if found:
                self._take(file, network, found)
            own_dropout(self._strategy, network)
            finished = found if found and found.epoch >= self.n_epoch else None
            if finished is None:
                self._prepare(network, found is None, pool, streams, on_epoch)
            if on_epoch:
                on_epoch(self.name, found.epoch if found else 0, self.n_epoch)
            self._loss = finished.loss if finished else self._train(network, ids, numbers[1:], file, found, on_epoch)
        self._network, self._functions = network, {}

    def _take(self, file: EncoderFile, network: keras.Model, found: Snapshot) -> None:
        """Weights and state of a file; the state stands behind the weights."""
        wanted = [array.shape for array in self._state()]
        n_weights = len(found.weights) - len(wanted)
        file.assign(network.variables, found.weights[:n_weights])
        state = found.weights[n_weights:]
        if [array.shape for array in state] != wanted:
            raise file.unusable("what it found of single images does not fit the images")
        self._take_state(state, found.epoch)

    def _train(
        self,
        network: keras.Model,
        ids: np.ndarray,
        seeds: Sequence[int],
        file: EncoderFile,
        found: Snapshot | None,
        on_epoch: OnEpoch | None,
    ) -> float:
        first = found.epoch if found else 0
        trainer = self._trainer(network, len(ids))
        if found:
            file.assign(trainer.optimizer.variables, found.optimizer)

        def end(epoch: int, logs: dict[str, float]) -> None:
            done, loss = epoch + 1, logs["loss"]
            check_loss(f"the loss of the encoder {self.name}", loss, done)
            self._after_epoch(network, ids)
            optimizer = trainer.optimizer.variables if done < self.n_epoch else []
            file.save(Snapshot(done, loss, [*_values(network.variables), *self._state()], _values(optimizer)))
            if on_epoch:
                on_epoch(self.name, done, self.n_epoch)

        history = trainer.fit(
            self._batches(ids, seeds, first),
            steps_per_epoch=self._n_steps(len(ids)),
            initial_epoch=first,
            epochs=self.n_epoch,
            callbacks=[keras.callbacks.LambdaCallback(on_epoch_end=end)],
            shuffle=False,  # the pipeline has its own order
            verbose=0,
        ).history
        return float(history["loss"][-1])

    def _new_network(self) -> keras.Model:
        """With fresh weights. Its variables are all that the file keeps of it, random states of layers included."""
        raise NotImplementedError

    def _prepare(
        self, network: keras.Model, fresh: bool, pool: Pool, streams: Streams, on_epoch: OnEpoch | None
    ) -> None:
        """Called before a training begins (fresh) or goes on; here a learner fetches what others have learned."""

    def _trainer(self, network: keras.Model, n: int) -> keras.Model:
        """The compiled model that trains `network` on n images; shares its weights, has an optimizer that is built."""
        raise NotImplementedError

    def _batches(self, ids: np.ndarray, seeds: Sequence[int], first_epoch: int) -> tf.data.Dataset:
        """What the trainer gets from an epoch on, the same whether it began there; seeds: two, of order and views."""
        raise NotImplementedError

    def _n_steps(self, n: int) -> int:
        """Steps of an epoch with n images."""
        raise NotImplementedError

    def _after_epoch(self, network: keras.Model, ids: np.ndarray) -> None:
        """Called after each epoch, before the file is written."""

    def _state(self) -> list[np.ndarray]:
        """What the file keeps besides the weights, floats of shapes that are the same after each epoch."""
        return []

    def _take_state(self, state: list[np.ndarray], epoch: int) -> None:
        """Takes on what `_state` gave after so many epochs."""

    def _identity(self, ids: np.ndarray, seed: int) -> dict[str, Any]:
        """All that the weights depend on, as json can write it; a learner adds its own options."""
        threads = self._recipe.threads
        return {
            **({"threads": threads} if threads else {}),
            "format": FORMAT,
            "learner": self.name,
            "n_epoch": self.n_epoch,
            "seed": seed,
            "images": self._images.digest(ids),
        }

    def _read(self, network: keras.Model, images: tf.Tensor) -> dict[str, tf.Tensor]:
        """All outputs by name; what is not asked for is not computed, since the graph leaves it out."""
        raise NotImplementedError


def _values(variables: Sequence[Any]) -> list[np.ndarray]:
    return [variable.numpy() for variable in variables]
