"""Clusters without labels: the losses by hand, and digits that fall into their classes."""

import dataclasses
import math
import shutil
from functools import partial
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from sklearn.metrics import normalized_mutual_info_score

from models import BUILDERS
from tfal.data.images import Images
from tfal.errors import InputError
from tfal.learners import LEARNERS
from tfal.learners.contrastive_encoders import SimCLR
from tfal.learners.scan import Scan, SelfLabel, scan_loss, self_label_loss, strong_views
from tfal.pool import Pool
from tfal.streams import Streams
from tfal.training.runtime import prepare_tensorflow

N = 50


@pytest.fixture(autouse=True)
def _prepare():
    prepare_tensorflow()


def begun(recipe, images, folder, learner):
    """The recipe, with the encoders of this learner in its results; they are trained by the first test that asks."""
    if not folder.exists():
        trained(images, dataclasses.replace(recipe, results_dir=str(folder)), learner)
    shutil.copytree(folder, recipe.results_dir, dirs_exist_ok=True)
    return recipe


@pytest.fixture
def recipe(small, change, images, tmp_path_factory):
    """With a simclr that is trained."""
    options = {"n_epoch_simclr": 1, "n_warmup": 0, "n_batch_encoder": 20, "lr_encoder": 0.02, "n_neighbor_scan": 4}
    options |= {"n_epoch_scan": 3, "n_epoch_self_label": 3, "n_batch_scan": 20, "lr_scan": 1e-3}
    return begun(change(small, **options), images, tmp_path_factory.getbasetemp() / "simclr of scan", SimCLR)


@pytest.fixture
def scanned(recipe, images, tmp_path_factory):
    """With a scan that is trained, too."""
    return begun(recipe, images, tmp_path_factory.getbasetemp() / "scan", Scan)


@pytest.fixture
def images(digits):
    return Images(digits.x_train[:N])


@pytest.fixture
def batch(digits):
    return digits.x_train[:N].astype(np.float32) / 255


def make(images, recipe, learner=Scan):
    return learner(BUILDERS[recipe.network], images, 10, recipe)


def trained(images, recipe, learner=Scan, **options):
    made = make(images, recipe, learner)
    return made, made.fit(Pool.unlabeled_pool(len(images)), Streams(0, 1, 0), **options)


def logits(learner, batch):
    return learner.read(batch, ["logits"])["logits"].numpy()


def file(recipe, name):
    (path,) = Path(recipe.results_dir, "encoders").glob(f"{name}-*.npz")
    return path


def test_scan_loss_by_hand():
    anchors, neighbors = tf.constant([[2.0, 0, 0], [0, 1, 0]]), tf.constant([[1.0, 0, 0], [0, 2, 0]])
    assert float(scan_loss(anchors, neighbors)) == pytest.approx(-4.334930, abs=1e-5)
    assert float(scan_loss(anchors, neighbors, 0.0)) == pytest.approx(0.696067, abs=1e-6)
    entropy = scan_loss(anchors, neighbors, 0.0) - scan_loss(anchors, neighbors, 1.0)
    assert float(entropy) == pytest.approx(1.006199, abs=1e-5)


def test_scan_loss_of_certain_answers():
    """Even and consistent: -5 ln 2. One cluster for all: 0. Opposite answers: large, not infinite."""
    certain = 200 * tf.eye(2)
    assert float(scan_loss(certain, certain)) == pytest.approx(-5 * math.log(2), abs=1e-5)
    assert float(scan_loss(certain[:1], certain[:1])) == pytest.approx(0, abs=1e-5)
    assert float(scan_loss(certain, certain[::-1], 0.0)) == pytest.approx(200 - math.log(2), abs=1e-3)


def test_self_label_loss_by_hand():
    """Three labels 0 and one label 1 are certain: their means count the same. The last row is not certain."""
    weak = tf.constant([[9.0, 0], [9, 0], [9, 0], [0, 9], [0, 1]])
    strong = tf.Variable([[0.0, 0], [1, 0], [2, 0], [3, 0], [50, 0]])

    def loss_of(*gaps):
        return np.mean([math.log1p(math.exp(-gap)) for gap in gaps])

    with tf.GradientTape() as tape:
        loss = self_label_loss(weak, strong)
    assert float(loss) == pytest.approx((loss_of(0, 1, 2) + loss_of(-3)) / 2, rel=1e-5)
    gradient = tape.gradient(loss, strong).numpy()
    assert np.all(gradient[4] == 0)
    assert np.all(gradient[:4].any(axis=1))


