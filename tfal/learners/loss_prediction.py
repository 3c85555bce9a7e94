"""A classifier that also predicts its own loss: learning loss, for the strategies "ll" and "mqnet".

Yoo and Kweon, Learning Loss for Active Learning, CVPR 2019, with the settings of Park et al., Meta-Query-Net (MQ-Net),
NeurIPS 2022.
"""

from __future__ import annotations

import re
from math import sqrt
from typing import Any, ClassVar

import keras
from keras import layers, ops
from keras.initializers import RandomUniform, VarianceScaling

from tfal.learners.base import OnEpoch
from tfal.learners.classifier import Classifier, readable
from tfal.pool import Pool
from tfal.reading.heads import Head
from tfal.training.replicas import WholeBatchModel, share_of_loss

WIDTH = 128  # units that see one stage
MARGIN = 1.0
_SWITCH = "loss_switch"


class LossPredictor(Classifier):
    """A Classifier whose network gets a module that predicts the loss of each sample; both are trained together.

    The loss is the mean cross-entropy plus 1.0 * ranking_loss. `read` also knows "predicted_loss" (B,) float32, whose
    order counts, not its size. The network starts from the weights that a Classifier with the same streams starts
    from, and sees the same batches.

    The module reads every output `stage1`, `stage2`, ... of the network: mean over the places, dense 128, relu; all
    of them side by side, dense 1. 123,905 parameters on the four stages of ResNet18. A network without stages is
    read at its `features`: dense 128, relu, dense 1. Kernels and biases start uniform in +-1 / sqrt(fan-in).

    After the epoch of index recipe.n_epoch_loss, counted from 0, the module alone learns from the ranking loss: what
    flows back into the network is cut. MQ-Net compares in the same way, so that its 120 means 121 joint epochs.

    Differences from the public code of both papers:
        One optimizer for network and module. They take two with the same settings; since neither SGD nor Adam lets
            one variable act on the step of another, the result is the same.
        Equal losses make no pair (recipe.rank_ties "mask"). Their code lets the first of two rank below the second.
        A batch of one sample has the ranking loss 0. Theirs divides by zero.
        The head keeps its bias, so that accuracies compare with other strategies'. MQ-Net's code leaves it out here
            alone (recipe.classifier_bias "code").
        The mean is over all places of a stage. Their windows leave out the last row and column of some odd sizes.
    """

    name: ClassVar[str] = "loss_predictor"

    def _extended(self, network: keras.Model) -> keras.Model:
        outputs = readable(network, self._n_classes, self._recipe)
        tensors = outputs.tensors
        if self._recipe.classifier_bias == "code":
            tensors["logits"] = _without_bias(outputs.logits_head())
        return keras.Model(network.inputs, {**tensors, "predicted_loss": _predicted_loss(tensors)})

    def _new_trainer(self) -> WholeBatchModel:
        wanted = {name: self._outputs.tensors[name] for name in ("logits", "predicted_loss")}
        ties = self._recipe.rank_ties
        return _JointModel(self._network.inputs, wanted, ties=ties, strategy=self._strategy, name="joint")

    def _callbacks(self, pool: Pool, on_epoch: OnEpoch | None) -> list[keras.callbacks.Callback]:
        cut = _Cut(self._network.get_layer(_SWITCH), self._recipe.n_epoch_loss)
        return [cut, *super()._callbacks(pool, on_epoch)]


