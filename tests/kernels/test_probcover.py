"""probcover and purity_radius against hand-computed vectors, plain definitions, and their edge cases."""

import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tfal.kernels import farthest_first, kmeans, probcover, purity_radius
from tfal.kernels.parts import cells, neighbor_lists
from tfal.kernels.top import tie_order

from .plain import check_refusal
from .test_cells import KINDS, made

LINE = np.array([[0.0], [1.0], [2.0], [5.0], [6.0]])


def plain(features, n, delta, labeled=(), anchors=None):
    """All distances, and all sums anew for every pick."""
    counted = np.isin(np.arange(len(features)), np.arange(len(features)) if anchors is None else anchors)
    covers = np.square(features[:, None].astype(float) - features).sum(axis=2) <= delta**2 * (1 + 1e-6)
    taken, picks = list(labeled), []
    while len(picks) < n:
        uncovered = ~covers[taken].any(axis=0) & counted
        if not uncovered.any():
            return picks + farthest_first(features, n - len(picks), np.array(taken, int)).tolist()
        sums = covers[:, uncovered].sum(axis=1)
        sums[taken] = -1
        picks.append(int(sums.argmax()))
        taken.append(picks[-1])
    return picks


def test_a_vector_by_hand():
    assert probcover(LINE, 2, delta=1.0).tolist() == [1, 3]
    assert probcover(LINE, 1, delta=1.0, labeled=[1]).tolist() == [3]
    assert probcover(LINE, 1, delta=1.0, labeled=[4]).tolist() == [1]
    # Row 1 covers 0 and 2; all are covered once 3 is picked, and 0, 2 and 4 are at 1: the lowest row first.
    assert probcover(LINE, 5, delta=1.0).tolist() == [1, 3, 0, 2, 4]


def test_without_a_radius_only_copies_are_covered():
    features = np.array([[1.0], [2.0], [2.0], [3.0], [2.0]])
    assert probcover(features, 3, delta=0).tolist() == [1, 0, 3]
    assert probcover(features + 0.1, 3, delta=0.0).tolist() == [1, 0, 3]


@pytest.fixture(params=[(1, 3, 5, 7), (2, 5, 30, 50), (40, 30, 1000, 100)])
def small_blocks(request, monkeypatch):
    """Points of a cell and of a group of lists, rows and points that are looked at together."""
    cell, group, rows, block = request.param
    monkeypatch.setattr(cells, "_POINTS", cell)
    monkeypatch.setattr(cells, "_BLOCK", {"numpy": (block, block + 2)})
    monkeypatch.setattr(neighbor_lists, "_GROUP", group)
    monkeypatch.setattr(neighbor_lists, "_ROWS", {"numpy": rows})
    monkeypatch.setattr(neighbor_lists, "LEAST_ROWS", 3)
    monkeypatch.setattr(sys.modules["tfal.kernels.probcover"], "_ROWS", {"numpy": rows})
    monkeypatch.setattr(sys.modules["tfal.kernels.probcover"], "_LOOK", rows)


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize("delta", [0.3, 1.0, 2.5])
@pytest.mark.parametrize("seed", range(2))
def test_equals_the_plain_algorithm(seed, delta):
    rng = np.random.default_rng(seed)
    features = rng.normal(size=(80, 3)).astype(np.float32) + 50 * seed
    labeled = rng.choice(80, 8, replace=False)
    assert probcover(features, 30, delta=delta).tolist() == plain(features, 30, delta)
    assert probcover(features, 30, delta=delta, labeled=labeled).tolist() == plain(features, 30, delta, labeled)


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.usefixtures("small_blocks")
def test_rows_of_all_kinds(kind, dtype):
    features = made(kind, 3, 60, 4).astype(dtype)
    for delta, labeled in ((0.0, []), (1.0, [4, 59]), (2.5, [])):
        expected = plain(features.astype(np.float64), 25, delta, labeled)
        assert probcover(features, 25, delta=delta, labeled=labeled).tolist() == expected


def test_anchors():
    features = np.random.default_rng(0).normal(size=(80, 3)).astype(np.float32)
    anchors = np.random.default_rng(4).choice(np.arange(5, 80), 30, replace=False)
    picks = probcover(features, 20, delta=0.8, labeled=np.arange(5), n_anchor=30, rng=np.random.default_rng(4))
    order = tie_order(80, np.random.default_rng(4))
    place = order.argsort()
    assert picks.tolist() == order[plain(features[order], 20, 0.8, place[:5], place[anchors])].tolist()
    everything = probcover(features, 20, delta=0.8, labeled=np.arange(5))
    assert probcover(features, 20, delta=0.8, labeled=np.arange(5), n_anchor=75).tolist() == everything.tolist()


