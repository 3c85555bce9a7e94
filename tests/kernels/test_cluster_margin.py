"""average_linkage and cluster_margin: vectors, plain versions, bad inputs."""

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from tfal.kernels import average_linkage, cluster_margin

from .plain import check_refusal

MARGINS = np.array([0.05, 0.10, 0.12, 0.20, 0.22, 0.30, 0.50, 0.90])
CLUSTERS = np.array([0, 0, 0, 1, 0, 1, 2, 2])


def rng(seed=0):
    return np.random.default_rng(seed)


def test_vector():
    assert cluster_margin(-MARGINS, CLUSTERS, 4, factor=1.5, member="margin", rng=rng()).tolist() == [3, 0, 5, 1]


def test_members_are_random_but_of_the_same_clusters():
    found = [cluster_margin(-MARGINS, CLUSTERS, 4, factor=1.5, rng=rng(seed)) for seed in range(40)]
    assert all(CLUSTERS[rows].tolist() == [1, 0, 1, 0] and (rows < 6).all() for rows in found)
    assert {int(row) for rows in found for row in rows} == {*range(6)}


def test_a_cluster_that_has_no_more_is_passed_over():
    clusters = np.array([5, 5, 5, 5, 5, 1])
    found = cluster_margin(-np.arange(6.0), clusters, 5, factor=2, member="margin", rng=rng())
    assert found.tolist() == [5, 0, 1, 2, 3]
    assert sorted(cluster_margin(np.zeros(6), clusters, 6, rng=rng())) == [*range(6)]


@pytest.mark.parametrize(("n", "factor", "looked_at"), [(4, 1.25, 5), (3, 1.25, 4), (4, 1, 4), (7, 9, 8)])
def test_how_many_margins_are_looked_at(n, factor, looked_at):
    drawn = [cluster_margin(-MARGINS, CLUSTERS * 0, n, factor=factor, rng=rng(seed)).tolist() for seed in range(60)]
    assert set().union(*drawn) == {*range(looked_at)}


def plain_linkage(rows, n_clusters):
    """Merges the two clusters of least mean distance until so many are left."""
    clusters, away = [[i] for i in range(len(rows))], cdist(rows, rows)
    while len(clusters) > n_clusters:
        pairs = [(away[np.ix_(a, b)].mean(), i, j) for i, a in enumerate(clusters) for j, b in enumerate(clusters[:i])]
        _, i, j = min(pairs)
        clusters[j] += clusters.pop(i)
    return {frozenset(cluster) for cluster in clusters}


def sets(labels):
    return {frozenset(np.flatnonzero(labels == label).tolist()) for label in np.unique(labels)}


@pytest.mark.parametrize(("m", "mean_size"), [(20, 2.0), (21, 2.0), (24, 3.0), (12, 1.0), (5, 9.0)])
def test_equals_the_plain_linkage(m, mean_size):
    rows = rng(m).normal(size=(m, 3))
    found = average_linkage(rows, mean_size=mean_size, rng=rng())
    assert sets(found) == plain_linkage(rows, max(1, int(m / mean_size)))
    assert found.dtype == np.int64
    assert sorted(set(found.tolist())) == [*range(found.max() + 1)]


def test_others_go_to_the_nearest_mean():
    rows = rng().normal(size=(200, 3)).astype(np.float32)
    found = average_linkage(rows, n_linked=40, rng=rng(3))
    linked = np.sort(rng(3).choice(200, 40, replace=False))
    assert sets(found[linked]) == plain_linkage(rows[linked].astype(float), 20)
    means = np.stack([rows[linked][found[linked] == c].mean(axis=0) for c in range(found.max() + 1)])
    others = np.setdiff1d(np.arange(200), linked)
    assert found[others].tolist() == cdist(rows[others], means).argmin(axis=1).tolist()


def test_one_row_equal_rows_and_dtypes(tmp_path):
    assert average_linkage(np.ones((1, 2)), rng=rng()).tolist() == [0]
    assert average_linkage(np.ones((6, 2)), rng=rng()).tolist() == [0] * 6  # all are merged at distance 0
    half = rng().normal(size=(90, 4)).astype(np.float16)
    np.save(tmp_path / "half.npy", half)
    found = [
        average_linkage(rows, n_linked=30, rng=rng()).tolist()
        for rows in (half, half.astype(np.float64), np.load(tmp_path / "half.npy", mmap_mode="r"))
    ]
    assert found[0] == found[1] == found[2]


@pytest.mark.parametrize(
    ("given", "parts"),
    [
        ({"features": np.ones(4)}, ["features", "(m, d)"]),
        ({"features": np.full((4, 2), np.inf)}, ["features", "8 NaN or infinite"]),
        ({"n_linked": 1}, ["n_linked", "2 to 20,000", "1"]),
        ({"n_linked": 20_001}, ["n_linked", "20001"]),
        ({"mean_size": 0.5}, ["mean_size", "from 1", "0.5"]),
    ],
)
def test_errors_of_linkage(given, parts):
    given = {"features": np.ones((4, 2)), "rng": rng()} | given
    check_refusal(parts, average_linkage, given.pop("features"), **given)


@pytest.mark.parametrize(
    ("given", "parts"),
    [
        ({"scores": np.full(8, np.nan)}, ["scores", "8 NaN"]),
        ({"clusters": CLUSTERS[:5]}, ["clusters", "(8,)", "(5,)"]),
        ({"clusters": CLUSTERS - 1}, ["clusters", "at least 0"]),
        ({"n": 9}, ["n:", "from 1 to 8"]),
        ({"factor": 0.9}, ["factor", "from 1"]),
        ({"member": "first"}, ["member", "first", "margin"]),
        ({"rng": 1}, ["rng", "int"]),
    ],
)
def test_errors(given, parts):
    given = {"scores": -MARGINS, "clusters": CLUSTERS, "n": 2, "rng": rng()} | given
    check_refusal(parts, cluster_margin, *(given.pop(name) for name in ("scores", "clusters", "n")), **given)
