import functools
import hashlib
import math

import keras
import numpy as np
import pytest

from models import BUILDERS
from models.parts import residual_conv

# Name: shape and classes of its protocol, trainable parameters there, a small shape that is quick to compute.
NETWORKS = {
    "SCNN": ((28, 28, 1), 10, 1_199_882, (8, 8, 1)),
    "KCNN": ((32, 32, 3), 10, 2_168_362, (8, 8, 3)),
    "MLP": ((28, 28, 1), 10, 203_530, (4, 4, 1)),
    "ResNet18": ((32, 32, 3), 4, 11_170_884, (9, 9, 3)),
    "ResNet18-16": ((32, 32, 3), 4, 700_692, (9, 9, 3)),
    "ResNet18-Dropout": ((32, 32, 3), 10, 11_173_962, (17, 17, 3)),
    "ResNet18-ImageNet": ((224, 224, 3), 1000, 11_689_512, (40, 40, 3)),
    "ResNet50-ImageNet": ((224, 224, 3), 1000, 25_557_032, (40, 40, 3)),
    "WRN-16-8": ((32, 32, 3), 100, 11_007_540, (9, 9, 3)),
}
STAGES = {
    "SCNN": [(6, 6, 32), (4, 4, 64)],
    "KCNN": [(8, 8, 32), (4, 4, 64)],
    "ResNet18": [(9, 9, 64), (5, 5, 128), (3, 3, 256), (2, 2, 512)],
    "ResNet18-16": [(9, 9, 16), (5, 5, 32), (3, 3, 64), (2, 2, 128)],
    "ResNet18-Dropout": [(9, 9, 64), (5, 5, 128), (3, 3, 256), (2, 2, 512)],
    "ResNet18-ImageNet": [(10, 10, 64), (5, 5, 128), (3, 3, 256), (2, 2, 512)],
    "ResNet50-ImageNet": [(10, 10, 256), (5, 5, 512), (3, 3, 1024), (2, 2, 2048)],
    "WRN-16-8": [(9, 9, 128), (5, 5, 256), (3, 3, 512)],
}
SMALLEST = {"SCNN": 6, "KCNN": 4, "MLP": 1, "ResNet18": 8, "ResNet18-16": 8, "WRN-16-8": 4}
SMALLEST |= {"ResNet18-Dropout": 16, "ResNet18-ImageNet": 32, "ResNet50-ImageNet": 32}
RESIDUAL = ["ResNet18", "ResNet18-16", "ResNet18-Dropout", "ResNet18-ImageNet", "ResNet50-ImageNet", "WRN-16-8"]
every_network = pytest.mark.parametrize("name", list(BUILDERS))


@functools.cache
def small(name):
    """A small network with 3 classes, a batch of 2 images, and its outputs in inference."""
    network = fresh(name, 0)
    images = np.random.default_rng(0).random((2, *NETWORKS[name][3]), dtype=np.float32)
    outputs = {key: value.numpy() for key, value in network(images, training=False).items()}
    return network, images, outputs


@pytest.fixture(scope="module", autouse=True)
def _forgotten():
    yield
    small.cache_clear()


@pytest.fixture
def zeros(monkeypatch):
    """Weights start at zero: to draw millions of them takes longer than to build a network."""
    for kind in (keras.initializers.VarianceScaling, keras.initializers.RandomUniform):
        monkeypatch.setattr(kind, "__call__", lambda self, shape, dtype=None, **_: keras.ops.zeros(shape, dtype))


def digests(network):
    """Of each array: three networks at once are much memory."""
    return [(array.shape, hashlib.blake2b(array.tobytes()).digest()) for array in network.get_weights()]


def fresh(name, seed):
    keras.utils.set_random_seed(seed)
    return BUILDERS[name](NETWORKS[name][3], 3)


def test_every_network_is_listed_here():
    assert set(NETWORKS) == set(SMALLEST) == set(BUILDERS)


@every_network
@pytest.mark.usefixtures("zeros")
def test_trainable_parameters(name):
    shape, n_classes, expected, _ = NETWORKS[name]
    network = BUILDERS[name](shape, n_classes)
    assert sum(math.prod(w.shape) for w in network.trainable_weights) == expected


@every_network
def test_outputs(name):
    network, _, outputs = small(name)
    stages = STAGES.get(name, [])
    names = [f"stage{i}" for i in range(1, len(stages) + 1)]
    assert set(outputs) == {"logits", "features", *names}
    assert [outputs[stage].shape for stage in names] == [(2, *shape) for shape in stages]
    assert outputs["logits"].shape == (2, 3)
    assert outputs["features"].shape == (2, network.get_layer("logits").kernel.shape[0])
    assert all(values.dtype == np.float32 and np.isfinite(values).all() for values in outputs.values())


@every_network
def test_head_of_features_gives_logits(name):
    network, _, outputs = small(name)
    kernel, bias = network.get_layer("logits").get_weights()
    np.testing.assert_allclose(outputs["features"] @ kernel + bias, outputs["logits"], rtol=1e-4, atol=1e-5)


@every_network
def test_same_seed_same_weights(name):
    first = digests(small(name)[0])
    assert digests(fresh(name, 0)) == first
    assert digests(fresh(name, 8))[0] != first[0]


@every_network
@pytest.mark.usefixtures("zeros")
def test_logits_are_float32_under_mixed_precision_and_of_the_smallest_images(name):
    policy, size = keras.config.dtype_policy(), SMALLEST[name]
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        output = BUILDERS[name]((size, size, 3), 2).output
    finally:
        keras.config.set_dtype_policy(policy)
    assert output["logits"].dtype == "float32"
    assert output["logits"].shape == (None, 2)
    assert output["features"].dtype == "bfloat16"


