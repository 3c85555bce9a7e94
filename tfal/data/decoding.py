"""One image file as a square of floats: decoding and cutting, as functions that run inside tf.data.

All of the size that ImageNet's networks see: the whole picture is read with its shorter side at 256 and its centre, 224
by 224, cut out (at other sizes in this proportion); a training crop is a random window, stretched to the square. The
published codes do the same with PIL, which rounds to whole grey levels after each step; here values stay floats. The
orientation that a camera notes in its files (EXIF) is not obeyed, nor is it there.
"""

from __future__ import annotations

import tensorflow as tf

from tfal.data.headers import is_webp

N_TRIES = 10  # windows that are drawn; the first that lies inside the picture counts
N_DRAWS = 4 * N_TRIES + 1
AREA = (0.08, 1.0)  # of a window, as a share of the picture
ASPECT = (3 / 4, 4 / 3)  # width to height of a window, log-uniform
_MARGIN = 2  # pixels at the edge of a partly decoded JPEG that may differ from those of the whole one: 1 was seen
_DCT = "INTEGER_ACCURATE"  # to the bit what PIL decodes, and no slower


def decoded(data: tf.Tensor) -> tf.Tensor:
    """uint8 (h, w, 3) of the bytes of a JPEG, PNG, BMP, GIF or WebP file, whatever its name says; of a GIF the first.

    Grey levels are repeated, transparency is dropped, CMYK is converted. What must not be decoded, headers.py tells.
    """
    return tf.cond(
        tf.io.is_jpeg(data), lambda: tf.io.decode_jpeg(data, channels=3, dct_method=_DCT), lambda: _decoded_other(data)
    )


def as_stored(data: tf.Tensor, channels: int) -> tf.Tensor:
    """uint8 (h, w, c) of such bytes; channels: 3, or 0 for those of the file, of which transparency is the last."""

    def webp() -> tf.Tensor:
        return tf.io.decode_webp(data)[0, ..., : channels or None]

    def other() -> tf.Tensor:
        return tf.io.decode_image(data, channels, expand_animations=False)

    # Before TensorFlow 2.20, which older runtimes of Colab have, a WebP file is one that cannot be read.
    image = tf.cond(is_webp(data), webp, other) if hasattr(tf.io, "decode_webp") else other()
    return tf.ensure_shape(image, [None, None, None])


