"""Encoders on digits: they learn, they are trained once, and a stop at any moment changes nothing."""

import dataclasses
import json
import signal
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from filelock import FileLock, Timeout

from models import BUILDERS
from tfal.data.contrastive_views import MILD_CROP, SIMCLR, fixed_draws
from tfal.data.images import Images
from tfal.errors import InputError, TrainingError
from tfal.learners.contrastive import Contrastive
from tfal.learners.contrastive_encoders import CSI, CCALDistinctive, CCALSemantic
from tfal.pool import Pool
from tfal.storage.checkpoint import EncoderFile
from tfal.streams import Streams
from tfal.training.runtime import prepare_tensorflow

N = 45
LEARNERS = [CSI, CCALSemantic, CCALDistinctive]


@pytest.fixture(autouse=True)
def _prepare():
    prepare_tensorflow()


@pytest.fixture
def recipe(small, change):
    options = {"n_epoch_csi": 3, "n_epoch_ccal": 3, "n_batch_encoder": 20, "n_warmup": 1, "lr_encoder": 0.02}
    return change(small, **options)


@pytest.fixture
def kept(recipe, change, tmp_path_factory):
    """The recipe with a folder of all tests: what another one has trained is read from there."""
    return change(recipe, results_dir=str(tmp_path_factory.getbasetemp() / "contrastive encoders"))


@pytest.fixture
def images(digits):
    return Images(digits.x_train[:N])


def make(images, recipe, learner=CSI):
    return learner(BUILDERS[recipe.network], images, 10, recipe)


def trained(images, recipe, learner=CSI, **options):
    made = make(images, recipe, learner)
    found = made.fit(Pool.unlabeled_pool(len(images)), Streams(0, 1, 0), **options)
    return made, found


def files(recipe):
    return sorted(Path(recipe.results_dir, "encoders").glob("*.npz"))


def arrays(path):
    with np.load(path, allow_pickle=False) as stored:
        return dict(stored)


def same(one, other):
    one, other = arrays(one), arrays(other)
    return one.keys() == other.keys() and all(np.array_equal(one[name], other[name]) for name in one)


def neighbors_of_the_same_class(encoder, images, labels, k=5):
    """Of mirrored images among the others; unmirrored ones of digits are told apart by their pixels already."""
    plain, mirrored = (encoder(x, training=False)["projection"].numpy() for x in (images, images[:, :, ::-1]))
    plain /= np.linalg.norm(plain, axis=1, keepdims=True)
    similar = mirrored @ plain.T
    np.fill_diagonal(similar, -np.inf)
    return np.mean(labels[np.argsort(-similar, axis=1)[:, :k]] == labels[:, None])


@pytest.mark.parametrize(("learner", "epochs", "rate"), [(CSI, 10, 0.3), (CCALSemantic, 12, 0.03)])
def test_training_lowers_the_loss_and_sorts_the_neighbors(learner, epochs, rate, digits, recipe, change):
    n = 500
    recipe = change(
        recipe, network="SCNN", n_epoch_csi=epochs, n_epoch_ccal=epochs, n_warmup=3, lr_encoder=rate, n_batch_encoder=32
    )
    x, labels, losses = digits.x_train[:n].astype(np.float32) / 255, digits.y_train[:n], []

    def note(name, epoch, epochs):
        losses.extend(arrays(path)["loss"] for path in files(recipe))

    end, last = trained(Images(digits.x_train[:n]), recipe, learner, on_epoch=note)
    assert last[f"{learner.name}_loss"] == losses[-1] < losses[0] - 0.1
    before, after = (neighbors_of_the_same_class(each, x, labels) for each in (end._new_network(), end.network))
    assert after > before + 0.1


def not_stopped(images, kept, learner):
    """The file of an encoder that was trained at once, and the loss; SCNN has dropout."""
    recipe = dataclasses.replace(kept, network="SCNN", results_dir=f"{kept.results_dir}/not stopped")
    _, found = trained(images, recipe, learner)
    (path,) = (path for path in files(recipe) if path.name.startswith(f"{learner.name}-"))
    return path, found


@pytest.mark.parametrize("learner", LEARNERS)
def test_stopped_and_continued_ends_as_one_that_was_not(learner, images, recipe, kept, change):
    """SCNN has dropout, so its random state is part of what is kept."""
    whole, found = not_stopped(images, kept, learner)
    stopped = change(recipe, network="SCNN")

    def stop(name, epoch, epochs):
        if epoch == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        trained(images, stopped, learner, on_epoch=stop)
    assert arrays(files(stopped)[0])["epoch"] == 2
    seen = []
    _, continued = trained(images, stopped, learner, on_epoch=lambda *epoch: seen.append(epoch))
    assert seen == [(learner.name, 2, 3), (learner.name, 3, 3)]
    assert continued == found
    assert same(files(stopped)[0], whole)


