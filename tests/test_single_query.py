import re
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

import tfal
from tests.conftest import ROOT
from tests.kernels import stand_in
from tfal.errors import InputError
from tfal.strategies import STRATEGIES, Picks, Strategy, make_strategy
from tfal.strategies.top_scores import Margin


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(0).random((60, 8, 8, 1), np.float32)


@pytest.fixture(scope="module")
def model():
    keras.utils.set_random_seed(0)
    inputs = keras.Input((8, 8, 1))
    hidden = layers.Dense(16, activation="relu")(layers.Flatten()(inputs))
    return keras.Model(inputs, layers.Dense(5, activation="softmax")(layers.Dropout(0.5)(hidden)))


MADE = {name: make_strategy(name, None) for name in STRATEGIES if name != "ranking"}  # it needs a file
MADE = {name: made for name, made in MADE.items() if not made.parts}  # which a single query cannot tell apart
MADE.pop("refine")  # 450 queries; its own test asks for fewer
ASKED_ONCE = {name: made for name, made in MADE.items() if not made.oracle and not made.asks}
ONE_MODEL = [name for name, made in ASKED_ONCE.items() if made.learners in ((), ("classifier",))]


@pytest.mark.parametrize("strategy", ONE_MODEL)
def test_answers_ids_of_unlabeled_samples_and_touches_nothing(images, model, strategy):
    before, kept = model.get_weights(), images.copy()
    labeled = np.array([3, 0, 59])
    ids = tfal.query(strategy, model, images, 10, labeled=labeled, labels=[1, 0, 4], seed=1)
    assert ids.dtype == np.int64
    assert len(set(ids)) == 10
    assert not set(ids) & {3, 0, 59}
    again = tfal.query(strategy, model, images, 10, labeled=labeled, labels=[1, 0, 4], seed=1)
    assert ids.tolist() == again.tolist()
    assert np.array_equal(images, kept)
    assert labeled.tolist() == [3, 0, 59]
    assert all(np.array_equal(a, b) for a, b in zip(before, model.get_weights(), strict=True))


@pytest.mark.parametrize("strategy", ONE_MODEL)
def test_a_device_picks_alike(images, model, strategy, monkeypatch):
    given = {"labeled": [3, 0, 59], "labels": [1, 0, 4], "seed": 1}
    on_host = tfal.query(strategy, model, images, 10, backend="numpy", **given)
    stand_in.installed(monkeypatch)
    assert tfal.query(strategy, model, images, 10, backend="cupy", **given).tolist() == on_host.tolist()


def _single(images):
    return tf.data.Dataset.from_tensor_slices(images)


def _batches(images):
    return _single(images).batch(7)


def _pairs(images):
    return tf.data.Dataset.from_tensor_slices((images, np.zeros(len(images)))).batch(9)


class Batches(keras.utils.PyDataset):
    def __init__(self, images):
        super().__init__()
        self.images = images

    def __len__(self):
        return 5

    def __getitem__(self, index):
        return self.images[12 * index : 12 * index + 12], np.zeros(12)


@pytest.mark.parametrize("as_dataset", [_single, _batches, _pairs, Batches])
@pytest.mark.parametrize("strategy", ["coreset", "ldms", "margin"])
def test_a_dataset_gives_the_picks_of_its_array(images, model, strategy, as_dataset):
    labeled = [5, 1]
    from_array = tfal.query(strategy, model, images, 8, labeled=labeled, batch_size=11)
    from_dataset = tfal.query(strategy, model, as_dataset(images), 8, labeled=labeled, batch_size=11)
    assert from_array.tolist() == from_dataset.tolist()


def test_uint8_images_and_memory_maps_are_read(images, model, tmp_path):
    whole = np.round(images * 255).astype(np.uint8)
    np.save(tmp_path / "images.npy", whole)
    mapped = np.load(tmp_path / "images.npy", mmap_mode="r")
    assert tfal.query("margin", model, mapped, 5).tolist() == tfal.query("margin", model, whole, 5).tolist()


def test_all_that_is_left_can_be_asked_for(images, model):
    assert sorted(tfal.query("ldms", model, images, 59, labeled=[7])) == [i for i in range(60) if i != 7]


def test_rejected_samples_are_never_asked_for_and_change_what_is(images, model):
    given = {"labeled": [0, 1, 2, 3], "labels": [0, 1, 2, 3]}
    ids = tfal.query("similar", model, images, 20, **given, rejected=[7, 8, 9])
    assert not {7, 8, 9} & set(ids.tolist())
    assert ids.tolist() != tfal.query("similar", model, images, 20, **given).tolist()


