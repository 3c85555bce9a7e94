"""What an output of a learner must look like when somebody else makes it: an array, or a function of images."""

from __future__ import annotations

import numpy as np

from tfal.errors import InputError

AXES = {
    "features": "(B, d)",
    "logits": "(B, C)",
    "mc_logits": "(B, passes, C)",
    "view_logits": "(B, views, C)",
    "noise_logits": "(B, draws, C)",
    "member_logits": "(B, members, C)",
    "projection": "(B, d)",
    "projection_views": "(B, d)",
    "projection_rotations": "(B, 4, d)",
    "predicted_loss": "(B,)",
    "simclr_loss": "(B,)",
    "vae_loss": "(B,)",
    "labeled_logit": "(B,)",
}  # of outputs that strategies read; others may have any


def check_shape(what: str, output: str, shape: tuple[int, ...]) -> None:
    """Raises InputError when an output of `what` cannot have this shape, the axis of the samples included."""
    axes = AXES.get(output, "(B, ...)")
    rank = None if "..." in axes else len(axes.strip("(,)").split(","))
    if not shape or 0 in shape[1:] or (rank is not None and len(shape) != rank):
        mend = " Pool it, or flatten it, to one row for each sample." if rank == 2 else ""
        mend = " Take its last axis off: [..., 0]." if (*shape[:-1], 1) == shape and rank == len(shape) - 1 else mend
        raise InputError(f"{what} must be of shape {axes}. Received: {shape}.{mend}")
    if output.endswith("logits") and shape[-1] < 2:
        raise InputError(
            f"{what} must have one column for each class, at least two. Received: {shape}. Of a single unit z for two "
            "classes give (0, z)."
        )


def check_logits(what: str, output: str, values: np.ndarray) -> None:
    """Raises InputError when an output that is called logits, of samples enough to tell, holds probabilities."""
    if output.endswith("logits") and is_distribution(values, 1e-2 if values.dtype == np.float16 else 1e-4):
        raise InputError(
            f"{what} must be logits. Received: probabilities, values from 0 to 1 with a sum of 1 for each sample. Give "
            "what comes before the softmax, or the logarithm of the probabilities."
        )


def is_distribution(logits: np.ndarray, tolerance: float) -> bool:
    """Whether all rows (..., C) look like probabilities: values in [0, 1] with a sum of 1."""
    inside = logits.min(initial=0) >= -tolerance and logits.max(initial=0) <= 1 + tolerance
    return bool(inside and np.abs(logits.sum(axis=-1) - 1).max(initial=0) <= tolerance)
