"""What an image file says of its picture before anything is decoded, as functions that run inside tf.data.

Checked is what a decoder would accept and get wrong: a picture so large that it fills the memory; 16 bits a channel, of
which TensorFlow's decoder keeps the upper 8, so that a 12-bit camera is left with 16 grey levels; a WebP animation,
which damages its memory.
"""

from __future__ import annotations

import tensorflow as tf

from tfal.data.listing import MAX_PIXELS

_ZEROS = b"\0" * 32  # behind the end of a file that is shorter than a header
_DEEP = "16 bits a channel, of which 8 would be lost; convert all images to 8 bits on one scale"
_ANIMATED = 2  # flag of an extended WebP


def checked(data: tf.Tensor, max_pixels: int = MAX_PIXELS) -> tf.Tensor:
    """`data`, the bytes of an image file, or tf.errors.InvalidArgumentError where it must not be decoded.

    max_pixels: height times width of the largest picture that may be.
    """
    found = problem(data, max_pixels)
    with tf.control_dependencies([tf.debugging.Assert(tf.equal(found, ""), [found])]):
        return tf.identity(data)


def problem(data: tf.Tensor, max_pixels: int = MAX_PIXELS) -> tf.Tensor:
    """() string: why the bytes of an image file must not be decoded; "" where nothing speaks against it."""

    def unless_large(sides: tf.Tensor, otherwise: tf.Tensor) -> tf.Tensor:
        sides = tf.cast(sides, tf.int64)

        def too_large() -> tf.Tensor:
            size = tf.strings.reduce_join(tf.strings.as_string(sides), separator=" x ")
            return tf.strings.join([size, f" pixels are more than --maxPixels {max_pixels}; shrink it or raise that"])

        return tf.cond(sides[0] * sides[1] > max_pixels, too_large, lambda: otherwise)

    def of_jpeg() -> tf.Tensor:
        return unless_large(tf.io.extract_jpeg_shape(data)[:2], tf.constant(""))

    def of_png() -> tf.Tensor:
        padded = _start(data)
        wide_high = tf.io.decode_raw(tf.strings.substr(padded, 16, 8), tf.int32, little_endian=False)
        return unless_large(wide_high[::-1], tf.where(tf.strings.substr(padded, 24, 1) == b"\x10", _DEEP, ""))

    def of_other() -> tf.Tensor:
        return unless_large(*_of_other(data))

    is_png = tf.strings.substr(data, 0, 4) == b"\x89PNG"
    return tf.cond(tf.io.is_jpeg(data), of_jpeg, lambda: tf.cond(is_png, of_png, of_other))


def is_webp(data: tf.Tensor) -> tf.Tensor:
    """() bool."""
    return tf.strings.substr(_start(data), 8, 4) == b"WEBP"


def _start(data: tf.Tensor) -> tf.Tensor:
    return tf.strings.join([tf.strings.substr(data, 0, len(_ZEROS)), _ZEROS])


def _of_other(data: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Height and width of a GIF, BMP or WebP, (2,) int64, zeros for anything else; and what else is wrong with it."""
    head = tf.cast(tf.io.decode_raw(_start(data), tf.uint8)[: len(_ZEROS)], tf.int64)

    def has(at: int, text: bytes) -> tf.Tensor:
        return tf.reduce_all(head[at : at + len(text)] == list(text))

    def number(at: int, n: int) -> tf.Tensor:
        return tf.reduce_sum(head[at : at + n] * [256**place for place in range(n)])

    bits, signed = number(21, 4), number(22, 4)  # a BMP of a negative height counts rows from the top
    sides = tf.zeros(2, tf.int64)
    for is_it, found in (
        (has(0, b"GIF8"), (number(8, 2), number(6, 2))),
        (has(0, b"BM"), (tf.minimum(signed, 2**32 - signed), number(18, 4))),
        (has(8, b"WEBPVP8X"), (number(27, 3) + 1, number(24, 3) + 1)),
        (has(8, b"WEBPVP8L"), ((bits // 2**14) % 2**14 + 1, bits % 2**14 + 1)),
        (has(8, b"WEBPVP8 "), (number(28, 2) % 2**14, number(26, 2) % 2**14)),
    ):
        sides = tf.where(is_it, tf.stack(found), sides)
    moves = has(8, b"WEBPVP8X") & (head[20] & _ANIMATED > 0)
    found = tf.where(moves, "an animation in WebP", "")
    is_xl = has(0, b"\xff\x0a") | has(4, b"JXL ")
    return sides, tf.where(is_xl, "JPEG XL, whose size and depth cannot be told beforehand", found)
