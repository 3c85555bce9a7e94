"""Results as one tidy table, csv or Parquet, for pandas, R and the like: `tfal tidy results/mnist_SCNN results.csv`.

One row for each experiment, data set, network, strategy, repetition, round and metric, with the number of labels and
the value. Metrics are the columns of rounds.csv; what a round does not have is no row.
"""

from __future__ import annotations

import csv
import io
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np

from tfal.command import Parser, run_command
from tfal.errors import InputError
from tfal.files import check_writable, storage_errors, write_atomically
from tfal.plugins import as_part
from tfal.report.comparison import experiments
from tfal.report.results import read_stored_runs, told_apart
from tfal.storage.joined import Stored

COLUMNS = ("experiment", "dataset", "network", "strategy", "repetition", "round", "labels", "metric", "value")
_HEAD = ",".join(COLUMNS).encode()
_MAGIC = b"PAR1"  # of a Parquet file
_BLOCK = 100_000  # rows

TidyRow = tuple[str, str, str, str, int, int, int, str, float]


def tidy_rows(folders: Sequence[Path]) -> Iterator[TidyRow]:
    """The rows of COLUMNS of all results at or below `folders`, in the order of their experiments.

    experiment: as many last parts of its path as tell it from the others. dataset: with its variant, as in the name of
    the folder.

    Raises InputError for a folder that is not there or holds no results, and for damaged files.
    """
    paths: dict[Path, Path] = {}
    for folder in folders:
        found = list(experiments(folder)) if folder.is_dir() else []
        if not found:
            raise InputError(
                f"no results in {str(folder)!r}. Expected: a folder such as results/mnist_SCNN, with "
                "<strategy>/rep001/rounds.csv in it, or one with such folders below it."
            )
        paths |= {path.resolve(): path for path in found}
    for name, path in zip(told_apart([*paths]), paths.values(), strict=True):
        for (strategy, rep), run in sorted(read_stored_runs(path).items()):
            yield from _of_run((name, *_dataset_and_network(path, run)), strategy, rep, run)


def _of_run(where: tuple[str, str, str], strategy: str, rep: int, run: Stored) -> Iterator[TidyRow]:
    for row in run.rows:
        start = (*where, strategy, rep, int(row["round"]), int(row["labels"]))
        for metric, value in row.items():
            if metric not in ("round", "labels"):
                yield (*start, metric, value)


def _dataset_and_network(experiment: Path, run: Stored) -> tuple[str, str]:
    """The network of a run's recipe, and what stands before it in the folder's name; without a recipe the name's parts.

    The name of a folder that was renamed is all dataset.
    """
    name = experiment.resolve().name
    network = str(run.recipe["recipe"].get("network", "")) if run.recipe is not None else name.rpartition("_")[2]
    ending = f"_{as_part(network)}"
    return (name.removesuffix(ending) if network else name), network


def write(folders: Sequence[Path], path: Path) -> int:
    """Writes all results at or below `folders` to `path`, at once or not at all; returns the number of rows.

    Raises InputError for folders without results, damaged files, an ending other than .csv or .parquet, a file there
    that is no such table, or where pyarrow is missing for Parquet.
    """
    make = _writer(path)
    _check_not_anothers(path)
    check_writable(path.parent, "the folder of the table", "Give another one.")
    rows = tidy_rows([Path(folder) for folder in folders])
    first = next(rows)  # what is wrong with the folders is said before anything is written
    counted = _Counted(first, rows)
    write_atomically(path, lambda file: make(file, counted))
    return counted.n


class _Counted:
    """Rows that are counted as they go by."""

    def __init__(self, first: TidyRow, rest: Iterator[TidyRow]) -> None:
        self._first, self._rest, self.n = first, rest, 0

    def __iter__(self) -> Iterator[TidyRow]:
        self.n = 1
        yield self._first
        for row in self._rest:
            self.n += 1
            yield row


def _writer(path: Path) -> Callable[[IO[bytes], Iterable[TidyRow]], None]:
    if path.suffix.lower() == ".csv":
        return _write_csv
    if path.suffix.lower() != ".parquet":
        raise InputError(
            f"the table comes last, a file that ends in .csv or .parquet. Received: {str(path)!r}. Write, for example, "
            "tfal tidy results/mnist_SCNN results.csv."
        )
    try:
        import pyarrow.parquet  # noqa: F401
    except ImportError:
        raise InputError(
            f"{path} needs pyarrow, which is not installed. Install it, pip install pyarrow, or give a name that ends "
            "in .csv."
        ) from None
    return _write_parquet


def _check_not_anothers(path: Path) -> None:
    """Raises InputError where a file is there that this did not write."""
    if not path.exists():
        return
    wanted = _HEAD if path.suffix.lower() == ".csv" else _MAGIC
    with storage_errors(path), path.open("rb") as file:
        start = file.read(len(wanted))
    if start != wanted:
        raise InputError(f"{path} is there and is no table of results. Give another name, or remove it.")


def _write_csv(file: IO[bytes], rows: Iterable[TidyRow]) -> None:
    text = io.TextIOWrapper(file, "utf-8", newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows(rows)
    text.flush()
    text.detach()  # so that the file stays open for who opened it


def _write_parquet(file: IO[bytes], rows: Iterable[TidyRow]) -> None:
    import pyarrow
    import pyarrow.parquet

    kinds: dict[str, Any] = dict.fromkeys(COLUMNS, pyarrow.string())
    kinds |= dict.fromkeys(("repetition", "round", "labels"), pyarrow.int64()) | {"value": pyarrow.float64()}
    schema = pyarrow.schema(list(kinds.items()))
    with pyarrow.parquet.ParquetWriter(file, schema) as writer:
        for block in _blocks(rows):
            *keys, values = zip(*block, strict=True)
            writer.write_table(pyarrow.table([*keys, np.array(values, float)], schema=schema))


def _blocks(rows: Iterable[TidyRow]) -> Iterator[list[TidyRow]]:
    block: list[TidyRow] = []
    for row in rows:
        block.append(row)
        if len(block) == _BLOCK:
            yield block
            block = []
    if block:
        yield block


def main(arguments: Sequence[str] | None = None, program: str = "python -m tfal.report.tidy") -> int:
    """The command line: folders with results, and the table that is made of them."""

    def work() -> int:
        parser = Parser(description=(__doc__ or "").splitlines()[0])
        parser.add_argument("folders", type=Path, nargs="+", help="experiments, or folders with some below them")
        parser.add_argument("table", type=Path, help="the file to write; ends in .csv or .parquet")
        given = parser.parse_args(arguments)
        n = write(given.folders, given.table)
        print(f"Table: {given.table}, {n:,} rows of {', '.join(COLUMNS)}.")
        return 0

    return run_command(program, work, "The same command begins again.")


if __name__ == "__main__":
    sys.exit(main())
