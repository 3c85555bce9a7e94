"""What a strategy is to read, as a lab has it: opened and checked, before anything is asked."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np

from tfal.asking.stand_ins import StandIn, is_networks, stand_ins
from tfal.data.images import check_int
from tfal.errors import InputError
from tfal.evaluation.affine_head import affine_head
from tfal.learners import LEARNERS
from tfal.pool import Pool
from tfal.pool.view import Reader
from tfal.reading.backend import choose_backend
from tfal.reading.callables import CallableOutputs
from tfal.reading.inputs import ModelInput
from tfal.reading.members import MemberOutputs
from tfal.reading.named_outputs import NamedOutputs
from tfal.reading.reader import LearnerReader
from tfal.reading.stochastic_outputs import N_PASS, N_VIEW, SampledOutputs
from tfal.reading.tables import TableReader, Trained
from tfal.reading.user_images import open_source
from tfal.reading.user_tables import UserTable
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
    they are not known. reader: made for a pool and its streams. fingerprints: of the first n "images" and "features",
    where they were given: what tells that they are the same as before.
    """

    size: int | None
    n_classes: int | None
    reader: Callable[[Pool, Streams], Reader]
    fingerprints: Mapping[str, Callable[[int], str]] = field(default_factory=dict)


def open_given(strategy: Strategy, given: Given) -> Opened:
    """Opens what this strategy reads of what was given.

    Raises InputError where it needs something else, or where something cannot be read or would not be looked at.
    """
    check_int("batch_size", given.batch_size, 1)
    backend = choose_backend(given.backend)
    parts = stand_ins(strategy, given.model, given.features, given.outputs)
    networks = {name: _network(name, part, strategy) for name, part in parts.items() if part.is_network}
    tables = {name: _tables(name, part) for name, part in parts.items() if not part.is_network}
    source = _source(given, parts)
    for network in networks.values():
        _probe(network, source, int(given.batch_size))
    extra = [] if parts or given.features is None else [UserTable("features", "features", given.features)]
    size = _size(source, [*(table for found in tables.values() for table in found.values()), *extra])
    own = [found["features"] for name, found in tables.items() if parts[name].given is given.features]
    sources = {"images": source, "features": next(iter([*own, *extra]), None)}

    def reader(pool: Pool, streams: Streams) -> Reader:
        for network in networks.values():
            if isinstance(network, SampledOutputs):
                network.seed = streams.integer("dropout")
        shared: Any = LearnerReader(source, networks, int(given.batch_size), backend) if networks else None
        readers = dict.fromkeys(networks, shared)
        for name, found in tables.items():
            trained = _trained(found["features"], pool, streams) if parts[name].head else None
            readers[name] = TableReader(found, backend, trained=trained)
        return _Readers(readers)

    fingerprints = {name: found.fingerprint for name, found in sources.items() if found is not None}
    return Opened(size, _n_classes(strategy, networks, tables), reader, fingerprints)


@dataclass(frozen=True)
class _Readers:
    """A reader for each learner; see tfal.pool.view.Reader."""

    by_learner: Mapping[str, Reader]

    def chunks(self, learner: str, outputs: Sequence[str], ids: np.ndarray) -> Iterator[dict[str, Any]]:
        return self.by_learner[learner].chunks(learner, outputs, ids)

    def head(self, learner: str) -> tuple[Any, Any]:
        return self.by_learner[learner].head(learner)


def _network(name: str, part: StandIn, strategy: Strategy) -> Any:
    """What reads images for a learner: n_classes, read(batch, outputs) and head()."""
    if is_networks(part.given):
        _check_members(part)
        return MemberOutputs([_network("classifier", StandIn(each, part.outputs), strategy) for each in part.given])
    if not isinstance(part.given, keras.Model):
        return CallableOutputs(name, part.given)
    spec = LEARNERS.get(name)
    output = spec.output if spec else "features"
    single = "logits" if output in ("logits", "member_logits") or (spec and spec.from_model) else output
    network = NamedOutputs(part.given, part.outputs, single=single)
    check_finite_weights(part.given)
    n_pass, n_view = getattr(strategy, "n_pass", N_PASS), getattr(strategy, "n_view", N_VIEW)
    return SampledOutputs(network, n_pass=n_pass, n_view=n_view)


def _check_members(part: StandIn) -> None:
    if len({id(each) for each in part.given}) < max(len(part.given), 2):
        raise InputError(
            f"{part.what} as a list must be of at least two models, none of them twice. Received: {len(part.given)}. "
            "Give models that were trained from different first weights."
        )


def _tables(name: str, part: StandIn) -> dict[str, UserTable]:
    """The arrays of a learner by output."""
    if isinstance(part.given, Mapping):
        if not part.given or not all(isinstance(output, str) for output in part.given):
            raise InputError(f"{part.what} as a dict must be arrays by output. Received: {list(part.given)}.")
        return {output: UserTable(f"{part.what}[{output!r}]", output, array) for output, array in part.given.items()}
    output = LEARNERS[name].output if name in LEARNERS and not part.head else "features"
    return {output: UserTable(part.what, output, part.given)}


def _source(given: Given, parts: Mapping[str, StandIn]) -> Any:
    """The images, where they are read or tell how many samples there are."""
    networks = [each for part in parts.values() if part.is_network for each in _each(part.given)]
    if given.images is None:
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
    return open_source(given.images, models[0] if models else None, int(given.batch_size))


def _each(given: Any) -> Sequence[Any]:
    return given if is_networks(given) else [given]


def _probe(network: Any, source: Any, batch_size: int) -> None:
    """Shows functions the first images, before anything is read."""
    functions = network.members if isinstance(network, MemberOutputs) else [network]
    for function in functions:
        if isinstance(function, CallableOutputs):
            function.probe(next(iter(source.batches(np.arange(min(batch_size, source.size)), batch_size))))


def _size(source: Any, tables: Sequence[UserTable]) -> int | None:
    """How many samples there are, of which images and all arrays must agree."""
    size, of = (
        (source.size, "images") if source else (len(tables[0]), f"rows of {tables[0].what}") if tables else (None, "")
    )
    for table in tables:
        if len(table) != size:
            raise InputError(
                f"{table.what} must have one row for each sample: {size}, the {of}. Received: {len(table)} rows. Row i "
                "belongs to sample i."
            )
    return size


def _n_classes(
    strategy: Strategy, networks: Mapping[str, Any], tables: Mapping[str, Mapping[str, UserTable]]
) -> int | None:
    """C of the first learner that is trained on labels and whose logits are there."""
    for name in strategy.learners:
        if name not in LEARNERS or LEARNERS[name].trained_on != "labels":
            continue
        logits = [tables[name][output] for output in ("logits", "member_logits") if output in tables.get(name, {})]
        found = networks[name].n_classes if name in networks else logits[0].shape[-1] if logits else None
        if found is not None:
            return int(found)
    return None


def _trained(table: UserTable, pool: Pool, streams: Streams) -> Callable[[], Trained]:
    """Trains a linear head on the labeled samples once it is asked for."""

    @functools.cache
    def trained() -> Trained:
        labels = pool.label[pool.labeled]
        if np.any(labels < 0):
            raise InputError(
                "a linear head on features is trained on labels. Received: labeled without labels. Give labels, the "
                "class of each id in labeled, or a model."
            )
        return Trained(affine_head(table[pool.labeled], labels, streams.integer("model")), table)

    return trained
