import gzip
import io
import json
import pickle
import zipfile
from collections import Counter

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from tests.conftest import SHARED_DATA
from tests.data.test_data import ARRAYS, refusal
from tfal.data import DATASETS, formats, load
from tfal.data.listing import Listing

IDX_SHAPES = ((7, 28, 28), (7,), (3, 28, 28), (3,))


def write_idx(folder, shapes=IDX_SHAPES, high=10):
    """The four .gz of MNIST with random contents, and these contents."""
    folder.mkdir(exist_ok=True)
    written = []
    for name, shape in zip(formats.IDX_FILES, shapes, strict=True):
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


def medmnist(folder, name="pathmnist", shape=(28, 28, 3), **changes):
    """A file as MedMNIST publishes them; None leaves an array out."""
    arrays = {}
    for part, n in (("train", 12), ("val", 4), ("test", 6)):
        arrays[f"{part}_images"] = np.random.default_rng(n).integers(0, 256, (n, *shape), dtype=np.uint8)
        arrays[f"{part}_labels"] = (np.arange(n, dtype=np.uint8) % 3)[:, None]
    arrays |= changes
    np.savez(folder / f"{name}.npz", **{key: array for key, array in arrays.items() if array is not None})
    return arrays


@pytest.mark.parametrize("shape", [(28, 28, 3), (28, 28)])
def test_medmnist(tmp_path, shape):
    written = medmnist(tmp_path, shape=shape)
    data = load("PathMNIST".lower(), str(tmp_path))
    assert (data.name, data.n_classes, data.input_shape) == ("pathmnist", 3, (28, 28, shape[2] if shape[2:] else 1))
    for part in ("train", "test"):
        np.testing.assert_array_equal(
            getattr(data, f"x_{part}"), written[f"{part}_images"].reshape(-1, *data.input_shape)
        )
        assert getattr(data, f"y_{part}").tolist() == written[f"{part}_labels"][:, 0].tolist()
    medmnist(tmp_path, shape=shape, val_images=None, val_labels=None)  # they are not read
    np.testing.assert_array_equal(load("pathmnist", str(tmp_path)).x_train, data.x_train)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"test_labels": None},
            "pathmnist.npz must hold train_images, train_labels, test_images, test_labels. It lacks:",
        ),
        ({"train_images": None, "test_labels": None}, "It lacks: train_images, test_labels. Download it again."),
        ({"train_labels": np.ones((12, 14), np.uint8)}, "one class. Received: 14 labels an image"),
        ({"train_labels": np.ones((11, 1), np.uint8)}, "each of 12 images. Received: 11"),
        ({"train_images": np.zeros((12, 28, 28, 28), np.uint8)}, "channels. Received: (12, 28, 28, 28)"),
        ({"test_labels": np.full((6, 1), 3, np.uint8)}, "y_test"),
    ],
)
def test_unusable_medmnist(tmp_path, changes, message):
    medmnist(tmp_path, **changes)
    assert message in refusal(load, "pathmnist", str(tmp_path))


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
    assert "mine.npz is damaged or no .npz file" in refusal(load, "mine", str(tmp_path))


def test_npz_that_is_one_array(tmp_path):
    with open(tmp_path / "mine.npz", "wb") as file:
        np.save(file, ARRAYS["x_train"])
    assert "mine.npz is damaged or no .npz file" in refusal(load, "mine", str(tmp_path))


