import dataclasses
import math
import shutil

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from tests.conftest import SHARED_DATA
from tests.data.test_data import refusal
from tests.data.test_decoding import SIZE, SIZES, centre_by_pil, encoded, pixels
from tfal.data import Dataset
from tfal.data.augmentations import AUGMENTATIONS
from tfal.data.image_files import ImageFiles, named_errors, open_images
from tfal.data.images import Images
from tfal.data.listing import class_names, from_tree
from tfal.data.loading import skip_corrupt
from tfal.data.pictures import find_corrupt
from tfal.errors import InputError


@pytest.fixture
def listing(tmp_path):
    """Ten JPEG photographs of two classes and many sizes."""
    for row, size in enumerate(SIZES):
        folder = tmp_path / "train" / "ab"[row % 2]
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{row}.JPEG").write_bytes(encoded(pixels(*size, seed=row)))
    return from_tree(tmp_path, "train", ("a", "b"), SIZE)


@pytest.fixture
def files(listing):
    return ImageFiles(listing)


def arrays(dataset):
    return [tuple(part.numpy() for part in batch) for batch in dataset]


def same(first, second):
    return len(first) == len(second) and all(
        np.array_equal(a, b) for x, y in zip(first, second, strict=True) for a, b in zip(x, y, strict=True)
    )


@pytest.mark.skipif(not SHARED_DATA.is_dir(), reason="the folder ../shared/data with the real data is not there")
def test_centre_of_real_photographs():
    root = SHARED_DATA / "imagenette-mini"
    listing = from_tree(root, "train", class_names(root / "train"))
    ids = np.arange(0, 1000, 50)
    found = np.concatenate([batch.numpy() for batch in ImageFiles(listing).batches(ids, 8)])
    expected = [centre_by_pil(listing.path(row).read_bytes(), 224) for row in ids]
    np.testing.assert_allclose(found, expected, atol=1.01 / 255)


def test_batches_keep_the_order_of_ids(files, listing):
    ids = np.array([5, 2, 2, 9, 0])
    got = [batch.numpy() for batch in files.batches(ids, 2)]
    assert [len(batch) for batch in got] == [2, 2, 1]
    expected = [centre_by_pil(listing.path(row).read_bytes(), SIZE) for row in ids]
    np.testing.assert_allclose(np.concatenate(got), expected, atol=1.01 / 255)
    assert (len(files), files.shape, files.scale) == (10, (SIZE, SIZE, 3), True)


def test_a_batch_does_not_depend_on_the_others(files):
    batches = files.batches(np.array([3, 1, 4]), 2)
    assert batches.cardinality() == 2
    np.testing.assert_array_equal(list(batches)[1], next(iter(files.batches([4], 9))))


def test_no_ids_give_no_batches(files):
    assert list(files.batches([], 4)) == []


def test_shapes_are_static(files):
    x, y = files.training([1, 2], [0, 1], 4, 1, 0, "flip_crop").element_spec
    assert (tuple(y.shape), y.dtype) == ((None,), tf.int64)
    for spec in (x, files.batches([1], 4).element_spec):
        assert (tuple(spec.shape), spec.dtype) == ((None, SIZE, SIZE, 3), tf.float32)


@pytest.mark.parametrize("augment", ["none", "flip_crop"])
def test_epochs_are_those_of_images_in_memory(files, augment):
    ids = np.array([4, 9, 1, 7, 3, 8, 2])
    dataset = files.training(ids, ids, 3, 4, 5, augment)
    assert dataset.cardinality() == 4 * math.ceil(7 / 3)
    in_memory = Images(np.zeros((10, 2, 2, 3), np.uint8)).training(ids, ids, 3, 4, 5)
    assert [y.tolist() for _, y in arrays(dataset)] == [y.tolist() for _, y in arrays(in_memory)]


def test_training_without_augmentation_is_reading(files):
    read = np.concatenate([batch.numpy() for batch in files.batches(np.arange(10), 4)])
    for x, y in arrays(files.training(np.arange(10), np.arange(10), 4, 1, 3)):
        np.testing.assert_array_equal(x, read[y])


@pytest.mark.parametrize("augment", ["none", "crop", "flip_crop", "randaugment"])
def test_a_training_goes_on_from_any_epoch(files, augment):
    ids = np.arange(2, 9)
    whole = arrays(files.training(ids, ids, 3, 4, 11, augment))
    for first in (1, 3):
        rest = files.training(ids, ids, 3, 4, 11, augment, first_epoch=first)
        assert rest.cardinality() == 3 * (4 - first)
        assert same(whole[3 * first :], arrays(rest))


