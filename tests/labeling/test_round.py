"""Rounds of a folder from the command line: three classes of colours, answered by who knows them."""

import csv
import json
import os
import shutil

import keras
import numpy as np
import pytest

from tests.labeling.browser import started
from tests.labeling.pictures import SIDE, draw, encoder
from tfal.campaign import Campaign
from tfal.labeling import cli
from tfal.labeling.answer_files import BATCH
from tfal.labeling.answers import NONE
from tfal.networks import builders


class Folder:
    """A folder of drawn pictures, red, green and blue, of which blue is none of the classes; and its results."""

    def __init__(self, path, file, n=40):
        self.images, self.encoder = path / "in", file
        self.results = path / "results" / "labeling" / "in"
        self.truth = draw(self.images, n)

    def run(self, *flags, classes="red,green"):
        given = ["--images", self.images, "--classes", classes, "--encoder", self.encoder, "--resultsDir"]
        return cli.main(builders(), [*map(str, given), str(self.results.parent.parent), *map(str, flags)], "folder")

    def asked(self, name=BATCH):
        with (self.results / name).open(newline="", encoding="utf-8-sig") as file:
            return list(csv.DictReader(file))

    def label(self, path):
        return NONE if self.truth[path] == "blue" else self.truth[path]

    def answer(self, n=None, name=BATCH, label=None, skip=0):
        """Fills in the first n labels of the open batch."""
        rows = self.asked()
        for row in rows[skip:n]:
            row["label"] = (label or self.label)(row["path"])
        self.write(name, rows)

    def write(self, name, rows):
        with (self.results / name).open("w", newline="", encoding="utf-8") as file:
            out = csv.DictWriter(file, ["path", "label"], extrasaction="ignore")
            out.writeheader()
            out.writerows(rows)

    def rounds(self):
        with (self.results / "rounds.csv").open() as file:
            return list(csv.DictReader(file))

    def answers(self):
        with (self.results / "answers.csv").open() as file:
            return {row["path"]: row["label"] for row in csv.DictReader(file)}


@pytest.fixture(scope="module")
def encoder_file(tmp_path_factory):
    return encoder(tmp_path_factory.mktemp("encoder") / "encoder.keras")


@pytest.fixture
def folder(tmp_path, encoder_file):
    return Folder(tmp_path, encoder_file)


@pytest.fixture(scope="module")
def first_round(tmp_path_factory, encoder_file):
    made = Folder(tmp_path_factory.mktemp("begun"), encoder_file)
    assert made.run() == 0
    return made


@pytest.fixture
def begun(first_round, tmp_path):
    """A folder after its first round."""
    made = object.__new__(Folder)
    shutil.copytree(first_round.images, tmp_path / "in", copy_function=shutil.copy2)
    shutil.copytree(first_round.results, tmp_path / "results" / "labeling" / "in", copy_function=shutil.copy2)
    made.images, made.results = tmp_path / "in", tmp_path / "results" / "labeling" / "in"
    made.encoder, made.truth = first_round.encoder, dict(first_round.truth)
    return made


