"""Picks as they are handed over: ids, scores, rounds, pools and folders mean what they say, or are refused."""

import numpy as np
import pytest

from tests.show.conftest import N, bought
from tfal.campaign import Campaign
from tfal.errors import InputError
from tfal.loop import Round
from tfal.show.picked import series_of
from tfal.show.samples import classes_of
from tfal.single_query import Ranked
from tfal.strategies import Picks


def said(picks):
    """Series by name, of each its groups by name with their ids."""
    return {one.name: {group.name: group.ids.tolist() for group in one.groups} for one in series_of(picks, N)}


def test_ids_and_names_of_ids():
    assert said([5, 2]) == {"": {"": [5, 2]}}
    assert said({"margin": [5, 2], "random": np.array([7])}) == {"": {"margin": [5, 2], "random": [7]}}
    mask = np.zeros(N, bool)
    mask[[3, 8]] = True
    assert said(mask) == {"": {"": [3, 8]}}


@pytest.mark.parametrize("kind", [tuple, Ranked._make, lambda pair: Picks(*pair)])
def test_scores_stay_with_their_ids(kind):
    (series,) = series_of(kind((np.array([9, 4]), np.array([0.5, 0.25]))), N)
    assert series.groups[0].ids.tolist() == [9, 4]
    assert series.groups[0].scores.tolist() == [0.5, 0.25]


def test_two_ids_are_no_scores():
    assert said((9, 4)) == {"": {"": [9, 4]}}


def test_a_folder_of_a_repetition_is_its_rounds(runs, data):
    rounds = {"first labels": [0, 1, 2], "round 1": [3, 6, 9]}
    assert said(runs / "margin" / "rep001") == {"": rounds}
    assert said(str(runs / "margin" / "rep001" / "pool.npz")) == {"": rounds}
    assert said(bought(data.y_train, [0, 1, 2], [3, 6, 9])) == {"": rounds}
    assert said({"mine": runs / "margin" / "rep001"}) == {"mine": rounds}


def test_an_experiment_is_the_first_repetition_that_all_strategies_have(runs):
    found = said(runs)
    assert {name: groups["round 1"] for name, groups in found.items()} == {
        "margin": [30, 33, 36, 39],
        "random": [10, 11, 12, 13],
    }
    assert [one.first_query.name for one in series_of(runs, N)] == ["round 1", "round 1"]
    assert said(runs / "margin") == {"margin": {"first labels": [0, 1, 2], "round 1": [3, 6, 9]}}


def test_a_campaign_is_its_batches_and_what_was_told(tmp_path):
    campaign = Campaign(tmp_path / "campaign", size=N, seed=0)
    first = campaign.ask("random", None, None, n=3)
    campaign.tell(first, [1, 0, None])
    second = campaign.ask("random", None, None, n=2)
    (series,) = series_of(campaign, N)
    assert [(group.name, group.ids.tolist()) for group in series.groups] == [
        ("round 1", first.tolist()),
        ("round 2", second.tolist()),
    ]
    classes = classes_of(None, None, ("cat", "dog"), [series], N)
    assert [classes.name(one) for one in first] == ["dog", "cat", "unknown"]
    assert [classes.name(one) for one in second] == ["", ""]
    assert series.rejected.tolist() == [first[2]]


def test_rounds_of_a_run_are_named_as_in_its_pool():
    def made(rep, step, ids):
        picks = None if ids is None else Picks(np.array(ids), None)
        return Round("margin", rep, {"round": step}, picks, 0)

    rounds = [made(1, 0, [4, 3]), made(1, 1, [8, 9]), made(1, 2, None)]
    assert said(rounds) == {"margin": {"round 1": [4, 3], "round 2": [8, 9]}}
    assert said(rounds[0]) == {"margin": {"round 1": [4, 3]}}
    assert [*said([*rounds, made(2, 0, [1])])] == ["margin, repetition 1", "margin, repetition 2"]


def test_budgets_that_nest_are_what_each_of_them_adds(tmp_path):
    folder = tmp_path / "kmeans" / "rep001"
    folder.mkdir(parents=True)
    np.save(folder / "kmeans_small_2.npy", np.array([7, 3]))
    np.save(folder / "kmeans_small_10.npy", np.array([7, 3, 1, 2]))
    assert said(folder) == {"": {"2 labels": [7, 3], "10 labels": [1, 2]}}
    np.save(folder / "kmeans_small_10.npy", np.array([3, 7, 1]))
    assert said(tmp_path) == {"kmeans": {"2 labels": [7, 3], "10 labels": [3, 7, 1]}}
    assert said(folder / "kmeans_small_2.npy") == {"": {"kmeans_small_2": [7, 3]}}


@pytest.mark.parametrize(
    ("picks", "expected"),
    [
        ([], "at least one id"),
        ({}, "at least one id"),
        (None, "at least one id"),
        ([N], f"distinct ids from 0 to {N - 1}. Received: \\[{N}\\] outside"),
        ([1, 1], "1\\] more than once"),
        ([0.5], "must be a list of ids"),
        ({"margin": [1], "random": ["a"]}, r"picks\['random'\] must be a list of ids"),
        (([1, 2], [0.5]), "one number as score of each id"),
        ("nothing/here", "there is nothing at 'nothing/here'"),
        ({"a": bought(np.zeros(N, int), [1]), "b": [2]}, "ids beside others that are rounds"),
        (bought(np.zeros(9, int), [1]), f"a pool of 9 samples, and {N} samples"),
    ],
)
def test_what_is_no_pick_is_one_line(picks, expected):
    with pytest.raises(InputError, match=expected) as error:
        series_of(picks, N)
    assert len(str(error.value).splitlines()) == 1


def test_folders_without_picks_are_refused(tmp_path, runs):
    with pytest.raises(InputError, match="holds no picks of a run"):
        series_of(tmp_path, N)
    with pytest.raises(InputError, match="several strategies"):
        series_of({"all": runs}, N)
    (tmp_path / "rounds.csv").write_text("strategy,repetition,round,labels,test_accuracy\n")
    with pytest.raises(InputError, match="joined results, in which no picks are"):
        series_of(tmp_path, N)
    (tmp_path / "pool.npz").write_text("no pool")
    with pytest.raises(InputError, match="is damaged or was not written by tfal"):
        series_of(tmp_path / "pool.npz", N)
