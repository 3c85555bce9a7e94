"""Quotas of clusters, the losses that rank within them, and a ranking in a file, on made outputs."""

from types import SimpleNamespace

import numpy as np
import pytest

from tests.kernels.plain import check_refusal
from tfal.errors import InputError
from tfal.pool import Pool
from tfal.pool.view import PoolView
from tfal.recipe import Recipe
from tfal.strategies import make_strategy
from tfal.streams import Streams

NAMES = ["simclr_loss", "vae_loss", "scan", "self_label", "kmeans_clusters", "cluster_ranking"]


class Made:
    """Outputs by learner and name, one row a sample."""

    def __init__(self, **outputs):
        self.outputs = {key: {name: np.asarray(a) for name, a in found.items()} for key, found in outputs.items()}

    def chunks(self, learner, outputs, ids):
        yield {name: self.outputs[learner][name][ids] for name in outputs}


def make_view(n, labeled=(), truth=None, candidates=None, **outputs):
    pool, labeled = Pool.unlabeled_pool(n), np.array(labeled, int)
    truth = np.zeros(n, np.int32) if truth is None else np.asarray(truth, np.int32)
    pool.label_samples(labeled, truth[labeled], 0)
    candidates = pool.unlabeled if candidates is None else np.asarray(candidates)
    return PoolView(pool, candidates, Made(**outputs), Streams(0))


def query(name, view, n, seed=0, **options):
    return make_strategy(name, SimpleNamespace(**options)).query(view, n, np.random.default_rng(seed))


def one_hot(clusters):
    return np.eye(max(clusters) + 1, dtype=np.float32)[np.array(clusters)]


@pytest.mark.parametrize("name", NAMES)
def test_none_needs_a_classifier(name):
    strategy = make_strategy(name, Recipe())
    assert "classifier" not in strategy.learners
    assert strategy.task_learner == "classifier"
    assert not strategy.needs_labels


@pytest.mark.parametrize(("name", "learner"), [("simclr_loss", "simclr"), ("vae_loss", "vae")])
def test_the_largest_losses_come_first(name, learner):
    losses = np.array([0.5, 3.0, 2.0, 3.0, np.inf, 0.1], np.float32)
    picks = query(name, make_view(6, [4], **{learner: {name: losses}}), 3)
    assert sorted(picks.ids[:2].tolist()) == [1, 3]
    assert (picks.ids[2], picks.scores.tolist()) == (2, [3, 3, 2])
    losses[2] = np.nan
    with pytest.raises(InputError, match="1 NaN of 5"):
        query(name, make_view(6, [4], **{learner: {name: losses}}), 3)


@pytest.mark.parametrize("name", ["scan", "self_label"])
def test_clusters_give_equal_shares(name):
    clusters = np.array([0] * 20 + [2] * 10 + [3] * 2)  # no sample in cluster 1
    view = make_view(32, [0, 1], **{name: {"logits": one_hot(clusters)}})
    assert np.bincount(clusters[query(name, view, 9).ids]).tolist() in ([4, 0, 3, 2], [3, 0, 4, 2])
    assert np.bincount(clusters[query(name, view, 3).ids]).tolist() == [1, 0, 1, 1]
    assert len(set(clusters[query(name, view, 2).ids])) == 2
    assert len({tuple(query(name, view, 9, seed).ids) for seed in range(5)}) > 1


def test_clusters_of_a_diverged_network_are_refused():
    with pytest.raises(InputError, match="3 NaN or infinite of 6"):
        query("scan", make_view(3, scan={"logits": np.array([[0, np.nan]] * 3, np.float32)}), 1)


def directions(*degrees):
    """Vectors of different lengths in these directions."""
    angles = np.radians(degrees)
    return ((1 + np.arange(len(degrees)))[:, None] * np.stack([np.cos(angles), np.sin(angles)], axis=1)).astype("f4")


FEATURES = {"features": directions(*range(20), *range(120, 130), 240, 241)}  # clusters of 20, 10 and 2 samples
OF_SAMPLE = np.repeat([0, 1, 2], [20, 10, 2])


@pytest.mark.parametrize("options", [{"n_cluster": 3}, {}])
def test_kmeans_clusters_give_equal_shares(options):
    """Three clusters as asked for, or as many as classes are known."""
    labeled = [0, 20, 30]
    view = make_view(32, labeled, truth=OF_SAMPLE, encoder=FEATURES)
    shares = np.bincount(OF_SAMPLE[query("kmeans_clusters", view, 9, **options).ids]).tolist()
    assert shares == [4, 4, 1]


@pytest.mark.parametrize("labeled", [[], [5]])
def test_without_known_classes_there_are_as_many_clusters_as_picks(labeled):
    found = query("kmeans_clusters", make_view(32, labeled, encoder=FEATURES), 3).ids
    assert sorted(OF_SAMPLE[found]) == [0, 1, 2]
    found = query("kmeans_clusters", make_view(32, labeled, encoder=FEATURES), 3, n_cluster=500).ids
    assert len(set(found.tolist())) == 3


LOSSES = np.arange(32, dtype=np.float32)[::-1].copy()  # the first samples have the largest


