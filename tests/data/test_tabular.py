import csv
import dataclasses

import numpy as np
import pytest

from tests.conftest import SHARED_DATA
from tests.data.test_data import refusal
from tfal.data import fingerprint, load_for
from tfal.data.tabular import load_csv
from tfal.recipe import Recipe

LETTER = SHARED_DATA / "letter" / "letter-recognition.data"


def written(path, *lines):
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def made(path, n=60, header=True, seed=0):
    """A table of three classes, named by text, between two features and a constant one."""
    rng = np.random.default_rng(seed)
    names = np.array(["ant", "bee", "cat"])[np.arange(n) % 3]
    rows = [f"{rng.normal():.4f},{name},{rng.normal(5, 9):.4f},7" for name in names]
    return written(path, *(["width,kind,height,legs"] if header else []), *rows)


def test_features_are_standardised_on_the_training_rows(tmp_path):
    """Hand-computed: training 1, 3 and 4, 4 has mean 2 and deviation 1, mean 4 and deviation 1 by convention."""
    train = written(tmp_path / "small.csv", "a,kind,b", "1,x,4", "3,y,4")
    test = written(tmp_path / "test.csv", "a,kind,b", "5,y,4", "2,x,6")
    data = load_csv(train, "kind", test)
    assert (data.name, data.class_names, data.input_shape, data.n_classes) == ("small", ("x", "y"), (1, 1, 2), 2)
    assert (data.x_train.dtype, data.y_train.dtype) == (np.float32, np.int64)
    assert data.x_train[:, 0, 0].tolist() == [[-1, 0], [1, 0]]
    assert data.x_test[:, 0, 0].tolist() == [[3, 0], [0, 2]]
    assert (data.y_train.tolist(), data.y_test.tolist()) == ([0, 1], [1, 0])


def test_a_fifth_of_each_class_is_tested(tmp_path):
    sizes = {"a": 23, "b": 10, "c": 4}
    lines = [f"{name},{row}" for name, size in sizes.items() for row in range(size)]
    data = load_csv(written(tmp_path / "t.csv", *lines), "0")
    assert np.bincount(data.y_test, minlength=3).tolist() == [4, 2, 0]
    assert np.bincount(data.y_train).tolist() == [19, 8, 4]
    assert np.all(np.diff(data.y_train) >= 0)  # in the order of the file
    values = np.concatenate([data.x_train, data.x_test])
    assert len(np.unique(values[np.concatenate([data.y_train, data.y_test]) == 0])) == 23  # no row twice
    assert fingerprint(load_csv(tmp_path / "t.csv", "0")) == fingerprint(data)


@pytest.mark.parametrize("label", ["kind", "1", "-3"])
def test_the_label_by_name_or_place(tmp_path, label):
    data = load_csv(made(tmp_path / "t.csv"), label)
    assert data.class_names == ("ant", "bee", "cat")
    assert data.x_train.shape == (48, 1, 1, 3)
    np.testing.assert_allclose(data.x_train.mean(axis=0).ravel(), 0, atol=1e-6)
    np.testing.assert_allclose(data.x_train.std(axis=0).ravel(), [1, 1, 0], atol=1e-6)


def test_with_and_without_a_header(tmp_path):
    with_header, without = (load_csv(made(tmp_path / f"{flag}.csv", header=flag), "1") for flag in (True, False))
    np.testing.assert_array_equal(with_header.x_train, without.x_train)
    np.testing.assert_array_equal(with_header.y_test, without.y_test)


def test_numbers_as_classes_are_in_the_order_of_numbers(tmp_path):
    lines = [f"{row},{(10, 9, 100)[row % 3]}" for row in range(30)]
    data = load_csv(written(tmp_path / "t.csv", *lines), "-1")
    assert data.class_names == ("9", "10", "100")
    assert data.n_classes == 3


def test_quotes_blanks_empty_lines_and_a_byte_order_mark(tmp_path):
    lines = ['\ufeff"wide, high", kind', "", '1.5, "a, b"', " 2e1 ,c", "   ", *["3,c"] * 5]
    data = load_csv(written(tmp_path / "my table (1).csv", *lines), "kind")
    assert (data.name, data.class_names, len(data.y_train)) == ("my_table_1_", ("a, b", "c"), 6)