def centre(data: tf.Tensor, size: int) -> tf.Tensor:
    """float32 (size, size, 3) in [0, 1]: the centre of the picture, shorter side at size * 8 / 7, bilinear, smoothed.

    A side that is not a whole number of pixels long is cut to one, as in torchvision.
    """
    wide = round(size * 8 / 7)

    def from_shape(height: tf.Tensor, width: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """Scale and first wanted pixel of the stretched picture, and the window of the picture that shows in them."""
        short = tf.minimum(height, width)
        sides = tf.stack([height, width])
        stretched = sides * wide // short
        scale = tf.cast(stretched / sides, tf.float32)
        first = tf.round(tf.cast(stretched - size, tf.float32) / 2)
        reach = tf.maximum(1.0, 1 / scale) + 1 + _MARGIN  # pixels beside the window that count in it
        low = tf.maximum(tf.cast(tf.floor(first / scale - reach), tf.int32), 0)
        high = tf.minimum(tf.cast(tf.math.ceil((first + size) / scale + reach), tf.int32), sides)
        return scale, first, tf.concat([low, high - low], axis=0)

    def cut(image: tf.Tensor, scale: tf.Tensor, first: tf.Tensor, low: tf.Tensor) -> tf.Tensor:
        return _stretched(image, size, scale, tf.cast(low, tf.float32) * scale - first)

    def of_jpeg() -> tf.Tensor:
        shape = tf.io.extract_jpeg_shape(data)
        scale, first, window = from_shape(shape[0], shape[1])
        image = tf.image.decode_and_crop_jpeg(data, window, channels=3, dct_method=_DCT)
        return cut(image, scale, first, window[:2])

    def of_other() -> tf.Tensor:
        image = _decoded_other(data)
        shape = tf.shape(image)
        scale, first, _ = from_shape(shape[0], shape[1])
        return cut(image, scale, first, tf.zeros(2, tf.int32))

    return tf.cond(tf.io.is_jpeg(data), of_jpeg, of_other)


def random_crop(data: tf.Tensor, draws: tf.Tensor, size: int) -> tf.Tensor:
    """float32 (size, size, 3) in [0, 1]: a random window of the picture, stretched, mirrored half the time.

    draws: (N_DRAWS,) in [0, 1).
    """

    def of_jpeg() -> tf.Tensor:
        shape = tf.io.extract_jpeg_shape(data)[:2]
        window = random_window(shape, draws[1:])
        low = tf.maximum(window[:2] - _MARGIN, 0)
        high = tf.minimum(window[:2] + window[2:] + _MARGIN, shape)
        image = tf.image.decode_and_crop_jpeg(data, tf.concat([low, high - low], 0), channels=3, dct_method=_DCT)
        return _cut(image, window[:2] - low, window[2:])

    def of_other() -> tf.Tensor:
        image = _decoded_other(data)
        window = random_window(tf.shape(image)[:2], draws[1:])
        return _cut(image, window[:2], window[2:])

    image = tf.cond(tf.io.is_jpeg(data), of_jpeg, of_other)
    scale = size / tf.cast(tf.shape(image)[:2], tf.float32)
    image = _stretched(image, size, scale, tf.zeros(2))
    return tf.cond(draws[0] < 0.5, lambda: tf.reverse(image, axis=[1]), lambda: image)


def random_window(shape: tf.Tensor, draws: tf.Tensor) -> tf.Tensor:
    """int32 (top, left, height, width) of a window inside a picture of `shape` (2,) int32, as torchvision draws it.

    draws: (4 * N_TRIES,) in [0, 1). Where no try lies inside: the middle of the picture, of its aspect where ASPECT
    allows that.
    """
    tries = tf.reshape(draws, [N_TRIES, 4])
    sides = tf.cast(shape, tf.float32)
    area = (AREA[0] + (AREA[1] - AREA[0]) * tries[:, 0]) * sides[0] * sides[1]
    low, high = (tf.math.log(value) for value in ASPECT)
    aspect = tf.exp(low + (high - low) * tries[:, 1])
    wanted = tf.cast(tf.round(tf.stack([tf.sqrt(area / aspect), tf.sqrt(area * aspect)], axis=1)), tf.int32)
    fits = tf.reduce_all((wanted > 0) & (wanted <= shape), axis=1)
    places = tf.cast(tries[:, 2:] * tf.cast(shape - wanted + 1, tf.float32), tf.int32)
    # float32: a draw just below 1 may round up to a place too far
    windows = tf.concat([tf.minimum(places, shape - wanted), wanted], axis=1)
    return tf.cond(
        tf.reduce_any(fits), lambda: tf.gather(windows, tf.argmax(fits, output_type=tf.int32)), lambda: _middle(shape)
    )


def _middle(shape: tf.Tensor) -> tf.Tensor:
    height, width = (tf.cast(side, tf.float32) for side in tf.unstack(shape))
    limited = tf.stack([tf.minimum(height, width / ASPECT[0]), tf.minimum(width, height * ASPECT[1])])
    window = tf.maximum(tf.cast(tf.round(limited), tf.int32), 1)
    return tf.concat([(shape - window) // 2, window], axis=0)


def _decoded_other(data: tf.Tensor) -> tf.Tensor:
    def bmp() -> tf.Tensor:  # the only format whose channels TensorFlow does not convert
        image = tf.io.decode_bmp(data)
        return tf.cond(tf.shape(image)[2] < 3, lambda: tf.repeat(image[..., :1], 3, axis=2), lambda: image[..., :3])

    return tf.cond(tf.strings.substr(data, 0, 2) == b"BM", bmp, lambda: as_stored(data, channels=3))


def _cut(image: tf.Tensor, first: tf.Tensor, sides: tf.Tensor) -> tf.Tensor:
    return tf.slice(image, tf.concat([first, [0]], 0), tf.concat([sides, [3]], 0))


def _stretched(image: tf.Tensor, size: int, scale: tf.Tensor, shift: tf.Tensor) -> tf.Tensor:
    """float32 (size, size, 3) in [0, 1] of uint8 (h, w, 3): place * scale + shift, bilinear, with antialias."""
    found = tf.raw_ops.ScaleAndTranslate(
        images=image[None], size=[size, size], scale=scale, translation=shift, kernel_type="triangle", antialias=True
    )
    return tf.ensure_shape(tf.minimum(found[0] / 255, 1), [size, size, 3])
