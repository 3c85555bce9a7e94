import math

import keras
import numpy as np
import pytest

from models import BUILDERS
from tfal.data.images import Images
from tfal.errors import InputError
from tfal.learners.classifier import Classifier, epoch_steps
from tfal.learners.loss_prediction import LossPredictor
from tfal.pool import Pool
from tfal.recipe import Recipe
from tfal.streams import Streams
from tfal.training.runtime import prepare_tensorflow


@pytest.fixture
def pool(digits):
    pool = Pool.unlabeled_pool(len(digits.y_train))
    pool.label_samples(np.arange(50), digits.y_train[:50], 0)
    pool.set_validation(np.arange(60, 100), digits.y_train[60:100])
    return pool


@pytest.fixture(scope="module")
def classifier(digits):
    """One for several tests: no training depends on those before."""
    prepare_tensorflow()
    recipe = Recipe(dataset="digits", n_batch=16, n_epoch=4, learning_rate=0.01, n_sample=150)
    return Classifier(BUILDERS["SCNN"], Images(digits.x_train), 10, recipe)


def _weights(classifier):
    return classifier._network.get_weights()


def test_a_round_does_not_depend_on_the_rounds_before(classifier, pool):
    """Weights, optimizer state and dropout all start anew, so a resumed run trains the same network."""
    first = classifier.fit(pool, Streams(0, 1, 3)), _weights(classifier)
    other = classifier.fit(pool, Streams(0, 1, 4)), _weights(classifier)
    again = classifier.fit(pool, Streams(0, 1, 3)), _weights(classifier)
    assert first[0] == again[0]
    assert all(np.array_equal(a, b) for a, b in zip(first[1], again[1], strict=True))
    assert not all(np.array_equal(a, b) for a, b in zip(first[1], other[1], strict=True))


def test_the_training_is_that_of_keras_by_hand(digits, small, change, pool):
    """One epoch in one batch: the loss before the step, and Adam's first step, from Keras alone."""
    prepare_tensorflow()
    recipe = change(small, n_batch=50, n_epoch=1, learning_rate=0.01)
    classifier = Classifier(BUILDERS["MLP"], Images(digits.x_train), 10, recipe)
    found = classifier.fit(pool, Streams(0, 1, 0))

    keras.utils.set_random_seed(Streams(0, 1, 0).integer("model"))
    network = BUILDERS["MLP"]((8, 8, 1), 10)
    model = keras.Model(network.input, network.output["logits"])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizer=keras.optimizers.Adam(0.01), loss=loss)
    expected = model.train_on_batch(digits.x_train[:50].astype(np.float32) / 255, digits.y_train[:50])
    assert math.isclose(found["train_loss"], float(np.ravel(expected)[0]), rel_tol=1e-4)
    for ours, theirs in zip(_weights(classifier), model.get_weights(), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=2e-3)


def test_reading_in_batches_equals_reading_one_by_one(classifier, pool, digits):
    classifier.fit(pool, Streams(0, 1, 0))
    images = digits.x_train[:9].astype(np.float32) / 255
    whole = classifier.read(images, ["features", "logits"])
    for i in range(9):
        single = classifier.read(images[i : i + 1], ["features", "logits"])
        for name in ("features", "logits"):
            np.testing.assert_allclose(whole[name][i], single[name][0], atol=1e-5)


# How MQ-Net trains, in small: everything that the recipe can ask for at once.
PUBLISHED = {
    "n_batch": 16,
    "n_epoch": 4,
    "n_step_epoch": 5,
    "optimizer": "sgd",
    "learning_rate": 0.1,
    "momentum": 0.9,
    "weight_decay": 5e-4,
    "schedule": "multistep",
    "augment": "flip_crop",
    "normalize": "channels",
}


@pytest.fixture
def published(digits, small, change):
    prepare_tensorflow()
    return Classifier(BUILDERS["SCNN"], Images(digits.x_train), 10, change(small, **PUBLISHED))


