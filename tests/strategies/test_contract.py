"""The contract that every query strategy keeps, and the picks of each on real digits."""

from types import SimpleNamespace

import numpy as np
import pytest

from tests.kernels import stand_in
from tfal.errors import InputError
from tfal.pool import Pool
from tfal.pool.asked import Asked
from tfal.pool.view import PoolView
from tfal.strategies import STRATEGIES, Picks, check_picks, make_strategy
from tfal.streams import Streams

# A new strategy gets its line here: its name, and its first picks on digits. Changed picks need a line in CHANGELOG.md.
CONTRACT = {
    "random": [27, 61, 49, 31, 4, 79],
    "entropy": [3, 76, 38, 16, 52, 66],
    "margin": [38, 76, 16, 66, 3, 7],
    "least_confidence": [38, 76, 16, 3, 66, 51],
    "max_logit": [52, 3, 17, 9, 51, 23],
    "coreset": [9, 24, 6, 29, 54, 94],
    "badge": [38, 64, 16, 66, 7, 76],
    "ldms": [38, 76, 66, 16, 52, 19],
    "ll": [8, 18, 62, 78, 99, 33],
    "ccal": [62, 4, 52, 46, 47, 3],
    "similar": [49, 67, 79, 4, 58, 13],
    "mqnet": [62, 18, 8, 78, 99, 17],
    "kmeans": [16, 49, 26, 88, 72, 32],
    "multi_kmeans": [89, 49, 41, 43, 77, 86],
    "typiclust": [98, 33, 41, 49, 92, 32],
    "probcover": [26, 22, 88, 41, 96, 94],
    "maxherding": [26, 32, 72, 9, 58, 41],
    "uherding": [38, 76, 16, 66, 7, 51],
    "power_margin": [3, 76, 52, 38, 51, 83],
    "power_entropy": [3, 52, 76, 83, 23, 46],
    "uniform": [63, 24, 82, 93, 7, 83],
    "dbal": [3, 46, 53, 52, 51, 76],
    "bald": [46, 52, 91, 53, 16, 51],
    "batchbald": [46, 16, 52, 66, 38, 91],
    "consistency": [91, 66, 46, 52, 63, 51],
    "variation_ratio": [46, 38, 23, 51, 52, 83],
    "ensemble_entropy": [3, 51, 52, 53, 46, 76],
    "bait": [76, 7, 38, 51, 66, 16],
    "vaal": [58, 24, 22, 69, 2, 51],
    "simclr_loss": [98, 51, 19, 32, 11, 68],
    "vae_loss": [71, 49, 92, 48, 78, 84],
    "scan": [83, 7, 63, 46, 24, 38],
    "self_label": [83, 7, 63, 46, 24, 38],
    "kmeans_clusters": [21, 17, 89, 33, 53, 18],
    "cluster_ranking": [98, 68, 62, 13, 72, 16],
    "alfamix": [66, 16, 3, 52, 76, 51],
    "bait_binary": [66, 16, 76, 51, 52, 38],
    "falcun": [38, 16, 3, 7, 66, 76],
    "activeft": [49, 43, 96, 41, 26, 3],
    "cluster_margin": [51, 16, 76, 66, 3, 7],
    "dropquery": [43, 41, 58, 31, 88, 86],
    "ranking": [6, 71, 92, 91, 72, 54],
    "entropy_cb": [3, 76, 16, 38, 52, 66],
    "coreset_cb": [9, 24, 6, 29, 54, 94],
    "eaoa": [38, 7, 14, 22, 97, 2],
    "eoal": [44, 56, 22, 23, 53, 4],
    "galaxy": [81, 7, 51, 32, 8, 52],
    "direct": [38, 7, 76, 74, 16, 3],
    "lfosa": [83, 38, 46, 76, 64, 53],
    "neat": [86, 61, 36, 19, 73, 51],
    "tcm": [98, 33, 41, 49, 92, 32],
    "dcom": [16, 38, 76, 32, 49, 66],
    "refine": [38, 76, 16, 66, 7, 51],
    "epig": [46, 91, 52, 53, 51, 3],
    "noise_stability": [3, 16, 66, 91, 63, 51],
}


_CLASSIFIER = {"features", "logits", "mc_logits", "view_logits", "noise_logits"}
_ENCODER = {"features", "projection", "projection_views", "projection_rotations"}
# What can be read from each learner.
GIVES = {
    "classifier": _CLASSIFIER,
    "loss_predictor": _CLASSIFIER | {"predicted_loss"},
    "detector": {"logits"},
    "entropic_detector": {"features", "logits", "binary_logits", "center_distances"},
    "energy_detector": {"features", "logits"},
    "ensemble": {"logits", "member_logits"},
    "vaal": {"labeled_logit"},
    "csi": _ENCODER,
    "ccal_semantic": _ENCODER,
    "ccal_distinctive": _ENCODER,
    "encoder": {"features"},
    "simclr": {*_ENCODER, "simclr_loss"},
    "vae": {"features", "vae_loss"},
    "scan": {"logits"},
    "self_label": {"logits"},
}
OPTIONS = SimpleNamespace()  # what a strategy cannot do without


