import hashlib
import math

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfal.data.augmentations import AUGMENTATIONS
from tfal.data.images import Images
from tfal.errors import InputError

N, SHAPE = 23, (6, 5, 3)
ARRAY = np.random.default_rng(0).integers(0, 256, (N, *SHAPE), dtype=np.uint8)


@pytest.fixture
def images():
    return Images(ARRAY)


def labels_of(dataset):
    return [y.numpy().tolist() for _, y in dataset]


def by_label(batches):
    """label -> image, over (images, labels) batches."""
    return {int(label): image for x, y in batches for image, label in zip(x.numpy(), y.numpy(), strict=True)}


def test_batches_keep_the_order_of_ids(images):
    ids = np.array([5, 2, 2, 22, 0])
    got = [batch.numpy() for batch in images.batches(ids, 2)]
    assert [len(batch) for batch in got] == [2, 2, 1]
    assert all(batch.dtype == np.float32 for batch in got)
    np.testing.assert_array_equal(np.concatenate(got), ARRAY[ids].astype(np.float32) / np.float32(255))


@pytest.mark.parametrize("keep", [False, True])
def test_batches_can_be_read_again_and_are_those_of_the_stream(images, keep):
    ids = np.array([5, 2, 2, 22, 0])
    batches = images.batches(ids, 2, keep=keep)
    stream = [batch.numpy() for batch in images.stream(ids, 2)]
    assert len(batches) == len(stream) == 3
    for _ in range(2):
        for batch, expected in zip(batches, stream, strict=True):
            np.testing.assert_array_equal(batch, expected)


def test_what_finds_no_room_is_one_line(images, monkeypatch):
    def full(part):
        raise tf.errors.ResourceExhaustedError(None, None, "OOM")

    monkeypatch.setattr(tf, "identity", full)
    with pytest.raises(InputError, match=r"3 images of .* as uint8, and find no room there.*--keepValidation"):
        list(images.batches([3, 1, 4], 2, keep=True))
    assert len(list(images.batches([3, 1, 4], 2))) == 2


def test_no_ids_give_no_batches(images):
    assert list(images.batches([], 4)) == []
    assert list(images.stream([], 4)) == []


def test_memory_and_shapes(images):
    assert (images.shape, len(images), images.scale) == (SHAPE, N, True)
    assert images._array.dtype == tf.uint8
    assert "CPU" in images._array.device
    x, y = images.training([1, 2], [0, 1], 4, 1, 0).element_spec
    assert (tuple(y.shape), y.dtype) == ((None,), tf.int64)
    for spec in (x, images.stream([1], 4).element_spec):
        assert (tuple(spec.shape), spec.dtype) == ((None, *SHAPE), tf.float32)


def test_floats_are_handed_on_unchanged():
    array = np.random.default_rng(1).normal(size=(4, 3, 3, 1))
    images = Images(array)
    assert not images.scale
    np.testing.assert_array_equal(next(iter(images.batches([2, 0], 5))), array[[2, 0]].astype(np.float32))
    training = images.training(np.arange(4), np.arange(4), 4, 1, 0)
    np.testing.assert_array_equal(by_label(training)[3], array[3].astype(np.float32))


def test_epochs_are_permutations_and_batches_stay_inside(images):
    ids = np.array([4, 9, 1, 20, 7, 3, 11])
    dataset = images.training(ids, ids, 3, 4, seed=5)
    assert dataset.cardinality() == 4 * math.ceil(7 / 3)
    batches = labels_of(dataset)
    epochs = [batches[3 * e : 3 * e + 3] for e in range(4)]
    for epoch in epochs:
        assert [len(batch) for batch in epoch] == [3, 3, 1]
        assert sorted(np.concatenate(epoch)) == sorted(ids)
    assert len({str(epoch) for epoch in epochs}) == 4


def test_training_images_belong_to_their_labels(images):
    for label, image in by_label(images.training(np.arange(N), np.arange(N), 4, 1, seed=3)).items():
        np.testing.assert_array_equal(image, ARRAY[label].astype(np.float32) / np.float32(255))


