import dataclasses
import http.server
import os
import re
import socket
import sys
import threading
from typing import ClassVar

import numpy as np
import pytest

from tests.conftest import SHARED_DATA
from tfal.data import DATASETS, Dataset, fingerprint, from_arrays, load, with_unknown
from tfal.data.class_lists import CIFAR100_NAMES, cifar20_table
from tfal.data.dataset import ENVIRONMENT
from tfal.data.listing import from_tree
from tfal.data.prints import comparable
from tfal.data.way_out import check_way_out
from tfal.errors import InputError

RNG = np.random.default_rng(0)
ARRAYS = {
    "x_train": RNG.integers(0, 256, (12, 5, 4, 3), dtype=np.uint8),
    "y_train": np.arange(12) % 3,
    "x_test": RNG.integers(0, 256, (6, 5, 4, 3), dtype=np.uint8),
    "y_test": np.arange(6) % 3,
}


def refusal(call, *args, **kwargs):
    """The message of the InputError that a call must end in: one line."""
    with pytest.raises(InputError) as caught:
        call(*args, **kwargs)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def arrays(**changes):
    return from_arrays("mine", **(ARRAYS | changes))


def test_digits(digits):
    assert (digits.name, digits.input_shape, digits.n_classes) == ("digits", (8, 8, 1), 10)
    assert (digits.x_train.shape, digits.x_test.shape) == ((1437, 8, 8, 1), (360, 8, 8, 1))
    assert (digits.x_train.dtype, digits.y_train.dtype) == (np.uint8, np.int64)
    assert (digits.x_train.min(), digits.x_train.max()) == (0, 255)
    assert digits.class_names == tuple("0123456789")
    shares = np.bincount(digits.y_test) / np.bincount(np.concatenate([digits.y_train, digits.y_test]))
    assert np.abs(shares - 0.2).max() < 0.005


def test_digits_split_is_fixed(digits):
    assert fingerprint(digits).startswith("ac3eb2e10caa5cba-")


def test_digits_need_no_folder(tmp_path, digits):
    assert fingerprint(load("digits", str(tmp_path / "nowhere"))) == fingerprint(digits)


def test_known_names_in_any_spelling(digits):
    assert load("Digits").name == "digits"


@pytest.mark.parametrize("name", ["", "a/b", "..", ".hidden", "a b"])
def test_names_that_are_no_names(name):
    assert "Received: " + repr(name) in refusal(load, name)


def test_known_data_sets_have_shapes_and_classes():
    assert DATASETS["mnist"][:2] == ((28, 28, 1), 10)
    assert DATASETS["cifar10"][:2] == ((32, 32, 3), 10)


def test_data_set_is_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        arrays().name = "other"


def test_own_arrays():
    data = arrays()
    assert isinstance(data, Dataset)
    assert (data.n_classes, data.input_shape, data.class_names) == (3, (5, 4, 3), None)
    assert arrays(class_names=("a", "b", "c")).n_classes == 3
    np.testing.assert_array_equal(data.x_train, ARRAYS["x_train"])


@pytest.mark.parametrize("dtype", [np.int64, np.float32, np.float64, np.uint16])
def test_whole_numbers_become_uint8(dtype):
    data = arrays(x_train=ARRAYS["x_train"].astype(dtype))
    assert data.x_train.dtype == np.uint8
    np.testing.assert_array_equal(data.x_train, ARRAYS["x_train"])


def test_grey_images_get_a_channel():
    data = arrays(x_train=ARRAYS["x_train"][..., 0], x_test=ARRAYS["x_test"][..., :1])
    assert data.input_shape == (5, 4, 1)


@pytest.mark.parametrize("dtype", [np.uint8, np.int32, np.uint64])
def test_column_labels_become_int64(dtype):
    data = arrays(y_train=ARRAYS["y_train"][:, None].astype(dtype))
    assert (data.y_train.shape, data.y_train.dtype) == ((12,), np.int64)


def changed(key, row, value):
    array = ARRAYS[key].astype(np.result_type(ARRAYS[key], type(value)))
    array[row] = value
    return {key: array}


