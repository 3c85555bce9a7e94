"""Small copies of pictures of all kinds."""

import base64
import io

import numpy as np
import pytest
from PIL import Image

from tfal.errors import InputError
from tfal.labeling.thumbnails import data_uri

RED, GREEN, WHITE = (255, 0, 0), (0, 255, 0), (255, 255, 255)


def seen(file, side=200):
    """What a person sees, (h, w, 3), and how it is encoded."""
    head, _, data = data_uri(file, side).partition(",")
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(data)))).astype(int), head


def near(pixel, color, within=6):
    return np.abs(pixel - np.array(color)).max() <= within


def two_halves(width=400, height=200):
    """The left half red, the right one green."""
    image = Image.new("RGB", (width, height), RED)
    image.paste(GREEN, (width // 2, 0, width, height))
    return image


@pytest.mark.parametrize("suffix", ["jpg", "png", "bmp", "gif", "webp"])
def test_a_picture_is_shrunk_and_keeps_its_shape(tmp_path, suffix):
    two_halves().save(tmp_path / f"a.{suffix}")
    image, head = seen(tmp_path / f"a.{suffix}")
    assert image.shape == (100, 200, 3)
    assert head == "data:image/jpeg;base64"
    assert near(image[50, 20], RED)
    assert near(image[50, 180], GREEN)


def test_a_small_one_stays_as_it_is_to_the_bit(tmp_path):
    values = np.random.default_rng(0).integers(256, size=(28, 20, 3), dtype=np.uint8)
    Image.fromarray(values).save(tmp_path / "a.png")
    image, head = seen(tmp_path / "a.png")
    assert head == "data:image/png;base64"
    np.testing.assert_array_equal(image, values)


def test_a_camera_held_upright(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90 degrees clockwise
    for suffix in ("jpg", "png", "webp"):
        two_halves().save(tmp_path / f"a.{suffix}", exif=exif)
        image, _ = seen(tmp_path / f"a.{suffix}")
        assert image.shape == (200, 100, 3)
        assert near(image[20, 50], RED)
        assert near(image[180, 50], GREEN)


def test_what_is_transparent_is_white(tmp_path):
    clear = two_halves().convert("RGBA")
    clear.paste((0, 0, 0, 0), (0, 0, 200, 200))
    clear.save(tmp_path / "rgba.png")
    clear.convert("LA").save(tmp_path / "la.png")
    clear.quantize(8).save(tmp_path / "palette.png")
    two_halves().save(tmp_path / "rgb.png", transparency=RED)
    for name in ("rgba", "la", "palette", "rgb"):
        image, _ = seen(tmp_path / f"{name}.png")
        assert near(image[50, 20], WHITE), name
        assert not near(image[50, 180], WHITE, within=50), name


def test_16_bits_of_which_12_are_used(tmp_path):
    ramp = np.tile(np.linspace(0, 4095, 200), (200, 1)).astype(np.uint16)
    Image.fromarray(ramp).save(tmp_path / "a.png")
    image, _ = seen(tmp_path / "a.png")
    assert near(image[100, 0], (0, 0, 0))
    assert near(image[100, 100], (128, 128, 128))
    assert near(image[100, 199], WHITE)
    Image.fromarray(np.zeros((9, 9), np.uint16)).save(tmp_path / "black.png")
    assert not seen(tmp_path / "black.png")[0].any()


def test_colors_of_printers_palettes_single_bits_and_first_pictures(tmp_path):
    two_halves().convert("CMYK").save(tmp_path / "cmyk.jpg")
    two_halves().quantize(4).save(tmp_path / "palette.png")
    two_halves().save(tmp_path / "moves.gif", save_all=True, append_images=[Image.new("RGB", (400, 200))] * 2)
    two_halves().save(tmp_path / "moves.webp", save_all=True, append_images=[Image.new("RGB", (400, 200))] * 2)
    for name in ("cmyk.jpg", "palette.png", "moves.gif", "moves.webp"):
        image, _ = seen(tmp_path / name)
        assert near(image[50, 20], RED), name
        assert near(image[50, 180], GREEN), name
    Image.new("1", (200, 200), 1).save(tmp_path / "bit.png")
    assert near(seen(tmp_path / "bit.png")[0][50, 50], WHITE)


def test_what_cannot_be_seen_says_why(tmp_path):
    two_halves(1000, 1000).save(tmp_path / "whole.jpg")
    data = (tmp_path / "whole.jpg").read_bytes()
    (tmp_path / "cut.jpg").write_bytes(data[: len(data) // 2])
    (tmp_path / "empty.jpg").write_bytes(b"")
    (tmp_path / "text.jpg").write_text("%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n")
    two_halves().save(tmp_path / "dots.tiff")
    (tmp_path / "folder.jpg").mkdir()
    for name, why in (
        ("cut.jpg", "damaged: .*truncated"),
        ("empty.jpg", "none of JPEG, PNG"),
        ("text.jpg", "none of JPEG, PNG"),
        ("dots.tiff", "none of JPEG, PNG"),
        ("folder.jpg", "[Dd]irectory"),
        ("gone.jpg", "No such file"),
    ):
        with pytest.raises(InputError, match=why):
            data_uri(tmp_path / name, 200)
    with pytest.raises(InputError, match="1000 x 1000 pixels are more than 999999"):
        data_uri(tmp_path / "whole.jpg", 200, 999_999)


def test_a_bomb_is_not_decoded(tmp_path):
    Image.new("1", (20_000, 20_000)).save(tmp_path / "bomb.png")
    with pytest.raises(InputError, match=r"pixels"):
        data_uri(tmp_path / "bomb.png", 200)
