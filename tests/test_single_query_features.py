"""tfal.query on a lab's own embeddings: row i is sample i, in place of a model or beside one."""

import re

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

import tfal
from tests.conftest import ROOT
from tests.kernels import stand_in
from tfal import kernels
from tfal.errors import InputError
from tfal.kernels.parts.pairwise import unit_rows
from tfal.learners import LEARNERS
from tfal.strategies import STRATEGIES, Picks, Strategy, make_strategy
from tfal.streams import Streams

N, D = 90, 6
CLASS = np.arange(N) % 3
FEATURES = np.random.default_rng(1).normal(size=(N, D)).astype(np.float32) + 4 * np.eye(3, D, dtype=np.float32)[CLASS]
LABELED = [80, 3, 10, 7, 41, 77]
GIVEN = {"labeled": LABELED, "labels": CLASS[LABELED], "seed": 1}
MADE = {name: make_strategy(name, None) for name in STRATEGIES if name != "ranking"}  # it needs a file
MADE = {name: made for name, made in MADE.items() if not made.parts}  # which a single query cannot tell apart
MADE.pop("refine")  # 450 queries; its own test asks for fewer
OF_FEATURES = [
    name
    for name, made in MADE.items()
    if not made.oracle and not made.asks and not made.required_outputs and {*made.learners} <= {"encoder", "classifier"}
]
OF_ENCODER = [name for name in OF_FEATURES if "classifier" not in MADE[name].learners and MADE[name].learners]


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(0).random((N, 4, 4, 1), np.float32)


@pytest.fixture(scope="module")
def model():
    keras.utils.set_random_seed(0)
    inputs = keras.Input((4, 4, 1))
    return keras.Model(inputs, layers.Dense(3)(layers.Dense(5, activation="relu")(layers.Flatten()(inputs))))


def test_the_strategies_that_are_meant_are_among_those_tested():
    clustered = {"typiclust", "kmeans", "multi_kmeans", "kmeans_clusters"}
    assert clustered | {"probcover", "maxherding", "activeft"} == {*OF_ENCODER}
    assert {"coreset", "badge", "ldms", "margin", "uherding", "bait", "similar", "power_margin"} < {*OF_FEATURES}


@pytest.mark.parametrize("strategy", OF_FEATURES)
def test_features_and_labels_are_enough(strategy, tmp_path):
    kept = FEATURES.copy()
    ids = tfal.query(strategy, None, None, 12, features=FEATURES, **GIVEN)
    assert ids.dtype == np.int64
    assert len(set(ids.tolist()) - {*LABELED}) == 12
    assert np.array_equal(FEATURES, kept)
    path = tmp_path / "features.npy"
    np.save(path, FEATURES)
    others = (np.load(path, mmap_mode="r"), str(path), FEATURES.astype(np.float64), FEATURES.tolist())
    for same in (path, *(others if strategy in ("typiclust", "badge") else ())):
        assert tfal.query(strategy, None, None, 12, features=same, **GIVEN).tolist() == ids.tolist()


@pytest.mark.parametrize("strategy", OF_FEATURES)
def test_a_device_picks_alike(strategy, monkeypatch):
    on_host = tfal.query(strategy, None, None, 12, features=FEATURES, backend="numpy", **GIVEN)
    stand_in.installed(monkeypatch)
    on_device = tfal.query(strategy, None, None, 12, features=FEATURES, backend="cupy", **GIVEN)
    assert on_device.tolist() == on_host.tolist()


@pytest.mark.parametrize("strategy", [*OF_ENCODER, "coreset", "random"])
def test_a_first_round_needs_no_labels(strategy):
    assert len(set(tfal.query(strategy, None, None, 12, features=FEATURES).tolist())) == 12


