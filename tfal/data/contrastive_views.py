"""Views for contrastive learning: SimCLR's random changes of images, as pure functions of uniform numbers.

Chen et al., A Simple Framework for Contrastive Learning of Visual Representations, ICML 2020, with the strengths of
CSI (Tack et al., NeurIPS 2020), which MQ-Net and CCAL use. Images are (B, H, W, C) float32 in [0, 1], draws
(B, n_draws) in [0, 1): row b changes image b, so nothing here keeps a random state.

Differences from the public code of CSI, each of them for batches without loops:
- a crop is drawn once and cut to the image; there up to ten times until it fits, else the whole image is taken;
- a crop lies on whole pixels, and its border repeats them; there it moves by half pixels, and the border mirrors;
- images of one channel get contrast and brightness only, as they have neither hue nor saturation.
"""

from __future__ import annotations

from math import log

import tensorflow as tf

from tfal.data.augmentations import Augmentation
from tfal.errors import InputError

N_ROTATIONS = 4
JITTERED, GREYED, FLIPPED = 0.8, 0.2, 0.5  # shares of the images
JITTER = 0.4  # how far factors of contrast, saturation and value are from 1, at most
HUE_SHIFT = 0.1 * 255 / 360  # largest, in turns
GREY = (0.299, 0.587, 0.114)  # ITU-R BT.601
LEAST_AREA = 0.08  # of a crop
ASPECTS = (3 / 4, 4 / 3)
MILD_AREA = 0.54  # of CCAL's crops while reading


def contrastive_views(
    images: tf.Tensor, n_rotations: int, seed: int, step: tf.Tensor, changes: Augmentation | None = None
) -> tf.Tensor:
    """Two views of each image in n_rotations turns: (2 * n_rotations * B, H, W, C); rows i and i + half are a pair.

    Each image is doubled, each copy mirrored or not, then turned by 0, 90, 180, 270 degrees, and each result is
    changed on its own: [copy 1 at 0, ..., copy 1 at 270, copy 2 at 0, ..., copy 2 at 270], B images each.

    Args:
        images: (B, H, W, C) float32 in [0, 1]; square where n_rotations > 1.
        n_rotations: 1 (SimCLR) or 4 (CSI).
        seed: in [0, 2**63).
        step: () int64, the batch's number; the draws follow from (seed, step) alone.
        changes: of `simclr_changes`; SIMCLR where not given.
    """
    changes = changes or SIMCLR
    copies = tf.concat([images, images], axis=0)
    copies = FLIP.apply(copies, _draws(tf.shape(copies)[0], FLIP, seed, 2 * step))
    both = [rotations(copy, n_rotations) for copy in tf.split(copies, 2)]
    turned = tf.concat(both, axis=0)
    return changes.apply(turned, _draws(tf.shape(turned)[0], changes, seed, 2 * step + 1))


def rotations(images: tf.Tensor, n_rotations: int = N_ROTATIONS) -> tf.Tensor:
    """(n_rotations * B, H, W, C): all images, then all of them turned by 90 degrees counter-clockwise, and so on."""
    check_rotatable(images.shape[1:], n_rotations)
    return tf.concat([_turned(images, turns) for turns in range(n_rotations)], axis=0)


def _turned(images: tf.Tensor, turns: int) -> tf.Tensor:
    """tf.image.rot90 for a number of turns that is known, 0..3: there the graph holds all four of them each time."""
    if turns % 2:
        images = tf.transpose(images, [0, 2, 1, 3])
    return tf.reverse(images, [[], [1], [1, 2], [2]][turns]) if turns else images


def check_rotatable(shape: tuple[int, ...], n_rotations: int = N_ROTATIONS) -> None:
    """Raises InputError for images (H, W, C) that do not keep their shape when turned."""
    if n_rotations > 1 and shape[0] != shape[1]:
        raise InputError(
            f"rotations by 90 degrees need square images. Received: {tuple(shape)}. Crop or pad the images, "
            "or choose a strategy without rotations."
        )


def fixed_draws(n_images: tf.Tensor, augmentation: Augmentation, view: tf.Tensor) -> tf.Tensor:
    """(n_images, n_draws), the same row for all images: it depends on the number of the view only."""
    return tf.repeat(_draws(1, augmentation, 0, tf.cast(view, tf.int64)), n_images, axis=0)


def _draws(n_images: tf.Tensor | int, augmentation: Augmentation, seed: int, number: tf.Tensor) -> tf.Tensor:
    key = tf.stack([tf.constant(seed, tf.int64), number])
    return tf.random.stateless_uniform([n_images, augmentation.n_draws], key)


def _flip(images: tf.Tensor, draws: tf.Tensor) -> tf.Tensor:
    """draws: (flip,)."""
    return tf.where(_per_image(draws[:, 0]) < FLIPPED, tf.reverse(images, [2]), images)


