"""Differences between runs: vectors by hand, scipy as referee, what is paired with what, and the command."""

import json

import numpy as np
import pytest
from scipy import stats

from tfal.errors import InputError
from tfal.report.compare import main, paired, unpaired
from tfal.report.results import read_runs, told_apart

RECIPE = {"dataset": "digits", "seed": 0, "data": "0123", "n_init": 20}


def write(folder, strategy, rep, accuracies, labels=None, **options):
    run = folder / strategy / f"rep{rep:03d}"
    run.mkdir(parents=True)
    labels = labels or [20 + 20 * step for step in range(len(accuracies))]
    rows = [f"{step},{n},{a}" for step, (n, a) in enumerate(zip(labels, accuracies, strict=True))]
    (run / "rounds.csv").write_text("round,labels,test_accuracy\n" + "\n".join(rows) + "\n")
    (run / "recipe.json").write_text(json.dumps({"recipe": RECIPE | {"strategy": strategy} | options}))


def compare(capsys, *folders):
    code = main([str(folder) for folder in folders])
    said = capsys.readouterr()
    rows = [line for line in said.out.splitlines() if line.startswith("|")]
    assert len({line.count("|") for line in rows}) <= 1  # as many cells in every row as in the head
    return code, said, [[cell.strip() for cell in row.strip("|").split("|")] for row in rows[2:]]


def test_a_vector_by_hand():
    # Differences 1 to 5 percent: mean 3, deviation sqrt(2.5), t(0.975, 4) = 2.776445.
    found = paired(np.array([0.11, 0.12, 0.13, 0.14, 0.15]), np.full(5, 0.1))
    assert found.mean == pytest.approx(0.03)
    assert found.high - found.mean == pytest.approx(0.01 * 2.776445 * np.sqrt(2.5 / 5), rel=1e-6)
    assert found.low == pytest.approx(2 * found.mean - found.high)
    assert str(found) == " +3.00 [ +1.04,  +4.96]"


def test_the_interval_is_that_of_the_t_test():
    rng = np.random.default_rng(0)
    one, other = rng.random(8), rng.random(8)
    interval = stats.ttest_rel(one, other).confidence_interval(0.95)
    assert (paired(one, other).low, paired(one, other).high) == pytest.approx(tuple(interval))


def test_the_unpaired_interval_is_welchs_by_hand():
    one, other = np.array([0.1, 0.2, 0.3, 0.4, 0.5]), np.array([0.1, 0.1, 0.1, 0.2, 0.2, 0.2])
    a, b = one.var(ddof=1) / 5, other.var(ddof=1) / 6
    freedom = (a + b) ** 2 / (a**2 / 4 + b**2 / 5)
    half = stats.t.ppf(0.975, freedom) * np.sqrt(a + b)
    found = unpaired(one, other)
    assert (found.mean, found.high - found.mean) == pytest.approx((0.15, half))
    assert unpaired(np.full(5, 0.5), np.full(5, 0.25)).high == 0.25  # no spread, no warning


@pytest.mark.parametrize("difference", [paired, unpaired])
def test_few_repetitions_get_no_interval(difference):
    found = difference(np.array([0.5, 0.6]), np.array([0.4, 0.4]))
    assert found.mean == pytest.approx(0.15)
    assert np.isnan(found.low)
    assert "insufficient" in str(found)


def test_only_shared_budgets_count(tmp_path, capsys):
    for rep in range(1, 6):
        write(tmp_path / "a", "margin", rep, [0.1, 0.1, 0.9], [20, 30, 40])
        write(tmp_path / "b", "margin", rep, [0.1, 0.2, 0.3], [10, 20, 30])
    _, said, rows = compare(capsys, tmp_path / "a", tmp_path / "b")
    assert "| 20 labels | 30 labels | area |" in said.out
    assert [cell.split()[0] for cell in rows[0][3:]] == ["+10.00", "+20.00", "+15.00"]


@pytest.fixture
def experiments(tmp_path):
    for name, shift in (("a", 0.0), ("b", 0.1)):
        for strategy in ("random", "margin"):
            for rep in range(1, 6):
                lift = shift + 0.05 * (strategy == "margin") + 0.01 * rep
                write(tmp_path / name, strategy, rep, [0.5 + lift] * 2)
    return tmp_path