def test_the_encoder_is_read_at_length_1_and_k_center_reads_rows_as_they_are():
    unit = unit_rows(FEATURES)
    for scale in (1.0, 1e-3):
        found = tfal.query("typiclust", None, None, 9, features=FEATURES * scale, seed=4)
        rng, options = Streams(4)("query"), {"n_iter": 20, "n_init": 5}
        expected = kernels.typiclust(unit, 9, labeled=np.zeros(0, np.int64), rng=rng, **options)
        assert found.tolist() == expected.tolist()
    left = np.setdiff1d(np.arange(N), LABELED)
    rows = kernels.k_center_greedy(FEATURES[left], 9, centers=FEATURES[LABELED], rng=Streams(1)("query"))
    assert tfal.query("coreset", None, None, 9, features=FEATURES, **GIVEN).tolist() == left[rows].tolist()


def test_what_a_model_gives_as_features_gives_its_picks(images, model):
    features = keras.Model(model.inputs, model.layers[-1].input).predict(images, verbose=0)
    found = tfal.query("coreset", None, images, 9, features=features, labeled=LABELED)
    assert found.tolist() == tfal.query("coreset", model, images, 9, labeled=LABELED).tolist()


class Reads(Strategy):
    """Keeps what a strategy sees of a linear head on features."""

    def query(self, view, n, rng):
        self.seen = view.read("classifier", ["features", "logits"], view.candidates)
        self.head = view.head("classifier")
        return Picks(view.candidates[:n])


def _seen(features, seed=1, labels=None):
    strategy = Reads()
    labels = CLASS[LABELED] if labels is None else labels
    tfal.query(strategy, None, None, 3, features=features, labeled=LABELED, labels=labels, seed=seed)
    return strategy


def test_the_head_is_one_of_the_rows_as_they_are():
    found = _seen(FEATURES)
    left = np.setdiff1d(np.arange(N), LABELED)
    assert np.array_equal(found.seen["features"], FEATURES[left])
    kernel, bias = found.head
    assert (kernel.shape, bias.shape) == ((D, 3), (3,))
    np.testing.assert_allclose(found.seen["logits"], FEATURES[left] @ kernel + bias, rtol=1e-5, atol=1e-5)
    assert np.mean(found.seen["logits"].argmax(axis=1) == CLASS[left]) > 0.9


@pytest.mark.parametrize(("scale", "moved"), [(1e-4, 0), (1e4, 0), (1.0, 300.0)])
def test_the_head_is_the_same_at_any_scale_and_mean(scale, moved):
    found = _seen(FEATURES.astype(np.float64) * scale + moved).seen["logits"]
    np.testing.assert_allclose(found, _seen(FEATURES).seen["logits"], rtol=0, atol=5e-3)


def test_the_head_follows_from_the_seed():
    first = _seen(FEATURES).seen["logits"]
    assert np.array_equal(first, _seen(FEATURES).seen["logits"])
    assert not np.array_equal(first, _seen(FEATURES, seed=2).seen["logits"])


def test_classes_that_nobody_has_are_classes_that_nothing_is():
    found = _seen(FEATURES, labels=[0, 5, 0, 5, 5, 0]).seen["logits"]
    assert found.shape[1] == 6
    assert set(found.argmax(axis=1)) <= {0, 5}


def test_features_beside_a_model_are_the_encoder(images, model):
    both = tfal.query("uherding", model, images, 9, features=FEATURES, labeled=LABELED)
    assert both.tolist() != tfal.query("uherding", None, None, 9, features=FEATURES, **GIVEN).tolist()
    assert both.tolist() != tfal.query("uherding", model, images, 9, features=-(FEATURES**2), labeled=LABELED).tolist()


def test_only_rows_that_are_read_are_looked_at():
    broken = FEATURES.copy()
    broken[5, 0], broken[8] = np.nan, np.inf
    with pytest.raises(InputError, match=r"features must be finite.* for ids \[5, 8\]\. Look at these samples"):
        tfal.query("kmeans", None, None, 5, features=broken)
    assert len(tfal.query("kmeans", None, None, 5, features=broken, rejected=[5, 8])) == 5
    with pytest.raises(InputError, match=r"larger values for ids \[0\]"):
        tfal.query("kmeans", None, None, 5, features=np.full((N, 2), 1e39) * (np.arange(N) == 0)[:, None])