@pytest.fixture(scope="module", autouse=True)
def _ranking_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("rankings") / "ranking.npy"
    np.save(path, np.random.default_rng(0).permutation(200))
    OPTIONS.ranking = str(path)
    OPTIONS.n_refine = OPTIONS.refine_draws = 2  # it puts 450 queries else
    OPTIONS.dcom_slope, OPTIONS.dcom_most = 2.0, 0.3  # so that both of its learners count


def test_the_contract_list_is_complete():
    assert STRATEGIES.keys() == CONTRACT.keys()


class PixelReader:
    """A linear classifier on the pixels of digits, and what other learners have to give; see GIVES.

    All sums are exact in float32, so every machine gets the same. other: a learner that takes each image for another
    one. to: what arrays become that are read, such as those of a GPU.
    """

    def __init__(self, images, other=None, to=np.asarray):
        self.other, self.to = other, to
        rng = np.random.default_rng(0)
        self.kernel = np.round(rng.normal(size=(64, 10)) * 8).astype(np.float32) / 64
        self.bias = np.round(rng.normal(size=10) * 8).astype(np.float32) / 8
        self.features = (images.reshape(len(images), 64) // 16).astype(np.float32)
        self.passes = 0

    def chunks(self, learner, outputs, ids):
        assert {*outputs} <= GIVES[learner], f"{learner} has no {outputs}"
        self.passes += 1
        for rows in np.array_split(ids, 3):
            features = self.features[(rows + 7) % len(self.features) if learner == self.other else rows]
            projection = features @ np.sign(self.kernel[:, :6])
            thinned = np.stack([features * (np.arange(64) % 5 != turn) for turn in range(5)], axis=1)  # (B, 5, 64)
            passes = thinned @ self.kernel + self.bias
            found = {
                "features": features,
                "logits": features @ self.kernel + self.bias,
                "mc_logits": passes,
                "view_logits": passes[:, :4],
                "noise_logits": passes[:, 1:],
                "member_logits": passes[:, ::2],
                "labeled_logit": projection[:, 1],
                "simclr_loss": projection[:, 2],
                "binary_logits": passes[:, :2, :9].transpose(0, 2, 1),
                "center_distances": np.abs(projection[:, :3]) * [1, 1, 1e6] + [0, 0, 1e6],
                "vae_loss": projection[:, 3],
                "predicted_loss": projection[:, 0],
                "projection": projection,
                "projection_views": projection,
                "projection_rotations": np.stack([np.roll(projection, turns, axis=1) for turns in range(4)], axis=1),
            }
            if "detector" in learner:  # which has one output more
                found["logits"] = np.append(found["logits"], projection[:, :1], axis=1)
            yield {name: self.to(found[name]) for name in outputs}

    def head(self, learner):
        return self.to(self.kernel), self.to(self.bias)


@pytest.fixture
def make_view(digits):
    def make(n_labeled=30, n_candidates=80, n_known=10, **given):
        pool = Pool.unlabeled_pool(len(digits.y_train))
        labeled = np.arange(0, 5 * n_labeled, 5)
        pool.label_samples(labeled, digits.y_train[labeled], 0, n_known)
        reader, streams = PixelReader(digits.x_train, **given), Streams(0, 1, 0)
        return PoolView(pool, pool.unlabeled[:n_candidates], reader, streams, oracle=digits.y_train)

    return make


def _asked(name):
    """The strategy, or the one that it asks in the round of these views."""
    return make_strategy(name, OPTIONS).in_round(0)


def _query(name, view, n, seed=0):
    strategy = _asked(name)
    view._learners = strategy.learners  # as the loop makes it
    view.asked = Asked(view.candidates, n, lambda ids: view._oracle[ids]) if strategy.asks else None
    picks = strategy.query(view, n, np.random.default_rng(seed))
    return check_picks(picks, view.candidates, n, name, view.asked)


@pytest.mark.parametrize("name", CONTRACT)
@pytest.mark.parametrize("n_labeled", [30, 0])
@pytest.mark.parametrize("n", [1, 12, 80])
def test_answers_n_distinct_candidates(make_view, name, n_labeled, n):
    picks = _query(name, make_view(n_labeled), n)
    assert picks.ids.shape == (n,)
    assert picks.scores is None or picks.scores.shape == (n,)


@pytest.mark.parametrize("name", CONTRACT)
def test_the_same_seed_gives_the_same_picks(make_view, name):
    assert _query(name, make_view(), 10).ids.tolist() == _query(name, make_view(), 10).ids.tolist()


@pytest.mark.parametrize("name", CONTRACT)
def test_reads_each_learner_once_and_changes_nothing(make_view, name):
    view = make_view()
    reader, pool = view._reader, view._pool.back_to(0)
    arrays = [reader.kernel.copy(), reader.bias.copy(), reader.features.copy()]
    _query(name, view, 10)
    assert reader.passes == len(_asked(name).learners) + (name == "epig")  # its targets, so that not all is kept
    assert view._pool == pool
    assert all(map(np.array_equal, arrays, [reader.kernel, reader.bias, reader.features]))


READ = [
    (name, learner)
    for name in CONTRACT
    if name != "ranking"  # which needs a file, and reads none
    for learner in _asked(name).learners
]


@pytest.mark.parametrize(("name", "learner"), READ)
def test_each_declared_learner_counts(make_view, name, learner):
    """Where one learner takes each image for another one, other samples are picked."""
    assert _query(name, make_view(), 12).ids.tolist() != _query(name, make_view(other=learner), 12).ids.tolist()


@pytest.mark.parametrize("name", CONTRACT)
def test_learners_that_are_not_declared_are_refused(make_view, name):
    view, strategy = make_view(), _asked(name)
    view._learners = strategy.learners
    for learner in {*GIVES, "nonsense"} - {*strategy.learners}:
        with pytest.raises(InputError, match="a strategy reads what its `learners` name"):
            view.read(learner, ["features"], view.candidates)
        with pytest.raises(InputError, match="a strategy reads what its `learners` name"):
            view.head(learner)


@pytest.mark.parametrize("name", CONTRACT)
def test_golden_picks_on_digits(make_view, name):
    assert _query(name, make_view(), 6).ids.tolist() == CONTRACT[name]


@pytest.mark.parametrize("name", CONTRACT)
@pytest.mark.parametrize(("n_labeled", "n_known"), [(30, 10), (30, 6), (0, 10)])
def test_arrays_on_a_device_give_the_same_picks(make_view, monkeypatch, name, n_labeled, n_known):
    on_host = _query(name, make_view(n_labeled, n_known=n_known), 6)
    cupy = stand_in.installed(monkeypatch)
    on_device = _query(name, make_view(n_labeled, n_known=n_known, to=cupy.asarray), 6)
    assert type(on_device.ids) is np.ndarray
    assert on_device.ids.tolist() == on_host.ids.tolist()
    assert on_device.scores is None or type(on_device.scores) is np.ndarray


@pytest.mark.parametrize("name", CONTRACT)
@pytest.mark.parametrize("n_known", [6, 0])
def test_answers_where_classes_are_unknown(make_view, name, n_known):
    """6 known classes of 10, and an initial set of unknown ones alone."""
    view = make_view(n_known=n_known)
    assert len(view.rejected)
    assert _query(name, view, 12).ids.shape == (12,)


@pytest.mark.parametrize(
    ("name", "uncertainty"),
    [
        ("entropy", lambda p: -np.sum(p * np.log(p), axis=1)),
        ("margin", lambda p: np.sort(p, axis=1)[:, -2] - np.sort(p, axis=1)[:, -1]),
        ("least_confidence", lambda p: -p.max(axis=1)),
        ("max_logit", None),
    ],
)
def test_uncertainty_takes_the_most_uncertain(make_view, name, uncertainty):
    view = make_view()
    logits = view.read("classifier", ["logits"], view.candidates)["logits"].astype(np.float64)
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    scores = uncertainty(powers / powers.sum(axis=1, keepdims=True)) if uncertainty else -logits.max(axis=1)
    picked = np.isin(view.candidates, _query(name, view, 10).ids)
    assert scores[picked].min() > scores[~picked].max()


def test_coreset_does_not_pick_what_lies_beside_a_labeled_sample(digits):
    images = np.concatenate([digits.x_train[:10], digits.x_train[:10]])  # sample 10 + i looks like sample i
    pool = Pool.unlabeled_pool(20)
    pool.label_samples(np.arange(8), digits.y_train[:8], 0)
    view = PoolView(pool, np.arange(8, 20), PixelReader(images), Streams(0))
    assert set(_query("coreset", view, 2).ids % 10) == {8, 9}


def test_ldms_uses_its_sample_size(make_view):
    few = make_strategy("ldms", type("Options", (), {"n_sample": 20}))
    scores = few.query(make_view(), 10, np.random.default_rng(0)).scores
    assert np.allclose(scores * 20, np.round(scores * 20))


@pytest.mark.parametrize(
    ("ids", "message"),
    [
        ([1, 2, 3], r"Received: list \(3,\)"),
        (np.array([1, 2]), r"Received: int64 \(2,\)"),
        (np.array([1.0, 2.0, 3.0]), "Received: float64"),
        (np.array([1, 2, 2]), r"Received: 1 repeated ids, \[2\]"),
        (np.array([1, 2, 9]), r"Received: \[9\], which are no candidates"),
    ],
)
def test_a_wrong_answer_is_named(ids, message):
    with pytest.raises(InputError, match=message):
        check_picks(Picks(ids), np.arange(5), 3, "mine")


def test_an_answer_of_another_kind_is_named():
    for answer, received in ((None, "a NoneType"), (np.arange(3), "a ndarray")):
        with pytest.raises(InputError, match=f"must answer 3 distinct ids .* Received: {received}"):
            check_picks(answer, np.arange(5), 3, "mine")