def written_npz(path, how=lambda archive, name, data: archive.writestr(name, data), header=None):
    """ARRAYS as an .npz, each member written by `how`; header: in place of that of x_train."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, array in ARRAYS.items():
            file = io.BytesIO()
            np.save(file, array)
            data = file.getvalue()
            if header and name == "x_train":
                out = io.BytesIO()
                np.lib.format.write_array_header_1_0(out, header)
                data = out.getvalue() + array.tobytes()
            how(archive, f"{name}.npy", data)


def test_npz_with_a_header_of_40_terabytes(tmp_path):
    written_npz(tmp_path / "mine.npz")
    assert load("mine", str(tmp_path)).n_classes == 3
    header = {"descr": "|u1", "fortran_order": False, "shape": (2 * 10**8, 256, 256, 3)}
    written_npz(tmp_path / "mine.npz", header=header)
    message = refusal(load, "mine", str(tmp_path))
    assert message.startswith(
        f"{tmp_path / 'mine.npz'} is damaged or no .npz file (its member 'x_train.npy': its header"
    )
    assert "39321600000128 bytes" in message


def test_npz_with_encrypted_members(tmp_path):
    written_npz(tmp_path / "mine.npz")
    data = bytearray((tmp_path / "mine.npz").read_bytes())
    for signature, at in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):  # the flag in both headers of every member
        place = data.find(signature)
        while place >= 0:
            data[place + at] |= 1
            place = data.find(signature, place + 1)
    (tmp_path / "mine.npz").write_bytes(data)
    assert "its member 'x_train.npy' is encrypted" in refusal(load, "mine", str(tmp_path))


def test_what_is_named_npz_and_is_none(tmp_path):
    (tmp_path / "mine.npz").write_bytes(pickle.dumps(ARRAYS))
    assert "mine.npz is damaged or no .npz file" in refusal(load, "mine", str(tmp_path))
    with zipfile.ZipFile(tmp_path / "mine.npz", "w") as archive:
        archive.writestr("x_train.csv", "1,2")
    assert "It lacks: x_train, y_train, x_test, y_test" in refusal(load, "mine", str(tmp_path))
    for name, data in (("x_train.npy", pickle.dumps(ARRAYS["x_train"])), ("x_train.npy", b"PK\x03\x04" * 9)):
        written_npz(
            tmp_path / "mine.npz",
            lambda archive, one, whole, name=name, data=data: archive.writestr(one, data if one == name else whole),
        )
        assert "mine.npz is damaged or no .npz file (its member 'x_train.npy'" in refusal(load, "mine", str(tmp_path))


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
            lambda data: gzip.compress(gzip.decompress(data) + b"x"),
            "must hold 5488 bytes after its header. Received: more",
        ),
        (
            lambda data: gzip.compress(gzip.decompress(data)[:4] + b"\xff" * 12 + gzip.decompress(data)[16:]),
            f"claims {(2**32 - 1) ** 3} bytes, more than its ",
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
    path = tmp_path / formats.IDX_FILES[0]
    path.write_bytes(damage(path.read_bytes()))
    message = refusal(load, "mnist", str(tmp_path))
    assert str(path) in message
    assert part in message


@pytest.mark.parametrize("name", formats.IDX_FILES)
def test_an_idx_file_cut_anywhere_is_one_line(tmp_path, name):
    write_idx(tmp_path)
    path = tmp_path / name
    whole = path.read_bytes()
    raw = gzip.decompress(whole)
    cuts = [*range(0, len(whole), max(1, len(whole) // 20)), *range(len(whole) - 9, len(whole))]
    for content in [
        *(whole[:cut] for cut in cuts),
        *(gzip.compress(raw[:cut]) for cut in range(0, min(20, len(raw)), 3)),
    ]:
        path.write_bytes(content)
        message = refusal(load, "mnist", str(tmp_path))  # which sees to it that it is one line
        assert str(path) in message


def test_idx_files_belong_together(tmp_path):
    write_idx(tmp_path, ((7, 28, 28), (6,), (3, 28, 28), (3,)))
    assert "each of 7 images. Received: 6" in refusal(load, "mnist", str(tmp_path))
    write_idx(tmp_path, ((7, 28, 28), (7,), (3, 32, 32), (3,)))
    assert "must be (28, 28, 1)" in refusal(load, "mnist", str(tmp_path))
    (tmp_path / formats.IDX_FILES[3]).unlink()
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
    monkeypatch.setattr("tfal.data.image_folders.MOST_BYTES", 12 * 60)
    assert isinstance(load("insects", str(tmp_path)).x_train, np.ndarray)
    monkeypatch.setattr("tfal.data.image_folders.MOST_BYTES", 12 * 60 - 1)
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
    assert "train has no test images beside it" in refusal(load, "insects", str(tmp_path))
    (tmp_path / "test").mkdir()
    assert "every class folder must hold image files" in refusal(load, "insects", str(tmp_path))
    (tmp_path / "train" / "ant" / "a.png").write_bytes(tf.io.encode_png(np.zeros((5, 4, 3), np.uint8)).numpy())
    assert f"{tmp_path / 'test'} must hold <class>/<image> files" in refusal(load, "insects", str(tmp_path))


def write_tiny_imagenet(folder, classes=("n02", "n01"), side=8):
    """Tiny ImageNet's layout; answers with file -> image. One image of each class is grey, as some of its are."""
    written = {}

    def write(file):
        grey = file.name.endswith("_1.JPEG")
        image = np.full((side, side) if grey else (side, side, 3), 20 * len(written) % 256, dtype=np.uint8)
        Image.fromarray(image).save(file, quality=100)
        written[file.name] = image if image.ndim == 3 else np.repeat(image[..., None], 3, axis=2)

    (folder / "val" / "images").mkdir(parents=True)
    lines = []
    for number, name in enumerate(classes):
        (folder / "train" / name / "images").mkdir(parents=True)
        (folder / "train" / name / f"{name}_boxes.txt").write_text("n_0.JPEG\t0\t0\t7\t7")
        for row in (1, 0):
            write(folder / "train" / name / "images" / f"{name}_{row}.JPEG")
        write(folder / "val" / "images" / f"val_{number}.JPEG")
        lines.append(f"val_{number}.JPEG\t{name}\t0\t0\t7\t7\n")
    (folder / "wnids.txt").write_text("\n".join(classes))
    (folder / "val" / "val_annotations.txt").write_text("".join(lines))
    return written


