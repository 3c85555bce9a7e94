"""The tables of a report: published vectors by way of files, what is refused in words, csv, LaTeX."""

import csv
import io
import re

import numpy as np
import pytest
from scipy import stats

from tests.report.results_folders import filled, write_run
from tfal.report.comparison import read_comparison
from tfal.report.group import largest_group
from tfal.report.statistics.penalty import penalty_matrix
from tfal.report.tables import measured_tables, overall_tables, recipe_tables, setting_tables
from tfal.report.tables.table import Table, mean_std, number, p_value


def of_one(folder):
    """The tables of the one setting below a folder, by key."""
    (setting,) = read_comparison([folder]).settings
    return {table.key: table for table in [*setting_tables(setting), *measured_tables(setting)]}


def over_all(folder):
    comparison = read_comparison([folder])
    return {table.key: table for table in overall_tables(comparison, largest_group(comparison))}


def cells(table, row):
    (found,) = [each for each in table.rows if each[0] == row]
    return dict(zip(table.head, found, strict=True))


def test_areas_on_three_axes(tmp_path):
    write_run(tmp_path, "margin", 1, [0.5, 0.7, 0.8, 0.9], [20, 40, 80, 160])
    table = of_one(tmp_path)["aubc"]
    assert cells(table, "margin") == {"strategy": "margin", "labels": "78.57", "rounds": "73.33", "log labels": "73.33"}
    assert "4 numbers of labels, 20 to 160" in table.notes[0]


def test_label_efficiency(tmp_path):
    labels = [100, 200, 300, 400]
    write_run(tmp_path, "random", 1, [0.60, 0.70, 0.76, 0.80], labels)
    write_run(tmp_path, "margin", 1, [0.60, 0.76, 0.80, 0.82], labels)
    write_run(tmp_path, "worse", 1, [0.60, 0.61, 0.62, 0.63], labels)
    table = of_one(tmp_path)["efficiency"]
    assert [row[0] for row in table.rows] == ["margin", "worse"]
    assert cells(table, "margin")["labels for random's last"] == "300"
    assert 1.23 < float(table.rows[0][1]) < 1.5
    assert table.rows[1][1:] == ("0.00", "15 %", "not reached")


def test_differences_by_hand(tmp_path):
    # Differences 1 to 5 points: mean 3, half an interval 2.776445 sqrt(2.5 / 5) = 1.96.
    for rep in range(1, 6):
        write_run(tmp_path, "random", rep, [0.3, 0.5])
        write_run(tmp_path, "margin", rep, [0.3, 0.5 + 0.01 * rep])
    table = of_one(tmp_path)["differences"]
    ((name, n, first, last, area, paired),) = table.rows
    assert (name, n, paired) == ("margin", "5", "paired")
    assert first == last == "+3.00 [+1.04, +4.96] (at 40)"  # of the labels that it chose, not the initial ones
    assert area == "+1.50 [+0.52, +2.48]"


def test_repetitions_that_are_no_pairs_get_welchs_interval(tmp_path):
    rng = np.random.default_rng(0)
    made = {"random": rng.random(5).round(3), "margin": rng.random(6).round(3)}
    for name, seed in (("random", 0), ("margin", 1)):
        for rep, accuracy in enumerate(made[name].tolist(), start=1):
            write_run(tmp_path, name, rep, [0.3, accuracy], recipe={"seed": seed})
    table = of_one(tmp_path)["differences"]
    low, high = stats.ttest_ind(made["margin"], made["random"], equal_var=False).confidence_interval(0.95)
    assert f"[{100 * low:+.2f}, {100 * high:+.2f}]" in table.rows[0][3]
    assert table.rows[0][-1] == "unpaired"
    assert "margin is unpaired: seed 0 there, 1 here." in table.notes
    # What is compared repetition by repetition refuses them.
    assert "no setting are the repetitions of all strategies pairs" in over_all(tmp_path)["penalty"].notes[0]


def test_few_repetitions_have_no_interval_and_it_is_said(tmp_path):
    filled(tmp_path, reps=4)
    table = of_one(tmp_path)["differences"]
    assert not re.search(r"\[", "".join(table.rows[0]))
    assert "insufficient: below 5 repetitions there is no interval." in table.notes
    assert "insufficient: no setting has the 5 paired repetitions" in over_all(tmp_path)["penalty"].notes[-1]


