"""to_label.csv and what comes back from people."""

import contextlib
import csv
import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tfal.errors import InputError, StorageError
from tfal.labeling.answers import NONE, UNSURE, Answer, Asked, Paths, check_classes, read_csv, write_csv

CLASSES = ["cat", "dog", "Golden retriever"]
PATHS = [
    "a/1.jpg",
    "a/2.jpg",
    "b/2.jpg",
    'name, with "quotes" and\na line.png',
    "=1+1.png",
    "-x.png",
    "Žluťoučký kůň.png",
    "a\rb.gif",
]


@pytest.fixture
def file(tmp_path):
    return tmp_path / "to_label.csv"


def read(file, text, classes=CLASSES, paths=PATHS, encoding="utf-8"):
    file.write_bytes(text.encode(encoding))
    return read_csv(file, classes, paths)


def filled(file, labels):
    """The csv as a spreadsheet saves it after somebody filled in labels, by path."""
    with file.open(newline="", encoding="utf-8-sig") as opened:
        header, *rows = csv.reader(opened)
    with file.open("w", newline="", encoding="utf-8-sig") as opened:
        csv.writer(opened).writerows([header, *([*row[:3], labels.get(row[0], "")] for row in rows)])


def test_the_table_that_is_written(file):
    write_csv(file, [Asked("a/1.jpg"), Asked('say "hi", é.png', "cat", 0.8765), Asked("=1+1.png", "dog", 1.0)])
    assert file.read_bytes().decode("utf-8-sig") == (
        'path,suggested,probability,label\r\na/1.jpg,,,\r\n"say ""hi"", é.png",cat,0.876,\r\n./=1+1.png,dog,1.000,\r\n'
    )
    assert file.read_bytes().startswith(b"\xef\xbb\xbf")


def test_every_name_comes_back_from_a_spreadsheet_and_no_cell_begins_as_a_formula(file):
    write_csv(file, [Asked(path) for path in PATHS])
    assert read_csv(file, CLASSES, PATHS) == []
    with file.open(newline="", encoding="utf-8-sig") as opened:
        shown = [row[0] for row in csv.reader(opened)]
    assert not any(cell.startswith(("=", "+", "-", "@")) for cell in shown)
    filled(file, dict.fromkeys(shown, "cat"))
    assert read_csv(file, CLASSES, PATHS) == [Answer(path, "cat") for path in PATHS]


NAMES = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0/"), min_size=1, max_size=8).filter(
    lambda name: name not in (".", "..") and name.strip()
)


@settings(deadline=None, max_examples=60)
@given(st.lists(NAMES, min_size=1, max_size=6, unique_by=lambda name: unicodedata.normalize("NFC", name)))
def test_any_names_of_files_come_back(tmp_path_factory, names):
    file = tmp_path_factory.mktemp("names") / "to_label.csv"
    write_csv(file, [Asked(name) for name in names])
    text = file.read_bytes().decode("utf-8-sig")
    file.write_bytes(text.replace(",,,\r\n", ",,,cat\r\n").encode())
    assert read_csv(file, CLASSES, names) == [Answer(name, "cat") for name in names]


def test_a_half_filled_table_counts_what_is_there(file):
    answers = read(file, "path,suggested,probability,label\na/1.jpg,cat,0.9,\na/2.jpg,cat,0.9, dog \nb/2.jpg,,,none\n")
    assert answers == [Answer("a/2.jpg", "dog"), Answer("b/2.jpg", NONE)]


def test_only_path_and_label_are_needed_in_any_order_and_others_are_said(file, capsys):
    assert read(file, "Label,PATH\nunsure,a/1.jpg\n") == [Answer("a/1.jpg", UNSURE)]
    assert capsys.readouterr().err == ""
    assert read(file, ",path,comment,label\n0,a/1.jpg,nice,cat\n") == [Answer("a/1.jpg", "cat")]
    assert capsys.readouterr().err == f"{file}: passed over: the columns 'comment'.\n"


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_what_spreadsheets_save(file, separator, encoding, end):
    rows = [["path", "probability", "label"], ["Köln.jpg", "0,5", "Bär"], ["a, b; c.jpg", "", "none"], ["", "", ""]]
    lines = [separator.join(f'"{cell}"' if "," in cell else cell for cell in row) for row in rows]
    answers = read(file, end.join(lines) + end, ["Bär", "cat"], ["Köln.jpg", "a, b; c.jpg"], encoding)
    assert answers == [Answer("Köln.jpg", "Bär"), Answer("a, b; c.jpg", NONE)]


def test_labels_may_be_spelled_in_other_ways_where_that_is_one_class(file):
    for text, label in (("CAT", "cat"), (" golden  Retriever ", "Golden retriever"), ("Unsure", UNSURE)):
        assert read(file, f"path,label\na/1.jpg,{text}\n") == [Answer("a/1.jpg", label)]
    classes = ["3", "04", unicodedata.normalize("NFD", "café")]
    for text, label in (("3.0", "3"), ("4", "04"), ("Café", classes[2])):
        assert read(file, f"path,label\na/1.jpg,{text}\n", classes) == [Answer("a/1.jpg", label)]


