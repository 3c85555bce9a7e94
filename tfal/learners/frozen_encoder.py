"""The frozen encoder of low budgets: features from SimCLR, a Keras file, a converted checkpoint or keras.applications.

Pourahmadi et al., A Simple Baseline for Low-Budget Active Learning, arXiv 2110.12033, choose samples in the features of
a self-supervised network that stays as it is. Difference from their code: whatever gives features will do, and a weight
that is missing is an error there, not a random number.
"""

from __future__ import annotations

import contextlib
import inspect
import itertools
import os
import re
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from hashlib import blake2b
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import keras
import numpy as np
import tensorflow as tf

from tfal.data.images import Images
from tfal.errors import InputError, resolve_name
from tfal.learners.base import Builder, OnEpoch
from tfal.learners.contrastive_encoders import SimCLR
from tfal.learners.keras_files import unloadable
from tfal.pool import Pool
from tfal.reading.named_outputs import NamedOutputs
from tfal.recipe import Recipe
from tfal.storage.weights_file import read_network
from tfal.streams import Streams
from tfal.training.finite import check_finite_weights
from tfal.training.replicas import is_dropout_seed, networks_on, reading_function
from tfal.training.runtime import distribution

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of RGB in [0, 1], as torchvision has them
_SAFE = (3, 14)  # of Keras, in which the published ways round safe mode are closed
_SMALLEST = 32  # pixels a side that an ImageNet stem takes
_WEIGHTS: str | None = "imagenet"  # of keras.applications; None, random weights, is for tests


class Loaded(NamedTuple):
    """network: images as Images gives them (B, H, W, C) -> features (B, d).

    kind: where it comes from, without folders. transform: what it does to the images first.
    """

    network: keras.Model
    kind: str
    transform: str


class FrozenEncoder:
    """A network whose features never change, chosen by `recipe.encoder`; the weights of all but simclr are loaded here.

    - "simclr": trained by `fit` on all images of the pool, then kept in a file; see SimCLR.
    - "<path>.keras": any functional or Sequential Keras model of one input that fits the images, loaded in safe mode
      by Keras 3.14 or newer; with recipe.trust_encoder "on" by any version, and its Lambda layers run.
      Features: its output "features", else the input of its last Dense layer, where it ends in a linear or softmax
      one, else its output (B, d). It sees images in [0, 1]; what else it needs must be a layer of its own.
    - "<path>.weights.h5": written by `python -m tfal.convert_torch`; channels are normalised as for ImageNet, or by the
      images' own mean and deviation, see recipe.encoder_statistics.
    - "keras:<name>": keras.applications with ImageNet weights, global average pooling, and its own preprocessing.

    Images keep their size: nothing is resized.

    Args:
        build: (input shape, number of classes) -> a network, of simclr only.
        images: the training images.
        n_classes: for `build` only.
        recipe: encoder, encoder_statistics, devices, and simclr's options.

    Raises:
        InputError: what `recipe.encoder` names is not there, is damaged, or does not fit the images.
    """

    name: ClassVar[str] = "encoder"

    def __init__(self, build: Builder, images: Images, n_classes: int, recipe: Recipe) -> None:
        self._images, self._recipe, self._strategy = images, recipe, distribution(recipe.devices)
        self._simclr = SimCLR(build, images, n_classes, recipe) if recipe.encoder == "simclr" else None
        with networks_on(self._strategy):
            self._loaded = None if self._simclr else _load(recipe, images)
        if self._loaded:
            check_finite_weights(self._loaded.network)
        self._frozen_for: np.ndarray | None = None
        self._function: Any = None

    @property
    def frozen_for(self) -> np.ndarray | None:
        """Ids of the pool once fitted; the features stay as they are until this is another array."""
        return self._frozen_for

    @property
    def network(self) -> keras.Model:
        """Images (B, H, W, C) as Images gives them -> features (B, d). Train a copy of it, if at all.

        Raises InputError for simclr before `fit`.
        """
        return self._found().network

    def fit(self, pool: Pool, streams: Streams, on_epoch: OnEpoch | None = None) -> dict[str, float]:
        """Trains simclr, or loads what was trained; all others only note the pool's members.

        Args, Raises: see Encoder.fit; on_epoch is called with "simclr". Returns simclr_loss, or nothing.
        """
        if self._simclr is None:
            if self._frozen_for is None or not np.array_equal(self._frozen_for, pool.members):
                self._frozen_for = pool.members
            return {}
        found = self._simclr.fit(pool, streams, on_epoch)
        if self._frozen_for is not self._simclr.frozen_for:
            self._frozen_for, self._function = self._simclr.frozen_for, None
            self._loaded = Loaded(self._simclr.backbone(), "simclr", self._recipe.coder_input)
        return found

    def read(self, batch: tf.Tensor, outputs: Sequence[str]) -> dict[str, tf.Tensor]:
        """`features` (B, d) float32 of a batch of images (B, H, W, C), in inference mode, not normalised."""
        unknown = [name for name in outputs if name != "features"]
        if unknown:
            raise InputError(f"the frozen encoder has no output {unknown[0]!r}. It has: features.")
        if self._function is None:
            self._function = self._reading(self.network)
        return dict.fromkeys(outputs, self._function(tf.cast(batch, tf.float32)))

    def identity(self) -> dict[str, Any]:
        """What the features depend on besides the images, as json can write it: for a FeatureStore."""
        network, kind, transform = self._found()
        return {
            "encoder": kind,
            "weights": weights_digest(network),
            "transform": transform,
            "output": "features",
            "dim": int(network.output.shape[1]),
        }

    def _reading(self, network: keras.Model) -> Any:
        def read(batch: tf.Tensor) -> tf.Tensor:
            return tf.cast(network(batch, training=False), tf.float32)

        return reading_function(self._strategy, read, tf.TensorSpec(network.inputs[0].shape, tf.float32))

    def _found(self) -> Loaded:
        if self._loaded is None:
            raise InputError("the encoder 'simclr' is not trained yet. Call fit first.")
        return self._loaded