def test_from_no_label_to_a_classifier(folder, tmp_path, capsys):
    assert folder.run() == 0
    first = folder.asked()
    assert len(first) == 10
    assert {(row["suggested"], row["label"]) for row in first} == {("", "")}
    assert "chosen by typiclust, as --strategy " in capsys.readouterr().out
    folder.answer()
    assert folder.run("--predict", tmp_path / "all.csv") == 0
    out = capsys.readouterr().out
    assert "Answers: 10 of to_label.csv.\n" in out
    assert "Accuracy, cross-validated in " in out
    assert "10 labels are few" in out
    second = folder.asked()
    assert not {row["path"] for row in first} & {row["path"] for row in second}
    assert {row["suggested"] for row in second} <= {"red", "green", NONE}
    with (tmp_path / "all.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["path"] for row in rows] == sorted(folder.truth)
    right = [row["class"] == folder.label(row["path"]) for row in rows]
    assert np.mean(right) > 0.8
    sums = [sum(float(row[f"p_{name}"]) for name in ("red", "green", NONE)) for row in rows]
    assert np.allclose(sums, 1, atol=0.001)
    first_row, second_row = folder.rounds()
    assert (first_row["labels"], first_row["strategy"], first_row["accuracy"]) == ("0", "typiclust", "")
    assert (second_row["labels"], second_row["model"]) == ("10", "linear")
    assert float(second_row["low"]) < float(second_row["accuracy"]) <= float(second_row["high"])


def test_files_that_look_like_answers_and_are_not_read_are_said(begun, capsys):
    begun.answer(name="mine.csv")
    (begun.results / "export.json").write_text("[]")
    (begun.results / "notes.csv").write_text("path,labels\nx,1\n")
    assert begun.run() == 0
    out, err = capsys.readouterr()
    assert "Not read: export.json, mine.csv. Answers in " in err
    assert "Labels: 0" in out
    assert begun.run("--labels", begun.results / "mine.csv") == 0
    out, err = capsys.readouterr()
    assert "Answers: 10 of mine.csv." in out
    assert "Not read: export.json. " in err


def test_predictions_that_cannot_be_written_are_refused_at_once(begun, tmp_path, capsys):
    before = sorted(begun.results.rglob("*"))
    begun.answer()
    assert begun.run("--predict", tmp_path) == 2
    assert "--predict must be a csv file to write. Received: the folder " in capsys.readouterr().err
    assert sorted(begun.results.rglob("*")) == before


def test_the_saved_model_says_what_the_predictions_say(begun, tmp_path):
    begun.answer()
    assert begun.run("--predict", tmp_path / "all.csv") == 0
    about = json.loads((begun.results / "model.json").read_text())
    assert about["outputs"] == ["red", "green", NONE]
    model = keras.saving.load_model(begun.results / "model.keras", safe_mode=True)
    with (tmp_path / "all.csv").open() as file:
        rows = list(csv.DictReader(file))[:6]
    from tfal.data.listing import Listing
    from tfal.data.pictures import squares

    paths = np.array([row["path"].encode() for row in rows])
    listing = Listing(str(begun.images), paths, np.zeros(6, np.int64), about["size"])
    ((_, images),) = squares(listing, np.arange(6), 6)
    assert about["size"] == SIDE
    found = model(images).numpy()
    assert np.allclose(found, [[float(row[f"p_{name}"]) for name in about["outputs"]] for row in rows], atol=2e-4)


def test_without_answers_the_same_batch_is_given_again(begun, capsys):
    before = (begun.results / BATCH).read_bytes(), (begun.results / "to_label.html").stat().st_mtime_ns
    assert begun.run("--strategy", "margin", "--nQuery", 3) == 0
    assert "No answer to the open batch yet: the same 10 pictures again." in capsys.readouterr().out
    assert before == ((begun.results / BATCH).read_bytes(), (begun.results / "to_label.html").stat().st_mtime_ns)
    paths = [row["path"] for row in begun.asked()]
    (begun.results / BATCH).unlink()
    assert begun.run() == 0
    assert [row["path"] for row in begun.asked()] == paths
    assert begun.run("--openBatch", "new", "--nQuery", 4, "--initial", "random") == 0
    assert len(begun.asked()) == 4
    assert begun.answers() == {} if (begun.results / "answers.csv").exists() else True


def test_half_filled_counts_and_the_rest_goes_back(begun, capsys):
    paths = [row["path"] for row in begun.asked()]
    begun.answer(4)
    assert begun.run("--strategy", "margin") == 0
    out = capsys.readouterr().out
    assert "6 pictures of the last batch go back to the others, unanswered." in out
    assert "Next batch: 10 of 36 pictures, chosen by margin." in out
    assert begun.answers() == {path: begun.label(path) for path in paths[:4]}


def test_what_is_answered_while_a_round_runs_is_not_lost(begun, monkeypatch):
    from tfal.labeling import round as module

    begun.answer(5)
    judged = module.Round._judged
    monkeypatch.setattr(module.Round, "_judged", lambda self, *a: begun.answer() or judged(self, *a))
    asked = [row["path"] for row in begun.asked()]
    assert begun.run() == 0
    assert begun.answers() == {path: begun.label(path) for path in asked}
    assert not {*asked} & {row["path"] for row in begun.asked()}


def test_the_file_that_was_written_later_counts_and_a_correction_does(begun, capsys):
    path = begun.asked()[0]["path"]
    begun.answer()
    for name, label, time in (("labels-1.csv", "red", 3000), ("my labels (1).csv", "green", 2000)):
        begun.write(name, [{"path": path, "label": label}])
        os.utime(begun.results / name, (time, time))
    os.utime(begun.results / BATCH, (1000, 1000))
    assert begun.run() == 0
    err = capsys.readouterr().err
    assert f"{path}: 'green' in my labels (1).csv, 'red' in labels-1.csv, which was written later" in err
    begun.write("my labels (1).csv", [{"path": path, "label": "unsure"}])
    assert begun.run() == 0
    out, err = capsys.readouterr()
    assert f"{path}: 'red' in labels-1.csv, 'unsure' in my labels (1).csv, which was written later" in err
    assert "cannot say 1" in out
    assert begun.run() == 0
    assert "Answers" not in capsys.readouterr().out


def test_pictures_come_go_and_move_between_rounds(begun, capsys):
    begun.answer()
    rows = begun.asked()
    moved, gone = rows[0]["path"], rows[1]["path"]
    (begun.images / "elsewhere").mkdir()
    os.replace(begun.images / moved, begun.images / "elsewhere" / "new name.png")
    (begun.images / gone).unlink()
    begun.truth |= {"elsewhere/new name.png": begun.truth[moved]} | draw(begun.images, 6, seed=1)
    assert begun.run() == 0
    out = capsys.readouterr().out
    assert "in: 45 pictures (6 new, 1 moved or renamed, 1 gone)." in out
    assert "Labels: 9 (" in out
    assert "1 more are of pictures that are gone" in out
    assert "Next batch: 10 of 36 pictures" in out
    assert not {moved, gone, "elsewhere/new name.png"} & {row["path"] for row in begun.asked()}


def test_the_whole_folder_may_move_but_not_become_another_one(begun, tmp_path, capsys):
    os.replace(begun.images, tmp_path / "there")
    (tmp_path / "there").mkdir(exist_ok=True)
    (tmp_path / "other").mkdir()
    os.replace(tmp_path / "there", tmp_path / "other" / "in")
    begun.images = tmp_path / "other" / "in"
    begun.answer()
    assert begun.run() == 0
    capsys.readouterr()
    begun.images = tmp_path / "third" / "in"
    draw(begun.images, 12, seed=5)
    table = (begun.results / "photographs.csv").read_bytes()
    assert begun.run() == 2
    assert "is about other pictures than those in" in capsys.readouterr().err
    assert (begun.results / "photographs.csv").read_bytes() == table


def test_before_any_answer_the_classes_may_be_others(begun):
    paths = [row["path"] for row in begun.asked()]
    assert begun.run(classes="rouge,vert") == 0
    assert [row["path"] for row in begun.asked()] == paths
    assert '"rouge"' in (begun.results / "to_label.html").read_text()
    begun.answer(label=lambda path: "vert")
    assert begun.run(classes="rouge,vert") == 0


def test_classes_may_be_added_at_the_end(begun, capsys):
    begun.answer()
    begun.truth = {path: "blue" if colour == "blue" else colour for path, colour in begun.truth.items()}
    assert begun.run(classes="red,green,blue") == 0
    assert "Classes added: blue." in capsys.readouterr().out
    assert begun.run(classes="red,green") == 2
    err = capsys.readouterr().err
    assert "classes: red,green,blue there, red,green here; new ones go to the end" in err
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--seed", "1"], "seed: 0 there, 1 here"),
        (["--imageSize", "20"], "image_size: 0 there, 20 here"),
        (["--encoder", "simclr"], "encoder: 'encoder.keras "),
        (["--encoder", "nowhere.keras"], "--encoder: there is no file 'nowhere.keras'"),
        (["--labels", "nowhere.csv"], "--labels: there is no file 'nowhere.csv'"),
        (["--strategy", "bald"], "--strategy must choose by features of pictures and a classifier's head. Received"),
        (["--initial", "margin"], "--initial must choose by features of pictures alone. Received: margin. Valid: "),
        (["--strategy", "magrin"], "Did you mean 'margin'?"),
        (["--classes", "red,red"], "'red'"),
        (["--classes", "red,none"], "no class may be called 'none'"),
        (["--classes", ""], "--classes must be given."),
        (["--nQuery", "-1"], "--nQuery must be at least 0"),
        (["--model", "svm"], "--model must be one of linear, finetune, scratch"),
        (["--nQuary", "5"], "unknown argument '--nQuary'. Did you mean --nQuery? --help shows all of them."),
        (["--images", "nowhere"], "--images must be a folder of pictures. Received: 'nowhere'"),
        (["--nSample", "9"], "--nSample goes with strategy ldms"),
        (["--strategy", "ldms", "--nSample", "0"], "--nSample must be at least 1"),
        (["--sigma", "-1"], "sigma must be"),
        (["--temperature", "validation"], "such as --temperature, to off"),
        (["--initial", "kmeans", "--delta", "1"], "--delta goes with strategy probcover"),
    ],
)
def test_what_cannot_be_used_is_one_line_and_changes_nothing(first_round, flags, said, capsys):
    def state():
        return {path: path.stat().st_mtime_ns for path in first_round.results.rglob("*") if path.name != ".lock"}

    before = state()
    assert first_round.run(*flags) == 2
    err = capsys.readouterr().err
    assert said in err
    assert err.startswith("folder: error: ")
    assert err.count("\n") == 1
    assert state() == before


