import gzip
import json
from collections import Counter

import numpy as np
import pytest
import tensorflow as tf

from tests.conftest import SHARED_DATA
from tests.test_data import ARRAYS, refusal
from tfal.data import DATASETS, load, sources
from tfal.data.listing import Listing

IDX_SHAPES = ((7, 28, 28), (7,), (3, 28, 28), (3,))


def write_idx(folder, shapes=IDX_SHAPES, high=10):
    """The four .gz of MNIST with random contents, and these contents."""
    folder.mkdir(exist_ok=True)
    written = []
    for name, shape in zip(sources.IDX_FILES, shapes, strict=True):
        array = np.random.default_rng(len(written)).integers(0, high, shape, dtype=np.uint8)
        header = np.array([0x800 + len(shape), *shape], dtype=">u4").tobytes()
        (folder / name).write_bytes(gzip.compress(header + array.tobytes(), compresslevel=1))
        written.append(array)
    return written


def write_tree(folder, size=(5, 4, 3), parts=("train", "test"), classes=("ant", "bee", "cat")):
    """Two PNG images a class and part; answers with (part, class, file) -> image."""
    written = {}
    for part in parts:
        for name in classes:
            (folder / part / name).mkdir(parents=True)
            for file in ("b.png", "a.PNG"):
                image = np.random.default_rng(len(written)).integers(0, 256, size, dtype=np.uint8)
                (folder / part / name / file).write_bytes(tf.io.encode_png(image).numpy())
                written[part, name, file] = image
    return written


@pytest.mark.parametrize("inside", ["", "mine"])
def test_npz(tmp_path, inside):
    (tmp_path / inside).mkdir(exist_ok=True)
    np.savez_compressed(tmp_path / inside / "mine.npz", **ARRAYS)
    data = load("mine", str(tmp_path))
    for key, array in ARRAYS.items():
        np.testing.assert_array_equal(getattr(data, key), array)


def test_npz_must_hold_the_four_arrays(tmp_path):
    np.savez(tmp_path / "mine.npz", x_train=ARRAYS["x_train"], y_train=ARRAYS["y_train"])
    message = refusal(load, "mine", str(tmp_path))
    assert "mine.npz must hold x_train, y_train, x_test, y_test. It lacks: x_test, y_test" in message


