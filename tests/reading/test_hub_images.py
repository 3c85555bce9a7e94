"""Data sets of Hugging Face as images: one that behaves like theirs, and theirs where it is installed."""

import numpy as np
import pytest
from PIL import Image as Pictures

import tfal
from tests.reading.test_user_images import Model
from tfal.errors import InputError
from tfal.reading.user_images import open_source

N = 12
GREY = np.random.default_rng(0).integers(0, 256, (N, 4, 4), np.uint8)
COLOUR = np.random.default_rng(1).integers(0, 256, (N, 4, 4, 3), np.uint8)


class Image:
    """The type of a column of pictures, which is known by its name."""


class Table:
    """Columns by name, as a Dataset of Hugging Face has them."""

    def __init__(self, columns, features=None, change=lambda value: value):
        self.columns, self.features, self.change = columns, features or dict.fromkeys(columns), change
        self.column_names = list(columns)

    def __len__(self):
        return len(next(iter(self.columns.values()))) if self.columns else 0

    def __getitem__(self, ids):
        assert all(type(id) is int for id in ids)
        return {name: [self.change(column[id]) for id in ids] for name, column in self.columns.items()}

    def with_format(self, kind):
        raise AssertionError("nothing has to be set")


def _pictures(arrays, mode=None):
    found = [Pictures.fromarray(array) for array in arrays]
    return [picture.convert(mode) for picture in found] if mode else found


def _read(table, model=None, ids=None):
    source = open_source(table, model, 5)
    assert source.size == N
    batches = list(source.batches(np.arange(N) if ids is None else ids, 5))
    return np.concatenate([batch.numpy() for batch in batches])


@pytest.mark.parametrize(
    ("values", "channels", "expected"),
    [
        (_pictures(GREY), 1, GREY[..., None]),
        (_pictures(GREY), None, GREY[..., None]),
        (_pictures(GREY), 3, np.repeat(GREY[..., None], 3, -1)),
        (_pictures(COLOUR), 3, COLOUR),
        (_pictures(COLOUR), None, COLOUR),
        (_pictures(COLOUR, "RGBA"), 3, COLOUR),
        (_pictures(GREY, "P"), 3, np.repeat(GREY[..., None], 3, -1)),
        (_pictures(GREY, "P"), None, np.repeat(GREY[..., None], 3, -1)),
        (_pictures(GREY > 127, "1"), 1, 255 * (GREY > 127)[..., None]),
        (_pictures(GREY.astype(np.uint16) * 256), 1, GREY[..., None].astype(int) * 256),
        ([*_pictures(COLOUR[:5]), *_pictures(COLOUR[5:], "RGBA")], 3, COLOUR),
        (COLOUR, 3, COLOUR),
        (COLOUR.tolist(), 3, COLOUR),
    ],
)
def test_pictures_and_arrays_are_read_by_id(values, channels, expected):
    table = Table({"label": list(range(N)), "image": values})
    model = None if channels is None else Model(4, 4, channels)
    assert np.array_equal(_read(table, model), expected)
    assert np.array_equal(_read(table, model, np.array([7, 2])), expected[[7, 2]])


def test_the_column_is_that_of_the_input_of_pictures_or_of_the_right_name():
    other = [None] * N
    assert np.array_equal(_read(Table({"image": other, "input0": COLOUR}), Model(4, 4, 3)), COLOUR)
    by_type = Table({"a": other, "b": _pictures(COLOUR)}, {"a": "Value", "b": Image()})
    assert np.array_equal(_read(by_type, Model(4, 4, 3)), COLOUR)
    assert np.array_equal(_read(Table({"img": COLOUR, "label": other})), COLOUR)


class Broken:
    """A picture whose file ends too early."""

    mode, convert = "RGB", None

    def __array__(self, *arguments, **named):
        raise OSError("image file is truncated")