def test_the_penalty_vector_and_its_correction(tmp_path):
    # t = 4.8107, p = .00858: a win of the only number of labels that was chosen, also where Holm has one test.
    for rep, (i, j) in enumerate(zip([0.80, 0.82, 0.81, 0.83, 0.84], [0.78, 0.80, 0.80, 0.82, 0.81], strict=True), 1):
        write_run(tmp_path, "i", rep, [0.5, i])
        write_run(tmp_path, "j", rep, [0.5, j])
    tables = over_all(tmp_path)
    for key in ("penalty", "penalty_holm"):
        assert cells(tables[key], "i") == {"beats": "i", "i": "0.00", "j": "1.00", "beats, mean": "1.00"}
        assert cells(tables[key], "is beaten, mean")["j"] == "1.00"
        assert any("initial labels left out" in note for note in tables[key].notes)


def test_penalties_are_those_of_the_arrays_without_the_first_round(tmp_path):
    rng = np.random.default_rng(1)
    values = {name: rng.random((5, 4)).round(3) + shift for name, shift in (("a", 0.0), ("b", 0.0), ("random", 0.0))}
    values["a"] += 0.4
    values = {name: (each / 2).round(4) for name, each in values.items()}
    for name, each in values.items():
        for rep, row in enumerate(each.tolist(), start=1):
            write_run(tmp_path, name, rep, row)
    expected = penalty_matrix([{name: each[:, 1:] for name, each in values.items()}]).wins
    table = over_all(tmp_path)["penalty"]
    np.testing.assert_allclose([[float(cell) for cell in row[1:-1]] for row in table.rows[:3]], expected, atol=0.005)


def test_the_profile_vector(tmp_path):
    a = [[[0.50, 0.60], [0.52, 0.63]], [[0.30, 0.40], [0.28, 0.45]]]
    b = [[[0.52, 0.59], [0.50, 0.63]], [[0.29, 0.42], [0.28, 0.44]]]
    c = [[[0.40, 0.55], [0.45, 0.60]], [[0.25, 0.35], [0.26, 0.38]]]
    for name, values in (("a", a), ("b", b), ("c", c)):
        for number_, setting in enumerate(values):
            for rep, row in enumerate(setting, start=1):
                write_run(tmp_path / f"set{number_}_SCNN", name, rep, [0.1, *row])
    table = over_all(tmp_path)["gap_profile"]
    shares = {row[0]: [cell.split()[0] for cell in row[1:]] for row in table.rows}
    assert table.head[1:] == tuple(f"gap at most {each} points" for each in ("0", "0.5", "1", "2", "5", "10"))
    assert [shares["a"][place] for place in (0, 2, 3, 4, 5)] == ["75.0", "75.0", "100.0", "100.0", "100.0"]
    assert [shares["b"][place] for place in (0, 2, 3, 4, 5)] == ["50.0", "87.5", "100.0", "100.0", "100.0"]
    assert [shares["c"][place] for place in (0, 2, 3, 4, 5)] == ["0.0", "0.0", "12.5", "50.0", "87.5"]


RANKED = [(85, 83, 80), (75, 74, 70), (91, 92, 88), (66, 64, 65), (80, 79, 75), (70, 69, 68)]


def test_the_rank_vector_and_five_settings_are_too_few(tmp_path):
    for number_, row in enumerate(RANKED):
        for name, value in zip("abc", row, strict=True):
            write_run(tmp_path / f"set{number_}_SCNN", name, 1, [0.1, value / 100], recipe={"dataset": f"d{number_}"})
    tables = over_all(tmp_path)
    assert list(tables["ranks"].rows) == [("a", "1.17"), ("b", "2.00"), ("c", "2.83")]
    text = " ".join(tables["ranks"].notes)
    assert "chi2 8.33, p 0.0155" in text
    assert "F 11.36, p 0.0027" in text
    assert "less than 1.35" in text
    assert "independent" not in text
    assert tables["wilcoxon"].rows[0] == ("a", "-", "0.1875", "0.0938")  # Holm of .15625, .03125, .09375
    for path in (tmp_path / "set5_SCNN").glob("*/rep*/rounds.csv"):
        path.unlink()
    (note,) = over_all(tmp_path)["ranks"].notes
    assert note.startswith("insufficient: ranks need at least 6")


def test_settings_of_one_data_set_are_said_to_be_no_independent_units(tmp_path):
    for number_, row in enumerate(RANKED):
        for name, value in zip("abc", row, strict=True):
            write_run(tmp_path / f"set{number_}_SCNN", name, 1, [0.1, value / 100])
    assert "6 settings are of 1 data set, fewer than the 6" in over_all(tmp_path)["ranks"].notes[-1]


