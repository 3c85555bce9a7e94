import os

import numpy as np
import pytest

from tests.conftest import SHARED_DATA
from tests.data.test_data import refusal
from tfal.data.listing import Listing, class_names, from_list, from_tree

FILES = ("train/b/2.JPEG", "train/b/10.jpg", "train/a/x.PNG", "train/a/ü 1.bmp", "val/b/v.gif")


@pytest.fixture
def root(tmp_path):
    """FILES, each as large as its place in the list, beside what is no image."""
    for size, name in enumerate((*FILES, "train/a/notes.txt", "train/a/.x.png", "train/.git/a.png", "train/sums.txt")):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"x" * size)
    (tmp_path / "train" / "a" / "folder.png").mkdir()
    return tmp_path


def listed(folder, *lines, classes=(), n_classes=None):
    (folder / "list.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return from_list(folder / "list.txt", classes, n_classes)


def test_tree_is_sorted_by_class_and_file(root):
    found = from_tree(root, "train", class_names(root / "train"))
    names = [os.fsdecode(path) for path in found.paths]
    assert names == ["train/a/x.PNG", "train/a/ü 1.bmp", "train/b/10.jpg", "train/b/2.JPEG"]
    assert (found.labels.tolist(), found.labels.dtype) == ([0, 0, 1, 1], np.int64)
    assert (len(found), found.shape) == (4, (4, 224, 224, 3))
    assert found.path(1) == root / "train" / "a" / "ü 1.bmp"
    assert found.file_sizes(np.array([3, 0, 2])).tolist() == [0, 2, 1]


def test_a_test_tree_need_not_show_every_class(root):
    found = from_tree(root, "val", ("a", "b", "c"), size=64)
    assert (found.labels.tolist(), found.shape) == ([1], (1, 64, 64, 3))


def test_class_folders_must_hold_images(root):
    (root / "train" / "c").mkdir()
    message = refusal(from_tree, root, "train", class_names(root / "train"))
    assert f"Received: none in {root / 'train' / 'c'}" in message
    assert "must hold <class>/<image> files" in refusal(from_tree, root, "gone", ("a",))
    assert class_names(root / "gone") == ()


def test_list_is_sorted_by_label_and_path(root):
    found = listed(root, "train/b/2.JPEG 0", "", "train/a/ü 1.bmp 1", "train/b/10.jpg   0", " train/a/x.PNG\t 1 ")
    assert [os.fsdecode(path) for path in found.paths] == [
        "train/b/10.jpg",
        "train/b/2.JPEG",
        "train/a/x.PNG",
        "train/a/ü 1.bmp",
    ]
    assert found.labels.tolist() == [0, 0, 1, 1]


def test_list_and_tree_give_the_same_ids(root):
    tree = from_tree(root, "train", ("a", "b"))
    lines = [f"{name} {int('/b/' in name)}" for name in FILES[:4]]
    found = listed(root, *lines, classes=("a", "b"), n_classes=2)
    assert found.fingerprint() == tree.fingerprint()


@pytest.mark.parametrize(
    ("line", "part"),
    [
        ("train/a/x.PNG", "must be 'path label'"),
        ("train/a/x.PNG one", "must be 'path label'"),
        ("train/a/x.PNG -1", "must be 'path label'"),
        ("train/a/x.PNG 1.0", "Received: 'train/a/x.PNG 1.0'"),
        ("7", "must be 'path label'"),
        ("/etc/x.png 1", "must be 'path label', a path relative to"),
        ("train/a/x.PNG 2", "must be in 0..1. Received: 2"),
        ("train/a/x.PNG 99999999999999999999", "must be in 0..1. Received: 99999999999999999999"),
        ("train/a/x.PNG " + "9" * 5000, "must be in 0..1. Received: " + "9" * 30 + "."),
        ("./train/b/../b//2.JPEG 1", "train/b/2.JPEG stands in line 1 already. Remove one."),
        ("train/a/x.PNG 1", "must be 0, the place of the folder a"),
        ("train/a/gone.png 0", "gone.png is not there"),
        ("train/a/folder.png 0", "folder.png is not there"),
        ("train/b/2.JPEG 1", "stands in line 1 already"),
    ],
)
def test_bad_lines_are_named(root, line, part):
    message = refusal(listed, root, "train/b/2.JPEG 1", "", line, classes=("a", "b"), n_classes=2)
    assert message.startswith(f"{root / 'list.txt'}, line 3: ")
    assert part in message


def test_one_file_by_two_names(root):
    """By `.`, by a link and by a hard link: one label is a repeated picture, two labels a contradiction."""
    for name, make in (("train/a/soft.png", os.symlink), ("train/a/hard.png", os.link)):
        make(root / "train" / "a" / "x.PNG", root / name)
        assert len(listed(root, "train/a/x.PNG 0", f"{name} 0")) == 2
        message = refusal(listed, root, "train/a/x.PNG 0", f"{name} 1")
        assert f"line 2: {name} stands in line 1 already as train/a/x.PNG. Remove one." in message
    for labels in ("00", "01"):
        message = refusal(listed, root, f"train/a/x.PNG {labels[0]}", f"./train/a/x.PNG {labels[1]}")
        assert "line 2: train/a/x.PNG stands in line 1 already. Remove one." in message


def test_lists_as_others_write_them(root):
    lines = ["\ufeff./train/a/x.PNG 0", "train/a/u\u0308 1.bmp\t0", "train/b/10.jpg,1", "train/b/2.JPEG, 1"]
    found = listed(root, *lines, classes=("a", "b"))
    assert [os.fsdecode(path) for path in found.paths] == [
        "train/a/x.PNG",
        "train/a/ü 1.bmp",
        "train/b/10.jpg",
        "train/b/2.JPEG",
    ]
    assert found.labels.tolist() == [0, 0, 1, 1]
    assert "must be in 0..999999. Received: 1000000" in refusal(listed, root, "train/a/x.PNG 1000000")


def test_bad_lists(root):
    assert "Received: none" in refusal(listed, root)
    (root / "list.txt").write_bytes(b"\xff\xfe a 1")
    assert "list.txt cannot be read as UTF-8 text" in refusal(from_list, root / "list.txt", ())


def test_fingerprint_follows_from_names_labels_and_sizes(root):
    tree = from_tree(root, "train", ("a", "b"))
    found = [
        tree.fingerprint(),
        from_tree(root, "train", ("b", "a")).fingerprint(),
        tree.without(np.array([2])).fingerprint(),
        from_tree(root, "train", ("a", "b"), size=64).fingerprint(),
    ]
    (root / "train" / "a" / "x.PNG").write_bytes(b"more")
    found.append(tree.fingerprint())
    assert len(set(found)) == 5
    (root / "train" / "a" / "x.PNG").unlink()
    assert "x.PNG cannot be read (No such file or directory)" in refusal(tree.fingerprint)


def test_joined_has_the_folder_of_both(root, monkeypatch):
    first, second = from_tree(root, "train", ("a", "b")), from_tree(root, "val", ("b",))
    other = Listing(str(root / "val"), np.array([b"b/v.gif"]), np.array([0]))
    labels = np.array([0, 0, 1, 1, 2])
    for found in (first.joined(second, labels), first.joined(other, labels)):
        assert found.labels.tolist() == labels.tolist()
        assert [found.path(row).resolve() for row in (0, 4)] == [first.path(0), second.path(0)]
    monkeypatch.chdir(root)
    relative = Listing("val", np.array([b"b/v.gif"]), np.array([0]))
    assert first.joined(relative, labels).path(4).resolve() == second.path(0)


@pytest.mark.skipif(not SHARED_DATA.is_dir(), reason="the folder ../shared/data with the real data is not there")
def test_real_tree():
    root = SHARED_DATA / "imagenette-mini"
    found = from_tree(root, "train", class_names(root / "train"))
    assert np.bincount(found.labels).tolist() == [100] * 10
    assert (np.diff(found.labels) >= 0).all()
    assert found.paths.tolist() == sorted(found.paths.tolist())
