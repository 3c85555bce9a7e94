"""Products of cosines, and what both kernels that rest on them have in common: dtypes, refusals, rows that repeat."""

import numpy as np
import pytest

from tfal.kernels import flcmi, similarity
from tfal.kernels.flcmi import flcmi_greedy
from tfal.kernels.logdetcmi import logdetcmi_greedy
from tfal.kernels.parts import tiles
from tfal.kernels.similarity import Items, largest_row

from .plain import check_refusal, plain_map

KERNELS = pytest.mark.parametrize("kernel", [flcmi_greedy, logdetcmi_greedy])

# The unit rows of the vectors worked out by hand, for both kernels.
HAND_ROWS = (np.array([(1, 0), (0.8, 0.6), (0, 1), (0.6, -0.8)]),)
HAND_QUERY, HAND_PRIVATE = (np.array([(1, 0.2)]),), (np.array([(-0.2, 1)]),)


def sample_sets(seed, sizes=(40, 6, 5), widths=(3, 8), dtype=np.float32):
    """Factors of candidates, query and private set; the last factor is not negative, so that similarities vary."""
    rng = np.random.default_rng(seed)
    draws = [[rng.normal(size=(n, d)) for d in widths] for n in sizes]
    return [
        tuple([*factors[:-1], np.abs(factors[-1])][k].astype(dtype) for k in range(len(widths))) for factors in draws
    ]


def similarities(a, b):
    """The product of cosines by its formula, float64."""
    product = 1.0
    for rows, others in zip(a, b, strict=True):
        rows, others = (np.asarray(x, np.float64) for x in (rows, others))
        norms = np.linalg.norm(rows, axis=1)[:, None] * np.linalg.norm(others, axis=1)
        product = product * np.divide(rows @ others.T, norms, out=np.zeros_like(norms), where=norms > 0)
    return product


def slow_greedy(information, m, n):
    """Row by row what adds most to `information(rows)`, the lowest of those within rounding; and how much it adds."""
    picks, gains = [], []
    for _ in range(n):
        before = information(picks)
        adds = np.array([-np.inf if j in picks else information([*picks, j]) - before for j in range(m)])
        picks.append(int((adds >= adds.max() - 1e-6).argmax()))
        gains.append(adds[picks[-1]])
    return picks, gains


def found(a, b):
    a, b = Items(a, plain_map), Items(b, plain_map)
    return a.similarities(b.directions(slice(None)), slice(None)).T


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_the_formula(dtype):
    rows, others, _ = sample_sets(0, dtype=dtype)
    assert found(rows, others).dtype == np.float32
    np.testing.assert_allclose(found(rows, others), similarities(rows, others), atol=1e-6)


def test_factors_equal_the_embedding_that_they_stand_for():
    sets = sample_sets(1, widths=(4, 9))
    embeddings, factors = [], []
    for a, f in sets:
        embeddings.append((np.hstack([a, (a[:, :, None] * f[:, None]).reshape(len(a), -1)]),))
        factors.append((a, np.hstack([np.ones((len(f), 1), np.float32), f])))
    np.testing.assert_allclose(found(*factors[:2]), found(*embeddings[:2]), atol=1e-6)
    for kernel in (flcmi_greedy, logdetcmi_greedy):
        picks = [kernel(u, 12, query=q, private=p).tolist() for u, q, p in (factors, embeddings)]
        assert picks[0] == picks[1]


def test_rows_of_zeros_and_of_extreme_size():
    rows = np.array([(0, 0), (1e15, 1e15), (1e-30, 0), (0, 1e-300)])
    ones = np.ones((4, 1))
    expected = [[0, 0], [0.5**0.5, -1], [1, -(0.5**0.5)], [0, 0]]
    np.testing.assert_allclose(found((rows, ones), (np.array([(2.0, 0), (-3, -3)]), ones[:2])), expected, atol=1e-6)
    assert Items((rows, ones), plain_map).self_similarities().tolist() == [0, 1, 1, 0]


