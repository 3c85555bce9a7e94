"""max_herding against a hand-computed vector, the plain greedy algorithm, and its edge cases."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tfal.kernels import cover, foresight, max_herding
from tfal.kernels.parts import neighbor_lists
from tfal.kernels.top import tie_order

from .plain import check_refusal
from .test_cells import KINDS, made

LINE = np.array([[0.0], [1.0], [2.0], [6.0], [7.0]])


def kernel(a, b, sigma):
    return np.exp(-np.square(a[:, None].astype(float) - b).sum(axis=2) / sigma**2)


def plain(features, n, labeled=(), sigma=1.0, weights=None, anchors=None):
    """All kernel values, a sum over all anchors for every row and pick."""
    values = kernel(features, features, sigma)
    weights = np.ones(len(features)) if weights is None else weights
    anchors = np.arange(len(features)) if anchors is None else anchors
    taken, picks = list(labeled), []
    for _ in range(n):
        level = values[taken].max(axis=0) if taken else np.zeros(len(features))
        added = values - level
        gains = (np.where(added > 1e-6, added, 0) * weights)[:, anchors].sum(axis=1)
        gains[taken] = -1
        pick = int(np.flatnonzero(gains >= gains.max() * (1 - 1e-6))[0])
        picks.append(pick)
        taken.append(pick)
    return picks


def test_a_vector_by_hand():
    # Of the first pick: 1 + 2/e for row 1, 1 + 1/e + 1/e^4 for 0 and 2, 1 + 1/e for 3 and 4.
    assert max_herding(LINE, 2).tolist() == [1, 3]
    # Then 0 and 2 add 1 - 1/e each, and so does 4.
    assert max_herding(LINE, 5).tolist() == [1, 3, 0, 2, 4]
    assert max_herding(LINE, 2, labeled=[1]).tolist() == [3, 0]
    assert max_herding(LINE, 1, weights=np.array([0.0, 0, 0, 0, 1])).tolist() == [4]


@pytest.fixture(params=["no pairs kept", "some pairs kept", "first picks foreseen", "guessed wrong", "as they are"])
def blocks(request, monkeypatch):
    if request.param == "as they are":
        return
    monkeypatch.setattr(cover, "_BLOCK", {"numpy": (7, 11)})
    monkeypatch.setattr(cover, "_ROWS", {"numpy": 17})
    monkeypatch.setattr(neighbor_lists, "_GROUP", 8)
    monkeypatch.setattr(cover, "_MOST_PAIRS", 0 if request.param == "no pairs kept" else 400)
    if request.param in ("first picks foreseen", "guessed wrong"):
        monkeypatch.setattr(foresight, "_WORTH", 0)
        monkeypatch.setattr(foresight, "_GUESSED", 7)
    if request.param == "guessed wrong":
        monkeypatch.setattr(foresight, "_guess", lambda cover, level, taken, ranks: len(taken) % len(ranks))


@pytest.mark.usefixtures("blocks")
@pytest.mark.parametrize("sigma", [0.2, 1.0, 3.0])
@pytest.mark.parametrize("seed", range(3))
def test_equals_the_plain_algorithm(seed, sigma):
    rng = np.random.default_rng(seed)
    features = rng.normal(size=(70, 4)).astype(np.float32) + 100 * seed
    labeled = rng.choice(70, 10 * seed, replace=False)
    weights = rng.random(70).astype(np.float32)
    given = {"labeled": labeled, "sigma": sigma}
    assert max_herding(features, 30, **given).tolist() == plain(features, 30, **given)
    assert max_herding(features, 30, weights=weights, **given).tolist() == plain(features, 30, weights=weights, **given)


@pytest.mark.usefixtures("blocks")
@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), m=st.integers(1, 30), data=st.data())
def test_ties_go_to_the_lowest_row_or_rank(seed, m, data):
    rng = np.random.default_rng(seed)
    features = rng.integers(-2, 3, size=(m, 2)).astype(np.float32)
    labeled = rng.choice(m, data.draw(st.integers(0, m - 1)), replace=False)
    n = data.draw(st.integers(1, m - len(labeled)))
    picks = max_herding(features, n, labeled=labeled)
    assert len(set(picks.tolist()) - set(labeled.tolist())) == n
    assert picks.tolist() == plain(features, n, labeled)
    order = tie_order(m, np.random.default_rng(seed))
    drawn = max_herding(features, n, labeled=labeled, rng=np.random.default_rng(seed))
    assert drawn.tolist() == order[plain(features[order], n, order.argsort()[labeled])].tolist()


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.usefixtures("blocks")
def test_rows_of_all_kinds(kind, dtype):
    features = made(kind, 3, 60, 4).astype(dtype)
    for sigma, labeled in ((1.0, []), (3.0, [4, 59])):
        expected = plain(features.astype(np.float64), 25, labeled, sigma)
        assert max_herding(features, 25, labeled=labeled, sigma=sigma).tolist() == expected


def test_what_picks_add_falls():
    features = np.random.default_rng(0).normal(size=(300, 3))
    picks = max_herding(features, 100)
    level, added = np.zeros(300), []
    for pick in picks:
        new = np.maximum(level, kernel(features, features[[pick]], 1.0)[:, 0])
        added.append((new - level).sum())
        level = new
    assert np.all(np.diff(added) <= 1e-6)


def test_corrections_cost_few_passes(monkeypatch):
    features = np.random.default_rng(0).normal(size=(3000, 8))
    work, added = [], cover.Cover.added

    def counted(self, anchors, levels, n_listed=0):
        work.append(len(anchors) * len(self.rows.rows))
        return added(self, anchors, levels, n_listed)

    monkeypatch.setattr(cover.Cover, "added", counted)
    monkeypatch.setattr(cover, "_MOST_PAIRS", 0)
    max_herding(features, 200)
    assert sum(work) < 10 * 3000**2  # the plain algorithm: 200 times


def test_anchors():
    features = np.random.default_rng(0).normal(size=(60, 3))
    left = np.arange(5, 60)
    anchors = np.sort(np.random.default_rng(4).choice(left, 20, replace=False))
    picks = max_herding(features, 10, labeled=np.arange(5), n_anchor=20, rng=np.random.default_rng(4))
    assert picks.tolist() == plain(features, 10, range(5), anchors=anchors)
    everything = max_herding(features, 10, labeled=np.arange(5))
    assert max_herding(features, 10, labeled=np.arange(5), n_anchor=55).tolist() == everything.tolist()


def test_targets():
    rng = np.random.default_rng(1)
    rows, targets = rng.normal(size=(40, 3)), rng.normal(size=(30, 3))
    targets[:10] = rows[:10]  # as where they are drawn from a pool of which the rows are a part
    weights, every = rng.random(30), np.concatenate([rows, targets])
    values = kernel(every, every, 1.0)
    for labeled in ([], [4, 39]):
        given = {"labeled": labeled, "targets": targets}
        picks = max_herding(rows, 12, weights=weights, **given)
        taken = list(labeled)
        for pick in picks.tolist():  # each is the best of all rows
            level = values[40:, taken].max(axis=1) if taken else np.zeros(30)
            gains = (np.maximum(values[40:, :40] - level[:, None], 0) * weights[:, None]).sum(axis=0)
            gains[taken] = 0
            assert gains[pick] == pytest.approx(gains.max(), rel=1e-5)
            taken.append(pick)
        assert len(set(taken)) == len(taken)
        assert max_herding(rows, 40 - len(labeled), **given).max() < 40


@pytest.mark.parametrize("value", [0.0, -1234.5])
def test_equal_rows_are_picked_in_row_order(value):
    assert max_herding(np.full((40, 3), value), 40).tolist() == list(range(40))
    assert max_herding(np.full((5, 3), value), 1, labeled=[0, 1, 2, 4]).tolist() == [3]


def test_extreme_widths():
    assert max_herding(LINE, 5, sigma=1e-15).tolist() == [0, 1, 2, 3, 4]
    assert len(set(max_herding(LINE, 5, sigma=1e15).tolist())) == 5
    assert max_herding(LINE, 3, weights=np.zeros(5), labeled=[1]).tolist() == [0, 2, 3]


def test_dtypes_maps_and_inputs(tmp_path):
    half = np.random.default_rng(0).normal(size=(80, 4)).astype(np.float16)
    np.save(tmp_path / "half.npy", half)
    labeled = np.array([3, 5])
    expected = max_herding(half.astype(np.float32), 20, labeled=labeled).tolist()
    half.flags.writeable = labeled.flags.writeable = False
    for features in (half, half.astype(np.float64), np.load(tmp_path / "half.npy", mmap_mode="r")):
        assert max_herding(features, 20, labeled=labeled).tolist() == expected


@pytest.mark.parametrize(
    ("given", "parts"),
    [
        ({"features": np.ones(4)}, ["features", "(m, d)", "(4,)"]),
        ({"features": np.array([[np.nan], [1.0]])}, ["features", "1 NaN"]),
        ({"features": np.ones((2, 1), int)}, ["features", "int64"]),
        ({"n": 6}, ["n:", "from 1 to 5"]),
        ({"n": 5, "labeled": [0]}, ["n:", "from 1 to 4"]),
        ({"labeled": [0, 0]}, ["labeled", "distinct"]),
        ({"labeled": [5]}, ["labeled", "from 0 to 4"]),
        ({"labeled": [0.5]}, ["labeled", "integer rows"]),
        ({"labeled": range(5)}, ["labeled", "nothing to pick"]),
        ({"sigma": 0.0}, ["sigma", "received 0.0"]),
        ({"sigma": float("nan")}, ["sigma", "nan"]),
        ({"weights": np.ones(4)}, ["weights", "(5,)", "(4,)"]),
        ({"weights": -np.ones(5)}, ["weights", "below 0"]),
        ({"n_anchor": 0}, ["n_anchor", "received 0"]),
        ({"n_anchor": 2}, ["rng", "Generator", "NoneType"]),
        ({"n_anchor": 2, "targets": LINE}, ["n_anchor", "with targets", "received 2"]),
        ({"targets": np.ones((3, 2))}, ["targets", "(t, 1)", "(3, 2)"]),
        ({"targets": LINE[:3], "weights": np.ones(5)}, ["weights", "(3,)", "(5,)"]),
    ],
)
def test_errors(given, parts):
    given = {"features": LINE, "n": 1} | given
    check_refusal(parts, max_herding, given.pop("features"), given.pop("n"), **given)
