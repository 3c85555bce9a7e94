"""RandAugment with one operation of middle strength, as a pure function of images and random numbers.

Cubuk et al., RandAugment: Practical Automated Data Augmentation with a Reduced Search Space, NeurIPS 2020, with the 15
operations and the strengths (N = 1, M = 5) of a public study of initial pools (init-pools-dal).

Keras' RandAugment layer takes one operation for a whole batch, and its numbers from a generator with a state; here each
image has its own, from draws alone. All operations give what Pillow gives, with the nearest pixel, but autocontrast:
Pillow may round a whole number down to the one below. An image of one channel has no color to change.
"""

from __future__ import annotations

from math import cos, pi, sin

import tensorflow as tf

N_DRAWS = 4  # operation, sign, and two for a place
SHEAR = 0.1667  # columns a row, or rows a column
SHIFT = 0.2518  # of the side
TURN = 16.667 * pi / 180  # counter-clockwise
BLEND = 0.5  # how far color, contrast, sharpness and brightness go to either side of 1
LEVELS = 4  # grey levels that posterising makes one: 6 of 8 bits are left
THRESHOLD = 113.8  # levels from here on are inverted by solarising
CUTOUT = 0.4444  # side of the square, as a share of the width
GREY, BLACK = 128.0, 0.0
_LUMA = (19595 / 65536, 38470 / 65536, 7471 / 65536)  # PIL's weights of red, green and blue
_SMOOTH = ((1, 1, 1), (1, 5, 1), (1, 1, 1))


def rand_augment(images: tf.Tensor, draws: tf.Tensor) -> tf.Tensor:
    """Each image after one operation, which its draws choose.

    Args:
        images: (B, H, W, C), uint8, or floats in [0, 1]; C is 1 or 3.
        draws: (B, N_DRAWS) in [0, 1): operation, sign, row, column.

    Returns:
        Images of the same shape and dtype.
    """
    scale = 1.0 if images.dtype == tf.uint8 else 255.0

    def one(pair: tuple[tf.Tensor, tf.Tensor]) -> tf.Tensor:
        image = tf.ensure_shape(pair[0], images.shape[1:])
        levels = tf.round(tf.cast(image, tf.float32) * scale)
        changed = _changed(levels, pair[1])
        return tf.cast(tf.ensure_shape(changed, images.shape[1:]) / scale, images.dtype)

    return tf.map_fn(one, (images, draws), fn_output_signature=images.dtype)


def _changed(image: tf.Tensor, draws: tf.Tensor) -> tf.Tensor:
    """(H, W, C) float32, whole levels in 0..255."""
    sign = tf.where(draws[1] < 0.5, -1.0, 1.0)
    sides = tf.cast(tf.shape(image)[:2], tf.float32)
    factor = 1 + sign * BLEND
    operations = (
        lambda: _moved(image, [1.0, sign * SHEAR, 0.0, 0.0, 1.0, 0.0], GREY),
        lambda: _moved(image, [1.0, 0.0, 0.0, sign * SHEAR, 1.0, 0.0], GREY),
        lambda: _moved(image, [1.0, 0.0, sign * SHIFT * sides[1], 0.0, 1.0, 0.0], GREY),
        lambda: _moved(image, [1.0, 0.0, 0.0, 0.0, 1.0, sign * SHIFT * sides[0]], GREY),
        lambda: _turned(image, sides),
        lambda: _blended(_greyed(image), image, factor),
        lambda: _blended(tf.fill(tf.shape(image), _mean_grey(image)), image, factor),
        lambda: _blended(_smoothed(image), image, factor),
        lambda: _blended(tf.zeros_like(image), image, factor),
        lambda: tf.floor(image / LEVELS) * LEVELS,
        lambda: tf.where(image < THRESHOLD, image, 255 - image),
        lambda: _cut_out(image, sides, draws[2:]),
        lambda: _stretched(image),
        lambda: _equalised(image),
        lambda: 255 - image,
    )
    return tf.switch_case(tf.cast(draws[0] * len(operations), tf.int32), operations)


