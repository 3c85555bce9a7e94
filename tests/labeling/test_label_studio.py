"""Tasks for Label Studio, and what its exports say."""

import contextlib
import json
import xml.etree.ElementTree as ET

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from tfal.errors import InputError
from tfal.labeling.answers import NONE, UNSURE, Answer, Asked
from tfal.labeling.label_studio import INTERFACE, TASKS, read_label_studio, write_tasks

CLASSES = ["cat", 'a "dog" & <co>', "bird"]
PATHS = ["a/1.png", "a/2.png", '"é", <b>.png', "=1.png"]


@pytest.fixture
def root(tmp_path):
    for path in PATHS:
        (tmp_path / "pictures" / path).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.zeros((9, 9), np.uint8)).save(tmp_path / "pictures" / path)
    return tmp_path / "pictures"


def annotation(label, by=1, at="2026-01-01T00:00:00Z", **more):
    choices = [label] if isinstance(label, str) else label
    result = [{"from_name": "label", "to_name": "image", "type": "choices", "value": {"choices": choices}}]
    return {"id": 9, "completed_by": by, "updated_at": at, "was_cancelled": False, "result": result, **more}


def task(path, *annotations, **more):
    return {"id": 1, "data": {"path": path, "image": "data:,"}, "annotations": list(annotations), **more}


def read(tmp_path, tasks, *, text=None, **options):
    file = tmp_path / "export.json"
    file.write_text(json.dumps(tasks) if text is None else text)
    return read_label_studio(file, CLASSES, PATHS, **options)


def test_tasks_hold_pictures_names_and_suggestions(tmp_path, root, capsys):
    (root / PATHS[1]).write_bytes(b"nothing")
    asked = [Asked(PATHS[2], CLASSES[1], 0.87654), Asked(PATHS[1], "cat"), Asked(PATHS[0])]
    write_tasks(tmp_path, asked, CLASSES, root)
    first, lost, last = json.loads((tmp_path / TASKS).read_text())
    assert first["data"]["path"] == PATHS[2]
    assert all(each["data"]["image"].startswith("data:image/png;base64,") for each in (first, lost, last))
    choice = {"from_name": "label", "to_name": "image", "type": "choices", "value": {"choices": [CLASSES[1]]}}
    assert first["predictions"] == [{"model_version": "tfal", "result": [choice], "score": 0.877}]
    assert "score" not in lost["predictions"][0]
    assert "predictions" not in last
    assert "1 of 3 pictures cannot be shown, the first is a/2.png (it is none of" in capsys.readouterr().err


def test_the_interface_offers_all_answers_by_the_words_that_come_back(tmp_path, root):
    write_tasks(tmp_path, [Asked(PATHS[0])], CLASSES, root)
    view = ET.parse(tmp_path / INTERFACE).getroot()
    assert [choice.get("alias") for choice in view.iter("Choice")] == [*CLASSES, NONE, UNSURE]
    assert [choice.get("value") for choice in view.iter("Choice")][3:] == ["none of these", "cannot say"]
    assert view.find("Image").attrib["value"] == "$image"
    assert view.find("Choices").attrib["toName"] == "image"


def test_annotations_are_answers_and_predictions_and_drafts_are_not(tmp_path, capsys):
    suggested = [{"result": annotation("cat")["result"], "score": 0.9}]
    tasks = [
        task(PATHS[0], annotation(CLASSES[1]), predictions=suggested),
        task(PATHS[1], predictions=suggested, drafts=[annotation("cat")]),
        task(PATHS[2], annotation(NONE)),
        task(PATHS[3], annotation("cat", was_cancelled=True)),
    ]
    assert read(tmp_path, tasks) == [Answer(PATHS[0], CLASSES[1]), Answer(PATHS[2], NONE)]
    assert capsys.readouterr().err == f"{tmp_path / 'export.json'}: 1 not annotated; 1 skipped.\n"


def test_the_minimal_export(tmp_path, capsys):
    tasks = [
        {"path": PATHS[0], "image": "data:,", "id": 1, "label": "cat", "annotator": 1, "updated_at": "2026-01-01"},
        {"path": PATHS[0], "image": "data:,", "id": 1, "label": "bird", "annotator": 1, "updated_at": "2026-01-02"},
        {"path": PATHS[1], "image": "data:,", "id": 2, "label": {"choices": [UNSURE]}, "annotator": 1},
        {"path": PATHS[2], "image": "data:,", "id": 3},
    ]
    assert read(tmp_path, tasks) == [Answer(PATHS[0], "bird"), Answer(PATHS[1], UNSURE)]
    assert "1 not annotated" in capsys.readouterr().err


def test_the_last_word_of_each_annotator_counts(tmp_path, capsys):
    tasks = [task(PATHS[0], annotation("bird", at="2026-01-02"), annotation("cat", at="2026-01-01"))]
    assert read(tmp_path, tasks, disagreement="refuse") == [Answer(PATHS[0], "bird")]
    tasks = [task(PATHS[0], annotation("bird", by={"id": 1}), annotation("cat", by={"id": 1}, at="2027"))]
    assert read(tmp_path, tasks, disagreement="refuse") == [Answer(PATHS[0], "cat")]
    assert capsys.readouterr().err == ""


