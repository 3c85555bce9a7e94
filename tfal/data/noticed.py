"""What image files hold that is not obeyed, said once: the camera's orientation, transparency, further pictures."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Sequence
from pathlib import Path

_SAMPLE = 256  # files that are looked at
_ORIENTATION = 0x0112  # tag of EXIF; 1 is upright


def say_not_obeyed(name: str, paths: Sequence[Path], channels: int | None = None) -> None:
    """At most three lines on stderr, about some 256 files of a data set at equal distances; nothing is decoded.

    channels: of arrays in memory, where a second or fourth one is the transparency; None: it is dropped.
    """
    some = paths[:: max(1, len(paths) // _SAMPLE)]
    found = [_looked_at(path) for path in some]
    turned, clear, moving = ([path for path, one in zip(some, found, strict=True) if one[at]] for at in range(3))
    if turned:
        _say(name, turned, some, "note how the camera was held (EXIF), which is not obeyed: they may lie on their side")
    if clear and channels in (2, 4):
        _say(name, clear, some, f"have transparency, which is channel {channels} of the images")
    elif clear:
        _say(name, clear, some, "have transparency, which is dropped: what is stored under it shows, often black")
    if moving:
        _say(name, moving, some, "hold several pictures, of which the first is read")


def _say(name: str, found: Sequence[Path], some: Sequence[Path], text: str) -> None:
    print(f"{name}: {len(found)} of {len(some)} files looked at {text}. First: {found[0]}.", file=sys.stderr)


def _looked_at(path: Path) -> tuple[bool, bool, bool]:
    """Whether a file notes an orientation that is not upright, has transparency, is an animation."""
    from PIL import Image

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about large pictures, which have a limit of their own here
            with Image.open(path) as image:
                told = image.format != "PNG" or "exif" in image.info  # else Pillow would decode it to look for more
                turned = told and image.getexif().get(_ORIENTATION, 1) != 1
                return turned, image.has_transparency_data, getattr(image, "is_animated", False)
    except Exception:  # whatever Pillow finds wrong with a file, the decoder says it
        return False, False, False