def test_a_model_that_predicts_its_loss(images, model):
    features = layers.Dense(6, name="features")(layers.Flatten()(model.inputs[0]))
    loss = layers.Dense(1)(features)[:, 0]
    outputs = {"features": features, "logits": layers.Dense(3, name="logits")(features), "predicted_loss": loss}
    predicting = keras.Model(model.inputs, outputs)
    ids = tfal.query("ll", predicting, images, 5)
    assert ids.tolist() == np.argsort(-predicting(images)["predicted_loss"].numpy(), kind="stable")[:5].tolist()
    with pytest.raises(InputError, match="has no output 'predicted_loss'"):
        tfal.query("ll", model, images, 5)


class Spread(Strategy):
    """The samples whose sampled logits differ most."""

    n_pass, n_view = 6, 4

    def __init__(self, output):
        self.output = output

    def query(self, view, n, rng):
        logits = view.read("classifier", [self.output], view.candidates)[self.output]
        self.shape = logits.shape
        return Picks(view.candidates[np.argsort(-logits.var(axis=1).sum(axis=1), kind="stable")[:n]])


@pytest.mark.parametrize(("output", "n"), [("mc_logits", 6), ("view_logits", 4)])
def test_passes_and_views_follow_from_the_seed_and_not_from_the_batch(images, model, output, n):
    strategy = Spread(output)
    picks = [tfal.query(strategy, model, images, 12, batch_size=size, seed=1).tolist() for size in (256, 7)]
    assert picks[0] == picks[1]
    assert strategy.shape == (60, n, 5)
    assert picks[0] != tfal.query(strategy, model, images, 12, seed=2).tolist()
    few = tfal.query(strategy, model, images, 3, labeled=list(range(0, 60, 2)), seed=1)
    assert few.tolist() == [i for i in tfal.query(strategy, model, images, 60, seed=1) if i % 2][:3]


def test_what_passes_and_views_need_is_named(images, model):
    flat = keras.Sequential([keras.Input((8,)), layers.Dense(3)], name="flat")
    rows = images[:, 0, :, 0]
    with pytest.raises(InputError, match="model 'flat' has no Dropout layer"):
        tfal.query(Spread("mc_logits"), flat, rows, 3)
    with pytest.raises(InputError, match=r"views need images \(H, W, C\). Received: samples of shape \(8,\)"):
        tfal.query(Spread("view_logits"), flat, rows, 3)


@pytest.mark.parametrize("as_given", [np.asarray, _single, _batches, _pairs, Batches])
def test_random_needs_no_model(images, as_given):
    expected = tfal.query("random", None, images, 4, labeled=[2])
    assert tfal.query("random", None, as_given(images), 4, labeled=[2]).tolist() == expected.tolist()


def test_a_mask_is_its_positions_in_ascending_order(images, model):
    mask, classes = np.zeros(60, bool), np.arange(60) % 5
    mask[[40, 3, 17]] = True
    for strategy in ("similar", "coreset"):
        by_mask = tfal.query(
            strategy, model, images, 6, labeled=mask, labels=classes[mask], rejected=~mask & (classes > 3)
        )
        rejected = [i for i in range(60) if classes[i] > 3 and not mask[i]]
        by_ids = tfal.query(strategy, model, images, 6, labeled=[3, 17, 40], labels=[3, 2, 0], rejected=rejected)
        assert by_mask.tolist() == by_ids.tolist()


def test_a_first_round_has_no_labels(images, model):
    expected = tfal.query("similar", model, images, 5, seed=2).tolist()
    for nothing in ([], np.zeros(0, int), np.zeros(60, bool)):
        assert tfal.query("similar", model, images, 5, seed=2, labeled=nothing, labels=[]).tolist() == expected


def test_a_strategy_that_reads_labels_which_nobody_gave_is_told_so(images, model):
    class Reads(Strategy):
        learners = ()

        def query(self, view, n, rng):
            return Picks(view.candidates[np.argsort(view.labels(view.labeled))])

    with pytest.raises(InputError, match=r"Received: none\. Give labels, the class of each id in labeled"):
        tfal.query(Reads(), None, images, 3, labeled=[4, 5])


def test_samples_that_the_network_overflows_on_are_named(images):
    inputs = keras.Input((8, 8, 1))
    flat = layers.Flatten()(inputs)
    model = keras.Model(inputs, layers.Dense(3)(layers.Multiply()([flat, flat])))
    loud = images.copy()
    loud[[7, 12]] = 1e30
    with pytest.raises(InputError, match=r"logits of the network must be finite.* for ids \[7, 12\]\. Look at"):
        tfal.query("max_logit", model, loud, 3, batch_size=16)
    assert len(tfal.query("max_logit", model, loud, 3, labeled=[7, 12], batch_size=16)) == 3