class Flagging(np.ndarray):
    """Rows whose product reports an invalid value, as that of OpenBLAS does now and then."""

    def __matmul__(self, others):
        np.multiply(np.float32(np.inf), np.zeros(1, np.float32))
        return np.asarray(self) @ others


def test_an_invalid_value_that_is_reported_of_finite_rows_is_no_warning(recwarn):
    candidates = sample_sets(0)[0]
    items = Items(candidates, plain_map)
    directions = [direction.view(Flagging) for direction in items.directions(slice(4))]
    found = items.similarities(directions, slice(None))
    np.testing.assert_allclose(found, similarities([factor[:4] for factor in candidates], candidates), atol=1e-6)
    assert not recwarn.list


@pytest.mark.parametrize("block", [2, 1024])
def test_nearest(block, monkeypatch):
    monkeypatch.setattr(similarity, "_BLOCK", block)
    rows, others, _ = sample_sets(2)
    expected = similarities(rows, others).max(axis=1, initial=0)
    assert np.any(expected == 0)
    np.testing.assert_allclose(Items(rows, plain_map).nearest(Items(others, plain_map), plain_map), expected, atol=1e-6)


def test_the_lowest_row_within_rounding():
    assert largest_row(np.array([1, 3 - 1e-7, 2, 3.0]), 1e-6) == 1
    assert largest_row(np.array([-np.inf, 3 - 1e-5, 2, 3.0]), 1e-6) == 3


@KERNELS
@pytest.mark.parametrize("rows", [1, 7])
def test_tiles_of_any_height_give_the_same_picks(kernel, rows, monkeypatch):
    candidates, query, private = sample_sets(3)
    expected = kernel(candidates, 20, query=query, private=private)
    monkeypatch.setattr(tiles, "_TILE_BYTES", {"numpy": 1})
    monkeypatch.setattr(tiles, "LEAST_ROWS", rows)
    monkeypatch.setattr(similarity, "_BLOCK", rows)
    np.testing.assert_array_equal(kernel(candidates, 20, query=query, private=private), expected)


@KERNELS
def test_dtypes_and_memory_maps_agree_and_inputs_stay_as_they_are(kernel, tmp_path):
    rng, picks = np.random.default_rng(0), []
    whole = [rng.integers(-4, 5, size=(n, 5)) for n in (30, 4, 3)]
    for dtype in (np.float16, np.float32, np.float64):
        sets = [rows.astype(dtype) for rows in whole]
        for rows in sets:
            rows.flags.writeable = False
        picks.append(kernel((sets[0],), 10, query=(sets[1],), private=(sets[2],)).tolist())
    np.save(tmp_path / "rows.npy", sets[0].astype(np.float16))
    mapped = np.load(tmp_path / "rows.npy", mmap_mode="r")
    picks.append(kernel([mapped], 10, query=[sets[1]], private=[sets[2]]).tolist())
    assert all(some == picks[0] for some in picks)


@KERNELS
def test_an_empty_private_set_is_none(kernel):
    candidates, query, _ = sample_sets(4)
    picks = kernel(candidates, 9, query=query)
    empty = tuple(factor[:0] for factor in query)
    np.testing.assert_array_equal(kernel(candidates, 9, query=query, private=empty), picks)
    assert picks.dtype == np.int64


@KERNELS
def test_all_rows_once(kernel):
    candidates, query, private = sample_sets(5)
    doubled = tuple(np.concatenate([factor, factor, 0 * factor[:3]]) for factor in candidates)
    picks = kernel(doubled, 83, query=query, private=private)
    assert sorted(picks.tolist()) == list(range(83))
    assert kernel(doubled, 1, query=query, private=private).tolist() == [picks[0]]


@KERNELS
def test_the_largest_weights(kernel):
    candidates, query, private = sample_sets(6)
    for weights in ({"eta": 1e15}, {"nu": 1e15}, {"eta": 1e15, "nu": 1e15}, {"eta": 0, "nu": 0}):
        assert len(set(kernel(candidates, 20, query=query, private=private, **weights).tolist())) == 20


