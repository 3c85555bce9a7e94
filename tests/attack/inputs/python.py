"""The doors in Python: tfal.query, tfal.run, tfal.load, tfal.Recipe, from_arrays."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from tests.attack.inputs import models
from tests.attack.inputs.case import ACCEPTED, EITHER, REFUSED, Case
from tfal.recipe import Recipe
from tfal.recipe.components import options

_X = np.random.default_rng(0).random((60, 8, 8, 1), np.float32)
_NAN = np.where(np.arange(60)[:, None, None, None] == 7, np.nan, _X).astype(np.float32)
_LABELED = {"labeled": [0, 1, 2], "labels": [0, 1, 2]}

# Values that a single argument of tfal.query cannot have, beside what else is given then.
_BAD: dict[str, tuple[dict[str, Any], tuple[Any, ...]]] = {
    "strategy": (
        {},
        (
            *("nonsense", "", None, 3, "margin,random", ["margin"], object, "mqnet", "ccal", "uniform", "scan", "vaal"),
            *("simclr_loss", "ranking"),
        ),
    ),
    "n": ({}, (0, -1, 61, 10**30, 1.0, 2.5, "4", None, True, float("nan"), [4], np.float32(4))),
    "seed": ({}, (None, -1, 1.5, "0", [1, 2], True)),
    "batch_size": ({}, (0, -1, 1.5, None, "8", True)),
    "backend": ({}, ("nonsense", "cupy", None, 3, "")),
    "outputs": (
        {},
        (
            *("hid", {"logits": "gone"}, {"nonsense": "hid"}, {"features": "hid", "logits": "hid"}, {"logits": 3}),
            *(["hid"], {"features": None, "logits": None}, 5),
        ),
    ),
    "n_sample": ({"strategy": "ldms"}, (0, -1, "many", 1.5, None)),
    "nSample": ({"strategy": "ldms"}, (5,)),
    "n_pass": ({"strategy": "bald"}, (0, 1, "many", 2.5, None)),
    "n_view": ({"strategy": "consistency"}, (0, 1, "many", 2.5)),
    "beta": ({"strategy": "power_margin"}, (-1.0, float("nan"), "one")),
    "oracle": ({}, (True, 3)),
    "labeled": (
        {},
        (
            *([60], [-1], [0, 0], [0.5], "abc", [[0, 1]], 7, [None], ["0"], list(range(60)), {0, 1}, [2**70]),
            np.array([True, False]),
        ),
    ),
    "labels": (
        {"strategy": "similar", "labeled": [0, 1, 2]},
        (
            *([0, 1], [0, 1, 3], [0, 1, 99], [-1, 0, 1], [1, 2, 3], [0.0, 1.5, 2.0], ["a", "b", "c"], np.eye(3), None),
            *([None, 1, 2], 5, [2**70, 0, 1]),
        ),
    ),
    "rejected": (_LABELED, ([0], [99], [-1], [5, 5], "x", [0.5], list(range(3, 60)))),
    "imags": ({}, (3,)),
}

# What else is given to tfal.query in place of ("margin", a sound model, images, 4), and what must come of it.
_QUERIES: dict[str, tuple[dict[str, Any], str]] = {
    "plain": ({}, ACCEPTED),
    "strategy='MARGIN'": ({"strategy": "MARGIN"}, EITHER),
    "n=np.int64(4)": ({"n": np.int64(4)}, ACCEPTED),
    "n=60": ({"n": 60}, ACCEPTED),
    "seed=2**70": ({"seed": 2**70}, EITHER),
    "batch_size=10**12": ({"batch_size": 10**12}, EITHER),
    "outputs={}": ({"outputs": {}}, EITHER),
    "outputs named": ({"outputs": {"features": "hid", "logits": "out"}}, ACCEPTED),
    "an option with a strategy that has none": ({"n_sample": 5}, REFUSED),
    "labeled=[]": ({"labeled": []}, ACCEPTED),
    "labeled as a mask": ({"labeled": np.arange(60) < 3}, EITHER),
    "labels without labeled": ({"labels": [0, 1]}, REFUSED),
    "first round": ({"strategy": "similar", "labeled": [], "labels": []}, EITHER),
    "similar, labels": ({"strategy": "similar", **_LABELED}, ACCEPTED),
}

# What is given as images.
_IMAGES: dict[str, tuple[Any, str]] = {
    "None": (None, REFUSED),
    "a number": (5, REFUSED),
    "text": ("images.npy", REFUSED),
    "an empty list": ([], REFUSED),
    "no images": (_X[:0], REFUSED),
    "NaN": (_NAN, REFUSED),
    "infinity": (np.where(np.isnan(_NAN), np.inf, _NAN), REFUSED),
    "text in an array": (_X.astype(str), REFUSED),
    "objects": (_X.astype(object), EITHER),
    "complex numbers": (_X.astype(complex), REFUSED),
    "no channel": (_X[..., 0], EITHER),
    "colour for grey": (np.repeat(_X, 3, -1), REFUSED),
    "another size": (_X[:, :7], REFUSED),
    "one image": (_X[0], REFUSED),
    "flat": (_X.reshape(60, 64), REFUSED),
    "volumes": (_X[..., None], REFUSED),
    "a list of arrays": (list(_X), EITHER),
    "images of several sizes": ([_X[0], _X[1, :7]], REFUSED),
    "a dict": ({"images": _X}, REFUSED),
    "a generator": ((x for x in _X), REFUSED),
    "bool": (_X > 0.5, EITHER),
    "uint8": ((_X * 255).astype(np.uint8), ACCEPTED),
    "float16": (_X.astype(np.float16), ACCEPTED),
    "float64": (_X.astype(float), ACCEPTED),
    "huge values": (_X * 1e30, EITHER),
    "zeros": (_X * 0, ACCEPTED),
    "a read-only array": (np.broadcast_to(_X[:1], _X.shape), ACCEPTED),
}


def _query(**change: Any) -> Callable[[Path], object]:
    def call(folder: Path) -> object:
        import tfal

        given: dict[str, Any] = {"strategy": "margin", "model": models.plain, "images": _X, "n": 4, **change}
        given["model"] = given["model"]() if callable(given["model"]) else given["model"]
        given["images"] = given["images"](folder) if callable(given["images"]) else given["images"]
        strategy, model, images, n = (given.pop(name) for name in ("strategy", "model", "images", "n"))
        ids = tfal.query(strategy, model, images, n, **given)
        if len(set(ids.tolist())) != n or ids.dtype != np.int64:
            raise AssertionError(f"{n} distinct ids must come back. Received: {ids}")
        return ids

    return call


def cases() -> Iterator[Case]:
    """All of them."""
    for name, (beside, values) in _BAD.items():
        for value in values:
            yield Case(f"query {name}={_shown(value)}", call=_query(**{**beside, name: value}))
    for name, (change, expected) in _QUERIES.items():
        yield Case(f"query {name}", call=_query(**change), expected=expected)
    for name, (images, expected) in _IMAGES.items():
        yield Case(f"query images: {name}", call=_query(images=images), expected=expected)
    for name, (model, expected) in models.MODELS.items():
        yield Case(f"query model: {name}", call=_query(model=model), expected=expected)
    for name, (images, expected) in models.SOURCES.items():
        yield Case(f"query source: {name}", call=_query(images=functools.partial(images, _X)), expected=expected)
    for strategy in (
        "entropy",
        "badge",
        "coreset",
        "ldms",
        "bald",
        "kmeans",
        "typiclust",
        "maxherding",
        "power_margin",
        "consistency",
    ):
        for name in ("NaN weights", "huge weights", "dead features"):
            model = models.MODELS[name][0]
            yield Case(f"query {strategy}, {name}", call=_query(strategy=strategy, model=model), expected=EITHER)
        yield Case(
            f"query {strategy}, all images alike", call=_query(strategy=strategy, images=_X * 0 + 1), expected=EITHER
        )
        yield Case(f"query {strategy}, n of all", call=_query(strategy=strategy, n=60), expected=EITHER)
    yield from _recipes()
    yield from _loads()
    yield from _arrays()
    yield from _runs()


def _shown(value: Any) -> str:
    text = repr(value).replace("\n", "")
    return text if len(text) < 60 else f"{text[:50]}..."


def _recipes() -> Iterator[Case]:
    wrong: Mapping[str, tuple[Any, ...]] = {
        "int": (None, "5", 1.0, True, np.float64(3), [1]),
        "float": (None, "0.1", True, [0.1], float("nan"), 1j),
        "str": (None, 5, b"margin", ["margin"], Path("x")),
    }
    for field in options().values():
        kind, _, rest = str(field.type).partition(" ")
        for value in wrong[kind]:
            if value is not None or not rest:
                call = functools.partial(_recipe, field.name, value)
                yield Case(f"Recipe({field.name}={value!r})", call=call)


def _recipe(name: str, value: Any, _: Path) -> object:
    return Recipe(**{name: value})


def _loads() -> Iterator[Case]:
    for name in ("nonsense", "", "../x", "a/b", None, 5, b"digits", ["digits"], "x" * 300, "a\nb"):
        yield Case(f"load({str(name)[:20]!r}, {type(name).__name__})", call=functools.partial(_load, name))
    for place in (5, "/dev/null", "gone", "x" * 5000, "a\0b", "~nobody-of-this-name"):
        yield Case(f"load('mine', {str(place)[:20]!r})", call=functools.partial(_load, "mine", data_dir=place))
    for size in (0, -1, 1.5, "8", None):
        yield Case(f"load('mine', size={size!r})", call=functools.partial(_load, "mine", data_dir=".", size=size))
    yield Case("load('digits')", call=functools.partial(_load, "digits"), expected=ACCEPTED)


def _load(name: Any, folder: Path, **options: Any) -> object:
    import tfal

    if options.get("data_dir") == ".":
        options["data_dir"] = str(folder)
    return len(tfal.load(name, **options).y_train)


def _arrays() -> Iterator[Case]:
    images, labels = (np.random.default_rng(0).random((40, 8, 8, 1)) * 255).astype(np.uint8), np.arange(40) % 4
    for name, change, expected in (
        ("plain", {}, ACCEPTED),
        ("no labels", {1: None}, REFUSED),
        ("labels too few", {1: labels[:30]}, REFUSED),
        ("one-hot labels", {1: np.eye(4)[labels]}, REFUSED),
        ("labels from 1", {1: labels + 1}, REFUSED),
        ("text for images", {0: "x.npy"}, REFUSED),
        ("a ragged list", {0: [images[0], images[1, :7]]}, REFUSED),
        ("images of NaN", {0: images * np.nan}, REFUSED),
        ("lists", {0: images.tolist(), 1: labels.tolist()}, EITHER),
        ("no test images", {2: images[:0], 3: labels[:0]}, REFUSED),
        ("a test class of its own", {3: labels + 9}, REFUSED),
        ("None for test images", {2: None}, REFUSED),
    ):
        given = [change.get(place, value) for place, value in enumerate((images, labels, images, labels))]
        yield Case(f"from_arrays: {name}", call=functools.partial(_from_arrays, given), expected=expected)


def _from_arrays(given: list[Any], _: Path) -> object:
    from tfal.data import from_arrays

    return from_arrays("mine", *given).n_classes


def _runs() -> Iterator[Case]:
    for name, change, builder, expected in (
        ("plain", {}, models.builder, ACCEPTED),
        ("no builder", {}, None, REFUSED),
        ("a model for a builder", {}, "a model", REFUSED),
        ("a builder of other classes", {}, lambda shape, n: models.builder(shape, n + 1), REFUSED),
        ("a builder of another shape", {}, lambda shape, n: models.builder((9, 9, 1), n), REFUSED),
        ("a builder of nothing", {}, lambda shape, n: None, REFUSED),
        ("a builder with a softmax", {}, lambda shape, n: models.builder(shape, n, "softmax"), EITHER),
        ("a builder without arguments", {}, lambda: None, REFUSED),
        ("an unknown data set", {"dataset": "nonsense", "data_dir": "."}, models.builder, REFUSED),
        ("too many labels", {"n_init": 5000}, models.builder, REFUSED),
        ("a rate at which it diverges", {"learning_rate": 1e30, "optimizer": "sgd"}, models.builder, REFUSED),
    ):
        yield Case(f"run: {name}", call=functools.partial(_run, change, builder), expected=expected)


def _run(change: dict[str, Any], builder: Any, folder: Path) -> object:
    import tfal

    if builder == "a model":
        builder = models.plain()
    given = {
        "dataset": "digits",
        "network": "mine",
        "strategy": "margin",
        "n_rep": 1,
        "n_step": 1,
        "n_epoch": 1,
        "n_init": 20,
    }
    given |= {"n_valid": 20, "n_pool": 60, "n_query": 5, "n_sample": 50, "results_dir": str(folder / "results")}
    given |= {name: str(folder) if value == "." else value for name, value in change.items()}
    return len(list(tfal.run(Recipe(**given), builder)))