CHILD = """
import json, os, signal, sys
from models import BUILDERS
from tfal.data import load
from tfal.data.images import Images
from tfal.learners import contrastive_encoders
from tfal.pool import Pool
from tfal.recipe import Recipe
from tfal.streams import Streams
from tfal.training.runtime import prepare_tensorflow
prepare_tensorflow()
options, n = json.loads(sys.argv[1]), int(sys.argv[2])
replace = os.replace

def die_at_the_second(source, target):
    if os.path.exists(target):
        os.kill(os.getpid(), signal.SIGKILL)
    replace(source, target)

os.replace = die_at_the_second
recipe = Recipe(**options)
learner = contrastive_encoders.CSI(BUILDERS[recipe.network], Images(load("digits").x_train[:n]), 10, recipe)
learner.fit(Pool.unlabeled_pool(n), Streams(0, 1, 0))
"""


def test_killed_while_writing_and_continued_ends_as_one_that_was_not(images, recipe, kept, change, tmp_path, nursery):
    whole, _ = not_stopped(images, kept, CSI)
    killed = change(recipe, network="SCNN")
    options = {name: getattr(killed, name) for name in ("n_epoch_csi", "n_batch_encoder", "n_warmup", "lr_encoder")}
    options |= {"network": "SCNN", "dataset": "digits", "results_dir": killed.results_dir}
    done = nursery.run(tmp_path / "output", "-c", CHILD, json.dumps(options), str(N))
    assert done.code == -signal.SIGKILL, done.err
    folder = files(killed)[0].parent
    assert arrays(files(killed)[0])["epoch"] == 1
    assert len(list(folder.glob(".csi-*.npz.*"))) == 1  # what was being written
    trained(images, killed)
    assert same(files(killed)[0], whole)
    assert not list(folder.glob(".csi-*.npz.*"))


def test_trained_once_in_memory_and_once_in_files(images, recipe, monkeypatch):
    first, found = trained(images, recipe)
    assert "optimizer_0000" not in arrays(files(recipe)[0])
    monkeypatch.setattr(Contrastive, "fit", lambda *args, **options: pytest.fail("trained again"))
    pool, seen = Pool.unlabeled_pool(N), []
    pool.label_samples(np.arange(10), np.zeros(10, np.int32), 0, n_known=1)
    assert first.fit(pool, Streams(0, 2, 5), lambda *epoch: seen.append(epoch)) == found
    assert seen == []
    second = make(images, recipe)
    assert second.fit(pool, Streams(0, 3, 1), lambda *epoch: seen.append(epoch)) == found
    assert seen == [("csi", 3, 3)]
    batch = np.random.default_rng(0).random((4, 8, 8, 1), np.float32)
    one, two = (each.read(batch, ["features", "projection"]) for each in (first, second))
    assert all(np.array_equal(one[name], two[name]) for name in one)


def test_another_pool_or_seed_is_another_encoder(images, recipe, change):
    recipe = change(recipe, n_epoch_csi=1, n_warmup=0)
    made, first = trained(images, recipe)
    pool = Pool.unlabeled_pool(N)
    pool.exclude(np.arange(24))  # 21 are left: the second batch holds one image
    second, third = made.fit(pool, Streams(0, 1, 0)), made.fit(pool, Streams(1, 1, 0))
    assert len({loss["csi_loss"] for loss in (first, second, third)}) == 3
    assert len(files(recipe)) == 3
    assert made.fit(Pool.unlabeled_pool(N), Streams(0, 1, 0)) == first
    assert len(files(recipe)) == 3


def test_excluded_images_do_not_count(digits, recipe, change):
    recipe = change(recipe, n_epoch_csi=1)
    changed = digits.x_train[:N].copy()
    changed[:5] = 0
    pool = Pool.unlabeled_pool(N)
    pool.exclude(np.arange(5))
    found = [make(Images(x), recipe).fit(pool, Streams(0)) for x in (digits.x_train[:N], changed)]
    assert found[0] == found[1]
    assert len(files(recipe)) == 1


