"""The results of an experiment as two files to publish: `python -m tfal.report.join results/mnist_SCNN FOLDER`.

rounds.csv has every row of every repetition, recipe.json every option; see tfal.storage.joined. `tfal.report` and
`tfal.report.compare` read that folder like the first. What a run needs to go on (pools, weights, labeled sets) and
what follows from the rows (the text files of accuracies) is left out. Of a folder with several experiments, such as
that of a sweep, each goes to a folder of its name.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tfal.command import Parser, run_command
from tfal.errors import InputError
from tfal.files import check_writable
from tfal.report.compare import SPLIT
from tfal.report.comparison import experiments
from tfal.report.results import read_stored_runs, runs_of, value
from tfal.report.words import counted
from tfal.storage.joined import Stored, StoredRuns, is_joined, write_joined


def join(source: Path, target: Path, add: bool = False) -> str:
    """Writes all repetitions of the experiment `source` to rounds.csv and recipe.json in `target`; says so in one line.

    Where `source` is no experiment and holds some, each of them goes to the folder of its name in `target`.

    Args:
        source: a folder of results.
        target: where the two files go.
        add: whether repetitions and rounds are added to joined results that are there.

    Raises:
        InputError: no results, a damaged file, results in `target` without `add`, or with it those of another
            experiment or other rounds of a repetition that is joined there. Nothing is written then.
    """
    found = {target / path.relative_to(source): read_stored_runs(path) for path in _experiments(source)}
    alone = list(found) == [target]
    if not alone and target.resolve().is_relative_to(source.resolve()):
        raise InputError(f"{target} lies in the folder that is joined. Give one outside of it.")
    joined = {place: _beside(place, runs, add) for place, runs in found.items()}
    check_writable(target, "the folder of joined results", "Give another one.")
    for place, runs in joined.items():
        write_joined(place, runs)
    keys = [key for runs in found.values() for key in runs]
    strategies = ", ".join(sorted({strategy for strategy, _ in keys}))
    of, page = ("", "") if alone else (f" of {counted(len(found), 'experiment')}", " --html report.html")
    return (
        f"Joined: {counted(len(keys), 'repetition')} of {strategies}{of}. "
        f"Files: {target}/   python -m tfal.report {target}{page}"
    )


def _experiments(source: Path) -> list[Path]:
    found = list(experiments(source)) if source.is_dir() else []
    return found or [source]  # which then says that it holds none


def _beside(target: Path, runs: StoredRuns, add: bool) -> StoredRuns:
    """The runs, with those that are joined in `target` already."""
    there = sorted(target.glob("*/rep*/rounds.csv"))
    there += [path for path in (target / "rounds.csv", target / "recipe.json") if path.exists() and not add]
    if there:
        hint = "Give a folder that has none, or --add where all belong together."
        raise InputError(f"{target} holds results already ({there[0]}). {hint}")
    if not is_joined(target):
        return runs
    before = read_stored_runs(target)
    _check_same(target, before, runs)
    return {**before, **{key: _longer(target, key, before.get(key), run) for key, run in runs.items()}}


def _check_same(target: Path, before: StoredRuns, runs: StoredRuns) -> None:
    """Raises InputError where the runs have other data, another network or other splits than all of those before."""
    for name in ("dataset", "network", *SPLIT):
        there, here = _values(before, name), _values(runs, name)
        if there and (others := [each for each in here if each not in there]):
            raise InputError(
                f"{target} holds another experiment: its {name} is {there[0]!r}, here it is {others[0]!r}. "
                "Join these results into another folder."
            )


def _values(runs: StoredRuns, name: str) -> list[Any]:
    found = [value(run, name) for by_rep in runs_of(runs).values() for run in by_rep.values() if run.recipe is not None]
    return [each for each in found if each is not None]


def _longer(target: Path, key: tuple[str, int], before: Stored | None, run: Stored) -> Stored:
    """The one of two states of a repetition that has more rounds."""
    if before is None:
        return run
    shared = min(len(before.rows), len(run.rows))
    if before.rows[:shared] != run.rows[:shared]:
        raise InputError(
            f"{target} holds other rounds of {key[0]}, repetition {key[1]}. Join these results into another folder."
        )
    rows = max(before.rows, run.rows, key=len)
    return Stored(rows, before.recipe if run.recipe is None else run.recipe)


def main(arguments: Sequence[str] | None = None, program: str = "python -m tfal.report.join") -> int:
    """The command line: an experiment and where its joined results go."""

    def work() -> int:
        parser = Parser(description=(__doc__ or "").splitlines()[0])
        parser.add_argument(
            "experiment", type=Path, help="folder such as results/mnist_SCNN, or one with several, such as of a sweep"
        )
        parser.add_argument("target", type=Path, help="folder for rounds.csv and recipe.json, without results so far")
        parser.add_argument("--add", action="store_true", help="add repetitions and rounds to results joined there")
        given = parser.parse_args(arguments)
        print(join(given.experiment, given.target, given.add))
        return 0

    return run_command(program, work, "The same command begins again.")


if __name__ == "__main__":
    sys.exit(main())
