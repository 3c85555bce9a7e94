"""tfal.query on what is not one plain Keras model: several, by learner, with two heads, or behind a function."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

import tfal
from tfal import kernels
from tfal.errors import InputError
from tfal.strategies import STRATEGIES, make_strategy

N = 40
IMAGES = np.random.default_rng(0).random((N, 4, 4, 1), np.float32)
FEATURES = np.random.default_rng(1).normal(size=(N, 5)).astype(np.float32)
LABELED = [3, 8, 21, 30]
CLASSES = [0, 1, 2, 1]


def _network(seed, units=3, activation=None):
    keras.utils.set_random_seed(seed)
    inputs = keras.Input((4, 4, 1))
    hidden = layers.Dense(5, activation="relu")(layers.Flatten()(inputs))
    return keras.Model(inputs, layers.Dense(units, activation=activation)(hidden))


@pytest.fixture(scope="module")
def models():
    return [_network(seed) for seed in range(3)]


class Subclassed(keras.Model):
    """A model that has no graph."""


@pytest.fixture(scope="module")
def member_logits(models):
    return np.stack([model.predict(IMAGES, verbose=0) for model in models], axis=1)


@pytest.fixture(scope="module")
def two_headed(models):
    """A model of two outputs, the first of which is no classifier."""
    hidden = models[0].layers[-1].input
    box = layers.Dense(4, name="box")(hidden)
    return keras.Model(models[0].inputs, {"box": box, "kind": models[0].outputs[0]})


def _function(model):
    both = keras.Model(model.inputs, {"logits": model.outputs[0], "features": model.layers[-1].input})
    return lambda batch: both(batch, training=False)


@pytest.mark.parametrize("strategy", ["variation_ratio", "ensemble_entropy"])
def test_a_list_of_models_is_an_ensemble(models, member_logits, strategy):
    score = {"variation_ratio": kernels.variation_ratio, "ensemble_entropy": kernels.mean_entropy}[strategy]
    ids = tfal.query(strategy, models, IMAGES, 8, labeled=LABELED, labels=CLASSES, seed=3)
    left = np.setdiff1d(np.arange(N), LABELED)
    scores = score(member_logits)[left]
    assert sorted(scores[np.searchsorted(left, ids)].tolist(), reverse=True) == sorted(scores.tolist())[:-9:-1]
    given = {"labeled": LABELED, "labels": CLASSES, "seed": 3}
    functions = [_function(model) for model in models]
    for same in (
        tuple(models),
        functions,
        {"ensemble": models},
        {"ensemble": member_logits},
        [functions[0], *models[1:]],
    ):
        images = None if isinstance(same, dict) and same["ensemble"] is member_logits else IMAGES
        assert tfal.query(strategy, same, images, 8, **given).tolist() == ids.tolist()


def test_labels_beyond_the_outputs_are_refused(models, member_logits):
    for strategy, given in [
        ("margin", models[0]),
        ("margin", _function(models[0])),
        ("margin", {"classifier": member_logits[:, 0]}),
        ("variation_ratio", models),
        ("variation_ratio", {"ensemble": member_logits}),
    ]:
        for label in (3, -1):
            with pytest.raises(InputError, match=rf"from 0 to 2, the model's classes. Received: \[{label}\]"):
                tfal.query(strategy, given, IMAGES, 3, labeled=[1], labels=[label])


def test_a_head_of_two_is_chosen_by_the_name_of_its_output(models, two_headed):
    with pytest.raises(InputError, match=r"several outputs \('box', 'kind'\), none of them called 'logits'.* outputs="):
        tfal.query("badge", two_headed, IMAGES, 5)
    expected = tfal.query("badge", models[0], IMAGES, 5).tolist()
    assert tfal.query("badge", two_headed, IMAGES, 5, outputs={"logits": "kind"}).tolist() == expected
    assert tfal.query("ldms", two_headed, IMAGES, 5, outputs={"logits": "kind"}).tolist() == (
        tfal.query("ldms", models[0], IMAGES, 5).tolist()
    )
    assert tfal.query("badge", two_headed, IMAGES, 5, outputs={"logits": "box"}).tolist() != expected
    with pytest.raises(InputError, match=r"has no layer 'kinds'\. Did you mean 'kind'"):
        tfal.query("badge", two_headed, IMAGES, 5, outputs={"logits": "kinds"})


def test_a_head_of_a_list_of_outputs_is_chosen_by_its_layer(models, two_headed):
    listed = keras.Model(two_headed.inputs, list(two_headed.output.values()))
    expected = tfal.query("badge", models[0], IMAGES, 5).tolist()
    assert tfal.query("badge", listed, IMAGES, 5, outputs={"logits": models[0].layers[-1].name}).tolist() == expected


def _mqnet(models, csi, mode="conf"):
    classifier = {"classifier": models[0], "csi": csi}
    return tfal.query("mqnet", classifier, IMAGES, 6, labeled=LABELED, labels=CLASSES, mqnet_mode=mode).tolist()


def test_learners_by_name(models):
    """MQ-Net's first round: standardised confidence and purity, added."""
    encoder = keras.Model(models[1].inputs, {"projection": models[1].layers[-1].input})
    projection = encoder.predict(IMAGES, verbose=0)["projection"]
    left = np.setdiff1d(np.arange(N), LABELED)
    unsure = 1 - tf.nn.softmax(models[0].predict(IMAGES, verbose=0)).numpy().max(axis=1)
    raw = np.stack([unsure[left], kernels.purity(projection[left], projection[LABELED])], axis=1)
    scores = np.exp((raw - raw.mean(axis=0)) / raw.std(axis=0)).sum(axis=1)
    expected = left[np.argsort(-scores)[:6]].tolist()
    plain = keras.Model(models[1].inputs, models[1].layers[-1].input)
    for same in (encoder, plain, projection, {"projection": projection}, lambda x: {"projection": plain(x)}):
        assert _mqnet(models, same) == expected