def _labeled(digits, n):
    pool = Pool.unlabeled_pool(len(digits.y_train))
    pool.label_samples(np.arange(n), digits.y_train[:n], 0)
    return pool


def test_steps_of_an_epoch(small, change):
    """The published counts: 100 steps or more in whole passes of 64 images."""
    at_least = change(small, n_batch=64, n_step_epoch=100, steps="at_least")
    counts = {200: 100, 400: 105, 500: 104, 1000: 112, 2000: 128, 3000: 141, 4000: 126, 5000: 158, 10000: 157}
    assert {n: epoch_steps(at_least, n) for n in counts} == counts
    assert {epoch_steps(change(at_least, steps="exactly"), n) for n in counts} == {100}
    assert epoch_steps(change(at_least, n_step_epoch=0), 200) == 4
    assert epoch_steps(at_least, 1) == 100


@pytest.mark.parametrize(("steps", "expected"), [("exactly", 15), ("at_least", 18)])
def test_all_steps_are_taken_in_whole_passes(digits, small, change, steps, expected):
    """20 samples in batches of 7: three steps a pass; three epochs of 5 steps, or of 6."""
    recipe = change(small, n_batch=7, n_epoch=3, n_step_epoch=5, steps=steps)
    classifier = Classifier(BUILDERS["MLP"], Images(digits.x_train), 20, recipe)
    pool = Pool.unlabeled_pool(len(digits.y_train))
    pool.label_samples(np.arange(20), np.arange(20), 0)
    epochs = []
    classifier.fit(pool, Streams(0, 1, 0), lambda *epoch: epochs.append(epoch))
    assert int(classifier._engine.model.optimizer.iterations.numpy()) == expected
    assert epochs == [("classifier", 1, 3), ("classifier", 2, 3), ("classifier", 3, 3)]
    batches = [labels.numpy() for _, labels in classifier._training(pool, expected // 3, seed=1)]
    assert [len(batch) for batch in batches] == ([7, 7, 6] * 6)[:expected]
    for first in range(0, expected - 2, 3):
        assert sorted(np.concatenate(batches[first : first + 3])) == list(range(20))


def test_the_schedule_sets_the_rate_of_each_epoch(digits, small, change):
    classifier = Classifier(BUILDERS["MLP"], Images(digits.x_train), 10, change(small, **PUBLISHED))
    rate, rates = classifier._engine.model.optimizer, []
    for _ in range(2):
        classifier.fit(
            _labeled(digits, 40), Streams(0, 1, 0), lambda *_: rates.append(float(rate.learning_rate.numpy()))
        )
    assert rates == pytest.approx([0.1, 0.1, 0.01, 0.001] * 2)


def test_the_published_recipe_repeats_itself_and_is_traced_once(published, digits, small, change):
    metrics, traced = published._engine.model.compute_metrics, []
    published._engine.model.compute_metrics = lambda *given, **named: (traced.append(1), metrics(*given, **named))[1]
    first = published.fit(_labeled(digits, 60), Streams(0, 1, 1)), _weights(published)
    before = len(traced)
    published.fit(_labeled(digits, 81), Streams(0, 1, 2))  # passes of 6 steps, the last of one image
    assert len(traced) == before > 0
    assert all(np.isfinite(weights).all() for weights in _weights(published))
    again = published.fit(_labeled(digits, 60), Streams(0, 1, 1)), _weights(published)
    fresh = Classifier(BUILDERS["SCNN"], Images(digits.x_train), 10, change(small, **PUBLISHED))
    anew = fresh.fit(_labeled(digits, 60), Streams(0, 1, 1)), _weights(fresh)
    for found, weights in (again, anew):
        assert found == first[0]
        assert all(np.array_equal(a, b) for a, b in zip(first[1], weights, strict=True))


def test_the_published_recipe_learns(digits, small, change):
    """Without the crop, whose 4 pixels are half of a digit."""
    recipe = change(small, **{**PUBLISHED, "augment": "none", "n_step_epoch": 20})
    classifier = Classifier(BUILDERS["MLP"], Images(digits.x_train), 10, recipe)
    assert classifier.fit(_labeled(digits, 150), Streams(0, 1, 0))["train_loss"] < 0.1
    logits = classifier.read(digits.x_test.astype(np.float32) / 255, ["logits"])["logits"].numpy()
    assert (logits.argmax(axis=1) == digits.y_test).mean() > 0.8


def test_images_are_normalised_wherever_the_network_sees_them(digits, small, change, pool):
    """Behind the augmentation: what the crop pads with is black, though no pixel of these images is."""
    grey = digits.x_train // 2 + 100
    published = Classifier(BUILDERS["MLP"], Images(grey), 10, change(small, **PUBLISHED))
    mean, std = published._images.channel_statistics()
    x = grey.astype(np.float32) / 255
    expected = (x - mean) / std
    whole = expected.mean(), expected.std()
    assert whole == (pytest.approx(0, abs=1e-4), pytest.approx(1, abs=1e-4))
    images, labels = next(iter(published._training(pool, 1, seed=0)))
    assert labels.dtype == pool.label.dtype
    assert expected.min() > -mean[0] / std[0] + 1
    np.testing.assert_allclose(images.numpy().min(), -mean[0] / std[0], rtol=1e-5)
    found = published.read(x[:3], ["logits"])["logits"]
    np.testing.assert_allclose(found, published._network(expected[:3], training=False)["logits"], atol=1e-5)
    logits = published._network(expected[60:100], training=False)["logits"].numpy()
    assert published.validation(pool)() == np.mean(logits.argmax(axis=1) == pool.label[60:100])


def test_where_validation_images_are_kept_changes_nothing(digits, small, change, pool):
    found = []
    for keep in ("on", "off"):
        classifier = Classifier(BUILDERS["MLP"], Images(digits.x_train), 10, change(small, keep_validation=keep))
        found.append((classifier.fit(pool, Streams(0, 1, 0)), _weights(classifier)))
    assert found[0][0] == found[1][0]
    assert all(np.array_equal(a, b) for a, b in zip(found[0][1], found[1][1], strict=True))


def test_a_last_batch_of_one_image_does_no_harm(digits, small, change):
    classifier = Classifier(BUILDERS["SCNN"], Images(digits.x_train), 10, change(small, n_batch=16, n_epoch=2))
    assert math.isfinite(classifier.fit(_labeled(digits, 33), Streams(0, 1, 0))["train_loss"])
    assert all(np.isfinite(weights).all() for weights in _weights(classifier))


def test_momentum_goes_with_sgd(digits, small, change):
    with pytest.raises(InputError, match="--momentum goes with --optimizer sgd"):
        Classifier(BUILDERS["MLP"], Images(digits.x_train), 10, change(small, momentum=0.9))


@pytest.mark.parametrize("learner", [Classifier, LossPredictor])
def test_passes_and_views_follow_from_the_round(digits, small, change, pool, learner):
    """Of a network trained anew from the same streams, whatever was read in between; and not from other images."""
    prepare_tensorflow()
    recipe = change(small, n_batch=16, n_epoch=2, n_pass=4, n_view=3, normalize="channels")
    made, names = learner(BUILDERS["SCNN"], Images(digits.x_train), 10, recipe), ["mc_logits", "view_logits", "logits"]
    batch = digits.x_test[:20].astype(np.float32) / 255
    made.check_outputs(names)
    made.fit(pool, Streams(0, 1, 0))
    first = {name: value.numpy() for name, value in made.read(batch, names).items()}
    assert {name: value.shape for name, value in first.items()} == {
        "mc_logits": (20, 4, 10),
        "view_logits": (20, 3, 10),
        "logits": (20, 10),
    }
    assert min(first[name].std(axis=1).max() for name in names[:2]) > 0.01
    for name in names:
        np.testing.assert_allclose(made.read(batch[5:7], [name])[name], first[name][5:7], atol=1e-5)
    made.fit(pool, Streams(0, 1, 1))
    assert not np.allclose(made.read(batch, ["mc_logits"])["mc_logits"], first["mc_logits"], atol=1e-3)
    made.fit(pool, Streams(0, 1, 0))
    for name, value in made.read(batch, names).items():
        np.testing.assert_array_equal(value, first[name])


@pytest.mark.parametrize("augment", ["none", "flip_crop"])
def test_views_are_shifts_and_mirrored_only_as_in_training(digits, small, change, augment):
    """Each view is one of the 81 shifts of the image padded with black, normalised behind the padding."""
    recipe = change(small, augment=augment, n_view=12, normalize="channels")
    classifier = Classifier(BUILDERS["MLP"], Images(digits.x_train), 10, recipe)
    image = digits.x_train[3].astype(np.float32) / 255
    found = classifier.read(image[None], ["view_logits"])["view_logits"].numpy()[0]
    shifts = []
    for picture in (image, image[:, ::-1]):
        padded = np.pad(picture, [(4, 4), (4, 4), (0, 0)])
        shifts += [padded[top : top + 8, left : left + 8] for top in range(9) for left in range(9)]
    possible = classifier.read(np.stack(shifts), ["logits"])["logits"].numpy()
    distances = np.abs(found[:, None] - possible).max(axis=2)
    assert distances.min(axis=1).max() < 1e-5
    mirrored = (distances[:, :81].min(axis=1) > 1e-5).sum()
    assert (mirrored > 0) == (augment == "flip_crop")
    assert len(np.unique(distances.argmin(axis=1))) > 6


def test_a_network_without_dropout_is_named(digits, small):
    classifier = Classifier(_flat, Images(digits.x_train), 10, small)
    with pytest.raises(InputError, match="model 'MLP' has no Dropout layer"):
        classifier.check_outputs(["mc_logits"])
    with pytest.raises(InputError, match="model 'MLP' has no Dropout layer"):
        classifier.read(np.zeros((1, 8, 8, 1), np.float32), ["mc_logits"])
    classifier.check_outputs(["view_logits", "logits"])


def _flat(shape, n_classes):
    return keras.Sequential([keras.Input(shape), keras.layers.Flatten(), keras.layers.Dense(n_classes)])


def test_a_warm_start_begins_with_given_weights_and_a_fresh_optimizer(classifier, pool):
    """As if the fresh network had been built with them; the fit after it starts from fresh weights again."""
    classifier.fit(pool, Streams(0, 1, 0))
    weights = classifier.weights()
    cold = classifier.fit(pool, Streams(0, 1, 1)), classifier.weights()
    results = []
    for _ in range(2):
        classifier.start_from(weights)
        results.append((classifier.fit(pool, Streams(0, 1, 1)), classifier.weights()))
    again = classifier.fit(pool, Streams(0, 1, 1)), classifier.weights()
    for one, other in ((results[0], results[1]), (cold, again)):
        assert one[0] == other[0]
        assert all(np.array_equal(a, b) for a, b in zip(one[1], other[1], strict=True))
    assert results[0][0]["train_loss"] < cold[0]["train_loss"]


def test_weights_are_copies_that_can_be_loaded(classifier, pool, digits):
    classifier.fit(pool, Streams(0, 1, 0))
    batch, weights = digits.x_test[:4].astype(np.float32) / 255, classifier.weights()
    kept, before = [values.copy() for values in weights], classifier.read(batch, ["logits"])["logits"].numpy()
    classifier.fit(pool, Streams(0, 1, 1))
    assert all(np.array_equal(a, b) for a, b in zip(kept, weights, strict=True))
    classifier.load(weights)
    np.testing.assert_array_equal(classifier.read(batch, ["logits"])["logits"], before)
    for wrong in (weights[:-1], [*weights[:-1], weights[-1][:5]]):
        with pytest.raises(InputError, match=rf"the {len(weights)} arrays of network"):
            classifier.start_from(wrong)
