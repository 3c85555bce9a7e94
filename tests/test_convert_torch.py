"""PyTorch checkpoints become Keras weights: layer by layer, with the same features, and nothing is left out."""

import argparse
import contextlib
import importlib.util
import subprocess
import sys
import types
from typing import NamedTuple

import numpy as np
import pytest

from models import BUILDERS
from tests.conftest import ROOT
from tfal import convert_torch
from tfal.convert_torch import ARCHITECTURES, layer_weights, main, to_keras
from tfal.data.images import Images
from tfal.errors import InputError
from tfal.learners.frozen_encoder import IMAGENET_MEAN, IMAGENET_STD, FrozenEncoder
from tfal.storage.weights_file import read_network, write_network

WITH_TORCH = all(importlib.util.find_spec(name) for name in ("torch", "torchvision"))
needs_torch = pytest.mark.skipif(not WITH_TORCH, reason="PyTorch is missing: pip install -r requirements-torch.txt")
N_TENSORS = {"resnet18": 100, "resnet50": 265}  # without fc and the counters of batches


def tensors(arch):
    """Random tensors by torchvision's names, in its shapes; from the Keras network's own layers."""
    rng, found = np.random.default_rng(0), {}
    network = BUILDERS[ARCHITECTURES[arch].network]((32, 32, 3), 2)
    for there, here in convert_torch._pairs(ARCHITECTURES[arch]):
        for name, weight in zip(convert_torch._names(there), network.get_layer(here).weights, strict=True):
            shape = tuple(weight.shape)
            shape = (shape[3], shape[2], *shape[:2]) if len(shape) == 4 else shape
            scale = np.sqrt(2 / np.prod(shape[1:])) if len(shape) == 4 else 0.1
            found[name] = (rng.standard_normal(shape) * scale).astype(np.float32)
            if name.endswith(("running_var", "weight")) and len(shape) == 1:
                found[name] = 1 + np.abs(found[name])
    return found


@pytest.mark.parametrize("arch", list(ARCHITECTURES))
def test_every_weight_of_the_network_gets_its_tensor(arch):
    given = tensors(arch)
    assert len(given) == N_TENSORS[arch]
    found = layer_weights(given, arch)
    network = BUILDERS[ARCHITECTURES[arch].network]((32, 32, 3), 2)
    expected = {layer.name for layer in network.layers if layer.weights and layer.name != "logits"}
    assert found.keys() == expected
    assert sorted(name for arrays in found.values() for name in arrays) == sorted(given)
    for layer, arrays in found.items():
        assert [array.shape for array in arrays.values()] == [w.shape for w in network.get_layer(layer).weights]


def test_layouts_by_hand():
    given = tensors("resnet18")
    given["layer2.0.downsample.0.weight"] = np.arange(128 * 64, dtype=np.float32).reshape(128, 64, 1, 1)
    found = layer_weights(given, "resnet18")
    (kernel,) = found["stage2_block1_project"].values()
    assert kernel.shape == (1, 1, 64, 128)
    assert kernel[0, 0, 2, 3] == 3 * 64 + 2
    assert [name.rpartition(".")[2] for name in found["stage2_block1_project_bn"]] == list(convert_torch._NORM)


@pytest.mark.parametrize("arch", list(ARCHITECTURES))
def test_missing_and_left_over_tensors_are_named(arch):
    given = tensors(arch)
    del given["layer3.1.bn2.running_mean"]
    with pytest.raises(InputError, match=rf"no {arch}: missing: layer3\.1\.bn2\.running_mean; left over: none\."):
        layer_weights(given, arch)
    given |= {"layer3.1.bn2.running_mean": np.zeros(256), "head.weight": np.zeros(3)}
    with pytest.raises(InputError, match=r"missing: none; left over: head\.weight\."):
        layer_weights(given, arch)
    with pytest.raises(InputError, match=rf"missing: conv1\.weight, .*\.\.\. \({N_TENSORS[arch]}\); left over: none"):
        layer_weights({}, arch)


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("layer1.0.bn1.bias", lambda array: array[:-1]),
        ("layer1.0.conv1.weight", lambda array: array[:, :, :1, :1]),
        ("bn1.running_var", lambda array: array * np.nan),
    ],
)
def test_tensors_of_another_shape_or_without_numbers(name, change):
    given = tensors("resnet18")
    given[name] = change(given[name])
    with pytest.raises(InputError, match=rf"tensor {name} must be finite, of shape .* Is this a resnet18"):
        to_keras(given, "resnet18", BUILDERS["ResNet18-ImageNet"])


