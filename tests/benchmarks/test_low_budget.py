import importlib.util

import numpy as np
import pytest

from benchmarks import low_budget
from tfal import kernels

FAISS = importlib.util.find_spec("faiss") is not None
NAMES = [name for name in low_budget.CASES if FAISS or not name.startswith("faiss")]


@pytest.fixture
def made(tmp_path):
    return low_budget.inputs(tmp_path / "f.npy", 300, 16, 20)


def test_the_features_are_a_map_of_rows_of_length_1(made):
    assert isinstance(made.features, np.memmap)
    assert made.features.dtype == np.float16
    np.testing.assert_allclose(np.linalg.norm(made.features.astype(float), axis=1), 1, atol=1e-3)


def test_every_kernel_is_measured(made, monkeypatch):
    monkeypatch.setattr("benchmarks.selection_measure.WATCHED", 0)  # its memory is not looked at
    lines = low_budget.run(made, NAMES, repeats=0)
    assert [line.split("|")[1].strip() for line in lines[2 : 2 + len(NAMES)]] == NAMES
    if FAISS:
        assert lines[-1].endswith("labels equal")


@pytest.mark.parametrize("build", low_budget.COMPARISONS)
def test_scikit_activeml_agrees(build):
    pytest.importorskip("skactiveml")
    case = build(np, n=150, d=8, q=10)
    ours, theirs = case.ours(), case.others["scikit-activeml"]()
    assert len(set(ours.tolist())) == len(set(theirs.tolist())) == 10
    if case.kernel == "max_herding":
        assert case.agree(ours, theirs) == "picks equal"
    if case.kernel == "probcover":
        assert case.agree(ours, theirs).startswith("rows covered ")


def test_plain_code_for_a_gpu_picks_alike():
    features = np.concatenate([*low_budget.made_rows(150, 16)])
    ours = kernels.max_herding(features, 20)
    np.testing.assert_array_equal(low_budget.others.plain_max_herding(features, 20, xp=np), ours)
    ours = kernels.probcover(features, 20, delta=0.9)
    np.testing.assert_array_equal(low_budget.others.plain_probcover(features, 20, 0.9, xp=np), ours)


def test_the_command_prints_tables(capsys, monkeypatch):
    monkeypatch.setattr(low_budget, "COMPARISONS", [])
    low_budget.main("--images 100 --dim 4 --budget 8 --only power_top_n --compare".split())
    assert "| power_top_n |" in capsys.readouterr().out


def test_an_unknown_case_is_refused_before_features_are_made(monkeypatch, capsys):
    monkeypatch.setattr(low_budget, "inputs", lambda *_: pytest.fail("made"))
    with pytest.raises(SystemExit):
        low_budget.main(["--only", "probcover;kmean"])
    assert "--only: unknown 'kmean'. Choose among kmeans, picks; " in capsys.readouterr().err
