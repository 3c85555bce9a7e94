"""Images of one's own: arrays, tf.data sets and PyDatasets, and what is not read as if it were one."""

import itertools
import os
import signal
from typing import Any, NamedTuple

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfal.errors import InputError
from tfal.reading.inputs import ModelInput
from tfal.reading.user_images import open_source

N = 50
IMAGES = np.random.default_rng(0).random((N, 4, 4, 1), np.float32)
Data = tf.data.Dataset


class Pair(NamedTuple):
    image: Any
    label: Any


class Model:
    """What sources ask of a model."""

    def __init__(self, *shape, dtype="float32", n=1):
        self.inputs = [keras.KerasTensor((None, *shape), dtype, name=f"input{number}") for number in range(n)]


MODEL = Model(4, 4, 1)


class Batches(keras.utils.PyDataset):
    """Batches of 9; `shuffled` as people write it: in on_epoch_end."""

    def __init__(self, images=IMAGES, *, shuffled=False, labels=True):
        super().__init__()
        self.order, self.images, self.shuffled, self.labels = np.arange(len(images)), images, shuffled, labels

    def __len__(self):
        return -(-len(self.images) // 9)

    def __getitem__(self, index):
        rows = self.order[9 * index : 9 * index + 9]
        return (self.images[rows], np.zeros(len(rows))) if self.labels else self.images[rows]

    def on_epoch_end(self):
        if self.shuffled:
            self.order = np.random.default_rng(len(self.order)).permutation(self.order)


def _slices(images=IMAGES):
    return Data.from_tensor_slices(images)


def _generator(make, shape=(4, 4, 1)):
    return Data.from_generator(make, output_signature=tf.TensorSpec(shape, tf.float32))


ONCE_SHUFFLED = np.random.default_rng(1).permutation(N)
READABLE = {
    "array": lambda: IMAGES,
    "list": lambda: list(IMAGES),
    "tensor": lambda: tf.constant(IMAGES),
    "single images": lambda: _slices(),
    "batches": lambda: _slices().batch(7),
    "batches that are all full": lambda: _slices().batch(5, drop_remainder=True),
    "pairs": lambda: Data.from_tensor_slices((IMAGES, np.zeros(N))).batch(9),
    "triples of single images": lambda: Data.from_tensor_slices((IMAGES, np.zeros(N), np.ones(N))),
    "batches of several lengths": lambda: _slices().batch(7).concatenate(_slices(IMAGES[:0]).batch(2)),
    "a generator that begins anew": lambda: _generator(lambda: iter(IMAGES)),
    "unknown shape": lambda: _generator(lambda: iter(IMAGES), None),
    "unknown shape in batches": lambda: _generator(lambda: iter(IMAGES), None).batch(8),
    "named tuples": lambda: Data.from_tensor_slices(Pair(IMAGES, np.zeros(N))).batch(9),
    "PyDataset": lambda: Batches(),
    "PyDataset without labels": lambda: Batches(labels=False),
    "images and labels": lambda: (IMAGES, np.zeros(N)),
    "images and a column of labels": lambda: (list(IMAGES), np.zeros((N, 1))),
    "dicts": lambda: Data.from_tensor_slices({"image": IMAGES, "label": np.zeros(N)}),
    "batches of dicts": lambda: Data.from_tensor_slices({"label": np.zeros(N), "IMG": IMAGES}).batch(7),
    "dicts by the name of the input": lambda: Data.from_tensor_slices({"image": IMAGES[::-1], "input0": IMAGES}),
    "dicts of one entry in tuples": lambda: Data.from_tensor_slices(({"x": IMAGES}, np.zeros(N))).batch(9),
    "PyDataset of dicts": lambda: _of_items({"images": IMAGES, "label": np.zeros(N)}),
    "PyDataset of dicts and labels": lambda: _of_items(({"x": IMAGES}, np.zeros(N))),
}


@pytest.mark.parametrize("name", READABLE)
@pytest.mark.parametrize("batch_size", [1, 8, 256])
def test_images_are_read_by_id_in_batches(name, batch_size):
    source = open_source(READABLE[name](), MODEL, batch_size)
    assert source.size == N
    for ids in (np.arange(N), np.array([3, 4, 20, 49]), np.array([0]), np.arange(0)):
        batches = [batch.numpy() for batch in source.batches(ids, batch_size)]
        assert [len(batch) for batch in batches[:-1]] == [batch_size] * (len(batches) - 1)
        assert np.array_equal(np.concatenate([IMAGES[:0], *batches]), IMAGES[ids])


def test_an_order_that_is_shuffled_once_is_an_order():
    shuffled = _slices().shuffle(N, seed=3, reshuffle_each_iteration=False)
    order = [image.numpy() for image in shuffled]
    source = open_source(shuffled, MODEL, 8)
    (batch,) = source.batches(np.array([2, 40]), 8)
    assert np.array_equal(batch, np.stack([order[2], order[40]]))


def test_half_precision_that_numpy_does_not_know():
    (batch,) = open_source(_slices().map(lambda x: tf.cast(x, tf.bfloat16)), MODEL, 64).batches(np.arange(N), 64)
    assert np.allclose(batch, IMAGES, atol=0.01)


def _shrinking():
    sizes = iter((N, N, N - 20))
    return _generator(lambda: iter(IMAGES[: next(sizes, 0)]))


def _growing():
    sizes = iter((N - 20, N))
    return _generator(lambda: iter(IMAGES[: next(sizes, N)]))


def _noisy():
    noise = np.random.default_rng(5)
    return _generator(lambda: iter(IMAGES + noise.random(IMAGES.shape, np.float32)))


ONCE = iter(IMAGES)
SHUFFLED = r"in the same order. Received: other images in a second pass, first at id \d+. .*shuffle=False"
REFUSED = {
    "shuffled": (lambda: _slices().shuffle(N, seed=3), SHUFFLED),
    "shuffled batches": (lambda: _slices().batch(5).shuffle(10, seed=1), SHUFFLED),
    "shuffled a little": (lambda: _slices().shuffle(2, seed=1).batch(7), SHUFFLED),
    "PyDataset that shuffles": (lambda: Batches(shuffled=True), SHUFFLED),
    "augmented": (
        _noisy,
        "Received: changed images in a second pass, first at id 0. Take random augmentation",
    ),
    "endless": (lambda: _slices().repeat().batch(8), r"Received: an endless tf.data.Dataset. .*\.take\(n\)"),
    "endless PyDataset": (lambda: _endless(), "Received: an endless PyDataset"),
    "one-shot": (lambda: _generator(lambda: ONCE), "gave 50 images and then none, .* generator that is used up"),
    "generator": (lambda: (image for image in IMAGES), "Received: a generator, which can be read only once"),
    "iterator": (lambda: iter(_slices()), "can be read only once"),
    "grows": (_growing, "as many in each pass. Received: 30, and more"),
    "empty set": (lambda: _slices().take(0), "at least one. Received: a data set that gives none"),
    "empty set of unknown shape": (lambda: _generator(lambda: iter(()), None), "Received: a data set that gives none"),
    "masked values": (lambda: np.ma.masked_array(IMAGES, IMAGES > 0.5), "a masked array with masked values"),
    "a broken generator": (
        lambda: _generator(lambda: (1 / 0 for _ in range(3))),
        r"cannot be read \(ZeroDivisionError: division by zero\)\. Iterate over it alone",
    ),
    "empty array": (lambda: IMAGES[:0], "at least one. Received: none"),
    "dicts of two images": (
        lambda: Data.from_tensor_slices({"image": IMAGES, "img": IMAGES}),
        r"one entry is clearly the image, by its name. Received: dicts with 'image', 'img'. Choose one: "
        r".map\(lambda element: element\['image'\]\)",
    ),
    "dicts of other names in tuples": (
        lambda: Data.from_tensor_slices(({"x": IMAGES, "y": IMAGES}, np.zeros(N))),
        r"element\['x'\]",
    ),
    "dicts without entries": (lambda: _of_items({}), "one entry that is clearly the image"),
    "two inputs": (lambda: Data.from_tensor_slices(((IMAGES, IMAGES), np.zeros(N))), "one tensor of numbers"),
    "strings": (lambda: Data.from_tensor_slices(["a", "b"]), "one tensor of numbers"),
    "ragged": (lambda: Data.from_tensors(tf.ragged.constant([[1.0], [2.0, 3.0]])), "one tensor of numbers"),
    "several sizes": (
        lambda: Data.from_generator(
            lambda: (IMAGES[i, : 3 + i % 2] for i in range(9)), output_signature=tf.TensorSpec((None, 4, 1), tf.float32)
        ),
        r"images must be of one size\. Received: several",
    ),
    "cannot be decoded": (
        lambda: _slices().map(lambda x: tf.debugging.check_numerics(x / 0, "this is broken")),
        "cannot be read .*this is broken",
    ),
    "other rank": (lambda: Data.range(5), "images of rank 3, as the model takes them, or of batches of rank 4"),
    "other size": (lambda: _slices(np.zeros((9, 5, 5, 1))), r"\(N, 4, 4, 1\), which the model takes. Received: \(N, 5"),
    "PyDataset of another size": (lambda: Batches(np.zeros((9, 5, 5, 1))), r"Received: \(N, 5, 5, 1\)"),
    "PyDataset of dicts": (
        lambda: _of_items({"x": IMAGES, "y": 0}),
        "clearly the image, by its name. Received: 'x', 'y'",
    ),
    "PyDataset of dicts in dicts": (lambda: _of_items({"x": {"y": IMAGES}}), "Received: a dict in their place"),
    "PyDataset of two inputs": (lambda: _of_items(((IMAGES, IMAGES), 0)), "Received: a tuple in their place"),
    "PyDataset of strings": (lambda: _of_items(np.array(["a"])), "arrays of numbers. Received: <U1"),
    "grey": (lambda: IMAGES[..., 0], r"Received: \(N, 4, 4\). Add the axis of the channels: images\[..., None\]"),
    "batches of grey": (
        lambda: _slices(IMAGES[..., 0]).batch(5),
        r"Received: \(N, 4, 4\)\. Add the axis of the channels",
    ),
    "one image": (lambda: IMAGES[0], r"images\[None\]"),
    "colour": (lambda: np.repeat(IMAGES, 3, -1), "from 3 to 1 channels"),
    "channels first": (lambda: np.moveaxis(IMAGES, -1, 1), r"np.moveaxis\(images, 1, -1\)"),
    "two arrays": (lambda: [IMAGES, IMAGES], r"Received: \(N, 50, 4, 4, 1\)"),
    "lists of several sizes": (lambda: [np.zeros((4, 4, 1)), np.zeros((5, 4, 1))], "a list of several sizes"),
    "images and too few labels": (lambda: (IMAGES, np.zeros(N - 1)), "Received: a tuple of 2. Give the images alone"),
    "two images in a tuple": (lambda: (IMAGES[0, ..., 0], IMAGES[1, ..., 0]), "Received: a tuple of 2"),
    "what load_data gives": (lambda: ((IMAGES, np.zeros(N)), (IMAGES, np.zeros(N))), "Received: a tuple of 2"),
    "three parts": (lambda: (IMAGES, np.zeros(N), np.zeros(N)), "Received: a tuple of 3"),
    "letters": (lambda: np.array([["a"]]), "of numbers. Received: <U1"),
    "complex": (lambda: IMAGES.astype(complex), "of numbers. Received: complex128"),
    "None": (lambda: None, "Received: a NoneType"),
}


def _of_items(item):
    class Items(keras.utils.PyDataset):
        def __len__(self):
            return 1

        def __getitem__(self, index):
            return item

    return Items()


def _endless():
    class Endless(keras.utils.PyDataset):
        num_batches = None

        def __getitem__(self, index):
            return IMAGES

    return Endless()


@pytest.mark.parametrize("name", REFUSED)
def test_what_would_mean_nothing_is_refused_in_one_line(name):
    make, message = REFUSED[name]
    with pytest.raises(InputError, match=message) as error:
        open_source(make(), MODEL, 8)
    assert "\n" not in str(error.value)


def test_an_order_that_changes_late_is_noticed_when_it_is_read():
    passes = itertools.count()

    def make():
        late = np.arange(600)
        if next(passes) >= 2:
            late[500:502] = 501, 500
        return iter(late[:, None].astype(np.float32))

    source = open_source(_generator(make, (1,)), Model(1), 100)
    assert len(list(source.batches(np.arange(400), 100))) == 4
    with pytest.raises(InputError, match="other images in a second pass, first at id 500"):
        list(source.batches(np.arange(600), 100))


def test_a_set_that_shrinks_is_noticed_when_it_is_read():
    source = open_source(_shrinking(), MODEL, 8)
    with pytest.raises(InputError, match=r"as many in each pass\. Received: 50, and 30 the next time"):
        list(source.batches(np.arange(N), 8))


def test_ctrl_c_ends_the_reading_of_a_set_without_end():
    def endless():
        for number in itertools.count():
            if number == 100:
                os.kill(os.getpid(), signal.SIGINT)
            yield IMAGES[0]

    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            open_source(_generator(endless), MODEL, 8)
    finally:
        signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize(
    ("make", "size"),
    [
        (lambda: IMAGES, 50),
        (lambda: _slices().batch(7), 50),
        (lambda: _slices(), 50),
        (lambda: _slices(np.zeros((20, 6))), 20),
        (lambda: _slices(np.zeros((20, 6))).batch(8), 20),
        (lambda: Batches(), 50),
    ],
)
def test_without_a_model_what_is_clear_is_read(make, size):
    assert open_source(make(), None, 8).size == size


@pytest.mark.parametrize(
    "make",
    [lambda: _slices(np.zeros((20, 6, 6))), lambda: _slices().batch(5, drop_remainder=True), lambda: Data.range(5)],
)
def test_without_a_model_what_may_be_images_or_batches_is_refused(make):
    with pytest.raises(InputError, match="without a model it cannot be told whether elements of shape"):
        open_source(make(), None, 8)


@pytest.mark.parametrize(
    ("dtype", "values", "message"),
    [
        ("float32", [0, np.nan], "must be finite. Received: NaN or infinity in the image of id 31"),
        ("float32", [0, np.inf], "must be finite"),
        ("float32", [0, 1e39], "larger values in the image of id 31"),
        ("float16", np.array([0, 70_000]), "up to 65504, as the model takes float16"),
        (
            "uint8",
            [0, 0.5],
            "whole numbers from 0 to 255, as the model takes uint8. Received: others in the image of id 31",
        ),
        ("uint8", np.array([0, 256]), "whole numbers from 0 to 255"),
        ("uint8", np.array([0, -1]), "whole numbers from 0 to 255"),
    ],
)
def test_values_that_the_models_dtype_cannot_hold_are_refused_with_the_id(dtype, values, message):
    images = np.tile(np.asarray(values)[[0]], (4, 1))
    images[3] = values[1]
    for given in (images, _slices(images), _slices(images).batch(3)):
        source = open_source(np.pad(images, [(28, 0), (0, 0)]) if given is images else given, Model(1, dtype=dtype), 8)
        ids, wanted = (
            (np.array([29, 31]), message) if given is images else (np.array([1, 3]), message.replace("31", "3"))
        )
        with pytest.raises(InputError, match=wanted):
            list(source.batches(ids, 8))


def test_whole_floats_and_large_integers_fit():
    for dtype, values in (("uint8", np.array([[255.0], [0.0]])), ("float32", np.array([[2**60]])), ("int32", [[True]])):
        source = open_source(np.asarray(values), Model(1, dtype=dtype), 8)
        assert len(list(source.batches(np.arange(source.size), 8))) == 1


def test_models_with_other_inputs():
    with pytest.raises(InputError, match=r"one input\. Received: 2, input0, input1"):
        ModelInput.of(Model(3, n=2))
    with pytest.raises(InputError, match=r"must take numbers\. Received: an input of strings"):
        ModelInput.of(Model(1, dtype="string"))
    assert ModelInput.of(Model(None, None, 3, dtype="bfloat16")) == ModelInput((None, None, 3), np.dtype("float32"))