@pytest.mark.parametrize("inside", ["", "mine"])
def test_tiny_imagenet_layout(tmp_path, inside):
    written = write_tiny_imagenet(tmp_path / inside)
    data = load("mine", str(tmp_path))
    assert (data.class_names, data.input_shape, data.x_train.dtype) == (("n01", "n02"), (8, 8, 3), np.uint8)
    assert (data.y_train.tolist(), data.y_test.tolist()) == ([0, 0, 1, 1], [0, 1])
    for images, files in (
        (data.x_train, ("n01_0", "n01_1", "n02_0", "n02_1")),
        (data.x_test, ("val_1", "val_0")),
    ):
        np.testing.assert_array_equal(images, [written[f"{file}.JPEG"] for file in files])


def test_tiny_imagenet_by_name(tmp_path):
    write_tiny_imagenet(tmp_path / "tiny-imagenet-200", [f"n{number:03d}" for number in range(200)], side=64)
    data = load("Tiny-ImageNet", str(tmp_path))
    assert (data.name, data.n_classes, data.x_train.shape) == ("tiny_imagenet", 200, (400, 64, 64, 3))
    inside = load("tiny_imagenet", str(tmp_path / "tiny-imagenet-200"))
    np.testing.assert_array_equal(inside.y_train, data.y_train)


def test_unusable_tiny_imagenet(tmp_path):
    write_tiny_imagenet(tmp_path)
    assert "must be (64, 64, 3)" in refusal(load, "tiny_imagenet", str(tmp_path))
    annotations = tmp_path / "val" / "val_annotations.txt"
    whole = annotations.read_text()
    for line in ("val_2.JPEG\tn03\t0\t0\t7\t7", "val_2.JPEG n01"):
        annotations.write_text(whole + line)
        message = refusal(load, "mine", str(tmp_path))
        assert f"{annotations}, line 3: must be a file and a class that has a folder in train" in message
    annotations.write_text("")
    assert f"{annotations} must hold a line for each test image" in refusal(load, "mine", str(tmp_path))
    annotations.write_text(whole)
    (tmp_path / "val" / "images" / "val_0.JPEG").unlink()
    assert "val_0.JPEG cannot be read as an image" in refusal(load, "mine", str(tmp_path))
    (tmp_path / "train" / "n03").mkdir()
    assert f"{tmp_path / 'train' / 'n03'}" in refusal(load, "mine", str(tmp_path))
    (tmp_path / "train").rename(tmp_path / "training")
    assert "must hold <class>/images/ folders" in refusal(load, "mine", str(tmp_path))


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