def test_the_group_is_that_of_most_comparisons(tmp_path):
    for name in ("a_SCNN", "b_SCNN", "c_SCNN"):
        filled(tmp_path / name, ("badge", "margin", "random"), reps=1)
    filled(tmp_path / "d_SCNN", ("entropy", "ldms", "random", "coreset"), reps=1)
    group = largest_group(read_comparison([tmp_path]))
    assert group.strategies == ("badge", "margin", "random")
    assert [setting.name for setting in group.settings] == ["a_SCNN", "b_SCNN", "c_SCNN"]
    assert "Left out, as other strategies were run or nothing is shared: d_SCNN." in group.notes


def test_gains_count_intervals_that_leave_out_zero(tmp_path):
    filled(tmp_path / "a_SCNN")
    filled(tmp_path / "b_SCNN", lift=-0.05)
    filled(tmp_path / "c_SCNN", reps=2)
    row = cells(over_all(tmp_path)["gains"], "margin")
    assert (row["better"], row["worse"]) == ("1 of 2", "1 of 2")
    assert row["a_SCNN"].startswith("+")
    assert "[" not in row["c_SCNN"]


def test_what_else_was_recorded(tmp_path):
    columns = {
        "purity": [0.5, 0.25, 0.75, 1.0],
        "recall_0": [0.1, 0.2, 0.3, 0.4],
        "recall_1": [0.1, 0.2, 0.3, float("nan")],
        "nll": [1.0, 0.9, 0.8, 0.7],
        "ece_scaled": [0.1, 0.1, 0.1, 0.05],
        "seconds_query": [1.0, 3.0, 2.0, 0.0],
        "seconds_train": [6.0, 6.0, 6.0, 6.0],
        "peak_memory_mb": [100.0, 300.0, 200.0, 100.0],
    }
    filled(tmp_path, reps=2, columns=columns)
    tables = of_one(tmp_path)
    assert cells(tables["scores"], "margin") == {
        "strategy": "margin", "purity, last": "100.00 ± 0.00", "purity, mean": "62.50 ± 0.00"
    }  # fmt: skip
    assert tables["recalls"].rows[0] == ("margin", "40.0 ± 0.0", "30.0 ± 0.0")
    assert tables["calibration"].head == ("strategy", "nll", "ece scaled")
    assert tables["calibration"].rows[0][1:] == ("0.7000 ± 0.0000", "0.0500 ± 0.0000")
    assert tables["time"].rows[0] == ("margin", "1.500 ± 0.000", "6.000 ± 0.000", "20.0 ± 0.0", "300")


def test_a_column_that_repeats_the_accuracy_is_no_score(tmp_path):
    write_run(tmp_path, "margin", 1, [0.1, 0.2], linear_top1=[0.1, 0.2])
    assert "scores" not in of_one(tmp_path)


def test_stopping_by_hand(tmp_path):
    agreement = [float("nan"), 0.9, 0.99, 0.99, 0.99, 1.0]
    for rep, changed in ((1, [0.2, 0.1, 0.0, 0.0, 0.0]), (2, [0.2, 0.1, 0.1, 0.1, 0.1])):
        write_run(
            tmp_path, "margin", rep, [0.1, 0.2, 0.3, 0.4, 0.5, 0.6], agreement=agreement, changed=[np.nan, *changed]
        )  # fmt: skip
    for path in tmp_path.glob("*/*/rounds.csv"):
        path.write_text(path.read_text().replace("nan", ""))
    rows = {row[1]: row[2:] for row in of_one(tmp_path)["stopping"].rows}
    # Means of three: rounds 2 to 4 are .99 each. Nothing changed in repetition 1 from round 3 on.
    assert rows["stabilised predictions"] == ("2 of 2", "100 ± 0", "50.00 ± 0.00", "60.00 ± 0.00")
    assert rows["unchanged predictions"] == ("1 of 2", "80", "40.00", "60.00")


def test_one_strategy_and_no_random_are_said(tmp_path):
    filled(tmp_path, ("margin",))
    for key in ("differences", "efficiency"):
        assert of_one(tmp_path)[key].notes[0] == "insufficient: random was not run."
    assert over_all(tmp_path)["penalty"].notes[0].startswith("insufficient: no two strategies")


