"""Files of pretrained encoders: one for each set of things that the weights depend on, written after every epoch."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tfal.errors import InputError, TrainingError
from tfal.files import write_atomically
from tfal.storage.array_files import ArrayFileError, read_arrays
from tfal.storage.folder import digest_of, held, network_differences


@dataclass(frozen=True, eq=False)
class Snapshot:
    """An encoder after `epoch` epochs.

    loss: mean of that epoch. weights, optimizer: values of all variables, in Keras' order; a finished encoder has no
    optimizer.
    """

    epoch: int
    loss: float
    weights: list[np.ndarray]
    optimizer: list[np.ndarray]


class EncoderFile:
    """`<folder>/<name>-<hash of identity>.npz`.

    identity: everything that the weights depend on, as json can write it; it is stored inside the file, too. network:
        the network's layers, see tfal.training.layers.described, since another one may have the same name.
    """

    def __init__(self, folder: Path, name: str, identity: dict[str, Any], network: Sequence[str] = ()) -> None:
        self._identity, self._name, self._network = json.dumps(identity, sort_keys=True), name, list(network)
        self.path = folder / f"{name}-{digest_of(self._identity.encode())}.npz"

    def locked(self) -> contextlib.AbstractContextManager[None]:
        """Holds the file for this process; waits for another one that trains the same encoder, and finds its work.

        The lock goes with the process, however it ends.
        """
        return held(self.path.with_name(f".{self.path.stem}.lock"), [self.path.parent])

    def save(self, snapshot: Snapshot) -> None:
        """Replaces the file, at once or not at all. The same snapshot gives the same bytes.

        Raises TrainingError for weights that are NaN or infinite: the file keeps the epoch before.
        """
        if not _finite(snapshot):
            raise TrainingError(f"weights of the encoder {self._name} became NaN or infinite in epoch {snapshot.epoch}")
        arrays = {
            "identity": np.array(self._identity),
            "network": np.array(self._network),
            "epoch": np.array(snapshot.epoch),
            "loss": np.array(snapshot.loss),
            **{f"weight_{i:04d}": value for i, value in enumerate(snapshot.weights)},
            **{f"optimizer_{i:04d}": value for i, value in enumerate(snapshot.optimizer)},
        }
        write_atomically(self.path, lambda file: np.savez(file, **arrays))  # type: ignore[arg-type]

    def load(self) -> Snapshot | None:
        """What was saved last; None for nothing. Raises InputError for a file that is damaged or of another encoder."""
        if not self.path.exists():
            return None
        try:
            arrays = read_arrays(self.path)
            identity, network = str(arrays["identity"]), arrays.get("network")
            weights, optimizer = (_numbered(arrays, kind) for kind in ("weight", "optimizer"))
            snapshot = Snapshot(int(arrays["epoch"]), float(arrays["loss"]), weights, optimizer)
        except ArrayFileError as error:
            raise self.unusable(error.reason) from None
        except (KeyError, ValueError, TypeError) as error:
            raise self.unusable(f"{type(error).__name__}: {error}".splitlines()[0]) from None
        if identity != self._identity:
            raise self.unusable("it holds another encoder")
        differing = network_differences(self._network if network is None else network.tolist(), self._network)
        if differing:
            raise self.unusable(f"it holds another network: {differing[0]}")
        if not _finite(snapshot):
            raise self.unusable("it holds weights that are NaN or infinite")
        return snapshot

    def assign(self, variables: list[Any], values: list[np.ndarray]) -> None:
        """Gives loaded values to Keras variables. Raises InputError where number or shapes differ."""
        wanted, found = [tuple(variable.shape) for variable in variables], [value.shape for value in values]
        if wanted != found:
            raise self.unusable("its arrays do not fit the network; was the network's code changed?")
        for variable, value in zip(variables, values, strict=True):
            variable.assign(value)

    def unusable(self, reason: str) -> InputError:
        """The error for a file that is there but cannot be used."""
        return InputError(
            f"{self.path} is damaged or was not written by this program ({reason}). "
            "Remove it to train this encoder anew, or give another --resultsDir."
        )


def _numbered(arrays: dict[str, np.ndarray], kind: str) -> list[np.ndarray]:
    return [arrays[name] for name in sorted(arrays) if name.startswith(f"{kind}_")]


def _finite(snapshot: Snapshot) -> bool:
    return all(np.isfinite(values).all() for values in snapshot.weights if values.dtype.kind == "f")