@pytest.mark.parametrize(
    "option",
    [
        {"network": "KCNN"},
        {"n_epoch_csi": 2},
        {"n_batch_encoder": 15},
        {"n_warmup": 2},
        {"lr_encoder": 0.01},
        {"coder_input": "code"},
        {"augment": "flip_crop"},
    ],
)
def test_every_option_of_the_training_names_another_file(option, images, recipe, change):
    ids = np.arange(N)
    plain, changed = (make(images, each)._identity(ids, 0) for each in (recipe, change(recipe, **option)))
    assert plain != changed
    assert EncoderFile(Path("x"), "csi", plain).path != EncoderFile(Path("x"), "csi", changed).path


@pytest.mark.parametrize("option", [{"n_query": 5}, {"strategy": "random"}, {"n_epoch": 7}, {"ccal_views": "heavy"}])
def test_other_options_share_the_file(option, images, recipe, change):
    ids = np.arange(N)
    assert make(images, recipe)._identity(ids, 0) == make(images, change(recipe, **option))._identity(ids, 0)


def test_learners_have_files_of_their_own(images, kept):
    paths = [not_stopped(images, kept, learner)[0] for learner in LEARNERS]
    assert [path.name.rpartition("-")[0] for path in paths] == ["csi", "ccal_semantic", "ccal_distinctive"]
    assert sorted(paths[0].parent.glob("*.npz")) == sorted(paths)


def test_a_second_process_waits_while_one_trains(images, recipe):
    tried = []

    def other(name, epoch, epochs):
        if not epoch:
            return
        path = files(recipe)[0]
        with pytest.raises(Timeout):
            FileLock(path.with_name(f".{path.stem}.lock"), timeout=0).acquire()
        tried.append(epoch)

    trained(images, recipe, on_epoch=other)
    assert tried == [1, 2, 3]
    path = files(recipe)[0]
    FileLock(path.with_name(f".{path.stem}.lock"), timeout=0).acquire().lock.release()


def test_files_that_cannot_be_used(images, recipe, change):
    recipe = change(recipe, n_epoch_csi=1)
    trained(images, recipe)
    path = files(recipe)[0]
    content = path.read_bytes()

    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(InputError, match=rf"{path.name} is damaged .* Remove it to train this encoder anew"):
        trained(images, recipe)

    other = make(images, recipe)._identity(np.arange(N), 99)
    EncoderFile(path.parent, "csi", other).path.write_bytes(content)
    with pytest.raises(InputError, match="it holds another encoder"):
        EncoderFile(path.parent, "csi", other).load()

    path.write_bytes(content)
    wider = CSI(lambda shape, n: BUILDERS["SCNN"](shape, n), images, 10, recipe)
    with pytest.raises(InputError, match="another network"):
        wider.fit(Pool.unlabeled_pool(N), Streams(0))


def test_a_network_of_the_same_shapes_under_the_same_name_is_another_encoder(images, recipe):
    def with_activation(name):
        def build(shape, n_classes):
            pixels = keras.Input(shape)
            features = keras.layers.Dense(8, name, name="features")(keras.layers.Flatten()(pixels))
            logits = keras.layers.Dense(n_classes, name="logits")(features)
            return keras.Model(pixels, {"features": features, "logits": logits})

        return CSI(build, images, 10, recipe)

    pool, streams = Pool.unlabeled_pool(len(images)), Streams(0, 1, 0)
    for _ in range(2):  # the second one takes the first one's file
        with_activation("relu").fit(pool, streams)
    with pytest.raises(InputError, match=r"holds another network: layer \d+ of the network: Dense .* there, Dense"):
        with_activation("tanh").fit(pool, streams)
    (path,) = files(recipe)
    with np.load(path) as arrays:
        older = {name: values for name, values in arrays.items() if name != "network"}
    np.savez(path, **older)  # of a version that did not note it
    with_activation("relu").fit(pool, streams)


def test_a_loss_that_is_no_number(images, recipe, change):
    with pytest.raises(TrainingError, match=r"the loss of the encoder ccal_semantic became (nan|inf) in epoch \d"):
        trained(images, change(recipe, lr_encoder=1e30), CCALSemantic)
    assert all(np.isfinite(arrays(path)["loss"]) for path in files(recipe))


@pytest.mark.parametrize(
    ("array", "learner", "message"),
    [
        (np.zeros((4, 8, 8, 1), np.float32), CSI, r"need uint8 images .* Received: float of \(8, 8, 1\)"),
        (np.zeros((4, 8, 8, 2), np.uint8), CCALSemantic, r"Received: uint8 of \(8, 8, 2\)"),
        (np.zeros((4, 8, 9, 1), np.uint8), CCALDistinctive, r"need square images\. Received: \(8, 9, 1\)"),
    ],
)
def test_images_that_encoders_cannot_take(array, learner, message, recipe):
    with pytest.raises(InputError, match=message):
        make(Images(array), recipe, learner)