def test_reading_against_a_slow_count(tmp_path):
    path = made(tmp_path / "t.csv", 200)
    data = load_csv(path, "kind")
    with path.open() as file:
        rows = list(csv.DictReader(file))
    height = np.array([float(row["height"]) for row in rows])
    found = np.concatenate([data.x_train, data.x_test])[:, 0, 0, 1]
    order = np.argsort(height)
    spread = np.ptp(height) / np.ptp(found)  # an affine map of the column, whatever was set apart
    np.testing.assert_allclose(np.sort(found), found.min() + (height[order] - height.min()) / spread, atol=1e-4)


BAD = {
    "text": (["a,k", "1,x", "red,y"], "k", "line 3, column a: must be a number. Received: 'red'"),
    "text in the first line": (["1,red,x", "1,2,y"], "2", "line 1, column 1: must be a number. Received: 'red'"),
    "missing": (["a,k,b", "1,x,2", "1,y,"], "k", "line 3, column b: the value is missing"),
    "question mark": (["1,x,?", "1,y,2"], "1", "line 1, column 2: the value is missing. Received: '?'"),
    "NaN": (["1,x", "nan,y"], "1", "line 2, column 0: the value is missing. Received: 'nan'"),
    "infinity": (["1,x", "-inf,y"], "1", "line 2, column 0: must be finite. Received: '-inf'"),
    "missing class": (["1,x", "2,", "3,y"], "1", "line 2: the class is missing"),
    "one class": (["1,x"] * 9, "1", "must hold at least 2 classes in column 1. Received: 'x' only"),
    "no such name": (["a,k", "1,x"], "kind", "Received: 'kind'. The line begins with: a, k"),
    "name without header": (["1,x", "2,y"], "k", "must be the name of one column in the first line"),
    "name twice": (["a,k,k", "1,x,y"], "k", "must be the name of one column"),
    "no such place": (["1,x", "2,y"], "2", "--label must be in -2..1"),
    "ragged": (["1,2,x", "1,2,x", "1,y"], "2", "line 3: must have 3 columns as the first. Received: 2"),
    "empty": ([""], "0", "Received: an empty file"),
    "header only": (["a,k"], "k", "must hold rows of numbers below its first line"),
    "one column": (["1;x", "2;y"], "0", "at least 2 columns with commas between them. Received: 1"),
    "few rows": (["1,x", "2,y", "3,x"], "1", "at least 5 rows of a class"),
    "blank cells": (["1,x", ",", "2,y"], "1", "line 2: the class is missing"),
}


@pytest.mark.parametrize("case", BAD)
def test_unusable_tables_are_refused(tmp_path, case):
    lines, label, part = BAD[case]
    path = written(tmp_path / "t.csv", *lines)
    message = refusal(load_csv, path, label)
    assert part in message
    assert str(path) in message


def test_files_that_cannot_be_read(tmp_path):
    assert "cannot be read as a csv file" in refusal(load_csv, tmp_path / "gone.csv", "0")
    (tmp_path / "t.csv").write_bytes(b"1,\xff\n")
    assert "cannot be read as a csv file in UTF-8" in refusal(load_csv, tmp_path / "t.csv", "0")
    assert "Received: mnist.csv. Rename it" in refusal(load_csv, made(tmp_path / "mnist.csv"), "kind")


def test_test_rows_must_fit_the_training_rows(tmp_path):
    train = made(tmp_path / "t.csv")
    other = written(tmp_path / "other.csv", "width,kind,height", "1,ant,2")
    assert "Received: 3 columns (width, kind, height) in place of 4 columns" in refusal(load_csv, train, "kind", other)
    swapped = written(tmp_path / "swapped.csv", "height,kind,width,legs", "1,ant,2,3")
    assert "must have the columns of" in refusal(load_csv, train, "kind", swapped)
    eel = written(tmp_path / "eel.csv", "width,kind,height,legs", "1,ant,2,6", "1,eel,2,0")
    assert f"{eel}, line 3: the class must be one that {train} has. Received: 'eel'" in refusal(
        load_csv, train, "kind", eel
    )
    data = load_csv(train, "1", written(tmp_path / "bare.csv", "1,bee,2,7"))  # a header in one of them is enough
    assert (len(data.y_train), data.y_test.tolist()) == (60, [1])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"label": None}, "a table needs --csv FILE and --label COLUMN. Received: --csv only"),
        ({"csv": None}, "Received: --label only"),
        ({"csv": None, "label": None, "csv_test": "t.csv"}, "Received: --csvTest only"),
        ({"csv": None, "label": None, "drop": "width"}, "Received: --drop only"),
        ({"drop": "kind"}, "--drop must leave column kind"),
        ({"splits": "10,20"}, "--splits needs images"),
        ({"ood_dataset": "mnist"}, "--oodDataset needs images"),
        ({"augment": "flip_crop"}, "--augment must be none"),
    ],
)
def test_options_of_a_table(tmp_path, options, message):
    recipe = Recipe(csv=str(made(tmp_path / "t.csv")), label="kind")
    assert load_for(recipe).name == "t"
    assert message in refusal(load_for, dataclasses.replace(recipe, **options))