def _color_jitter(images: tf.Tensor, draws: tf.Tensor, jitter: float, hue_shift: float) -> tf.Tensor:
    """draws: (jitter, order, contrast, hue, saturation, value); the order is that of the first row."""
    factors = max(1 - jitter, 0.0), 1 + jitter
    contrast, hue, saturation, value = (_per_image(draws[:, column]) for column in range(2, 6))

    def contrasted(x: tf.Tensor) -> tf.Tensor:
        mean = tf.reduce_mean(x, axis=(1, 2), keepdims=True)
        return tf.clip_by_value((x - mean) * _between(contrast, *factors) + mean, 0.0, 1.0)

    def coloured(x: tf.Tensor) -> tf.Tensor:
        if x.shape[-1] == 1:
            return tf.clip_by_value(x * _between(value, *factors), 0.0, 1.0)
        h, s, v = tf.split(tf.image.rgb_to_hsv(x), 3, axis=-1)
        h = tf.math.floormod(h + _between(hue, -hue_shift, hue_shift), 1.0)
        s = tf.clip_by_value(s * _between(saturation, *factors), 0.0, 1.0)
        v = tf.clip_by_value(v * _between(value, *factors), 0.0, 1.0)
        return tf.image.hsv_to_rgb(tf.concat([h, s, v], axis=-1))

    jittered = tf.cond(draws[0, 1] < 0.5, lambda: coloured(contrasted(images)), lambda: contrasted(coloured(images)))
    return tf.where(_per_image(draws[:, 0]) < JITTERED, jittered, images)


def _grey(images: tf.Tensor, draws: tf.Tensor) -> tf.Tensor:
    """draws: (grey,)."""
    if images.shape[-1] == 1:
        return images
    grey = tf.tensordot(images, tf.constant(GREY), axes=1)[..., None]
    return tf.where(_per_image(draws[:, 0]) < GREYED, grey, images)


def _crop(images: tf.Tensor, draws: tf.Tensor, least_area: float, largest_area: float) -> tf.Tensor:
    """draws: (area, aspect, top, left). A part of whole pixels, enlarged to the image's size, bilinear.

    Pixel centers are at half numbers, and the border's pixels reach outwards. tf.image counts from center to center
    and knows no border, so the images get one, and the boxes are given in its numbers.
    """
    size = tf.cast(tf.shape(images)[1:3], tf.float32)
    area = _between(draws[:, :1], least_area, largest_area) * tf.reduce_prod(size)
    aspect = tf.exp(_between(draws[:, 1:2], *map(log, ASPECTS)))
    part = tf.sqrt(area * tf.concat([1 / aspect, aspect], axis=1))  # (B, 2) height, width
    part = tf.clip_by_value(tf.round(part), 1.0, size)
    start = tf.floor(draws[:, 2:4] * (size - part + 1))
    first_center = start + 0.5 * part / size - 0.5
    last_center = start + part - 0.5 * part / size - 0.5
    boxes = (tf.concat([first_center, last_center], axis=1) + 1) / (tf.tile(size, [2]) + 1)
    bordered = tf.pad(images, [[0, 0], [1, 1], [1, 1], [0, 0]], "SYMMETRIC")
    shape = tf.shape(images)
    return tf.ensure_shape(tf.image.crop_and_resize(bordered, boxes, tf.range(shape[0]), shape[1:3]), images.shape)


def _between(draws: tf.Tensor, low: float, high: float) -> tf.Tensor:
    return low + (high - low) * draws


def _per_image(values: tf.Tensor) -> tf.Tensor:
    """(B,) -> (B, 1, 1, 1)."""
    return values[:, None, None, None]


def _jittering(jitter: float, hue_shift: float) -> Augmentation:
    return Augmentation(lambda images, draws: _color_jitter(images, draws, jitter, hue_shift), n_draws=6)


def _cropping(least_area: float, largest_area: float) -> Augmentation:
    return Augmentation(lambda images, draws: _crop(images, draws, least_area, largest_area), n_draws=4)


def simclr_changes(jitter: float, hue_shift: float, least_area: float) -> Augmentation:
    """SimCLR's changes of an image: other colours, sometimes grey, and a crop.

    Args:
        jitter: factors of contrast, saturation and value lie in 1 +- jitter, at least 0.
        hue_shift: largest, in turns, at most a half.
        least_area: of a crop, as a share of the image's area.
    """
    colors, crop = _jittering(jitter, hue_shift), _cropping(least_area, 1.0)

    def change(images: tf.Tensor, draws: tf.Tensor) -> tf.Tensor:
        of_colors, of_grey, of_crop = tf.split(draws, [colors.n_draws, GREYING.n_draws, crop.n_draws], axis=1)
        return crop.apply(GREYING.apply(colors.apply(images, of_colors), of_grey), of_crop)

    return Augmentation(change, n_draws=colors.n_draws + GREYING.n_draws + crop.n_draws)


FLIP = Augmentation(_flip, n_draws=1)
COLOR_JITTER = _jittering(JITTER, HUE_SHIFT)
GREYING = Augmentation(_grey, n_draws=1)
CROP = _cropping(LEAST_AREA, 1.0)
MILD_CROP = _cropping(MILD_AREA, MILD_AREA)
SIMCLR = simclr_changes(JITTER, HUE_SHIFT, LEAST_AREA)