def test_simclr_takes_images_that_are_not_square(recipe, change):
    array = np.random.default_rng(0).integers(0, 256, (21, 8, 10, 3), np.uint8)
    made, found = trained(Images(array), change(recipe, n_epoch_ccal=1), CCALSemantic)
    assert np.isfinite(found["ccal_semantic_loss"])
    batch = array[:2].astype(np.float32) / 255
    assert made.read(batch, ["projection_views"])["projection_views"].shape == (2, 128)
    with pytest.raises(InputError, match="need square images"):
        made.read(batch, ["projection_rotations"])


def test_a_network_without_named_outputs(images, recipe, change):
    made = CSI(_pixels, images, 10, change(recipe, n_epoch_csi=1))
    made.fit(Pool.unlabeled_pool(N), Streams(0))
    assert made.read(np.zeros((2, 8, 8, 1), np.float32), ["features"])["features"].shape == (2, 64)


@pytest.mark.parametrize("views", ["mild", "heavy"])
def test_projections_of_rotations_by_hand(views, images, digits, kept, change):
    """Unit projections of each turned image in each view, and their mean; one image at a time gives the same."""
    made, _ = trained(images, change(kept, n_epoch_csi=1, ccal_views=views))
    batch = digits.x_train[:6].astype(np.float32) / 255
    names = ["projection_rotations", "projection_views"]
    found = made.read(batch, names)
    augmentation, n_views = {"mild": (MILD_CROP, 10), "heavy": (SIMCLR, 1)}[views]
    expected = np.zeros((6, 4, 128))
    for turns in range(4):
        turned = tf.constant(np.rot90(batch, turns, axes=(1, 2)).copy())
        for view in range(n_views):
            draws = fixed_draws(6, augmentation, tf.constant(view))
            projection = made.read(augmentation.apply(turned, draws), ["projection"])["projection"].numpy()
            expected[:, turns] += projection / np.linalg.norm(projection, axis=1, keepdims=True) / n_views
    np.testing.assert_allclose(found["projection_rotations"], expected, atol=1e-5)
    np.testing.assert_allclose(found["projection_views"], expected[:, 0], atol=1e-5)
    for i in range(6):
        single = made.read(batch[i : i + 1], names)
        np.testing.assert_allclose(single["projection_rotations"][0], found["projection_rotations"][i], atol=1e-5)


def test_input_as_in_the_published_code(images, digits, recipe, change):
    """Normalised images, both in training and when read; in the unit range otherwise."""
    recipe = change(recipe, n_epoch_csi=1, coder_input="code")
    made, batch = make(images, recipe), digits.x_train[:6].astype(np.float32) / 255
    mean, std = images.channel_statistics()
    pixels = CSI(_pixels, images, 10, recipe)
    pixels.fit(Pool.unlabeled_pool(N), Streams(0))
    found = pixels.read(batch, ["features"])["features"]
    np.testing.assert_allclose(found, 2 * (batch.reshape(6, 64) - mean) / std - 1, atol=1e-4)
    views = next(iter(made.views(np.arange(N), (1, 2)))).numpy()
    assert views.shape == (160, 8, 8, 1)
    assert views.min() < -0.5  # those that no jitter has cut to [0, 1]
    unit = next(iter(make(images, change(recipe, coder_input="unit")).views(np.arange(N), (1, 2)))).numpy()
    assert unit.min() >= 0
    assert unit.max() <= 1 + 1e-6


def _pixels(shape, n_classes):
    return keras.Sequential([keras.Input(shape), keras.layers.Flatten(), keras.layers.Dense(n_classes)])


def test_views_go_on_where_an_epoch_ends(images, recipe):
    made, ids = make(images, recipe), np.arange(N)
    whole, rest = list(made.views(ids, (1, 2))), list(made.views(ids, (1, 2), first_epoch=1))
    assert [len(batch) for batch in whole] == [160, 160, 40] * 3
    assert len(rest) == 6
    assert all(np.array_equal(a, b) for a, b in zip(whole[3:], rest, strict=True))


def test_what_cannot_be_read(images, kept, change):
    made = make(images, change(kept, n_epoch_csi=1))
    batch = np.zeros((2, 8, 8, 1), np.float32)
    with pytest.raises(InputError, match="'csi' is not trained yet"):
        made.read(batch, ["features"])
    made.fit(Pool.unlabeled_pool(N), Streams(0))
    with pytest.raises(InputError, match=r"no output 'logits'\. It has: features, projection"):
        made.read(batch, ["features", "logits"])
