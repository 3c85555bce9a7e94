"""What a cold-start study is: its options, its files, and what is left to do. Loads no TensorFlow.

`<results_dir>/coldstart/<dataset>_<network>/` holds study.json (what the files were made with), rankings/, pools.csv
(a row for each trained pool), correlations.csv and pictures. Every step begins where its files end.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from tfal.coldstart.criteria import CRITERIA, resolve
from tfal.coldstart.data_maps import TEMPERATURES
from tfal.data import Dataset, fingerprint
from tfal.data.prints import comparable
from tfal.errors import InputError
from tfal.files import check_writable, make_folder, read_json
from tfal.kernels.parts import check
from tfal.plugins import as_part
from tfal.recipe import Recipe
from tfal.recipe.components import options
from tfal.storage.array_files import read_array
from tfal.storage.folder import Folder, differing
from tfal.storage.index_files import read_pool_ids
from tfal.storage.tables import read_table
from tfal.streams import Streams

RANDOM = "random"  # in the place of a criterion
# The options of the recipe that count here. All pools are trained alike: the last epoch counts, as a validation set
# larger than the pool would be labels that nobody has.
OPTIONS = (
    *("dataset", "network", "seed", "data_dir", "image_size", "corrupt", "max_pixels", "threads", "results_dir"),
    *("n_batch", "n_epoch", "n_step_epoch", "steps", "optimizer", "learning_rate", "momentum", "weight_decay"),
    *("nesterov", "schedule", "augment", "normalize", "n_pass", "n_view"),
    *("n_epoch_simclr", "n_batch_encoder", "n_warmup", "lr_encoder"),
    *("n_epoch_vaal", "n_batch_vaal", "lr_vaal", "vaal_latent", "vaal_kl"),
)
DEFAULT = Recipe(n_valid=0, n_step_epoch=10, steps="at_least")
_IDENTITY = [name for name, option in options().items() if name in OPTIONS and option.metadata["identity"]]
Row = dict[str, Any]
_COLUMNS, _TEXT = ("budget", "criterion", "run", "accuracy", "auc", "coverage"), ("criterion", "measure", "note")
_MEND = "Remove it, or give another --resultsDir."


class Work(NamedTuple):
    """One pool to be trained: so many images, a criterion or "random", and the number of the training, from 1."""

    budget: int
    criterion: str
    run: int


@dataclass(frozen=True)
class Study:
    """Options besides the recipe's.

    criteria: a comma list; None: all label-free ones, with `oracle` all. budgets: images, or shares of the training
    images below 1 with a point, a comma list. n_random: random pools of each budget. n_run: trainings of a chosen pool.
    n_cluster: K-means clusters that take turns. temperature: of the contrastive map. oracle: whether a classifier may
    learn the labels of the test split.
    """

    recipe: Recipe = DEFAULT
    criteria: str | None = None
    budgets: str = "20,50,100"
    n_random: int = 20
    n_run: int = 3
    n_cluster: int = 30
    temperature: float = 0.05
    oracle: bool = False


class Plan:
    """A study on its data, checked. Raises InputError for what cannot be run or does not fit the files; writes nothing.

    Attributes: study, recipe, data, criteria (names), budgets [images], folder.
    """

    def __init__(self, study: Study, data: Dataset) -> None:
        for name in ("n_random", "n_run", "n_cluster"):
            check.whole_number(name, getattr(study, name))
        if study.temperature not in TEMPERATURES:
            raise InputError(f"--temperature must be one of {TEMPERATURES}. Received: {study.temperature}.")
        self.study, self.recipe, self.data = study, study.recipe, data
        self.criteria = resolve(study.criteria, study.oracle)
        self.budgets = budgets_of(study.budgets, len(data.readable))
        self.folder = Path(study.recipe.results_dir) / "coldstart" / f"{data.name}_{as_part(study.recipe.network)}"
        check_writable(self.folder)
        self._shared = Folder(self.folder, "study.json", [self.table.name])
        stored = self._stored()
        differences = [] if stored is None else self._differences(stored)
        if differences and self.rows():
            raise InputError(
                f"{self.folder} was made with other options ({'; '.join(differences)}). "
                "Use the same ones to go on, or give another --resultsDir."
            )
        if not (differences or (stored is None and self._shared.about.exists())):
            self.correlations()
            for name in self.criteria:
                self.ranking(name)
                self.scores(name)

    @cached_property
    def members(self) -> np.ndarray:
        """Ids of the images that can be read, ascending: row i of all that is read belongs to members[i]."""
        return self.data.readable

    @property
    def table(self) -> Path:
        """pools.csv."""
        return self.folder / "pools.csv"

    @property
    def oracle_file(self) -> Path:
        """Where what the oracle says is kept."""
        return self.folder / "oracle.npz"

    def correlations(self) -> list[Row]:
        """The rows of correlations.csv so far."""
        return read_table(self.folder / "correlations.csv", ("budget", "criterion", "measure"), _TEXT, _MEND)

    def rows(self) -> list[Row]:
        """The pools trained so far."""
        rows = read_table(self.table, _COLUMNS, _TEXT, _MEND)
        odd = [row for row in rows if not all(isinstance(row[name], int) for name in ("budget", "run"))]
        if odd:
            raise InputError(f"{self.table} is damaged ({odd[0]['budget']} images, run {odd[0]['run']}). {_MEND}")
        return rows

    def left(self) -> list[Work]:
        """The pools still to be trained, budget by budget."""
        done = {(row["budget"], row["criterion"], row["run"]) for row in self.rows()}
        runs = [(RANDOM, run) for run in range(1, self.study.n_random + 1)]
        runs += [(name, run) for name in self.criteria for run in range(1, self.study.n_run + 1)]
        return [Work(b, *run) for b in self.budgets for run in runs if (b, *run) not in done]

    def ranking_file(self, criterion: str) -> Path:
        """Where its ids are, best first."""
        return self.folder / "rankings" / f"{criterion}_sorted_idx.npy"

    def ranking(self, criterion: str) -> np.ndarray | None:
        """All ids, best first, int64; None where the file is not there yet."""
        path = self.ranking_file(criterion)
        return read_pool_ids(path, self.members, len(self.members)) if path.exists() else None

    def scores_file(self, criterion: str) -> Path:
        """Where its scores are, by id."""
        return self.folder / "rankings" / f"{criterion}_scores.npy"

    def scores(self, criterion: str) -> np.ndarray | None:
        """A score for every image, float64 (N,), NaN where it cannot be read; None where there is no file."""
        path, mend = self.scores_file(criterion), "Remove the folder of rankings to rank anew."
        if not path.exists():
            return None
        scores, n = read_array(path, mend), len(self.data.y_train)
        if scores.shape != (n,) or scores.dtype.kind != "f" or not np.isfinite(scores[self.members]).all():
            raise InputError(
                f"{path} must hold a finite number for each of {n} images. Received: {scores.dtype} of shape "
                f"{scores.shape}. {mend}"
            )
        return scores.astype(np.float64)

    def pool(self, work: Work) -> np.ndarray:
        """Ids of a pool, (budget,): the first of the ranking, or drawn without replacement, as they come.

        Neither is drawn again when a class is missing, where the published code redraws random pools and gives up
        chosen ones.
        """
        if work.criterion == RANDOM:
            rng = Streams(self.recipe.seed, work.run, work.budget)("initial")
            return rng.choice(self.members, work.budget, replace=False)
        ranking = self.ranking(work.criterion)
        if ranking is None:
            raise ValueError(f"there is no ranking by {work.criterion}")
        return ranking[: work.budget]

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Holds the folder for this process, and writes study.json. Raises InputError when another one works in it.

        As long as no pool is trained, what a try of something else left behind is removed.
        """
        with self._shared.locked([self.folder / "rankings"]):
            make_folder(self.folder / "rankings")
            stored, network = self._stored(), self._shared.network
            made_with = self._identity | ({"layers": network} if network else {})
            if stored is None or not self.rows():
                self._discard_another_try(stored)
                if stored != made_with:
                    self._shared.write(made_with)
            yield

    @cached_property
    def _identity(self) -> Row:
        own = {"data": fingerprint(self.data), "n_cluster": self.study.n_cluster, "temperature": self.study.temperature}
        return {name: getattr(self.recipe, name) for name in _IDENTITY} | own

    def check_network(self, network: Sequence[str]) -> None:
        """Raises InputError when the trained pools are of another network; see tfal.training.layers.described."""
        stored = self._stored() if self.rows() else None
        self._shared.check_network((stored or {}).get("layers"), network)

    def _stored(self) -> Row | None:
        """study.json; None where there is none, or a damaged one that no trained pool belongs to."""
        return self._shared.stored(_read_study, bool(self._shared.about.exists() and self.rows()))

    def _differences(self, stored: Row) -> list[str]:
        """In what study.json differs. Criteria, budgets and numbers of pools may; of the network: see check_network."""
        younger = {name: getattr(DEFAULT, name) for name in _IDENTITY}  # than the file, where it does not tell them
        there = younger | {name: value for name, value in stored.items() if name != "layers"}
        there["data"], data = comparable([there.get("data"), self._identity["data"]])
        return differing(there, {**self._identity, "data": data})

    def _discard_another_try(self, stored: Row | None) -> None:
        """Removes what comes before the first pool where it is of something else. Encoders know what they are of."""
        if stored is None and not self._shared.about.exists():
            return
        other_network = self._shared.has_other_network((stored or {}).get("layers"))
        if stored is not None and not self._differences(stored) and not other_network:
            return
        features = "self_supervised/features"
        own = ["rankings/*", "oracle.npz", "correlations.csv", f"{features}/features.npy", f"{features}/store.json"]
        self._shared.discard(own + ["self_supervised/*.npz"] * other_network)


