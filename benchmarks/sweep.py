"""What a sweep costs beside the same commands in a shell loop, and what two workers on a core each are worth.

python -m benchmarks.sweep [--runs 24] [--epochs 5] [--engines local,slurm]

Short runs on digits through the MLP, one worker at a time, so that all ways do the same work in the same order: a loop
of `tfal run ... --rep N`, and `tfal sweep` by each engine. Then the same runs by one worker with all cores and by one
worker a core. Figures mean something on an idle machine alone. With Slurm, one of a single node around it:

python tests/slurm/cluster.py run python -m benchmarks.sweep --engines local,slurm
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from benchmarks.selection_measure import machine
from tfal.storage.environment import usable_cores
from tfal.sweep.expand import expand
from tfal.sweep.folder import DONE, JobFolder
from tfal.sweep.manifest import read_manifest
from tfal.sweep.slurm.queue import live, states_with_queue

ROOT = Path(__file__).parent.parent
Way = Callable[[Path, Path], None]  # a manifest, and where its results go
MANIFEST = """
[base]
protocol = "digits"
network = "{network}"
n_epoch = {epochs}
n_step = 2
n_valid = 100
[grid]
strategy = ["margin", "random"]
rep = {reps}
[resources]
threads = {threads}
"""


def main(argv: Sequence[str] | None = None) -> None:
    """Prints a table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--runs", type=int, default=24, help="an even number")
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--network", default="MLP")
    parser.add_argument("--engines", default="local", help="local, slurm, or both")
    parser.add_argument("--skip-loop", action="store_true", help="only the comparison of workers")
    given = parser.parse_args(argv)
    print(f"{machine()}\n\n| what | runs | seconds | of the first |\n| --- | --- | --- | --- |", flush=True)
    with tempfile.TemporaryDirectory(prefix="tfal-sweep-") as place:
        if not given.skip_loop:
            engines = {f"tfal sweep --engine {engine}": (_engine(engine), 1) for engine in given.engines.split(",")}
            _table(Path(place), given, {"a shell loop": (_loop, 1), **engines})
        cores = usable_cores()
        together, apart = f"one worker, {cores} threads", f"{cores} workers, a thread each"
        _table(Path(place), given, {together: (_workers(1), cores), apart: (_workers(cores), 1)})


def _table(place: Path, given: argparse.Namespace, ways: Mapping[str, tuple[Way, int]]) -> None:
    """A row for each way, with the threads of its runs."""
    first = 0.0
    for name, (way, threads) in ways.items():
        manifest = place / f"m{threads}.toml"
        reps = given.runs // 2
        manifest.write_text(MANIFEST.format(network=given.network, epochs=given.epochs, reps=reps, threads=threads))
        start = time.perf_counter()
        way(manifest, place / name.replace(" ", "-").replace(",", ""))
        seconds = time.perf_counter() - start
        first = first or seconds
        print(f"| {name} | {given.runs} | {seconds:.1f} | {seconds / first:.3f} |", flush=True)


def _loop(manifest: Path, results: Path) -> None:
    lines = [
        " ".join([sys.executable, "-m", "tfal", *run.job.command])
        for run in expand(read_manifest(manifest), results, {})
    ]
    _checked(["bash", "-ec", "\n".join(lines)])


def _engine(engine: str) -> Way:
    if engine == "local":
        return _workers(1)
    if engine != "slurm":
        raise SystemExit(f"--engines must be of local, slurm. Received: {engine}.")
    return _on_slurm


def _on_slurm(manifest: Path, results: Path) -> None:
    """Until the last job has left the queue."""
    sweep = [sys.executable, "-m", "tfal", "sweep", str(manifest), "--resultsDir", str(results)]
    _checked([*sweep, "--engine", "slurm", "--workers", "1", "--slurm", "time=60"])
    folder = JobFolder(results)
    while live(folder):
        time.sleep(0.2)
    if any(state.name != DONE for state in states_with_queue(folder, folder.jobs()).values()):
        raise SystemExit(f"a job failed: see {folder.path}")


def _workers(count: int) -> Way:
    words = ["--workers", f"{count}"]
    return lambda manifest, results: _checked(
        [sys.executable, "-m", "tfal", "sweep", str(manifest), "--resultsDir", str(results), *words]
    )


def _checked(command: list[str]) -> None:
    subprocess.run(
        command, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}, stdout=subprocess.DEVNULL, check=True
    )


if __name__ == "__main__":
    main()
