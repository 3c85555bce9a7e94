"""The detector: one output more, trained on labeled and rejected samples, at a rate and temperature of its own."""

import keras
import numpy as np
import pytest

from models import BUILDERS
from tfal.data.images import Images
from tfal.learners.detector import DECAY, MOMENTUM, Detector, EnergyDetector, energy_loss
from tfal.pool import Pool
from tfal.streams import Streams
from tfal.training.runtime import prepare_tensorflow


@pytest.fixture
def make(digits, small, change):
    def make(kind=Detector, **changes):
        prepare_tensorflow()
        given = {"n_batch": 16, "n_epoch_detector": 8, "n_step_epoch": 3, "optimizer": "adam", **changes}
        return kind(BUILDERS["MLP"], Images(digits.x_train), 4, change(small, **given))

    return make


@pytest.fixture
def pool(digits):
    """Digits 0 to 3 are known; 150 bought labels, and validation that nothing looks at."""
    pool = Pool.unlabeled_pool(len(digits.y_train))
    pool.label_samples(np.arange(150), np.minimum(digits.y_train[:150], 4), 0, 4)
    known = 200 + np.flatnonzero(digits.y_train[200:260] < 4)
    pool.set_validation(known, digits.y_train[known])
    return pool


def test_it_tells_unknown_classes_from_known_ones(make, pool, digits):
    learner, epochs = make(n_epoch_detector=15), []
    found = learner.fit(pool, Streams(0, 1, 0), lambda *epoch: epochs.append(epoch))
    assert (epochs[0], len(epochs)) == (("detector", 1, 15), 15)
    assert found.keys() == {"best_epoch", "train_loss"}
    assert found["best_epoch"] == 15
    logits = learner.read(digits.x_test.astype(np.float32) / 255, ["logits"])["logits"].numpy()
    assert logits.shape == (len(digits.x_test), 5)
    assert np.mean(logits.argmax(axis=1) == np.minimum(digits.y_test, 4)) > 0.7
    assert np.mean((logits.argmax(axis=1) == 4) == (digits.y_test >= 4)) > 0.75


def test_its_loss_is_that_of_scaled_logits(make, digits):
    learner = make(detector_temperature=0.25)
    images, labels = digits.x_train[:20].astype(np.float32) / 255, np.arange(20) % 5
    logits = learner.read(images, ["logits"])["logits"].numpy()
    scaled = learner._engine.model([images]).numpy()
    np.testing.assert_allclose(scaled, 4 * logits, rtol=1e-5)
    expected = keras.losses.sparse_categorical_crossentropy(labels, 4 * logits, from_logits=True)
    assert learner._engine.model.evaluate(images, labels, verbose=0) == pytest.approx(np.mean(expected), rel=1e-5)


def test_rate_decay_and_passes_are_its_own(make, pool):
    learner = make(lr_detector=0.08, halve_detector=3)
    assert [learner._rate(epoch) for epoch in (0, 2, 3, 8, 9)] == [0.08, 0.08, 0.04, 0.02, 0.01]
    optimizer = learner._engine.model.optimizer
    assert (optimizer.name, optimizer.momentum, optimizer.decay) == ("SGD", MOMENTUM, DECAY)
    learner.fit(pool, Streams(0, 1, 0))
    assert int(optimizer.iterations) == 8 * 10  # 150 samples in batches of 16, whatever n_step_epoch is
    first = learner.weights()
    learner.fit(pool, Streams(0, 1, 0))
    assert all(map(np.array_equal, first, learner.weights()))


def test_energies_by_hand():
    """Energies of the known classes: -log(e^1 + e^1), -log(e^3 + e^0), -log(e^2 + e^2)."""
    logits, labels = np.array([[1.0, 1, 9], [3, 0, 0], [2, 2, 1]]), np.array([0, 2, 1])
    energy = -np.log(np.exp(logits[:, :2]).sum(axis=1))
    known = np.mean([max(0, energy[0] + 2) ** 2, max(0, energy[2] + 2) ** 2])
    unknown = max(0, -1 - energy[1]) ** 2
    assert float(energy_loss(labels, logits, -2.0, -1.0)) == pytest.approx(known + unknown, rel=1e-5)
    assert float(energy_loss(labels[:1], logits[:1], -2.0, -1.0)) == pytest.approx(max(0, energy[0] + 2) ** 2, rel=1e-5)
    assert float(energy_loss(labels[1:2], logits[1:2], -2.0, -1.0)) == pytest.approx(unknown, rel=1e-5)


def test_energies_of_known_samples_fall(make, pool, digits):
    found = {}
    for weight in (0.0, 0.05):
        learner = make(EnergyDetector, n_epoch_energy=15, energy_weight=weight, energy_known=-9.0, energy_unknown=-2.0)
        learner.fit(pool, Streams(0, 1, 0))
        logits = learner.read(digits.x_test.astype(np.float32) / 255, ["logits", "features"])["logits"].numpy()
        energy = -np.log(np.exp(logits[:, :-1]).sum(axis=1))
        found[weight] = energy[digits.y_test < 4].mean(), energy[digits.y_test >= 4].mean()
    assert found[0.05][0] < found[0.0][0]
    assert found[0.05][1] - found[0.05][0] > found[0.0][1] - found[0.0][0]
