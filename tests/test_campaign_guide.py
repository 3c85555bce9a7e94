"""The loop of docs/CAMPAIGN.md runs as it stands there, and again."""

import re

from tests.conftest import ROOT
from tfal import Campaign


def _loop():
    (code,) = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "CAMPAIGN.md").read_text(), re.DOTALL)
    return code


def test_the_loop_is_short():
    lines = [line for line in _loop().splitlines() if line.strip()]
    assert len(lines) <= 22


def test_the_loop_labels_and_goes_on_where_it_was(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    exec(_loop(), {})
    campaign = Campaign("labels/digits")
    assert len(campaign.labeled) >= 60
    assert len(campaign.rejected)
    assert set(campaign.labels.tolist()) == set(range(8))
    assert [asked.strategy for asked in campaign.rounds[:3]] == ["typiclust", "typiclust", "badge"]
    before = campaign.rounds
    exec(_loop(), {})
    assert len(campaign.rounds) == len(before)