@pytest.mark.usefixtures("small_blocks")
def test_targets():
    rng = np.random.default_rng(1)
    rows, targets = rng.normal(size=(40, 3)), rng.normal(size=(30, 3))
    targets[:10] = rows[:10]  # as where they are drawn from a pool of which the rows are a part
    covers = np.square(rows[:, None] - targets).sum(axis=2) <= 0.9**2
    for labeled in ([], [4, 39]):
        picks = probcover(rows, 40 - len(labeled), delta=0.9, labeled=labeled, targets=targets)
        assert sorted([*picks.tolist(), *labeled]) == list(range(40))
        taken = list(labeled)
        for pick in picks.tolist():  # each is the best of all rows, as long as one adds something
            added = (covers & ~covers[taken].any(axis=0)).sum(axis=1)
            assert added[pick] == added.max()
            taken.append(pick)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), m=st.integers(1, 30), delta=st.integers(0, 3), data=st.data())
def test_ties_go_to_the_lowest_row_or_rank(seed, m, delta, data):
    rng = np.random.default_rng(seed)
    features = rng.integers(-3, 4, size=(m, 2)).astype(np.float32)
    labeled = rng.choice(m, data.draw(st.integers(0, m - 1)), replace=False)
    n = data.draw(st.integers(1, m - len(labeled)))
    picks = probcover(features, n, delta=delta, labeled=labeled)
    order = tie_order(m, np.random.default_rng(seed))
    shuffled = probcover(features[order], n, delta=delta, labeled=order.argsort()[labeled])
    drawn = probcover(features, n, delta=delta, labeled=labeled, rng=np.random.default_rng(seed))
    taken = np.concatenate([labeled, drawn]).astype(int)
    within = np.square(features[:, None] - features[taken]).sum(axis=2) <= delta**2 * (1 + 1e-6)
    left = [not within[:, : len(labeled) + k].any(axis=1).all() for k in range(n)]  # before each pick
    assert drawn[left].tolist() == order[shuffled][left].tolist()
    assert len(set(picks.tolist()) - set(labeled.tolist())) == n
    assert picks.tolist() == plain(features, n, delta, labeled)


def test_equal_rows_and_huge_radii():
    assert probcover(np.full((20, 3), 0.1), 20, delta=0.0).tolist() == list(range(20))
    assert probcover(LINE, 1, delta=float("inf"), labeled=[0, 1, 2, 3]).tolist() == [4]
    assert probcover(LINE, 2, delta=float("inf")).tolist() == [0, 4]


def test_dtypes_maps_and_inputs(tmp_path):
    half = np.random.default_rng(0).normal(size=(80, 4)).astype(np.float16)
    np.save(tmp_path / "half.npy", half)
    labeled = np.array([3, 5])
    expected = probcover(half.astype(np.float32), 60, delta=0.8, labeled=labeled).tolist()
    half.flags.writeable = labeled.flags.writeable = False
    for features in (half, half.astype(np.float64), np.load(tmp_path / "half.npy", mmap_mode="r")):
        assert probcover(features, 60, delta=0.8, labeled=labeled).tolist() == expected


@pytest.mark.parametrize(
    ("given", "parts"),
    [
        ({"features": np.ones(4)}, ["features", "(m, d)", "(4,)"]),
        ({"features": np.array([[np.inf], [1.0]])}, ["features", "1 NaN or infinite"]),
        ({"n": 6}, ["n:", "from 1 to 5"]),
        ({"labeled": [-1]}, ["labeled", "from 0 to 4"]),
        ({"delta": -1.0}, ["delta", "at least 0", "-1.0"]),
        ({"delta": float("nan")}, ["delta", "nan"]),
        ({"delta": "1"}, ["delta", "'1'"]),
        ({"n_anchor": 2, "targets": LINE}, ["n_anchor", "with targets", "received 2"]),
        ({"targets": np.ones((3, 2))}, ["targets", "(t, 1)", "(3, 2)"]),
        ({"max_edges": 8}, ["delta", "8 pairs", "smaller radius"]),
    ],
)
def test_errors(given, parts):
    given = {"features": LINE, "n": 1, "delta": 1.0} | given
    check_refusal(parts, probcover, given.pop("features"), given.pop("n"), **given)


