"""Bars on a terminal, whole lines elsewhere."""

import io
import sys
from types import SimpleNamespace

import pytest

from tfal import progress
from tfal.cli import _Progress

ROW = {"round": 1, "labels": 40, "test_accuracy": 0.5, "seconds_train": 1.5, "seconds_query": 0.25}


class _Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def clock(monkeypatch):
    now = SimpleNamespace(seconds=0.0)
    monkeypatch.setattr(progress.time, "monotonic", lambda: now.seconds)
    return now


def _round(picks=None, n_known=3):
    return SimpleNamespace(strategy="margin", rep=2, row=ROW, picks=picks, n_known=n_known)


def test_a_line_a_round_where_there_is_no_terminal(monkeypatch, clock):
    monkeypatch.setattr(sys, "stderr", stream := io.StringIO())
    with _Progress(10, "digits", ("classifier",)) as bars:
        for epoch in range(1, 4):
            bars.epoch("classifier", epoch, 3)
            bars.epoch("csi", epoch, 3)
        clock.seconds += 61
        bars.epoch("csi", 1, 3)
        bars.epoch("features", 512, 1000)
        bars.round(_round())
        bars.round(_round(SimpleNamespace(ids=[1, 2]), 0))
    line = "margin, repetition 2, round 1: 40 labels, test accuracy 0.5000, 1.8 s"
    assert stream.getvalue().splitlines() == [
        "pretraining the encoder csi: 1 of 3 epochs",
        line,
        line,
        "margin, repetition 2, round 1: all 2 picks are of unknown classes; training goes on with the labels that are "
        "there.",
    ]


def test_bars_on_a_terminal(monkeypatch):
    monkeypatch.setattr(sys, "stderr", stream := _Terminal())
    with _Progress(10, "digits", ("classifier",)) as bars:
        bars.epoch("classifier", 1, 3)
        bars.epoch("csi", 0, 2)
        bars.epoch("csi", 2, 2)
        bars.round(_round(SimpleNamespace(ids=[1]), 0))
    assert "\r" in stream.getvalue()
    assert "margin, repetition 2: 40 labels, test accuracy 0.5000" in stream.getvalue()
    assert "picks are of unknown classes" in stream.getvalue()