def test_a_ranking_of_ones_own(images, tmp_path):
    np.save(tmp_path / "ids.npy", np.array([7, 3, 50, 0]))
    ids = tfal.query("ranking", None, images, 3, ranking=str(tmp_path / "ids.npy"), labeled=[3])
    assert ids.tolist() == [7, 50, 0]
    with pytest.raises(InputError, match="or ranking=FILE"):
        tfal.query("ranking", None, images, 3)


def test_a_strategy_reads_only_what_it_names(images, model):
    class Undeclared(Spread):
        learners = ()

    with pytest.raises(InputError, match=r"Received: 'classifier'; it names none\. Add it there"):
        tfal.query(Undeclared("mc_logits"), model, images, 3)


def test_numpy_numbers_are_numbers(images, model):
    given = {"n": np.int64(4), "seed": np.uint8(3), "batch_size": np.int32(16), "n_sample": np.int64(30)}
    plain = {name: int(value) for name, value in given.items()}
    assert tfal.query("ldms", model, images, **given).tolist() == tfal.query("ldms", model, images, **plain).tolist()


def test_options_reach_the_strategy_and_unknown_ones_are_refused(images, model):
    few = tfal.query("ldms", model, images, 5, n_sample=10)
    assert few.tolist() == tfal.query(STRATEGIES["ldms"](n_sample=10), model, images, 5).tolist()
    with pytest.raises(InputError, match=r"unknown argument 'samples'\. Did you mean 'n_sample'"):
        tfal.query("ldms", model, images, 5, samples=10)


def test_a_strategy_of_ones_own(images, model):
    class First(Strategy):
        learners = ()

        def query(self, view, n, rng):
            return Picks(view.candidates[:n])

    assert tfal.query(First(), model, images, 3, labeled=[0]).tolist() == [1, 2, 3]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"strategy": "ldm"}, "unknown strategy 'ldm'. Did you mean 'ldms'"),
        ({"n": 0}, "n must be a whole number from 1 to the 60"),
        ({"n": 61}, "n must be a whole number from 1 to the 60"),
        ({"n": 2.0}, r"n must be a whole number .* Received: 2.0. Give int\(n\)"),
        ({"n": True}, "n must be a whole number"),
        ({"n": None}, "n must be a whole number"),
        ({"labeled": range(60)}, "must leave a sample to pick"),
        ({"seed": None}, "seed must be a whole number >= 0. Received: None"),
        ({"seed": -1}, "seed must be a whole number >= 0"),
        ({"seed": 1.0}, "seed must be a whole number >= 0"),
        ({"batch_size": 0}, "batch_size must be a whole number >= 1. Received: 0"),
        ({"batch_size": None}, "batch_size must be a whole number >= 1"),
        ({"backend": "gpu"}, "unknown backend 'gpu'"),
        ({"backend": None}, "unknown backend None"),
        ({"outputs": "logits"}, "outputs must be a dict of layers' names .* Received: 'logits'"),
        ({"outputs": {"logits": 3}}, "outputs must be a dict of layers' names"),
        ({"strategy": Margin}, "Received: a class. Make one: Margin()"),
        ({"strategy": None}, "must be a name or a Strategy. Received: a NoneType"),
        ({"strategy": ["margin"]}, "must be a name or a Strategy. Received: a list"),
        ({"strategy": make_strategy("uniform", None)}, "looks at labels that nobody has bought"),
        ({"strategy": make_strategy("margin", None), "n_sample": 3}, r"strategy itself .* Received: \['n_sample'\]"),
        ({"oracle": True}, "unknown argument 'oracle'"),
        ({"learners": ()}, "unknown argument 'learners'"),
        ({"nested_budgets": True}, "unknown argument 'nested_budgets'"),
        ({"label": [0]}, "unknown argument 'label'. Did you mean 'labels'"),
        ({"batchsize": 8}, "unknown argument 'batchsize'. Did you mean 'batch_size'"),
        ({"strategy": "ldms", "n_sample": 0}, "n_sample must be at least 1. Received: 0"),
        ({"strategy": "ldms", "n_sample": "10"}, "n_sample must be of type int. Received: '10'"),
        ({"strategy": "similar", "submodular": "fl"}, "submodular must be one of logdetcmi, flcmi. Received: 'fl'"),
        ({"strategy": "batchbald", "n_candidate": 0}, "n_candidate must be at least 1. Received: 0"),
        ({"strategy": "power_margin", "beta": "1"}, "beta must be of type float. Received: '1'"),
        ({"labeled": [60]}, r"distinct ids from 0 to 59. Received: \[60\]"),
        ({"labeled": [1, 1]}, r"distinct ids from 0 to 59. Received: \[1\] more than once"),
        ({"labeled": [0.5]}, "labeled must be a list of ids"),
        ({"labeled": np.ones(59, bool)}, "labeled as a mask must be 60 bools"),
        ({"labels": [0]}, "labels must be 0 integers"),
        ({"labeled": [3], "labels": [5]}, r"from 0 to 4, the model's classes. Received: \[5\] for ids \[3\]"),
        ({"labeled": [1, 2], "labels": [0]}, "labels must be 2 integers"),
        ({"labeled": [1], "labels": [0.5]}, "labels must be 1 integers"),
        ({"rejected": [60]}, "rejected must hold distinct ids from 0 to 59"),
        ({"labeled": [1, 2], "rejected": [2, 3]}, r"labeled or rejected, not both. Received: \[2\]"),
        ({"strategy": "similar", "labeled": [1]}, "strategy 'similar' needs labels"),
        (
            {"strategy": "mqnet"},
            "reads loss_predictor and csi. Received: a model, nothing for csi. Give model={'loss_predictor': pr",
        ),
        ({"strategy": "uniform"}, "looks at labels that nobody has bought"),
        (
            {"strategy": "typiclust"},
            "reads encoder. Received: a model, nothing for encoder. Give features=..., an array",
        ),
        (
            {"strategy": "ccal"},
            "'ccal_distinctive': projection_rotations}, each .* or run the strategy through tfal.run",
        ),
        ({"images": np.full((60, 8, 8, 1), np.nan, np.float32)}, "images must be finite.* of id 0"),
        ({"images": np.zeros((60, 8, 8))}, r"images must be of shape \(N, 8, 8, 1\)"),
        ({"model": None}, "reads classifier. Received: no model, .* Give one Keras model, or features and labels"),
    ],
)
def test_what_cannot_be_used_is_named_in_one_line(images, model, changes, message):
    call = {"strategy": "margin", "model": model, "images": images, "n": 3} | changes
    with pytest.raises(InputError, match=message) as error:
        tfal.query(call.pop("strategy"), call.pop("model"), call.pop("images"), call.pop("n"), **call)
    assert "\n" not in str(error.value)