def ranking_loss(scores: Any, targets: Any, ties: str = "mask") -> Any:
    """How far predicted losses are from the order of the true ones: a hinge over B // 2 pairs of a batch.

    Sample i is compared with sample B - 1 - i: max(0, 1 - sign * (s_i - s_j)), sign +1 where target i is the larger,
    else -1. The middle sample of an odd batch is left out.

    Args:
        scores: (B,) floats, the predictions.
        targets: (B,) floats, the true losses; no gradient flows into them.
        ties: pairs of equal targets count as none ("mask"), or as if the second were the larger ("code", as in the
            published code of learning loss and MQ-Net).

    Returns:
        A float32 scalar, the mean over the pairs that count; 0 where there is none, as in a batch of one.
    """
    scores, targets = ops.cast(scores, "float32"), ops.stop_gradient(ops.cast(targets, "float32"))
    n_pairs = ops.shape(scores)[0] // 2
    score_gap, target_gap = ((values - ops.flip(values))[:n_pairs] for values in (scores, targets))
    terms = ops.relu(MARGIN - ops.where(target_gap > 0, 1.0, -1.0) * score_gap)
    counts = ops.ones_like(terms) if ties == "code" else ops.cast(ops.not_equal(target_gap, 0), "float32")
    return ops.sum(terms * counts) / ops.maximum(ops.sum(counts), 1.0)


class _JointModel(WholeBatchModel):
    """Network and module in one; a subclass of a functional model, so fit and its callbacks work as they are."""

    def __init__(self, *arguments: Any, ties: str = "mask", **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._ties = ties

    def compute_loss(
        self, x: Any = None, y: Any = None, y_pred: Any = None, sample_weight: Any = None, training: bool = True
    ) -> Any:
        """Mean cross-entropy + 1.0 * ranking loss, and what the builder's regularizers add."""
        losses = keras.losses.sparse_categorical_crossentropy(y, y_pred["logits"], from_logits=True)
        ranking = ranking_loss(y_pred["predicted_loss"], losses, self._ties)
        return share_of_loss(ops.mean(losses) + ranking + sum(self.losses))


class _Switch(layers.Layer):  # type: ignore[misc]
    """Hands its input on; the gradient comes back only while `on` is 1. A variable, so that nothing is retraced."""

    def __init__(self, **named: Any) -> None:
        super().__init__(**named)
        self.on = self.add_weight(shape=(), initializer="ones", dtype="float32", trainable=False, name="on")

    def call(self, inputs: Any) -> Any:
        return ops.where(ops.convert_to_tensor(self.on) > 0.5, inputs, ops.stop_gradient(inputs))


class _Cut(keras.callbacks.Callback):  # type: ignore[misc]
    """Turns the switch off after the epoch of index `last`."""

    def __init__(self, switch: keras.Layer, last: int) -> None:
        super().__init__()
        self._switch = switch
        self._last = last

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self._switch.on.assign(float(epoch <= self._last))


def _predicted_loss(tensors: dict[str, keras.KerasTensor]) -> keras.KerasTensor:
    """(B,) float32."""
    stages = sorted((name for name in tensors if re.fullmatch(r"stage\d+", name)), key=lambda name: int(name[5:]))
    switch, seen = _Switch(name=_SWITCH), []
    for name in stages or ["features"]:
        x = tensors[name]
        if len(x.shape) > 2:
            x = ops.mean(x, axis=tuple(range(1, len(x.shape) - 1)))
        seen.append(_dense(switch(x), WIDTH, f"loss_{name}", activation="relu"))
    together = layers.Concatenate(name="loss_stages")(seen) if len(seen) > 1 else seen[0]
    return ops.squeeze(_dense(together, 1, "predicted_loss", dtype="float32"), axis=-1)


def _dense(x: keras.KerasTensor, units: int, name: str, **named: Any) -> keras.KerasTensor:
    limit = 1 / sqrt(x.shape[-1])
    start = {
        "kernel_initializer": VarianceScaling(1 / 3, "fan_in", "uniform"),  # its limit is sqrt(3 * scale / fan-in)
        "bias_initializer": RandomUniform(-limit, limit),
    }
    return layers.Dense(units, name=name, **start, **named)(x)


def _without_bias(head: Head) -> keras.KerasTensor:
    """The logits of a new layer like the one that makes them, on the same input."""
    layer = head.last_layer()
    return type(layer).from_config({**layer.get_config(), "use_bias": False})(head.layer_input())
