"""Monte-Carlo dropout: what a network answers under one mask after the other.

Gal and Ghahramani, Dropout as a Bayesian Approximation, ICML 2016; for active learning Gal, Islam and Ghahramani, Deep
Bayesian Active Learning with Image Data, ICML 2017.

Differences from public codes of these strategies, and why:
- A pass has one mask for all images, as in BatchBALD (Kirsch et al., NeurIPS 2019): one draw of the weights, of which
  joint probabilities of several images make sense. Then no answer depends on the other images of a batch, or on its
  place among them. For a single image it is the usual distribution.
- Masks come from (seed, pass, layer) alone, and BatchNorm, as everything but dropout, stays in inference mode; nothing
  of the network changes.
- What stands before the first mask is computed once for all passes: the whole network up to its features where dropout
  sits behind them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tfal.errors import InputError
from tfal.given import check_int
from tfal.reading.drawn_logits import DrawnLogits
from tfal.reading.graph import Call, Value, calls_as_keras, like_masked
from tfal.reading.inference import DROPOUT, SPATIAL, at_rest, infer
from tfal.reading.named_outputs import NamedOutputs

_KINDS = (keras.layers.Dropout, *SPATIAL, keras.layers.GaussianDropout)


class MonteCarlo(DrawnLogits):
    """Logits of n_pass passes with dropout, in float32; pass t has the masks of (seed, t).

    Args:
        outputs: the network. Of one that ends in a softmax the logits before it are given.
        n_pass: passes, at least 1.
        name: what errors call the network; its own name when not given.
        whole: compute everything in each pass, to compare; the values are the same.

    Raises:
        InputError: no Dropout layer with a rate above 0 lies before the logits, or one of them is of another kind
            than Dropout, SpatialDropout1D to 3D and GaussianDropout, or hides in a layer of another kind.
    """

    def __init__(self, outputs: NamedOutputs, n_pass: int, name: str | None = None, *, whole: bool = False) -> None:
        check_int("n_pass", n_pass, 1)
        super().__init__(outputs, n_pass)
        name = name or outputs.model_name
        graph, target = outputs.graph, self._head.value
        needed = graph.needed([target])
        self._dropouts = {
            id(layer): _Dropout(number, layer.rate) for number, layer in enumerate(_dropouts(needed, name))
        }
        self._start, self._behind = _behind_masks(needed)
        if not self._behind:
            raise InputError(
                f"model {name!r} has no Dropout layer with a rate above 0 before its logits; strategies of Monte-Carlo "
                "dropout, such as bald and epig, need one. Add keras.layers.Dropout(0.5) before the last layer, or "
                "choose another strategy."
            )
        if whole:
            self._start, self._behind = list(graph.inputs), needed
        self._before = graph.needed(self._start)
        self._compile(name, needed)

    def _draws(self, batch: tf.Tensor, key: tf.Tensor) -> Callable[[tf.Tensor], tf.Tensor]:
        found = infer(self._before, {self._outputs.graph.inputs[0]: batch}, self._start)

        def one_pass(number: tf.Tensor) -> tf.Tensor:
            masks = _Masks(tf.random.experimental.stateless_fold_in(key, number), self._dropouts)
            values = dict(zip(self._start, found, strict=True))
            (value,) = infer(self._behind, values, [self._head.value], masks.replace)
            return self._head.logits(value)

        return one_pass


@dataclass(frozen=True)
class _Dropout:
    """A layer whose masks are set: its place among them, and its rate."""

    number: int
    rate: float


class _Masks:
    """What stands for the operations of a graph in one pass: dropout with the masks of `key`, all else at rest.

    dropouts: by id of the layer. A layer that is called again gets another mask, as in training.
    """

    def __init__(self, key: tf.Tensor, dropouts: Mapping[int, _Dropout]) -> None:
        self._key, self._dropouts = key, dropouts
        self._calls = dict.fromkeys(dropouts, 0)

    def replace(self, operation: Any) -> Callable[..., Any]:
        """What is called in place of the operation."""
        dropout = self._dropouts.get(id(operation))
        if dropout is None:
            return at_rest(operation)
        return lambda x, *rest, **named: _masked(operation, dropout.rate, x, self._next_key(operation))

    def _next_key(self, layer: keras.Layer) -> tf.Tensor:
        fold_in, call = tf.random.experimental.stateless_fold_in, self._calls[id(layer)]
        self._calls[id(layer)] += 1
        return fold_in(fold_in(self._key, self._dropouts[id(layer)].number), call)


def _masked(layer: Any, rate: float, x: tf.Tensor, key: tf.Tensor) -> tf.Tensor:
    """x under one mask for all rows."""
    if isinstance(layer, keras.layers.GaussianDropout):
        deviation = (rate / (1 - rate)) ** 0.5
        noise = 1 + deviation * tf.random.stateless_normal(_mask_shape(layer, x), key)
    else:
        kept = tf.random.stateless_uniform(_mask_shape(layer, x), key) >= rate
        noise = tf.cast(kept, tf.float32) / max(1 - rate, 1e-7)
    return like_masked(x * tf.cast(noise, x.dtype), x)


def _mask_shape(layer: Any, x: tf.Tensor) -> list[Any]:
    """1 for the rows; else the layer's noise shape, or that of x."""
    sides = tf.unstack(tf.shape(x))
    if isinstance(layer, SPATIAL):
        channels = 1 if getattr(layer, "data_format", None) == "channels_first" else len(sides) - 1
        return [side if axis == channels else 1 for axis, side in enumerate(sides)]
    fixed = getattr(layer, "noise_shape", None) or [None] * len(sides)
    return [1] + [side if wanted is None else wanted for side, wanted in zip(sides[1:], fixed[1:], strict=True)]