def test_damaged_npz(tmp_path):
    np.savez(tmp_path / "whole.npz", **ARRAYS)
    whole = (tmp_path / "whole.npz").read_bytes()
    middle = len(whole) // 3
    for data in (
        whole[: len(whole) // 2],
        whole[:middle] + b"xxxx" + whole[middle + 4 :],
        b"",
        b"no archive",
    ):
        (tmp_path / "mine.npz").write_bytes(data)
        assert "mine.npz is damaged" in refusal(load, "mine", str(tmp_path))


def test_npz_with_pickled_objects(tmp_path):
    np.savez(tmp_path / "mine.npz", **(ARRAYS | {"y_test": np.array([{}, None, 1, 2, 3, 4], dtype=object)}))
    assert "no .npz file of plain arrays" in refusal(load, "mine", str(tmp_path))


def test_npz_that_is_one_array(tmp_path):
    with open(tmp_path / "mine.npz", "wb") as file:
        np.save(file, ARRAYS["x_train"])
    assert "no .npz file of plain arrays" in refusal(load, "mine", str(tmp_path))


def test_bad_arrays_name_their_file(tmp_path):
    np.savez(tmp_path / "mine.npz", **(ARRAYS | {"y_test": ARRAYS["y_test"] / 2}))
    assert f"y_test of {tmp_path / 'mine.npz'} must be integers" in refusal(load, "mine", str(tmp_path))


def test_idx_files(tmp_path):
    x_train, y_train, x_test, y_test = write_idx(tmp_path / "mnist")
    for folder in (tmp_path, tmp_path / "mnist"):
        data = load("mnist", str(folder))
        np.testing.assert_array_equal(data.x_train[..., 0], x_train)
        np.testing.assert_array_equal(data.y_train, y_train)
        np.testing.assert_array_equal(data.x_test[..., 0], x_test)
        np.testing.assert_array_equal(data.y_test, y_test)
        assert data.n_classes == 10
    assert "is not at hand" in refusal(load, "cifar10", str(tmp_path / "mnist"))


@pytest.mark.parametrize(
    ("damage", "part"),
    [
        (lambda data: data[: len(data) // 2], "is damaged or no gzip file (EOFError"),
        (lambda data: gzip.decompress(data), "is damaged or no gzip file (BadGzipFile"),
        (
            lambda data: gzip.compress(gzip.decompress(data)[:-5]),
            "must hold 5488 bytes after its header. Received: 5483",
        ),
        (
            lambda data: gzip.compress(b"\0\0\x08\x01" + gzip.decompress(data)[4:]),
            "magic 2051. Received: 2049",
        ),
        (lambda data: gzip.compress(b"\0\0"), "magic 2051. Received: 0"),
    ],
)
def test_damaged_idx_file(tmp_path, damage, part):
    write_idx(tmp_path)
    path = tmp_path / sources.IDX_FILES[0]
    path.write_bytes(damage(path.read_bytes()))
    message = refusal(load, "mnist", str(tmp_path))
    assert str(path) in message
    assert part in message


def test_idx_files_belong_together(tmp_path):
    write_idx(tmp_path, ((7, 28, 28), (6,), (3, 28, 28), (3,)))
    assert "each of 7 images. Received: 6" in refusal(load, "mnist", str(tmp_path))
    write_idx(tmp_path, ((7, 28, 28), (7,), (3, 32, 32), (3,)))
    assert "must be (28, 28, 1)" in refusal(load, "mnist", str(tmp_path))
    (tmp_path / sources.IDX_FILES[3]).unlink()
    assert "Lacking: t10k-labels-idx1-ubyte.gz" in refusal(load, "mnist", str(tmp_path))


@pytest.mark.parametrize("test", ["test", "val"])
def test_tree_of_images(tmp_path, test):
    written = write_tree(tmp_path, parts=("train", test))
    (tmp_path / "train" / "ant" / "notes.txt").write_text("no image")
    (tmp_path / "train" / ".hidden").mkdir()
    data = load("insects", str(tmp_path))
    assert (data.class_names, data.input_shape) == (("ant", "bee", "cat"), (5, 4, 3))
    order = [(name, file) for name in data.class_names for file in ("a.PNG", "b.png")]
    for part, images, labels in (("train", data.x_train, data.y_train), (test, data.x_test, data.y_test)):
        np.testing.assert_array_equal(images, [written[part, *one] for one in order])
        assert labels.tolist() == [0, 0, 1, 1, 2, 2]


def test_tree_prefers_test_over_val(tmp_path):
    written = write_tree(tmp_path / "insects", parts=("train", "val", "test"))
    data = load("insects", str(tmp_path))
    np.testing.assert_array_equal(data.x_test[0], written["test", "ant", "a.PNG"])


def test_tree_of_other_formats(tmp_path):
    write_tree(tmp_path)
    image = tf.constant(np.random.default_rng(0).integers(0, 256, (5, 4, 3), dtype=np.uint8))
    file = tmp_path / "train" / "ant" / "c.jpeg"
    file.write_bytes(tf.io.encode_jpeg(image).numpy())
    np.testing.assert_array_equal(load("insects", str(tmp_path)).x_train[2], tf.io.decode_jpeg(file.read_bytes()))


@pytest.mark.parametrize("size", [(5, 5, 3), (5, 4, 1)])
def test_tree_of_several_sizes_stays_in_files(tmp_path, capsys, size):
    write_tree(tmp_path / "insects")
    other = tmp_path / "insects" / "test" / "bee" / "a.PNG"
    other.write_bytes(tf.io.encode_png(np.zeros(size, np.uint8)).numpy())
    data = load("insects", str(tmp_path), size=32)
    assert (data.n_classes, data.input_shape, data.class_names) == (3, (32, 32, 3), ("ant", "bee", "cat"))
    assert data.x_test.path(2) == other
    note = capsys.readouterr().err
    first = tmp_path / "insects" / "train" / "ant" / "a.PNG"
    parts = ["insects: images are read from their files, as 32 x 32 RGB", f"{first} with (5, 4, 3)", str(other)]
    assert [part for part in [*parts, str(size)] if part not in note] == []


def test_tree_of_a_known_name_needs_one_size(tmp_path):
    write_tree(tmp_path / "cifar10", (32, 32, 3))
    other = tmp_path / "cifar10" / "test" / "bee" / "a.PNG"
    other.write_bytes(tf.io.encode_png(np.zeros((32, 32, 1), np.uint8)).numpy())
    message = refusal(load, "cifar10", str(tmp_path))
    assert [part for part in ("(32, 32, 3)", str(other), "(32, 32, 1)") if part not in message] == []


def test_tree_that_is_too_large_stays_in_files(tmp_path, monkeypatch, capsys):
    write_tree(tmp_path)
    monkeypatch.setattr("tfal.data.trees.MOST_BYTES", 12 * 60)
    assert isinstance(load("insects", str(tmp_path)).x_train, np.ndarray)
    monkeypatch.setattr("tfal.data.trees.MOST_BYTES", 12 * 60 - 1)
    assert isinstance(load("insects", str(tmp_path)).x_train, Listing)
    assert "12 images of (5, 4, 3) take more than" in capsys.readouterr().err


def test_tree_of_a_known_name_needs_its_size(tmp_path):
    write_tree(tmp_path / "cifar10")
    assert "images of 'cifar10' must be (32, 32, 3)" in refusal(load, "cifar10", str(tmp_path))


def test_odd_trees(tmp_path):
    write_tree(tmp_path)
    (tmp_path / "train" / "dog").mkdir()
    assert f"Received: none in {tmp_path / 'train' / 'dog'}" in refusal(load, "insects", str(tmp_path))
    (tmp_path / "train" / "dog").rmdir()
    (tmp_path / "test" / "eel").mkdir()
    assert "Received: 'eel' only there" in refusal(load, "insects", str(tmp_path))
    broken = tmp_path / "train" / "ant" / "b.png"
    (tmp_path / "test" / "eel").rmdir()
    broken.write_bytes(broken.read_bytes()[:30])
    assert f"{broken} cannot be read as an image" in refusal(load, "insects", str(tmp_path))


def test_tree_without_images_or_test(tmp_path):
    (tmp_path / "train" / "ant").mkdir(parents=True)
    assert "unknown dataset" in refusal(load, "insects", str(tmp_path))
    (tmp_path / "test").mkdir()
    assert "every class folder must hold image files" in refusal(load, "insects", str(tmp_path))
    (tmp_path / "train" / "ant" / "a.png").write_bytes(tf.io.encode_png(np.zeros((5, 4, 3), np.uint8)).numpy())
    assert f"{tmp_path / 'test'} must hold <class>/<image> files" in refusal(load, "insects", str(tmp_path))


def write_lists(folder, **lines):
    for part, rows in lines.items():
        (folder / f"insects_{part}.txt").write_text("\n".join(rows))


def test_lists_of_files(tmp_path):
    write_tree(tmp_path)
    write_lists(tmp_path, train=["train/cat/b.png 2", "train/ant/a.PNG 0", "train/bee/b.png 1", "train/ant/b.png 0"])
    data = load("insects", str(tmp_path))
    expected = [b"train/ant/a.PNG", b"train/ant/b.png", b"train/bee/b.png", b"train/cat/b.png"]
    assert data.x_train.paths.tolist() == expected
    assert data.y_train.tolist() == [0, 0, 1, 2]
    assert (data.y_test.tolist(), data.class_names) == ([0, 0, 1, 1, 2, 2], ("ant", "bee", "cat"))
    write_lists(tmp_path, test=["test/bee/a.PNG 1"])
    assert load("insects", str(tmp_path)).x_test.paths.tolist() == [b"test/bee/a.PNG"]
    write_lists(tmp_path, train=["train/ant/a.PNG 0", "train/cat/b.png 2"])
    assert "every class 0..2" in refusal(load, "insects", str(tmp_path))


def test_lists_without_class_folders(tmp_path):
    write_tree(tmp_path, parts=("images",))
    write_lists(tmp_path, train=["images/ant/a.PNG 1", "images/cat/b.png 0"])
    assert "insects_train.txt needs test images: insects_test.txt" in refusal(load, "insects", str(tmp_path))
    write_lists(tmp_path, test=["images/bee/a.PNG 1"])
    data = load("insects", str(tmp_path))
    assert (data.class_names, data.n_classes) == (None, 2)
    write_lists(tmp_path, test=["images/bee/a.PNG 2"])
    assert "y_test" in refusal(load, "insects", str(tmp_path))


@pytest.mark.parametrize("inside", ["", "imagenet"])
def test_imagenet_is_any_tree(tmp_path, capsys, inside):
    write_tree(tmp_path / inside, parts=("train", "val"))
    data = load("ImageNet", str(tmp_path))
    assert (data.name, data.n_classes, data.input_shape) == ("imagenet", 3, (224, 224, 3))
    assert isinstance(data.x_train, Listing)
    assert data.y_test.tolist() == [0, 0, 1, 1, 2, 2]
    assert not capsys.readouterr().err


def test_imagenet_has_at_most_its_classes(tmp_path, monkeypatch):
    write_tree(tmp_path)
    monkeypatch.setitem(DATASETS, "imagenet", DATASETS["imagenet"]._replace(n_classes=2))
    assert "'imagenet' has 2 classes. Received: 3" in refusal(load, "imagenet", str(tmp_path))


def test_imagenet_lt_is_its_list_and_the_validation_tree(tmp_path):
    write_tree(tmp_path, parts=("train", "val"))
    message = refusal(load, "imagenet_lt", str(tmp_path))  # the whole training tree is not the long-tailed one
    assert "ImageNet_LT_train.txt and the files that it names, and val/<class>/" in message
    (tmp_path / "ImageNet_LT_train.txt").write_text("train/ant/a.PNG 0\ntrain/cat/b.png 2\n")
    data = load("imagenet_lt", str(tmp_path))
    assert (data.y_train.tolist(), data.n_classes, len(data.x_test)) == ([0, 2], 3, 6)


def test_imagenet_is_not_downloaded():
    message = refusal(load, "imagenet")
    assert "must hold image files in train/<class>/" in message
    assert "TensorFlow Datasets" not in message


@pytest.mark.skipif(not SHARED_DATA.is_dir(), reason="the folder ../shared/data with the real data is not there")
def test_real_photographs(capsys):
    data = load("imagenette-mini", str(SHARED_DATA))
    assert (len(data.x_train), len(data.x_test), data.n_classes) == (1000, 300, 10)
    assert "(224, 224, 3)" in capsys.readouterr().err
    same = load("imagenet", str(SHARED_DATA / "imagenette-mini"))
    assert same.x_train.fingerprint() == data.x_train.fingerprint()
    assert same.class_names[0] == "n01440764"


def contents(images, labels):
    return Counter((image.tobytes(), int(label)) for image, label in zip(images, labels, strict=True))


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    """A folder where TensorFlow Datasets has prepared ARRAYS under the name "mine", with class names."""
    tfds = pytest.importorskip("tensorflow_datasets")
    tfds.disable_progress_bar()
    folder = tmp_path_factory.mktemp("prepared")
    tfds.dataset_builders.store_as_tfds_dataset(
        name="mine",
        version="1.2.0",
        features=tfds.features.FeaturesDict(
            {
                "image": tfds.features.Image(shape=(5, 4, 3)),
                "label": tfds.features.ClassLabel(names=["ant", "bee", "cat"]),
            }
        ),
        split_datasets={
            part: tf.data.Dataset.from_tensor_slices(
                {"image": ARRAYS[f"x_{part}"], "label": ARRAYS[f"y_{part}"].astype(np.int64)}
            )
            for part in ("train", "test")
        },
        data_dir=folder,
    )
    return folder


@pytest.mark.parametrize("inside", ["", "mine"])
def test_prepared_by_tensorflow_datasets(prepared, inside):
    data = load("mine", str(prepared / inside))
    assert (data.class_names, data.x_train.dtype) == (("ant", "bee", "cat"), np.uint8)
    assert contents(data.x_train, data.y_train) == contents(ARRAYS["x_train"], ARRAYS["y_train"])
    assert contents(data.x_test, data.y_test) == contents(ARRAYS["x_test"], ARRAYS["y_test"])
    assert "unknown dataset 'other'" in refusal(load, "other", str(prepared / inside))


@pytest.mark.skipif(not SHARED_DATA.is_dir(), reason="the folder ../shared/data with the real data is not there")
def test_real_mnist_prepared_by_tensorflow_datasets(tmp_path, monkeypatch):
    tfds = pytest.importorskip("tensorflow_datasets")
    tfds.disable_progress_bar()
    config = tfds.download.DownloadConfig(manual_dir=SHARED_DATA / "mnist")
    tfds.builder("mnist", data_dir=tmp_path).download_and_prepare(download_config=config)
    ours, theirs = load("mnist", str(SHARED_DATA)), load("mnist", str(tmp_path))
    assert theirs.class_names == tuple("0123456789")
    assert contents(ours.x_train, ours.y_train) == contents(theirs.x_train, theirs.y_train)
    assert contents(ours.x_test, ours.y_test) == contents(theirs.x_test, theirs.y_test)

    # Without a folder the same data come from the builder, in the same order.
    version = tfds.builder("mnist", data_dir=tmp_path)
    monkeypatch.setattr(tfds, "builder", lambda name: version)
    np.testing.assert_array_equal(load("mnist").y_train, theirs.y_train)


def test_damaged_prepared_data(tmp_path):
    version = tmp_path / "mnist" / "3.0.1"
    version.mkdir(parents=True)
    (version / "dataset_info.json").write_text(json.dumps({"name": "mnist"}))
    assert "cannot be read by TensorFlow Datasets" in refusal(load, "mnist", str(tmp_path))
    (version / "dataset_info.json").write_text("no json")
    assert "is not at hand" in refusal(load, "mnist", str(tmp_path))
