"""A run that is killed, at any moment, and started again ends as one that was never stopped."""

import csv
import json
import signal
from pathlib import Path

import pytest

LDMS = (
    "--network MLP --strategy ldms --nRep 1 --nStep 2 --nEpoch 3 --nValid 50 --nPool 200 --nQuery 15 --nSample 100"
).split()

MQNET = (
    "--preset openset --network MLP --strategy mqnet --nRep 1 --nStep 2 --nEpoch 2 --nStepEpoch 3 --nEpochLoss 1 "
    "--nInit 24 --nQuery 12 --nEpochCsi 3 --nBatchEncoder 128 --metaEpoch 3"
).split()

# Runs run_digits.py to the end in one folder; then in another, where it is killed at the moments given as EVENT:COUNT,
# the COUNT-th event of each, one after the other. At all of them but the last, an exception no one knows stands for the
# signal: the folder is put back to what it was at that moment, so that whatever the run did on its way out is undone.
CHILD = """
import json, os, shutil, signal, sys
whole, killed, moments, *flags = sys.argv[1:]
moments = json.loads(moments)
event, left = None, 0

class Killed(BaseException):
    pass

def die(what):
    global left
    if what != event:
        return
    left -= 1
    if left == 0:
        if not moments:
            os.kill(os.getpid(), signal.SIGKILL)
        shutil.copytree(killed, killed + ".then")
        raise Killed

replace = os.replace

def watched(source, target):
    name = os.path.basename(target)
    die("before " + name)
    replace(source, target)
    die("after " + name)

os.replace = watched

from tfal import kernels
from tfal.learners import classifier, pretrained
from tfal.strategies import mqnet
end = classifier._Report.on_epoch_end
classifier._Report.on_epoch_end = lambda self, epoch, logs=None: (end(self, epoch, logs), die("epoch"))
save = pretrained.EncoderFile.save
pretrained.EncoderFile.save = lambda self, snapshot: (save(self, snapshot), die("pretraining"))
train = mqnet.train
mqnet.train = lambda *args, **options: (train(*args, **options), die("observe"))[0]
seeding = kernels.ldm_seeding
kernels.ldm_seeding = lambda *args, **options: (die("query"), seeding(*args, **options))[1]

import run_digits

def run(results):
    given = [*flags, "--resultsDir", results]
    return run_digits.main(run_digits.__doc__, run_digits.PRESETS, run_digits.BUILDERS, run_digits.SOURCE, given)

if run(whole):
    sys.exit("the whole run failed")
while moments:
    event, left = moments.pop(0)
    try:
        run(killed)
    except Killed:
        shutil.rmtree(killed)
        os.rename(killed + ".then", killed)
    else:
        sys.exit(f"{event} was not reached")
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
    ("after predictions.npz", 1),
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
    kinds = ("pool.npz", "predictions.npz", "test_accs_*.txt", "round*.npz")
    names = [path for kind in kinds for path in results.rglob(kind)]
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
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    done = nursery.run(tmp_path, "-c", CHILD, str(whole), str(killed), json.dumps(moments), *flags)
    assert done.code == -signal.SIGKILL, done.err
    end = nursery.run(tmp_path, "run_digits.py", *flags, "--resultsDir", str(killed))
    assert end.code == 0, end.err
    assert _files(killed) == _files(whole)
    assert not list(killed.rglob("*.part"))  # what killed writes left
    again = nursery.run(tmp_path, "run_digits.py", *flags, "--resultsDir", str(killed))
    assert "repetition 1: finished already, nothing to train." in again.out
