"""Rows of length 1 that all point much the same way, as those behind a ReLU do: float32 kernels against float64."""

import numpy as np
import pytest

from tfal import kernels
from tfal.kernels import distinctive_scores, semantic_scores
from tfal.kernels.badge import _Embeddings
from tfal.kernels.ldm_seeding import _Directions
from tfal.kernels.parts.euclidean import Points, near_mean, rounding
from tfal.kernels.parts.pairwise import squared_distances
from tfal.strategies.covering import least_distance

from . import referee
from .plain import plain_map
from .plain import squared_distances as of_space
from .test_flcmi import coverage
from .test_flcmi import plain_greedy as plain_flcmi
from .test_herding import plain as plain_herding
from .test_probcover import plain as plain_probcover

pytestmark = [
    pytest.mark.parametrize("d", [128, 512, 768, 2048]),
    pytest.mark.parametrize("dtype", [np.float16, np.float32]),
]


def rows_of(d, dtype, m=40, seed=0, copies=0):
    """Unit rows of mean 1 + .8 and deviation .6 a value; the last `copies` are equal to the first ones."""
    x = np.abs(np.random.default_rng(seed).normal(size=(m, d))) + 1
    x[m - copies :] = x[:copies]
    return (x / np.linalg.norm(x, axis=1, keepdims=True)).astype(dtype)


def exact(x):
    x = x.astype(np.float64)
    return np.sqrt([np.square(row - x).sum(axis=1) for row in x])  # at once, 330 x 330 x 2048 values would be 3 GB


def test_a_row_is_at_distance_0_from_itself_and_its_copies(d, dtype):
    x = rows_of(d, dtype, m=300, copies=30)
    squared, expected = squared_distances(x, x), exact(x) ** 2
    assert np.all((squared == 0) == (expected == 0))
    np.testing.assert_allclose(squared, expected, rtol=1e-4, atol=1e-12)
    for space in (Points(x, near_mean(x), plain_map), Points(x, 0.0, plain_map)):
        found = space.squared(
            space.rows(slice(None)), space.nearness(space.rows(slice(None)), space.centers(slice(None)))
        )
        assert np.all((found == 0) == (expected == 0))


@pytest.mark.parametrize("made", ["signs", "equal values", "zeros and ones"])
def test_values_that_round_alike_are_no_distance(d, dtype, made):
    rng = np.random.default_rng(0)
    x = {
        "signs": 0.1 * np.sign(rng.normal(size=(200, d))),
        "equal values": np.repeat(rng.random((200, 1)), d, axis=1),
        "zeros and ones": (rng.random((200, d)) < 0.5) / np.sqrt(d / 2),
    }[made].astype(dtype)
    assert np.all(np.diag(squared_distances(x, x)) == 0)


def test_small_distances_are_seen(d, dtype):
    x = rows_of(d, np.float32, m=60).astype(np.float64)
    mean = x.mean(axis=0)
    away = np.linalg.norm(x - mean, axis=1).mean()
    step = 3 * np.sqrt(2 * rounding(d)) * away
    assert step < 0.015 * away  # what is lost is below a hundredth of the spread
    x[1] = x[0] + step / np.sqrt(d)
    assert 0.6 * step < np.sqrt(squared_distances(x, x)[0, 1]) < 1.4 * step
    near = kernels.nearest_neighbors(x, x, 1, exclude_self=True)
    assert near.distances[0, 0] == pytest.approx(step, rel=1e-3)


def test_least_distance_of_labeled_rows(d, dtype):
    x = rows_of(d, dtype)
    expected = exact(x)[np.triu_indices(len(x), 1)].min()
    assert least_distance(x) == pytest.approx(expected, rel=1e-4)
    assert least_distance(rows_of(d, dtype, copies=8)) == pytest.approx(
        exact(x[:32])[np.triu_indices(32, 1)].min(), 1e-4
    )
    assert least_distance(np.repeat(x[:1], 30, axis=0)) == 1.0
    assert least_distance(np.repeat(x[:2], 30, axis=0)) == pytest.approx(exact(x)[0, 1], rel=1e-4)


def test_k_center(d, dtype):
    x = rows_of(d, dtype, m=80)
    picks = kernels.k_center_greedy(x[5:], 20, centers=x[:5]).tolist()
    assert picks == referee.k_center_greedy(x[5:], 20, x[:5])
    copies = np.concatenate([x, x])
    assert len({pick % 80 for pick in kernels.k_center_greedy(copies, 80).tolist()}) == 80


