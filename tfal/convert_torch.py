"""Converts ResNet checkpoints of PyTorch to a Keras weights file that `--encoder` takes.

    python -m tfal.convert_torch checkpoint.pth resnet18.weights.h5 [--arch resnet18|resnet50]

Takes torchvision's state dicts and those of CompRess, MoCo, SimSiam, SwAV, DINO, lightly or torch.compile: whatever
holds a ResNet of torchvision's names behind one prefix (torch_names.py). What stands behind the average pooling is
dropped. Every other tensor must find its place, and every place its tensor: a checkpoint with one that is missing is
refused, not filled up with random numbers.

Only `main` needs PyTorch; the functions work on NumPy arrays.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from tfal.command import Parser, run_command
from tfal.errors import InputError
from tfal.files import check_writable, make_folder
from tfal.networks import builders
from tfal.storage.weights_file import write_network
from tfal.torch_names import Found, find_network, flattened, listed

_NORM = ("weight", "bias", "running_mean", "running_var")  # in the order of Keras' gamma, beta, mean, variance
_INSTALL = 'pip install "torch>=2.5"'


class Architecture(NamedTuple):
    """network: its name among the builders. n_blocks: of each stage. n_convs: of a block, without the projection."""

    network: str
    n_blocks: tuple[int, ...]
    n_convs: int


ARCHITECTURES = {
    "resnet18": Architecture("ResNet18-ImageNet", (2, 2, 2, 2), 2),
    "resnet50": Architecture("ResNet50-ImageNet", (3, 4, 6, 3), 3),
}


def located(checkpoint: Mapping[str, Any], arch: str | None = None, prefix: str | None = None) -> Found:
    """Where in a checkpoint a network is, and which one.

    Args:
        checkpoint: what a file holds: tensors by name, in dicts of any depth.
        arch: the architecture that it must be; any of ARCHITECTURES where not given.
        prefix: what the network's names begin with; found out where not given, see find_network.

    Raises:
        InputError: there is none, it is another one, or there are several.
    """
    found = find_network(flattened(checkpoint), {name: _expected(name) for name in ARCHITECTURES}, prefix)
    if arch not in (None, found.kind):
        raise InputError(
            f"the checkpoint does not look like a {arch}, but like a {found.kind}. Give --arch {found.kind}."
        )
    return found


def backbone(checkpoint: Mapping[str, Any]) -> dict[str, Any]:
    """The tensors of the network that `located` finds, by torchvision's names; without its heads."""
    tensors = flattened(checkpoint)
    return {name: tensors[there] for name, there in located(checkpoint).names.items()}


def architecture(tensors: Mapping[str, Any], arch: str | None = None) -> str:
    """The architecture whose names fit best. Raises InputError when it is not `arch`."""
    return located(tensors, arch).kind


def layer_weights(tensors: Mapping[str, np.ndarray], arch: str) -> dict[str, dict[str, np.ndarray]]:
    """Arrays for each Keras layer, by their names in PyTorch and in Keras' order and layout.

    Args:
        tensors: of `backbone`, float arrays; kernels (out, in, height, width).
        arch: a name of ARCHITECTURES.

    Returns:
        {layer: {name: array}}; kernels (height, width, in, out); of a batch normalisation gamma, beta, mean, variance.

    Raises:
        InputError: a tensor is missing, or left over; it names them.
    """
    places = {layer: _names(torch_layer) for torch_layer, layer in _pairs(ARCHITECTURES[arch])}
    expected = _expected(arch)
    missing, left = [n for n in expected if n not in tensors], [n for n in tensors if n not in set(expected)]
    if missing or left:
        raise InputError(
            f"the checkpoint is no {arch}: missing: {listed(missing)}; left over: {listed(left)}. "
            "Expected: torchvision's names."
        )
    return {layer: {name: _keras_layout(tensors[name]) for name in names} for layer, names in places.items()}


def _pairs(architecture: Architecture) -> list[tuple[str, str]]:
    """The layers with weights: names in PyTorch and in Keras."""
    pairs = [("conv1", "stem_conv"), ("bn1", "stem_bn")]
    for stage, n in enumerate(architecture.n_blocks, start=1):
        for i in range(n):
            there, here = f"layer{stage}.{i}", f"stage{stage}_block{i + 1}"
            kinds = [f"{kind}{k + 1}" for k in range(architecture.n_convs) for kind in ("conv", "bn")]
            pairs += [(f"{there}.{kind}", f"{here}_{kind}") for kind in kinds]
            if i == 0 and (stage > 1 or architecture.n_convs == 3):  # where the shape changes
                pairs += [(f"{there}.downsample.0", f"{here}_project"), (f"{there}.downsample.1", f"{here}_project_bn")]
    return pairs