def test_without_a_confident_sample_nothing_is_learned():
    weak, strong = tf.Variable([[1.0, 0], [0, 4.5]]), tf.Variable([[1.0, 0], [0, 1]])
    with tf.GradientTape() as tape:
        loss = self_label_loss(weak, strong)  # sigmoid(4.5) is 0.98901
    assert float(loss) == 0
    assert not tape.gradient(loss, strong).numpy().any()
    with tf.GradientTape() as tape:
        loss = self_label_loss(weak, strong, threshold=0.98)
    assert float(loss) > 0
    assert tape.gradient(loss, weak) is None


def test_digits_fall_into_their_classes(digits, recipe, change):
    """Normalised mutual information: 0.56 was measured; clusters at random stay below 0.1."""
    n, options = 300, {"n_epoch_simclr": 12, "n_warmup": 2, "n_batch_encoder": 64, "lr_encoder": 0.3}
    recipe = change(recipe, network="SCNN", **options, n_epoch_scan=15, n_batch_scan=60, n_neighbor_scan=8)
    array, labels, seen, losses = digits.x_train[:n], digits.y_train[:n], [], []

    def note(name, epoch, epochs):
        seen.append((name, epoch, epochs))
        if (name, epoch) == ("scan", 1):
            with np.load(file(recipe, "scan")) as arrays:
                losses.append(arrays["loss"])

    made, found = trained(Images(array), recipe, on_epoch=note)
    assert seen[:13] == [("simclr", epoch, 12) for epoch in range(13)]
    assert seen[13:] == [("scan", epoch, 15) for epoch in range(16)]
    assert found["scan_loss"] < losses[0] - 0.2
    clusters = logits(made, array.astype(np.float32) / 255).argmax(axis=1)
    assert len(set(clusters)) >= 7
    assert normalized_mutual_info_score(labels, clusters) > 0.4


def test_starts_from_simclr_and_from_scan(images, recipe, change, batch):
    """With a rate of almost nothing, the features stay those of simclr, and the logits those of scan."""
    recipe = change(recipe, lr_scan=1e-12)
    scan, _ = trained(images, recipe)
    simclr, _ = trained(images, recipe, SimCLR)
    found, expected = (each.read(batch, ["features"])["features"] for each in (scan, simclr))
    np.testing.assert_allclose(found, expected, atol=1e-5)
    after, _ = trained(images, recipe, SelfLabel)
    np.testing.assert_allclose(logits(after, batch), logits(scan, batch), atol=1e-5)
    assert len(list(Path(recipe.results_dir, "encoders").glob("*.npz"))) == 3


def test_self_label_learns_from_what_scan_is_sure_of(images, scanned, batch, monkeypatch):
    monkeypatch.setattr("tfal.learners.scan.self_label_loss", partial(self_label_loss, threshold=0.0))
    scan, _ = trained(images, scanned)
    made, found = trained(images, scanned, SelfLabel)
    assert found["self_label_loss"] > 0
    sure = [tf.nn.softmax(logits(each, batch)).numpy().max(axis=1).mean() for each in (scan, made)]
    assert sure[1] > sure[0]


def test_self_label_without_certain_answers_stays_at_scan(images, recipe, change, batch):
    """Neither the loss nor a weight decay moves the weights."""
    recipe = change(recipe, n_epoch_scan=1, lr_scan=1e-5)
    scan, _ = trained(images, recipe)
    made, found = trained(images, recipe, SelfLabel)
    assert found["self_label_loss"] == 0
    np.testing.assert_array_equal(logits(made, batch), logits(scan, batch))


@pytest.mark.parametrize("learner", [Scan, SelfLabel])
def test_stopped_and_continued_ends_as_one_that_was_not(learner, images, recipe, change, tmp_path_factory):
    """S-CNN has dropout, so its random state is part of what is kept."""
    whole = change(recipe, network="SCNN", results_dir=str(tmp_path_factory.getbasetemp() / "scan of S-CNN"))
    _, expected = trained(images, whole, learner)
    stopped = change(recipe, network="SCNN")
    shutil.rmtree(stopped.results_dir)
    shutil.copytree(whole.results_dir, stopped.results_dir)  # what it begins with is there already
    file(stopped, learner.name).unlink()

    def stop(name, epoch, epochs):
        if (name, epoch) == (learner.name, 2):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        trained(images, stopped, learner, on_epoch=stop)
    seen = []
    _, continued = trained(images, stopped, learner, on_epoch=lambda *epoch: seen.append(epoch))
    assert seen[-2:] == [(learner.name, 2, 3), (learner.name, 3, 3)]
    assert continued == expected
    assert file(stopped, learner.name).read_bytes() == file(whole, learner.name).read_bytes()


