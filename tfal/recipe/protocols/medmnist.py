"""Active learning on MedMNIST's sets: the cold-start protocol, 20 images and 10 more in each of 10 rounds."""

from __future__ import annotations

from tfal.recipe.presets import COLD_START_MEDMNIST

SOURCE = "cold-start fork of the initial-pools study, but nValid and nPool"
PRESETS = {"coldstart": COLD_START_MEDMNIST}