def test_features_and_an_array_by_name_may_be_the_same():
    given = {"labeled": LABELED, "labels": CLASSES, "mqnet_mode": "conf"}
    once = tfal.query("mqnet", {"csi": FEATURES}, None, 6, features=FEATURES, **given).tolist()
    assert tfal.query("mqnet", {"csi": FEATURES.copy()}, None, 6, features=FEATURES, **given).tolist() == once


def test_encoders_by_name(models):
    encoder = keras.Model(models[1].inputs, models[1].layers[-1].input)
    features = encoder.predict(IMAGES, verbose=0)
    expected = tfal.query("typiclust", None, None, 5, features=features).tolist()
    for same in (encoder, models[1], {"features": features}, lambda x: {"features": encoder(x)}):
        images = None if isinstance(same, dict) else IMAGES
        assert tfal.query("typiclust", {"encoder": same}, images, 5).tolist() == expected
    last = {"encoder": {"features": models[1].layers[-1].name}}
    of_last = tfal.query("typiclust", None, None, 5, features=models[1].predict(IMAGES, verbose=0)).tolist()
    assert tfal.query("typiclust", {"encoder": models[1]}, IMAGES, 5, outputs=last).tolist() == of_last
    by_layer = {"encoder": {"features": models[1].layers[-2].name}}
    assert tfal.query("typiclust", {"encoder": models[1]}, IMAGES, 5, outputs=by_layer).tolist() == expected


def test_arrays_of_every_learner_that_tfal_trains_otherwise():
    rng = np.random.default_rng(4)
    scores, clusters = rng.normal(size=N), rng.normal(size=(N, 4))
    highest = np.argsort(-scores)[:5].tolist()
    for strategy, learner in [("ll", "loss_predictor"), ("simclr_loss", "simclr"), ("vae_loss", "vae")]:
        assert tfal.query(strategy, {learner: scores}, None, 5).tolist() == highest
    assert tfal.query("vaal", {"vaal": -scores}, None, 5).tolist() == highest
    for strategy in ("scan", "self_label"):
        assert len({*tfal.query(strategy, {strategy: clusters}, None, 5).tolist()}) == 5
    assert len(tfal.query("scan", {"scan": clusters}, None, 5, labeled=[1], labels=[7])) == 5  # clusters are no classes
    turned = {"ccal_semantic": FEATURES, "ccal_distinctive": rng.normal(size=(N, 4, 6))}
    assert len({*tfal.query("ccal", turned, None, 5, labeled=LABELED, labels=CLASSES).tolist()}) == 5
    ranked = {"simclr": scores, "encoder": FEATURES}
    assert len({*tfal.query("cluster_ranking", ranked, None, 5).tolist()}) == 5
    assert tfal.query("cluster_ranking", {"simclr": scores}, None, 5, features=FEATURES).tolist() == (
        tfal.query("cluster_ranking", ranked, None, 5).tolist()
    )


def test_every_strategy_can_be_asked_about_arrays():
    arrays = {
        "classifier": {
            "features": FEATURES,
            "logits": FEATURES[:, :3],
            "mc_logits": FEATURES[:, None, :3] * [[1], [2]],
        },
        "ensemble": FEATURES[:, None, :3] * [[1], [2]],
        "ccal_distinctive": np.tile(FEATURES[:, None], (1, 4, 1)),
        **dict.fromkeys(("encoder", "csi", "ccal_semantic", "scan", "self_label", "detector"), FEATURES),
        "entropic_detector": {
            "features": FEATURES,
            "logits": FEATURES[:, :4],
            "binary_logits": FEATURES[:, None, :2] * [[1], [2], [3]],
            "center_distances": np.abs(FEATURES[:, :3]),
        },
        "energy_detector": {"features": FEATURES, "logits": FEATURES[:, :4]},
        **dict.fromkeys(("simclr", "vae", "vaal"), FEATURES[:, 0]),
        "loss_predictor": {"predicted_loss": FEATURES[:, 0], "logits": FEATURES[:, :3]},
    }
    arrays["classifier"]["noise_logits"] = arrays["classifier"]["view_logits"] = arrays["classifier"]["mc_logits"]
    for name in {*STRATEGIES} - {
        "uniform",
        "ranking",
        "ldms",
        "dropquery",
        "alfamix",
        "tcm",
        "refine",
        "galaxy",
        "direct",
    }:
        given = {learner: arrays[learner] for learner in make_strategy(name, None).learners}
        images = None if given else IMAGES
        assert len({*tfal.query(name, given, images, 5, labeled=LABELED, labels=CLASSES).tolist()} - {*LABELED}) == 5