def test_paths_may_be_spelled_in_other_ways_where_that_is_one_picture():
    composed, apart = (unicodedata.normalize(form, "é/ö.jpg") for form in ("NFC", "NFD"))
    assert composed != apart
    assert Paths([composed]).find(apart) == composed
    assert Paths([apart]).find(f"./{composed}") == apart
    assert Paths([apart, composed]).find(apart) == apart
    assert Paths(["a/b.jpg"]).find("a\\b.jpg") == "a/b.jpg"
    assert Paths(["a\\b.jpg"]).find("a\\b.jpg") == "a\\b.jpg"
    assert Paths([" a.jpg"]).find(" a.jpg") == " a.jpg"
    assert Paths(["a.jpg"]).find(" a.jpg ") == "a.jpg"
    half = unicodedata.normalize("NFC", "é") + unicodedata.normalize("NFD", "ö")
    both = [unicodedata.normalize(form, "éö") for form in ("NFC", "NFD")]
    with pytest.raises(InputError, match=r"may be 'e.* or '.*Rename one"):
        Paths(both).find(half)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("path,label\na/1.jpg,cat\na/3.jpg,cat\n", "line 3: no picture has the path 'a/3.jpg'. Mend"),
        ("path,label\nc/1.jpg,cat\n", "line 2: no picture has the path 'c/1.jpg'. Did you mean 'a/1.jpg'?"),
        ("path,label\na/1.jpg,cta\n", "line 2: unknown class 'cta'. Did you mean 'cat'? Valid: Golden"),
        ("path,label\n,cat\n", "line 2: no picture has the path ''"),
        ('path,label\n"name, with ""quotes"" and\na line.png",cat\na/1.jpg,x\n', "line 4: unknown class 'x'"),
        ("path,label\na/1.jpg,cat\n./a/1.jpg,dog\n", "line 3: 'a/1.jpg' is 'dog', and 'cat' in line 2. Remove one"),
        ("path,suggested,probability,label\na/1.jpg,cat\n", "line 2: must have 4 cells as the first line. Received: 2"),
        ("path,label\na/1.jpg,cat,dog\n", "line 2: must have 2 cells as the first line. Received: 3"),
        ("a/1.jpg,cat\n", "the first line must name the columns path and label, with commas, semicolons or tabs"),
        ("path,class\na/1.jpg,cat\n", "the first line must name the columns path and label"),
        ("path|label\na/1.jpg|cat\n", "the first line must name the columns path and label"),
        ("", "the first line must name"),
        ("path,label,Label\na/1.jpg,cat,dog\n", "must name the column label once"),
        ('path,label\na/1.jpg,cat\n"a/2.jpg,dog\n', "line 3: quotes that are not closed"),
        ('path,label\n"a/1.jpg"x,cat\n', "line 2: quotes that are not closed, or not doubled"),
    ],
)
def test_each_refusal_is_one_line_with_file_and_line(file, text, message):
    with pytest.raises(InputError) as caught:
        read(file, text)
    assert message in str(caught.value)
    assert str(caught.value).startswith(str(file))
    assert "\n" not in str(caught.value)


def test_the_same_label_twice_is_one_and_a_gap_contradicts_nothing(file):
    lines = "a/1.jpg,cat\na/1.jpg,CAT\na/1.jpg,\na/2.jpg,\na/2.jpg,dog\n"
    assert read(file, f"path,label\n{lines}") == [Answer("a/1.jpg", "cat"), Answer("a/2.jpg", "dog")]


def test_what_is_no_text_is_refused_and_a_guessed_encoding_is_said(file, tmp_path):
    for data in (b"PK\x03\x04\x00\x81\x00", b"\xff\xfe\x00", "path,label\n".encode("utf-16-le")):
        file.write_bytes(data)
        with pytest.raises(InputError, match=r"is no text in .*Save it as 'CSV UTF-8'"):
            read_csv(file, CLASSES, PATHS)
    with pytest.raises(InputError, match=r"line 2: no picture .* Save it as 'CSV UTF-8'"):
        read(file, "path,label\nKöln.jpg,cat\n", encoding="mac_roman")
    with pytest.raises(StorageError, match=r"gone\.csv"):
        read_csv(tmp_path / "gone.csv", CLASSES, PATHS)


def test_a_name_that_is_no_text_is_refused_before_anything_is_written(file):
    with pytest.raises(InputError, match="Rename the file"):
        write_csv(file, [Asked("a.jpg"), Asked("b\udcff.jpg")])
    assert not file.exists()


@pytest.mark.parametrize(
    ("classes", "message"),
    [
        ([], "at least one class"),
        (["cat", ""], "Received: ''"),
        (["cat", " dog"], "without spaces around"),
        (["a\nb"], "on one line"),
        (["cat", "None"], "is the answer for none of the classes"),
        (["UNSURE"], "cannot say"),
        (["=cmd"], "formula"),
        (["@cat"], "formula"),
        (["cat", "Cat"], "'cat' and 'Cat' are one and the same name"),
        (["cat", "cat"], "one and the same name"),
        (["1", "01"], "one and the same name"),
    ],
)
def test_classes_that_nobody_could_tell_apart_are_refused(classes, message):
    with pytest.raises(InputError, match=message):
        check_classes(classes)


def test_classes_of_all_languages_and_numbers_go():
    check_classes(["-1", "+1", "0", "犬", "\u06af\u0631\u0628\u0647\u200c\u0647\u0627", "x=y", "Golden retriever"])


PIECES = st.sampled_from(
    [*map(str.encode, ["path", "label", ",", ";", "\t", "\n", '"', "a/1.jpg", "cat", "none", " "])]
)
ODD = st.sampled_from([b"\xff\xfe", b"\xef\xbb\xbf", b"\0", b"\x81", b"\r", b"./", b"\xe9"])


@settings(deadline=None, max_examples=150)
@given(st.lists(PIECES | ODD, max_size=25), st.booleans())
def test_any_file_is_read_as_known_paths_and_answers_or_refused(tmp_path_factory, pieces, has_header):
    file = tmp_path_factory.getbasetemp() / "any.csv"
    file.write_bytes(b"path,label\n" * has_header + b"".join(pieces))
    answers = []
    with contextlib.suppress(InputError):
        answers = read_csv(file, CLASSES, PATHS)
    assert all(path in PATHS and label in (*CLASSES, NONE, UNSURE) for path, label in answers)
