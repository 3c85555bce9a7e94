"""Processes that work at the same time in one experiment: other strategies, other repetitions, one encoder."""

import csv
from pathlib import Path

FLAGS = (
    "--network MLP --strategy {} --initial simclr_loss --nEpochSimclr 2 --nBatchEncoder 512 --nWarmup 0 --nStep 1 "
    "--nEpoch 1 --nValid 10 --nInit 20 --nPool 60 --nQuery 5 --resultsDir {}"
).split()

# Runs all of it in one process; then each run in one of its own, all at the same time, as forks.
CHILD = """
import os, sys
import run_digits
whole, parts, strategies, *flags = sys.argv[1:]

def run(strategy, results, *more):
    given = [text.format(results if text == "{}" and flags[i - 1] == "--resultsDir" else strategy)
             for i, text in enumerate(flags)]
    return run_digits.main("", run_digits.PRESETS, run_digits.BUILDERS, "", [*given, *more])

def fork(work):
    pid = os.fork()
    if not pid:
        os._exit(work())
    return pid

def codes(pids):
    return [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in pids]

every = [(name, rep) for name in strategies.split(",") for rep in ("1", "2")]
print(codes([fork(lambda: run(strategies, whole, "--nRep", "2"))]), file=sys.stderr)
print(codes([fork(lambda name=name, rep=rep: run(name, parts, "--rep", rep)) for name, rep in every]), file=sys.stderr)
"""


def _files(results: Path):
    names = [path for pattern in ("pool.npz", "test_accs_*.txt", "*.npz") for path in results.rglob(pattern)]
    found = {str(path.relative_to(results)): path.read_bytes() for path in names}
    return found | {str(path.relative_to(results)): _repeatable(path) for path in results.rglob("rounds.csv")}


def _repeatable(path: Path):
    """A rounds.csv without what depends on time and memory."""
    with path.open(newline="") as file:
        return [
            {name: value for name, value in row.items() if not name.startswith(("seconds_", "peak_"))}
            for row in csv.DictReader(file)
        ]


def test_runs_beside_each_other_end_as_one_after_the_other(tmp_path, nursery):
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    done = nursery.run(tmp_path, "-c", CHILD, str(whole), str(parts), "ldms,random", *FLAGS)
    assert done.code == 0, done.err
    assert "[0]\n" in done.err, done.err
    assert "[0, 0, 0, 0]\n" in done.err, done.err
    assert _files(parts) == _files(whole)
    assert len(list((parts / "encoders").glob("*.npz"))) == 1
    assert (parts / "digits-from-simclr_loss_MLP" / "curves.png").stat().st_size
    assert not list(parts.rglob("*.part"))