@pytest.mark.parametrize(
    ("changes", "parts"),
    [
        (changed("x_train", 7, np.nan), ["x_train", "NaN, first in image 7"]),
        (changed("x_test", 2, -np.inf), ["x_test", "infinity, first in image 2"]),
        (
            {"x_train": ARRAYS["x_train"] / 255},
            ["whole numbers in 0..255", "float64 in 0..1", "np.rint(255 * x)"],
        ),
        ({"x_train": ARRAYS["x_train"] / 2}, ["whole numbers", "float64 in 0..127.5"]),
        ({"x_train": (ARRAYS["x_train"] > 127).astype(float)}, ["float64 in 0..1"]),
        ({"x_train": ARRAYS["x_train"] > 127}, ["uint8", "Received: bool"]),
        (changed("x_train", 0, 256), ["int64 in 0..256"]),
        (changed("x_train", 0, -1), ["int64 in -1..255"]),
        ({"x_train": ARRAYS["x_train"][0, 0]}, ["(N, H, W, C)", "Received: (4, 3)"]),
        (
            {"x_train": ARRAYS["x_train"][:0], "y_train": ARRAYS["y_train"][:0]},
            ["at least one", "(0, 5, 4, 3)"],
        ),
        ({"x_test": ARRAYS["x_test"][:, :4]}, ["must be (5, 4, 3)", "x_test", "(4, 4, 3)"]),
        ({"y_train": ARRAYS["y_train"].astype(float)}, ["y_train", "integers", "float64"]),
        ({"y_train": np.eye(3, dtype=int)[ARRAYS["y_train"]]}, ["(N,) or (N, 1)", "(12, 3)", "argmax"]),
        ({"y_train": ARRAYS["y_train"][:-1]}, ["each of 12 images", "Received: 11"]),
        (changed("y_train", 0, -1), ["0..2", "Received: -1..2"]),
        (changed("y_test", 0, 3), ["y_test", "0..2", "Received: 0..3"]),
        ({"y_train": ARRAYS["y_train"] + 1}, ["Received: 1 without one", "from 0"]),
        ({"class_names": ("a", "b")}, ["y_train", "0..1"]),
        ({"class_names": "abc"}, ["class_names must be a tuple of names", "'abc'"]),
        ({"x_train": [np.zeros((4, 4)), np.zeros((5, 4))]}, ["x_train must be one array", "several sizes"]),
        ({"x_train": None}, ["x_train", "Received: ()"]),
        ({"y_train": None}, ["y_train", "Received: ()"]),
    ],
)
def test_unusable_arrays_are_refused(changes, parts):
    message = refusal(arrays, **changes)
    assert [part for part in parts if part not in message] == []


@pytest.mark.parametrize("name", ["../mine", "", "a b", None, 3, ("a",)])
def test_a_name_is_one_that_a_folder_can_have(name):
    for call in (load, lambda name: from_arrays(name, **ARRAYS)):
        assert "name must be letters, digits" in refusal(call, name)


def test_class_names_may_be_a_list():
    assert fingerprint(arrays(class_names=["a", "b", "c"])) == fingerprint(arrays(class_names=("a", "b", "c")))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"data_dir": 3}, "data_dir must be the path of a folder. Received: a int"),
        ({"size": 0}, "size must be a whole number >= 1 [pixels]. Received: 0"),
        ({"size": 224.0}, "Received: 224.0"),
        ({"max_pixels": 0}, "max_pixels must be a whole number >= 1 [pixels]. Received: 0"),
        ({"size": (32, 32)}, "Received: (32, 32)"),
    ],
)
def test_arguments_of_load_are_checked(options, message):
    assert message in refusal(load, "mine", **options)


