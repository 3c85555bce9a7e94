"""Small copies of pictures, for people to look at: upright, on white, in 8 bits of red, green and blue."""

from __future__ import annotations

import base64
import io
import warnings
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from tfal.data.listing import MAX_PIXELS
from tfal.errors import InputError

_FORMATS = ("JPEG", "PNG", "BMP", "GIF", "WEBP")  # what is trained on; others of Pillow's run programs
_RESIZED = ("L", "LA", "RGB", "RGBA", "CMYK", "YCbCr")  # modes whose values can be averaged
_LOSSLESS = 96  # height and width up to which JPEG would cost more detail than it saves bytes [pixels]
_QUALITY = 85


def data_uri(file: Path, side: int, max_pixels: int = MAX_PIXELS) -> str:
    """A picture in no more than `side` x `side` pixels, as text that a page or a task can hold: "data:image/...".

    JPEG, or PNG where it is small. Cameras' note of how they were held is followed; what is transparent becomes white,
    16 bits are scaled so that the brightest is white, and of an animation the first picture is taken.

    file: the picture. side: of a smaller one nothing is changed [pixels]. max_pixels: height times width of the largest
    that is decoded. Raises InputError, with the reason, where there is nothing to be seen.
    """
    data, kind = _encoded(thumbnail(file, side, max_pixels))
    return f"data:image/{kind};base64,{base64.b64encode(data).decode()}"


def thumbnail(file: Path, side: int, max_pixels: int = MAX_PIXELS) -> Image.Image:
    """A picture in no more than `side` x `side` pixels, RGB, as `data_uri` shows it; InputError as there."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of odd notes in a file
            return _thumbnail(file, side, max_pixels)
    except UnidentifiedImageError:
        raise InputError(f"it is none of {', '.join(_FORMATS)}, or damaged") from None
    except InputError:
        raise
    except Exception as error:  # a damaged file makes decoders raise whatever they come upon
        reason = error.strerror if isinstance(error, OSError) and error.strerror else f"damaged: {error}"
        raise InputError(reason[:200]) from None


def _thumbnail(file: Path, side: int, max_pixels: int) -> Image.Image:
    with Image.open(file, formats=_FORMATS) as opened:
        if opened.width * opened.height > max_pixels:
            raise InputError(f"{opened.height} x {opened.width} pixels are more than {max_pixels}")
        image: Image.Image = opened
        if image.mode.startswith(("I", "F")):
            image = _in_8_bits(image)
        if image.mode not in _RESIZED or "transparency" in image.info:
            image = image.convert("RGBA" if image.has_transparency_data else "RGB")
        image.thumbnail((side, side))  # a JPEG is decoded no larger than that needs
        image = ImageOps.exif_transpose(image)
    if image.has_transparency_data:
        paper = Image.new("RGBA", image.size, "white")
        paper.alpha_composite(image.convert("RGBA"))
        image = paper
    return image.convert("RGB")


def _in_8_bits(image: Image.Image) -> Image.Image:
    values = np.asarray(image).astype(np.float32)
    brightest = float(values.max())
    return Image.fromarray(np.clip(values * (255 / brightest if brightest > 0 else 0), 0, 255).astype(np.uint8))


def _encoded(image: Image.Image) -> tuple[bytes, str]:
    data = io.BytesIO()
    if max(image.size) <= _LOSSLESS:
        image.save(data, "PNG")
        return data.getvalue(), "png"
    image.save(data, "JPEG", quality=_QUALITY)
    return data.getvalue(), "jpeg"
