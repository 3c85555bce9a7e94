"""activeft: the vector, derivatives by differences, a plain version with all pairs, extreme and bad inputs."""

import numpy as np
import pytest

from tfal.kernels import activeft
from tfal.kernels.activeft import loss_and_slope

from .plain import check_refusal, plain_map


def rng(seed=0):
    return np.random.default_rng(seed)


def unit(rows):
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def plain_loss(theta, rows, temperature=0.07, balance=1.0):
    """With all pairs of rows and directions, as it is written down."""
    pairs = np.exp(rows @ theta.T / temperature)
    apart = np.exp(theta @ theta.T / temperature).sum(axis=0)
    s = pairs.max(axis=1)
    return -np.log(s / (s + balance * apart[pairs.argmax(axis=1)])).mean()


def slope_by_differences(loss, theta, step=1e-5):
    found = np.zeros(theta.shape)
    for place in np.ndindex(theta.shape):
        to = np.zeros(theta.shape)
        to[place] = step
        found[place] = (loss(theta + to) - loss(theta - to)) / (2 * step)
    return found


def plain(rows, n, seed, law=(0.07, 1.0), n_iter=300, rate=0.001):
    """Adam on derivatives by differences, of the loss of directions; then the nearest row that is left."""
    rows = unit(rows)
    theta = rows[rng(seed).choice(len(rows), n, replace=False)].copy()
    m, v = np.zeros(theta.shape), np.zeros(theta.shape)
    for step in range(1, n_iter + 1):
        g = slope_by_differences(lambda points: plain_loss(unit(points), rows, *law), theta)
        m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g**2
        theta = theta - rate * (m / (1 - 0.9**step)) / (np.sqrt(v / (1 - 0.999**step)) + 1e-8)
    away, picks = -rows @ unit(theta).T, []
    for direction in range(n):
        away[picks, direction] = np.inf
        picks.append(int(away[:, direction].argmin()))
    return picks


def test_vector():
    rows, theta = np.array([[1, 0], [0.8, 0.6], [0, 1], [-0.6, 0.8]], np.float32), np.eye(2)
    assert loss_and_slope(theta, rows, (0.07, 1.0), plain_map).loss == pytest.approx(1.803067, abs=1e-6)
    assert loss_and_slope(theta, rows[[0, 2]], (0.07, 1.0), plain_map).loss == pytest.approx(np.log(2), abs=1e-6)
    assert loss_and_slope(theta, rows[[1, 3]], (0.07, 1.0), plain_map).loss == pytest.approx(2.912987, abs=1e-6)


@pytest.mark.parametrize("law", [(0.07, 1.0), (0.5, 2.0)])
@pytest.mark.parametrize("seed", range(2))
def test_the_slope_is_that_of_the_loss(law, seed):
    rows, theta = unit(rng(seed).normal(size=(40, 3))), unit(rng(seed + 9).normal(size=(5, 3)))
    found = loss_and_slope(theta, rows.astype(np.float32), law, plain_map)
    assert found.loss == pytest.approx(plain_loss(theta, rows, *law), rel=1e-6)
    expected = slope_by_differences(lambda points: plain_loss(points, rows, *law), theta)
    np.testing.assert_allclose(found.slope, expected, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("seed", range(3))
def test_equals_the_plain_method(seed):
    rows, law = rng(seed).normal(size=(40, 3)), (0.2, 1.5)
    options = {"temperature": law[0], "balance": law[1], "n_iter": 30, "learning_rate": 0.02}
    assert activeft(rows, 5, rng=rng(seed), **options).tolist() == plain(rows, 5, seed, law, 30, 0.02)


def test_it_spreads_over_directions():
    """Two groups of directions, one of which is ten times as large: random rows would rarely hit the small one."""
    angles = np.concatenate([rng().normal(0, 0.05, 200), rng().normal(2, 0.05, 20)])
    rows = np.stack([np.cos(angles), np.sin(angles)], axis=1) * rng().uniform(1, 9, 220)[:, None]
    first = [rng(seed).choice(220, 4, replace=False) for seed in range(6)]
    assert sum((picks >= 200).any() for picks in first) < 6
    moved = [activeft(rows, 4, rng=rng(seed), learning_rate=0.02) for seed in range(6)]
    assert all((picks >= 200).any() for picks in moved)


def test_copies_zeros_and_all_rows():
    assert sorted(activeft(np.ones((50, 2)), 50, rng=rng(), n_iter=3)) == [*range(50)]
    rows = np.concatenate([np.zeros((2, 3)), rng().normal(size=(40, 3))])
    assert sorted(activeft(rows, 42, rng=rng(), n_iter=3)) == [*range(42)]
    assert len(set(activeft(rows, 7, rng=rng(), n_iter=3, temperature=1e-3).tolist())) == 7


def test_dtypes_and_blocks_agree(tmp_path, monkeypatch):
    half = rng().normal(size=(200, 4)).astype(np.float16)
    half.flags.writeable = False
    np.save(tmp_path / "half.npy", half)
    mapped = np.load(tmp_path / "half.npy", mmap_mode="r")
    found = [activeft(rows, 9, rng=rng(), n_iter=9).tolist() for rows in (half, half.astype(float), mapped)]
    monkeypatch.setitem(loss_and_slope.__globals__, "_BLOCK", 4)
    monkeypatch.setitem(loss_and_slope.__globals__, "_ROWS", {"numpy": 16})
    found.append(activeft(half, 9, rng=rng(), n_iter=9).tolist())
    assert found[0] == found[1] == found[2] == found[3]


@pytest.mark.parametrize(
    ("given", "parts"),
    [
        ({"features": np.ones(4)}, ["features", "(m, d)"]),
        ({"features": np.full((4, 2), np.nan)}, ["features", "8 NaN"]),
        ({"n": 5}, ["n:", "from 1 to 4"]),
        ({"temperature": 0}, ["temperature", "1e-06"]),
        ({"balance": -1}, ["balance", "above 0"]),
        ({"n_iter": 0}, ["n_iter", "at least 1"]),
        ({"learning_rate": 0}, ["learning_rate", "above 0"]),
        ({"rng": 4}, ["rng", "int"]),
    ],
)
def test_errors(given, parts):
    given = {"features": np.eye(4), "n": 2, "rng": rng()} | given
    check_refusal(parts, activeft, given.pop("features"), given.pop("n"), **given)
