"""A campaign killed at any moment: nothing told is lost, nothing asked twice; it goes on as if never stopped."""

import os
import shutil
import signal

import numpy as np
import pytest

from tfal import UNSURE, Campaign

N, SIZE, ROUNDS = 4, 24, 3
FEATURES = np.random.default_rng(0).normal(size=(SIZE, 3)).astype(np.float32)
EVENTS = ("open", "write", "fsync", "replace", "ftruncate")


def _label(number):
    return [number % 3, None, UNSURE, 1][number % 4]


def _work(folder, asked, told):
    """All rounds, from wherever they are. asked, told: get what `ask` and `tell` have returned."""
    campaign = Campaign(folder, size=SIZE if not asked else None, seed=2)
    while len(campaign.rounds) < ROUNDS or len(campaign.pending):
        number = len(campaign.rounds) - bool(len(campaign.pending))
        ids = campaign.ask("probcover", features=FEATURES, n=N)
        asked.setdefault(number, ids.tolist())
        some = ids[: N // 2].tolist()
        campaign.tell(some, [_label(number) for number in some])
        told.update({number: _label(number) for number in some})
    return campaign


def _known(campaign):
    found = dict(zip(*map(np.ndarray.tolist, campaign.labeled_set), strict=True))
    return found | dict.fromkeys(campaign.rejected.tolist()) | dict.fromkeys(campaign.unsure.tolist(), UNSURE)


@pytest.fixture
def moments(tmp_path, monkeypatch):
    """The folder as it is before and after each operation on its files, and in the middle of each line: a list of
    (folder, what had returned from ask, what from tell)."""
    found, asked, told, busy = [], {}, {}, []

    def look():
        if (tmp_path / "whole").exists():
            copy = tmp_path / f"moment{len(found)}"
            shutil.copytree(tmp_path / "whole", copy)
            found.append((copy, {number: list(ids) for number, ids in asked.items()}, dict(told)))

    def watched(name):
        call = getattr(os, name)

        def watch(*args, **options):
            if busy:
                return call(*args, **options)
            busy.append(name)
            try:
                look()
                if name == "write":  # a part of it, as a kill may leave it
                    done = call(args[0], args[1][: len(args[1]) // 2])
                    look()
                    return done + call(args[0], args[1][done:])
                done = call(*args, **options)
                look()
                return done
            finally:
                busy.pop()

        return watch

    with monkeypatch.context() as patch:
        for name in EVENTS:
            patch.setattr(os, name, watched(name))
        campaign = _work(tmp_path / "whole", asked, told)
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)
    return campaign, found


def test_killed_at_every_write(moments):
    whole, found = moments
    picks, known = [asked.ids.tolist() for asked in whole.rounds], _known(whole)
    assert len(found) > 60
    assert len({number for ids in picks for number in ids}) == N * ROUNDS == len(known)
    for folder, asked, told in found:
        if asked:
            there = Campaign(folder)
            assert _known(there).items() >= told.items()
            assert [ids.ids.tolist() for ids in there.rounds[: len(asked)]] == picks[: len(asked)]
        again = _work(folder, {}, {})
        assert [asked.ids.tolist() for asked in again.rounds] == picks
        assert _known(again) == known
        assert not list(folder.rglob("*.part"))


CHILD = """
import os, signal, sys
import tests.test_kill_campaign as this
left, fsync = int(sys.argv[2]), os.fsync

def last(descriptor):
    global left
    left -= 1
    if not left:
        os.kill(os.getpid(), signal.SIGKILL)
    fsync(descriptor)

os.fsync = last
asked, told = {}, {}
this._work(sys.argv[1], asked, told)
"""


def test_a_real_kill(tmp_path, nursery):
    """The other way round: the process is gone, with all that it had not given to the disk."""
    whole = _work(tmp_path / "whole", {}, {})
    for number in (2, 9, 13):
        folder = tmp_path / f"killed{number}"
        ended = nursery.run(tmp_path, "-c", CHILD, str(folder), str(number))
        assert ended.code == -signal.SIGKILL, ended.err
        again = _work(folder, {}, {})
        assert [asked.ids.tolist() for asked in again.rounds] == [asked.ids.tolist() for asked in whole.rounds]
        assert _known(again) == _known(whole)