def test_a_wrong_answer_file_is_refused_and_nothing_of_any_is_kept(begun, capsys):
    begun.answer()
    begun.write("labels-9.csv", [{"path": "p0-001.png", "label": "purple"}])
    assert begun.run() == 2
    err = capsys.readouterr().err
    assert "labels-9.csv, line 2: unknown class 'purple'" in err
    assert not (begun.results / "answers.csv").exists()
    (begun.results / "labels-9.csv").unlink()
    assert begun.run() == 0
    assert "Answers: 10 of to_label.csv." in capsys.readouterr().out


def test_pictures_that_cannot_be_decoded_are_said_and_never_asked_for(folder, capsys):
    (folder.images / "broken.png").write_bytes(b"\x89PNG nonsense")
    (folder.images / "empty.jpg").write_bytes(b"")
    for _ in range(2):
        assert folder.run("--nQuery", 40) == 0
        err = capsys.readouterr().err
        assert "in: 2 of 42 files cannot be read, the first is " in err
        assert "They are left out." in err
    assert {row["path"] for row in folder.asked()} == {*folder.truth}


def test_a_wrong_encoder_can_be_put_right(folder, tmp_path, capsys):
    right, folder.encoder = folder.encoder, tmp_path / "wrong.keras"
    folder.encoder.write_text("no model")
    assert folder.run() == 2
    assert "wrong.keras is no file of Keras, or damaged" in capsys.readouterr().err
    folder.encoder = right
    assert folder.run() == 0


