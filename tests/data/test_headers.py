"""What must not be decoded, and what is read of pictures in every format."""

import io

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from tests.data.test_data import refusal
from tfal.data import load, load_for
from tfal.data.decoding import as_stored, centre, decoded
from tfal.data.headers import checked, problem
from tfal.data.image_files import ImageFiles, named_errors
from tfal.data.listing import from_tree
from tfal.data.pictures import find_corrupt
from tfal.recipe import Recipe

WIDE, HIGH = 13, 8
PIXELS = np.random.default_rng(0).integers(0, 256, (HIGH, WIDE, 3), dtype=np.uint8)
DEEP = tf.io.encode_png(np.full((HIGH, WIDE, 1), 3000, np.uint16)).numpy()


def stored(kind, mode="RGB", **how):
    file = io.BytesIO()
    image = Image.fromarray(PIXELS).convert(mode)
    if mode == "RGBA":
        image.putalpha(100)
    image.save(file, kind, **how)
    return file.getvalue()


TURNED = [Image.fromarray(PIXELS[::-1])]
KINDS = {
    "png": stored("PNG"),
    "palette png": stored("PNG", "P"),
    "jpeg": stored("JPEG"),
    "gif": stored("GIF"),
    "animated gif": stored("GIF", save_all=True, append_images=TURNED),
    "bmp": stored("BMP"),
    "lossy webp": stored("WEBP"),
    "lossless webp": stored("WEBP", lossless=True),
    "extended webp": stored("WEBP", "RGBA", exif=b"Exif\0\0"),
}


@pytest.mark.parametrize("kind", KINDS)
def test_pixels_are_counted_before_anything_is_decoded(kind):
    data = tf.constant(KINDS[kind])
    assert problem(data, HIGH * WIDE).numpy() == b""
    assert checked(data, HIGH * WIDE).numpy() == KINDS[kind]
    found = problem(data, HIGH * WIDE - 1).numpy().decode()
    assert found.startswith(f"{HIGH} x {WIDE} pixels are more than --maxPixels {HIGH * WIDE - 1}")
    with pytest.raises(tf.errors.InvalidArgumentError):
        checked(data, HIGH * WIDE - 1)


def test_huge_headers_are_refused_without_a_picture_behind_them():
    png = KINDS["png"][:16] + np.array([20_000, 20_000], ">u4").tobytes() + KINDS["png"][24:]
    bmp = KINDS["bmp"][:18] + np.array([30_000, -20_000], "<i4").tobytes() + KINDS["bmp"][26:]
    assert problem(tf.constant(png)).numpy().startswith(b"20000 x 20000 pixels")
    assert problem(tf.constant(bmp)).numpy().startswith(b"20000 x 30000 pixels")


@pytest.mark.parametrize("data", [b"", b"\x89PNG", b"RIFF", b"GIF8", b"BM", b"no picture" * 9])
def test_headers_of_what_is_no_picture(data):
    assert problem(tf.constant(data)).numpy() == b""  # the decoder says what is wrong


def test_what_decoders_get_wrong_is_refused():
    assert problem(tf.constant(DEEP)).numpy().startswith(b"16 bits a channel, of which 8 would be lost")
    moving = stored("WEBP", save_all=True, append_images=TURNED)
    assert problem(tf.constant(moving)).numpy() == b"an animation in WebP"  # TensorFlow 2.21 writes over its memory


@pytest.mark.parametrize(("mode", "channels"), [("RGB", 3), ("RGBA", 4)])
@pytest.mark.parametrize("lossless", [False, True])
def test_webp(mode, channels, lossless):
    data = stored("WEBP", mode, lossless=lossless)
    expected = np.asarray(Image.open(io.BytesIO(data)).convert(mode))
    found = [as_stored(tf.constant(data), 0), as_stored(tf.constant(data), 3), decoded(tf.constant(data))]
    assert [image.shape[2] for image in found] == [channels, 3, 3]
    for image in found:
        np.testing.assert_array_equal(image, expected[..., : image.shape[2]])
    assert centre(tf.constant(data), 7).shape == (7, 7, 3)


@pytest.mark.parametrize("start", [b"\xff\x0a", b"\0\0\0\x0cJXL \r\n\x87\n"])
def test_jpeg_xl_is_refused(start):
    assert problem(tf.constant(start + b"x" * 40)).numpy().startswith(b"JPEG XL")


def write_tree(root, files):
    """files: path below root -> content."""
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)
    return root


def read(files, ids):
    with named_errors():
        list(files.batches(ids, 1))


def test_deep_pictures_are_refused_in_arrays_and_in_files(tmp_path):
    root = write_tree(tmp_path, {"train/a/x.png": DEEP, "train/b/y.png": KINDS["png"], "test/a/z.png": KINDS["png"]})
    message = refusal(load, "mine", str(root))
    assert message.startswith(f"{root / 'train' / 'a' / 'x.png'} cannot be read as an image (16 bits a channel")
    assert refusal(read, ImageFiles(from_tree(root, "train", ("a", "b"), 8)), [1, 0]) == message


def test_max_pixels_reach_arrays_and_files(tmp_path):
    small, large = stored("PNG"), tf.io.encode_png(np.zeros((20, 20, 3), np.uint8)).numpy()
    names = ("train/a/x.png", "train/b/y.png", "train/b/z.png", "test/a/x.png")
    root = write_tree(tmp_path, {name: large if name.endswith("z.png") else small for name in names})
    message = f"{root / names[2]} cannot be read as an image (20 x 20 pixels are more than --maxPixels 399"
    assert refusal(load, "mine", str(root), max_pixels=399).startswith(message)
    assert refusal(load_for, Recipe(dataset="mine", data_dir=str(root), max_pixels=399)).startswith(message)
    assert len(load("mine", str(root), max_pixels=399, skip_corrupt=True).x_train) == 2
    listing = from_tree(root, "train", ("a", "b"), 8, 399)
    assert listing.without([0]).max_pixels == listing.joined(listing, np.zeros(6)).max_pixels == 399
    assert find_corrupt(listing, show_progress=False).tolist() == [2]
    assert refusal(read, ImageFiles(listing), [0, 2]).startswith(message)
