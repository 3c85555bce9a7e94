import numpy as np

from benchmarks import campaign


def test_every_case_is_asked_and_told(tmp_path):
    features = campaign.features_map(tmp_path / "f.npy", 120, 6)
    assert isinstance(features, np.memmap)
    for number, case in enumerate(campaign.CASES.values()):
        small = case._replace(options=dict.fromkeys(case.options, 60))
        asked, told = campaign.rounds_of(tmp_path / f"{number}", small, features, 5, 2)
        assert len(asked) == len(told) == 2
        assert min(call.seconds for call in asked + told) > 0


def test_the_command_prints_two_tables(capsys, monkeypatch):
    monkeypatch.setattr(campaign, "CASES", {"random": campaign.CASES["random"]})
    campaign.main("--images 200 --dim 4 --batch 3 --repeats 1 --rounds 1,4".split())
    lines = capsys.readouterr().out.splitlines()
    assert [line.split("|")[1].strip() for line in lines if line.startswith("|")] == [
        "strategy", "---", "random", "rounds before", "---", "1", "4"
    ]  # fmt: skip