@every_network
def test_too_small_images_are_refused(name):
    size = SMALLEST[name]
    with pytest.raises(ValueError, match=rf"{name} (needs|takes) images .* Received: input_shape=\({size - 1}, "):
        BUILDERS[name]((size - 1, size, 3), 2)


@every_network
def test_odd_arguments_are_refused(name):
    with pytest.raises(ValueError, match=r"takes images \(H, W, C\)"):
        BUILDERS[name]((64, 64), 2)
    with pytest.raises(ValueError, match="at least 2 classes"):
        BUILDERS[name]((64, 64, 3), 1)


@pytest.mark.parametrize("name", ["SCNN", "KCNN"])
def test_stages_are_what_the_head_goes_on_from(name):
    network, _, outputs = small(name)
    pooled = keras.layers.MaxPooling2D()(outputs["stage2"]).numpy().reshape(2, -1)
    kernel, bias = network.get_layer("features").get_weights()
    np.testing.assert_allclose(np.maximum(pooled @ kernel + bias, 0), outputs["features"], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", ["SCNN", "KCNN"])
def test_dropout_acts_in_training_only(name):
    network, images, outputs = small(name)
    assert not np.allclose(network(images, training=True)["logits"], outputs["logits"])
    np.testing.assert_array_equal(network(images, training=False)["logits"], outputs["logits"])


@pytest.mark.parametrize("name", ["ResNet18", "ResNet18-16", "ResNet18-ImageNet", "ResNet50-ImageNet"])
def test_features_are_the_mean_of_the_last_stage(name):
    _, _, outputs = small(name)
    np.testing.assert_allclose(outputs["features"], outputs["stage4"].mean(axis=(1, 2)), rtol=1e-5, atol=1e-6)


def test_batch_normalisation_settings():
    for name in RESIDUAL:
        norms = [x for x in small(name)[0].layers if isinstance(x, keras.layers.BatchNormalization)]
        assert norms
        assert {(norm.momentum, norm.epsilon) for norm in norms} == {(0.9, 1e-5)}


def test_small_networks_start_he_normal_with_zero_biases():
    for name in ("SCNN", "KCNN", "MLP"):
        for layer in small(name)[0].layers:
            if layer.weights:
                kernel, bias = layer.get_weights()
                fan_in = math.prod(kernel.shape[:-1])
                assert not bias.any()
                assert kernel.std() == pytest.approx(math.sqrt(2 / fan_in), rel=0.25)


@pytest.mark.parametrize(("name", "features"), [("ResNet18", 512), ("ResNet18-16", 128)])
def test_cifar_resnet_starts_uniform(name, features):
    network = small(name)[0]
    for layer in ("stem_conv", "stage2_block1_project", "stage4_block2_conv2", "logits"):
        kernel = network.get_layer(layer).get_weights()[0]
        limit = 1 / math.sqrt(math.prod(kernel.shape[:-1]))
        assert 0.97 * limit < np.abs(kernel).max() <= limit * (1 + 1e-6)
        assert kernel.std() == pytest.approx(limit / math.sqrt(3), rel=0.05)
    kernel, bias = network.get_layer("logits").get_weights()
    assert len(kernel) == features
    assert 0 < np.abs(bias).max() <= 1 / math.sqrt(features)


@pytest.mark.parametrize("name", ["ResNet18-ImageNet", "ResNet50-ImageNet"])
def test_imagenet_resnet_starts_kaiming_fan_out(name):
    network = small(name)[0]
    for layer in ("stem_conv", "stage2_block1_project", "stage4_block2_conv2"):
        kernel = network.get_layer(layer).get_weights()[0]
        fan_out = kernel.shape[0] * kernel.shape[1] * kernel.shape[3]
        assert kernel.std() == pytest.approx(math.sqrt(2 / fan_out), rel=0.05)
        assert np.abs(kernel).max() > 2.5 * kernel.std()  # not truncated at two standard deviations


@pytest.mark.parametrize("name", RESIDUAL)
def test_layers_of_one_shape_start_differently(name):
    network = small(name)[0]
    pair = ("block2_conv2", "block3_conv2") if name.startswith("ResNet50") else ("block2_conv1", "block2_conv2")
    first, second = (network.get_layer(f"stage3_{layer}").get_weights()[0] for layer in pair)
    assert first.shape == second.shape
    assert not np.array_equal(first, second)


def test_bottlenecks_stride_in_the_middle():
    network = small("ResNet50-ImageNet")[0]
    strides = {x.name: x.strides for x in network.layers if isinstance(x, keras.layers.Conv2D) and x.strides != (1, 1)}
    blocks = [f"stage{i}_block1" for i in (2, 3, 4)]
    expected = ["stem_conv", *(f"{block}_{conv}" for block in blocks for conv in ("project", "conv2"))]
    assert strides == dict.fromkeys(expected, (2, 2))
    assert [
        sum(x.name.startswith(f"stage{i}") and x.name.endswith("conv3") for x in network.layers) for i in (1, 2, 3, 4)
    ] == [3, 4, 6, 3]


def test_stride_two_pads_both_sides():
    images = keras.Input((4, 4, 1))
    network = keras.Model(images, residual_conv(images, 1, 3, 2, "ones", "conv"))
    # Windows of 3 that start at -1 and 1: they cover pixels 0..1 and 1..3 of each side.
    expected = np.array([[4, 6], [6, 9]], dtype=np.float32)
    np.testing.assert_array_equal(network(np.ones((1, 4, 4, 1), np.float32))[0, :, :, 0], expected)