def _behind_masks(calls: Sequence[Call]) -> tuple[list[Value], list[Call]]:
    """The values that no mask has touched but that calls with masks read, and all calls from there on."""
    touched: set[Value] = set()
    start: dict[Value, None] = {}
    behind = []
    for call in calls:
        if _drops(call.operation) or touched.intersection(call.given.values()):
            behind.append(call)
            touched.update(call.made)
            start |= dict.fromkeys(value for value in call.given.values() if value not in touched)
    return list(start), behind


def _drops(layer: Any) -> bool:
    is_dropout = isinstance(layer, DROPOUT) or type(layer).__name__.endswith("Dropout")
    return isinstance(layer, keras.Layer) and is_dropout and getattr(layer, "rate", 0) > 0


def _dropouts(calls: Sequence[Call], name: str) -> list[keras.Layer]:
    """The dropout layers that are ever on, in a fixed order. Raises InputError for those that have no such masks."""
    found: dict[int, keras.Layer] = {}
    for call in calls:
        layer = call.operation
        inside = layer._flatten_layers() if isinstance(layer, keras.Layer) else []
        for part in filter(_drops, inside):
            if part is not layer or not _is_known(layer, next(iter(call.given.values())).tensor):
                inside_it = "" if part is layer else f" with a {type(part).__name__} inside"
                raise InputError(
                    f"layer {layer.name!r} of model {name!r} is a {type(layer).__name__}{inside_it}, whose masks "
                    "cannot be set. Expected: Dropout, SpatialDropout1D to 3D or GaussianDropout, in a functional or "
                    "Sequential model. Replace it, or choose another strategy."
                )
            found[id(part)] = part
    return list(found.values())


def _is_known(layer: keras.Layer, tensor: keras.KerasTensor) -> bool:
    """Whether a layer is one of _KINDS, or derives from one and drops values of `tensor` as that does."""
    if type(layer) in _KINDS:
        return True
    if not isinstance(layer, _KINDS) or isinstance(layer, keras.layers.GaussianDropout):
        return False
    if calls_as_keras(layer):
        return True
    before = [variable.numpy() for variable in layer.variables]
    dropped = np.asarray(layer(tf.ones([1, *(side or 8 for side in tensor.shape[1:])], tensor.dtype), training=True))
    for variable, value in zip(layer.variables, before, strict=True):
        variable.assign(value)
    kept = dropped[dropped != 0].astype(float)
    return bool(np.allclose(kept, 1 / (1 - layer.rate), rtol=1e-2))
