import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from models import BUILDERS
from tfal.data.images import Images
from tfal.errors import InputError, TrainingError
from tfal.evaluation.trainer import GroupedAdam, Training
from tfal.evaluation.transfer import features_of, finetune, finetuner, from_scratch, scratch_trainer
from tfal.training.optimizers import CoupledSGD
from tfal.training.runtime import prepare_tensorflow

QUICK = Training(epochs=2, batch=16)


@pytest.fixture(autouse=True)
def _deterministic():
    prepare_tensorflow()


@pytest.fixture
def images(digits):
    return Images(digits.x_train)


def _normalised(input_shape=(8, 8, 1), n_classes=10):
    """A small network with batch normalisation, whose features come from outputs."""
    x = keras.Input(input_shape)
    y = layers.Dense(24, use_bias=False)(layers.Flatten()(x))
    y = layers.ReLU()(layers.BatchNormalization()(y))
    return keras.Model(x, {"features": y, "logits": layers.Dense(n_classes, name="logits")(y)})


def _weights(trainer):
    return [np.asarray(variable) for variable in trainer._network.variables]


def _equal(a, b):
    return all(np.array_equal(one, other) for one, other in zip(a, b, strict=True))


def test_grouped_adam_is_adam_at_two_rates():
    rng, found, expected = np.random.default_rng(0), [], []
    gradients = [[rng.normal(size=4).astype(np.float32) for _ in range(2)] for _ in range(10)]
    ours = [keras.Variable(np.ones(4, np.float32), name=name) for name in ("slow", "fast")]
    optimizer = GroupedAdam(0.01, [0.01, 1])
    for step, gradient in enumerate(gradients):
        optimizer.learning_rate = 0.01 if step < 5 else 0.001
        optimizer.apply(gradient, ours)
        found.append([variable.numpy().copy() for variable in ours])
    for i, rate in enumerate((1e-4, 1e-2)):
        theirs = keras.Variable(np.ones(4, np.float32))
        optimizer = keras.optimizers.Adam(rate, epsilon=1e-8)
        for step, gradient in enumerate(gradients):
            optimizer.learning_rate = rate if step < 5 else rate / 10
            optimizer.apply([gradient[i]], [theirs])
            expected.append(theirs.numpy().copy())
    np.testing.assert_allclose([v[0] for v in found] + [v[1] for v in found], expected, rtol=1e-6)


@pytest.mark.parametrize("frozen", [False, True])
def test_finetuning_is_that_of_keras_by_hand(images, digits, frozen):
    """Two steps on all images at once: every weight, moving statistics too, and the caller's network untouched."""
    network = _normalised()
    rng = np.random.default_rng(0)
    network.set_weights([rng.uniform(0.1, 1, value.shape) - 0.3 * (value.ndim > 1) for value in network.get_weights()])
    copy = keras.models.clone_model(network)  # before it is frozen
    network.trainable = not frozen
    before = network.get_weights()
    trainer = finetuner(network, images, 10, Training(epochs=2, batch=40), lr_network=1e-3)
    ids = np.arange(40)
    trainer._engine.reset(7)
    start = [value.copy() for value in _weights(trainer)]
    trainer.fit(ids, digits.y_train[ids], seed=7)
    unit = layers.UnitNormalization()(copy.output["features"])
    model = keras.Model(copy.input, layers.Dense(10)(unit))
    for variable, value in zip(model.variables, start, strict=True):
        variable.assign(value)
    x, y = digits.x_train[ids].astype(np.float32) / 255, digits.y_train[ids]
    slow, fast = (keras.optimizers.Adam(epsilon=1e-8) for _ in range(2))
    for decay in (1, 0.1):  # the second of two epochs is behind the first milestone
        slow.learning_rate, fast.learning_rate = 1e-3 * decay, 1e-2 * decay
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(y, model(x, training=True)))
        variables = model.trainable_variables
        gradients = tape.gradient(loss, [variable.value for variable in variables])
        slow.apply(gradients[:-2], variables[:-2])
        fast.apply(gradients[-2:], variables[-2:])
    for value, ours, theirs in zip(start, _weights(trainer), model.get_weights(), strict=True):
        assert not np.array_equal(value, theirs)
        np.testing.assert_allclose(ours, theirs, atol=1e-5)
    assert _equal(before, network.get_weights())


def test_the_new_head_starts_small_and_sees_unit_features(images):
    trainer = finetuner(_normalised(), images, 10, QUICK)
    trainer._engine.reset(0)
    kernel, bias = trainer._network.layers[-1].get_weights()
    limit = 1 / np.sqrt(24)
    for values in (kernel, bias):
        assert 0.5 * limit < np.abs(values).max() <= limit
    features = trainer._outputs.read(np.random.default_rng(0).random((5, 8, 8, 1), np.float32), ["features"])[
        "features"
    ]
    np.testing.assert_allclose(np.linalg.norm(features, axis=1), 1, rtol=1e-5)


