"""What a Keras model takes, and whether images are that: nothing is broadcast, cut or wrapped round in silence."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import tensorflow as tf

from tfal.errors import InputError


@dataclass(frozen=True)
class ModelInput:
    """The input of a model.

    shape: of one sample, None for free sides; None where there is no model to tell. dtype, name: None likewise.
    """

    shape: tuple[int | None, ...] | None = None
    dtype: np.dtype | None = None
    name: str | None = field(default=None, compare=False)

    @classmethod
    def of(cls, model: Any) -> ModelInput:
        """That of a built model; one that takes anything for None, and for a model without symbolic inputs.

        Raises InputError for a model with several inputs.
        """
        inputs = getattr(model, "inputs", None)
        if not inputs:
            return cls()
        if len(inputs) > 1:
            names = ", ".join(tensor.name for tensor in inputs)
            raise InputError(
                f"the model must have one input. Received: {len(inputs)}, {names}. Give a model of the images alone, "
                "with the other inputs fixed inside it."
            )
        dtype = inputs[0].dtype
        if dtype == "string":
            raise InputError(
                "the model must take numbers. Received: an input of strings. Give the model behind the layer that "
                "turns them into numbers, and as images what that layer gives."
            )
        return cls(tuple(inputs[0].shape[1:]), np.dtype("float32" if dtype == "bfloat16" else dtype), inputs[0].name)

    def takes(self, shape: tuple[int | None, ...]) -> bool:
        """Whether samples of this shape, None for an unknown side, may be what the model takes."""
        return self.shape is None or _fits(shape, self.shape)

    def check(self, shape: tuple[int | None, ...]) -> None:
        """Raises InputError when a sample of this shape, None for an unknown side, is not what the model takes."""
        if self.shape is None or _fits(shape, self.shape):
            return
        raise InputError(
            f"images must be of shape {_shown(self.shape)}, which the model takes. Received: {_shown(shape)}. "
            f"{_mended(shape, self.shape)}."
        )

    def tensor(self, batch: np.ndarray, ids: np.ndarray) -> tf.Tensor:
        """A batch for the model. Raises InputError, with the ids, for values that its dtype cannot hold."""
        wrong = _beyond(batch, self.dtype)
        if wrong is not None:
            raise InputError(f"images must be {wrong[1]}. Received: {wrong[2]} in the image of id {ids[wrong[0]]}.")
        return tf.convert_to_tensor(batch)


def _beyond(batch: np.ndarray, dtype: np.dtype | None) -> tuple[int, str, str] | None:
    """The first row that cannot be given to an input of `dtype`, what was expected, and what it holds."""
    if batch.dtype.kind == "f" and not np.isfinite(batch).all():
        return _first(~np.isfinite(batch)), "finite", "NaN or infinity"
    if dtype is None or dtype == batch.dtype:
        return None
    if dtype.kind in "iu":
        limits = np.iinfo(dtype)
        good = (batch >= limits.min) & (batch <= limits.max)
        good &= batch == np.rint(batch) if batch.dtype.kind == "f" else True
        wanted, received = f"whole numbers from {limits.min} to {limits.max}, as the model takes {dtype}", "others"
    elif dtype.kind == "f" and batch.dtype.itemsize >= dtype.itemsize:
        most = float(np.finfo(dtype).max)
        good = (batch >= -most) & (batch <= most)
        wanted, received = f"up to {most:g}, as the model takes {dtype}", "larger values"
    else:
        return None
    return None if good.all() else (_first(~good), wanted, received)


def _first(wrong: np.ndarray) -> int:
    return int(np.argmax(wrong.reshape(len(wrong), -1).any(axis=1)))


def _fits(shape: tuple[int | None, ...], wanted: tuple[int | None, ...]) -> bool:
    sides = zip(shape, wanted, strict=False)
    return len(shape) == len(wanted) and all(a is None or b is None or a == b for a, b in sides)


def _shown(shape: tuple[int | None, ...]) -> str:
    """(N, 8, 8, 1), with a question mark for sides that may have any length."""
    return "(" + ", ".join(["N", *("?" if side is None else str(side) for side in shape)]) + ")"


def _mended(shape: tuple[int | None, ...], wanted: tuple[int | None, ...]) -> str:
    """What to do with images of a shape that the model does not take."""
    if _fits((*shape, 1), wanted):
        return "Add the axis of the channels: images[..., None]"
    if len(shape) == len(wanted) - 1 and len(wanted) == 3 and shape[-1] in (1, 3):
        return "Give images (N, H, W, C), also when it is one: images[None]"
    if len(shape) == len(wanted) == 3 and _fits((*shape[1:], shape[0]), wanted):
        return "Move the axis of the channels to the end: np.moveaxis(images, 1, -1)"
    if len(shape) == len(wanted) == 3 and _fits(shape[:2], wanted[:2]):
        return f"Convert the images from {shape[-1]} to {wanted[-1]} channels, as those that the model was trained on"
    return "Resize or convert the images as those that the model was trained on"