def test_stored_and_read_again(tmp_path):
    network, path = to_keras(tensors("resnet18"), "resnet18", BUILDERS["ResNet18-ImageNet"]), tmp_path / "a.weights.h5"
    write_network(network, path)
    again, images = read_network(path), np.random.default_rng(0).random((2, 40, 33, 3), np.float32)
    np.testing.assert_array_equal(again(images), network(images))
    assert [p.name for p in tmp_path.iterdir()] == ["a.weights.h5"]


class _Tensor(NamedTuple):
    """An array that answers like a tensor of PyTorch."""

    array: np.ndarray

    @property
    def shape(self):
        return self.array.shape

    def detach(self):
        return self

    def float(self):
        return self

    def numpy(self):
        return self.array


def test_the_command_has_the_networks_that_come_along(tmp_path, capsys, monkeypatch):
    given = {f"encoder.{name}": _Tensor(array) for name, array in tensors("resnet18").items()}
    monkeypatch.setattr(convert_torch, "load_checkpoint", lambda path: given)
    out = tmp_path / "new" / "out.weights.h5"
    assert main(["in.pth", str(out)], "tfal convert-torch") == 0
    assert "ResNet18-ImageNet; taken: what begins with 'encoder.'" in capsys.readouterr().out
    network, expected = read_network(out), layer_weights(tensors("resnet18"), "resnet18")
    for layer, arrays in expected.items():
        for weight, array in zip(network.get_layer(layer).get_weights(), arrays.values(), strict=True):
            np.testing.assert_array_equal(weight, array)


def test_the_command_names_what_is_wrong(tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)  # as where it is not installed
    given, out = tmp_path / "in.pth", tmp_path / "new" / "out.weights.h5"
    assert main([str(given), str(out)]) == 2
    assert "needs PyTorch, which is not installed. Install it: pip install " in _error(capsys)
    assert main([str(given), str(tmp_path / "out.h5")]) == 2
    assert "the new file must end in .weights.h5" in _error(capsys)
    assert list(tmp_path.iterdir()) == []


def _error(capsys):
    text = capsys.readouterr().err
    assert text.startswith("python -m tfal.convert_torch: error: ")
    assert text.count("\n") == 1
    return text


class _Tensor:
    """As much of a tensor as the conversion asks for."""

    def __init__(self, array):
        self.array, self.shape = array, array.shape

    def detach(self):
        return self

    float = detach

    def numpy(self):
        return self.array


def test_the_command_says_what_it_took_and_what_it_left(tmp_path, capsys, monkeypatch):
    """DINO's file: student and teacher, each with a head."""
    inside = {name: _Tensor(array) for name, array in tensors("resnet18").items()}
    both = {
        "student": {f"module.backbone.{name}": _Tensor(np.zeros(1)) for name in inside},
        "teacher": {f"backbone.{name}": tensor for name, tensor in inside.items()}
        | {"head.mlp.weight": _Tensor(np.ones(2))},
        "epoch": 800,
        "args": argparse.Namespace(lr=0.1),
    }
    loaded = []
    torch = types.SimpleNamespace(
        load=lambda path, **options: loaded.append(options) or both,
        serialization=types.SimpleNamespace(safe_globals=lambda allowed: contextlib.nullcontext()),
    )
    monkeypatch.setitem(sys.modules, "torch", torch)
    given, out = tmp_path / "dino.pth", tmp_path / "dino.weights.h5"
    given.write_bytes(b"read by the stub")
    assert main([str(given), str(out)]) == 0
    assert loaded[0]["weights_only"] is True
    assert capsys.readouterr().out == (
        f"{out}: ResNet18-ImageNet; taken: what begins with 'teacher.backbone.'; left out: student, teacher.head. "
        f"Use it with --encoder {out}\n"
    )
    images = np.random.default_rng(0).random((2, 32, 32, 3), np.float32)
    expected = to_keras(tensors("resnet18"), "resnet18", BUILDERS["ResNet18-ImageNet"])(images)
    np.testing.assert_array_equal(read_network(out)(images), expected)
    out.unlink()
    assert main([str(given), str(out), "--prefix", "online"]) == 2
    assert "begins with 'online'. Found: 'student.module.backbone.', 'teacher.backbone.'." in _error(capsys)
    assert not out.exists()