def test_herding_with_the_width_of_uherding(d, dtype):
    x, weights = rows_of(d, dtype, m=60), np.random.default_rng(1).random(60).astype(np.float32)
    for sigma in (1.0, least_distance(x[:20])):
        expected = plain_herding(x.astype(np.float64), 20, range(20), sigma, weights)
        assert kernels.max_herding(x, 20, labeled=range(20), sigma=sigma, weights=weights).tolist() == expected
    copies = np.concatenate([x, x])
    assert set(kernels.max_herding(copies, 60, sigma=0.05).tolist()) == set(range(60))


def test_probcover_and_its_radius(d, dtype):
    x = rows_of(d, dtype, m=80)
    delta = float(np.quantile(exact(x), 0.1))
    assert kernels.probcover(x, 20, delta=delta).tolist() == plain_probcover(x.astype(np.float64), 20, delta)
    assert kernels.probcover(x, 80, delta=0.0)[:80].tolist() == plain_probcover(x.astype(np.float64), 80, 0.0)
    labels = kernels.kmeans(x, 4, rng=np.random.default_rng(0)).labels
    other = np.where(labels[:, None] == labels, np.inf, exact(x)).min()
    radius = kernels.purity_radius(x, 4, rng=np.random.default_rng(0), alpha=1.0)
    assert radius == pytest.approx(other, rel=1e-4)


def test_neighbors(d, dtype):
    x = rows_of(d, dtype, m=80)
    distances = exact(x)
    np.fill_diagonal(distances, np.inf)
    found = kernels.nearest_neighbors(x, x, 5, exclude_self=True)
    np.testing.assert_array_equal(found.rows, distances.argsort(axis=1)[:, :5])
    np.testing.assert_allclose(found.distances, np.sort(distances, axis=1)[:, :5], rtol=1e-5)


def test_typiclust_in_one_cluster(d, dtype):
    x = rows_of(d, dtype, m=60)
    distances = np.sort(exact(x), axis=1)[:, 1:21]
    picks = kernels.typiclust(x, 1, rng=np.random.default_rng(0))
    assert picks.tolist() == [distances.mean(axis=1).argmin()]


def test_kmeans(d, dtype):
    x = rows_of(d, dtype, m=80)
    found = kernels.kmeans(x, 5, rng=np.random.default_rng(0))
    centers = np.stack([x[found.labels == k].astype(np.float64).mean(axis=0) for k in range(5)])
    squared = np.square(x[:, None].astype(np.float64) - centers).sum(axis=2)
    np.testing.assert_array_equal(found.labels, squared.argmin(axis=1))
    assert found.inertia == pytest.approx(squared.min(axis=1).sum(), rel=1e-5)
    nearest = [np.flatnonzero(found.labels == k)[squared[found.labels == k, k].argmin()] for k in range(5)]
    assert kernels.representatives(x, found.centers, found.labels).tolist() == nearest
    copies = np.concatenate([x[:10]] * 8)
    assert len({row % 10 for row in kernels.kmeans_plusplus(copies, 10, rng=np.random.default_rng(0)).tolist()}) == 10


def test_seeding_of_badge_and_ldms_sees_copies(d, dtype):
    x, logits = rows_of(d, dtype, m=60, copies=20), np.random.default_rng(2).normal(size=(60, 10))
    logits[40:] = logits[:20]
    same = (np.arange(60)[:, None] - np.arange(60)) % 40 == 0
    for space, expected in (
        (_Embeddings(x, logits, plain_map), referee.badge_distances(x, logits) ** 2),
        (_Directions(x, plain_map), referee.cosine_distances(x) ** 2),
    ):
        found = of_space(space)
        assert np.all((found == 0) == same)
        np.testing.assert_allclose(found[~same], expected[~same], rtol=1e-3)


def test_cosines(d, dtype):
    x = rows_of(d, dtype, m=60)
    unit = x.astype(np.float64) / np.linalg.norm(x.astype(np.float64), axis=1, keepdims=True)
    expected = (unit[10:] @ unit[:10].T).max(axis=1)
    found = kernels.purity(x[10:], x[:10])
    np.testing.assert_allclose(found, expected, atol=rounding(d))
    assert kernels.top_n(found, 1).tolist() == [expected.argmax()]
    alike = np.repeat(x[:1], 50, axis=0)
    assert np.all(semantic_scores(alike, x[:10]) == np.tanh(-45))
    assert np.all(distinctive_scores(alike[:, None], x[:10, None], np.zeros(10, int), 1) == 1)


def test_flcmi(d, dtype):
    x = rows_of(d, dtype, m=50)
    candidates, query, private = (x[:40],), (x[40:45],), (x[45:],)
    picks = kernels.flcmi_greedy(candidates, 6, query=query, private=private, nu=0.9)
    assert picks.tolist() == plain_flcmi(coverage(candidates, query, private, nu=0.9), 6)
