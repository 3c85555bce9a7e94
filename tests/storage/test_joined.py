"""Joined results: what is written is read again, what is shared stands once, damaged files are refused in one line."""

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tfal.errors import InputError
from tfal.storage.joined import Stored, merged, read_joined, shared_part, without, write_joined

ROWS = [
    {"round": 0, "labels": 20, "test_accuracy": 0.5820000171661377},
    {"round": 1, "labels": 40, "test_accuracy": 0.1 + 0.2, "purity": 1e-300},
]
RECIPE = {
    "recipe": {"dataset": "digits", "seed": 0, "strategy": "ldms"},
    "network": ["Dense 1"],
    "strategies": {"ldms": {}},
}


def recipe(**changes):
    return {**RECIPE, "recipe": {**RECIPE["recipe"], **changes}}


def test_what_is_written_is_read_again(tmp_path):
    runs = {
        ("ldms", 2): Stored(ROWS, recipe()),
        ("ldms", 10): Stored(ROWS[:1], recipe(seed=1)),
        ("random", 1): Stored(ROWS, recipe(strategy="random") | {"revisions": {"random": 2}}),
        ("random", 2): Stored(ROWS, None),
    }
    write_joined(tmp_path / "new", runs)
    assert read_joined(tmp_path / "new") == runs
    lines = (tmp_path / "new" / "rounds.csv").read_text().splitlines()
    assert lines[0] == "strategy,repetition,round,labels,test_accuracy,purity"
    assert lines[1:3] == ["ldms,2,0,20,0.5820000171661377,", "ldms,2,1,40,0.30000000000000004,1e-300"]


def test_what_all_share_stands_once(tmp_path):
    runs = {("ldms", rep): Stored(ROWS, recipe()) for rep in (1, 2)}
    runs["badge", 1] = Stored(ROWS, recipe(strategy="badge"))
    write_joined(tmp_path, runs)
    stored = json.loads((tmp_path / "recipe.json").read_text())
    assert stored["shared"] == {
        "recipe": {"dataset": "digits", "seed": 0},
        "network": ["Dense 1"],
        "strategies": {"ldms": {}},
    }
    assert stored["runs"] == [
        {"strategy": "badge", "repetitions": [1], "differs": {"recipe": {"strategy": "badge"}}},
        {"strategy": "ldms", "repetitions": [1, 2], "differs": {"recipe": {"strategy": "ldms"}}},
    ]


def test_without_any_recipe(tmp_path):
    write_joined(tmp_path, {("ldms", 1): Stored(ROWS, None)})
    assert read_joined(tmp_path) == {("ldms", 1): Stored(ROWS, None)}
    (tmp_path / "recipe.json").unlink()
    assert read_joined(tmp_path) == {("ldms", 1): Stored(ROWS, None)}


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(0, 1) | st.sampled_from([0.0, 1.0, "a"]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from("abc"), inner),
    max_leaves=8,
)


@given(st.lists(st.dictionaries(st.sampled_from("abc"), VALUES), min_size=1, max_size=3))
def test_the_shared_part_and_the_rest_give_the_whole(objects):
    shared = shared_part(objects)
    for each in objects:
        found = merged(shared, without(each, shared))
        assert json.dumps(found, sort_keys=True) == json.dumps(each, sort_keys=True)  # 1, 1.0 and true told apart


def test_numbers_of_one_value_and_two_kinds_are_not_shared():
    assert shared_part([{"a": 1}, {"a": True}]) == {}
    assert shared_part([{"a": {"b": 1}}, {"a": 1}]) == {}
    assert shared_part([{"a": {"b": 1, "c": 2}}, {"a": {"b": 1}}]) == {"a": {"b": 1}}
    assert shared_part([{"a": math.nan}, {"a": math.nan}]).keys() == {"a"}
    assert shared_part([]) == {}


HEAD = "strategy,repetition,round,labels,test_accuracy\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("round,labels,test_accuracy\n0,20,0.5\n", "is the table of one repetition"),
        ("", "it has no column 'strategy'"),
        ("strategy,round,labels,test_accuracy\nldms,0,20,0.5\n", "it has no column 'repetition'"),
        (HEAD + "ldms,1,0,20,0.5\nldms,1,2,60,0.5\n", "ldms, repetition 1 does not hold rounds 0, 1, 2"),
        (HEAD + "ldms,1,0,20,0.5\nldms,1,0,20,0.6\n", "ldms, repetition 1 does not hold rounds 0, 1, 2"),
        (HEAD + "ldms,2,0,20,50\n", "ldms, repetition 2 is damaged (round 0 has the test accuracy 50)"),
        (HEAD + "ldms,0,0,20,0.5\n", "damaged (strategy 'ldms', repetition 0)"),
        (HEAD + "ldms,1.5,0,20,0.5\n", "damaged (strategy 'ldms', repetition 1.5)"),
        (HEAD + "ldms,one,0,20,0.5\n", "'one' is no number"),
        (HEAD + ",1,0,20,0.5\n", "damaged (strategy '', repetition 1)"),
        (HEAD + "ldms,1,0,20\n", "line 2 has 4 cells"),
        ("\0" * 100, "it has no column 'strategy'"),
    ],
)
def test_a_table_that_is_none_is_refused(tmp_path, text, message):
    (tmp_path / "rounds.csv").write_text(text)
    with pytest.raises(InputError) as refused:
        read_joined(tmp_path)
    assert message in str(refused.value)
    assert "\n" not in str(refused.value)


def a_run(**changes):
    return {"strategy": "ldms", "repetitions": [1], "differs": {}} | changes


@pytest.mark.parametrize(
    ("stored", "message"),
    [
        ({"recipe": {}}, "it has no shared options, or no runs"),
        ({"shared": [], "runs": []}, "it has no shared options, or no runs"),
        ({"shared": RECIPE, "runs": [3]}, "one of its runs: '3'"),
        ({"shared": RECIPE, "runs": [a_run(strategy=1)]}, "one of its runs"),
        ({"shared": RECIPE, "runs": [a_run(repetitions=[True])]}, "repetitions: [True]"),
        ({"shared": RECIPE, "runs": [a_run(repetitions=[1, 1])]}, "it names ldms, repetition 1, twice"),
        ({"shared": RECIPE, "runs": [a_run(), a_run()]}, "it names ldms, repetition 1, twice"),
        ({"shared": RECIPE, "runs": [a_run(repetitions=[2])]}, "ldms, repetition 2, of which rounds.csv has no row"),
        ({"shared": {}, "runs": [a_run()]}, "it has no recipe"),
        ({"shared": RECIPE, "runs": [a_run(differs={"recipe": {"seed": "one"}})]}, "seed: 'one'"),
    ],
)
def test_a_recipe_that_is_none_is_refused(tmp_path, stored, message):
    write_joined(tmp_path, {("ldms", 1): Stored(ROWS, RECIPE)})
    (tmp_path / "recipe.json").write_text(json.dumps(stored))
    with pytest.raises(InputError) as refused:
        read_joined(tmp_path)
    assert message in str(refused.value)
    assert "\n" not in str(refused.value)
