"""Inputs of any float dtype, in memory or memory-mapped, in tiles of any size: the same answers, in little memory."""

import tracemalloc

import numpy as np
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from tfal.errors import InputError
from tfal.kernels import badge_seeding, hypotheses, k_center_greedy, ldm_seeding, least_disagree_metric
from tfal.kernels.parts import faiss_backend, tiles
from tfal.kernels.parts.tiles import float32_rows

from .plain import NO_FAISS

KERNEL = np.random.default_rng(9).integers(-2, 3, size=(12, 4)).astype(np.float32)


def badge(features, n=25):
    logits = np.random.default_rng(1).integers(-8, 9, size=(len(features), 4)) / 4
    return badge_seeding(features, logits, n, rng=np.random.default_rng(0))


def coreset(features, n=25):
    return k_center_greedy(features, n)


def coreset_with_centers(features, n=25):
    return k_center_greedy(features[20:], n, centers=features[:20])


def ldms(features, n=25):
    ldm = np.random.default_rng(1).permutation(len(features)) / len(features)
    return ldm_seeding(ldm, features, n, rng=np.random.default_rng(0))


def metric(features, sigmas=(0.01, 0.1, 1), patience=10):
    rng = np.random.default_rng(0)
    return least_disagree_metric(
        features, features[:70], KERNEL, np.zeros(4), rng=rng, sigmas=sigmas, patience=patience
    )


def metric_of_few_hypotheses(features):
    return metric(features, [0.1], 1)


CALLS = [badge, coreset, coreset_with_centers, ldms, metric]


def small_numbers(m=300):
    """Numbers that float16 holds, whose dot products float32 holds."""
    return np.random.default_rng(0).integers(-4, 5, size=(m, 12)) / 4


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", ">f2", ">f4"])
def test_memory_mapped_rows_of_any_dtype_give_the_answers_of_float32_in_memory(call, dtype, tmp_path):
    np.save(tmp_path / "features.npy", small_numbers().astype(dtype))
    mapped = np.load(tmp_path / "features.npy", mmap_mode="r")
    np.testing.assert_array_equal(call(mapped), call(small_numbers().astype(np.float32)))


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("rows", [1, 7, 128])
def test_tiles_of_any_height_give_the_same_answers(call, rows, monkeypatch):
    expected = call(small_numbers())
    monkeypatch.setattr(tiles, "_TILE_BYTES", {"numpy": 1})
    monkeypatch.setattr(tiles, "LEAST_ROWS", rows)
    monkeypatch.setattr(hypotheses, "_TILE_BYTES", {"numpy": 1})
    monkeypatch.setattr(hypotheses, "_TILE_ROWS", rows)
    np.testing.assert_array_equal(call(small_numbers()), expected)


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("layout", ["columns first", "every second", "backwards"])
def test_strided_rows_give_the_same_answers(call, layout):
    features = small_numbers().astype(np.float16)
    views = {
        "columns first": np.asfortranarray(features),
        "every second": np.repeat(np.repeat(features, 2, axis=0), 2, axis=1)[::2, ::2],
        "backwards": features[::-1, ::-1].copy()[::-1, ::-1],
    }
    np.testing.assert_array_equal(call(views[layout]), call(features))


@pytest.mark.parametrize("call", [*CALLS[:-1], metric_of_few_hypotheses])
def test_memory_stays_below_a_third_of_the_features(call, monkeypatch):
    m, d = 40_000, 512
    features = np.random.default_rng(0).random((m, d), np.float32).astype(np.float16)
    monkeypatch.setitem(globals(), "KERNEL", np.random.default_rng(9).normal(size=(d, 4)).astype(np.float32))
    call(features[:100])  # imports and caches
    tracemalloc.start()
    call(features)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 0.3 * 4 * m * d


def test_float32_slices_are_views_and_the_rest_is_converted():
    features = small_numbers().astype(np.float32)
    assert np.shares_memory(float32_rows(features, slice(3, 9)), features)
    rows = np.array([5, 2, 5])
    for dtype in (np.float16, np.float32, np.float64):
        found = float32_rows(features.astype(dtype), rows)
        assert found.dtype == np.float32
        np.testing.assert_array_equal(found, features[rows])


def test_every_finite_float16_is_widened_to_the_same_number():
    half = np.arange(2**16, dtype=np.uint16).view(np.float16)
    half = half[np.isfinite(half)].reshape(-1, 2)
    swapped = half.astype(half.dtype.newbyteorder())
    for rows in (half, half.T[::2], swapped):
        found = float32_rows(rows, slice(None))
        np.testing.assert_array_equal(found.view(np.int32), rows.astype(np.float32).view(np.int32))


@NO_FAISS
def test_matrix_products_take_one_thread_those_of_faiss_too():
    badge(small_numbers())  # looks for the libraries, perhaps before faiss is loaded
    assert faiss_backend.use_faiss("auto", np)
    with threadpool_limits(2, user_api="blas"), tiles.workers(np):
        threads = [library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"]
    assert set(threads) == {1}


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_one_bad_value_in_the_last_tile_is_refused(call, dtype, bad, monkeypatch):
    monkeypatch.setattr(tiles, "_TILE_BYTES", {"numpy": 1})
    features = small_numbers().astype(dtype)
    features[-1, -1] = bad
    with pytest.raises(InputError, match="expected finite values, received 1 NaN or infinite of"):
        call(features)