def test_the_command(experiments, capsys):
    _, _, rows = compare(capsys, experiments / "a", experiments / "a", experiments / "b")
    assert [row[:3] for row in rows] == [["b", "margin", "5"], ["b", "random", "5"]]
    assert "+10.00" in rows[-1][-1]
    _, _, rows = compare(capsys, experiments / "a")
    assert "+5.00" in rows[-1][-1]


def test_repetitions_are_matched_by_number(tmp_path, capsys):
    # By position 1, 2, 4, 5, 6 against 1 to 5 would differ by other amounts than the 10 points of each repetition.
    for rep in (1, 2, 4, 5, 6, 7):
        write(tmp_path / "b", "margin", rep, [0.1 + 0.1 * rep**2 / 10] * 2)
    for rep in (1, 2, 3, 4, 5, 6):
        write(tmp_path / "a", "margin", rep, [0.1 * rep**2 / 10] * 2)
    _, _, rows = compare(capsys, tmp_path / "a", tmp_path / "b")
    assert rows[0][2:] == ["5"] + ["+10.00 [+10.00, +10.00]"] * 3


def test_an_unfinished_repetition_that_is_no_pair_shortens_nothing(experiments, capsys):
    write(experiments / "b", "margin", 9, [0.5])
    _, said, rows = compare(capsys, experiments / "a", experiments / "b")
    assert "40 labels" in said.out
    assert rows[0][2] == "5"


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"seed": 7}, "seed 0 there, 7 here"),
        ({"data": "beef"}, "data '0123' there, 'beef' here"),
        ({"data": "0124-aa"}, "data '0123' there, '0124' here"),
        ({"n_init": 10}, "nInit 20 there, 10 here"),
        ({"n_valid": 3}, "nValid 5000 there, 3 here"),
        ({"long_tail": 0.1}, "longTail 0.0 there, 0.1 here"),
        ({"ood_rate": 0.6, "n_class_known": 4}, "nClassKnown 0 there, 4 here; oodRate 0.0 there, 0.6 here"),
    ],
)
def test_other_splits_are_named_unpaired(experiments, capsys, options, named):
    for rep in range(1, 7):
        write(experiments / "c", "margin", rep, [0.9 + 0.01 * (rep % 2)] * 2, **options)
    code, said, rows = compare(capsys, experiments / "a", experiments / "c")
    assert code == 0
    assert rows[0][:3] == ["c", "margin", "unpaired, 6 and 5"]
    assert said.out.splitlines()[-1] == f"- c, margin: {named}"


def test_a_seed_that_differs_in_one_folder_is_seen_too(tmp_path, capsys):
    for rep in range(1, 6):
        write(tmp_path / "a", "random", rep, [0.5] * 2)
        write(tmp_path / "a", "margin", rep, [0.6] * 2, seed=1)
    _, said, rows = compare(capsys, tmp_path / "a")
    assert rows[0][2] == "unpaired, 5 and 5"
    assert "seed 0 there, 1 here" in said.out


def test_options_that_move_no_split_are_paired(experiments, capsys):
    for rep in range(1, 6):
        write(experiments / "c", "margin", rep, [0.9] * 2, n_epoch=3, initial="kmeans", network="MLP")
    _, _, rows = compare(capsys, experiments / "a", experiments / "c")
    assert rows[0][2] == "5"


def test_of_low_budgets_the_first_labels_do_not_count(tmp_path, capsys):
    for rep in range(1, 6):
        write(tmp_path / "a", "margin", rep, [0.5] * 2, splits="20,40")
        write(tmp_path / "b", "margin", rep, [0.6] * 2, splits="20,40,80", n_init=7)
    _, _, rows = compare(capsys, tmp_path / "a", tmp_path / "b")
    assert rows[0][2] == "5"