def weights_digest(network: keras.Model) -> str:
    """16 hex digits that follow from the kinds and shapes of a network's layers and the values of its variables.

    Seeds of dropout do not count: no feature depends on them, and they are drawn anew when a file is loaded.
    """
    layers = [(type(x).__name__, [tuple(weight.shape) for weight in x.weights]) for x in _layers(network)]
    found = blake2b(repr(layers).encode(), digest_size=8)
    for variable in itertools.filterfalse(is_dropout_seed, network.variables):
        found.update(variable.numpy().tobytes())
    return found.hexdigest()


def _layers(network: keras.Model) -> Iterator[keras.Layer]:
    for layer in network.layers:
        yield layer
        yield from _layers(layer) if isinstance(layer, keras.Model) else ()


def _load(recipe: Recipe, images: Images) -> Loaded:
    spec = recipe.encoder
    if spec.startswith("keras:"):
        return _application(spec.removeprefix("keras:"), images)
    kinds: dict[str, Callable[[Path, Images], Loaded]] = {
        ".weights.h5": partial(_converted, statistics=recipe.encoder_statistics),
        ".keras": partial(_keras_file, trusted=recipe.trust_encoder == "on"),
    }
    load = next((load for ending, load in kinds.items() if spec.endswith(ending)), None)
    if load is None:
        raise InputError(
            "--encoder must be simclr, a .keras file, a .weights.h5 file of tfal.convert_torch, or keras:NAME. "
            f"Received: {spec!r}."
        )
    if not Path(spec).is_file():
        raise InputError(f"--encoder: there is no file {spec!r}. Correct the path.")
    return load(Path(spec), images)


def _keras_file(path: Path, images: Images, trusted: bool) -> Loaded:
    if not trusted and not has_safe_mode():
        raise InputError(
            f"{path} may hold code that Keras {keras.__version__} runs when it loads a file; versions from "
            f"{_SAFE[0]}.{_SAFE[1]} on do not. Upgrade Keras, or give --trustEncoder on for a file that you trust."
        )
    try:
        model = keras.saving.load_model(path, compile=False, safe_mode=not trusted)
    except Exception as error:
        raise InputError(unloadable(path, _first_line(error))) from None
    inner = keras.Model(model.inputs[0], _features(model, path)) if _is_graph(model) else None
    if inner is None or inner.inputs[0].dtype not in ("float16", "bfloat16", "float32"):
        raise InputError(f"{path} must be a functional or Sequential Keras model of one input of floats. It is not.")
    return Loaded(_bound(inner, images, str(path), lambda x: x), ".keras", "unit")


