"""Which network a checkpoint holds is told by its names: behind one prefix, without heads, in one copy."""

import numpy as np
import pytest

from tfal import convert_torch
from tfal.convert_torch import ARCHITECTURES, architecture, backbone
from tfal.errors import InputError


def names(arch="resnet18"):
    """The same names, with small arrays that tell them apart."""
    return {name: np.full(1, i) for i, name in enumerate(convert_torch._expected(arch))}


def behind(prefix, inside):
    return {prefix + name: value for name, value in inside.items()}


PLAIN = names()
OTHER = {name: value + 1000 for name, value in PLAIN.items()}
PLACES = {"conv1": "0", "bn1": "1", "layer1": "4", "layer2": "5", "layer3": "6", "layer4": "7"}
PUBLISHED = {
    "torchvision": ({**PLAIN, "fc.weight": np.ones(2), "bn1.num_batches_tracked": np.array(3)}, "", ["fc"]),
    "compress": ({"epoch": 1, "model": behind("module.", {**PLAIN, "fc.0.bias": np.ones(1)})}, "model.module.", None),
    "moco": (
        {
            "state_dict": {
                **behind("module.encoder_k.", OTHER),
                **behind("module.encoder_q.", {**PLAIN, "fc.2.weight": np.ones(3)}),
                "module.queue": np.ones(2),
            },
            "optimizer": {"state": {0: {"momentum_buffer": np.ones(2)}}, "lr": 0.1},
        },
        "state_dict.module.encoder_q.",
        ["state_dict.module.encoder_k", "state_dict.module.encoder_q.fc", "state_dict.module.queue"],
    ),
    "simsiam": (
        {"state_dict": {**behind("module.encoder.", PLAIN), "module.predictor.0.weight": np.ones(2)}},
        "state_dict.module.encoder.",
        ["state_dict.module.predictor"],
    ),
    "moco-v3": (
        {"state_dict": {**behind("module.momentum_encoder.", OTHER), **behind("module.base_encoder.", PLAIN)}},
        "state_dict.module.base_encoder.",
        ["state_dict.module.momentum_encoder"],
    ),
    "swav": (
        behind("module.", {**PLAIN, "projection_head.0.weight": np.ones(1), "prototypes.weight": np.ones(1)}),
        "module.",
        ["module.projection_head", "module.prototypes"],
    ),
    "dino": (
        {"student": behind("module.backbone.", OTHER), "teacher": behind("backbone.", PLAIN), "args": {"lr": 1}},
        "teacher.backbone.",
        ["student"],
    ),
    "dino, the teacher's head": (
        {"teacher": {**behind("backbone.", PLAIN), "head.last_layer.weight_v": np.ones(1)}},
        "teacher.backbone.",
        ["teacher.head"],
    ),
    "lightly": (
        {
            "state_dict": {
                **behind("backbone_momentum.", OTHER),
                **{
                    "backbone." + PLACES[first] + dot + rest: value
                    for name, value in PLAIN.items()
                    for first, dot, rest in [name.partition(".")]
                },
                "projection_head.layers.0.weight": np.ones(1),
            }
        },
        "state_dict.backbone.",
        ["state_dict.backbone_momentum", "state_dict.projection_head"],
    ),
    "torch.compile": (behind("_orig_mod.", PLAIN), "_orig_mod.", []),
    "torch.compile in DataParallel": (behind("module._orig_mod.", PLAIN), "module._orig_mod.", []),
    "model_state_dict": ({"model_state_dict": PLAIN, "epoch": 7}, "model_state_dict.", []),
}


@pytest.mark.parametrize("kind", PUBLISHED)
def test_the_backbone_of_each_kind_of_checkpoint(kind):
    checkpoint, prefix, left_out = PUBLISHED[kind]
    assert backbone(checkpoint) == PLAIN
    found = convert_torch.located(checkpoint)
    assert (found.kind, found.prefix) == ("resnet18", prefix)
    assert left_out is None or sorted(found.left_out) == sorted(left_out)


@pytest.mark.parametrize("stored", [{"model": [1]}, {"state_dict": 3}, {1: 2}, {"a": np.ones(2), "b.c": np.ones(1)}])
def test_what_is_no_checkpoint(stored):
    with pytest.raises(
        InputError, match=r"holds no resnet18 or resnet50: no tensor has a name .* Received: (none|a, b)"
    ):
        backbone(stored)


@pytest.mark.parametrize("copies", [("one.", "two."), ("state_dict.", "state_dict_ema."), ("", "ema.")])
def test_of_several_networks_one_must_be_chosen(copies):
    both = behind(copies[0], PLAIN) | behind(copies[1], OTHER)
    refused = rf"several networks: {copies[0]!r}, {copies[1]!r}\. Choose one: --prefix {copies[0]!r}"
    with pytest.raises(InputError, match=refused):
        backbone(both)
    chosen = convert_torch.located(both, prefix=copies[1].rstrip("."))
    assert chosen.names == behind("", {name: copies[1] + name for name in PLAIN})
    with pytest.raises(InputError, match=r"--prefix: no name of a resnet18 or resnet50 begins with 'three'\. Found: '"):
        convert_torch.located(both, prefix="three")


def test_a_network_that_is_not_whole_is_refused_behind_its_prefix():
    inside = {**PLAIN, "layer1.2.conv1.weight": np.ones(1)}
    with pytest.raises(
        InputError, match=r"no resnet18 behind 'm\.': missing: none; left over: layer1\.2\.conv1\.weight"
    ):
        backbone(behind("m.", inside))
    inside = names("resnet50")
    del inside["layer3.1.conv3.weight"]
    with pytest.raises(
        InputError, match=r"no resnet50 behind 'm\.': missing: layer3\.1\.conv3\.weight; left over: none"
    ):
        backbone(behind("m.", inside))
    blocks = convert_torch._pairs(convert_torch.Architecture("ResNet-34", (3, 4, 6, 3), 2))
    another = {name: np.ones(1) for layer, _ in blocks for name in convert_torch._names(layer)}
    with pytest.raises(
        InputError, match=r"is no resnet50: missing: layer1\.0\.conv3.* Expected: resnet18 or resnet50 by"
    ):
        backbone(another)
    whole = {**behind("whole.", PLAIN), **behind("damaged.", inside)}
    assert convert_torch.located(whole).prefix == "whole."


def test_another_architecture():
    found = [architecture(names(arch)) for arch in ARCHITECTURES]
    assert found == list(ARCHITECTURES)
    assert architecture(names("resnet50"), "resnet50") == "resnet50"
    with pytest.raises(InputError, match=r"not look like a resnet18, but like a resnet50\. Give --arch resnet50"):
        architecture(names("resnet50"), "resnet18")