@pytest.mark.parametrize("score", ["simclr_loss", "vae_loss"])
@pytest.mark.parametrize("clusters", ["kmeans", "scan", "self_label"])
def test_cluster_ranking_takes_the_largest_losses_of_each_cluster(score, clusters):
    learners = {"simclr_loss": "simclr", "vae_loss": "vae"}[score], {"kmeans": "encoder"}.get(clusters, clusters)
    outputs = {learners[0]: {score: LOSSES}, learners[1]: {"logits": one_hot(OF_SAMPLE)} | FEATURES}
    options = {"rank_score": score, "rank_clusters": clusters, "n_cluster": 3}
    assert make_strategy("cluster_ranking", SimpleNamespace(**options)).learners == learners
    picks = query("cluster_ranking", make_view(32, [0], **outputs), 7, **options)
    assert picks.ids.tolist() == [1, 2, 3, 20, 21, 30, 31]
    assert picks.scores.tolist() == LOSSES[picks.ids].tolist()


@pytest.mark.parametrize("option", [{"rank_score": "loss"}, {"rank_clusters": "k"}])
def test_cluster_ranking_names_what_there_is(option):
    check_refusal(["unknown", "Valid"], make_strategy, "cluster_ranking", SimpleNamespace(**option))


def saved(folder, ids):
    np.save(folder / "ranking.npy", ids)
    return str(folder / "ranking.npy")


@pytest.mark.parametrize("dtype", [np.int64, np.uint16])
def test_ranking_takes_the_first_candidates(tmp_path, dtype):
    path = saved(tmp_path, np.array([7, 2, 9, 0, 4, 1], dtype))
    view = make_view(10, [2], candidates=[0, 1, 3, 4, 7])
    found = query("ranking", view, 3, ranking=path).ids
    assert found.tolist() == [7, 0, 4]
    assert found.dtype == np.int64
    assert query("ranking", view, 4, ranking=path).ids.tolist() == [7, 0, 4, 1]


@pytest.mark.parametrize(
    ("ids", "parts"),
    [
        ([[1, 2]], ["whole numbers of shape (n,)", "(1, 2)"]),
        ([1.0, 2.0], ["whole numbers of shape (n,)", "float64"]),
        ([1, 2, 2, 2], ["distinct ids", "2 repeated"]),
        ([3, -1], ["distinct ids", "negative id -1"]),
    ],
)
def test_ranking_refuses_a_wrong_file_before_it_runs(tmp_path, ids, parts):
    options = SimpleNamespace(ranking=saved(tmp_path, np.array(ids)))
    check_refusal(["ranking.npy", *parts], make_strategy, "ranking", options)


@pytest.mark.parametrize("content", [b"", b"no array", b"\x93NUMPY"])
def test_ranking_refuses_what_is_no_array(tmp_path, content):
    (tmp_path / "ranking.npy").write_bytes(content)
    options = SimpleNamespace(ranking=str(tmp_path / "ranking.npy"))
    check_refusal(["ranking.npy", "no .npy file", "--ranking"], make_strategy, "ranking", options)


def test_ranking_refuses_other_files(tmp_path):
    check_refusal(["--ranking"], make_strategy, "ranking", Recipe())
    check_refusal(
        ["gone.npy", "missing"], make_strategy, "ranking", SimpleNamespace(ranking=str(tmp_path / "gone.npy"))
    )
    check_refusal(["it is a folder"], make_strategy, "ranking", SimpleNamespace(ranking=str(tmp_path)))
    np.savez(tmp_path / "several.npz", a=np.arange(3))
    options = SimpleNamespace(ranking=str(tmp_path / "several.npz"))
    check_refusal(["no .npy file", "zip archive"], make_strategy, "ranking", options)


def test_ranking_refuses_what_does_not_fit_the_pool(tmp_path):
    path, view = saved(tmp_path, np.array([7, 2, 9])), make_view(9, [2])
    check_refusal(["from 0 to 8", "9"], query, "ranking", view, 1, ranking=path)
    path = saved(tmp_path, np.array([7, 2, 8]))
    check_refusal(["at least 3 of the 8 candidates", "2 of them"], query, "ranking", view, 3, ranking=path)
    empty = saved(tmp_path, np.zeros(0, np.int64))
    check_refusal(["at least 1 of the 8", "0 of them"], query, "ranking", view, 1, ranking=empty)


@pytest.mark.parametrize(
    ("n", "share", "places"),
    [
        (20, 0.1, {0: [3, 16]}),
        (50_000, 0.1, {0: [26247, 35067, 34590, 16668, 12196], 5000: [45573, 39021, 36044]}),
    ],
)
def test_a_published_split_is_a_ranking(tmp_path, n, share, places):
    """Of the study: a list shuffled by NumPy's legacy generator, seed 1, of which the first share is labeled."""
    order = list(range(n))
    np.random.RandomState(1).shuffle(order)
    np.save(tmp_path / "split.npy", np.array(order))
    for start, ids in places.items():
        assert order[start : start + len(ids)] == ids
    picks = query("ranking", make_view(n), int(share * n), ranking=str(tmp_path / "split.npy"))
    assert picks.ids.tolist() == order[: int(share * n)]


def test_cluster_ranking_takes_any_order(tmp_path):
    np.save(tmp_path / "order.npy", np.array([5, 4, 3]))
    clusters = [0, 0, 1, 1, 1, 1]
    options = {"rank_score": "ranking", "rank_clusters": "scan", "ranking": str(tmp_path / "order.npy")}
    view = make_view(6, scan={"logits": one_hot(clusters)})
    assert make_strategy("cluster_ranking", SimpleNamespace(**options)).learners == ("scan",)
    assert sorted(query("cluster_ranking", view, 4, **options).ids.tolist()) == [0, 1, 4, 5]
    with pytest.raises(InputError, match="--ranking"):
        make_strategy("cluster_ranking", SimpleNamespace(**{**options, "ranking": None}))
