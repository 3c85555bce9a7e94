"""Blocks of distances and their reduction, against the definition in float64."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tfal.kernels import cosine_similarities, reduce_distances, squared_distances
from tfal.kernels.parts import pairwise

from .plain import check_refusal


def definition(a, b, metric="euclidean"):
    """All distances, from differences or normalized products, in float64."""
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    if metric == "euclidean":
        return np.linalg.norm(a[:, None] - b[None], axis=2)
    norms = np.linalg.norm(a, axis=1)[:, None] * np.linalg.norm(b, axis=1)
    return 1 - np.divide(a @ b.T, norms, out=np.zeros_like(norms), where=norms > 0)


def nearest(state, tile, start):
    least, column = tile.min(axis=1), tile.argmin(axis=1) + start
    if state is None:
        return least, column
    return np.minimum(least, state[0]), np.where(least < state[0], column, state[1])


def total(state, tile, start):
    sums = np.exp(-tile).sum(axis=1)
    return sums if state is None else state + sums


def within(state, tile, start):
    count = (tile <= 1).sum(axis=1)
    return count if state is None else state + count


def four_smallest(state, tile, start):
    return np.sort(tile if state is None else np.hstack([state, tile]), axis=1)[:, :4]


@pytest.fixture
def small_tiles(monkeypatch):
    monkeypatch.setattr(pairwise, "_TILE", {"numpy": (7, 5)})


def test_squared_distances_by_hand():
    found = squared_distances(np.array([(0.0, 0.0), (1.0, 1.0)]), np.array([(3.0, 4.0), (1.0, 1.0), (0.0, 2.0)]))
    assert found.tolist() == [[25, 2, 4], [13, 0, 2]]
    assert found.dtype == np.float32


def test_cosine_similarities_by_hand():
    a = np.array([(2.0, 0.0), (0.0, 0.0)])
    found = cosine_similarities(a, np.array([(5.0, 0.0), (0.0, 0.1), (-3.0, 0.0), (3.0, 4.0), (0.0, 0.0)]))
    np.testing.assert_allclose(found, [[1, 0, -1, 0.6, 0], [0] * 5], atol=1e-7)
    assert found.dtype == np.float32


@pytest.mark.parametrize("offset", [0, 1000])
def test_blocks_equal_the_definition(offset):
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(60, 33)) + offset, rng.normal(size=(90, 33)) + offset
    a, b = a.astype(np.float32), b.astype(np.float32)
    np.testing.assert_allclose(np.sqrt(squared_distances(a, b)), definition(a, b), rtol=1e-5)
    np.testing.assert_allclose(1 - cosine_similarities(a, b), definition(a, b, "cosine"), atol=1e-6)


@pytest.mark.parametrize("offset", [0, -1234.567])
def test_equal_rows_are_at_distance_0(offset):
    rows = np.random.default_rng(0).normal(size=(50, 100)) + offset
    assert np.all(np.diag(squared_distances(rows, rows)) == 0)
    assert np.all(np.diag(reduce_distances(rows, rows, lambda state, tile, start: tile)) == 0)
    assert np.all(np.diag(reduce_distances(rows, rows, lambda state, tile, start: tile, metric="cosine")) == 0)


@pytest.mark.usefixtures("small_tiles")
@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
@pytest.mark.parametrize("shape", [(30, 23), (7, 5), (1, 1), (8, 2)])
def test_reductions_equal_the_whole_matrix(shape, metric):
    rng = np.random.default_rng(shape[0])
    a, b = (np.float32(rng.normal(size=(n, 4))) for n in shape)
    d = definition(a, b, metric)
    least, column = reduce_distances(a, b, nearest, metric=metric)
    np.testing.assert_allclose(least, d.min(axis=1), atol=1e-5)
    np.testing.assert_array_equal(column, d.argmin(axis=1))
    np.testing.assert_allclose(reduce_distances(a, b, total, metric=metric), np.exp(-d).sum(axis=1), rtol=1e-5)
    np.testing.assert_array_equal(reduce_distances(a, b, within, metric=metric), (d <= 1).sum(axis=1))
    np.testing.assert_allclose(
        reduce_distances(a, b, four_smallest, metric=metric), np.sort(d, axis=1)[:, :4], atol=1e-5
    )


@pytest.mark.usefixtures("small_tiles")
def test_tiles_come_in_order_and_are_small():
    seen = []

    def look(state, tile, start):
        seen.append((tile.shape, start, state))
        return np.full(len(tile), start)

    state = reduce_distances(np.zeros((10, 3)), np.zeros((12, 3)), look)
    assert state.tolist() == [10] * 10
    for height in (7, 3):
        starts = [
            (start, shape[1], None if state is None else state[0]) for shape, start, state in seen if shape[0] == height
        ]
        assert starts == [(0, 5, None), (5, 5, 0), (10, 2, 5)]


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), n=st.integers(1, 20), m=st.integers(1, 20), d=st.integers(1, 5))
def test_integers_are_exact(seed, n, m, d):
    rng = np.random.default_rng(seed)
    a, b = (rng.integers(-20, 21, size=(rows, d)).astype(np.float32) for rows in (n, m))
    expected = np.square(a[:, None] - b[None]).sum(axis=2)
    np.testing.assert_array_equal(squared_distances(a, b), expected)


def test_dtypes_agree_and_inputs_stay_as_they_are():
    rng = np.random.default_rng(0)
    a, b, found = rng.integers(0, 9, size=(20, 3)), rng.integers(0, 9, size=(30, 3)), []
    for dtype in (np.float16, np.float32, np.float64):
        arrays = a.astype(dtype), b.astype(dtype)
        for array in arrays:
            array.flags.writeable = False
        found.append(squared_distances(*arrays))
        found.append(np.rint(reduce_distances(*arrays, lambda state, tile, start: tile) ** 2))
    assert all(np.array_equal(found[0], other) for other in found)


@pytest.mark.usefixtures("small_tiles")
def test_memory_map_of_float16(tmp_path):
    rows = np.random.default_rng(0).normal(size=(40, 6)).astype(np.float16)
    rows.tofile(tmp_path / "rows")
    mapped = np.memmap(tmp_path / "rows", np.float16, "r", shape=rows.shape)
    for metric in ("euclidean", "cosine"):
        expected = reduce_distances(rows.astype(np.float32), rows.astype(np.float32), total, metric=metric)
        np.testing.assert_array_equal(reduce_distances(mapped, mapped, total, metric=metric), expected)


@pytest.mark.parametrize(
    ("call", "parts"),
    [
        (lambda: squared_distances(np.ones(3), np.ones((2, 3))), ["a:", "(n, d)", "(3,)"]),
        (lambda: squared_distances(np.ones((2, 3)), np.ones((2, 4))), ["b:", "(n, 3)", "(2, 4)"]),
        (lambda: squared_distances(np.ones((2, 3)), np.ones((2, 3), int)), ["b:", "int64", ".astype"]),
        (lambda: squared_distances(np.ones((2, 3)), np.full((2, 3), np.nan)), ["b:", "6 NaN or infinite of 6"]),
        (lambda: cosine_similarities(np.ones((0, 3)), np.ones((2, 3))), ["a:", "(0, 3)"]),
        (lambda: cosine_similarities(np.full((2, 3), 1e20), np.ones((2, 3))), ["a:", "up to 1e+15"]),
        (lambda: reduce_distances(np.ones((2, 3)), np.ones((2, 4)), total), ["columns:", "(n, 3)", "(2, 4)"]),
        (lambda: reduce_distances(np.ones((2, 3)), np.ones((2, 3)), total, metric="l1"), ["metric", "'l1'", "cosine"]),
    ],
)
def test_refusals(call, parts):
    check_refusal(parts, call)


@pytest.mark.gpu
def test_gpu(cupy):
    rng = np.random.default_rng(0)
    a, b = (rng.normal(size=(n, 16)).astype(np.float32) for n in (300, 200))
    for f in (squared_distances, cosine_similarities):
        on_device = f(cupy.asarray(a), cupy.asarray(b))
        assert isinstance(on_device, cupy.ndarray)
        np.testing.assert_allclose(on_device.get(), f(a, b), rtol=1e-4, atol=1e-5)
    count = reduce_distances(cupy.asarray(a), cupy.asarray(b), within)
    assert np.abs(count.get() - reduce_distances(a, b, within)).max() <= 1
