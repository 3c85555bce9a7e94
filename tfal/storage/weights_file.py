"""Keras weights files that also hold the network which they are of, and nothing that runs code."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

from tfal.errors import InputError
from tfal.files import write_atomically

FORMAT = 1
_PARTS = {
    *(
        "Functional",
        "InputLayer",
        "ZeroPadding2D",
        "Conv2D",
        "BatchNormalization",
        "ReLU",
        "Activation",
        "MaxPooling2D",
    ),
    *("Add", "GlobalAveragePooling2D", "DTypePolicy", "__keras_tensor__"),
}


def write_network(network: Any, path: Path) -> None:
    """Creates or replaces a Keras weights file that also holds what `read_network` builds the network from."""
    import h5py

    with tempfile.TemporaryDirectory() as folder:
        temporary = Path(folder) / "network.weights.h5"
        network.save_weights(temporary)
        with h5py.File(temporary, "a") as file:
            file["tfal"] = json.dumps({"format": FORMAT, "network": network.to_json()})
        write_atomically(path, lambda file: file.write(temporary.read_bytes()))


def read_network(path: Path) -> Any:
    """The keras.Model of `write_network`. Raises InputError for another or a damaged file."""
    import h5py
    import keras

    try:
        with h5py.File(path, "r") as file:
            stored = json.loads(file["tfal"][()])
        if stored["format"] != FORMAT:
            raise ValueError(f"format {stored['format']}, expected {FORMAT}")
        _check_parts(json.loads(stored["network"]))
        network = keras.models.model_from_json(stored["network"])
        network.load_weights(path)
    except Exception as error:
        reason = f"{type(error).__name__}: {error}".splitlines()[0]
        raise InputError(
            f"{path} is damaged or was not written by python -m tfal.convert_torch ({reason}). Convert it anew."
        ) from None
    return network


def _check_parts(network: dict[str, Any]) -> None:
    """Refuses what is no part of a residual network: nothing else that a file names is looked up, let alone called."""
    from tfal.learners.keras_files import objects

    for part in objects(network):
        module, name = str(part.get("module")), part["class_name"]
        if not (module == "keras.initializers" or (module.startswith(("keras", "None")) and name in _PARTS)):
            raise ValueError(f"it names {module}.{name}, which no converted network has")