def _names(layer: str) -> list[str]:
    last = layer.rpartition(".")[2]
    is_norm = last.startswith("bn") or layer.endswith("downsample.1")
    return [f"{layer}.{part}" for part in (_NORM if is_norm else ("weight",))]


def _expected(arch: str) -> list[str]:
    """The names of all tensors."""
    return [name for layer, _ in _pairs(ARCHITECTURES[arch]) for name in _names(layer)]


def _keras_layout(array: np.ndarray) -> np.ndarray:
    array = np.asarray(array, np.float32)
    return array.transpose(2, 3, 1, 0) if array.ndim == 4 else array


def to_keras(tensors: Mapping[str, np.ndarray], arch: str, build: Callable[[tuple[int, int, int], int], Any]) -> Any:
    """A keras.Model, normalised images (B, H, W, 3) of any size -> features (B, d), with these weights.

    build: of ARCHITECTURES[arch].network. Raises InputError for tensors that are missing, left over, of another shape,
    or not finite.
    """
    import keras

    whole = build((224, 224, 3), 2)
    for layer, arrays in layer_weights(tensors, arch).items():
        weights = whole.get_layer(layer).weights
        for weight, (name, array) in zip(weights, arrays.items(), strict=True):
            if tuple(weight.shape) != array.shape or not np.isfinite(array).all():
                raise InputError(
                    f"tensor {name} must be finite, of shape {tuple(weight.shape)} in Keras' layout. "
                    f"Received: {array.shape}. Is this a {arch} of torchvision's widths?"
                )
            weight.assign(array)
    fixed = keras.Model(whole.inputs[0], whole.output["features"], name=arch)
    network = keras.models.clone_model(fixed, input_tensors=keras.Input((None, None, 3), name="images"))
    network.set_weights(fixed.get_weights())
    return network


def load_checkpoint(path: Path) -> dict[str, Any]:
    """The tensors of a file of PyTorch, by dotted names. Runs no code from the file. Raises InputError."""
    try:
        import torch
    except ImportError:
        raise InputError(f"reading {path} needs PyTorch, which is not installed. Install it: {_INSTALL}") from None
    if not path.is_file():
        raise InputError(f"there is no checkpoint {str(path)!r}. Correct the path.")
    try:
        with torch.serialization.safe_globals([argparse.Namespace]):  # CompRess keeps its options beside the weights
            checkpoint = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        reason = f"{type(error).__name__}: {error}".splitlines()[0]
        raise InputError(f"{path} is no checkpoint of weights ({reason}). Save its state_dict anew.") from None
    if not isinstance(checkpoint, Mapping):
        raise InputError(f"{path} must hold a dict. Received: {type(checkpoint).__name__}. Save its state_dict anew.")
    return flattened(checkpoint)


def convert(checkpoint: Path, out: Path, arch: str | None = None, prefix: str | None = None) -> Found:
    """Converts a file; returns what was taken from it. Raises InputError before anything is written."""
    if not out.name.endswith(".weights.h5"):
        raise InputError(f"the new file must end in .weights.h5. Received: {str(out)!r}.")
    check_writable(out.parent, "the folder", "Give another path.")
    stored = load_checkpoint(checkpoint)
    found = located(stored, arch, prefix)
    tensors = {name: stored[there].detach().float().numpy() for name, there in found.names.items()}
    network = to_keras(tensors, found.kind, builders()[ARCHITECTURES[found.kind].network])
    make_folder(out.parent)
    write_network(network, out)
    return found


def main(argv: Sequence[str] | None = None, program: str = "python -m tfal.convert_torch") -> int:
    """The command; returns the exit code."""

    def work() -> int:
        parser = Parser(description=(__doc__ or "").splitlines()[0])
        parser.add_argument("checkpoint", type=Path, help="file of PyTorch that holds a ResNet of torchvision's names")
        parser.add_argument("out", type=Path, help="new file, *.weights.h5")
        parser.add_argument("--arch", choices=list(ARCHITECTURES), help="found out where not given")
        parser.add_argument("--prefix", help="what the network's names begin with, where a checkpoint holds several")
        given = parser.parse_args(argv)
        found = convert(given.checkpoint, given.out, given.arch, given.prefix)
        taken = f"taken: what begins with {found.prefix!r}" if found.prefix else "taken: what has no prefix"
        print(
            f"{given.out}: {ARCHITECTURES[found.kind].network}; {taken}; left out: {listed(found.left_out)}. "
            f"Use it with --encoder {given.out}"
        )
        return 0

    return run_command(program, work, "The same command begins again.")


if __name__ == "__main__":
    sys.exit(main())