def has_safe_mode() -> bool:
    """Whether this Keras can be asked to load a file without running code that is in it."""
    return _version() >= _SAFE


def _version() -> tuple[int, ...]:
    return tuple(int(number) for number in keras.__version__.split(".")[:2])


def _is_graph(model: Any) -> bool:
    return isinstance(model, keras.Model) and len(getattr(model, "inputs", None) or ()) == 1


def _features(model: keras.Model, path: Path) -> keras.KerasTensor:
    output = model.outputs[0] if isinstance(model, keras.Sequential) else model.output
    if isinstance(output, dict) and "features" in output:
        return output["features"]
    with contextlib.suppress(InputError):  # it does not end in a linear or softmax Dense layer: then its output
        output = NamedOutputs(model).features
    if isinstance(output, keras.KerasTensor) and len(output.shape) == 2 and output.shape[1]:
        return output
    raise InputError(
        f"{path} must give features (B, d). Received: {getattr(output, 'shape', type(output).__name__)}. "
        "Name its output 'features', or end it in a pooling layer."
    )


def _converted(path: Path, images: Images, statistics: str) -> Loaded:
    _check_rgb(images, str(path))
    mean, std = (IMAGENET_MEAN, IMAGENET_STD) if statistics == "imagenet" else images.channel_statistics()
    normalize = keras.layers.Normalization(
        mean=[float(value) for value in mean], variance=[float(value) ** 2 for value in std], name="channels"
    )
    network = _bound(read_network(path), images, str(path), normalize)
    whose = "ImageNet's" if statistics == "imagenet" else "the training images'"
    return Loaded(network, ".weights.h5", f"{whose} mean and deviation")


def _application(name: str, images: Images) -> Loaded:
    name = resolve_name("keras application", name, [found for found in dir(keras.applications) if found[0].isupper()])
    _check_rgb(images, f"keras:{name}")
    module = next(m for _, m in inspect.getmembers(keras.applications, inspect.ismodule) if hasattr(m, name))
    try:
        model = getattr(module, name)(
            include_top=False, weights=_WEIGHTS, input_shape=tuple(images.shape), pooling="avg"
        )
    except Exception as error:
        raise _unavailable(name, images, error) from None
    network = _bound(model, images, name, lambda x: module.preprocess_input(x * 255.0))
    return Loaded(network, f"keras:{name}", "preprocess_input")


def _unavailable(name: str, images: Images, error: Exception) -> InputError:
    address = re.search(r"https?://\S+\.h5", str(error))
    if address is None:
        return InputError(f"keras:{name} cannot be built for images {images.shape} ({_first_line(error)}).")
    file = Path(os.environ.get("KERAS_HOME", "~/.keras")).expanduser() / "models" / address[0].rpartition("/")[2]
    return InputError(f"keras:{name} needs {file}, and {address[0]} cannot be reached. Download it there by hand.")


def _bound(inner: keras.Model, images: Images, what: str, prepare: Callable[[Any], Any]) -> keras.Model:
    """prepare, then inner, as a model of the images' own shape."""
    wanted = inner.inputs[0].shape[1:]
    if len(wanted) != len(images.shape) or any(w not in (None, s) for w, s in zip(wanted, images.shape, strict=True)):
        raise InputError(f"{what} takes images {wanted}. Received: {images.shape}. Resize them, or choose another.")
    x = keras.Input(images.shape, name="images")
    return keras.Model(x, inner(prepare(x)), name="frozen_encoder")


def _check_rgb(images: Images, what: str) -> None:
    if not images.scale or images.shape[2:] != (3,) or min(images.shape[:2]) < _SMALLEST:
        raise InputError(
            f"{what} needs uint8 images (H, W, 3) of at least {_SMALLEST} x {_SMALLEST} pixels. "
            f"Received: {'uint8' if images.scale else 'float'} of {tuple(images.shape)}."
        )


def _first_line(error: Exception) -> str:
    return f"{type(error).__name__}: {error}".strip().splitlines()[0]
