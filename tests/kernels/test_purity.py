"""purity: vector V6, a loop over candidates, tiles, rows without direction."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tfal.kernels import purity
from tfal.kernels.parts import pairwise

from .plain import check_refusal

DTYPES = [np.float16, np.float32, np.float64]


def one_at_a_time(candidates, labeled):
    """The definition, in float64."""
    found = []
    for row in candidates.astype(np.float64):
        cosines = []
        for sample in labeled.astype(np.float64):
            norms = np.linalg.norm(row) * np.linalg.norm(sample)
            cosines.append(row @ sample / norms if norms > 0 else 0.0)
        found.append(max(cosines))
    return np.array(found)


def random_rows(seed, n, m, d, dtype=np.float32):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, d)).astype(dtype), rng.normal(size=(m, d)).astype(dtype)


def test_by_hand():
    found = purity(np.array([(3.0, 3.0), (-1.0, 0.0), (0.0, 5.0)]), np.array([(1.0, 0.0), (0.0, 2.0)]))
    np.testing.assert_allclose(found, [np.sqrt(0.5), 0, 1], atol=1e-7)
    assert found.dtype == np.float32


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("seed", range(3))
def test_equal_the_loop(seed, dtype):
    candidates, labeled = random_rows(seed, 70, 11, 5, dtype)
    found = purity(candidates, labeled)
    np.testing.assert_allclose(found, one_at_a_time(candidates, labeled), atol=1e-6)
    assert found.dtype == np.float32


@pytest.mark.parametrize("shape", [(30, 23), (7, 5), (1, 1), (8, 2), (3, 40)])
def test_tiles_equal_the_whole(shape, monkeypatch):
    candidates, labeled = random_rows(0, *shape, 4)
    whole = purity(candidates, labeled)
    monkeypatch.setattr(pairwise, "_TILE", {"numpy": (7, 5)})
    np.testing.assert_allclose(purity(candidates, labeled), whole, atol=1e-6)


def test_a_row_of_zeros_has_cosine_0():
    zero, one, minus = np.zeros(2), np.array([1.0, 0.0]), np.array([-1.0, 0.0])
    np.testing.assert_array_equal(purity(np.array([zero, one, minus]), np.array([one])), [0, 1, -1])
    np.testing.assert_array_equal(purity(np.array([zero, one, minus]), np.array([zero, one])), [0, 1, 0])


def test_norms_do_not_count():
    candidates, labeled = random_rows(1, 20, 6, 3, np.float64)
    scaled = purity(candidates * np.logspace(-12, 12, 20)[:, None], labeled * np.logspace(8, -8, 6)[:, None])
    np.testing.assert_allclose(scaled, purity(candidates, labeled), atol=1e-6)


@settings(deadline=None)
@given(
    hnp.arrays(np.float32, st.tuples(st.integers(1, 9), st.just(3)), elements=st.floats(-5, 5, width=16)),
    hnp.arrays(np.float32, st.tuples(st.integers(1, 9), st.just(3)), elements=st.floats(-5, 5, width=16)),
)
def test_in_range_1_for_labeled_rows_and_more_labels_never_lower_it(candidates, labeled):
    found = purity(candidates, labeled)
    assert np.all(np.abs(found) <= 1)
    with_direction = labeled[labeled.any(axis=1)]
    if len(with_direction):
        np.testing.assert_allclose(purity(with_direction, labeled), 1, atol=1e-6)
    assert np.all(purity(candidates, np.concatenate([labeled, candidates])) >= found - 1e-6)


def test_memory_map_of_float16_and_inputs_that_stay_as_they_are(tmp_path):
    candidates, labeled = random_rows(0, 40, 6, 3, np.float16)
    candidates.tofile(tmp_path / "rows")
    mapped = np.memmap(tmp_path / "rows", np.float16, "r", shape=candidates.shape)
    labeled.flags.writeable = False
    np.testing.assert_array_equal(purity(mapped, labeled), purity(candidates, labeled))


@pytest.mark.parametrize(
    ("candidates", "labeled", "parts"),
    [
        (np.ones((2, 3)), np.ones((0, 3)), ["labeled:", "(0, 3)", "Label some samples"]),
        (np.ones((2, 3)), [], ["labeled:", "(0,)", "Label some samples"]),
        (np.ones((2, 3)), np.ones((2, 4)), ["labeled:", "(m, 3)", "(2, 4)"]),
        (np.ones(3), np.ones((2, 3)), ["candidates:", "(n, d)", "(3,)"]),
        (np.ones((2, 3), int), np.ones((2, 3)), ["candidates:", "int64", ".astype"]),
        (np.ones((2, 3)), np.full((2, 3), np.nan), ["labeled:", "6 NaN or infinite of 6"]),
        (np.full((2, 3), 1e20), np.ones((2, 3)), ["candidates:", "up to 1e+15"]),
    ],
)
def test_refusals(candidates, labeled, parts):
    check_refusal(parts, purity, candidates, labeled)