def share_of_pure_balls(features, labels, delta):
    near = np.square(features[:, None].astype(float) - features).sum(axis=2) <= delta**2 * (1 + 1e-6)
    return 1 - (near & (labels[:, None] != labels)).any(axis=1).mean()


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize("alpha", [0.5, 0.95, 1.0])
def test_the_radius_is_the_largest(alpha):
    features = np.random.default_rng(0).normal(size=(100, 3)).astype(np.float32)
    labels = kmeans(features, 5, rng=np.random.default_rng(1)).labels
    delta = purity_radius(features, 5, rng=np.random.default_rng(1), alpha=alpha)
    assert share_of_pure_balls(features, labels, delta) >= alpha
    assert share_of_pure_balls(features, labels, delta * (1 + 1e-5)) < alpha


def test_the_radius_by_hand():
    radius = purity_radius(np.array([[0.0], [1.0], [5.0], [7.0]]), 2, rng=np.random.default_rng(0), alpha=0.5)
    assert radius == pytest.approx(5, rel=1e-5)  # 4, 4, 5 and 6 to the other cluster
    assert purity_radius(np.ones((6, 2)), 3, rng=np.random.default_rng(0)) == 0


def test_the_radius_of_some_balls():
    features = np.random.default_rng(0).normal(size=(400, 3))
    exact = purity_radius(features, 5, rng=np.random.default_rng(1), alpha=0.8)
    some = purity_radius(features, 5, rng=np.random.default_rng(1), alpha=0.8, n_balls=200)
    assert some == pytest.approx(exact, rel=0.3)
    assert purity_radius(features, 5, rng=np.random.default_rng(1), alpha=0.8, n_balls=400) == exact


def clear_clusters():
    rng = np.random.default_rng(0)
    centers = np.concatenate([np.zeros((1, 4)), 8 * np.eye(4)])
    return (centers[rng.choice(5, 2000, p=[0.05, 0.1, 0.15, 0.3, 0.4])] + rng.normal(size=(2000, 4))).astype(np.float32)


@pytest.fixture
def clustered(monkeypatch):
    """The rows of every call of k-means, how often it was to go on, and what it found."""
    seen = []

    def watched(features, k, **options):
        seen.append((len(features), options["n_iter"], kmeans(features, k, **options)))
        return seen[-1][2]

    monkeypatch.setitem(purity_radius.__globals__, "kmeans", watched)
    return seen


def test_the_radius_of_centers_from_some_rows(clustered):
    features, rng = clear_clusters(), np.random.default_rng
    exact = purity_radius(features, 5, rng=rng(1), n_init=9)
    assert purity_radius(features, 5, rng=rng(1), n_init=9, n_train=400) == pytest.approx(exact, rel=1e-6)
    assert [call[:2] for call in clustered] == [(2000, 20), (400, 20), (2000, 1)]
    for n_train in (2000, 5000):
        assert purity_radius(features, 5, rng=rng(1), n_init=9, n_train=n_train) == exact


def test_all_rows_are_in_the_cluster_of_the_nearest_center_of_some(clustered):
    features = np.random.default_rng(0).normal(size=(2000, 4)).astype(np.float32)
    purity_radius(features, 5, rng=np.random.default_rng(1), n_train=50)
    found = clustered[-1][2]
    away = np.square(features[:, None].astype(float) - found.centers).sum(axis=2)
    assert (np.take_along_axis(away, found.labels[:, None], 1)[:, 0] <= away.min(axis=1) + 1e-5).all()


@pytest.mark.parametrize(
    ("given", "parts"),
    [
        ({"n_clusters": 1}, ["n_clusters", "at least 2"]),
        ({"n_clusters": 6}, ["n_clusters", "from 1 to 5"]),
        ({"alpha": 0}, ["alpha", "received 0"]),
        ({"alpha": 1.5}, ["alpha", "1.5"]),
        ({"n_balls": 6}, ["n_balls", "from 1 to 5"]),
        ({"n_train": 1}, ["n_train", "at least n_clusters, 2", "received 1"]),
        ({"n_train": 2.5}, ["n_train", "an integer", "2.5"]),
        ({"rng": 0}, ["rng", "int"]),
    ],
)
def test_errors_of_the_radius(given, parts):
    given = {"n_clusters": 2, "rng": np.random.default_rng(0)} | given
    check_refusal(parts, purity_radius, LINE, given.pop("n_clusters"), **given)
