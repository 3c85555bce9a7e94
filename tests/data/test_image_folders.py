"""Folders of images as people have them: files that are passed over, damaged, named otherwise, or lie elsewhere."""

import dataclasses
import itertools
import unicodedata

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image, ImageFile

from tests.data.test_data import refusal
from tests.data.test_formats import write_tiny_imagenet, write_tree
from tfal.data import load
from tfal.data.listing import Listing
from tfal.data.loading import load_for
from tfal.data.noticed import say_not_obeyed
from tfal.recipe import Recipe


def png(shape=(5, 4, 3)):
    return tf.io.encode_png(np.zeros(shape, np.uint8)).numpy()


def test_what_is_passed_over_is_counted_and_named(tmp_path, capsys):
    write_tree(tmp_path)
    ant = tmp_path / "train" / "ant"
    for name in ("1.tif", "2.TIF", "3.ppm", "raw", ".x.tif", "._a.png", ".DS_Store", "Thumbs.db", "Desktop.ini"):
        (ant / name).write_bytes(b"x")
    (tmp_path / "test" / "bee" / "4.tif").write_bytes(b"x")
    (ant / "session").mkdir()
    (ant / "session" / "5.png").write_bytes(png())
    (ant / "gone.png").symlink_to("nowhere.png")
    (ant / "loop.png").symlink_to("loop.png")
    (tmp_path / "train" / "loose.png").write_bytes(png())
    assert len(load("insects", str(tmp_path)).x_train) == 6
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("insects: passed over: ")
    test_first = f"3 x .tif ({tmp_path / 'test' / 'bee' / '4.tif'})"
    for part in (
        test_first,
        f"1 x .ppm ({ant / '3.ppm'})",
        f"1 x file without a suffix ({ant / 'raw'})",
        f"1 x folder inside a class folder ({ant / 'session'})",
        f"2 x dead link ({ant / 'gone.png'})",
        f"1 x image in no class folder ({tmp_path / 'train' / 'loose.png'})",
        "Read are .png, .jpg, .jpeg, .jfif, .bmp, .gif, .webp.",
    ):
        assert part in line
    assert "Thumbs" not in line
    assert ".x.tif" not in line


def test_nothing_is_said_of_a_tree_that_is_read_whole(tmp_path, capsys):
    write_tree(tmp_path)
    load("insects", str(tmp_path))
    assert capsys.readouterr().err == ""


def test_passed_over_in_tiny_imagenet_is_one_line(tmp_path, capsys):
    write_tiny_imagenet(tmp_path)
    for name in ("n01", "n02"):
        (tmp_path / "train" / name / "images" / "x.tif").write_bytes(b"x")
    load("mine", str(tmp_path))
    assert capsys.readouterr().err.splitlines()[0].startswith("mine: passed over: 2 x .tif")


def test_jfif_is_jpeg(tmp_path):
    write_tree(tmp_path)
    image = tf.constant(np.random.default_rng(0).integers(0, 256, (5, 4, 3), dtype=np.uint8))
    file = tmp_path / "train" / "ant" / "c.JFIF"
    file.write_bytes(tf.io.encode_jpeg(image).numpy())
    np.testing.assert_array_equal(load("insects", str(tmp_path)).x_train[2], tf.io.decode_jpeg(file.read_bytes()))


@pytest.mark.parametrize("name", ["valid", "validation"])
def test_other_names_of_the_test_part_are_read_and_said(tmp_path, capsys, name):
    write_tree(tmp_path, parts=("train", name))
    assert len(load("insects", str(tmp_path)).x_test) == 6
    assert f"insects: the test images are those of {tmp_path / name}." in capsys.readouterr().err


def test_a_test_folder_without_classes_is_not_the_test_part(tmp_path, capsys):
    write_tree(tmp_path, parts=("train", "val"))
    (tmp_path / "test").mkdir()
    (tmp_path / "test" / "unknown.png").write_bytes(png())
    assert len(load("insects", str(tmp_path)).x_test) == 6
    assert f"insects: the test images are those of {tmp_path / 'val'}." in capsys.readouterr().err


def test_classes_that_are_spelled_alike(tmp_path, capsys):
    write_tree(tmp_path, classes=("ant", "Ant"))
    assert load("insects", str(tmp_path)).class_names == ("Ant", "ant")
    assert "classes of their own, though spelled alike: Ant and ant" in capsys.readouterr().err
    write_tree(tmp_path / "other", classes=("bee",), parts=("train",))
    write_tree(tmp_path / "other", classes=("Bee",), parts=("test",))
    assert "Received: 'Bee' only there. It is 'bee' there: give both one name." in refusal(
        load, "x", str(tmp_path / "other")
    )


