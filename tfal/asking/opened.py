"""What a strategy is to read, as a lab has it: opened and checked, before anything is asked."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from tfal.asking.stand_ins import StandIn, stand_ins
from tfal.errors import InputError
from tfal.given import check_int
from tfal.learners import LEARNERS
from tfal.pool import Pool
from tfal.pool.view import Reader
from tfal.reading.backend import Backend, choose_backend
from tfal.reading.tables import Layer, TableReader, Trained
from tfal.reading.user_tables import UserTable
from tfal.strategies import Strategy
from tfal.streams import Streams

if TYPE_CHECKING:
    from tfal.asking.networks import Networks


@dataclass(frozen=True)
class Given:
    """What a strategy may read, as it was given; see tfal.query for each.

    members: ids of the samples that there are: row members[i] of each array is that of sample i; None: all. kept_head:
    is given what trains a linear head on features, and gives the head, such as one that was kept; None: it is trained.
    """

    model: Any = None
    images: Any = None
    features: Any = None
    outputs: Any = None
    batch_size: int = 256
    backend: str = "auto"
    members: np.ndarray | None = None
    kept_head: Callable[[Callable[[], Layer]], Layer] | None = None


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
    networks = _networks(strategy, given, parts, backend)
    tables = {name: _tables(name, part, given.members) for name, part in parts.items() if not part.is_network}
    source = networks.source if networks else None
    unread = not parts and given.features is not None
    extra = [UserTable("features", "features", given.features, given.members)] if unread else []
    size = _size(source, [*(table for found in tables.values() for table in found.values()), *extra])
    own = [found["features"] for name, found in tables.items() if parts[name].what == "features"]
    sources = {"images": source, "features": next(iter([*own, *extra]), None)}

    def reader(pool: Pool, streams: Streams) -> Reader:
        readers: dict[str, Reader] = {}
        if networks and networks.by_learner:
            readers |= dict.fromkeys(networks.by_learner, networks.reader(streams))
        for name, found in tables.items():
            trained = _trained(found["features"], pool, streams, given.kept_head) if parts[name].head else None
            readers[name] = TableReader(found, backend, trained=trained)
        return _Readers(readers)

    fingerprints = {name: found.fingerprint for name, found in sources.items() if found is not None}
    return Opened(size, _n_classes(strategy, networks.by_learner if networks else {}, tables), reader, fingerprints)


@dataclass(frozen=True)
class _Readers:
    """A reader for each learner; see tfal.pool.view.Reader."""

    by_learner: Mapping[str, Reader]

    def chunks(self, learner: str, outputs: Sequence[str], ids: np.ndarray) -> Iterator[dict[str, Any]]:
        return self.by_learner[learner].chunks(learner, outputs, ids)

    def head(self, learner: str) -> tuple[Any, Any]:
        return self.by_learner[learner].head(learner)


def _networks(strategy: Strategy, given: Given, parts: Mapping[str, StandIn], backend: Backend) -> Networks | None:
    """What reads images; None where nothing does, and then TensorFlow is not loaded."""
    if given.images is None and not any(part.is_network for part in parts.values()):
        return None
    from tfal.asking.networks import open_networks

    return open_networks(strategy, given.images, parts, int(given.batch_size), backend)


def _tables(name: str, part: StandIn, members: np.ndarray | None) -> dict[str, UserTable]:
    """The arrays of a learner by output."""
    if isinstance(part.given, Mapping):
        if not part.given or not all(isinstance(output, str) for output in part.given):
            raise InputError(f"{part.what} as a dict must be arrays by output. Received: {list(part.given)}.")
        return {
            output: UserTable(f"{part.what}[{output!r}]", output, array, members)
            for output, array in part.given.items()
        }
    output = LEARNERS[name].output if name in LEARNERS and not part.head else "features"
    return {output: UserTable(part.what, output, part.given, members)}


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


def _trained(
    table: UserTable, pool: Pool, streams: Streams, kept: Callable[[Callable[[], Layer]], Layer] | None
) -> Callable[[], Trained]:
    """Trains a linear head on the labeled samples once it is asked for."""

    @functools.cache
    def trained() -> Trained:
        return Trained(kept(train) if kept else train(), table)

    def train() -> Layer:
        from tfal.evaluation.affine_head import affine_head

        labels = pool.label[pool.labeled]
        if np.any(labels < 0):
            raise InputError(
                "a linear head on features is trained on labels. Received: labeled without labels. Give labels, the "
                "class of each id in labeled, or a model."
            )
        return affine_head(table[pool.labeled], labels, streams.integer("model"))

    return trained
