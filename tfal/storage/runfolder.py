"""The files of one repetition, and how it goes on after it was stopped.

The row in rounds.csv is the commit of a round: the pool is written just before it, and what the pool holds beyond
the last row (a stop between the two) is taken back when the run is resumed. test_accs files follow from the rows.
What a strategy keeps for a round has a file of its own, written first: a round that is run again replaces it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from tfal.errors import InputError
from tfal.files import make_folder, write_atomically, write_text
from tfal.plugins import as_part
from tfal.pool import Pool
from tfal.recipe import Recipe
from tfal.storage.array_files import read_arrays
from tfal.storage.environment import differences, environment
from tfal.storage.folder import Folder, refusal
from tfal.storage.identity import Identity, read_stored
from tfal.storage.joined import is_joined
from tfal.storage.tables import Row, read_rounds, write_table

_PREDICTIONS = "predictions.npz"
_MEND = "Remove its folder or give another --resultsDir."


def experiment_name(recipe: Recipe) -> str:
    """The folder below the results that all strategies and repetitions of a recipe share: "mnist_SCNN"."""
    return f"{recipe.title}_{as_part(recipe.network)}"


def repetition_part(strategy: str, rep: int) -> Path:
    """The folder of one repetition, below that of the experiment: "ldms/rep001"."""
    return Path(as_part(strategy)) / f"rep{rep:03d}"


class RunFolder:
    """`<results_dir>/<dataset>_<network>/<strategy>/rep<NNN>/` of one repetition of one recipe.

    rep: number of the repetition, from 1.
    data: fingerprint of the data set, so that rows of other data are never mixed in.
    """

    def __init__(self, recipe: Recipe, rep: int, data: str) -> None:
        self.experiment = Path(recipe.results_dir) / experiment_name(recipe)
        self.path = self.experiment / repetition_part(recipe.strategy, rep)
        self.strategy = self.path.parent
        self.rep = rep
        self._identity = Identity(recipe, data)
        self._shared = Folder(self.path, "recipe.json", ["rounds.csv", "pool.npz"])

    def rows(self) -> list[Row]:
        """The committed rounds. Raises InputError when they belong to another recipe, or are damaged.

        As long as there are none, the folder belongs to nobody: what a try before left behind is replaced by `start`.
        """
        if is_joined(self.experiment):
            raise InputError(
                f"{self.experiment} holds joined results, which no run adds to. Give another --resultsDir."
            )
        stored = self._stored()
        rows = read_rounds(self.path / "rounds.csv")
        if stored is None or not rows:
            return []
        differences = self._identity.differences(stored)
        if differences:
            raise refusal(self.path, differences)
        return rows

    def check_network(self, network: Sequence[str]) -> None:
        """Raises InputError when the committed rounds are of another network; see tfal.training.layers.described."""
        stored = self._stored() if self.rows() else None
        self._shared.check_network((stored or {}).get("network"), network)

    def _stored(self) -> dict[str, Any] | None:
        """recipe.json; None where there is none, or a damaged one that no round belongs to."""
        return self._shared.stored(lambda path: read_stored(path, _MEND), (self.path / "rounds.csv").exists())

    def pool(
        self, initial: Pool, rows: list[Row], labels: np.ndarray | None = None, n_known: int | None = None
    ) -> Pool:
        """A pool with which the round after `rows` begins.

        Args:
            initial: the recipe's pool before any query.
            rows: the committed rounds.
            labels: (N,) the true classes, where the pool is to be held against them.
            n_known: classes from this number on are unknown ones.

        Raises InputError when pool.npz is damaged, or is not the pool of these rows, this split and these labels.
        """
        if not rows:
            return initial.back_to(0)  # a copy: strategies start from the same one
        path = self.path / "pool.npz"
        if not path.exists():
            raise InputError(f"{path} is missing. {_MEND}")
        pool = Pool.load(path)
        before = 0 if initial.n_bought else -1  # first labels that a strategy chose are those of round 0
        bought = [int(np.sum((pool.round >= 0) & (pool.round <= step))) for step in range(len(rows))]
        if pool.back_to(before) != initial or bought != [row["labels"] for row in rows]:
            raise InputError(
                f"{path} does not hold the pool of this data set, this seed and the rows of rounds.csv. {_MEND}"
            )
        wrong = np.zeros(0, int) if labels is None else pool.mislabeled(labels, n_known)
        if len(wrong):
            raise InputError(f"{path} has other labels than the data set, such as of ids {wrong[:5].tolist()}. {_MEND}")
        return pool.back_to(len(rows))

    def memory(self, round: int) -> dict[str, np.ndarray]:
        """What the strategy kept for `round` from the one before; nothing where another one chose there.

        Raises InputError when its file is damaged.
        """
        path, strategy = self._memory_path(round), self._identity.strategy
        kept_by = strategy.in_round(round - 1)
        if not path.exists() or strategy.in_round(round) != kept_by:
            return {}
        return read_memory(path, kept_by.memory_shapes)

    def write_memory(self, round: int, memory: Mapping[str, np.ndarray]) -> None:
        """What the strategy keeps for `round`; no file where that is nothing."""
        if memory:
            path = self._memory_path(round)
            make_folder(path.parent)
            write_atomically(path, lambda file: np.savez(file, **dict(memory)))  # type: ignore[arg-type]

    def _memory_path(self, round: int) -> Path:
        return self.path / "memory" / f"round{round:03d}.npz"

    def write_weights(self, round: int, weights: Sequence[np.ndarray]) -> None:
        """A learner's values after `round`, from which the next one goes on."""
        path = self._weights_path(round)
        make_folder(path.parent)
        arrays = {f"weight_{place:04d}": value for place, value in enumerate(weights)}
        write_atomically(path, lambda file: np.savez(file, **arrays))  # type: ignore[arg-type]

    def weights(self, round: int) -> list[np.ndarray]:
        """What `write_weights` wrote. Raises InputError when the file is missing or damaged."""
        arrays = read_memory(self._weights_path(round))
        return [arrays[name] for name in sorted(arrays)]

    def drop_weights(self, round: int) -> None:
        """Removes the values after `round` and after those before it, which a stop may have left, if they are there."""
        for old in range(round + 1):
            self._weights_path(old).unlink(missing_ok=True)

    def predictions(self, round: int, n: int) -> np.ndarray | None:
        """The (n,) that `write_predictions` wrote after `round`; None where it did not, as older versions did not.

        Raises InputError when the file is damaged.
        """
        path = self.path / _PREDICTIONS
        if not path.exists():
            return None
        mend = "Remove it: the next round will not say then how much the network has changed."
        arrays = read_arrays(path, mend)
        n_before = n if len(np.atleast_1d(arrays.get("before", 0))) else 0
        check_arrays(path, arrays, {"round": (), "predicted": (n,), "before": (n_before,)}, mend)
        name = {0: "predicted", 1: "before" if n_before else ""}.get(int(arrays["round"]) - round, "")
        return arrays.get(name)

    def write_predictions(self, round: int, predicted: np.ndarray, before: np.ndarray | None) -> None:
        """The predictions (n,) for the stop set after `round`, and those of the one before.

        Both are in one file, so that a round whose row a stop has kept from the disk finds the latter when it is run
        again.
        """
        before = predicted[:0] if before is None else before
        arrays = {"round": np.int64(round), "predicted": predicted, "before": before}
        write_atomically(self.path / _PREDICTIONS, lambda file: np.savez(file, **arrays))  # type: ignore[arg-type]

    def _weights_path(self, round: int) -> Path:
        return self.path / "weights" / f"round{round:03d}.npz"

    def locked(self) -> contextlib.AbstractContextManager[None]:
        """Holds the folder for this process. Raises InputError when another process works in it.

        The lock goes with the process, however it ends, so nothing needs to be removed by hand.
        """
        return self._shared.locked([self.path / "memory", self.path / "weights", self.strategy, self.experiment])

    def start(self) -> list[str]:
        """Writes recipe.json: what is run, and with what. Returns in what committed rows were made elsewhere.

        Where no row is committed, what an earlier try of something else left behind is removed first.
        """
        stored, here = self._stored(), environment()
        if stored is None or not self.rows():
            if stored is not None and self._differs(stored):
                self._discard()
            network = {"network": self._shared.network} if self._shared.network else {}
            wanted = {**self._identity.as_json(), **network, "environment": here}
        else:
            wanted = {**stored, "recipe": self._identity.with_all_budgets(stored["recipe"])}
        if wanted != stored:
            self._shared.write(wanted)
        made = wanted.get("environment")  # a stranger's file may lack it
        return differences(made, here) if isinstance(made, dict) else []

    def is_of_another_try(self) -> bool:
        """Whether nothing is committed, and what is there will be removed by `start`."""
        stored = self._stored()
        return stored is not None and not self.rows() and self._differs(stored)

    def _differs(self, stored: dict[str, Any]) -> bool:
        return bool(self._identity.differences(stored)) or self._shared.has_other_network(stored.get("network"))

    def _discard(self) -> None:
        """Removes what a round or a labeled set leaves before its row."""
        name = self.strategy.name
        left = ["pool.npz", _PREDICTIONS, "memory/*.npz", "weights/*.npz", f"{name}_*.npy", f"{name}_*.json"]
        self._shared.discard(left)

    def commit(self, pool: Pool, rows: list[Row], original_path: bool, memory: Mapping[str, np.ndarray]) -> None:
        """Makes the last of `rows` final: the strategy's memory, pool.npz, rounds.csv, then the accuracies as text."""
        self.write_memory(len(rows), memory)
        pool.save(self.path / "pool.npz")
        self.write_rows(rows)
        self.write_accuracies(rows, original_path)

    def write_rows(self, rows: list[Row]) -> None:
        """rounds.csv."""
        write_table(self.path / "rounds.csv", rows)

    def write_accuracies(self, rows: list[Row], original_path: bool) -> None:
        """test_accs_NNN.txt: a fraction with 5 decimals a line; with original_path also where LDM-S's code put it."""
        text = "".join(f"{row['test_accuracy']:.5f}\n" for row in rows)
        for folder in [self.strategy] + [self.experiment] * original_path:
            path = folder / f"test_accs_{self.rep:03d}.txt"
            if not path.exists() or path.read_bytes() != text.encode():
                write_text(path, text)


