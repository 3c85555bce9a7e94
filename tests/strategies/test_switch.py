"""One strategy for the first queries, another one afterwards: names, options, rounds, memory, records."""

from dataclasses import dataclass, replace
from types import SimpleNamespace

import numpy as np
import pytest

import tfal
from models import BUILDERS
from tfal.errors import InputError
from tfal.initial_pool import initial_strategy
from tfal.labeling.options import Options
from tfal.loop import _learners, run
from tfal.recipe import Recipe
from tfal.recipe.options import option
from tfal.recipe.usage import usage
from tfal.report.tables.one_setting import shown
from tfal.storage.identity import Identity, check_stored
from tfal.strategies import STRATEGIES, Picks, Strategy, make_strategy, name_of, strategy_name, switch
from tfal.strategies.clusters import TypiClust
from tfal.strategies.covering import MaxHerding, UHerding
from tfal.strategies.switch import TCM
from tfal.strategies.top_scores import Margin


@pytest.mark.parametrize(
    ("typed", "name"),
    [("typiclust@3+margin", "typiclust@3+margin"), ("TypiClust@03+Least-Confidence", "typiclust@3+least_confidence")],
)
def test_a_switch_has_one_spelling(typed, name):
    assert strategy_name(typed) == name
    assert Recipe(strategy=f"{typed},random").strategy == f"{name},random"
    assert strategy_name(name) not in STRATEGIES  # lists of what there is do not grow by it


@pytest.mark.parametrize(
    ("typed", "message"),
    [
        ("typiclust@3", r"FIRST@N\+SECOND, .* a comma begins another run. Received: 'typiclust@3'"),
        ("typiclust@0+margin", "at least 1"),
        ("typiclust@-1+margin", "at least 1"),
        ("@3+margin", "FIRST@N"),
        ("typiclust@3+margin@5+badge", "FIRST@N"),
        ("margin@2+Margin", "switches once, between two"),
        ("tcm@2+badge", "switches once, between two"),
        ("typiclust@3+nonsense", "unknown strategy 'nonsense'"),
    ],
)
def test_what_is_no_switch_is_refused(typed, message):
    with pytest.raises(InputError, match=message):
        strategy_name(typed)


def test_the_comma_of_the_list_is_no_part_of_a_switch():
    with pytest.raises(InputError, match="a comma begins another run"):
        Recipe(strategy="typiclust@3,margin")
    assert [each.strategy for each in Recipe(strategy="tcm,typiclust@2+margin").each_strategy()] == [
        "tcm",
        "typiclust@2+margin",
    ]


def test_the_first_answers_so_many_queries():
    for made in (make_strategy("typiclust@3+margin", None), TCM(), switch("typiclust", 3, "margin")):
        assert [type(made.in_round(round)) for round in range(5)] == [TypiClust] * 3 + [Margin] * 2
    assert [type(TCM(switch_at=1).in_round(round)) for round in range(2)] == [TypiClust, Margin]


def test_its_options_are_those_of_both():
    recipe = Recipe(strategy="typiclust@3+power_margin", n_redo=2, beta=0.5)
    made = make_strategy(recipe.strategy, recipe)
    assert made.in_round(0) == TypiClust(n_redo=2)
    assert made.in_round(3).beta == 0.5
    assert {"n_redo", "n_iter", "beta"} <= usage(recipe).names
    assert recipe.identity()["n_redo"] == 2
    assert "switch_at" in usage(Recipe(strategy="tcm")).names


def test_an_option_with_two_defaults_is_to_each_its_own():
    recipe = Recipe(strategy="maxherding@2+uherding")
    assert make_strategy(recipe.strategy, recipe).parts == (MaxHerding(), UHerding())
    assert make_strategy(recipe.strategy, recipe.replace(sigma=0.3)).parts == (MaxHerding(0.3), UHerding(0.3))
    assert Recipe(strategy=switch(MaxHerding(), 2, UHerding())).identity() == recipe.identity()
    check_stored("recipe.json", {"recipe": recipe.identity()}, "")  # what was written can be read
    with pytest.raises(InputError, match=r"Received: sigma 0\.3 and None"):
        switch(MaxHerding(0.3), 2, UHerding())


def test_objects_are_recipes_too():
    made = switch(TypiClust(n_redo=2), 3, Margin())
    assert name_of(made) == "typiclust@3+margin"
    recipe = Recipe(strategy=[made, "random"])
    assert recipe == Recipe(strategy="typiclust@3+margin,random", n_redo=2)
    for wrong in (0, 1.5, True):
        with pytest.raises(InputError, match="n_first"):
            switch("typiclust", wrong, "margin")