@pytest.mark.parametrize(
    "images",
    [
        np.linspace(200, 4000, 720).reshape(12, 5, 4, 3).astype(np.uint16),
        np.linspace(-1, 1, 720, dtype=np.float32).reshape(12, 5, 4, 3),
        np.linspace(0, 1, 720).reshape(12, 5, 4, 3),
        np.linspace(0, 254.5, 720).reshape(12, 5, 4, 3),
        np.linspace(-1024, 3071, 720).reshape(12, 5, 4, 3).astype(np.int16),
        np.arange(720).reshape(12, 5, 4, 3) > 300,
    ],
)
def test_the_advice_in_the_message_keeps_the_order_of_values(images):
    """Followed to the letter, it gives accepted images in which nothing has wrapped round."""
    message = refusal(arrays, x_train=images)
    advice = re.search(r"(np\.rint.*?\.astype\(np\.uint8\)|255 \* x\.astype\(np\.uint8\))", message)[1]
    limits = re.search(r"low, high = (\S+), (\S+), or better", message)
    values = {"low": float(limits[1]), "high": float(limits[2])} if limits else {}
    scaled = eval(advice, {"np": np, "x": images, **values})
    assert scaled.dtype == np.uint8
    assert (np.diff(scaled.ravel().astype(int)) >= 0).all()
    assert (scaled.min(), scaled.max()) == (0, 254 if images.max() == 254.5 else 255)
    assert arrays(x_train=scaled).x_train is scaled
    beyond = eval(advice, {"np": np, "x": images[:1] * 2, **values}) if limits else scaled  # a brighter test image
    assert beyond.max() <= 255


def test_images_that_are_black_are_said(capsys):
    arrays(x_train=(ARRAYS["x_train"] > 127).astype(np.uint8))
    assert "x_train of the given arrays: the largest value is 1 of 255, so all images are black" in (
        capsys.readouterr().err
    )
    arrays(x_train=255 * (ARRAYS["x_train"] > 127).astype(np.int64))
    assert capsys.readouterr().err == ""


def test_labels_beyond_int64():
    assert f"Received: {2**63}." in refusal(arrays, y_train=np.full(12, 2**63, np.uint64))


def test_whole_labels_that_are_floats_say_so():
    assert "They are whole: give y.astype(int)" in refusal(arrays, y_train=ARRAYS["y_train"].astype(float))
    assert "Convert them to class numbers" in refusal(arrays, y_train=ARRAYS["y_train"] / 2)


def test_known_names_must_have_their_shape_and_classes():
    assert "images of 'cifar10' must be (32, 32, 3)" in refusal(from_arrays, "cifar10", **ARRAYS)
    mnist = {key: np.resize(a, (len(a), 28, 28, 1)) if a.ndim > 1 else a for key, a in ARRAYS.items()}
    assert from_arrays("mnist", **mnist).n_classes == 10
    assert "0..9. Received: 0..10" in refusal(from_arrays, "mnist", **(mnist | {"y_test": np.arange(6) * 2}))
    assert "has 10 classes. Received: names of 3" in refusal(from_arrays, "mnist", **mnist, class_names=("a", "b", "c"))


def test_fingerprint_tells_data_apart():
    def shown(**changes):
        return fingerprint(arrays(**changes))

    assert shown() == shown(x_train=np.asfortranarray(ARRAYS["x_train"].astype(float)))
    others = [
        shown(),
        fingerprint(from_arrays("other", **ARRAYS)),
        shown(y_train=ARRAYS["y_train"][::-1]),
        shown(x_train=ARRAYS["x_train"][::-1]),
        shown(x_test=ARRAYS["x_test"][:5], y_test=ARRAYS["y_test"][:5]),
        shown(class_names=("a", "b", "c")),
    ]
    assert len(set(others)) == len(others)
    assert all(re.fullmatch("[0-9a-f]{16}-[0-9a-f]{16}", one) for one in others)


@pytest.mark.parametrize("part", ["x_train", "x_test"])
def test_a_single_changed_value_is_noticed(part):
    """Of 2,000 images, of which a sample would be some 256."""
    images = {"x_train": np.zeros((2000, 3, 2, 1), np.uint8), "x_test": np.zeros((1500, 3, 2, 1), np.uint8)}
    labels = {"y_train": np.arange(2000) % 3, "y_test": np.arange(1500) % 3}
    found = {fingerprint(from_arrays("mine", **images, **labels))}
    for row in (1, 777, -1):
        changed = images[part].copy()
        changed[row, 2, 1, 0] = 1
        found.add(fingerprint(from_arrays("mine", **(images | {part: changed}), **labels)))
    assert len(found) == 4


