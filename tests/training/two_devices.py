"""Run by test_devices.py in a process of its own, whose CPU is two devices; what one device gives is the referee."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

import tfal
from models import BUILDERS
from tfal import low_budget
from tfal.cli import main
from tfal.data.images import Images
from tfal.evaluation.trainer import Training
from tfal.evaluation.transfer import finetuner, scratch_trainer
from tfal.learners import LEARNERS
from tfal.learners.classifier import Classifier
from tfal.learners.contrastive_encoders import CSI, SimCLR
from tfal.pool import Pool
from tfal.recipe import Recipe
from tfal.streams import Streams
from tfal.training.replicas import WholeBatchModel, networks_on
from tfal.training.runtime import distribution, prepare_tensorflow, read_batch_size

CPU = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(CPU, [tf.config.LogicalDeviceConfiguration()] * 2)
prepare_tensorflow()
STREAMS = Streams(0, 1, 0)


def _pool(digits, n):
    pool = Pool.unlabeled_pool(len(digits.y_train))
    pool.label_samples(np.arange(n), digits.y_train[:n], 0)
    pool.set_validation(np.arange(60, 101), digits.y_train[60:101])
    return pool


def _on_both(make):
    return [make(devices) for devices in ("one", "all")]


def _assert_close(found, expected, atol):
    for ours, theirs in zip(found, expected, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=atol)


def _copies(network):
    return [
        [copy.numpy() for copy in distribution("all").experimental_local_results(variable.value)]
        for variable in network.variables
    ]


def _normalized(shape, n_classes):
    """A network with batch normalization."""
    images = keras.Input(shape)
    x = layers.BatchNormalization(momentum=0.5, name="norm")(layers.Conv2D(4, 3)(images))
    x = layers.Flatten()(layers.ReLU()(x))
    return keras.Model(images, layers.Dense(n_classes, name="logits")(x))


def _dropped(shape, n_classes):
    images = keras.Input(shape)
    x = layers.Dropout(0.5)(layers.Dense(64, activation="relu")(layers.Flatten()(images)))
    return keras.Model(images, layers.Dense(n_classes, name="logits")(x))


def test_what_counts_as_a_device():
    one, both = _on_both(distribution)
    assert (one.num_replicas_in_sync, both.num_replicas_in_sync) == (1, 2)
    assert distribution("all") is both
    assert read_batch_size((8, 8, 1), 2) == 2 * read_batch_size((8, 8, 1))


@pytest.mark.parametrize("name", ["classifier", "loss_predictor"])
def test_a_training_on_two_devices_is_that_on_one(digits, name):
    """33 samples in batches of 8: the last batch of an epoch has one, so that nothing is left for the second device."""

    def trained(devices):
        recipe = Recipe(n_batch=8, n_epoch=3, learning_rate=0.01, n_epoch_loss=1, devices=devices)
        learner = LEARNERS[name](BUILDERS["MLP"], Images(digits.x_train), 10, recipe)
        return learner, learner.fit(_pool(digits, 33), STREAMS)

    (one, expected), (both, found) = _on_both(trained)
    assert found == pytest.approx(expected, rel=1e-5)
    _assert_close(both._network.get_weights(), one._network.get_weights(), 1e-4)
    _assert_close(both.head(), one.head(), 1e-4)
    images = digits.x_test[:9].astype(np.float32) / 255
    for n in (9, 2, 1):
        outputs = {"features", "logits", *(["predicted_loss"] if name == "loss_predictor" else [])}
        found, expected = both.read(images[:n], sorted(outputs)), one.read(images[:n], sorted(outputs))
        assert found.keys() == expected.keys() == outputs
        _assert_close(found.values(), expected.values(), 1e-4)


def test_a_training_repeats_itself_and_is_traced_once(digits):
    recipe = Recipe(n_batch=8, n_epoch=2, devices="all")
    learner = Classifier(_dropped, Images(digits.x_train), 10, recipe)
    metrics, traced = learner._engine.model.compute_metrics, []
    learner._engine.model.compute_metrics = lambda *given, **named: (traced.append(1), metrics(*given, **named))[1]
    first = learner.fit(_pool(digits, 33), STREAMS), learner._network.get_weights()
    before = len(traced)
    learner.fit(_pool(digits, 40), Streams(0, 1, 1))
    again = learner.fit(_pool(digits, 33), STREAMS), learner._network.get_weights()
    assert len(traced) == before > 0
    assert again[0] == first[0]
    assert all(np.array_equal(a, b) for a, b in zip(again[1], first[1], strict=True))


def test_every_device_has_dropout_masks_of_its_own(digits):
    learner = Classifier(_dropped, Images(digits.x_train), 10, Recipe(n_batch=8, n_epoch=1, devices="all"))
    learner.fit(_pool(digits, 16), STREAMS)
    differing = [np.subtract(*reversed(copies)).tolist() for copies in _copies(learner._network)]
    assert [value for value in differing if np.any(value)] == [[1, 0]]
    ones = tf.ones([4, 64])
    dropout = next(layer for layer in learner._network.layers if isinstance(layer, layers.Dropout))
    masks = distribution("all").run(tf.function(lambda: dropout(ones, training=True)))
    assert not np.array_equal(*distribution("all").experimental_local_results(masks))


def test_moving_statistics_are_the_mean_of_the_parts(digits):
    """7 images: 4 for the first device, 3 for the second; then one image alone."""
    strategy = distribution("all")
    with networks_on(strategy):
        network, optimizer = _normalized((8, 8, 1), 10), keras.optimizers.SGD(0.0)
        optimizer.build(network.trainable_variables)
    model = WholeBatchModel(network.inputs, network.output, strategy=strategy)
    model.compile(optimizer=optimizer, loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    images, labels = digits.x_train[:8].astype(np.float32) / 255, digits.y_train[:8]
    seen = keras.Model(network.inputs, network.get_layer("norm").input)(images).numpy()
    norm = network.get_layer("norm")
    model.train_on_batch(images[:7], labels[:7])
    mean = (seen[:4].mean(axis=(0, 1, 2)) + seen[4:7].mean(axis=(0, 1, 2))) / 2
    variance = (seen[:4].var(axis=(0, 1, 2)) + seen[4:7].var(axis=(0, 1, 2))) / 2
    np.testing.assert_allclose(norm.moving_mean.numpy(), 0.5 * mean, atol=1e-6)
    np.testing.assert_allclose(norm.moving_variance.numpy(), 0.5 * variance + 0.5, atol=1e-6)
    model.train_on_batch(images[7:], labels[7:])
    np.testing.assert_allclose(norm.moving_mean.numpy(), 0.25 * mean + 0.5 * seen[7].mean(axis=(0, 1)), atol=1e-6)
    assert all(np.array_equal(*copies) for copies in _copies(network))


@pytest.mark.parametrize(("kind", "n"), [(CSI, 9), (SimCLR, 10)])
def test_an_encoder_on_two_devices_is_that_on_one(digits, tmp_path, kind, n):
    """The last batch has one image or two, in views; every view is compared with all others of its batch."""
    images = Images(digits.x_train[:n])

    def trained(devices):
        options = {"n_epoch_csi": 2, "n_epoch_simclr": 2, "n_batch_encoder": 4, "n_warmup": 1}
        recipe = Recipe(results_dir=str(tmp_path), devices=devices, **options)
        learner = kind(BUILDERS["MLP"], images, 10, recipe)
        return learner, learner.fit(Pool.unlabeled_pool(n), STREAMS)

    (one, expected), (both, found) = _on_both(trained)
    assert found == pytest.approx(expected, rel=1e-4)
    _assert_close(both._network.get_weights(), one._network.get_weights(), 1e-4)
    batch = digits.x_test[:5].astype(np.float32) / 255
    for outputs in (["features", "projection"], ["projection_views"], ["projection_rotations"]):
        _assert_close(both.read(batch, outputs).values(), one.read(batch, outputs).values(), 1e-3)
    assert len(list((tmp_path / "encoders").glob("*.npz"))) == 2
    again, _ = trained("all")
    assert all(np.array_equal(a, b) for a, b in zip(_copies(again._network), _copies(both._network), strict=True))


@pytest.mark.parametrize("kind", ["finetune", "scratch"])
def test_a_transfer_on_two_devices_is_that_on_one(digits, kind):
    images, ids = Images(digits.x_train), np.arange(10)
    keras.utils.set_random_seed(0)
    pretrained = BUILDERS["MLP"]((8, 8, 1), 10)

    def trained(devices):
        training = Training(epochs=2, batch=4, devices=devices)
        trainer = (
            finetuner(pretrained, images, 10, training)
            if kind == "finetune"
            else scratch_trainer(BUILDERS["MLP"], images, 10, training)
        )
        loss = trainer.fit(ids, digits.y_train[ids], 0)
        return loss, trainer.scores(Images(digits.x_test), np.arange(99), digits.y_test[:99]), trainer._network

    one, both = _on_both(trained)
    assert both[0] == pytest.approx(one[0], rel=1e-4)
    assert both[1] == one[1]
    _assert_close(both[2].get_weights(), one[2].get_weights(), 1e-4)


def test_a_run_on_two_devices_picks_what_one_picks(digits, small, change):
    def run(devices):
        recipe = change(small, devices=devices, results_dir=f"{small.results_dir}/{devices}")
        return [done.picks.ids for done in tfal.run(recipe, BUILDERS["MLP"], data=digits) if done.picks]

    one, both = _on_both(run)
    assert len(one) == small.n_step
    assert all(np.array_equal(a, b) for a, b in zip(both, one, strict=True))


def test_a_low_budget_study_on_two_devices_picks_what_one_picks(digits, change, tmp_path):
    def run(devices):
        recipe = Recipe(
            dataset="digits",
            network="MLP",
            strategy="kmeans,power_margin",
            splits="10,20",
            evaluate="knn,finetune",
            n_epoch_simclr=1,
            n_epoch_linear=2,
            n_rep=1,
            devices=devices,
            results_dir=str(tmp_path / devices),
        )
        rows = [judged.row for judged in low_budget.run(recipe, BUILDERS["MLP"], data=digits)]
        features = [np.load(path) for path in sorted((tmp_path / devices / "features").glob("*/features.npy"))]
        picks = {path.name: np.load(path) for path in (tmp_path / devices).rglob("*_digits_*.npy")}
        return rows, sorted(features, key=len), picks

    one, both = _on_both(run)
    _assert_close(both[1], one[1], 2e-3)
    assert one[2].keys() == both[2].keys()
    assert len(one[2]) == 4
    assert all(np.array_equal(both[2][name], ids) for name, ids in one[2].items())
    assert [row["knn_top1"] for row in both[0]] == [row["knn_top1"] for row in one[0]]


def test_a_frozen_encoder_from_a_file_reads_on_both(digits, tmp_path):
    images = Images(digits.x_train)
    BUILDERS["SCNN"]((8, 8, 1), 10).save(tmp_path / "net.keras")
    batch = digits.x_test[:5].astype(np.float32) / 255

    def read(devices):
        recipe = Recipe(encoder=str(tmp_path / "net.keras"), trust_encoder="on", devices=devices)
        encoder = LEARNERS["encoder"](BUILDERS["MLP"], images, 10, recipe)
        return encoder.read(batch, ["features"])["features"].numpy(), encoder.identity()

    (expected, identity), (found, same) = _on_both(read)
    np.testing.assert_allclose(found, expected, atol=1e-5)
    assert same == identity


def test_the_command_line_says_how_many(tmp_path, capfd):
    tiny = "--network MLP --nRep 1 --nStep 0 --nEpoch 1 --nInit 20 --nValid 0 --nPool 60 --nQuery 5"
    flags = [*tiny.split(), "--strategy", "random", "--devices", "all", "--resultsDir", str(tmp_path)]
    assert main("test", {"digits": Recipe(dataset="digits")}, BUILDERS, "test", flags) == 0
    assert "on 2 CPU devices." in capfd.readouterr().out
    assert main("test", {"digits": Recipe(dataset="digits")}, BUILDERS, "test", [*flags, "--devices", "one"]) == 2
    assert "devices: 'all' there, 'one' here" in capfd.readouterr().err
