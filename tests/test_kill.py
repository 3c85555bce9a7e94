"""A run that is killed, at any moment, and started again ends as one that was never stopped."""

import csv
import signal
from pathlib import Path

import pytest

LDMS = (
    "--network MLP --strategy ldms --nRep 1 --nStep 2 --nEpoch 3 --nValid 50 --nPool 200 --nQuery 15 --nSample 100"
).split()

MQNET = (
    "--preset openset --strategy mqnet --nRep 1 --nStep 2 --nEpoch 2 --nStepEpoch 3 --nEpochLoss 1 --nInit 24 "
    "--nQuery 12 --nEpochCsi 3 --nBatchEncoder 128 --metaEpoch 3"
).split()

# Runs run_digits.py and kills itself at the COUNT-th event called EVENT.
CHILD = """
import os, signal, sys
event, count, flags = sys.argv[1], int(sys.argv[2]), sys.argv[3:]
left = count

def die():
    global left
    left -= 1
    if left == 0:
        os.kill(os.getpid(), signal.SIGKILL)

replace = os.replace

def before(source, target):
    if str(target).endswith(event.removeprefix("before ")):
        die()
    replace(source, target)

def after(source, target):
    replace(source, target)
    if str(target).endswith(event.removeprefix("after ")):
        die()

if event.startswith("before"):
    os.replace = before
elif event.startswith("after"):
    os.replace = after
elif event == "epoch":
    from tfal.learners import classifier
    end = classifier._Report.on_epoch_end
    classifier._Report.on_epoch_end = lambda self, epoch, logs=None: (end(self, epoch, logs), die())
elif event == "pretraining":
    from tfal.learners import pretrained
    save = pretrained.EncoderFile.save
    pretrained.EncoderFile.save = lambda self, snapshot: (save(self, snapshot), die())
elif event == "observe":
    from tfal.strategies import mqnet
    train = mqnet.train
    mqnet.train = lambda *args, **options: (train(*args, **options), die())[0]
elif event == "query":
    from tfal import kernels
    seeding = kernels.ldm_seeding
    kernels.ldm_seeding = lambda *args, **options: (die(), seeding(*args, **options))[1]

import run_digits
sys.exit(run_digits.main(run_digits.__doc__, run_digits.PRESETS, run_digits.BUILDERS, run_digits.SOURCE, flags))
"""

# In this order in one folder, each time a little further: in training, while choosing, in every gap of a commit.
LDMS_MOMENTS = [
    ("before recipe.json", 1),
    ("epoch", 2),
    ("query", 1),
    ("before pool.npz", 1),
    ("after pool.npz", 1),
    ("after rounds.csv", 1),
    ("epoch", 5),
    ("before rounds.csv", 1),
    ("after rounds.csv", 1),
]
MQNET_MOMENTS = [
    ("pretraining", 1),
    ("pretraining", 1),
    ("observe", 1),
    ("after round001.npz", 1),
    ("before rounds.csv", 1),
    ("after rounds.csv", 1),
    ("observe", 1),
    ("after round002.npz", 1),
]


def _files(results: Path):
    names = [*results.rglob("pool.npz"), *results.rglob("test_accs_*.txt"), *results.rglob("round*.npz")]
    found = {str(path.relative_to(results)): path.read_bytes() for path in names}
    return found | {str(path.relative_to(results)): _repeatable(path) for path in results.rglob("rounds.csv")}


def _repeatable(path: Path):
    """The text of a rounds.csv without the columns of seconds and memory."""
    with path.open(newline="") as file:
        rows = list(csv.reader(file))
    kept = [i for i, name in enumerate(rows[0]) if not name.startswith("seconds_") and name != "peak_memory_mb"]
    return [[row[i] for i in kept] for row in rows]


@pytest.mark.parametrize(("flags", "moments"), [(LDMS, LDMS_MOMENTS), (MQNET, MQNET_MOMENTS)], ids=["ldms", "mqnet"])
def test_killed_at_many_moments_and_started_again(tmp_path, nursery, flags, moments):
    def run(event, count, results):
        return nursery.run(tmp_path, "-c", CHILD, event, str(count), *flags, "--resultsDir", str(results))

    whole = run("never", 1, tmp_path / "whole")
    assert whole.code == 0, whole.err
    for event, count in moments:
        killed = run(event, count, tmp_path / "killed")
        assert killed.code == -signal.SIGKILL, f"{event}: {killed.err}"
    end = run("never", 1, tmp_path / "killed")
    assert end.code == 0, end.err
    assert _files(tmp_path / "killed") == _files(tmp_path / "whole")
    assert not list((tmp_path / "killed").rglob("*.part"))  # what killed writes left
    again = run("never", 1, tmp_path / "killed")
    assert "repetition 1: finished already, nothing to train." in again.out