def test_fingerprints_of_earlier_versions_are_compared_by_what_they_tell():
    assert comparable(["a-b", "a-b"]) == ["a-b", "a-b"]
    assert comparable(["a-b", "a-c"]) == ["a-b", "a-c"]
    assert comparable(["a", "a-c"]) == ["a", "a"]
    assert comparable(["a", "b-c", "b-d"]) == ["a", "b", "b"]
    assert comparable([None, "a-c"]) == [None, "a-c"]


def listed(folder, name, classes=("ant", "bee")):
    """A Dataset of empty files, which are never decoded."""
    for part in ("train", "test"):
        for one in classes:
            (folder / name / part / one).mkdir(parents=True)
            (folder / name / part / one / "a.jpg").write_bytes(part.encode())
    x_train, x_test = (from_tree(folder / name, part, classes) for part in ("train", "test"))
    return Dataset(name, x_train, x_train.labels, x_test, x_test.labels, classes)


def test_files_instead_of_arrays(tmp_path):
    data = listed(tmp_path, "mine")
    assert (data.n_classes, data.input_shape, data.corrupt.tolist()) == (2, (224, 224, 3), [])
    found = fingerprint(data)
    assert len(found) == 33
    (tmp_path / "mine").rename(tmp_path / "moved")
    moved = dataclasses.replace(
        data,
        **{part: dataclasses.replace(getattr(data, part), root=tmp_path / "moved") for part in ("x_train", "x_test")},
    )
    assert fingerprint(moved) == found
    others = [
        dataclasses.replace(moved, y_train=moved.y_train[::-1]),
        dataclasses.replace(moved, corrupt=np.array([1])),
        dataclasses.replace(moved, x_test=dataclasses.replace(moved.x_test, size=32)),
        dataclasses.replace(moved, x_test=moved.x_test.without([0]), y_test=moved.y_test[1:]),
    ]
    assert len({found, *map(fingerprint, others)}) == 5


def test_changed_files_are_noticed(tmp_path, monkeypatch):
    data = listed(tmp_path, "mine")
    path, whole = tmp_path / "mine" / "test" / "bee" / "a.jpg", fingerprint(data)
    os.utime(path, (0, 0))  # as a copy of the folder would
    assert fingerprint(data) == whole
    found = {whole}
    for content in (b"TEST", b"longer"):
        path.write_bytes(content)
        found.add(fingerprint(data))
    monkeypatch.setattr("tfal.data.prints.CONTENTS", 5)  # too much to be read: names and sizes of all, and a sample
    monkeypatch.setattr("tfal.data.prints._SAMPLE", 1)
    sampled = fingerprint(data)
    path.write_bytes(b"LONGER")
    assert fingerprint(data) == sampled  # the same size, not in the sample: not noticed, as documented
    path.write_bytes(b"other")
    assert len(found | {sampled, fingerprint(data)}) == 4 + (sampled not in found)
    path.unlink()
    assert "a.jpg cannot be read (No such file or directory). Bring it back." in refusal(fingerprint, data)


def test_files_of_unknown_classes_come_behind(tmp_path):
    data, other = listed(tmp_path, "mine"), listed(tmp_path, "others", ("eel", "fly", "gnu"))
    data = dataclasses.replace(data, corrupt=np.array([1]))
    both = with_unknown(data, dataclasses.replace(other, corrupt=np.array([0, 2])))
    assert (both.y_train.tolist(), both.n_classes, both.corrupt.tolist()) == ([0, 1, 2, 2, 2], 2, [1, 2, 4])
    assert both.x_train.labels.tolist() == both.y_train.tolist()
    assert both.x_train.path(1) == tmp_path / "mine" / "train" / "bee" / "a.jpg"
    assert both.x_train.path(4) == tmp_path / "others" / "train" / "gnu" / "a.jpg"
    assert both.x_test is data.x_test