def test_trained_once_and_kept(images, scanned, change, batch, monkeypatch):
    made, found = trained(images, scanned, SelfLabel)
    file(scanned, "simclr").unlink()  # what is finished needs nothing that it came from
    file(scanned, "scan").unlink()
    monkeypatch.setattr(keras.Model, "fit", lambda *args, **options: pytest.fail("trained again"))
    again, same = trained(images, change(scanned, n_query=3, n_epoch_vae=7), SelfLabel)
    assert same == found
    np.testing.assert_array_equal(logits(again, batch), logits(made, batch))
    np.testing.assert_array_equal(again.frozen_for, np.arange(N))


@pytest.mark.parametrize(
    "option",
    [
        {"n_epoch_scan": 4},
        {"n_batch_scan": 10},
        {"lr_scan": 0.01},
        {"n_neighbor_scan": 3},
        {"n_cluster": 5},
        {"network": "SCNN"},
        {"n_epoch_simclr": 2},
    ],
)
def test_every_option_of_the_training_counts(option, images, recipe, change):
    for learner in (Scan, SelfLabel):
        one, other = (make(images, r, learner)._identity(np.arange(N), 0) for r in (recipe, change(recipe, **option)))
        assert one != other


def test_number_of_clusters(images, recipe, change, batch):
    made, _ = trained(images, change(recipe, n_cluster=4, n_epoch_scan=1))
    assert logits(made, batch).shape == (N, 4)


def test_batches_are_full_pairs_in_a_new_order(images, recipe):
    """20 of 50 images a batch, so two batches an epoch; partners are nearest neighbors, and none is its own."""
    made, ids = make(images, recipe), np.arange(N)
    made._start.fit(Pool.unlabeled_pool(N), Streams(0))
    made._neighbors = made._nearest(ids)
    features = made._start.read(next(iter(images.batches(ids, N))), ["features"])["features"].numpy()
    features /= np.linalg.norm(features, axis=1, keepdims=True)
    similar = features @ features.T
    np.fill_diagonal(similar, -2)
    expected = np.argsort(-similar, axis=1)[:, :4]
    assert np.mean(np.sort(expected) == np.sort(made._neighbors)) > 0.98  # the rest: rounding
    epochs = [made._pairs(ids, np.random.default_rng([3, epoch])).reshape(2, 2, 20) for epoch in range(2)]
    for pairs in epochs:
        anchors, partners = pairs[:, 0].ravel(), pairs[:, 1].ravel()
        assert len(set(anchors)) == 40
        assert all(partner in made._neighbors[anchor] for anchor, partner in zip(anchors, partners, strict=True))
        assert np.all(anchors != partners)
    assert not np.array_equal(*epochs)
    whole, rest = list(made._batches(ids, (1, 2), 0)), list(made._batches(ids, (1, 2), 1))
    assert [len(views) for views in whole] == [40] * 6
    assert all(np.array_equal(one, other) for one, other in zip(whole[2:], rest, strict=True))


def test_strong_views_follow_from_seed_and_step():
    image = np.random.default_rng(0).random((1, 8, 8, 3), np.float32).repeat(6, axis=0)
    one, same, other = (strong_views(tf.constant(image), 1, tf.constant(s, tf.int64)).numpy() for s in (0, 0, 1))
    np.testing.assert_array_equal(one, same)
    assert not np.array_equal(one, other)
    assert len({view.tobytes() for view in one}) == 6
    assert one.min() >= 0
    assert one.max() <= 1 + 1e-6


def test_digits_are_not_mirrored():
    ramp = np.linspace(0, 1, 16, dtype=np.float32)[None, None, :, None] * np.ones((40, 16, 1, 1), np.float32)
    rising = [
        (np.diff(strong_views(tf.constant(x), 1, tf.constant(0, tf.int64)).numpy().mean(axis=(1, 3))) >= -1e-6).all(1)
        for x in (ramp, ramp.repeat(3, axis=3))
    ]
    assert rising[0].all()
    assert 0.2 < rising[1].mean() < 0.8


def test_what_cannot_be_used(digits, images, recipe, scanned, batch):
    with pytest.raises(InputError, match=r"uint8 images .* Received: float"):
        make(Images(np.zeros((4, 8, 8, 1), np.float32)), recipe)
    for learner in (Scan, SelfLabel):
        with pytest.raises(InputError, match=f"'{learner.name}' is not trained yet"):
            logits(make(images, recipe, learner), batch)
    with pytest.raises(InputError, match="a pool of at least 2 images"):
        trained(Images(digits.x_train[:1]), recipe)
    made, _ = trained(images, scanned)
    with pytest.raises(InputError, match=r"no output 'projection'\. It has: logits, features"):
        made.read(batch, ["projection"])


def test_the_learners_have_names():
    assert (LEARNERS["scan"].load(), LEARNERS["self_label"].load()) == (Scan, SelfLabel)