def test_no_recipe_is_no_pair_but_that_of_another_repetition_serves(experiments, capsys):
    for rep in range(1, 6):
        (experiments / "a" / "margin" / f"rep{rep:03d}" / "recipe.json").unlink()
    (experiments / "b" / "margin" / "rep003" / "recipe.json").unlink()
    _, said, rows = compare(capsys, experiments / "a", experiments / "b")
    assert [row[2] for row in rows] == ["unpaired, 5 and 5", "5"]
    assert "no recipe.json" in said.out


def test_another_data_set_is_refused(experiments, capsys):
    write(experiments / "letter", "margin", 1, [0.5] * 2, dataset="letter")
    code, said, _ = compare(capsys, experiments / "a", experiments / "letter")
    assert code == 2
    assert said.err.count("\n") == 1
    assert "'digits' and 'letter'" in said.err


def test_one_budget_in_common_fills_every_cell(tmp_path, capsys):
    write(tmp_path / "a", "random", 1, [0.5, 0.5])
    write(tmp_path / "a", "margin", 1, [0.6])
    write(tmp_path / "a", "badge", 1, [0.7, 0.8])
    _, said, rows = compare(capsys, tmp_path / "a")
    assert "| first | last | area |" in said.out
    assert [row[1] for row in rows] == ["badge", "margin"]
    assert rows[1][4].endswith("(at 20)")


def test_runs_of_one_name_are_told_apart(tmp_path, capsys):
    for place in ("one", "two", "three"):
        for rep in range(1, 6):
            write(tmp_path / place / "digits_SCNN", "margin", rep, [0.5] * 2)
    folders = [tmp_path / place / "digits_SCNN" for place in ("one", "two", "three")]
    _, said, rows = compare(capsys, *folders)
    assert [row[0] for row in rows] == ["two/digits_SCNN", "three/digits_SCNN"]
    assert "the same strategy in one/digits_SCNN" in said.out
    assert told_apart([folders[0], folders[0]]) == ["digits_SCNN"] * 2


def test_copies_of_a_repetition_are_no_repetitions(experiments):
    write(experiments / "a", "margin", 6, [0.5] * 2)
    (experiments / "a" / "margin" / "rep006").rename(experiments / "a" / "margin" / "rep005 copy")
    with pytest.raises(InputError, match="rep005 copy must be called rep and a number"):
        read_runs(experiments / "a")
    (experiments / "a" / "margin" / "rep005 copy").rename(experiments / "a" / "margin" / "rep5")
    with pytest.raises(InputError, match="repetition 5 twice"):
        read_runs(experiments / "a")


@pytest.mark.parametrize("text", ["", "hello", "[]", '{"recipe": 3}', "{}"])
def test_a_damaged_recipe_is_one_line(experiments, capsys, text):
    (experiments / "a" / "margin" / "rep001" / "recipe.json").write_text(text)
    code, said, _ = compare(capsys, experiments / "a", experiments / "b")
    assert (code, said.err.count("\n")) == (2, 1)
    assert "recipe.json is damaged" in said.err


@pytest.mark.parametrize("name", ["network", "strategy", "dataset", "seed", "data", "splits", "learning_rate"])
@pytest.mark.parametrize("value", [["a"], {"a": {"b": 1}}, 3.5, True, None])
def test_an_option_that_no_recipe_has_is_one_line(experiments, capsys, name, value):
    path = experiments / "a" / "margin" / "rep001" / "recipe.json"
    path.write_text(json.dumps({"recipe": json.loads(path.read_text())["recipe"] | {name: value}}))
    fits = {"data": [None], "splits": [None], "learning_rate": [3.5]}.get(name, [])
    code, said, _ = compare(capsys, experiments / "a", experiments / "b")
    if value in fits and value is not True:
        assert (code, said.err) == (0, "")
    else:
        assert (code, said.err.count("\n")) == (2, 1)
        assert f"recipe.json is damaged ({name}: {value!r})" in said.err


def test_nothing_to_compare(experiments, tmp_path, capsys):
    assert main([str(tmp_path / "missing")]) == 2
    assert "no results" in capsys.readouterr().err
    assert main([str(experiments / "a"), str(experiments / "a")]) == 2
    assert "nothing to compare" in capsys.readouterr().err