@pytest.mark.parametrize("augment", list(AUGMENTATIONS))
def test_training_repeats_itself(images, augment):
    ids = np.arange(10)
    first = images.training(ids, ids, 4, 3, 11, augment)
    twice = [[(x.numpy(), y.numpy()) for x, y in first] for _ in range(2)]
    anew = [(x.numpy(), y.numpy()) for x, y in Images(ARRAY).training(ids, ids, 4, 3, 11, augment)]
    for (x, y), (x2, y2), (x3, y3) in zip(*twice, anew, strict=True):
        np.testing.assert_array_equal(y, y2)
        np.testing.assert_array_equal(y, y3)
        np.testing.assert_array_equal(x, x2)
        np.testing.assert_array_equal(x, x3)


def test_order_follows_from_seed_and_epoch(images):
    ids = np.arange(10)
    assert labels_of(images.training(ids, ids, 4, 2, 11)) == labels_of(images.training(ids, ids, 4, 5, 11))[:6]
    assert labels_of(images.training(ids, ids, 4, 2, 11)) != labels_of(images.training(ids, ids, 4, 2, 12))
    augmented = images.training(ids, ids, 4, 2, 11, "flip_crop")
    assert labels_of(augmented) == labels_of(images.training(ids, ids, 4, 2, 11))


def test_augmentation_follows_from_seed_epoch_and_id(images):
    def epoch(ids, which, seed=2):
        batches = list(images.training(ids, ids, len(ids), which + 1, seed, "flip_crop"))
        return by_label(batches[which:])

    everything, few = np.arange(N), np.array([17, 4, 8])
    first, second, other = epoch(everything, 0), epoch(everything, 1), epoch(everything, 0, 3)
    for which, whole in enumerate((first, second)):
        for label, image in epoch(few, which).items():
            np.testing.assert_array_equal(image, whole[label])
    assert sum(np.array_equal(a, second[k]) for k, a in first.items()) < N // 2
    assert sum(np.array_equal(a, other[k]) for k, a in first.items()) < N // 2


@pytest.mark.parametrize("augment", list(AUGMENTATIONS))
def test_a_training_goes_on_from_any_epoch(images, augment):
    ids = np.arange(3, 13)
    whole = list(images.training(ids, ids, 4, 4, 11, augment))
    for first in (0, 1, 3):
        rest = images.training(ids, ids, 4, 4, 11, augment, first_epoch=first)
        assert rest.cardinality() == 3 * (4 - first)
        for (x, y), (x2, y2) in zip(whole[3 * first :], rest, strict=True):
            np.testing.assert_array_equal(y, y2)
            np.testing.assert_array_equal(x, x2)


def test_digest_follows_from_the_images_and_their_order(images, monkeypatch):
    ids = [4, 0, 9, 9, 22]
    found = images.digest(ids)
    expected = hashlib.blake2b(b"(5, 6, 5, 3) uint8" + ARRAY[ids].tobytes(), digest_size=8).hexdigest()
    assert found == expected
    changed = ARRAY.copy()
    changed[22, 5, 4, 2] ^= 1
    others = [
        images.digest([0, 4, 9, 9, 22]),
        images.digest(ids[:4]),
        Images(changed).digest(ids),
        Images(ARRAY.reshape(N, 5, 6, 3)).digest(ids),
        Images(ARRAY.astype(np.float32)).digest(ids),
    ]
    assert len({found, *others}) == 6
    monkeypatch.setattr("tfal.data.images._CHUNK", 2 * math.prod(SHAPE))
    assert Images(ARRAY).digest(ids) == found


@pytest.mark.parametrize("chunk", [1, 500, 2**22])
def test_channel_statistics_are_those_of_the_batches(monkeypatch, chunk):
    monkeypatch.setattr("tfal.data.images._CHUNK", chunk)
    offset = np.random.default_rng(3).normal(1000, 0.5, (N, *SHAPE)).astype(np.float32)
    for array in (ARRAY, offset):
        images = Images(array)
        mean, std = images.channel_statistics()
        values = np.concatenate([batch.numpy() for batch in images.batches(np.arange(N), 4)]).astype(np.float64)
        assert (mean.dtype, mean.shape, std.dtype, std.shape) == (np.float32, (3,), np.float32, (3,))
        np.testing.assert_allclose(mean, values.mean((0, 1, 2)), rtol=1e-6)
        np.testing.assert_allclose(std, values.std((0, 1, 2)), rtol=1e-5)
    assert images.channel_statistics()[0] is mean


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_a_constant_channel_is_divided_by_one(dtype):
    array = np.random.default_rng(4).integers(0, 9, (50, 4, 4, 3)).astype(dtype)
    array[..., 1], array[..., 2] = 0.1 if dtype == np.float32 else 77, 0
    mean, std = Images(array).channel_statistics()
    assert std[0] > 0
    assert std[1:].tolist() == [1, 1]
    assert mean[1] == pytest.approx(0.1 if dtype == np.float32 else 77 / 255)