def read_memory(
    path: Path, shapes: Mapping[str, tuple[int | None, ...]] = MappingProxyType({})
) -> dict[str, np.ndarray]:
    """The arrays of one file of a strategy's memory. Raises InputError when it is damaged.

    shapes: of those that must be there, see Strategy.memory_shapes.
    """
    arrays = read_arrays(path, _MEND)
    check_arrays(path, arrays, shapes, _MEND)
    return arrays


def check_arrays(
    path: Path, arrays: Mapping[str, np.ndarray], shapes: Mapping[str, tuple[int | None, ...]], mend: str
) -> None:
    """Raises InputError, which ends in `mend`, where arrays of a file are not finite numbers of these shapes."""
    for name, shape in shapes.items():
        if not _fits(arrays.get(name), shape):
            found = f"{arrays[name].dtype} of shape {arrays[name].shape}" if name in arrays else "none"
            wanted = "x".join("n" if length is None else f"{length}" for length in shape) or "a single one"
            raise InputError(f"{path} must hold {name!r}, finite numbers: {wanted}. Received: {found}. {mend}")


def _fits(array: np.ndarray | None, shape: tuple[int | None, ...]) -> bool:
    if array is None or array.dtype.kind not in "biuf" or array.ndim != len(shape):
        return False
    lengths = zip(array.shape, shape, strict=True)
    return all(wanted in (None, length) for length, wanted in lengths) and bool(np.isfinite(array).all())