def test_accents_as_a_mac_writes_them(tmp_path):
    written, decomposed = "ü", unicodedata.normalize("NFD", "ü")
    write_tree(tmp_path, classes=(written, "a"), parts=("train",))
    write_tree(tmp_path, classes=(decomposed, "a"), parts=("test",))
    data = load("insects", str(tmp_path))
    assert (data.class_names, data.y_test.tolist()) == (("a", written), [0, 0, 1, 1])


def damaged(root, kind):
    """A data set "mine" of each kind in `root`; answers with its training and test files in the order of ids."""
    if kind == "tiny":
        write_tiny_imagenet(root)
        train = sorted((root / "train").rglob("*.JPEG"))
        return train, [root / "val" / "images" / f"val_{number}.JPEG" for number in (1, 0)]
    write_tree(root)
    if kind == "sizes":
        (root / "train" / "bee" / "b.png").write_bytes(png((9, 9, 3)))
    train, test = (
        [root / part / label / file for label in ("ant", "bee", "cat") for file in ("a.PNG", "b.png")]
        for part in ("train", "test")
    )
    if kind == "lists":
        for part, files in (("train", train), ("test", test)):
            lines = [f"{file.relative_to(root)} {row // 2}" for row, file in enumerate(files)]
            (root / f"mine_{part}.txt").write_text("\n".join(lines))
    return train, test


@pytest.mark.parametrize("kind", ["arrays", "sizes", "lists", "tiny"])
def test_damaged_files_are_left_out_of_every_kind_of_tree(tmp_path, kind, capsys):
    """The first file, one in the middle and the last of each part in turn, and two of them at once.

    Not all in turn where another kind is read by the same code: "sizes" is a list as "lists" is.
    """
    for places in ((1,), (0, -1)) if kind == "sizes" else ((0,), (1,), (-1,), (0, -1)):
        root = tmp_path / "_".join(map(str, places))
        train, test = damaged(root, kind)
        left_out = [train[place] for place in places] + [test[places[0]]]
        for row, path in enumerate(left_out):
            path.write_bytes(b"" if row % 2 else path.read_bytes()[:40])
        plain = Recipe(dataset="mine", data_dir=str(root), image_size=8)
        message = refusal(lambda plain=plain: list_all(load_for(plain)))
        assert any(message.startswith(f"{path} cannot be read as an image (") for path in left_out)
        capsys.readouterr()
        data = load_for(dataclasses.replace(plain, corrupt="skip"))
        assert isinstance(data.x_train, Listing) == (kind in ("sizes", "lists"))
        assert len(data.readable) == len(train) - len(places)
        assert len(data.x_test) == len(data.y_test) == len(test) - 1
        said = capsys.readouterr().err
        assert f"mine: training: {len(places)} of {len(train)} files cannot be read, the first is " in said
        assert f"mine: test: 1 of {len(test)} files cannot be read, the first is {left_out[-1]} (" in said
        assert list_all(data)


def list_all(data):
    """Reads every image that may be asked for."""
    from tfal.data.image_files import named_errors, open_images

    with named_errors():
        for images, ids in ((data.x_train, data.readable), (data.x_test, np.arange(len(data.y_test)))):
            for _ in open_images(images).batches(ids, 4):
                pass
    return True


@pytest.mark.parametrize(("kind", "part"), list(itertools.product(["arrays", "lists"], [0, 1])))
def test_nothing_left_of_a_part(tmp_path, kind, part):
    for path in damaged(tmp_path, kind)[part]:
        path.write_bytes(b"")
    recipe = Recipe(dataset="mine", data_dir=str(tmp_path), image_size=8, corrupt="skip")
    assert f"mine: {('training', 'test')[part]}: 6 of 6 files cannot be read" in refusal(load_for, recipe)


def test_orientation_and_transparency_are_said_once(tmp_path, capsys):
    write_tree(tmp_path)
    image, exif = Image.fromarray(np.full((5, 4, 3), 80, np.uint8)), Image.Exif()
    exif[0x0112] = 6
    for name in ("1.jpg", "2.jpg"):
        image.save(tmp_path / "train" / "ant" / name, exif=exif)
    exif[0x0112] = 1
    image.save(tmp_path / "train" / "ant" / "3.jpg", exif=exif)
    load("insects", str(tmp_path))
    (line,) = capsys.readouterr().err.splitlines()
    turned = tmp_path / "train" / "ant" / "1.jpg"
    assert line.startswith("insects: 2 of 15 files looked at note how the camera was held (EXIF), which is not obeyed")
    assert line.endswith(f"First: {turned}.")
    image.putalpha(0)
    image.save(tmp_path / "train" / "bee" / "c.png")
    load("insects", str(tmp_path), size=8)
    said = capsys.readouterr().err
    assert "1 of 16 files looked at have transparency, which is dropped" in said  # another shape: files
    assert said.count("EXIF") == 1
    write_tree(tmp_path / "clear", size=(5, 4, 4))
    assert load("insects", str(tmp_path / "clear")).input_shape == (5, 4, 4)
    assert "12 of 12 files looked at have transparency, which is channel 4" in capsys.readouterr().err