def test_crops_follow_from_seed_epoch_and_id(files):
    def crops(ids, seed=2):
        epochs = arrays(files.training(ids, ids, len(ids), 2, seed, "flip_crop"))
        return [dict(zip(y.tolist(), x, strict=True)) for x, y in epochs]

    everything = crops(np.arange(10))
    for few, many in zip(crops(np.array([7, 0, 3])), everything, strict=True):
        for label, image in few.items():
            np.testing.assert_array_equal(image, many[label])
    for other in (everything[1], crops(np.arange(10), seed=3)[0]):
        assert sum(np.array_equal(image, other[label]) for label, image in everything[0].items()) <= 2  # 1 x 1 is one


def test_crops_are_those_with_flips_but_never_mirrored(files):
    ids, mirrored = np.arange(10), 0
    both = [arrays(files.training(ids, ids, 10, 2, 5, augment)) for augment in ("crop", "flip_crop")]
    for (crops, labels), (flipped, same_labels) in zip(*both, strict=True):
        np.testing.assert_array_equal(labels, same_labels)
        for crop, other in zip(crops, flipped, strict=True):
            assert np.array_equal(crop, other) or np.array_equal(crop, other[:, ::-1])
            mirrored += not np.array_equal(crop, other)
    assert 0 < mirrored < 20


def test_randaugment_changes_what_reading_gives(files):
    ids = np.arange(10)
    (images, labels), *_ = arrays(files.training(ids, ids, 10, 1, 5, "randaugment"))
    read = np.concatenate([batch.numpy() for batch in files.batches(labels, 10)])
    assert 0 <= images.min() <= images.max() <= 1
    assert np.mean([np.abs(a - b).max() > 0.01 for a, b in zip(images, read, strict=True)]) >= 0.3


def test_unknown_augmentation(files, monkeypatch):
    with pytest.raises(InputError, match=r"unknown augmentation 'flipcrop'. Did you mean 'flip_crop'"):
        files.training([0], [0], 1, 1, 0, "flipcrop")
    monkeypatch.setitem(AUGMENTATIONS, "blur", None)
    with pytest.raises(InputError, match="unknown augmentation of image files 'blur'"):
        files.training([0], [0], 1, 1, 0, "blur")


def test_ids_are_checked_as_in_memory(files):
    with pytest.raises(InputError, match=r"ids must be in 0\.\.9. Received: 0\.\.10"):
        files.batches([0, 10], 2)
    with pytest.raises(InputError, match="batch_size must be a whole number >= 1"):
        files.batches([0], 0)


def damage(listing, row):
    path = listing.path(row)
    path.write_bytes(path.read_bytes()[:100])
    return path


def read_everything(dataset):
    with named_errors():
        for _ in dataset:
            pass


@pytest.mark.parametrize("rows", [[0], [9], [2, 3, 7], list(range(10))])
@pytest.mark.parametrize("batch_size", [1, 3, 64])
def test_a_damaged_file_is_named(listing, files, rows, batch_size):
    paths = [damage(listing, row) for row in rows]
    ids = np.arange(10)
    message = refusal(read_everything, files.batches(ids, batch_size))
    assert message.startswith(f"{paths[0]} cannot be read as an image (")
    assert message.endswith(". Mend or remove it.")
    if batch_size != 3:  # of which the last batch of an epoch is not full, so that places and rows differ
        return
    for augment in ("none", "flip_crop"):
        message = refusal(read_everything, files.training(ids, ids, batch_size, 2, 0, augment, first_epoch=1))
        assert any(message.startswith(f"{path} cannot be read") for path in paths)
    intact = np.setdiff1d(ids, rows)
    read_everything(files.batches(intact, batch_size))


def test_batches_before_a_damaged_file_are_given(listing, files):
    damage(listing, 6)
    batches = iter(files.batches(np.arange(10), 3))
    assert [len(next(batches)) for _ in range(2)] == [3, 3]
    with pytest.raises(tf.errors.InvalidArgumentError):
        next(batches)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "empty"),
        (b"no image", "Unknown image file format"),
        (b"\xff\xd8\xff\xe0 and no more", "JPEG"),
        (None, "No"),
    ],
)
def test_reasons(listing, files, content, reason):
    path = listing.path(3)
    path.unlink() if content is None else path.write_bytes(content)
    message = refusal(read_everything, files.batches([1, 3, 2], 2))
    assert message.startswith(f"{path} cannot be read as an image (")
    assert reason in message
    assert find_corrupt(listing, show_progress=False).tolist() == [3]


