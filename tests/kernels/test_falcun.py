"""falcun: the vector, a plain version, the law of the draws, extreme and bad inputs."""

import itertools

import numpy as np
import pytest

from tfal.kernels import falcun
from tfal.kernels.falcun import _Drawing

from .plain import check_law, check_refusal, plain_map

P = np.array([[0.5, 0.4, 0.1], [0.34, 0.33, 0.33], [0.9, 0.05, 0.05], [0.1, 0.45, 0.45]])


def rng(seed=0):
    return np.random.default_rng(seed)


def law(p, picks, gamma):
    """The probability of every row to be next, as the paper has it."""
    ranked = np.sort(p, axis=1)
    u = 1 - (ranked[:, -1] - ranked[:, -2])
    away = np.minimum.reduce([u, *(np.abs(p - p[pick]).sum(axis=1) for pick in picks)])
    left = np.setdiff1d(np.arange(len(p)), picks)
    spread = away[left].max() - away[left].min()
    scores = np.zeros(len(p))
    scores[left] = (u[left] + ((away[left] - away[left].min()) / spread if spread else 0)) ** gamma
    return scores / scores.sum()


def test_vector():
    u = np.array([0.9, 0.99, 0.15, 1])
    drawing = _Drawing(np.log(P), u, 10.0, plain_map)
    drawing.take(1)
    np.testing.assert_allclose(drawing.away, [0.46, 0, 0.15, 0.48], atol=1e-7)
    weights = drawing.weights()
    np.testing.assert_allclose(weights / weights.sum(), [0.302144, 0, 0, 0.697856], atol=1e-6)
    np.testing.assert_allclose(law(P, [1], 10), [0.302144, 0, 0, 0.697856], atol=1e-6)


@pytest.mark.parametrize("gamma", [10, 1.0, 0.5])
@pytest.mark.parametrize("seed", range(3))
def test_equals_the_plain_method(seed, gamma):
    logits = rng(seed).normal(size=(60, 4)) * 3
    p = np.exp(logits - logits.max(axis=1, keepdims=True))
    p /= p.sum(axis=1, keepdims=True)
    picks = []
    for place in rng(seed).random(25):
        picks.append(int(np.searchsorted(np.cumsum(law(p, picks, gamma)), place, side="right")))
    assert falcun(logits, 25, gamma=gamma, rng=rng(seed)).tolist() == picks


def test_the_law_of_two_draws():
    drawn = [falcun(np.log(P), 2, gamma=0.5, rng=rng(seed)) for seed in range(4000)]
    first = law(P, [], 0.5)
    check_law(drawn, {(a, b): first[a] * law(P, [a], 0.5)[b] for a, b in itertools.permutations(range(4), 2)})


def test_at_0_all_rows_are_alike():
    logits = rng().normal(size=(8, 3)) * 9
    counts = np.bincount([falcun(logits, 1, gamma=0, rng=rng(seed))[0] for seed in range(2000)], minlength=8)
    assert counts.min() > 180


def test_copies_and_sure_rows():
    assert sorted(falcun(np.zeros((9, 3)), 9, rng=rng())) == [*range(9)]
    sure = np.array([[1e4, 0], [1e4, 0], [0, 1e4], [9e3, 0]])  # u and all distances but one are 0
    assert sorted(falcun(sure, 4, rng=rng())) == [0, 1, 2, 3]
    faint = np.array([[300.0, 0], [290.0, 0], [310.0, 0]])  # u from 1e-126 on: the least sure by far
    assert all(falcun(faint, 1, rng=rng(seed)).tolist() == [1] for seed in range(20))


def test_dtypes_agree_and_inputs_stay_as_they_are():
    logits = np.round(rng().normal(size=(50, 4)) * 8) / 8
    found = []
    for dtype in (np.float16, np.float32, np.float64):
        given = logits.astype(dtype)
        given.flags.writeable = False
        found.append(falcun(given, 20, rng=rng()).tolist())
    assert found[0] == found[1] == found[2]


def test_tiles_equal_the_whole(monkeypatch):
    logits = rng().normal(size=(300, 4))
    whole = falcun(logits, 20, rng=rng())
    monkeypatch.setattr("tfal.kernels.parts.tiles._TILE_BYTES", {"numpy": 1})
    monkeypatch.setattr("tfal.kernels.parts.tiles.LEAST_ROWS", 7)
    assert falcun(logits, 20, rng=rng()).tolist() == whole.tolist()


@pytest.mark.parametrize(
    ("given", "parts"),
    [
        ({"logits": np.ones(4)}, ["logits", "(n, C)"]),
        ({"logits": np.ones((4, 1))}, ["logits", "2 classes"]),
        ({"logits": np.full((4, 2), np.nan)}, ["logits", "8 NaN"]),
        ({"n": 5}, ["n:", "from 1 to 4"]),
        ({"gamma": -1}, ["gamma", "from 0", "-1"]),
        ({"rng": 3}, ["rng", "int"]),
    ],
)
def test_errors(given, parts):
    given = {"logits": np.log(P), "n": 2, "rng": rng()} | given
    check_refusal(parts, falcun, given.pop("logits"), given.pop("n"), **given)