def test_files_and_arrays_cannot_be_joined(tmp_path):
    square = {key: np.resize(a, (len(a), 224, 224, 3)) if a.ndim > 1 else a for key, a in ARRAYS.items()}
    message = refusal(with_unknown, from_arrays("theirs", **square), listed(tmp_path, "mine"))
    assert "must both be arrays or both be files. Received: files of mine only" in message


def test_unknown_name_without_a_folder():
    message = refusal(load, "minst")
    assert message.startswith(
        "unknown dataset 'minst'. Did you mean 'mnist'? Valid: "
        "cifar10, cifar100, cifar20, digits, food101, imagenet, imagenet_lt, mnist, svhn, tiny_imagenet."
    )
    assert "minst.npz" in message
    assert "run_tabular.py, whose flags csv and label name the file and the column." in message
    assert "--dataDir" in message


def test_nothing_in_the_folder(tmp_path):
    message = refusal(load, "mnist", str(tmp_path))
    assert message.startswith("dataset 'mnist' is not at hand")
    ways = [
        str(tmp_path),
        "--dataDir",
        ENVIRONMENT,
        "mnist.npz",
        "train-images-idx3-ubyte.gz",
        "train/<class>/",
    ]
    assert [way for way in ways if way not in message] == []
    assert "idx3" not in refusal(load, "cifar10", str(tmp_path))
    assert "unknown dataset 'mine'" in refusal(load, "mine", str(tmp_path))


def test_tiny_imagenet_is_not_downloaded(tmp_path):
    for folder in (None, str(tmp_path)):
        message = refusal(load, "tiny_imagenet", folder)
        assert "its folder tiny-imagenet-200/" in message
        assert "TensorFlow Datasets" not in message


def test_no_such_folder(tmp_path):
    (tmp_path / "file").touch()
    for name in ("gone", "file"):
        message = refusal(load, "mnist", str(tmp_path / name))
        assert f"must be an existing folder. Received: {tmp_path / name}" in message


def test_whatever_the_system_answers_is_one_line(tmp_path, monkeypatch):
    def fail(*_):
        raise PermissionError(13, "Permission denied", "some/file")

    monkeypatch.setattr("tfal.data.formats.read_lists", fail)
    message = refusal(load, "mine", str(tmp_path))
    assert message == "some/file cannot be read (Permission denied). Mend it, or give another --dataDir."


def test_environment_names_the_folder(tmp_path, monkeypatch):
    np.savez(tmp_path / "mine.npz", **ARRAYS)
    monkeypatch.setenv(ENVIRONMENT, str(tmp_path))
    assert load("mine").n_classes == 3
    (tmp_path / "empty").mkdir()
    assert "unknown dataset" in refusal(load, "mine", str(tmp_path / "empty"))


def raise_offline(*_, **__):
    raise OSError("Failed to resolve\nthe host")


def test_offline_ends_in_one_line(monkeypatch):
    tfds = pytest.importorskip("tensorflow_datasets")
    monkeypatch.setattr(tfds, "builder", raise_offline)
    message = refusal(load, "cifar10")
    parts = [
        "TensorFlow Datasets did not get it",
        "OSError: Failed to resolve the host",
        "--dataDir",
        "cifar10.npz",
    ]
    assert [part for part in parts if part not in message] == []