@pytest.fixture(scope="module")
def dishes(tmp_path_factory):
    """A folder where TensorFlow Datasets has prepared a food101 of three pictures of different sizes; the pictures."""
    tfds = pytest.importorskip("tensorflow_datasets")
    tfds.disable_progress_bar()
    folder = tmp_path_factory.mktemp("dishes")
    pictures = [np.full(shape, 60 * row, np.uint8) for row, shape in enumerate([(20, 30, 3), (40, 24, 3), (16, 16, 3)])]

    def rows():
        for number, picture in enumerate(pictures):
            yield {"image": picture, "label": 100 - number}

    features = tfds.features.FeaturesDict(
        {"image": tfds.features.Image(encoding_format="png"), "label": tfds.features.ClassLabel(num_classes=101)}
    )
    signature = {"image": tf.TensorSpec((None, None, 3), tf.uint8), "label": tf.TensorSpec((), tf.int64)}
    tfds.dataset_builders.store_as_tfds_dataset(
        name="food101",
        version="2.0.0",
        features=features,
        split_datasets={
            part: tf.data.Dataset.from_generator(rows, output_signature=signature) for part in ("train", "validation")
        },
        data_dir=folder,
    )
    return folder


def test_prepared_pictures_of_many_sizes_become_squares(dishes):
    data = load("Food-101", str(dishes), size=16)
    assert (data.name, data.n_classes, data.x_train.shape) == ("food101", 101, (3, 16, 16, 3))
    assert data.x_train.dtype == np.uint8
    assert {int(label): int(image.mean()) for image, label in zip(data.x_train, data.y_train, strict=True)} == {
        100: 0,
        99: 60,
        98: 120,
    }
    assert contents(data.x_test, data.y_test) == contents(data.x_train, data.y_train)


def test_squares_that_take_too_much_memory_are_refused(dishes, monkeypatch):
    monkeypatch.setattr("tfal.data.image_folders.MOST_BYTES", 6 * 3 * 16**2)
    assert load("food101", str(dishes), size=16).input_shape == (16, 16, 3)
    message = refusal(load, "food101", str(dishes), size=17)
    assert "the 6 images of food101 must take at most" in message
    assert "Lower --imageSize to at most 16" in message
    tfds = pytest.importorskip("tensorflow_datasets")
    builder = tfds.builder_from_directory(dishes / "food101" / "2.0.0")
    monkeypatch.setattr(tfds, "builder", lambda name: builder)
    assert refusal(load, "food101", size=17) == message  # before anything is downloaded


@pytest.mark.skipif(not SHARED_DATA.is_dir(), reason="the folder ../shared/data with the real data is not there")
def test_real_mnist_prepared_by_tensorflow_datasets(tmp_path, monkeypatch):
    tfds = pytest.importorskip("tensorflow_datasets")
    tfds.disable_progress_bar()
    n_train, n_test = 3000, 700  # of each part the first: all 70,000 take a minute
    builders = "tensorflow_datasets.image_classification.mnist"
    monkeypatch.setattr(f"{builders}._TRAIN_EXAMPLES", n_train)
    monkeypatch.setattr(f"{builders}._TEST_EXAMPLES", n_test)
    config = tfds.download.DownloadConfig(manual_dir=SHARED_DATA / "mnist")
    tfds.builder("mnist", data_dir=tmp_path).download_and_prepare(download_config=config)
    ours, theirs = load("mnist", str(SHARED_DATA)), load("mnist", str(tmp_path))
    assert theirs.class_names == tuple("0123456789")
    assert contents(ours.x_train[:n_train], ours.y_train[:n_train]) == contents(theirs.x_train, theirs.y_train)
    assert contents(ours.x_test[:n_test], ours.y_test[:n_test]) == contents(theirs.x_test, theirs.y_test)

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