@pytest.mark.parametrize("kind", ["finetune", "scratch"])
def test_a_training_depends_on_its_seed_alone(images, digits, kind):
    def new():
        training = Training(epochs=2, batch=16, augment="flip_crop")
        return (
            finetuner(network, images, 10, training)
            if kind == "finetune"
            else scratch_trainer(_normalised, images, 10, training)
        )

    network = _normalised()
    trainer, ids = new(), np.arange(50)
    first = trainer.fit(ids, digits.y_train[ids], 1), _weights(trainer)
    other = trainer.fit(ids[:33], digits.y_train[:33], 2), _weights(trainer)
    again = trainer.fit(ids, digits.y_train[ids], 1), _weights(trainer)
    trainer = new()
    anew = trainer.fit(ids, digits.y_train[ids], 1), _weights(trainer)
    assert first[0] == again[0] == anew[0]
    assert _equal(first[1], again[1])
    assert _equal(first[1], anew[1])
    assert not _equal(first[1], other[1])


@pytest.mark.parametrize(
    ("n", "sizes"),
    [(1, [1]), (2, [2]), (16, [16]), (17, [17]), (18, [16, 2]), (33, [16, 17]), (49, [16, 16, 17]), (48, [16] * 3)],
)
def test_a_last_batch_of_one_image_joins_the_one_before(images, n, sizes):
    trainer = scratch_trainer(_normalised, images, 10, Training(epochs=3, batch=16))
    batches, n_steps = trainer._batches(np.arange(n), np.arange(n), 0)
    found = [labels.numpy() for _, labels in batches]
    assert n_steps == len(sizes)
    assert [len(labels) for labels in found] == sizes * 3
    for epoch in range(3):
        labels = np.concatenate(found[epoch * n_steps : (epoch + 1) * n_steps])
        assert sorted(labels) == list(range(n))


def test_images_and_labels_stay_together_when_batches_are_joined(digits):
    trainer = scratch_trainer(
        _normalised, Images(digits.x_train), 10, Training(epochs=2, batch=4, prepare=lambda x: 2 * x)
    )
    ids = np.array([5, 900, 3, 77, 12])
    for x, rows in trainer._batches(ids, ids, 3)[0]:
        np.testing.assert_allclose(x, 2 * digits.x_train[rows.numpy()].astype(np.float32) / 255, rtol=1e-6)


@pytest.mark.parametrize("n", [1, 17])
def test_one_image_does_no_harm(images, digits, n):
    for trainer in (finetuner(_normalised(), images, 10, QUICK), scratch_trainer(BUILDERS["SCNN"], images, 10, QUICK)):
        assert np.isfinite(trainer.fit(np.arange(n), digits.y_train[:n], 0))
        assert all(np.isfinite(values).all() for values in _weights(trainer) if values.dtype.kind == "f")


def test_from_scratch_is_the_studys_sgd_and_learns(images, digits):
    trainer = scratch_trainer(_normalised, images, 10, Training(epochs=10, batch=32))
    optimizer, rates = trainer._network.optimizer, []
    assert (type(optimizer), optimizer.momentum, optimizer.decay) == (CoupledSGD, 0.9, 1e-4)
    fit = trainer._network.fit
    watch = keras.callbacks.LambdaCallback(on_epoch_end=lambda *_: rates.append(float(optimizer.learning_rate.numpy())))
    trainer._network.fit = lambda *given, callbacks, **named: fit(*given, callbacks=[*callbacks, watch], **named)
    ids = np.random.default_rng(0).permutation(len(digits.y_train))[:300]
    trainer.fit(ids, digits.y_train[ids], 0)
    assert rates == pytest.approx([0.1] * 3 + [0.01] * 3 + [0.001] * 3 + [0.0001])
    scores = trainer.scores(Images(digits.x_test), np.arange(360), digits.y_test)
    assert scores.top1 > 0.85
    assert scores.top5 > 0.97


def test_scores_count_the_test_images(images, digits):
    trainer = scratch_trainer(_normalised, images, 10, Training(epochs=1, batch=16, prepare=lambda x: x - 0.5))
    trainer.fit(np.arange(40), digits.y_train[:40], 0)
    ids = np.arange(50, 250)
    logits = trainer._network.predict(digits.x_train[ids] / np.float32(255) - np.float32(0.5), verbose=0)
    best, truth = np.argsort(-logits, axis=1), digits.y_train[ids]
    found = trainer.scores(images, ids, truth)
    assert found.top1 == np.mean(best[:, 0] == truth)
    assert found.top5 == np.mean((best[:, :5] == truth[:, None]).any(axis=1))
    assert 0 < found.top1 < found.top5 < 1


