"""Trackers: what is told of each round as soon as it is committed, such as TensorBoard and Weights & Biases.

A tracker is a function `on_round(row)`: a row with dataset, network, strategy, repetition and all of rounds.csv. What
it does with it is its own affair: rounds.csv stays the source of truth, and a tracker that fails stops nothing.
"""

from __future__ import annotations

import contextlib
import importlib.util
import logging
import os
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

from tfal.errors import InputError
from tfal.files import make_folder, storage_errors, write_text
from tfal.recipe import Recipe
from tfal.storage.runfolder import experiment_name, repetition_part

LOGGER = logging.getLogger("tfal")

OnRound = Callable[[Mapping[str, Any]], object]
_KEYS = ("dataset", "network", "strategy", "repetition")


class Tracker(Protocol):
    """A tracker that is asked for by name: a function of rows, and an end."""

    def __call__(self, row: Mapping[str, Any]) -> None:
        """One round is committed."""

    def close(self) -> None:
        """No more rounds will come."""


class TensorBoard:
    """Scalars over the number of labels, in `tensorboard/` of the folder of each repetition.

    `tensorboard --logdir results` shows all of them.
    """

    def __init__(self, recipe: Recipe) -> None:
        self._recipe = recipe
        self._folder: Path | None = None
        self._writer: Any = None

    def __call__(self, row: Mapping[str, Any]) -> None:
        from tensorboard.summary import Writer

        folder = _folder(self._recipe, row) / "tensorboard"
        if folder != self._folder:
            self.close()
            self._folder, self._writer = folder, Writer(str(folder))
        for name, value in _values(row).items():
            self._writer.add_scalar(name, value, step=row["labels"])
        self._writer.flush()

    def close(self) -> None:
        """Ends the file of the newest repetition."""
        if self._writer is not None:
            self._writer.close()
            self._folder = self._writer = None


class WeightsAndBiases:
    """A run for each repetition, in the project $WANDB_PROJECT, else tfal; offline with WANDB_MODE=offline.

    The id of its run lies in `wandb.txt` of the folder of each repetition, so that one that goes on after a stop goes
    on there, too.
    """

    def __init__(self, recipe: Recipe) -> None:
        self._recipe = recipe
        self._key: tuple[Any, ...] = ()
        self._run: Any = None

    def __call__(self, row: Mapping[str, Any]) -> None:
        key = tuple(row[name] for name in _KEYS)
        if key != self._key:
            self.close()
            self._run, self._key = self._started(row), key
        self._run.log(_values(row) | {"labels": row["labels"]}, step=row["round"])

    def _started(self, row: Mapping[str, Any]) -> Any:
        import wandb

        run = wandb.init(
            project=os.environ.get("WANDB_PROJECT", "tfal"),
            group=f"{row['dataset']}_{row['network']}",
            name=f"{row['strategy']}/rep{row['repetition']:03d}",
            id=_kept_id(_folder(self._recipe, row) / "wandb.txt"),
            resume="allow",
            dir=self._recipe.results_dir,
            config=self._recipe.replace(strategy=row["strategy"]).identity() | {name: row[name] for name in _KEYS},
            reinit="create_new",
            settings=wandb.Settings(silent=True, console="off"),
        )
        run.define_metric("labels")
        run.define_metric("*", step_metric="labels")
        return run

    def close(self) -> None:
        """Ends the run of the newest repetition."""
        if self._run is not None:
            run, self._run, self._key = self._run, None, ()
            run.finish()


TRACKERS: dict[str, Callable[[Recipe], Tracker]] = {"tensorboard": TensorBoard, "wandb": WeightsAndBiases}


def names(recipe: Recipe) -> list[str]:
    """The trackers that a recipe names."""
    return recipe.log.split(",") if recipe.log else []


def check_trackers(recipe: Recipe) -> None:
    """Raises InputError for trackers of a recipe that are not installed, or that nobody has logged in to."""
    for name in names(recipe):
        spec = importlib.util.find_spec(name)
        if spec is None or spec.origin is None:  # a folder of that name, as wandb makes them, is no package
            raise InputError(
                f"--log {name} needs the package {name}, which is not installed. Install it, pip install {name}, or "
                "leave --log out: rounds.csv has all that it would be told."
            )
        if name == "wandb" and os.environ.get("WANDB_MODE", "online") == "online":
            _check_login()


def _check_login() -> None:
    import wandb

    if not wandb.login(prompt=False, verify=False):
        raise InputError(
            "--log wandb: nobody is logged in to Weights & Biases here. Run wandb login, or set WANDB_MODE=offline and "
            "give the runs to wandb sync later."
        )


class Trackers:
    """All that are told of rounds. One that fails is said once, and told of no more.

    Args:
        recipe: names trackers in `log`.
        on_round: one more, a function of rows.
    """

    def __init__(self, recipe: Recipe, on_round: OnRound | None = None) -> None:
        self._made: dict[str, Tracker] = {name: TRACKERS[name](recipe) for name in names(recipe)}
        self._told: dict[str, OnRound] = {**self._made, **({} if on_round is None else {"on_round": on_round})}

    def on_round(self, recipe: Recipe, rep: int, row: Mapping[str, float]) -> None:
        """A round of one repetition of the one strategy of `recipe` is committed."""
        place = zip(_KEYS, (recipe.title, recipe.network, recipe.strategy, rep), strict=True)
        told: dict[str, Any] = {**dict(place), **row}
        for name, tracker in list(self._told.items()):
            try:
                tracker(dict(told))
            except Exception as error:
                del self._told[name]
                LOGGER.warning(
                    f"{name} failed ({_in_a_line(error)}) and is told of no more rounds; the run goes on, and "
                    "rounds.csv has all of them."
                )

    def close(self) -> None:
        """No more rounds will come."""
        for name, tracker in self._made.items():
            try:
                tracker.close()
            except Exception as error:
                if name in self._told:
                    LOGGER.warning(f"{name} failed at its end ({_in_a_line(error)}); rounds.csv has all rounds.")


def _in_a_line(error: Exception) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"


def _values(row: Mapping[str, Any]) -> dict[str, float]:
    """The numbers of a row that are neither its place nor its labels."""
    return {name: value for name, value in row.items() if name not in (*_KEYS, "round", "labels")}


def _folder(recipe: Recipe, row: Mapping[str, Any]) -> Path:
    """The folder of a row's repetition."""
    return Path(recipe.results_dir) / experiment_name(recipe) / repetition_part(row["strategy"], row["repetition"])


def _kept_id(path: Path) -> str:
    """The name in a file; a new one where there is none."""
    with storage_errors(path), contextlib.suppress(FileNotFoundError):
        known = path.read_text(encoding="utf-8").strip()
        if known:
            return known
    made = uuid.uuid4().hex[:8]
    make_folder(path.parent)
    write_text(path, f"{made}\n")
    return made
