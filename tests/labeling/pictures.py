"""Drawn pictures of two colours, and an encoder that tells them apart: what a folder is tested with."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

COLOURS = {"red": (220, 30, 30), "green": (30, 200, 40), "blue": (30, 40, 220)}
SIDE = 16


def draw(root: Path, n: int = 40, seed: int = 0, colours: int = 3) -> dict[str, str]:
    """Writes n PNG files below `root`, some in a folder of their own; the colour of each, by path."""
    rng, found = np.random.default_rng(seed), {}
    for number in range(n):
        name = list(COLOURS)[number % colours]
        picture = np.clip(np.array(COLOURS[name]) + rng.integers(-40, 41, (SIDE, SIDE, 3)), 0, 255).astype(np.uint8)
        path = f"{'sub/' if number % 5 == 0 else ''}p{seed}-{number:03}.png"
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(tf.io.encode_png(picture).numpy())
        found[path] = name
    return found


def encoder(file: Path) -> Path:
    """Writes a small .keras file, pictures (16, 16, 3) -> features (12,)."""
    keras.utils.set_random_seed(0)
    inputs = keras.Input((SIDE, SIDE, 3))
    x = keras.layers.AveragePooling2D(8)(inputs)
    features = keras.layers.Dense(12, "relu", name="features")(keras.layers.Flatten()(x))
    keras.Model(inputs, features).save(file)
    return file