def test_errors_in_a_training_are_named(listing, files):
    path = damage(listing, 5)
    keras = pytest.importorskip("keras")
    network = keras.Sequential([keras.layers.Flatten(), keras.layers.Dense(2)])
    network.compile(loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True), optimizer="sgd")

    def fit():
        with named_errors():
            network.fit(files.training(np.arange(10), np.arange(10) % 2, 4, 1, 0, "flip_crop"), verbose=0)

    assert str(path) in refusal(fit)


def test_other_errors_stay_as_they_are():
    with pytest.raises(tf.errors.InvalidArgumentError), named_errors():
        tf.debugging.Assert(tf.constant(False), ["something else"])


def test_a_strange_name_is_named_whole(tmp_path):
    folder = tmp_path / "train" / "a]  [b"
    folder.mkdir(parents=True)
    path = folder / f"ü {'x' * 200}].jpg"
    path.write_bytes(b"")
    files = ImageFiles(from_tree(tmp_path, "train", (folder.name,), SIZE))
    assert refusal(read_everything, files.batches([0], 1)).startswith(f"{path} cannot be read")


def test_corrupt_files_are_found_and_skipped(listing, tmp_path, capsys):
    shutil.copytree(tmp_path / "train", tmp_path / "test")
    test = from_tree(tmp_path, "test", ("a", "b"), SIZE)
    for one, rows in ((listing, (0, 7, 9)), (test, (4,))):
        for row in rows:
            damage(one, row)
    data = Dataset("mine", listing, listing.labels, test, test.labels, ("a", "b"))
    found = skip_corrupt(data)
    assert "mine: training: 3 of 10 files cannot be read" in capsys.readouterr().err
    assert (found.corrupt.tolist(), found.corrupt.dtype) == ([0, 7, 9], np.int64)
    assert (len(found.x_train), len(found.y_train), len(found.x_test), len(found.y_test)) == (10, 10, 9, 9)
    assert found.x_test.paths.tolist() == np.delete(test.paths, 4).tolist()
    images = open_images(found.x_train, found.corrupt)
    assert np.isfinite(images.channel_statistics()).all()
    assert str(listing.path(0)) in refusal(ImageFiles(listing).channel_statistics)
    array = np.zeros((2, 3, 3, 1), np.uint8)
    in_memory = dataclasses.replace(data, x_train=array, x_test=array)
    assert skip_corrupt(in_memory) is in_memory


def test_open_images_knows_what_it_is_given(listing):
    assert type(open_images(np.zeros((2, 3, 3, 1), np.uint8))) is Images
    assert type(open_images(listing)) is ImageFiles
    assert "at least one file" in refusal(open_images, listing.without(np.arange(10)))


def test_channel_statistics_are_those_of_the_batches(files, monkeypatch):
    def expected(ids):
        values = np.concatenate([batch.numpy() for batch in files.batches(ids, 4)]).astype(np.float64)
        return values.mean((0, 1, 2)), values.std((0, 1, 2))

    np.testing.assert_allclose(files.channel_statistics(), expected(np.arange(10)), rtol=1e-5)
    monkeypatch.setattr("tfal.data.image_files.N_STATISTICS", 4)
    np.testing.assert_allclose(files.channel_statistics(), expected(np.arange(10)), rtol=1e-5)  # remembered
    files._statistics = None
    np.testing.assert_allclose(files.channel_statistics(), expected([0, 3, 6, 9]), rtol=1e-5)


def test_a_constant_channel_is_divided_by_one(tmp_path):
    (tmp_path / "train" / "a").mkdir(parents=True)
    for row, (wide, high) in enumerate(SIZES):
        image = np.full((high, wide, 3), 77, np.uint8)
        image[..., 0] = np.asarray(pixels(wide, high))[..., 0]
        (tmp_path / "train" / "a" / f"{row}.png").write_bytes(encoded(Image.fromarray(image), "PNG"))
    mean, std = ImageFiles(from_tree(tmp_path, "train", ("a",), SIZE)).channel_statistics()
    np.testing.assert_allclose(mean[1:], 77 / 255, rtol=1e-6)
    assert std[0] < 1
    assert std[1:].tolist() == [1, 1]


def test_digest_follows_from_names_sizes_and_order(listing, files):
    ids = np.array([4, 0, 9])
    found = files.digest(ids)
    others = [
        files.digest(ids[::-1]),
        files.digest(ids[:2]),
        ImageFiles(dataclasses.replace(listing, size=9)).digest(ids),
    ]
    listing.path(2).write_bytes(b"")
    assert files.digest(ids) == found
    damage(listing, 9)
    assert len({found, *others, files.digest(ids)}) == 5
