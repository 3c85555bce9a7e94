"""A network behind a function of somebody's own: a batch of images in, outputs by name out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from tfal.errors import InputError
from tfal.reading.output_shapes import check_logits, check_shape

MEND = (
    "Let it run the model in inference mode (Keras: model(batch, training=False); PyTorch: model.eval() before, and "
    "torch.no_grad())"
)


class CallableOutputs:
    """Reads what a function of a batch gives: a subclassed or wrapped model, or one of another framework.

    Args:
        name: of the learner that it stands for.
        function: images (B, ...), a NumPy array in the dtype that they have, -> a dict of arrays or tensors (B, ...)
            by output, such as {"logits": (B, C), "features": (B, d)}.

    `probe` is called once, with the first images, before anything is read.
    """

    def __init__(self, name: str, function: Callable[[np.ndarray], Any]) -> None:
        self._name, self._function = name, function
        self._shapes: dict[str, tuple[int, ...]] | None = None

    @property
    def n_classes(self) -> int | None:
        """C of the logits; None where it gives none."""
        shape = (self._shapes or {}).get("logits")
        return shape[-1] if shape else None

    def probe(self, batch: Any) -> None:
        """Looks at what it gives for a batch, and for the first half of that again.

        Raises InputError for anything else than outputs of the right shapes, for probabilities in place of logits, and
        for an image whose answer changes from call to call, or with the other images of its batch.
        """
        images = np.asarray(batch)
        first = self._call(images)
        for output, values in first.items():
            check_logits(f"{output!r} of the function for {self._name!r}", output, values)
        half = (len(images) + 1) // 2
        second = self._call(images[:half])
        for output, values in first.items():
            most = 1e-3 * float(np.abs(values).max(initial=0))
            same = output in second and np.allclose(values[:half], second[output], 1e-3, most, equal_nan=True)
            if not same:
                raise InputError(
                    f"the function for {self._name!r} must give an image the same answer each time, in whatever batch. "
                    f"Received: other {output} for the first {half} of {len(images)} images alone. {MEND}."
                )
        self._shapes = {output: values.shape[1:] for output, values in first.items()}

    def read(self, batch: Any, outputs: Sequence[str]) -> dict[str, tf.Tensor]:
        """The named outputs of a batch of images as float32 tensors. Raises InputError for one that is not given."""
        found = self._call(np.asarray(batch))
        for name in outputs:
            if name not in found:
                raise InputError(
                    f"this strategy reads {name!r} of the {self._name}. Received: a function that gives "
                    f"{', '.join(found)}. Let it give that, too."
                )
        return {name: tf.constant(found[name]) for name in outputs}

    def head(self) -> tuple[np.ndarray, np.ndarray]:
        """Raises InputError: a function has no kernel that could be had."""
        raise InputError(
            f"this strategy multiplies features by the kernel of the {self._name}'s last layer. Received: a function, "
            "whose kernel cannot be had. Give a functional or Sequential Keras model, or features and labels, for a "
            "linear head on them."
        )

    def _call(self, images: np.ndarray) -> dict[str, np.ndarray]:
        try:
            found = self._function(images)
        except InputError:
            raise
        except Exception as error:  # of somebody's own code, which is where the traceback leads
            reason = f"{type(error).__name__}: {error}".splitlines()[0]
            raise InputError(
                f"the function for {self._name!r} must take a batch of images, a NumPy array. Received: {reason}, for "
                f"{images.dtype} of shape {images.shape}. Call it with such an array to see where."
            ) from error
        if not isinstance(found, Mapping) or not found or not all(isinstance(name, str) for name in found):
            raise InputError(
                f"the function for {self._name!r} must give a dict of arrays by output, such as {{'logits': (B, C), "
                f"'features': (B, d)}}. Received: {_shown(found)}."
            )
        return {name: self._array(name, value, len(images)) for name, value in found.items()}

    def _array(self, output: str, value: Any, n: int) -> np.ndarray:
        what = f"{output!r} of the function for {self._name!r}"
        try:
            array = np.asarray(value)
            array = array.astype(np.float32) if array.dtype.kind != "O" else array
        except Exception as error:  # of other frameworks, each of which has its own
            reason = f"{type(error).__name__}: {error}".splitlines()[0]
            raise InputError(
                f"{what} must be an array of numbers. Received: {type(value).__name__} ({reason})."
            ) from None
        if array.dtype.kind != "f" or array.shape[:1] != (n,):
            raise InputError(
                f"{what} must be numbers, one row for each of {n} images. Received: {array.dtype} of shape "
                f"{array.shape}."
            )
        check_shape(what, output, array.shape)
        expected = (self._shapes or {}).get(output, array.shape[1:])
        if array.shape[1:] != expected:
            raise InputError(f"{what} must have one shape in all batches. Received: {expected}, and {array.shape[1:]}.")
        return array


def _shown(found: Any) -> str:
    if isinstance(found, Mapping):
        return "an empty dict" if not found else "a dict whose keys are no names"
    shape = f" of shape {tuple(found.shape)}" if hasattr(found, "shape") else ""
    return f"a {type(found).__name__}{shape}"