def test_same_batches_under_op_determinism(images, nursery, tmp_path):
    code = (
        "import hashlib, tensorflow as tf; tf.config.experimental.enable_op_determinism()\n"
        "from tests.data.test_images import ARRAY, Images, digest; print(digest(Images(ARRAY)))"
    )
    found = nursery.run(tmp_path, "-c", code)
    assert found.code == 0, found.err
    assert found.out.strip() == digest(images)


def digest(images):
    """A hash of all batches of three augmented epochs."""
    found = hashlib.sha256()
    for x, y in images.training(np.arange(N), np.arange(N), 4, 3, 11, "flip_crop"):
        found.update(x.numpy().tobytes() + y.numpy().tobytes())
    return found.hexdigest()


def test_fit_takes_all_epochs_from_one_iterator(images):

    network = keras.Sequential([keras.layers.Flatten(), keras.layers.Dense(2)])
    network.compile(loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True), optimizer="sgd")
    steps = []
    count = keras.callbacks.LambdaCallback(on_train_batch_end=lambda step, logs: steps.append(step))
    dataset = images.training(np.arange(7), np.arange(7) % 2, 3, 4, 0)
    history = network.fit(dataset, steps_per_epoch=3, epochs=4, verbose=0, shuffle=False, callbacks=[count])
    assert steps == [0, 1, 2] * 4
    assert len(history.history["loss"]) == 4


@pytest.mark.parametrize(
    ("array", "match"),
    [
        (np.zeros((2, 3, 3, 1), np.int64), "uint8, or float when preprocessed. Received: int64"),
        (np.full((2, 3, 3, 1), np.nan), "finite. Received: NaN or infinity"),
        (np.zeros((0, 3, 3, 1), np.uint8), r"Received: shape \(0, 3, 3, 1\)"),
        (np.zeros(3, np.uint8), r"Received: shape \(3,\)"),
    ],
)
def test_unusable_arrays_are_refused(array, match):
    with pytest.raises(InputError, match=match):
        Images(array)


@pytest.mark.parametrize(
    ("ids", "match"),
    [
        ([0, N], rf"0\.\.{N - 1}. Received: 0\.\.{N}"),
        ([-1], "Received: -1"),
        ([0.5], "float64"),
        ([[1]], r"\(1, 1\)"),
    ],
)
def test_unusable_ids_are_refused(images, ids, match):
    with pytest.raises(InputError, match=match):
        images.batches(ids, 2)


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"labels": [0]}, r"one for each of 2 ids. Received: shape \(1,\)"),
        ({"ids": [], "labels": []}, "at least one id"),
        ({"batch_size": 0}, "batch_size must be a whole number >= 1. Received: 0"),
        ({"epochs": 1.5}, "epochs must be a whole number >= 1. Received: 1.5"),
        ({"seed": -1}, "seed must be a whole number >= 0"),
        ({"first_epoch": -1}, "first_epoch must be a whole number >= 0"),
        ({"first_epoch": 1}, "first_epoch must be less than epochs, 1. Received: 1"),
        ({"augment": "flipcrop"}, "unknown augmentation 'flipcrop'. Did you mean 'flip_crop'"),
    ],
)
def test_unusable_training_arguments_are_refused(images, change, match):
    arguments = {"ids": [0, 1], "labels": [0, 1], "batch_size": 2, "epochs": 1, "seed": 0} | change
    with pytest.raises(InputError, match=match):
        images.training(**arguments)


def test_augmentation_needs_images():
    with pytest.raises(InputError, match="needs images"):
        Images(np.zeros((3, 4), np.float32)).training([0], [0], 1, 1, 0, "flip_crop")
