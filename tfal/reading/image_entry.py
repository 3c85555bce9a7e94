"""Which entry of a sample is its image, where a data set gives several by name."""

from __future__ import annotations

from collections.abc import Iterable

NAMES = ("image", "images", "img", "imgs", "pixel_values")


def image_entry(names: Iterable[str], input_name: str | None) -> str | None:
    """The entry that is clearly the image; None where that is none of them, or may be several.

    It is the one that is called like the model's input; else the only one that is called as images are, in upper or
    lower case; else the only one that there is.
    """
    every = list(names)
    if input_name in every:
        return input_name
    called = [name for name in every if str(name).lower() in NAMES]
    found = called or every
    return found[0] if len(found) == 1 else None


def shown(names: Iterable[str]) -> str:
    """What errors say of the names."""
    return ", ".join(map(repr, names))