def test_help_needs_neither_torch_nor_keras():
    command = [sys.executable, "-X", "importtime", "-m", "tfal.convert_torch", "--help"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert "--arch {resnet18,resnet50}" in done.stdout
    loaded = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert not loaded & {"torch", "keras", "tensorflow"}


def _random_torchvision(arch):
    """Random weights, and statistics that matter, as after a training."""
    import torch
    import torchvision

    torch.manual_seed(0)
    network = getattr(torchvision.models, arch)(weights=None)
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            for tensor, (low, high) in zip(
                (module.weight, module.bias, module.running_mean, module.running_var),
                ((0.5, 1.0), (-0.2, 0.2), (-0.2, 0.2), (0.5, 1.5)),
                strict=True,
            ):
                torch.nn.init.uniform_(tensor, low, high)
    return network.eval()


def _saved(network, kind, path):
    """As CompRess, MoCo-v2 and torchvision save it, heads of another size included."""
    import torch

    inside = {name: tensor for name, tensor in network.state_dict().items() if not name.startswith("fc.")}
    inside |= {"fc.weight": torch.zeros(128, 7), "fc.bias": torch.zeros(128)}
    if kind == "compress":
        options = argparse.Namespace(lr=0.1)
        stored = {"opt": options, "model": {f"module.{name}": tensor for name, tensor in inside.items()}, "epoch": 9}
    elif kind == "moco":
        stored = {f"module.encoder_q.{name}": tensor for name, tensor in inside.items()}
        stored |= {f"module.encoder_k.{name}": tensor + 1 for name, tensor in inside.items()}
        stored |= {"module.encoder_q.fc.2.weight": torch.zeros(3), "module.queue": torch.zeros(2, 3)}
        stored = {"epoch": 800, "arch": "resnet50", "state_dict": stored, "optimizer": {"state": {}}}
    else:
        stored = network.state_dict()
    torch.save(stored, path)


@needs_torch
@pytest.mark.parametrize(
    ("arch", "kind", "size"),
    [
        ("resnet18", "compress", (224, 224)),
        ("resnet18", "torchvision", (32, 32)),  # CIFAR's size: the last map is 1 x 1
        ("resnet50", "moco", (64, 48)),
        ("resnet50", "torchvision", (65, 97)),
    ],
)
def test_features_agree_with_pytorch(arch, kind, size, small, change, tmp_path, capsys):
    import torch

    network, path, out = _random_torchvision(arch), tmp_path / "in.pth.tar", tmp_path / f"{arch}.weights.h5"
    _saved(network, kind, path)
    assert main([str(path), str(out)]) == 0
    assert capsys.readouterr().out.startswith(f"{out}: {ARCHITECTURES[arch].network}; taken: what ")
    brightest = np.array([40, 140, 256]).reshape(3, 1, 1, 1)
    images = np.random.default_rng(0).integers(0, brightest, (3, *size, 3)).astype(np.uint8)
    batch = images.astype(np.float32) / 255
    encoder = FrozenEncoder(BUILDERS["MLP"], Images(images), 10, change(small, encoder=str(out)))
    found = encoder.read(batch, ["features"])["features"].numpy()
    network.fc = torch.nn.Identity()
    normal = (batch - np.array(IMAGENET_MEAN, np.float32)) / np.array(IMAGENET_STD, np.float32)
    with torch.no_grad():
        expected = network(torch.tensor(normal.transpose(0, 3, 1, 2).copy())).numpy()
    error = np.abs(found - expected).max() / np.abs(expected).max()
    print(f"{arch} {kind}: relative difference {error:.1e}")
    assert found.std(axis=0).max() > 0.01 * np.abs(expected).max()  # images differ
    assert error < 1e-4


@needs_torch
def test_checkpoints_that_cannot_be_converted(tmp_path, capsys):
    import torch

    path, out = tmp_path / "in.pth", tmp_path / "new" / "out.weights.h5"

    def error(*more):
        assert main([str(path), str(out), *more]) == 2
        assert not out.parent.exists()
        return _error(capsys)

    assert "there is no checkpoint" in error()
    path.write_bytes(b"nothing")
    assert "is no checkpoint of weights (" in error()
    torch.save(torch.nn.Linear(2, 2), path)  # a pickled module would run code when loaded
    assert "is no checkpoint of weights (" in error()
    torch.save([torch.zeros(2)], path)
    assert "must hold a dict. Received: list" in error()
    torch.save({"model": {"conv1.weight": 3}}, path)
    assert "holds no resnet18 or resnet50: no tensor has a name" in error()
    plain = {name: torch.tensor(array) for name, array in tensors("resnet18").items()}
    torch.save(plain, path)
    assert "does not look like a resnet50, but like a resnet18" in error("--arch", "resnet50")
    del plain["layer4.1.conv2.weight"]
    torch.save(plain, path)
    assert "missing: layer4.1.conv2.weight; left over: none" in error()
    import torchvision

    torch.save(torchvision.models.resnet34().state_dict(), path)
    assert "is no resnet50: missing: layer1.0.conv3.weight" in error()
    torch.save(torchvision.models.wide_resnet50_2().state_dict(), path)
    assert "Is this a resnet50 of torchvision's widths?" in error()