@pytest.mark.skipif(not LETTER.is_file(), reason="the real data sets are not on this machine")
def test_uci_letter():
    data = load_csv(LETTER, "0")
    assert (data.name, data.n_classes, data.class_names[:3]) == ("letter-recognition", 26, ("A", "B", "C"))
    assert len(data.y_train) + len(data.y_test) == 20_000
    shares = np.bincount(data.y_test) / np.bincount(np.concatenate([data.y_train, data.y_test]))
    assert np.all((shares > 0.198) & (shares <= 0.2))


def values(data):
    """All features of a table in the order training, test, (N, d)."""
    return np.concatenate([data.x_train, data.x_test])[:, 0, 0]


@pytest.mark.parametrize(
    ("header", "label"),
    [
        ("0,1,2", "2"),  # pandas, without names
        ("0,1,2", "-1"),
        (",0,1,2", "2"),  # its index in front: the column named 2, not the one at place 2
        (",0,1,2", "-1"),
        ("350.5,351,class", "class"),  # wavelengths
        ("1,2,class", "class"),
        ("y,x,kind", "-1"),
    ],
)
def test_headers_by_one_rule(tmp_path, header, label, capsys):
    index = header.startswith(",")
    rows = [f"{f'{10 * row},' * index}{row * row % 7}.5,{row % 5},{'pq'[row % 2]}" for row in range(40)]
    data = load_csv(written(tmp_path / "t.csv", header, *rows), label)
    bare = load_csv(written(tmp_path / "u.csv", *rows), "-1") if not index else None
    assert (values(data).shape, data.class_names) == ((40, 2), ("p", "q"))
    if bare is not None:
        np.testing.assert_array_equal(values(data), values(bare))
    said = capsys.readouterr().err
    assert ("is read as a header" in said) == ("0,1" in header)
    assert ("left out, as it numbers the rows: column ''" in said) == index


def test_a_first_line_that_may_be_either_is_refused(tmp_path):
    """Wavelengths as names, the label by place: silently, the header would be a row of a class "class"."""
    rows = [f"{row}.25,{row % 5},{'pq'[row % 2]}" for row in range(40)]
    path = written(tmp_path / "t.csv", "350.5,351,class", *rows)
    message = refusal(load_csv, path, "-1")
    assert "line 1: a header or a row? Its class 'class' stands in no other line" in message
    assert len(values(load_csv(path, "class"))) == 40
    letters = written(tmp_path / "letters.csv", "T,2,8", *["T,1,3", "A,2,4"] * 10)
    message = refusal(load_csv, letters, "T")  # which is no name
    assert "Received: 'T', which is a class in other lines, too. Give the place, 0." in message
    assert len(values(load_csv(letters, "0"))) == 21
    named_like_a_class = written(tmp_path / "mushrooms.csv", "cap,e", *["1,e", "2,p"] * 10)
    assert load_csv(named_like_a_class, "e").class_names == ("e", "p")


@pytest.mark.parametrize("name", ["", "Unnamed: 0", "row.names", "rownames"])
def test_a_column_that_numbers_the_rows_is_left_out(tmp_path, name, capsys):
    """Of a file that is sorted by class it would tell the class."""
    rows = [f"{100 - row},{row * row % 7},{'xyz'[row // 20]}" for row in range(60)]
    train = written(tmp_path / "t.csv", f"{name},a,y", *rows)
    test = written(tmp_path / "test.csv", f"{name},a,y", "7,3,x", "7,1,z")
    data = load_csv(train, "y", test)
    assert (data.x_train.shape, data.x_test.shape) == ((60, 1, 1, 1), (2, 1, 1, 1))
    assert f"left out, as it numbers the rows: column {name!r}." in capsys.readouterr().err
    load_csv(written(tmp_path / "t.csv", "id,a,y", *[f"{row},{row % 7},{'xy'[row % 2]}" for row in range(60)]), "y")
    assert "counts the rows and is a feature all the same: column id." in capsys.readouterr().err


