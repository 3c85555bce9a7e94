"""Models and streams of images for tfal.query, sound and unsound; made in the child that asks."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from tests.attack.inputs.case import ACCEPTED, EITHER, REFUSED


def plain(*tail: Any, shape: tuple[int, ...] = (8, 8, 1), change: Callable[[Any], object] | None = None) -> Any:
    """A network of 8 x 8 images with three classes, or with other layers at its end."""
    import keras
    from keras import layers

    keras.utils.set_random_seed(0)
    hidden = layers.Dense(16, activation="relu", name="hid")
    model = keras.Sequential(
        [keras.Input(shape), layers.Flatten(), hidden, layers.Dropout(0.5), *(tail or [layers.Dense(3, name="out")])]
    )
    if change:
        change(model)
    return model


def builder(shape: tuple[int, ...], n_classes: int, activation: str | None = None) -> Any:
    """A network as tfal.run wants them."""
    from keras import layers

    return plain(layers.Dense(n_classes, activation, name="logits"), shape=shape)


def _tail(*make: Callable[[], Any]) -> Callable[[], Any]:
    return lambda: plain(*(layer() for layer in make))


def _dense(*args: Any, **options: Any) -> Callable[[], Any]:
    def make() -> Any:
        from keras import layers

        return layers.Dense(*args, **options)

    return make


def _layer(name: str, *args: Any, **options: Any) -> Callable[[], Any]:
    def make() -> Any:
        import keras

        return getattr(keras.layers, name)(*args, **options)

    return make


def _weights(layer: str, change: Callable[[np.ndarray], np.ndarray]) -> Callable[[], Any]:
    def make() -> Any:
        kernel = (model := plain()).get_layer(layer).kernel
        kernel.assign(change(kernel.numpy()))
        return model

    return make


def _subclassed() -> Any:
    import keras

    class Mine(keras.Model):
        def call(self, x: Any) -> Any:
            return x

    return Mine()


def _unbuilt() -> Any:
    import keras

    return keras.Sequential([keras.layers.Flatten(), keras.layers.Dense(3)])


def _two_inputs() -> Any:
    import keras
    from keras import layers

    one, two = keras.Input((8, 8, 1)), keras.Input((2,))
    return keras.Model([one, two], layers.Dense(3)(layers.Concatenate()([layers.Flatten()(one), two])))


def _two_outputs() -> Any:
    import keras
    from keras import layers

    images = keras.Input((8, 8, 1))
    hidden = layers.Dense(16, activation="relu")(layers.Flatten()(images))
    return keras.Model(images, [layers.Dense(3)(hidden), layers.Dense(5)(hidden)])


def _softmax_of_tensorflow() -> Any:
    import tensorflow as tf

    return plain(_dense(3, activation=tf.nn.softmax)())


MODELS: dict[str, tuple[Any, str]] = {
    "None": (None, REFUSED),
    "text": ("model.keras", REFUSED),
    "a number": (3, REFUSED),
    "a function": (lambda: lambda x: x, REFUSED),
    "a class": (lambda: dict, REFUSED),
    "subclassed": (_subclassed, REFUSED),
    "not built": (_unbuilt, REFUSED),
    "two inputs": (_two_inputs, REFUSED),
    "two outputs": (_two_outputs, EITHER),
    "softmax": (_tail(_dense(3, activation="softmax")), ACCEPTED),
    "TensorFlow's softmax": (_softmax_of_tensorflow, EITHER),
    "a softmax layer": (_tail(_dense(3), _layer("Softmax")), ACCEPTED),
    "a linear activation": (_tail(_dense(3), _layer("Activation", "linear")), EITHER),
    "log softmax": (_tail(_dense(3, activation="log_softmax")), EITHER),
    "one logit": (_tail(_dense(1)), ACCEPTED),
    "one sigmoid": (_tail(_dense(1, activation="sigmoid")), ACCEPTED),
    "many sigmoids": (_tail(_dense(4, activation="sigmoid")), REFUSED),
    "relu at the end": (_tail(_dense(3, activation="relu")), REFUSED),
    "tanh at the end": (_tail(_dense(3, activation="tanh")), REFUSED),
    "a lambda at the end": (_tail(_dense(3), _layer("Lambda", lambda z: z * 2)), REFUSED),
    "dropout at the end": (_tail(_dense(3), _layer("Dropout", 0.5)), EITHER),
    "a convolution at the end": (_tail(_layer("Reshape", (4, 4, 1)), _layer("Conv2D", 3, 3)), REFUSED),
    "Dense on a sequence": (_tail(_layer("Reshape", (4, 4)), _dense(3)), REFUSED),
    "no hidden layer": (_tail(_dense(3, use_bias=False)), ACCEPTED),
    "NaN weights": (_weights("out", lambda w: w * np.nan), REFUSED),
    "NaN weights behind a relu": (_weights("hid", lambda w: w * np.nan), REFUSED),
    "infinite weights": (_weights("out", lambda w: w + np.inf), REFUSED),
    "huge weights": (_weights("out", lambda w: w * np.float32(1e37)), EITHER),
    "dead features": (_weights("hid", lambda w: w * 0), ACCEPTED),
    "a head of zeros": (_weights("out", lambda w: w * 0), ACCEPTED),
}


def _dataset(change: Callable[[Any, np.ndarray], Any]) -> Callable[[np.ndarray, Path], Any]:
    def make(images: np.ndarray, _: Path) -> Any:
        import tensorflow as tf

        return change(tf.data.Dataset.from_tensor_slices(images), images)

    return make


def _other(change: Callable[[Any, np.ndarray], Any]) -> Callable[[np.ndarray, Path], Any]:
    def make(images: np.ndarray, _: Path) -> Any:
        import tensorflow as tf

        return change(tf, images)

    return make


def _one_shot(tf: Any, images: np.ndarray) -> Any:
    once = iter(images)
    return tf.data.Dataset.from_generator(lambda: once, output_signature=tf.TensorSpec((8, 8, 1), tf.float32))


def _raising(tf: Any, images: np.ndarray) -> Any:
    def rows() -> Any:
        yield from images[:30]
        raise ValueError("the disk is gone")

    return tf.data.Dataset.from_generator(rows, output_signature=tf.TensorSpec((8, 8, 1), tf.float32))


SOURCES: dict[str, tuple[Callable[[np.ndarray, Path], Any], str]] = {
    "one by one": (_dataset(lambda data, x: data), ACCEPTED),
    "batches": (_dataset(lambda data, x: data.batch(7)), ACCEPTED),
    "with labels": (_dataset(lambda data, x: data.map(lambda i: (i, 0)).batch(7)), ACCEPTED),
    "as dicts": (_dataset(lambda data, x: data.map(lambda i: {"image": i})), REFUSED),
    "shuffled": (_dataset(lambda data, x: data.shuffle(60)), REFUSED),
    "shuffled with a seed": (_dataset(lambda data, x: data.shuffle(60, seed=3)), REFUSED),
    "endless": (_dataset(lambda data, x: data.repeat()), REFUSED),
    "endless batches": (_dataset(lambda data, x: data.repeat().batch(8)), REFUSED),
    "empty": (_dataset(lambda data, x: data.take(0)), REFUSED),
    "of another size": (_dataset(lambda data, x: data.map(lambda i: i[:7])), REFUSED),
    "in colour": (_dataset(lambda data, x: data.map(lambda i: i[..., 0])), EITHER),
    "of text": (_other(lambda tf, x: tf.data.Dataset.from_tensor_slices(["a", "b", "c", "d", "e"])), REFUSED),
    "of numbers": (_other(lambda tf, x: tf.data.Dataset.range(60)), REFUSED),
    "with NaN": (_dataset(lambda data, x: data.map(lambda i: i / 0.0 * 0.0)), REFUSED),
    "random noise": (
        _other(lambda tf, x: tf.data.Dataset.range(60).map(lambda i: tf.random.uniform((8, 8, 1)))),
        EITHER,  # with a global seed, it is the same noise in every pass
    ),
    "one shot": (_other(_one_shot), REFUSED),
    "that breaks in the middle": (_other(_raising), REFUSED),
    "a tensor": (_other(lambda tf, x: tf.constant(x)), EITHER),
    "a ragged tensor": (_other(lambda tf, x: tf.ragged.constant([[1.0], [1.0, 2.0]])), REFUSED),
    "a sparse tensor": (_other(lambda tf, x: tf.sparse.from_dense(x)), REFUSED),
    "a variable": (_other(lambda tf, x: tf.Variable(x)), EITHER),
}
