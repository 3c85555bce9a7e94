"""typiclust against a plain version of the method, and its edge cases."""

import numpy as np
import pytest

from tfal.kernels import kmeans, typiclust
from tfal.kernels.top import tie_ranks

from .plain import BACKENDS, check_refusal


def rng():
    return np.random.default_rng(0)


def plain(features, n, labeled=(), max_clusters=500, min_size=5, n_neighbors=20):
    """One cluster after the other, all distances within it for every pick."""
    stream = rng()
    labels = kmeans(features, min(len(labeled) + n, max_clusters), rng=stream).labels
    ranks = tie_ranks(len(features), stream)  # both rows of a cluster of two are as typical
    counts = {c: (int(np.isin(labeled, np.flatnonzero(labels == c)).sum()), -int((labels == c).sum())) for c in labels}
    order = sorted(counts, key=lambda c: (counts[c], c))
    picks, small_too = [], False
    while len(picks) < n:
        before = len(picks)
        for cluster in order:
            rows = np.flatnonzero(labels == cluster)
            left = np.setdiff1d(rows, [*labeled, *picks])
            if len(left) and (len(rows) >= min_size) != small_too and len(picks) < n:
                away = np.sqrt(np.square(features[left, None].astype(float) - features[rows]).sum(axis=2))
                k = min(n_neighbors, len(rows) - 1)
                mean = np.sort(away, axis=1)[:, 1 : k + 1].sum(axis=1) / max(k, 1)
                picks.append(int(left[np.lexsort((ranks[left], mean))[0]]))
        small_too = small_too or len(picks) == before
    return picks


@pytest.mark.parametrize("labeled", [0, 6])
@pytest.mark.parametrize("options", [{}, {"max_clusters": 4}, {"min_size": 12}, {"n_neighbors": 3}])
def test_equals_the_plain_method(labeled, options):
    features = np.random.default_rng(1).normal(size=(90, 3)).astype(np.float32)
    labeled = np.random.default_rng(2).choice(90, labeled, replace=False)
    expected = plain(features, 15, labeled, **options)
    assert typiclust(features, 15, labeled=labeled, rng=rng(), **options).tolist() == expected


def test_clusters_without_labels_come_first_then_the_largest():
    sizes, centers = (9, 7, 8, 2), (0.0, 100.0, 200.0, 300.0)
    features = np.concatenate([c + np.arange(s) for s, c in zip(sizes, centers, strict=True)])[:, None]
    # Four clusters; row 0 is in the largest. The middles of the others, then again from the largest without labels.
    picks = typiclust(features, 3, labeled=[0], rng=rng(), n_neighbors=2)
    assert (np.searchsorted(np.cumsum(sizes), picks, side="right")).tolist() == [2, 1, 0]


@pytest.mark.parametrize("backend", BACKENDS)
def test_small_clusters_are_used_when_no_other_row_is_left(backend):
    features = np.array([0.0, 1, 2, 3, 4, 5, 100, 101, 200])[:, None]
    picks = typiclust(features, 9, rng=rng(), max_clusters=3, backend=backend)
    assert set(picks[:6].tolist()) == set(range(6))
    assert picks[7] == 8
    assert sorted(picks[[6, 8]].tolist()) == [6, 7]  # as typical as each other


def test_every_row_of_equal_rows():
    assert sorted(typiclust(np.full((30, 2), 0.1), 30, rng=rng()).tolist()) == list(range(30))
    assert typiclust(np.ones((6, 2)), 1, labeled=[0, 1, 2, 3, 5], rng=rng()).tolist() == [4]
    assert typiclust(np.ones((1, 2)), 1, rng=rng()).tolist() == [0]


def test_the_same_numbers_give_the_same_picks_in_all_dtypes(tmp_path):
    half = np.random.default_rng(0).normal(size=(120, 4)).astype(np.float16)
    np.save(tmp_path / "half.npy", half)
    expected = typiclust(half.astype(np.float32), 20, labeled=[4], rng=rng()).tolist()
    assert len(set(expected)) == 20
    half.flags.writeable = False
    for features in (half, half.astype(np.float64), np.load(tmp_path / "half.npy", mmap_mode="r")):
        assert typiclust(features, 20, labeled=[4], rng=rng()).tolist() == expected


@pytest.mark.parametrize(
    ("given", "parts"),
    [
        ({"features": np.ones(4)}, ["features", "(m, d)"]),
        ({"features": np.full((4, 1), np.nan)}, ["features", "4 NaN"]),
        ({"n": 7}, ["n:", "from 1 to 6"]),
        ({"labeled": [6]}, ["labeled", "from 0 to 5"]),
        ({"max_clusters": 0}, ["max_clusters", "at least 1"]),
        ({"min_size": 1.5}, ["min_size", "1.5"]),
        ({"n_neighbors": 0}, ["n_neighbors"]),
        ({"n_iter": 0}, ["n_iter"]),
        ({"rng": None}, ["rng", "NoneType"]),
        ({"backend": "gpu"}, ["backend", "gpu"]),
    ],
)
def test_errors(given, parts):
    given = {"features": np.arange(6.0)[:, None], "n": 2, "rng": rng()} | given
    check_refusal(parts, typiclust, given.pop("features"), given.pop("n"), **given)