def _moved(image: tf.Tensor, matrix: list[tf.Tensor | float], fill: float) -> tf.Tensor:
    """The value at (x, y) is that of the pixel that holds (a x + b y + c, d x + e y + f), or `fill` outside.

    matrix: a to f, for places whose pixel centers are at half numbers; those of TensorFlow are at whole ones.
    """
    a, b, c, d, e, f = matrix
    whole = [a, b, c + (a + b - 1) / 2, d, e, f + (d + e - 1) / 2, 0.0, 0.0]
    found = tf.raw_ops.ImageProjectiveTransformV3(
        images=image[None] - fill,
        transforms=tf.stack([tf.convert_to_tensor(value, tf.float32) for value in whole])[None],
        output_shape=tf.shape(image)[:2],
        fill_value=0.0,
        interpolation="NEAREST",
        fill_mode="CONSTANT",
    )
    return found[0] + fill


def _turned(image: tf.Tensor, sides: tf.Tensor) -> tf.Tensor:
    """By TURN around the middle."""
    c, s = cos(TURN), sin(TURN)
    y, x = sides[0] / 2, sides[1] / 2
    return _moved(image, [c, -s, x - c * x + s * y, s, c, y - s * x - c * y], BLACK)


def _blended(other: tf.Tensor, image: tf.Tensor, factor: tf.Tensor) -> tf.Tensor:
    """`other` at the factor 0, the image at 1, and beyond it from there on."""
    return tf.floor(tf.clip_by_value(other + factor * (image - other), 0.0, 255.0))


def _greyed(image: tf.Tensor) -> tf.Tensor:
    if image.shape[-1] == 1:
        return image
    return tf.floor(tf.tensordot(image, tf.constant(_LUMA), axes=1) + 0.5)[..., None] + tf.zeros_like(image)


def _mean_grey(image: tf.Tensor) -> tf.Tensor:
    return tf.floor(tf.reduce_mean(_greyed(image)) + 0.5)


def _smoothed(image: tf.Tensor) -> tf.Tensor:
    """A 3 x 3 mean that counts the middle five times; the border stays."""
    channels = image.shape[-1]
    kernel = tf.tile(tf.constant(_SMOOTH, tf.float32)[..., None, None] / 13, [1, 1, channels, 1])
    inner = tf.nn.depthwise_conv2d(image[None], kernel, [1, 1, 1, 1], "VALID")[0]
    inner = tf.pad(tf.floor(inner + 0.5), [[1, 1], [1, 1], [0, 0]])
    height, width = tf.shape(image)[0], tf.shape(image)[1]
    rows, columns = tf.range(height)[:, None], tf.range(width)
    border = (rows == 0) | (rows == height - 1) | (columns == 0) | (columns == width - 1)
    return tf.where(border[..., None], image, inner)


def _cut_out(image: tf.Tensor, sides: tf.Tensor, place: tf.Tensor) -> tf.Tensor:
    """A black square around a random pixel; place: (row, column) in [0, 1)."""
    side = tf.round(CUTOUT * sides[1])
    start = tf.floor(place * sides) - tf.floor(side / 2)
    rows, columns = tf.range(sides[0])[:, None], tf.range(sides[1])
    hidden = (rows >= start[0]) & (rows < start[0] + side) & (columns >= start[1]) & (columns < start[1] + side)
    return tf.where(hidden[..., None], BLACK, image)


def _stretched(image: tf.Tensor) -> tf.Tensor:
    """Autocontrast: the levels of each channel from 0 to 255."""
    low, high = tf.reduce_min(image, axis=(0, 1)), tf.reduce_max(image, axis=(0, 1))
    found = tf.floor(
        (image - low) * 255 / tf.maximum(high - low, 1) + 1e-3
    )  # a whole number may fall just below itself
    return tf.where(high > low, found, image)


def _equalised(image: tf.Tensor) -> tf.Tensor:
    """The levels of each channel so that all are about equally frequent."""
    levels = tf.cast(image, tf.int32)
    return tf.stack([_equalised_channel(levels[..., c]) for c in range(image.shape[-1])], axis=-1)


def _equalised_channel(levels: tf.Tensor) -> tf.Tensor:
    counts = tf.math.bincount(tf.reshape(levels, [-1]), minlength=256, maxlength=256)
    step = (tf.reduce_sum(counts) - tf.gather(counts, tf.reduce_max(levels))) // 255
    table = tf.minimum((step // 2 + tf.cumsum(counts, exclusive=True)) // tf.maximum(step, 1), 255)
    return tf.cast(tf.where(step > 0, tf.gather(table, levels), levels), tf.float32)
