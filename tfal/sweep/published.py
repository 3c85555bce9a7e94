"""Numbers of a publication beside those that were measured."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Sequence
from pathlib import Path

from tfal.storage.tables import read_rounds
from tfal.sweep.expand import SingleRun
from tfal.sweep.manifest import Manifest
from tfal.sweep.tables import Options


def beside(manifest: Manifest, runs: Sequence[SingleRun], results: Path) -> Iterator[str]:
    """A line for each published number, with the mean and deviation of what the finished repetitions have there."""
    for row in manifest.published:
        metric = row.get("metric", "test_accuracy")
        what = ", ".join(str(row[name]) for name in ("set", "strategy") if name in row)
        published = f"{row['value']:.4g}" + (f" ± {row['std']:.2g}" if "std" in row else "")
        found = list(_measured(row, runs, results, metric))
        spread = f" ± {statistics.stdev(found):.2g}" if len(found) > 1 else ""
        measured = (
            f"{statistics.mean(found):.4f}{spread} ({len(found)} run{'s' * (len(found) != 1)})"
            if found
            else "nothing yet"
        )
        where = f"{what}{', ' * bool(what)}{row['labels']} labels, {metric}"
        yield f"{where}: published {published} ({row['source']}), here {measured}"


def _measured(row: Options, runs: Sequence[SingleRun], results: Path, metric: str) -> Iterator[float]:
    for run in runs:
        if run.recipe is None or (run.set_name, run.recipe.strategy) != (
            row.get("set", run.set_name),
            row.get("strategy", run.recipe.strategy),
        ):
            continue
        path = results / run.job.results
        if path.exists():
            yield from (float(r[metric]) for r in read_rounds(path) if r["labels"] == row["labels"] and metric in r)