@pytest.fixture
def server():
    """The address of a server on this machine that answers every request with 404."""
    with http.server.HTTPServer(("127.0.0.1", 0), http.server.BaseHTTPRequestHandler) as found:
        thread = threading.Thread(target=found.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{found.server_port}"
        found.shutdown()


def closed_port():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{found.getsockname()[1]}"


def test_any_answer_is_a_way_out(server, monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1,localhost")
    check_way_out([])
    check_way_out([f"{server}/a.gz", f"{server}/b.gz"], 30)
    check_way_out([f"{closed_port()}/a.gz", server.replace("127.0.0.1", "localhost")], 30)  # one host of two
    with pytest.raises(ConnectionError, match=r"no way to 127\.0\.0\.1: ConnectionError"):
        check_way_out([closed_port()], 30)


def test_a_host_that_says_nothing_is_given_up(monkeypatch):
    monkeypatch.setattr("requests.head", lambda *_, **__: threading.Event().wait())
    with pytest.raises(ConnectionError, match=r"no way to example\.com: no answer within 0\.05 s"):
        check_way_out(["http://example.com/a", "http://example.com/b"], 0.05)


def test_no_network_ends_in_one_line(monkeypatch, tmp_path):
    """Before TensorFlow Datasets tries, which takes minutes."""
    tfds = pytest.importorskip("tensorflow_datasets")

    class Builder:
        url_infos: ClassVar = {closed_port(): None}
        info = type("Info", (), {"splits": {}})

        def is_prepared(self):
            return False

        def download_and_prepare(self):
            raise AssertionError("it was asked to download")

    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr(tfds, "builder", lambda name: Builder())
    message = refusal(load, "cifar10")
    assert "TensorFlow Datasets did not get it (ConnectionError: no way to 127.0.0.1" in message
    assert "cifar10.npz" in message


def test_without_tensorflow_datasets(monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorflow_datasets", None)
    assert "ModuleNotFoundError" in refusal(load, "mnist")


@pytest.mark.skipif(not SHARED_DATA.is_dir(), reason="the folder ../shared/data with the real data is not there")
def test_real_data():
    for name, counts in {"mnist": (60000, 10000), "cifar10": (50000, 10000)}.items():
        data = load(name, str(SHARED_DATA))
        assert (len(data.y_train), len(data.y_test)) == counts
        assert len(np.unique(data.y_train)) == data.n_classes == 10


def cifar100(folder, **changes):
    """Arrays in Keras' layout with each of the 100 classes once."""
    arrays = {f"x_{part}": RNG.integers(0, 256, (100, 32, 32, 3), dtype=np.uint8) for part in ("train", "test")}
    arrays |= {"y_train": np.arange(100)[:, None], "y_test": np.arange(99, -1, -1)}
    np.savez(folder / "cifar100.npz", **(arrays | changes))


def test_the_super_classes_of_cifar100(tmp_path):
    """The table as it is published by number, for classes in alphabetical order."""
    published = (
        "4 1 14 8 0 6 7 7 18 3 3 14 9 18 7 11 3 9 7 11 6 11 5 10 7 6 13 15 3 15 0 11 1 10 12 14 16 9 11 5 5 "
        "19 8 8 15 13 14 17 18 10 16 4 17 4 2 0 17 4 18 17 10 3 2 12 12 16 12 1 9 19 2 10 0 1 16 12 9 13 15 "
        "13 16 19 2 4 6 19 5 5 8 19 18 1 2 15 6 0 17 8 14 13"
    )
    cifar100(tmp_path)
    data, fine = load("cifar-20", str(tmp_path)), load("cifar100", str(tmp_path))
    assert " ".join(map(str, data.y_train)) == published
    assert data.y_test.tolist() == data.y_train[::-1].tolist()
    assert (data.name, data.n_classes, data.class_names[0], data.class_names[19]) == (
        ("cifar20", 20, "aquatic_mammals", "vehicles_2")
    )
    np.testing.assert_array_equal(data.x_train, fine.x_train)
    assert fingerprint(data) != fingerprint(fine)
    assert (len(CIFAR100_NAMES), CIFAR100_NAMES[0], CIFAR100_NAMES[8], CIFAR100_NAMES[99]) == (
        (100, "apple", "bicycle", "worm")
    )


def test_super_classes_need_the_classes_of_cifar100():
    assert np.bincount(cifar20_table(CIFAR100_NAMES)).tolist() == [5] * 20
    assert "Received: another order of them" in refusal(cifar20_table, CIFAR100_NAMES[::-1])
    numbers = tuple(sorted(map(str, range(100))))  # folders named by number, whose order is not that of the numbers
    assert "by their own names. Received: 0. Rename them" in refusal(cifar20_table, numbers)


def test_super_classes_of_data_that_are_not_there(tmp_path):
    assert "dataset 'cifar100' is not at hand" in refusal(load, "cifar20", str(tmp_path))
    cifar100(tmp_path, y_test=np.arange(100) + 1)
    assert "y_test" in refusal(load, "cifar20", str(tmp_path))
