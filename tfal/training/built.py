"""Networks as a builder of one's own gives them: checked before anything is trained on them."""

from __future__ import annotations

import inspect
import weakref
from typing import Any

import keras

from tfal.errors import InputError
from tfal.learners.base import Builder
from tfal.reading.inputs import ModelInput

TAKES = "a function (input shape, number of classes) -> keras.Model"


def checked_builder(build: Any, name: str) -> Builder:
    """The builder of the network that is called `name`, which checks what `build` gives each time.

    Raises InputError where `build` is no function of two arguments. What is returned raises it for a ValueError of
    `build`, for what is no built model of one input for these images, and for networks that share trained weights:
    each would begin with what the one before has learned.
    """
    if not callable(build):
        raise InputError(f"build must be {TAKES}. Received: a {type(build).__name__}.")
    if isinstance(build, keras.Model):
        raise InputError(
            f"build must be {TAKES}. Received: a model. Each round trains a new one: give the function that makes it."
        )
    try:
        inspect.signature(build).bind((1, 1, 1), 2)
    except TypeError as error:
        raise InputError(f"build must be {TAKES}. Received: a function that is called otherwise ({error}).") from None
    except ValueError:  # a function without a signature; the call will tell
        pass
    first: dict[int, weakref.ref[Any]] = {}

    def built(input_shape: tuple[int, int, int], n_classes: int) -> keras.Model:
        network = _made(build, input_shape, n_classes, name)
        _check(network, input_shape, name)
        weights = {id(variable): variable for variable in network.trainable_variables}
        if any(first[key]() is weights[key] for key in weights.keys() & first.keys()):  # ids of dead ones come again
            raise InputError(
                f"the builder of {name!r} must make a new network each time it is called. Received: one that shares "
                "trained weights with the first. Make all its layers inside the function, or freeze the shared ones."
            )
        if not first:
            first.update({key: weakref.ref(variable) for key, variable in weights.items()})
        return network

    return built


def _made(build: Builder, input_shape: tuple[int, int, int], n_classes: int, name: str) -> Any:
    try:
        return build(input_shape, n_classes)
    except InputError:
        raise
    except ValueError as error:
        reason = str(error).splitlines()[0]
        raise InputError(
            f"network {name!r} cannot be built for images {tuple(input_shape)} of {n_classes} classes ({reason}). "
            "Choose another network or other data."
        ) from error


def _check(network: Any, input_shape: tuple[int, int, int], name: str) -> None:
    if not isinstance(network, keras.Model):
        raise InputError(
            f"the builder of {name!r} must return a keras.Model. Received: a {type(network).__name__}. Let it end with "
            "`return model`."
        )
    if not network.built or not getattr(network, "inputs", None):
        raise InputError(
            f"the builder of {name!r} must return a functional or Sequential model that begins with "
            f"keras.Input(input_shape). Received: a {type(network).__name__} without inputs."
        )
    wanted = ModelInput.of(network)
    if not wanted.takes(tuple(input_shape)):
        raise InputError(
            f"the builder of {name!r} must return a network for images {tuple(input_shape)}. Received: one for "
            f"{wanted.shape}. Let it begin with keras.Input(input_shape), the input_shape that it is called with."
        )