def test_looking_at_files_decodes_none(tmp_path, monkeypatch, capsys):
    paths = []
    for kind, mode in (("png", "P"), ("png", "RGBA"), ("jpg", "RGB"), ("webp", "RGBA"), ("gif", "RGB"), ("bmp", "RGB")):
        paths.append(tmp_path / f"{mode}.{kind}")
        Image.new(mode, (9, 9)).save(paths[-1])
    monkeypatch.setattr(ImageFile.ImageFile, "load", lambda *_: pytest.fail("it was decoded"))
    say_not_obeyed("mine", paths)
    paths = [tmp_path / name for name in ("moving.gif", "moving.png")]
    for path in paths:
        Image.new("L", (9, 9)).save(path, save_all=True, append_images=[Image.new("L", (9, 9), 200)])
    say_not_obeyed("mine", paths)
    assert f"mine: 2 of 2 files looked at hold several pictures, of which the first is read. First: {paths[0]}" in (
        capsys.readouterr().err
    )
    (tmp_path / "broken.jpg").write_bytes(b"\xff\xd8\xff")
    say_not_obeyed("mine", [tmp_path / "broken.jpg", tmp_path / "gone.png"])


def test_files_that_must_not_be_decoded_are_refused_at_the_start(tmp_path):
    """Where images stay in files, as here by two sizes, some of them are looked at before anything is trained."""
    write_tree(tmp_path)
    (tmp_path / "train" / "ant" / "a.PNG").write_bytes(png((9, 9, 3)))
    deep = tmp_path / "train" / "bee" / "c.png"
    deep.write_bytes(tf.io.encode_png(np.zeros((5, 4, 3), np.uint16)).numpy())
    assert refusal(load, "insects", str(tmp_path)).startswith(f"{deep} cannot be read as an image (16 bits")
    assert len(load("insects", str(tmp_path), skip_corrupt=True).x_train) == 7  # found later, by skip_corrupt


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        (("Train", "test"), "rename Train/ to train/."),
        (("Training", "Testing"), "rename Training/ to train/, rename Testing/ to test/."),
        (("training", "test"), "rename training/ to train/."),
        (("train", "Test"), "rename Test/ to test/."),
        (("train", "extra"), "train has no test images beside it, but extra/: add test/<class>/."),
        (("train",), "train has no test images beside it, but nothing else: add test/<class>/."),
        (
            (".",),
            "holds folders of images (ant, bee, cat) but no train/: move them there, and a part of each to test/.",
        ),
    ],
)
def test_folders_that_are_nearly_right_are_told_so(tmp_path, parts, message):
    write_tree(tmp_path / "insects", parts=parts)
    found = refusal(load, "insects", str(tmp_path))
    assert found.startswith(f"insects: {tmp_path / 'insects'}")
    assert message in found
    assert "unknown dataset" not in found
    (tmp_path / "insects").rename(tmp_path / "cifar10")
    assert message in refusal(load, "cifar10", str(tmp_path))


def test_a_class_without_images_says_what_it_holds(tmp_path):
    write_tree(tmp_path)
    other = tmp_path / "train" / "dog"
    (other / "session").mkdir(parents=True)
    (other / "a.tif").write_bytes(b"x")
    message = refusal(load, "insects", str(tmp_path))
    assert f"Received: none in {other}; passed over: 1 x .tif ({other / 'a.tif'}), 1 x folder inside a class" in message


def test_images_in_no_class_folder_and_an_archive_of_another_name_are_told(tmp_path):
    (tmp_path / "train").mkdir()
    (tmp_path / "test").mkdir()
    (tmp_path / "train" / "a.png").write_bytes(png())
    assert "train holds no class folders: sort its images into train/<class>/." in refusal(load, "mine", str(tmp_path))
    (tmp_path / "other").mkdir()
    np.savez(tmp_path / "other" / "theirs.npz", x=np.zeros(3))
    assert "other holds theirs.npz, which is read as --dataset theirs." in refusal(
        load, "mine", str(tmp_path / "other")
    )
