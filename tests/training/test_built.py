from pathlib import Path

import keras
import pytest
from keras import layers

from models import BUILDERS
from tfal.errors import InputError
from tfal.loop import run
from tfal.training.built import checked_builder

SHAPE = (8, 8, 1)


def _network(shape=SHAPE, n_classes=10, body=None):
    inputs = keras.Input(shape)
    hidden = layers.Flatten()(inputs) if body is None else body(inputs)
    return keras.Model(inputs, layers.Dense(n_classes)(hidden))


KEPT = _network()
BODY = keras.Sequential([keras.Input(SHAPE), layers.Flatten(), layers.Dense(4, activation="relu")])


def _two_inputs(shape, n_classes):
    inputs = [keras.Input(shape), keras.Input((2,))]
    return keras.Model(inputs, layers.Dense(n_classes)(layers.Concatenate()([layers.Flatten()(inputs[0]), inputs[1]])))


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (None, r"build must be a function \(input shape, number of classes\) -> keras.Model. Received: a NoneType"),
        ("SCNN", "Received: a str"),
        (KEPT, "Received: a model. Each round trains a new one: give the function that makes it"),
        (lambda: KEPT, "a function that is called otherwise"),
        (lambda shape: KEPT, "a function that is called otherwise"),
        (lambda shape, n_classes, *, width: KEPT, "a function that is called otherwise"),
    ],
)
def test_what_is_no_builder_is_refused_at_once(build, message):
    with pytest.raises(InputError, match=message) as error:
        checked_builder(build, "mine")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda shape, n: None, "must return a keras.Model. Received: a NoneType. Let it end with `return model`"),
        (lambda shape, n: [KEPT], "must return a keras.Model. Received: a list"),
        (lambda shape, n: keras.Sequential([layers.Dense(3)]), "Received: a Sequential without inputs"),
        (_two_inputs, "one input. Received: 2"),
        (lambda shape, n: _network((28, 28, 1)), r"for images \(8, 8, 1\). Received: one for \(28, 28, 1\)"),
        (lambda shape, n: _network((8, 8, 3)), r"Received: one for \(8, 8, 3\)"),
    ],
)
def test_what_is_no_network_for_these_images_is_refused(build, message):
    with pytest.raises(InputError, match=message) as error:
        checked_builder(build, "mine")(SHAPE, 10)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("build", [lambda shape, n: KEPT, lambda shape, n: _network(shape, n, BODY)])
def test_networks_that_share_trained_weights_are_no_fresh_ones(build):
    built = checked_builder(build, "mine")
    built(SHAPE, 10)
    with pytest.raises(InputError, match="must make a new network each time it is called"):
        built(SHAPE, 10)


def test_a_frozen_body_may_be_shared_and_sides_may_be_free():
    body = keras.models.clone_model(BODY)
    body.trainable = False
    built = checked_builder(lambda shape, n: _network(shape, n, body), "mine")
    assert built(SHAPE, 10) is not built(SHAPE, 10)

    def free(shape, n_classes, width=4):
        inputs = keras.Input((None, None, shape[-1]))
        pooled = layers.GlobalAveragePooling2D()(layers.Conv2D(width, 3)(inputs))
        return keras.Model(inputs, layers.Dense(n_classes)(pooled))

    assert checked_builder(free, "mine")(SHAPE, 3).output_shape == (None, 3)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda shape, n: None, "must return a keras.Model"),
        (lambda shape, n: _network(shape, n + 1), "logits of 10 classes, received 11 units"),
        (lambda shape, n: _network(shape, 1), "logits of 10 classes, received 1 units"),
        (lambda shape, n: KEPT, "must make a new network each time"),
    ],
)
def test_a_run_refuses_it_before_anything_is_trained(small, digits, build, message):
    with pytest.raises(InputError, match=message):
        next(iter(run(small, build, data=digits)))
    assert not list(Path(small.results_dir).rglob("rounds.csv"))


def test_a_network_that_cannot_be_built_for_the_data_is_one_line():
    build = checked_builder(BUILDERS["SCNN"], "SCNN")
    with pytest.raises(
        InputError, match=r"'SCNN' cannot be built for images \(8, 8, 1\) of 1 classes \(SCNN needs at least 2"
    ):
        build(SHAPE, 1)
    with pytest.raises(InputError, match=r"'SCNN' cannot be built for images \(3, 3, 1\) of 10 classes"):
        build((3, 3, 1), 10)


def test_an_identity_that_is_used_again_is_no_shared_weight(monkeypatch):
    """Where the first network is gone, variables of a later one may have its places in memory."""
    monkeypatch.setattr("tfal.training.built.weakref.ref", lambda variable: lambda: None)
    network = _network()
    built = checked_builder(lambda shape, n_classes: network, "mine")
    assert built(SHAPE, 10) is built(SHAPE, 10)