@pytest.mark.parametrize("dtype", [np.float16, ">f4", np.int16, np.uint8])
def test_dtypes_that_embeddings_come_in(dtype):
    coarse = np.round(FEATURES.clip(0) * 8).astype(dtype)
    expected = tfal.query("typiclust", None, None, 9, features=coarse.astype(np.float32), seed=1)
    found = tfal.query("typiclust", None, None, 9, features=coarse, seed=1)
    if dtype is np.float16:  # which stays so, to take half of the memory
        assert len(set(found.tolist())) == 9
    else:
        assert found.tolist() == expected.tolist()


def test_a_memory_map_is_never_read_whole(tmp_path, monkeypatch):
    np.save(tmp_path / "features.npy", FEATURES)
    read = []
    whole = np.memmap.__getitem__
    monkeypatch.setattr(np.memmap, "__getitem__", lambda map, key: (read.append(np.size(key)), whole(map, key))[1])
    tfal.query("coreset", None, None, 4, features=tmp_path / "features.npy", rejected=np.arange(20, N), labeled=[3])
    assert sum(read) == 20  # those that are asked about


def _objects():
    return np.array([[1.0], "a", None], object)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"features": FEATURES[:-1], "images": np.zeros((N, 4, 4, 1))}, "features must have one row .* 90, the images"),
        ({"features": FEATURES[:, 0]}, r"features must be of shape \(B, d\)\. Received: \(90,\)"),
        ({"features": FEATURES[..., None, None]}, r"Received: \(90, 6, 1, 1\)\. Pool it, or flatten it"),
        ({"features": FEATURES[:, :0]}, r"Received: \(90, 0\)"),
        ({"features": FEATURES[:0]}, r"must have a row for each sample\. Received: none, in shape \(0, 6\)"),
        ({"features": FEATURES.astype(object)}, "of numbers. Received: object of shape"),
        ({"features": FEATURES.astype(str)}, "of numbers. Received: <U"),
        ({"features": FEATURES.astype(complex)}, "of numbers. Received: complex"),
        ({"features": [[1.0], [1.0, 2.0]]}, "features must be an array .* Received: a list"),
        ({"features": np.ma.masked_array(FEATURES, FEATURES > 0)}, "masked array with masked values"),
        ({"features": {"a": FEATURES}}, "features must be an array .* Received: a dict"),
        ({"features": lambda batch: batch}, "Received: a function. What makes features of images is given as model="),
        ({"features": "nowhere.npy"}, "nowhere.npy is missing. Save features with numpy.save"),
        ({}, "reads encoder. Received: no model, nothing for encoder. Give features="),
        ({"features": FEATURES, "outputs": {"features": "fc"}}, "outputs without such a model. Leave them out"),
        ({"strategy": "random"}, "images or features must be given.* Received: neither"),
        ({"strategy": "random", "features": FEATURES[:, 0]}, r"features must be of shape \(B, d\)"),
        ({"strategy": "margin", "features": FEATURES}, "labeled samples of two classes at least. Received: none"),
        (
            {"strategy": "margin", "features": FEATURES, "labeled": [1, 4], "labels": [1, 1]},
            "Received: class 1 alone",
        ),
        (
            {"strategy": "margin", "features": FEATURES, "labeled": [1, 2]},
            "a linear head on features is trained on labels. Received: labeled without labels",
        ),
        (
            {"strategy": "margin", "features": FEATURES, "labeled": [1, 2], "labels": [0, 70_000]},
            "from 0 to at most 65535. Received: 70000",
        ),
        ({"strategy": "margin", "features": FEATURES, "labeled": [1], "labels": [-1]}, "classes counted from 0"),
        (
            {"strategy": "bald", "features": FEATURES},
            "Give a Keras model, whose mc_logits are read: features have none",
        ),
        (
            {"strategy": "ll", "features": FEATURES},
            "reads loss_predictor. Received: no model and features, nothing for",
        ),
        ({"strategy": "variation_ratio", "features": FEATURES}, "Give a list of models"),
    ],
)
def test_what_cannot_be_read_is_named_in_one_line(changes, message):
    call = {"strategy": "typiclust", "images": None, "n": 3} | changes
    with pytest.raises(InputError, match=message) as error:
        tfal.query(call.pop("strategy"), None, call.pop("images"), call.pop("n"), **call)
    assert "\n" not in str(error.value)