def test_nothing_shared_is_no_error(tmp_path):
    write_run(tmp_path, "margin", 1, [0.1], [10])
    write_run(tmp_path, "random", 2, [0.1], [20])
    assert of_one(tmp_path)["aubc"].notes[0].startswith("insufficient")
    assert of_one(tmp_path)["differences"].rows[0][-1] == "nothing in common"
    assert over_all(tmp_path)["penalty"].notes[0].startswith("insufficient")


def test_options_that_differ_and_that_all_share(tmp_path):
    filled(tmp_path / "a_SCNN", reps=1, n_query=10)
    filled(tmp_path / "b_SCNN", reps=1, n_query=20)
    tables = {table.key: table for table in recipe_tables(read_comparison([tmp_path]))}
    assert tables["options"].rows == (("nQuery", "10", "20"),)
    assert ("nEpoch", "5") in tables["shared"].rows
    assert ("tensorflow", "2.21.0", "all settings") in tables["machines"].rows
    assert tables["runs"].rows[0][:5] == ("a_SCNN", "margin and random", "1", "4", "20 to 80")


HOSTILE = Table(
    "k", "50 % & more", ("a_b", "x"), (("<b>&{}\\~^", "+1.00 [-1, 2]"), ("=1+1", 'say "no", or\nyes')), ("#",)
)


def test_csv_is_read_back_and_runs_nothing_in_a_spreadsheet():
    rows = list(csv.reader(io.StringIO(HOSTILE.csv())))
    assert rows == [["a_b", "x"], ["<b>&{}\\~^", "+1.00 [-1, 2]"], ["'=1+1", 'say "no", or\nyes']]


def test_latex_escapes_what_it_would_take_for_its_own():
    lines = HOSTILE.latex().splitlines()
    assert lines[:2] == ["% 50 % & more", "% #"]
    assert (
        r"\textless{}b\textgreater{}\&\{\}\textbackslash{}\textasciitilde{}\textasciicircum{} & +1.00 [-1, 2] \\"
        in lines
    )
    assert lines[2] == r"\begin{tabular}{lr}"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (mean_std(np.array([0.5, 0.6])), "55.00 ± 7.07"),
        (mean_std(np.array([0.5, np.nan])), "50.00"),
        (mean_std(np.array([np.nan])), "-"),
        (number(float("inf")), "∞"),
        (number(float("nan")), "-"),
        (p_value(0.00001), "< 0.0001"),
        (p_value(0.05), "0.0500"),
    ],
)
def test_cells(text, expected):
    assert text == expected


def test_an_open_set_tells_purity_from_what_known_samples_teach(tmp_path):
    # By hand in statistics/test_known_labels.py; AUBC .575 against .6.
    for rep in range(1, 6):
        write_run(tmp_path, "random", rep, [0.4, 0.6, 0.8], purity=[0.5, 0.5, 0.5])
        write_run(tmp_path, "margin", rep, [0.4, 0.6, 0.7], purity=[0.5, 0.25, 0.25])
        write_run(tmp_path, "entropy", rep, [0.4, 0.4, 0.4], purity=[0.5, 0.0, 0.0])
    table = of_one(tmp_path)["known"]
    assert cells(table, "margin") == {
        "strategy": "margin",
        "repetitions": "5",
        "known labels, last": "20 ± 0",
        "over random, AUBC": "-2.50 [-2.50, -2.50]",
        "at equal known labels": "+7.50 [+7.50, +7.50]",
    }
    assert [*cells(table, "random").values()] == ["random", "5", "30 ± 0", "-", "-"]
    assert [*cells(table, "entropy").values()][2:] == ["10 ± 0", "-20.00 [-20.00, -20.00]", "-"]


def test_a_closed_set_has_no_table_of_known_labels(tmp_path):
    filled(tmp_path / "without")
    filled(tmp_path / "closed", purity=[1.0] * 4)
    assert "known" not in of_one(tmp_path / "without")
    assert "known" not in of_one(tmp_path / "closed")


def test_repetitions_that_are_no_pairs_are_not_compared_at_equal_known_labels(tmp_path):
    for rep in range(1, 6):
        write_run(tmp_path, "random", rep, [0.4, 0.6], purity=[0.5, 0.5], recipe={"seed": 0})
        write_run(tmp_path, "margin", rep, [0.4, 0.6], purity=[0.5, 0.5], recipe={"seed": 1})
    assert cells(of_one(tmp_path)["known"], "margin")["at equal known labels"] == "-"
