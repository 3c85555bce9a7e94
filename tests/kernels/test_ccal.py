"""CCAL's scores and picks: vectors V8 and V9, loops over candidates, classes and rotations, tiles, bad inputs."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tfal.kernels import ccal, distinctive_scores, round_robin, semantic_scores
from tfal.kernels.parts import tiles

from .plain import check_refusal

DTYPES = [np.float16, np.float32, np.float64]


def cosine(a, b):
    norms = np.linalg.norm(a) * np.linalg.norm(b)
    return a @ b / norms if norms > 0 else 0.0


def raw_one_at_a_time(candidates, labeled, labels, n_classes):
    """The definition, in float64: candidate by candidate, class by class, rotation by rotation."""
    candidates, labeled = candidates.astype(np.float64), labeled.astype(np.float64)
    found = np.full((len(candidates), n_classes), np.nan)
    for u, views in enumerate(candidates):
        for i in set(labels.tolist()):
            terms = []
            for r, view in enumerate(views):
                samples = labeled[labels == i, r]
                cosines = np.array([cosine(view, sample) for sample in samples])
                a, *rest = np.argsort(-cosines, kind="stable")
                b = rest[0] if rest else a
                terms.append(2 * cosines[a] - cosines[b] + (cosine(samples[a], samples[b]) if rest else 1))
            found[u, i] = np.mean(terms)
    return found


def normalized(values):
    return (values - values.min(axis=0)) / (values.max(axis=0) - values.min(axis=0))


def case(seed, n=40, m=13, rotations=3, d=6, classes=3, dtype=np.float32):
    rng = np.random.default_rng(seed)
    candidates = rng.normal(size=(n, rotations, d)).astype(dtype)
    labeled = rng.normal(size=(m, rotations, d)).astype(dtype)
    labels = np.arange(m) % classes
    return candidates, labeled, rng.permutation(labels), classes


def turns(scores, n):
    """The definition: in every turn, look at all rows that are left."""
    left, picks = list(range(len(scores))), []
    while len(picks) < n:
        for column in scores.T:
            if not np.isnan(column).any() and len(picks) < n:
                picks.append(max(left, key=lambda row: (column[row], -row)))
                left.remove(picks[-1])
    return picks


def test_one_candidate_by_hand():
    candidates = np.array([[(1.0, 0.5)]])
    labeled = np.array([[(1.0, 0.0)], [(0.0, 1.0)], [(1.0, 1.0)]])
    found = ccal._raw_scores(candidates, labeled, np.zeros(3, int), 1)
    np.testing.assert_allclose(found, [[1.710046]], atol=1e-6)  # 2 * .948683 - .894427 + cos 45 degrees


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("seed", range(3))
def test_distinctive_scores_equal_the_loop(seed, dtype):
    given_case = case(seed, dtype=dtype)
    raw = raw_one_at_a_time(*given_case)
    np.testing.assert_allclose(ccal._raw_scores(*given_case), raw, atol=2e-6)
    found = distinctive_scores(*given_case)
    np.testing.assert_allclose(found, 1 - normalized(raw), atol=1e-5)
    assert found.dtype == np.float64
    assert (found.min(axis=0).tolist(), found.max(axis=0).tolist()) == ([0] * 3, [1] * 3)


def test_distinctive_scores_with_one_rotation_and_more_classes_than_candidates():
    given_case = case(3, n=5, m=30, rotations=1, classes=15)
    np.testing.assert_allclose(
        distinctive_scores(*given_case), 1 - normalized(raw_one_at_a_time(*given_case)), atol=1e-5
    )


def test_tiles_equal_the_whole(monkeypatch):
    given_case = case(0, n=50)
    whole = distinctive_scores(*given_case)
    monkeypatch.setattr(tiles, "_TILE_BYTES", {"numpy": 1})
    monkeypatch.setattr(tiles, "LEAST_ROWS", 7)
    np.testing.assert_allclose(distinctive_scores(*given_case), whole, atol=1e-5)


def test_a_class_with_one_sample_and_a_class_without_any():
    candidates, labeled, _, _ = case(0, m=4)
    labels = np.array([0, 0, 0, 2])
    found = distinctive_scores(candidates, labeled, labels, 4)
    np.testing.assert_array_equal(np.isnan(found).all(axis=0), [False, True, False, True])
    assert not np.isnan(found[:, [0, 2]]).any()
    cosines = [np.mean([cosine(view, sample) for view, sample in zip(u, labeled[3], strict=True)]) for u in candidates]
    np.testing.assert_allclose(ccal._raw_scores(candidates, labeled, labels, 4)[:, 2], np.add(cosines, 1), atol=1e-6)
    np.testing.assert_allclose(found[:, 2], 1 - normalized(np.array(cosines)), atol=1e-5)


@pytest.mark.parametrize("n", [1, 300])
def test_candidates_that_are_all_alike_score_1_and_minus_1(n):
    rng = np.random.default_rng(0)
    candidates = np.repeat(rng.normal(size=(1, 2, 5)), n, axis=0) * rng.uniform(1, 9, (n, 1, 1))
    labeled = rng.normal(size=(6, 2, 5))
    assert np.all(distinctive_scores(candidates, labeled, np.arange(6) % 2, 2) == 1)
    found = semantic_scores(candidates[:, 0], labeled[:, 0])
    np.testing.assert_allclose(found, -1)


def test_rows_of_zeros_have_cosine_0():
    candidates, labeled, labels, classes = case(1)
    candidates[3, 1], labeled[2, 0], labeled[5] = 0, 0, 0
    raw = raw_one_at_a_time(candidates, labeled, labels, classes)
    np.testing.assert_allclose(ccal._raw_scores(candidates, labeled, labels, classes), raw, atol=2e-6)
    np.testing.assert_allclose(distinctive_scores(candidates, labeled, labels, classes), 1 - normalized(raw), atol=1e-5)


def test_a_memory_map_and_inputs_that_stay_as_they_are(tmp_path):
    candidates, labeled, labels, classes = case(2, dtype=np.float16)
    candidates.tofile(tmp_path / "rows")
    mapped = np.memmap(tmp_path / "rows", np.float16, "r", shape=candidates.shape)
    for array in (labeled, labels):
        array.flags.writeable = False
    expected = distinctive_scores(candidates, labeled, labels, classes)
    np.testing.assert_array_equal(distinctive_scores(mapped, labeled, labels.astype(np.uint8), classes), expected)
    np.testing.assert_array_equal(
        semantic_scores(mapped[:, 0], labeled[:, 0]), semantic_scores(candidates[:, 0], labeled[:, 0])
    )


def test_semantic_scores_by_hand():
    found = ccal._steep(np.array([0, 0.88, 0.9, 0.95, 1]), 100, 0.9)
    np.testing.assert_allclose(found, [-1, -0.761594, 0, 0.986614, 0.999909], atol=1e-6)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("k", "t"), [(100.0, 0.9), (3, 0)])
def test_semantic_scores_equal_the_loop(k, t, dtype):
    candidates, labeled, _, _ = case(0, dtype=dtype)
    candidates, labeled = candidates[:, 0].astype(np.float64), labeled[:, 0].astype(np.float64)
    m = normalized(np.array([max(cosine(u, sample) for sample in labeled) for u in candidates]))
    power = np.exp(-k * (m - t))
    found = semantic_scores(candidates.astype(dtype), labeled.astype(dtype), k=k, t=t)
    np.testing.assert_allclose(found, (1 - power) / (1 + power), atol=5e-5)
    assert found.dtype == np.float64


def test_round_robin_by_hand():
    scores = np.array([(0.9, 0.9), (0.8, 0.5), (0.1, 0.7), (0.2, 0.1)])
    assert round_robin(scores, 4).tolist() == [0, 2, 1, 3]
    assert round_robin(scores, 1).tolist() == [0]
    assert round_robin(scores[:, ::-1], 3).tolist() == [0, 1, 2]
    assert round_robin(scores, 4).dtype == np.int64


def test_round_robin_takes_exactly_n_and_gives_the_last_classes_their_share():
    # 500 rows for 40 classes: the public code takes 13 a class until it has 501, 6 and 1 for the last two.
    scores = np.random.default_rng(0).normal(size=(3000, 40))
    mine = np.arange(3000) % 40
    scores[np.arange(3000), mine] += 100  # every class wants its own
    picks = round_robin(scores, 500)
    assert len(set(picks.tolist())) == 500
    assert np.bincount(mine[picks]).tolist() == [13] * 20 + [12] * 20


def test_round_robin_ties_go_to_the_lowest_row_and_columns_of_nan_to_nobody():
    scores = np.full((5, 4), np.nan)
    scores[:, 1], scores[:, 3] = 1, [0, 2, 2, np.inf, -np.inf]
    assert round_robin(scores, 5).tolist() == [0, 3, 1, 2, 4]
    assert round_robin(np.zeros((6, 3), np.uint8), 5).tolist() == [0, 1, 2, 3, 4]


@settings(deadline=None)
@given(st.integers(1, 12), st.integers(1, 5), st.integers(0, 2**32 - 1), st.data())
def test_round_robin_equals_the_loop(m, classes, seed, data):
    n = data.draw(st.integers(1, m))
    scores = np.random.default_rng(seed).integers(0, 4, size=(m, classes)).astype(np.float32)
    if classes > 1:
        scores[:, data.draw(st.integers(0, classes - 1))] = np.nan
    scores.flags.writeable = False
    assert round_robin(scores, n).tolist() == turns(scores, n)


@settings(deadline=None)
@given(st.integers(1, 6), st.integers(1, 60), st.integers(0, 2**32 - 1))
def test_round_robin_gives_distinct_rows_and_equal_shares(classes, n, seed):
    rng = np.random.default_rng(seed)
    scores = np.zeros((60 * classes, classes))
    mine = rng.permutation(len(scores)) % classes
    scores[np.arange(len(scores)), mine] = 1 + rng.random(len(scores))
    picks = round_robin(scores, n)
    assert len(set(picks.tolist())) == n
    counts = np.bincount(mine[picks], minlength=classes)
    assert counts.max() - counts.min() <= 1


ROWS = np.ones((2, 4, 3))


@pytest.mark.parametrize(
    ("given_case", "parts"),
    [
        ((np.ones((2, 3)), ROWS, [0, 0], 1), ["candidates:", "(n, R, d)", "(2, 3)"]),
        ((ROWS, np.ones((0, 4, 3)), [], 1), ["labeled:", "(0, 4, 3)", "Label some samples"]),
        ((ROWS, np.ones((2, 1, 3)), [0, 0], 1), ["labeled:", "(m, 4, 3)", "(2, 1, 3)"]),
        ((ROWS.astype(int), ROWS, [0, 0], 1), ["candidates:", "int64", ".astype"]),
        ((ROWS, np.full((2, 4, 3), np.inf), [0, 0], 1), ["labeled:", "24 NaN or infinite of 24"]),
        ((ROWS, ROWS, [0, 0, 0], 1), ["labels:", "(2,)", "int64 (3,)"]),
        ((ROWS, ROWS, [0.0, 1.0], 2), ["labels:", "integers", "float64 (2,)"]),
        ((ROWS, ROWS, [0, 2], 2), ["labels:", "from 0 to 1", "0 to 2", "rejected"]),
        ((ROWS, ROWS, [-1, 0], 2), ["labels:", "-1 to 0"]),
        ((ROWS, ROWS, [0, 0], 0), ["n_classes:", "at least 1", "received 0"]),
    ],
)
def test_distinctive_refusals(given_case, parts):
    check_refusal(parts, distinctive_scores, *given_case)


@pytest.mark.parametrize(
    ("given_case", "named", "parts"),
    [
        ((np.ones((2, 3)), np.ones((0, 3))), {}, ["labeled:", "(0, 3)", "Label some samples"]),
        ((np.ones((2, 3)), np.ones((2, 4))), {}, ["labeled:", "(m, 3)", "(2, 4)"]),
        ((np.ones((2, 3)), np.ones((2, 3))), {"k": 0}, ["k:", "above 0", "received 0"]),
        ((np.ones((2, 3)), np.ones((2, 3))), {"t": np.nan}, ["t:", "finite number", "nan"]),
        ((np.ones((2, 3)), np.ones((2, 3))), {"t": "0.9"}, ["t:", "finite number", "'0.9'"]),
    ],
)
def test_semantic_refusals(given_case, named, parts):
    check_refusal(parts, semantic_scores, *given_case, **named)


@pytest.mark.parametrize(
    ("scores", "n", "parts"),
    [
        (np.ones(3), 1, ["scores:", "(m, C)", "(3,)"]),
        (np.ones((3, 0)), 1, ["scores:", "(m, C)", "(3, 0)"]),
        (np.array([["a"]]), 1, ["scores:", "real numbers"]),
        (np.ones((3, 2)), 4, ["n:", "1 to 3", "received 4"]),
        (np.ones((3, 2)), 0, ["n:", "received 0"]),
        (np.full((3, 2), np.nan), 1, ["scores:", "NaN in all 2", "Label some samples"]),
        (np.array([(0, 1), (0, np.nan)]), 1, ["scores:", "1 NaN of 2 in column 1"]),
    ],
)
def test_round_robin_refusals(scores, n, parts):
    check_refusal(parts, round_robin, scores, n)