def test_a_nameless_column_with_values_stays(tmp_path):
    rows = [f"{row % 9}.5,{row % 7},{'xyz'[row // 20]}" for row in range(60)]
    assert values(load_csv(written(tmp_path / "t.csv", ",a,y", *rows), "y")).shape == (60, 2)
    alone = written(tmp_path / "t.csv", ",y", *[f"{row},{'xyz'[row // 20]}" for row in range(60)])
    assert "Received: row numbers only" in refusal(load_csv, alone, "y")


@pytest.mark.parametrize("drop", ["width,legs", " legs , width", "0,3", "-4,legs", "width,width,3"])
def test_columns_that_are_left_out(tmp_path, drop):
    path = made(tmp_path / "t.csv")
    data, whole = load_csv(path, "kind", drop=drop), load_csv(path, "kind")
    np.testing.assert_array_equal(values(data), values(whole)[:, [1]])
    np.testing.assert_array_equal(data.y_train, whole.y_train)
    both = load_csv(path, "1", made(tmp_path / "bare.csv", header=False), "0,3")  # a header in one of them is enough
    np.testing.assert_array_equal(both.x_train, both.x_test)


def test_what_is_left_out_may_be_anything(tmp_path):
    rows = [f"Anna {row},{row % 7},,{'xy'[row % 2]}" for row in range(60)]
    path = written(tmp_path / "t.csv", "name,a,note,y", *rows)
    message = refusal(load_csv, path, "y")
    assert "Received: 'Anna 0'. Encode text as numbers, or leave the column out: --drop name." in message
    assert values(load_csv(path, "y", path, "name,note")).shape == (120, 1)


BAD_DROP = {
    "mistyped": ("a,b,y", "bb", "unknown column 'bb'. Did you mean 'b'? Valid: a, b, y."),
    "no such place": ("a,b,y", "3", "unknown column '3'."),
    "no such place from the end": ("a,b,y", "-4", "unknown column '-4'."),
    "nothing": ("a,b,y", "", "unknown column ''."),
    "a comma too many": (",b,y", "b,", "unknown column ''. Valid: b, y."),
    "twice": ("a,a,y", "a", "'a', as 2 are called. Give the place, one of 0, 1."),
    "the classes": ("a,b,y", "b,y", "--drop must leave column y"),
    "the classes by place": ("a,b,y", "2", "--drop must leave column y"),
    "all": ("a,b,y", "a,1", "must keep a feature beside the class. Received: --drop a,1, all of them"),
}


@pytest.mark.parametrize("case", BAD_DROP)
def test_what_cannot_be_left_out_is_refused(tmp_path, case):
    header, drop, part = BAD_DROP[case]
    path = written(tmp_path / "t.csv", header, *[f"{row % 9}.5,{row % 7},{'xyz'[row % 3]}" for row in range(60)])
    message = refusal(load_csv, path, "2" if case == "twice" else "y", drop=drop)
    assert part in message
    assert str(path) in message


@pytest.mark.parametrize("header", ["id,a,kind", "0,1,2", ",0,1", "350,351,kind", '"i,d",a,kind', "a,a,kind", None])
def test_the_advice_about_a_column_that_counts_the_rows_works(tmp_path, header, capsys):
    """Silently, the id of a file that is sorted by class tells the class."""
    rows = [f"{row},{row * row % 7},{'xyz'[row // 20]}" for row in range(60)]
    path = written(tmp_path / "t.csv", *([header] if header else []), *rows)
    label = "kind" if header and "kind" in header else "-1"
    data = load_csv(path, label)
    if header and header.startswith(","):
        assert "left out, as it numbers the rows: column ''" in capsys.readouterr().err
        drop = "-3"  # there, 0 is the name of another one
    else:
        assert values(data).shape == (60, 2)
        drop = capsys.readouterr().err.split("If it is none, leave it out: --drop ")[1].removesuffix(".\n")
    fewer = load_csv(path, label, drop=drop)
    assert "counts the rows" not in capsys.readouterr().err
    np.testing.assert_array_equal(values(fewer), values(data)[:, -1:])


