"""What was picked, however it was handed over: series of groups of ids, such as the rounds of a strategy."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tfal.errors import InputError
from tfal.given import given_ids
from tfal.pool import LABELED, REJECTED, Pool
from tfal.storage.array_files import read_ids
from tfal.storage.identity import read_stored
from tfal.storage.joined import is_joined

FIRST_LABELS = "first labels"  # those of round 0
_WAYS = (
    "Give ids, (ids, scores), {name: ids}, the rounds of tfal.run, a tfal.Campaign, a pool.npz, the folder of a "
    "repetition such as results/digits_SCNN/margin/rep001, or that of all strategies."
)


@dataclass(frozen=True, eq=False)
class Group:
    """Samples that were picked together. name: "" of the only one. ids: (n,) int64. scores: (n,), where there are."""

    name: str
    ids: np.ndarray
    scores: np.ndarray | None = None


@dataclass(frozen=True, eq=False)
class Series:
    """Groups that follow each other, such as rounds.

    name: such as the strategy; "" of the only one. pool: where a run left one. data: fingerprint of the run's data.
    """

    name: str
    groups: tuple[Group, ...]
    pool: Pool | None = None
    data: str | None = None

    @property
    def first_query(self) -> Group:
        """The first group that is no set of first labels."""
        return next((group for group in self.groups if group.name != FIRST_LABELS), self.groups[0])

    @property
    def ids(self) -> np.ndarray:
        """All ids, each once, ascending."""
        return np.unique(np.concatenate([group.ids for group in self.groups]))

    @property
    def rejected(self) -> np.ndarray:
        """Ids that turned out to be of a class nobody asked for."""
        return np.zeros(0, np.int64) if self.pool is None else self.pool.ids(REJECTED)


def series_of(picks: Any, size: int) -> list[Series]:
    """The series that `picks` means, see tfal.show; at least one group, no group without an id.

    size: samples of the training set. Raises InputError for anything else, and for a pool of another size.
    """
    found = _read(picks, size)
    for series in found:
        if series.pool is not None and len(series.pool) != size:
            raise InputError(
                f"picks must be of the given samples. Received: a pool of {len(series.pool)} samples, and {size} "
                "samples. Give the training set of that run."
            )
    kept = [
        Series(series.name, tuple(group for group in series.groups if len(group.ids)), series.pool, series.data)
        for series in found
    ]
    kept = [series for series in kept if series.groups]
    if not kept:
        raise InputError(f"picks must hold at least one id. Received: none. {_WAYS}")
    return kept


def has_picks(folder: Path) -> bool:
    """Whether a repetition, or an experiment, holds what `series_of` reads."""
    return _has_own(folder) or next(_first_repetitions(folder), None) is not None


def _read(picks: Any, size: int) -> list[Series]:
    if isinstance(picks, Sequence) and len(picks) and all(isinstance(one, Series) for one in picks):
        return [*picks]
    if isinstance(picks, str | os.PathLike):
        return _of_path(Path(picks), size)
    if isinstance(picks, Pool):
        return [_of_pool("", picks)]
    if isinstance(picks, Mapping):
        return _of_mapping(picks, size)
    if all(hasattr(picks, name) for name in ("rounds", "labeled_set", "rejected")):  # a tfal.Campaign, not imported
        return [_of_campaign(picks)]
    rounds = [picks] if _is_round(picks) else picks
    if isinstance(rounds, Sequence) and len(rounds) and all(_is_round(one) for one in rounds):
        return _of_rounds(rounds, size)
    return [Series("", (_group("", picks, size),))]


def _of_mapping(picks: Mapping[Any, Any], size: int) -> list[Series]:
    """Names of groups, or of series where every value is one."""
    whole = [isinstance(one, str | os.PathLike | Pool | Mapping) or _is_round(one) for one in picks.values()]
    if not any(whole):
        return [Series("", tuple(_group(str(name), ids, size) for name, ids in picks.items()))]
    found = []
    for (name, value), is_whole in zip(picks.items(), whole, strict=True):
        series = _read(value, size) if is_whole else []
        if len(series) != 1:
            raise InputError(
                f"each name of picks must stand for ids, or each for the rounds of one repetition. Received: {name!r}, "
                f"which is {'several strategies' if is_whole else 'ids beside others that are rounds'}. {_WAYS}"
            )
        found.append(Series(str(name), series[0].groups, series[0].pool, series[0].data))
    return found


def _group(name: str, given: Any, size: int) -> Group:
    """Ids, or ids and scores as tfal.query, tfal.rank and strategies give them."""
    ids, scores = given, None
    if hasattr(given, "ids") and hasattr(given, "scores"):
        ids, scores = given.ids, given.scores
    elif isinstance(given, tuple) and len(given) == 2 and all(np.ndim(part) == 1 for part in given):
        ids, scores = given
    what = f"picks[{name!r}]" if name else "picks"
    checked = given_ids(what, ids, size)
    if scores is not None:
        scores = np.asarray(scores)
        if scores.shape != checked.shape or scores.dtype.kind not in "biuf":
            raise InputError(
                f"{what} must have one number as score of each id. Received: {len(checked)} ids and scores "
                f"{scores.dtype} of shape {scores.shape}."
            )
    return Group(name, checked, scores)


def _is_round(one: Any) -> bool:
    return all(hasattr(one, name) for name in ("strategy", "rep", "row", "picks"))  # a tfal.loop.Round, not imported


def _of_rounds(rounds: Sequence[Any], size: int) -> list[Series]:
    """The rounds of tfal.run; picks belong to the round that trains on them, as in pool.npz."""
    found: dict[tuple[str, int], list[Group]] = {}
    for one in rounds:
        groups = found.setdefault((one.strategy, one.rep), [])
        if one.picks is not None:
            groups.append(_group(f"round {one.row['round'] + 1}", one.picks, size))
    several = len({rep for _, rep in found}) > 1
    return [
        Series(f"{strategy}, repetition {rep}" if several else strategy, tuple(groups))
        for (strategy, rep), groups in found.items()
    ]


def _of_campaign(campaign: Any) -> Series:
    """What was asked for in each round, and the classes that were told."""
    rounds, pool = campaign.rounds, Pool.unlabeled_pool(campaign.size)
    ids, labels = campaign.labeled_set
    pool.state[ids], pool.label[ids] = LABELED, labels
    pool.state[campaign.rejected], pool.label[campaign.rejected] = REJECTED, 0
    groups = [Group(f"round {number}", one.ids) for number, one in enumerate(rounds, start=1)]
    return Series("", tuple(groups), pool)


def _of_pool(name: str, pool: Pool, data: str | None = None) -> Series:
    bought = np.unique(pool.round[pool.round >= 0]).tolist()
    groups = [
        Group(f"round {step}" if step else FIRST_LABELS, np.flatnonzero(pool.round == step).astype(np.int64))
        for step in bought
    ]
    return Series(name, tuple(groups), pool, data)


def _of_path(path: Path, size: int) -> list[Series]:
    if not path.exists():
        raise InputError(f"picks: there is nothing at {str(path)!r}. {_WAYS}")
    if path.suffix == ".npz":
        return [_of_pool("", Pool.load(path))]
    if path.suffix == ".npy":
        return [Series("", (_group(path.stem, read_ids(path), size),))]
    if path.is_dir() and _has_own(path):
        return [_of_repetition(path, "", size)]
    found = list(_first_repetitions(path)) if path.is_dir() else []
    if found:
        return [_of_repetition(folder, folder.parent.name, size) for folder in found]
    if is_joined(path):
        raise InputError(f"picks: {path} holds joined results, in which no picks are. Give the folders of the runs.")
    raise InputError(f"picks: {path} holds no picks of a run. {_WAYS}")


def _first_repetitions(folder: Path) -> Iterator[Path]:
    """The first repetition of each strategy that all of them have picks of, or else its own first one."""
    by_strategy: dict[Path, dict[str, Path]] = {}
    for repetition in sorted([*folder.glob("rep*"), *folder.glob("*/rep*")]):
        if _has_own(repetition):
            by_strategy.setdefault(repetition.parent, {})[repetition.name] = repetition
    shared = sorted(set.intersection(*map(set, by_strategy.values()))) if by_strategy else []
    for repetitions in by_strategy.values():
        yield repetitions[shared[0]] if shared else next(iter(repetitions.values()))


def _has_own(folder: Path) -> bool:
    return (folder / "pool.npz").exists() or bool(_index_files(folder))


def _index_files(folder: Path) -> list[tuple[int, Path]]:
    """Budgets and files of ids of a low-budget study."""
    found = [(path.stem.rpartition("_")[2], path) for path in folder.glob("*_*_*.npy")]
    return sorted((int(budget), path) for budget, path in found if budget.isdigit())


def _of_repetition(folder: Path, name: str, size: int) -> Series:
    recipe = folder / "recipe.json"
    stored = read_stored(recipe, "Mend it, or give pool.npz alone.")["recipe"] if recipe.exists() else {}
    if (folder / "pool.npz").exists():
        return _of_pool(name, Pool.load(folder / "pool.npz"), stored.get("data"))
    groups, before = [], np.zeros(0, np.int64)
    for budget, path in _index_files(folder):
        ids = _group(path.stem, read_ids(path), size).ids
        nested = np.array_equal(ids[: len(before)], before)  # each budget holds those before it
        groups.append(Group(f"{budget} labels", ids[len(before) :] if nested else ids))
        before = ids
    return Series(name, tuple(groups), data=stored.get("data"))
