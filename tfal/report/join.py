"""The results of an experiment as two files to publish: `python -m tfal.report.join results/mnist_SCNN FOLDER`.

rounds.csv has every row of every repetition, recipe.json every option; see tfal.storage.joined. `tfal.report` and
`tfal.report.compare` read that folder like the first. What a run needs to go on (pools, weights, labeled sets) and
what follows from the rows (the text files of accuracies) is left out.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from tfal.command import Parser, run_command
from tfal.errors import InputError
from tfal.files import check_writable
from tfal.report.results import read_stored_runs
from tfal.report.words import counted
from tfal.storage.joined import write_joined


def join(experiment: Path, target: Path) -> str:
    """Writes all repetitions below `experiment` to rounds.csv and recipe.json in `target`; says so in one line.

    Raises InputError when there are none, when a file is damaged, or when `target` holds results already.
    """
    runs = read_stored_runs(experiment)
    there = [path for path in (target / "rounds.csv", target / "recipe.json") if path.exists()]
    there += sorted(target.glob("*/rep*/rounds.csv"))
    if there:
        raise InputError(f"{target} holds results already ({there[0]}). Give a folder that has none.")
    check_writable(target, "the folder of joined results", "Give another one.")
    write_joined(target, runs)
    strategies = ", ".join(sorted({strategy for strategy, _ in runs}))
    return (
        f"Joined: {counted(len(runs), 'repetition')} of {strategies}. Files: {target}/   python -m tfal.report {target}"
    )


def main(arguments: Sequence[str] | None = None, program: str = "python -m tfal.report.join") -> int:
    """The command line: an experiment and where its joined results go."""

    def work() -> int:
        parser = Parser(description=(__doc__ or "").splitlines()[0])
        parser.add_argument("experiment", type=Path, help="folder such as results/mnist_SCNN")
        parser.add_argument("target", type=Path, help="folder for rounds.csv and recipe.json, without results so far")
        given = parser.parse_args(arguments)
        print(join(given.experiment, given.target))
        return 0

    return run_command(program, work, "The same command begins again.")


if __name__ == "__main__":
    sys.exit(main())