def test_both_are_judged_by_one_network():
    with pytest.raises(InputError, match="LearningLoss by the loss_predictor, Margin by the classifier"):
        make_strategy("ll@2+margin", None)
    made = make_strategy("typiclust@2+ll", None)
    assert (made.task_learner, made.learners) == ("loss_predictor", ("encoder", "loss_predictor"))
    assert make_strategy("random@2+bald", None).required_outputs == ("mc_logits",)


def test_a_round_trains_what_its_own_strategy_reads():
    job = SimpleNamespace(strategy=make_strategy("vaal@1+coreset", None))
    assert _learners(job, job.strategy.in_round(0)) == ["classifier", "vaal"]
    assert _learners(job, job.strategy.in_round(1)) == ["classifier"]


@pytest.fixture
def asked(monkeypatch):
    """Two strategies that keep a memory, and note what they were asked with."""
    noted = []

    @dataclass(frozen=True)
    class Takes(Strategy):
        place: int = option(0, "test: where the candidates begin")
        keeps = ""
        learners = ()

        def query(self, view, n, rng):
            noted.append((view._streams.round, self.keeps, sorted(view.memory)))
            return Picks(view.candidates[self.place : self.place + n])

        def observe(self, view, picks, rng):
            return {self.keeps: picks.ids}

    for name in ("mine", "other"):
        kind = dataclass(frozen=True)(type(name, (Takes,), {"keeps": name, "memory_shapes": {name: (None,)}}))
        monkeypatch.setitem(STRATEGIES, name, kind)
    return noted


def test_a_run_asks_each_in_its_turn_and_keeps_their_memories_apart(small, digits, asked):
    recipe = replace(small, strategy="mine@2+other", n_epoch=1, n_step=3, place=7)
    list(run(recipe, BUILDERS["MLP"], data=digits))
    list(run(replace(recipe, n_step=4), BUILDERS["MLP"], data=digits))  # goes on from the files
    turns = [(0, "mine", []), (1, "mine", ["mine"]), (2, "other", []), (3, "other", ["other"])]
    assert asked == turns


def test_one_that_asks_for_labels_within_its_query_is_followed_by_one_that_does_not(small, digits):
    recipe = replace(small, strategy="galaxy@1+margin", n_epoch=1)
    assert make_strategy(recipe.strategy, None).asks
    assert [done.row["labels"] for done in run(recipe, BUILDERS["MLP"], data=digits)] == [20, 35, 50]
    with pytest.raises(InputError, match="must choose by features of pictures and a classifier's head"):
        Options(images="a", classes="b,c", strategy=recipe.strategy)
    assert Options(images="a", classes="b,c", strategy="Typiclust@2+margin").strategy == "typiclust@2+margin"


def test_recipe_json_tells_of_both():
    stored = Identity(Recipe(strategy="random@2+uherding"), "data").as_json()
    assert stored["recipe"]["strategy"] == "random@2+uherding"
    assert stored["revisions"] == {"uherding": 2}
    assert stored["strategies"] == {"random": {}, "uherding": {}, "random@2+uherding": {}}


def test_reports_know_a_bound():
    assert shown("uniform@3+margin") == "uniform@3+margin, oracle"
    assert shown("typiclust@3+margin") == "typiclust@3+margin"
    assert shown("gone@3+margin") == "gone@3+margin"


def test_single_queries_and_first_labels_are_no_rounds():
    with pytest.raises(InputError, match=r"'tcm' .* Name the one that is meant, 'typiclust' or 'margin'"):
        tfal.query("tcm", None, None, 2, features=np.eye(4))
    with pytest.raises(InputError, match=r"--initial is one query, .* Name kmeans"):
        initial_strategy(Recipe(initial="kmeans@2+typiclust"), 10)


def test_a_campaign_counts_its_rounds(tmp_path):
    """Each round is given what its own strategy reads."""
    features = np.random.default_rng(0).normal(size=(40, 5)).astype(np.float32)
    logits = features[:, :3].copy()
    campaign = tfal.Campaign(tmp_path / "here", size=40)
    first = campaign.ask("tcm", features=features, n=6, switch_at=1)
    assert first.tolist() == tfal.query("typiclust", None, None, 6, features=features).tolist()
    campaign.tell(first, [0, 1, 2] * 2)
    second = campaign.ask("tcm", {"classifier": {"logits": logits}}, n=6, switch_at=1)
    expected = tfal.query("margin", {"classifier": {"logits": logits}}, None, 6, labeled=first)
    assert second.tolist() == expected.tolist()
    assert [each.strategy for each in campaign.rounds] == ["tcm", "tcm"]