def test_when_all_is_answered_nothing_is_asked(folder, capsys):
    assert folder.run("--nQuery", 100) == 0
    assert len(folder.asked()) == 40
    folder.answer()
    assert folder.run() == 0
    assert "Every picture is answered: nothing is left to ask for." in capsys.readouterr().out


def test_a_single_class_and_only_rejections(folder, capsys, tmp_path):
    assert folder.run(classes="red") == 0
    folder.answer(label=lambda path: NONE)
    assert folder.run("--predict", tmp_path / "p.csv", classes="red") == 0
    out, err = capsys.readouterr()
    assert "Labels: 10 (red 0, none 10)." in out
    assert "chosen by typiclust, as --strategy " in out
    assert "p.csv is not written" in err
    assert not (tmp_path / "p.csv").exists()


@pytest.mark.parametrize("model", ["finetune", "scratch"])
def test_networks_trained_on_the_labels(begun, model, capsys, tmp_path, monkeypatch):
    monkeypatch.setattr("tfal.labeling.classifier._MOST_FOLDS_NETWORK", 2)
    first = begun.asked()[0]["path"]
    one_none = model == "scratch"  # too few to judge it
    begun.answer(label=(lambda path: NONE if path == first else "red") if one_none else None)
    flags = ["--model", model, "--network", "MLP", "--nEpoch", "4", "--strategy", "badge"]
    assert begun.run(*flags, "--predict", tmp_path / "all.csv") == 0
    out = capsys.readouterr().out
    assert "chosen by badge" in out
    assert ("no figure yet, for which every class needs two labels: green has 0, none has 1" in out) == one_none
    assert keras.saving.load_model(begun.results / "model.keras").output_shape == (None, 3)
    assert begun.rounds()[-1]["model"] == model
    assert len((tmp_path / "all.csv").read_text().splitlines()) == 41


