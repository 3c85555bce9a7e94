"""What a strategy is to read, as a lab has it: opened and checked, before anything is asked."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from tfal.asking.strategy import shown_name
from tfal.data.images import check_int
from tfal.errors import InputError
from tfal.learners import LEARNERS
from tfal.pool import Pool
from tfal.pool.view import Reader
from tfal.reading.backend import choose_backend
from tfal.reading.named_outputs import NamedOutputs
from tfal.reading.reader import LearnerReader
from tfal.reading.stochastic_outputs import N_PASS, N_VIEW, SampledOutputs
from tfal.reading.user_images import open_source
from tfal.strategies import Strategy
from tfal.streams import Streams
from tfal.training.finite import check_finite_weights


@dataclass(frozen=True)
class Given:
    """What a strategy may read, as it was given; see tfal.query for each."""

    model: Any = None
    images: Any = None
    features: Any = None
    outputs: Any = None
    batch_size: int = 256
    backend: str = "auto"


@dataclass(frozen=True)
class Opened:
    """What a strategy reads.

    size: number of samples; None where nothing was given that tells. n_classes: of the logits that it reads; None where
    they are not known. reader: made for a pool and its streams.
    """

    size: int | None
    n_classes: int | None
    reader: Callable[[Pool, Streams], Reader]


def open_given(strategy: Strategy, given: Given) -> Opened:
    """Opens what this strategy reads of what was given.

    Raises InputError where it needs something else, or where something cannot be read or would not be looked at.
    """
    check_int("batch_size", given.batch_size, 1)
    outputs, model, batch_size = given.outputs, given.model, int(given.batch_size)
    if outputs is not None and not (isinstance(outputs, Mapping) and all(isinstance(v, str) for v in outputs.values())):
        raise InputError(f"outputs must be a dict of layers' names by outputs' names. Received: {outputs!r}.")
    _check_learners(strategy)
    network = NamedOutputs(model, outputs) if strategy.learners else None
    if network:
        check_finite_weights(model)
    source = open_source(given.images, model if strategy.learners else None, batch_size)
    backend = choose_backend(given.backend)

    def reader(pool: Pool, streams: Streams) -> Reader:
        learners = _learners(strategy, network, streams.integer("dropout"))
        return LearnerReader(source, learners, batch_size, backend)

    return Opened(source.size, network.n_classes if network else None, reader)


def _check_learners(strategy: Strategy) -> None:
    other = [name for name in strategy.learners if name not in LEARNERS or not LEARNERS[name].from_model]
    if other:
        raise InputError(
            f"strategy {shown_name(strategy)} needs {' and '.join(other)}, trained by tfal; run it through tfal.run."
        )


def _learners(strategy: Strategy, network: NamedOutputs | None, seed: int) -> dict[str, SampledOutputs]:
    if network is None:
        return {}
    n_pass, n_view = getattr(strategy, "n_pass", N_PASS), getattr(strategy, "n_view", N_VIEW)
    found = {name: SampledOutputs(network, n_pass=n_pass, n_view=n_view) for name in strategy.learners}
    for learner in found.values():
        learner.seed = seed
    return found