def test_finetuning_learns(images, digits):
    """A network trained on digits 5 to 9, compiled as it is, then 60 labels of all classes."""
    many = np.flatnonzero(digits.y_train >= 5)
    first = scratch_trainer(_normalised, images, 10, Training(epochs=10, batch=32))
    first.fit(many, digits.y_train[many], 0)
    ids = np.random.default_rng(1).permutation(len(digits.y_train))[:60]
    test = Images(digits.x_test), np.arange(360), digits.y_test
    training = Training(epochs=60, batch=10)
    tuned = finetune(first._network, images, ids, digits.y_train[ids], *test, n_classes=10, seed=0, training=training)
    assert tuned.top1 > 0.6
    assert tuned.top5 > 0.95


def test_frozen_networks_within_networks_are_trained_too(images, digits):
    """As encoders are: a backbone as a layer, and an operation that is no layer."""
    backbone = keras.Sequential(
        [keras.Input((8, 8, 1)), layers.Flatten(), layers.Dense(6), layers.BatchNormalization()]
    )
    x = keras.Input((8, 8, 1))
    inner = keras.Model(backbone.inputs, backbone.outputs[0])
    network = keras.Model(x, {"features": inner(2.0 * x - 1.0)})
    network.trainable = False
    trainer = finetuner(network, images, 10, QUICK)
    trainer._engine.reset(0)
    start = [value.copy() for value in _weights(trainer)]
    assert _equal(start[: len(network.weights)], network.get_weights())
    trainer.fit(np.arange(20), digits.y_train[:20], 0)
    assert len(start) == 8
    assert not any(np.array_equal(a, b) for a, b in zip(start, _weights(trainer), strict=True))


def test_features_of_networks_of_all_kinds():
    x = keras.Input((8, 8, 1))
    pooled = layers.GlobalAveragePooling2D()(layers.Conv2D(6, 3)(x))
    classifier = keras.Sequential([keras.Input((8, 8, 1)), layers.Flatten(), layers.Dense(5), layers.Dense(3)])
    assert features_of(keras.Model(x, pooled)).shape == (None, 6)
    assert features_of(keras.Model(x, {"features": pooled})).shape == (None, 6)
    assert features_of(keras.Model(x, layers.Dense(3, activation="softmax")(pooled))).shape == (None, 6)
    assert features_of(classifier).shape == (None, 5)
    assert features_of(BUILDERS["MLP"]((8, 8, 1), 10)).shape[0] is None
    with pytest.raises(InputError, match="cannot read this model"):
        features_of(keras.Model(x, layers.Conv2D(6, 3)(x)))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"ids": np.array([], int)}, "ids: expected at least one id"),
        ({"ids": np.array([1, 1, 2])}, "ids: expected distinct ids"),
        ({"ids": np.array([0, 1, 9999])}, "received 0..9999"),
        ({"labels": np.array([0, 1])}, r"labels: expected whole numbers of shape \(3,\)"),
        ({"labels": np.array([0, 1, 10])}, r"labels: expected classes in 0..9, received 0..10"),
        ({"test_labels": np.array([-1, 0])}, r"test_labels: expected classes in 0..9, received -1..0"),
        ({"training": Training(epochs=0)}, "epochs: expected an integer of at least 1, received 0"),
        ({"training": Training(batch=1)}, "batch: expected at least 2, received 1"),
        ({"training": Training(augment="blur")}, "unknown augmentation 'blur'"),
        ({"n_classes": 1}, "n_classes: expected at least 2"),
        ({"learning_rate": -1.0}, "learning_rate: expected a positive number"),
    ],
)
def test_bad_input_is_refused(images, change, message):
    given = {"images": images, "ids": np.arange(3), "labels": np.arange(3), "test_images": images}
    given |= {"test_ids": np.arange(2), "test_labels": np.arange(2), "n_classes": 10, "seed": 0}
    given["training"] = Training(epochs=1)
    with pytest.raises(InputError, match=message):
        from_scratch(_normalised, **{**given, **change})


def test_a_softmax_and_a_loss_that_is_no_number_are_refused(images, digits):
    def softmax(shape, n):
        return keras.Sequential([keras.Input(shape), layers.Flatten(), layers.Dense(n, activation="softmax")])

    with pytest.raises(InputError, match="ends in a softmax"):
        scratch_trainer(softmax, images, 10, QUICK)
    with pytest.raises(InputError, match="lr_network: expected a positive number, received nan"):
        finetuner(_normalised(), images, 10, QUICK, lr_network=float("nan"))
    with pytest.raises(TrainingError, match="training loss became"):
        scratch_trainer(_normalised, images, 10, QUICK, learning_rate=1e30).fit(np.arange(40), digits.y_train[:40], 0)