def test_annotators_who_disagree(tmp_path, capsys):
    tasks = [
        task(PATHS[0], annotation("cat", 1), annotation("bird", 2), annotation("bird", 3)),
        task(PATHS[1], annotation("cat", 1), annotation(NONE, 2)),
        task(PATHS[2], annotation("cat", 1), annotation(UNSURE, 2), annotation(UNSURE, 3)),
        task(PATHS[3], annotation(UNSURE, 1), annotation(UNSURE, 2)),
    ]
    expected = [Answer(PATHS[0], "bird"), Answer(PATHS[2], "cat"), Answer(PATHS[3], UNSURE)]
    assert read(tmp_path, tasks) == expected
    said = capsys.readouterr().err
    assert "annotators disagree on 2, the first is a/1.png (bird, cat); 1 left out without a majority." in said
    with pytest.raises(InputError, match=r"disagree on 2 of 4 pictures, the first is a/1.png \(bird, cat\)\. Settle"):
        read(tmp_path, tasks, disagreement="refuse")


@pytest.mark.parametrize(
    ("tasks", "message"),
    [
        ([{"data": {"image": "x"}, "annotations": []}], "task 1: has no 'path' in its data"),
        ([task(PATHS[0]), task("c/9.png", annotation("cat"))], "task 2: no picture has the path 'c/9.png'"),
        ([task("c/9.png")], "task 1: no picture has the path"),
        ([task(PATHS[0], annotation("cow"))], "task 1: unknown class 'cow'"),
        ([task(PATHS[0], annotation(["cat", "bird"]))], "task 1: the answer must be one class"),
        ([{"path": PATHS[0], "label": {"choices": ["cat", "bird"]}}], "task 1: the answer must be one class"),
        ([{"data": {"path": PATHS[0]}}], "must be an export .* task 1, KeyError: 'annotations'"),
        ([task(PATHS[0], "cat")], "must be an export .* task 1, AttributeError"),
        ([task(PATHS[0], {"result": [{"type": "choices", "from_name": "label"}]})], "task 1, KeyError: 'value'"),
        (["x"], "Received: task 1 is str"),
        ({"x": 1}, "a list of tasks. Received: dict"),
    ],
)
def test_what_is_no_such_export_is_refused_with_file_and_task(tmp_path, tasks, message):
    with pytest.raises(InputError, match=message) as caught:
        read(tmp_path, tasks)
    assert str(caught.value).startswith(str(tmp_path / "export.json"))


def test_what_is_no_json_and_what_is_no_option_is_refused(tmp_path):
    for text in ("path,label\n", "", "[" * 100_000):
        with pytest.raises(InputError, match="must be an export of Label Studio"):
            read(tmp_path, None, text=text)
    with pytest.raises(InputError, match=r"majority, refuse\. Received: 'first'"):
        read(tmp_path, [], disagreement="first")


def test_tasks_that_cannot_be_written_leave_nothing(tmp_path, root):
    for asked, classes in (([], CLASSES), ([Asked("b\udcff.png")], CLASSES), ([Asked(PATHS[0])], ["unsure"])):
        with pytest.raises(InputError):
            write_tasks(tmp_path, asked, classes, root)
    assert [path.name for path in tmp_path.iterdir()] == ["pictures"]


ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.sampled_from(["cat", "label", "choices", PATHS[0]]),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(st.sampled_from(["path", "result", "value", "choices", "label", "id"]), inner, max_size=3)
    ),
    max_leaves=8,
)
RESULT = st.fixed_dictionaries(
    {"type": st.just("choices"), "from_name": st.just("label"), "value": st.just({"choices": ["cat"]}) | ANY}
)
ANNOTATION = st.fixed_dictionaries(
    {"result": st.lists(RESULT, max_size=2) | ANY, "completed_by": ANY, "updated_at": ANY}
)
TASK = st.fixed_dictionaries(
    {"data": st.just({"path": PATHS[0]}) | ANY, "annotations": st.lists(ANNOTATION, max_size=2) | ANY}
)
MINIMAL = st.fixed_dictionaries({"path": st.just(PATHS[0]), "label": ANY, "annotator": ANY, "updated_at": ANY})


@settings(deadline=None, max_examples=150)
@given(st.lists(TASK | MINIMAL | ANY, max_size=2) | ANY)
def test_any_json_is_read_as_answers_or_refused(tmp_path_factory, content):
    file = tmp_path_factory.getbasetemp() / "any.json"
    file.write_text(json.dumps(content))
    answers = []
    with contextlib.suppress(InputError):
        answers = read_label_studio(file, CLASSES, PATHS)
    assert set(answers) <= {Answer(PATHS[0], "cat")}