ROWS, ONE = np.ones((4, 2)), np.ones((1, 2))


@KERNELS
@pytest.mark.parametrize(
    ("changes", "parts"),
    [
        ({"n": 0}, ["n:", "from 1 to 4", "received 0"]),
        ({"n": 5}, ["n:", "from 1 to 4", "received 5"]),
        ({"candidates": ROWS}, ["candidates:", "tuple or list", "ndarray", "(array,)"]),
        ({"candidates": ()}, ["candidates:", "1 factors", "received 0"]),
        ({"candidates": (ROWS, ROWS[:3])}, ["candidates[1]:", "(4, d)", "(3, 2)"]),
        ({"candidates": (ROWS.astype(int),)}, ["candidates[0]:", "int64"]),
        ({"candidates": (np.full((4, 2), np.nan),)}, ["candidates[0]:", "8 NaN or infinite of 8"]),
        ({"query": (np.ones((1, 3)),)}, ["query[0]:", "(n, 2)", "(1, 3)"]),
        ({"query": (ONE, ONE)}, ["query:", "expected 1 factors", "received 2"]),
        ({"query": ()}, ["query:", "expected 1 factors", "received 0"]),
        ({"query": (ONE[:0],)}, ["query:", "at least one row", "every gain is 0"]),
        ({"query": (np.full((1, 2), 1e20),)}, ["query[0]:", "up to 1e+15"]),
        ({"private": (np.full((1, 2), np.inf),)}, ["private[0]:", "2 NaN or infinite"]),
        ({"private": (np.ones((2, 1)),)}, ["private[0]:", "(n, 2)", "(2, 1)"]),
        ({"private": ONE}, ["private:", "tuple or list", "ndarray"]),
        ({"private": ()}, None),
        ({"eta": -1}, ["eta:", "from 0 to 1e+15", "-1"]),
        ({"eta": "much"}, ["eta:", "'much'"]),
        ({"nu": np.nan}, ["nu:", "from 0", "nan"]),
        ({"nu": True}, ["nu:", "True"]),
    ],
)
def test_refusals(kernel, changes, parts):
    given = {"candidates": (ROWS,), "n": 2, "query": (ONE,), "private": (ONE,), **changes}
    if parts is None:
        assert len(kernel(**given)) == 2
    else:
        check_refusal(parts, kernel, **given)


@pytest.mark.gpu
@KERNELS
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("seed", range(3))
def test_gpu(cupy, kernel, seed, dtype):
    sets = sample_sets(seed, sizes=(300, 20, 15), dtype=dtype)
    on_device = [tuple(map(cupy.asarray, factors)) for factors in sets]
    for private in (1, 0):
        given, given_there = (s[2] if private else None for s in (sets, on_device))
        picks = kernel(on_device[0], 60, query=on_device[1], private=given_there)
        assert type(picks) is np.ndarray
        np.testing.assert_array_equal(picks, kernel(sets[0], 60, query=sets[1], private=given))


@pytest.mark.gpu
@pytest.mark.parametrize("seed", range(3))
def test_gpu_that_does_not_hold_all_similarities(cupy, seed, monkeypatch):
    monkeypatch.setattr(flcmi, "_HELD", 0)
    candidates, query, private = sample_sets(seed, sizes=(700, 20, 15))
    on_device = [tuple(map(cupy.asarray, factors)) for factors in (candidates, query, private)]
    picks = flcmi_greedy(on_device[0], 90, query=on_device[1], private=on_device[2])
    np.testing.assert_array_equal(picks, flcmi_greedy(candidates, 90, query=query, private=private))


@pytest.mark.gpu
@KERNELS
def test_a_mix_of_host_and_device_is_refused(cupy, kernel):
    with pytest.raises(TypeError, match="all be CuPy or all be NumPy"):
        kernel((ROWS,), 2, query=(cupy.ones((1, 2)),))
