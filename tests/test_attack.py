"""The short form of the attack in tests/attack; docs/ATTACK.md tells of the long one."""

import re
import subprocess
import sys

import pytest

from tests.attack.children import Ended
from tests.attack.inputs import all_cases
from tests.attack.inputs.case import ACCEPTED, EITHER, Case, fault_of
from tests.attack.moments import phase
from tests.attack.scenarios import contents, differences
from tests.conftest import ROOT


def _attack(*flags):
    command = [sys.executable, "-m", "tests.attack", *flags]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    faults = [line for line in done.stdout.splitlines() if line.startswith("FAULT")]
    assert not faults, "\n".join(faults)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_few_stops_a_full_disk_and_some_bad_inputs():
    said = _attack("--kills", "3", "--disks", "1", "--inputs", "60")
    assert int(re.search(r"killed: (\d+) stops", said)[1]) >= 3
    assert int(re.search(r"out_of_space: (\d+) stops", said)[1]) >= 1
    assert "inputs: 60, of which" in said


def test_the_table_is_long_enough_and_says_everything_once():
    found = all_cases()
    assert len(found) >= 2000
    assert len({(case.argv, case.name if case.call or case.make else "") for case in found}) == len(found)


ONE_LINE = "run.py: error: --nQuery must be at least 1. Received: 0.\n"


@pytest.mark.parametrize(
    ("code", "err", "wrote", "fault"),
    [
        (2, ONE_LINE, False, ""),
        (2, ONE_LINE, True, "wrote"),
        (0, "", False, "accepted"),
        (3, ONE_LINE, False, "unclear"),
        (2, ONE_LINE + "run.py: error: again\n", False, "unclear"),
        (2, ONE_LINE + "something behind it\n", False, "unclear"),
        (2, "Something is wrong.\n", False, "unclear"),
        (2, "", False, "unclear"),
        (2, ONE_LINE.replace("Received", "Give --nQuark. Received"), False, "advice"),
        (1, "Traceback (most recent call last):\nValueError: x\n", False, "traceback"),
        (-11, "", False, "traceback"),
        (None, "", False, "endless"),
    ],
)
def test_what_is_wrong_with_an_answer(monkeypatch, code, err, wrote, fault):
    monkeypatch.setattr("tests.attack.inputs.case._help_of", lambda script: frozenset(["--nQuery"]))
    case = Case("a case", ("run_digits.py", "--nQuery", "0"))
    assert fault_of(case, Ended(code, "", err, 0.0), wrote).partition(":")[0] == fault


def test_what_must_be_accepted_is_not_to_be_refused():
    refused = Ended(2, "", ONE_LINE, 0.0)
    assert fault_of(Case("a case", ("run_digits.py",), expected=ACCEPTED), refused, False).startswith("refused")
    assert not fault_of(Case("a case", ("run_digits.py",), expected=EITHER), Ended(0, "", "", 0.0), True)


def test_results_are_compared_without_what_is_measured(tmp_path):
    for name, seconds, accuracy in (("a", 1, 0.5), ("b", 2, 0.5), ("c", 1, 0.6)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "rounds.csv").write_text(f"round,seconds_train,test_accuracy\n0,{seconds},{accuracy}\n")
        (tmp_path / name / "about.json").write_text(f'{{"n": 3, "seconds_query": {seconds}}}')
    (tmp_path / "b" / "x.lock").write_text("")
    a, b, c = (contents(tmp_path / name) for name in "abc")
    assert differences(a, b) == []
    assert differences(a, c) == ["rounds.csv"]
    (tmp_path / "b" / ".pool.npz.left").write_text("")
    assert differences(contents(tmp_path / "b"), a) == [".pool.npz.left"]


def test_the_innermost_frame_says_what_a_run_was_doing():
    stack = 'File "x/tfal/files.py", line 3 in write\nFile "x/tfal/learners/vae.py", line 9 in fit\n'
    assert phase(stack) == "commit"
    assert phase(stack.splitlines()[1]) == "pretraining"
    assert phase("") == "start and end"