@pytest.mark.parametrize(
    ("strategy", "make", "changes", "message"),
    [
        ("margin", lambda m: m, {}, r"reads classifier, and no ensemble\. Received: a list of models"),
        ("variation_ratio", lambda m: m[0], {}, r"reads ensemble. Received: a model, .*model=\[first, second, third\]"),
        ("variation_ratio", lambda m: m[:1], {}, "at least two models, none of them twice. Received: 1"),
        ("variation_ratio", lambda m: [m[0], m[0]], {}, "none of them twice"),
        ("variation_ratio", lambda m: [m[0], _network(5, 4)], {}, r"must have the same classes. Received: .*\[3, 4\]"),
        ("variation_ratio", lambda m: [m[0], FEATURES], {}, "model must be a Keras model, .* Received: a list"),
        ("margin", lambda m: {"classifier": m}, {}, r"model\['classifier'\] must be one model. Received: a list"),
        ("variation_ratio", lambda m: m, {"features": FEATURES}, "Received: both. Leave out features.$"),
        ("margin", lambda m: "model.keras", {}, r"Received: a str. Load it: keras.saving.load_model\(path\)"),
        ("margin", lambda m: FEATURES, {}, "Received: a ndarray. Embeddings are given as features=..., logits of a"),
        ("margin", lambda m: {"logits": FEATURES}, {}, "by the learners that strategy 'margin' reads, classifier. Rec"),
        ("margin", lambda m: {"classifier": m[0], "encoder": m[1]}, {}, "reads, classifier. Received: 'encoder'"),
        ("margin", lambda m: {"classifier": {}}, {}, r"model\['classifier'\] as a dict must be arrays by output"),
        (
            "margin",
            lambda m: {"classifier": {"features": FEATURES}},
            {},
            "reads 'logits' of the classifier. Received: fea",
        ),
        (
            "badge",
            lambda m: {"classifier": FEATURES},
            {},
            "reads 'features' of the classifier. Received: logits of it, in",
        ),
        (
            "ldms",
            lambda m: {"classifier": {"features": FEATURES}},
            {},
            "the kernel .* Received: arrays of outputs, which",
        ),
        (
            "margin",
            lambda m: {"classifier": FEATURES[:9]},
            {},
            r"model\['classifier'\] must have one row .* 40, the im",
        ),
        (
            "margin",
            lambda m: {"classifier": abs(FEATURES) / abs(FEATURES).sum(1)[:, None]},
            {},
            "Received: probabilities",
        ),
        (
            "ll",
            lambda m: {"loss_predictor": FEATURES[:, :1]},
            {},
            r"of shape \(B,\). Received: \(40, 1\). Take its last",
        ),
        ("mqnet", lambda m: {"csi": m[0]}, {}, "Received: a dict, nothing for loss_predictor"),
        ("margin", lambda m: {}, {}, "Received: no model, nothing for classifier"),
        ("uherding", lambda m: m, {"features": FEATURES}, "reads encoder and classifier, and no ensemble"),
        ("typiclust", lambda m: {"encoder": m[0]}, {"features": FEATURES}, "must not both be the encoder"),
        ("margin", lambda m: _function(m[0]), {"outputs": {"logits": "fc"}}, "Received: outputs without such a model"),
        ("margin", lambda m: {"classifier": m[0]}, {"outputs": {"logits": "fc"}}, "for each model, {'classifier': {"),
        (
            "margin",
            lambda m: {"classifier": FEATURES},
            {"outputs": {"classifier": {"logits": "a"}}},
            "for which there is",
        ),
        ("margin", lambda m: m[0], {"images": None}, "images must be given where a model reads them"),
        ("margin", lambda m: Subclassed(), {}, "cannot read this model: it is no built functional"),
        (
            "typiclust",
            lambda m: {"encoder": keras.Sequential([keras.Input((4, 4, 1)), layers.ReLU()])},
            {},
            r"one row \(B, d\)",
        ),
    ],
)
def test_what_cannot_stand_for_a_learner_is_named_in_one_line(models, strategy, make, changes, message):
    call = {"images": IMAGES} | changes
    with pytest.raises(InputError, match=message) as error:
        tfal.query(strategy, make(models), call.pop("images"), 3, **call)
    assert "\n" not in str(error.value)


def test_models_of_other_inputs_do_not_share_images(models):
    inputs = keras.Input((4, 4, 1), dtype="uint8")
    other = keras.Model(inputs, layers.Dense(3)(layers.Flatten()(layers.Rescaling(1 / 255)(inputs))))
    with pytest.raises(InputError, match=r"must take the same images. Received: models of \(4, 4, 1\) float32 and of"):
        tfal.query("variation_ratio", [models[0], other], IMAGES, 3)