def test_the_example_of_the_readme_runs():
    readme = (ROOT / "README.md").read_text()
    (example,) = [code for code in re.findall(r"```python\n(.*?)```", readme, re.DOTALL) if "tfal.query" in code]
    assert len([line for line in example.splitlines() if line.strip()]) <= 5
    setup = (
        "import keras, numpy as np\n"
        "images = np.random.default_rng(0).random((500, 8, 8, 1), np.float32)\n"
        "model = keras.Sequential([keras.Input((8, 8, 1)), keras.layers.Flatten(), keras.layers.Dense(9),\n"
        "    keras.layers.Dense(3, activation='softmax')])\n"
        "labeled = [1, 2, 3]\n"
    )
    code = setup + example + "\nassert len(set(ids) - set(labeled)) == 100"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)


@pytest.fixture(scope="module")
def binary(images):
    """The same network with a sigmoid of z and with a softmax of (0, z)."""
    keras.utils.set_random_seed(0)
    inputs = keras.Input((8, 8, 1))
    hidden = layers.Dropout(0.5)(layers.Dense(16, activation="relu")(layers.Flatten()(inputs)))
    one, two = layers.Dense(1, activation="sigmoid"), layers.Dense(2, activation="softmax")
    models = keras.Model(inputs, one(hidden)), keras.Model(inputs, two(hidden))
    kernel, bias = one.get_weights()
    two.set_weights([np.hstack([0 * kernel, kernel]), np.append(0 * bias, bias)])
    return models


# noise_stability's noise is on all weights, of which one unit has fewer.
@pytest.mark.parametrize("strategy", [name for name in ONE_MODEL if name != "noise_stability"])
def test_one_unit_asks_for_what_two_units_ask(images, binary, strategy):
    given = {"labeled": [3, 0, 59], "labels": [1, 0, 1], "seed": 1}
    one, two = (tfal.query(strategy, model, images, 10, **given).tolist() for model in binary)
    assert one == two


def test_of_one_unit_uncertainty_asks_for_the_smallest_logits(images, binary):
    z = np.log(1 / binary[0].predict(images, verbose=0).ravel() - 1)
    nearest = np.argsort(np.abs(z))[:6]
    for strategy in ("margin", "entropy", "least_confidence"):
        assert tfal.query(strategy, binary[0], images, 6).tolist() == nearest.tolist()
    with pytest.raises(InputError, match="labels"):
        tfal.query("margin", binary[0], images, 6, labeled=[1], labels=[2])
