import io
import math

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from tfal.data import decoding

SIZE = 28
SIZES = ((40, 30), (28, 28), (33, 61), (90, 50), (1, 1), (1, 40), (64, 2), (31, 32), (57, 43), (20, 25))  # (w, h)


def pixels(width, height, seed=0):
    """Smooth noise, as JPEG can store it."""
    noise = np.random.default_rng(seed).integers(0, 256, (-(-height // 8) + 1, -(-width // 8) + 1, 3), dtype=np.uint8)
    return Image.fromarray(noise).resize((width, height), Image.Resampling.BICUBIC)


def encoded(image, kind="JPEG"):
    file = io.BytesIO()
    image.save(file, kind, **({"quality": 95} if kind == "JPEG" else {}))
    return file.getvalue()


def centre_by_pil(data, size):
    """What the published codes compute: PIL, in whole grey levels."""
    image = Image.open(io.BytesIO(data)).convert("RGB")
    wide, short = round(size * 8 / 7), min(image.size)
    stretched = [wide * side // short for side in image.size]
    image = image.resize(stretched, Image.Resampling.BILINEAR)
    left, top = (round((side - size) / 2) for side in stretched)
    return np.asarray(image.crop((left, top, left + size, top + size)), np.float32) / 255


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
@pytest.mark.parametrize("size", [SIZE, 64])
def test_centre_is_that_of_pil(kind, size):
    for wide, high in SIZES:
        data = encoded(pixels(wide, high), kind)
        found = decoding.centre(tf.constant(data), size).numpy()
        assert (found.shape, found.dtype) == ((size, size, 3), np.float32)
        assert 0 <= found.min() <= found.max() <= 1
        np.testing.assert_allclose(found, centre_by_pil(data, size), atol=1.01 / 255)  # PIL rounds twice


def test_every_kind_becomes_rgb():
    colour = pixels(40, 30)
    grey = colour.convert("L")
    for data, image in (
        (encoded(grey), Image.open(io.BytesIO(encoded(grey)))),
        (encoded(grey, "PNG"), grey),
        (encoded(colour, "BMP"), colour),
        (encoded(grey.convert("RGBA"), "PNG"), grey),
        (encoded(grey.convert("LA"), "PNG"), grey),
        (encoded(colour.convert("P"), "PNG"), colour.convert("P")),
        (encoded(colour.convert("P"), "GIF"), colour.convert("P")),
    ):
        np.testing.assert_array_equal(decoding.decoded(tf.constant(data)), np.asarray(image.convert("RGB")))


def test_cmyk_becomes_rgb():
    data = encoded(pixels(40, 30).convert("CMYK"))
    expected = np.asarray(Image.open(io.BytesIO(data)).convert("RGB"), int)
    np.testing.assert_allclose(decoding.decoded(tf.constant(data)), expected, atol=2)
    np.testing.assert_allclose(decoding.centre(tf.constant(data), SIZE), centre_by_pil(data, SIZE), atol=3 / 255)


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_random_crop_is_its_window_stretched(kind):
    rng = np.random.default_rng(1)
    for wide, high in SIZES:
        data = encoded(pixels(wide, high), kind)
        whole = decoding.decoded(tf.constant(data)).numpy()
        for flip in (0.2, 0.7):
            draws = np.append(flip, rng.random(decoding.N_DRAWS - 1)).astype(np.float32)
            top, left, height, width = decoding.random_window(tf.constant(whole.shape[:2]), draws[1:]).numpy()
            window = whole[top : top + height, left : left + width]
            expected = tf.image.resize(window, [SIZE, SIZE], antialias=True).numpy() / 255
            expected = expected[:, ::-1] if flip < 0.5 else expected
            found = decoding.random_crop(tf.constant(data), tf.constant(draws), SIZE)
            np.testing.assert_allclose(found, expected, atol=1e-5)


def window_by_hand(high, wide, draws):
    """The same law, one try after the other."""
    for area, aspect, top, left in draws.reshape(-1, 4).astype(np.float64):
        area = (0.08 + 0.92 * area) * high * wide
        aspect = math.exp(math.log(3 / 4) + (math.log(4 / 3) - math.log(3 / 4)) * aspect)
        width, height = round(math.sqrt(area * aspect)), round(math.sqrt(area / aspect))
        if 0 < width <= wide and 0 < height <= high:
            return [int(top * (high - height + 1)), int(left * (wide - width + 1)), height, width]
    return None


def test_random_windows_are_those_made_by_hand():
    draws = np.random.default_rng(2).random((500, decoding.N_DRAWS - 1)).astype(np.float32)
    window = tf.function(lambda one: decoding.random_window(tf.constant([300, 400]), one))
    windows = np.array([window(one) for one in tf.unstack(draws)])
    expected = [window_by_hand(300, 400, one) for one in draws]
    assert np.mean((windows == expected).all(axis=1)) > 0.98  # float32 may round another way
    np.testing.assert_allclose(windows, expected, atol=1)
    assert (windows[:, :2] >= 0).all()
    assert (windows[:, :2] + windows[:, 2:] <= [300, 400]).all()


@pytest.mark.parametrize(
    ("shape", "window"),
    [((1, 500), (0, 249, 1, 1)), ((300, 3), (148, 0, 4, 3)), ((1, 1), (0, 0, 1, 1)), ((9, 10), (0, 0, 9, 10))],
)
def test_window_where_no_try_fits(shape, window):
    draws = np.tile(np.float32([0.9999, 0, 0.5, 0.5]), decoding.N_TRIES)
    draws[::4] = 0.9999 if shape != (9, 10) else 0.99999
    if shape == (9, 10):
        draws[1::4] = 0.9999
    assert decoding.random_window(tf.constant(shape), draws).numpy().tolist() == list(window)


def test_before_tensorflow_2_20_there_is_no_webp_and_other_files_are_read(monkeypatch):
    monkeypatch.delattr(tf.io, "decode_webp", raising=False)
    image = pixels(9, 7)
    found = decoding.as_stored(tf.constant(encoded(image, "PNG")), 3)
    np.testing.assert_array_equal(found, np.asarray(image))