def _read_study(path: Path) -> Row:
    mend = "Remove its folder."
    stored = read_json(path, mend)
    if not isinstance(stored.get("layers", []), list):
        raise InputError(f"{path} is damaged (layers: {stored['layers']!r}). {mend}")
    return stored


def budgets_of(text: str, n: int) -> tuple[int, ...]:
    """Numbers of images, ascending, of a comma list: whole numbers, or shares of n such as 0.01, rounded down.

    Raises InputError for anything else, and for budgets below 2, above n, or that repeat.
    """
    try:
        found = sorted(
            int(float(part) * n) if "." in part or "e" in part.lower() else int(part) for part in text.split(",")
        )
    except (ValueError, OverflowError):
        found = []
    if not found or found[0] < 2 or found[-1] > n or len(set(found)) < len(found):
        raise InputError(
            f"--budgets must be different numbers from 2 to the {n} training images, or shares of them such as 0.01, a "
            f"comma list. Received: {text!r}, which is {list(found)}."
        )
    return tuple(found)


def make_row(work: Work, found: Mapping[str, float]) -> Row:
    """A row of pools.csv."""
    oracle = int(work.criterion != RANDOM and CRITERIA[work.criterion].oracle)
    return work._asdict() | {"oracle": oracle} | dict(found)