def test_results_among_the_pictures_are_no_pictures(tmp_path, encoder_file):
    folder = Folder(tmp_path, encoder_file)
    folder.results = folder.images / "results" / "labeling" / "in"
    assert folder.run() == 0
    shutil.copy(folder.images / "p0-001.png", folder.results.parent.parent / "curve.png")
    folder.answer()
    assert folder.run() == 0
    assert len((folder.results / "photographs.csv").read_text().splitlines()) == 41


class Killed(BaseException):
    """Stands for a signal; the folder is put back to what it was then."""


# One after the other in one folder, each time a little further.
MOMENTS = [
    "before answers.csv",
    "after answers.csv",
    "after answers.json",
    "after model.json",
    "after model.keras",
    "before asked.csv",
    "after asked.csv",
    "after to_label.html",
    "after to_label.csv",
    "after rounds.csv",
]


def test_killed_at_every_write_and_started_again(begun, tmp_path, monkeypatch):
    from tfal import files

    begun.answer(6)
    asked = [row["path"] for row in begun.asked()]
    whole = tmp_path / "whole"
    shutil.copytree(begun.results, whole)
    assert begun.run() == 0
    expected = begun.asked(), begun.rounds(), begun.answers()
    assert set(begun.answers()) == {*asked[:6]}
    shutil.rmtree(begun.results)
    os.replace(whole, begun.results)

    moments, replace, saved = [*MOMENTS], os.replace, tmp_path / "then"

    def at(moment):
        if moments[:1] == [moment]:
            shutil.copytree(begun.results, saved, copy_function=shutil.copy2)
            raise Killed

    def watched(source, target):
        at(f"before {os.path.basename(target)}")
        replace(source, target)
        at(f"after {os.path.basename(target)}")

    monkeypatch.setattr(files.os, "replace", watched)
    while moments:
        with pytest.raises(Killed):
            begun.run()
        shutil.rmtree(begun.results)
        replace(saved, begun.results)
        moments.pop(0)
    assert begun.run() == 0
    assert (begun.asked(), begun.rounds(), begun.answers()) == expected


def test_two_rounds_on_the_page_in_a_browser(begun):
    browser = started(begun.results)
    try:
        for number in (1, 2):
            browser.open(begun.results / "to_label.html")
            assert browser.text("#title") == f"in, round {number}"
            asked = browser.run("return items.map((item) => item.path)")
            assert asked == [row["path"] for row in begun.asked()]
            browser.press(*({"red": "1", "green": "2", NONE: "n"}[begun.label(path)] for path in asked))
            browser.saved(f"labels-{number}.csv")
            assert begun.run() == 0
            assert {path: begun.answers()[path] for path in asked} == {path: begun.label(path) for path in asked}
        assert browser.run("return items.map((item) => item.suggestion)") == [
            row["suggested"] for row in begun.asked("asked.csv")[10:20]
        ]
    finally:
        browser.driver.quit()
    assert [row["labels"] for row in begun.rounds()] == ["0", "10", "20"]


def test_a_strategy_is_set_by_its_own_flags_which_the_batch_records(folder, capsys):
    def recorded():
        return Campaign(folder.results / "campaign", fingerprint="photographs.csv").rounds[-1].options

    flags = ("--nQuery", 9, "--strategy", "ldms", "--nSample", 50, "--nRedo", 2)
    assert folder.run(*flags) == 0
    assert recorded()["n_redo"] == 2  # of typiclust, which is asked first
    folder.answer()
    assert folder.run(*flags) == 0
    assert recorded()["n_sample"] == 50
    assert folder.run("--help") == 0
    assert "--nSample N" in capsys.readouterr().out


def test_a_switch_is_given_what_the_strategy_of_its_round_reads(folder, capsys):
    """The first batch by features alone, those after it by the head alone."""
    flags = ("--nQuery", 6, "--strategy", "typiclust@1+margin")
    shown = []
    for _ in range(3):
        assert folder.run(*flags) == 0
        shown.append(capsys.readouterr().out)
        folder.answer()
    assert all("pictures, chosen by typiclust@1+margin." in text for text in shown)
    assert folder.run(*flags) == 0
    assert len(folder.rounds()) == 4
