"""noise_deviations and noise_stability: the vector, a plain referee, tiles, dtypes, ties, bad inputs."""

import numpy as np
import pytest

from tfal.kernels import noise_deviations, noise_stability
from tfal.kernels.parts import tiles

from .plain import check_refusal

SURE = (1 - 1e-15, 1e-15)
CALM = np.array([(0.6, 0.4), (0.5, 0.5), SURE])
MOVED = np.array([[(0.62, 0.38), (0.57, 0.43)], [(0.45, 0.55), (0.51, 0.49)], [SURE, (0.99, 0.01)]])


def case(seed, m=200, draws=4, classes=3):
    rng = np.random.default_rng(seed)
    logits = rng.normal(size=(m, classes)) * 2
    return logits, logits[:, None] + 0.1 * rng.normal(size=(m, draws, classes))


def plain(logits, noise_logits, n):
    """The definition, one sample and one pick at a time."""

    def softmax(z):
        p = np.exp(z - z.max(axis=-1, keepdims=True))
        return p / p.sum(axis=-1, keepdims=True)

    rows = []
    for z, draws in zip(logits.astype(float), noise_logits.astype(float), strict=True):
        p = softmax(z)
        rows.append(np.concatenate([(softmax(draw) - p) / np.sqrt(np.sum(p**2)) for draw in draws]))
    centers, picks = [np.zeros_like(rows[0])], []
    while len(picks) < n:
        nearest = [min(np.linalg.norm(row - center) for center in centers) for row in rows]
        picks.append(max((i for i in range(len(rows)) if i not in picks), key=lambda i: nearest[i]))
        centers.append(rows[picks[-1]])
    return np.array(rows), picks


def test_the_vector():
    found = noise_deviations(np.log(CALM), np.log(MOVED))
    assert found.shape == (3, 4)
    assert np.linalg.norm(found, axis=1) == pytest.approx([0.070711, 0.10198, 0.014142], abs=1e-6)
    assert noise_stability(found, 2).tolist() == [1, 0]


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_the_plain_referee(dtype):
    logits, noisy = (each.astype(dtype) for each in case(0))
    expected, picks = plain(logits, noisy, 12)
    found = noise_deviations(logits, noisy)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-8)
    assert noise_stability(found, 12).tolist() == picks


def test_tiles_change_nothing(monkeypatch):
    given = case(1)
    whole = noise_deviations(*given)
    monkeypatch.setitem(tiles._TILE_BYTES, "numpy", 64)
    assert noise_deviations(*given).tolist() == whole.tolist()


def test_halves_are_read_as_they_are():
    logits, noisy = (each.astype(np.float16) for each in case(2))
    expected, _ = plain(logits, noisy, 1)
    np.testing.assert_allclose(noise_deviations(logits, noisy), expected, rtol=1e-5, atol=1e-8)


def test_logits_far_apart_stay_numbers():
    found = noise_deviations(np.array([[2000.0, 0.0]]), np.array([[[1999.0, 0.0], [0.0, 2000.0]]]))
    assert found.tolist() == [[0, 0, -1, 1]]


def test_samples_that_do_not_move_come_last_and_by_chance():
    rows = np.zeros((6, 3), np.float32)
    rows[4] = 1
    picks = [noise_stability(rows, 6, rng=np.random.default_rng(seed)).tolist() for seed in range(5)]
    assert all(each[0] == 4 and sorted(each) == [*range(6)] for each in picks)
    assert len({*map(tuple, picks)}) > 1
    assert noise_stability(rows, 3).tolist() == [4, 0, 1]


@pytest.mark.parametrize(
    ("logits", "noisy", "parts"),
    [
        (np.zeros((3, 2)), np.zeros((3, 4)), ["noise_logits: expected shape (n, T, C)"]),
        (np.zeros((3, 2)), np.zeros((3, 4, 3)), ["logits: expected shape (3, 3), received (3, 2)"]),
        (np.zeros((2, 3)), np.zeros((3, 4, 3)), ["logits: expected shape (3, 3), received (2, 3)"]),
        (np.zeros((3, 1)), np.zeros((3, 4, 1)), ["at least 2 classes"]),
        (np.zeros((3, 2)), np.full((3, 4, 2), np.nan), ["NaN"]),
        (np.zeros((3, 2), int), np.zeros((3, 4, 2)), ["received int64"]),
    ],
)
def test_what_cannot_be_used_is_named(logits, noisy, parts):
    check_refusal(parts, noise_deviations, logits, noisy)


def test_too_many_picks_are_refused():
    check_refusal(["from 1 to 3", "received 4"], noise_stability, np.ones((3, 2)), 4)
