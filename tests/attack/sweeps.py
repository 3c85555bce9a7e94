"""Sweeps that are killed: the sweep itself, or single workers, at random moments.

python -m tests.attack.sweeps [--kills 20] [--seed 0]

Eight small runs on digits, once undisturbed, once killed again and again and started anew. All files of both must be
the same, byte for byte but for seconds, memory and the pictures. Not part of the tests: it takes minutes.
"""

from __future__ import annotations

import argparse
import csv
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).parents[2]
MANIFEST = """
[sweep]
name = "attacked"
[base]
protocol = "digits"
network = "MLP"
n_epoch = 20
n_step = 4
n_pool = 200
n_query = 10
n_valid = 100
[grid]
strategy = ["badge", "coreset", "margin", "random"]
rep = 2
"""
_VARIES = ("seconds_", "peak_memory")


def main(argv: Sequence[str] | None = None) -> int:
    """Prints each kill, and what came of all; exit code 1 where results differ."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--most", type=float, default=15.0, help="seconds before a kill, at most")
    given = parser.parse_args(argv)
    rng = random.Random(given.seed)
    with tempfile.TemporaryDirectory(prefix="tfal-sweeps-") as place:
        manifest = Path(place) / "attacked.toml"
        manifest.write_text(MANIFEST)
        calm, attacked = Path(place) / "calm", Path(place) / "attacked"
        assert subprocess.run(_command(manifest, calm), cwd=ROOT, check=False).returncode == 0
        for kill in range(given.kills):
            print(f"{kill + 1}: {_killed(_command(manifest, attacked), rng, given.most)}", flush=True)
        end = subprocess.run(_command(manifest, attacked), cwd=ROOT, check=False)
        different = [
            path for path in sorted(_files(calm) | _files(attacked)) if not _same(calm / path, attacked / path)
        ]
        told = f"{len(_files(calm))} files, of which {len(different)} differ {', '.join(map(str, different))}"
        print(f"{given.kills} kills, seed {given.seed}: exit code {end.returncode}, {told}")
    return int(bool(different) or end.returncode != 0)


def _command(manifest: Path, results: Path) -> list[str]:
    return [sys.executable, "-m", "tfal", "sweep", str(manifest), "--resultsDir", str(results), "--retry-failed"]


def _killed(command: list[str], rng: random.Random, most: float) -> str:
    """Starts a sweep and kills it, or one of its workers, at a random moment; what was killed."""
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait = rng.uniform(0.5, most)
    until = time.monotonic() + wait
    while time.monotonic() < until and process.poll() is None:
        time.sleep(0.01)
    workers = _children(process.pid)
    if workers and rng.random() < 0.5:
        victim, what = rng.choice(workers), "a worker"
    else:
        victim, what = process.pid, f"the sweep of {len(workers)} workers"
    number = rng.choice((signal.SIGKILL, signal.SIGKILL, signal.SIGTERM, signal.SIGINT))
    if process.poll() is None:
        os.kill(victim, number)
    if victim != process.pid:  # the sweep says that it failed, and goes on with others for a while
        time.sleep(rng.uniform(0, 3))
        process.kill()
    process.wait()
    return f"{signal.Signals(number).name} to {what} after {wait:.1f} s"


def _children(parent: int) -> list[int]:
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            if int(fields[1]) == parent:
                found.append(int(entry.name))
    return found


def _files(results: Path) -> set[Path]:
    return {
        path.relative_to(results)
        for path in results.rglob("*")
        if path.is_file() and ".sweep" not in path.parts and path.name not in (".lock", "curves.png")
    }


def _same(first: Path, second: Path) -> bool:
    if not (first.exists() and second.exists()):
        return False
    if first.name != "rounds.csv":
        return first.read_bytes() == second.read_bytes()
    rows = []
    for path in (first, second):
        with path.open() as file:
            rows.append([{k: v for k, v in row.items() if not k.startswith(_VARIES)} for row in csv.DictReader(file)])
    return rows[0] == rows[1]


if __name__ == "__main__":
    sys.exit(main())
