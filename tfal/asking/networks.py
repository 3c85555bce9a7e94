"""The networks and functions of a lab that read images for a strategy, and the images. TensorFlow is loaded here."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import keras
import numpy as np

from tfal.asking.stand_ins import StandIn, is_networks
from tfal.errors import InputError
from tfal.learners import LEARNERS
from tfal.pool.view import Reader
from tfal.reading.backend import Backend
from tfal.reading.callables import CallableOutputs
from tfal.reading.inputs import ModelInput
from tfal.reading.members import MemberOutputs
from tfal.reading.named_outputs import NamedOutputs
from tfal.reading.reader import LearnerReader
from tfal.reading.stochastic_outputs import Draws, SampledOutputs
from tfal.reading.user_images import open_source
from tfal.strategies import Strategy
from tfal.streams import Streams
from tfal.training.finite import check_finite_weights


class Networks(NamedTuple):
    """What reads images.

    source: the images, None where none were given. by_learner: each network. reader: reads them, with the streams of a
    round.
    """

    source: Any
    by_learner: Mapping[str, Any]
    reader: Callable[[Streams], Reader]


def open_networks(
    strategy: Strategy, images: Any, parts: Mapping[str, StandIn], batch_size: int, backend: Backend
) -> Networks:
    """Opens the networks among `parts`, which stand for the strategy's learners, and the images.

    Raises InputError where one of them cannot be read.
    """
    networks = {name: _network(name, part, strategy) for name, part in parts.items() if part.is_network}
    source = _source(images, parts, batch_size)
    for network in networks.values():
        _probe(network, source, batch_size)

    def reader(streams: Streams) -> Reader:
        for network in networks.values():
            if isinstance(network, SampledOutputs):
                network.seed = streams.integer("dropout")
        return LearnerReader(source, networks, batch_size, backend)

    return Networks(source, networks, reader)


def _network(name: str, part: StandIn, strategy: Strategy) -> Any:
    """What reads images for a learner: n_classes, read(batch, outputs) and head()."""
    if is_networks(part.given):
        _check_members(name, part)
        return MemberOutputs([_network("classifier", StandIn(each, part.outputs), strategy) for each in part.given])
    if not isinstance(part.given, keras.Model):
        return CallableOutputs(name, part.given)
    spec = LEARNERS.get(name)
    output = spec.output if spec else "features"
    single = "logits" if output in ("logits", "member_logits") or (spec and spec.from_model) else output
    network = NamedOutputs(part.given, part.outputs, single=single)
    check_finite_weights(part.given)
    return SampledOutputs(network, draws=Draws.of(strategy))


def _check_members(name: str, part: StandIn) -> None:
    if name != "ensemble":
        raise InputError(f"{part.what} must be one model. Received: a list. Lists are for 'ensemble' alone.")
    if len({id(each) for each in part.given}) < max(len(part.given), 2):
        raise InputError(
            f"{part.what} as a list must be of at least two models, none of them twice. Received: {len(part.given)}. "
            "Give models that were trained from different first weights."
        )


def _source(images: Any, parts: Mapping[str, StandIn], batch_size: int) -> Any:
    """The images, where they are read or tell how many samples there are."""
    networks = [each for part in parts.values() if part.is_network for each in _each(part.given)]
    if images is None:
        if networks:
            raise InputError("images must be given where a model reads them. Received: None. Give the whole data set.")
        return None
    models = [each for each in networks if isinstance(each, keras.Model)]
    taken = [ModelInput.of(model) for model in models]
    for other in taken[1:]:
        if other.dtype != taken[0].dtype or not taken[0].takes(other.shape or ()):
            raise InputError(
                f"all models must take the same images. Received: models of {taken[0].shape} {taken[0].dtype} and of "
                f"{other.shape} {other.dtype}. Put what differs into the models, as layers."
            )
    return open_source(images, models[0] if models else None, batch_size)


def _each(given: Any) -> Sequence[Any]:
    return given if is_networks(given) else [given]


def _probe(network: Any, source: Any, batch_size: int) -> None:
    """Shows functions the first images, before anything is read."""
    functions = network.members if isinstance(network, MemberOutputs) else [network]
    for function in functions:
        if isinstance(function, CallableOutputs):
            function.probe(next(iter(source.batches(np.arange(min(batch_size, source.size)), batch_size))))
