"""Each kernel of CUDA against its twin in array code."""

import numpy as np
import pytest

from tfal.kernels import hypotheses
from tfal.kernels import ldm as kernels_ldm
from tfal.kernels.cover import _above
from tfal.kernels.parts import cuda
from tfal.kernels.parts.pairwise import Tile, distances
from tfal.kernels.parts.xp import row_squares

from .plain import plain_map

pytestmark = pytest.mark.gpu


@pytest.fixture
def cupy(device):
    """No stand-in, which has no CUDA."""
    return device


def eighths(rng, *shape):
    """Numbers whose sums are exact in float32 and often equal."""
    return (rng.integers(-8, 9, shape) / 8).astype(np.float32)


@pytest.mark.parametrize("classes", [2, 3, 10])
def test_flips_and_their_tile(cupy, classes):
    rng = np.random.default_rng(classes)
    features, layer = eighths(rng, 400, 5), eighths(rng, classes, 6)
    noise, rows = eighths(rng, 40, classes - 1, 6), rng.permutation(400)[:300]
    tiles = [
        hypotheses.LabeledRows(f, np.ones(5, bool), w, plain_map).tile(where)
        for f, w, where in [(features, layer, rows), tuple(map(cupy.asarray, (features, layer, rows)))]
    ]
    for name in ("inputs", "label", "own", "others"):
        np.testing.assert_array_equal(getattr(tiles[1], name).get(), getattr(tiles[0], name))
    expected = hypotheses.flips(tiles[0], noise)
    np.testing.assert_array_equal(hypotheses.flips(tiles[1], cupy.asarray(noise)).get(), expected)
    assert 0.05 < expected.mean() < 0.95


@pytest.mark.parametrize("k", [0, 1, 300])
def test_advance(cupy, k):
    rng = np.random.default_rng(k)
    for size in (1, 20):
        counts, rho = (rng.integers(0, 10, n).astype(np.int32) for n in (k, size))
        flips = rng.random((size, k)) < 0.3
        expected = kernels_ldm._lowered(counts, rho, flips)
        for found, wanted in zip(cuda.advance(*map(cupy.asarray, (counts, rho, flips))), expected, strict=True):
            np.testing.assert_array_equal(found.get(), wanted)


def test_distances_with_rounding(cupy):
    rng = np.random.default_rng(0)
    a, b = eighths(rng, 30, 4), eighths(rng, 70, 4)
    b[:30] = a + np.float32(1e-4) * (np.arange(30) % 3 == 0)[:, None]  # too near to be told apart
    sides = [Tile(rows, row_squares(rows).astype(np.float32)) for rows in (a, b)]
    on_device = [Tile(*map(cupy.asarray, side)) for side in sides]
    expected, found = distances(*sides), distances(*on_device).get()
    np.testing.assert_array_equal(found == 0, expected == 0)
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    assert np.all(found[np.arange(30), np.arange(30)] == 0)


def test_kernel_values_and_what_they_exceed(cupy):
    squared = np.random.default_rng(0).random((20, 30), np.float32) * 50
    values = cuda.smooth_kernel(cupy.asarray(squared), 30.0, 2.0)
    np.testing.assert_allclose(values.get(), np.exp(np.minimum(squared, 60) / -2), rtol=1e-5)
    level = values[:, :1] + cupy.float32(1e-7)
    np.testing.assert_array_equal(_above(values, level).get(), _above(values.get(), level.get()))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", [(0, 3), (1, 1), (500, 3), (3, 5000)])
def test_row_squares(cupy, shape, dtype):
    rows = np.random.default_rng(0).normal(size=shape).astype(dtype) * 1e-25  # whose squares float32 cannot hold
    for given in (rows, np.asfortranarray(rows)):
        found = row_squares(cupy.asarray(given))
        assert found.dtype == np.float64
        np.testing.assert_allclose(found.get(), row_squares(rows), rtol=1e-12)