def _fails(value):
    if value is None:
        raise OSError("cannot identify image file")
    return value


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (Table({"a": COLOUR, "b": COLOUR}), r"by its type. Received: columns 'a', 'b'. .*select_columns\(\['a'\]\)"),
        (Table({"image": COLOUR, "img": COLOUR}), "Received: columns 'image', 'img'"),
        (Table({"a": 0, "b": 0}, {"a": Image(), "b": Image()}), "one column is clearly the image"),
        (Table({"image": []}), "must be at least one"),
        (Table({"image": COLOUR[:, :3]}), r"shape \(N, 4, 4, 3\), which the model takes. Received: \(N, 3, 4, 3\)"),
        (Table({"image": COLOUR[..., :1]}), "from 1 to 3 channels"),
        (Table({"image": _pictures(GREY.astype(np.uint16))}), r"Received: \(N, 4, 4, 1\)"),
        (Table({"image": [*COLOUR[:3], None]}), "Received: None for id 3. Leave samples without"),
        (
            Table({"image": [{"bytes": b"", "path": ""}] * N}),
            r"a dict for id 0. .*cast_column\(<column>, datasets.Image",
        ),
        (Table({"image": [*COLOUR[:3], None]}, change=_fails), "OSError: cannot identify image file, for id 3 in col"),
        (Table({"image": [np.array("a")]}), "arrays of numbers. Received: <U1"),
        (Table({"image": [[[1], [1, 2]]]}), "images must be arrays. Received: list for id 0"),
        (
            Table({"image": COLOUR}, change=lambda row: row + np.random.default_rng().random()),
            "Received: other images in column 'image' when it is read again. Take random augmentation out",
        ),
    ],
)
def test_what_cannot_be_read_is_named_in_one_line(table, message):
    with pytest.raises(InputError, match=message) as error:
        open_source(table, Model(4, 4, 3), 5)
    assert "\n" not in str(error.value)


def test_sizes_and_values_that_only_later_samples_have_are_named():
    table = Table({"image": [*COLOUR[:9], COLOUR[0, :3]]})
    source = open_source(table, None, 5)
    with pytest.raises(InputError, match=r"of one size. Received: \(4, 4, 3\), and \(3, 4, 3\) for id 9"):
        list(source.batches(np.arange(10), 16))
    nan = Table({"image": [*COLOUR[:9].astype(float), COLOUR[0] * np.nan]})
    with pytest.raises(InputError, match=r"finite\. Received: NaN or infinity in the image of id 9"):
        list(open_source(nan, None, 5).batches(np.arange(10), 16))


def test_splits_and_streams_are_no_data_sets():
    splits = Table({})
    splits.column_names = {"train": ["image"], "test": ["image"]}
    with pytest.raises(InputError, match=r"Received: splits 'train', 'test'. Give one: images\['train'\]"):
        open_source(splits, None, 5)

    class Stream:
        column_names, with_format = None, None

    with pytest.raises(InputError, match=r"Received: a stream, .* without streaming=True"):
        open_source(Stream(), None, 5)


def test_a_fingerprint_follows_from_the_images():
    table = Table({"image": COLOUR})
    assert open_source(table, None, 5).fingerprint(N) == open_source(
        Table({"image": COLOUR.copy()}), None, 5
    ).fingerprint(N)
    assert open_source(table, None, 5).fingerprint(N) != open_source(table, None, 5).fingerprint(N - 1)
    assert open_source(table, None, 5).fingerprint(N) != open_source(
        Table({"image": COLOUR[::-1]}), None, 5
    ).fingerprint(N)


def test_what_hugging_face_has():
    datasets = pytest.importorskip("datasets", reason="Hugging Face's datasets are no requirement")
    kinds = datasets.Features({"image": datasets.Image(), "label": datasets.Value("int64")})
    data = datasets.Dataset.from_dict({"image": _pictures(COLOUR), "label": [0] * N}, kinds)
    assert np.array_equal(_read(data, Model(4, 4, 3)), COLOUR)
    for format in ("numpy", "tf"):
        assert np.array_equal(_read(data.with_format(format), Model(4, 4, 3)), COLOUR)
    shuffled = data.select([3, 1, 2, *range(4, 11), 0, 11])
    assert np.array_equal(_read(shuffled, Model(4, 4, 3), np.array([0, 10])), COLOUR[[3, 0]])
    with pytest.raises(InputError, match="Received: splits 'train'"):
        open_source(datasets.DatasetDict(train=data), None, 5)
    with pytest.raises(InputError, match="Received: a stream"):
        open_source(data.to_iterable_dataset(), None, 5)
    with pytest.raises(InputError, match="Received: a dict for id 0"):
        open_source(data.cast_column("image", datasets.Image(decode=False)), Model(4, 4, 3), 5)
    assert len(tfal.query("random", None, data, 3)) == 3