def test_that_a_query_forgets_earlier_rounds_is_said(recwarn):
    with pytest.warns(UserWarning, match="strategy 'probcover' learns from round to round. .*tfal.Campaign keeps"):
        tfal.query("probcover", None, None, 3, features=FEATURES, **GIVEN)
    recwarn.clear()
    tfal.query("probcover", None, None, 3, features=FEATURES)
    tfal.query("probcover", None, None, 3, features=FEATURES, delta=0.3, **GIVEN)
    tfal.query("typiclust", None, None, 3, features=FEATURES, **GIVEN)
    assert not recwarn.list


def test_what_would_not_be_looked_at_is_refused(images, model):
    with pytest.raises(InputError, match=r"looks at features only without a model\. Received: both"):
        tfal.query("margin", model, images, 3, features=FEATURES)
    with pytest.raises(InputError, match=r"reads features alone and looks at no model\. Received: both"):
        tfal.query("typiclust", model, images, 3, features=FEATURES)
    assert len(tfal.query("random", model, images, 3, features=FEATURES)) == 3


@pytest.mark.parametrize("break_it", ["objects", "cut", "text", "zip"])
def test_files_that_are_no_arrays_are_never_unpickled(tmp_path, break_it):
    path = tmp_path / "features.npy"
    np.save(path, _objects() if break_it == "objects" else FEATURES, allow_pickle=True)
    if break_it == "cut":
        path.write_bytes(path.read_bytes()[:-1])
    if break_it == "text":
        path.write_text("1,2,3\n")
    if break_it == "zip":
        with path.open("wb") as file:
            np.savez(file, FEATURES)
    with pytest.raises(
        InputError, match=r"features\.npy is damaged or no \.npy file \(.*\)\. Save features with"
    ) as error:
        tfal.query("kmeans", None, None, 3, features=path)
    assert "\n" not in str(error.value)


def test_an_encoder_of_keras_applications_through_its_features():
    images = np.random.default_rng(0).integers(0, 256, (24, 32, 32, 3), np.uint8)
    encoder = keras.applications.MobileNetV2((32, 32, 3), alpha=0.35, include_top=False, weights=None, pooling="avg")
    features = encoder.predict(keras.applications.mobilenet_v2.preprocess_input(images.astype("f4")), verbose=0)
    ids = tfal.query("typiclust", None, images, 5, features=features, labeled=[2])
    prepared = keras.applications.mobilenet_v2.preprocess_input(images.astype("f4"))
    assert tfal.query("typiclust", {"encoder": encoder}, prepared, 5, labeled=[2]).tolist() == ids.tolist()
    assert len(set(ids.tolist()) - {2}) == 5
    tensor = tfal.query("typiclust", None, None, 5, features=tf.constant(features), labeled=[2])
    assert tensor.tolist() == ids.tolist()


def test_the_examples_of_the_readme_run(tmp_path, monkeypatch):
    readme = (ROOT / "README.md").read_text()
    (example,) = [code for code in re.findall(r"```py\n(.*?)```", readme, re.DOTALL) if "embeddings.npy" in code]
    monkeypatch.chdir(tmp_path)
    np.save("embeddings.npy", FEATURES)
    names = {"tfal": tfal, "labels": np.arange(20) % 3, "images": FEATURES, "wrapped": lambda batch: batch[:, :3]}
    exec(example.replace("labeled=labeled", "labeled=first"), names)
    assert len(names["first"]) == 20
    assert {*names["ids"].tolist()} == {*range(N)} - {*names["first"].tolist()}


def test_every_learner_says_what_a_single_array_is():
    outputs = {name: spec.output for name, spec in LEARNERS.items()}
    assert outputs["encoder"] == "features"
    assert outputs["classifier"] == "logits"
    assert outputs["csi"] == "projection"