@pytest.mark.parametrize("name", ["None", "NA", "nan", "null", "?"])
def test_classes_with_names_of_missing_values(tmp_path, name, capsys):
    rows = [f"{row % 7},{(name, 'mild')[row % 2]}" for row in range(40)]
    assert set(load_csv(written(tmp_path / "t.csv", "a,y", *rows), "y").class_names) == {name, "mild"}
    assert f"{name!r} is a class of its own" in capsys.readouterr().err


def test_spellings_of_one_number_are_one_class(tmp_path):
    rows = [f"{row % 7},{('1.0', '1', '2', '1e0')[row % 4]}" for row in range(40)]
    path = written(tmp_path / "t.csv", "a,y", *rows)
    test = written(tmp_path / "test.csv", "a,y", "3,2.00", "4,1.000")
    data = load_csv(path, "y", test)
    assert (data.class_names, np.bincount(data.y_train).tolist()) == (("1.0", "2"), [30, 10])
    assert data.y_test.tolist() == [1, 0]
    text = load_csv(written(tmp_path / "u.csv", "a,y", *[*rows, "3,x"]), "y")  # text: other spellings, other classes
    assert text.n_classes == 5
    large = [f"{row % 7},{2**53 + row % 2}" for row in range(40)]  # equal as float64
    assert load_csv(written(tmp_path / "v.csv", "a,y", *large), "y").n_classes == 2


@pytest.mark.parametrize("scale", ["e-300", "e-320", "", "e300", "e307"])
def test_columns_of_any_size_are_standardised(tmp_path, scale):
    rows = [f"{row % 5 + 1}{scale},{row % 3},{row % 2}" for row in range(60)]
    found = values(load_csv(written(tmp_path / "t.csv", "a,b,y", *rows), "y"))
    plain = [f"{row % 5 + 1},{row % 3},{row % 2}" for row in range(60)]
    np.testing.assert_allclose(found, values(load_csv(written(tmp_path / "u.csv", "a,b,y", *plain), "y")), rtol=2e-3)


def test_standardising_is_that_of_the_plain_formula_to_the_bit(tmp_path):
    path = made(tmp_path / "t.csv", 200)
    train = load_csv(path, "kind", path).x_train[:, 0, 0, :2]
    with path.open() as file:
        rows = [[float(row["width"]), float(row["height"])] for row in csv.DictReader(file)]
    plain = (np.array(rows) - np.mean(rows, axis=0)) / np.std(rows, axis=0)
    np.testing.assert_array_equal(train, plain.astype(np.float32))


def test_values_beside_which_the_training_rows_vanish_are_refused(tmp_path):
    train = written(tmp_path / "t.csv", "a,b,y", "1,1,p", "2,3,q")
    test = written(tmp_path / "test.csv", "a,b,y", "1,2,p", "1,1e300,q")
    assert f"{test}, line 3, column b: too large beside the training rows. Received: 1e+300" in refusal(
        load_csv, train, "y", test
    )


def test_columns_that_never_change_are_said(tmp_path, capsys):
    load_csv(made(tmp_path / "t.csv"), "kind")
    assert "t.csv: the same in all training rows: column legs." in capsys.readouterr().err
    same = written(tmp_path / "same.csv", "a,y", *["1,p", "1,q"] * 10)
    assert "must hold features that change" in refusal(load_csv, same, "y")


TABLES = {"cardiotocography": (2126, 21, 3), "dry_bean": (13611, 16, 7), "spambase": (4601, 57, 2)}


@pytest.mark.skipif(not (SHARED_DATA / "tabular").is_dir(), reason="the real tables are not on this machine")
def test_real_tables(capsys):
    for name, (n, d, n_classes) in TABLES.items():
        data = load_csv(SHARED_DATA / "tabular" / f"{name}.csv", "-1")
        assert (*values(data).shape, data.n_classes) == (n, d, n_classes)
        assert np.isfinite(values(data)).all()
        assert capsys.readouterr().err == ""
    train, test = (SHARED_DATA / "tabular" / f"vowel.{part}.csv" for part in ("train", "test"))
    data = load_csv(train, "y", test)
    assert (data.x_train.shape, data.x_test.shape, data.n_classes) == ((528, 1, 1, 10), (462, 1, 1, 10), 11)
    assert "left out, as it numbers the rows: column 'row.names'" in capsys.readouterr().err
