"""The page, in a real browser: labeled by keys and clicks, saved, read back."""

import base64
import io
import json
import re
import unicodedata

import numpy as np
import pytest
from PIL import Image

from tests.labeling.browser import started
from tfal.errors import InputError
from tfal.labeling.answers import NONE, UNSURE, Answer, Asked, read_csv
from tfal.labeling.page import write_page

CLASSES = ["cat", "dog", "bird"]
PATHS = [f"{folder}/{number}.png" for folder in "ab" for number in range(3)]
HOSTILE = [
    "<script>document.title='run'<",
    "script>.png",
    "\"><img src=x onerror=document.title='run'>.png",
    "<!--<script>.png",
    'it\'s "quoted", and; parted.png',
    "two\nlines.png",
    "=1+1.png",
    "@SUM(A1).png",
    unicodedata.normalize("NFD", "Žluťoučký kůň 犬.png"),
    "\u202egnp.exe.png",
    "&lt;b&gt; %3Cb%3E.png",
]
BACKSPACE, DELETE, ESCAPE, END, HOME, LEFT, RIGHT, ENTER = "\ue003\ue017\ue00c\ue010\ue011\ue012\ue014\ue007"


@pytest.fixture(scope="module")
def chromium(tmp_path_factory):
    browser = started(tmp_path_factory.mktemp("downloads"))
    yield browser
    browser.driver.quit()


@pytest.fixture
def browser(chromium):
    for file in chromium.downloads.iterdir():
        file.unlink()
    chromium.resize(1280, 800)
    return chromium


@pytest.fixture
def root(tmp_path):
    return pictures(tmp_path / "pictures", PATHS)


def pictures(root, paths):
    rng = np.random.default_rng(0)
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(256, size=(20, 30, 3), dtype=np.uint8)).save(root / path, "PNG")
    return root


def page(root, asked=None, classes=CLASSES, title="pets, round 1"):
    file = root.parent / "to_label.html"
    write_page(file, asked or [Asked(path) for path in PATHS], classes, root, title)
    return file


def labels(browser, paths=PATHS, classes=CLASSES, name="labels.csv"):
    """What the saved csv says, in words of one row each."""
    return [f"{path} {label}" for path, label in read_csv(browser.saved(name), classes, paths)]


def embedded(file):
    (data,) = re.findall(r'<script type="application/json" id="data">(.*?)</script>', file.read_text(), re.DOTALL)
    return json.loads(data)


def key(browser, name, code, **more):
    """A key of another keyboard than Selenium's."""
    event = {"key": name, "code": code, "bubbles": True, "cancelable": True, **more}
    browser.run("document.body.dispatchEvent(new KeyboardEvent('keydown', arguments[0]))", event)


def test_one_key_for_each_answer_and_the_next_picture_comes_by_itself(browser, root):
    browser.open(page(root))
    assert browser.text("#count") == "0 of 6 labeled"
    browser.press("2", "1")
    browser.click('[data-answer="bird"]')
    browser.press("n", "u")
    assert browser.text("#count") == "5 of 6 labeled"
    assert browser.text("#name").split() == ["6", "/", "6", "b/2.png"]
    browser.press("3")
    assert "All 6 are labeled" in browser.text("#notice")
    assert labels(browser) == [
        *("a/0.png dog", "a/1.png cat", "a/2.png bird", f"b/0.png {NONE}", f"b/1.png {UNSURE}", "b/2.png bird")
    ]


def test_the_suggestion_is_shown_and_taken_by_one_key(browser, root):
    asked = [Asked(PATHS[0], "dog", 0.876), Asked(PATHS[1], "bird", 1.0), Asked(PATHS[2]), Asked(PATHS[3], NONE, 0.5)]
    browser.open(page(root, asked))
    assert browser.text("#suggestion").split() == ["Suggested:", "dog", "(88", "%)"]
    assert browser.all("#choices .suggested")[0].text.split() == ["2", "dog"]
    browser.press(ENTER, " ", " ")
    assert browser.text("#suggestion") == "No suggestion yet"
    assert "no suggestion" in browser.text("#notice")
    browser.press("1")
    browser.click("#accept")
    assert labels(browser) == ["a/0.png dog", "a/1.png bird", "a/2.png cat", f"b/0.png {NONE}"]


def test_enter_after_a_click_accepts_and_does_not_press_again(browser, root):
    browser.open(page(root, [Asked(path, "bird", 0.9) for path in PATHS]))
    browser.click('[data-answer="cat"]')
    browser.press(ENTER)
    assert labels(browser) == ["a/0.png cat", "a/1.png bird"]


def test_undo_moves_and_corrections(browser, root):
    browser.open(page(root))
    browser.press("1", "1", "1", BACKSPACE)
    assert browser.text("#name").split() == ["3", "/", "6", "a/2.png"]
    browser.press(LEFT, "2", END, "3", HOME, RIGHT, DELETE)
    assert labels(browser) == ["a/0.png cat", "b/2.png bird"]
    browser.press(BACKSPACE, BACKSPACE)
    browser.click("#restart")
    assert browser.text("#count") == "0 of 6 labeled"
    browser.click("#undo")
    assert labels(browser, name="labels (1).csv") == ["a/0.png cat", "a/1.png dog"]
    browser.press(*[BACKSPACE] * 9)
    assert browser.text("#count") == "0 of 6 labeled"
    assert "nothing to take back" in browser.text("#notice")


def test_after_the_last_picture_comes_the_first_without_a_label(browser, root):
    browser.open(page(root))
    browser.press(RIGHT, "1", END, "2")
    assert browser.text("#name").split() == ["1", "/", "6", "a/0.png"]
    browser.press("1")
    assert browser.text("#name").split() == ["3", "/", "6", "a/2.png"]
    browser.press(LEFT)
    browser.click("#next")
    assert browser.text("#name").split() == ["3", "/", "6", "a/2.png"]


def test_the_overview_shows_all_and_leads_to_any(browser, root):
    browser.open(page(root))
    browser.press("2", ESCAPE)
    assert not browser.all("#stage")[0].is_displayed()
    assert [one.text for one in browser.all("#strip button")] == ["dog", "2", "3", "4", "5", "6"]
    browser.press("3")
    browser.click("#strip li:nth-child(5) button")
    assert browser.all("#stage")[0].is_displayed()
    assert browser.text("#name").split() == ["5", "/", "6", "b/1.png"]
    browser.press("1")
    assert labels(browser) == ["a/0.png dog", "a/1.png bird", "b/1.png cat"]


def test_a_reload_keeps_labels_place_and_undo_and_another_round_begins_anew(browser, root):
    file = page(root)
    browser.open(file)
    browser.press("1", "2", RIGHT)
    browser.open(page(root, [Asked(path, "cat", 0.5) for path in PATHS]))  # written again, with other suggestions
    assert browser.text("#notice") == "2 labels of before are here again."
    assert browser.text("#name").split() == ["4", "/", "6", "b/0.png"]
    browser.press(BACKSPACE)
    assert labels(browser) == ["a/0.png cat"]
    for other in ({"title": "pets, round 2"}, {"classes": ["cat", "dog", "cow"]}, {"asked": [Asked(PATHS[0])]}):
        browser.open(page(root, **other))
        assert browser.text("#count").startswith("0 of")


def test_what_the_browser_kept_is_looked_at_before_it_is_believed(browser, root):
    file = page(root)
    place = embedded(file)["key"]
    for kept, n in (('{"labels": ["cat", "cow", "dog", 3, "", ""], "at": 99}', 2), ('{"labels": []}', 0), ("{", 0)):
        browser.open(file)
        browser.run("localStorage.clear(); sessionStorage.setItem(arguments[0], arguments[1])", place, kept)
        browser.open(file)
        assert browser.text("#count") == f"{n} of 6 labeled"
        assert browser.run("return sessionStorage.getItem(arguments[0])", place) == kept  # until there is something new
        browser.press("u")
        assert browser.text("#count") == f"{n + 1} of 6 labeled"


def test_another_tab_has_the_labels_and_the_newest_of_two_tabs_count(browser, root):
    file, first = page(root), browser.driver.current_window_handle
    browser.open(file)
    browser.press("1", "2")
    browser.driver.switch_to.new_window("tab")
    try:
        browser.open(file)
        assert browser.text("#notice") == "2 labels of before are here again."
        browser.press("3")
        browser.saved()
    finally:
        browser.driver.close()
        browser.driver.switch_to.window(first)
    assert browser.shows("#notice", "3 labels of before are here again.")
    browser.open(file)
    assert browser.text("#count") == "3 of 6 labeled"
    assert labels(browser, name="labels (1).csv") == ["a/0.png cat", "a/1.png dog", "a/2.png bird"]


def test_a_browser_that_keeps_nothing_says_so_and_works(browser, root):
    refuse = "Object.defineProperty(window, 'localStorage', {get() { throw new DOMException('no', 'SecurityError') }})"
    script = browser.driver.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": refuse})
    try:
        browser.open(page(root))
        assert "keeps nothing" in browser.text("#notice")
        browser.press("1")
        assert "cat: a/0.png This browser keeps nothing" in browser.text("#notice")
        assert labels(browser) == ["a/0.png cat"]
    finally:
        browser.driver.execute_cdp_cmd("Page.removeScriptToEvaluateOnNewDocument", script)


def test_leaving_is_warned_of_as_long_as_something_is_not_saved(browser, root):
    leave = "return !window.dispatchEvent(new Event('beforeunload', {cancelable: true}))"
    browser.open(page(root))
    assert not browser.run(leave)
    browser.press("1")
    assert browser.run(leave)
    browser.saved()
    assert not browser.run(leave)
    assert "Move it to" in browser.text("#notice")
    assert str(root.parent) in browser.text("#notice")
    browser.press("1")
    assert browser.run(leave)


def test_each_csv_holds_everything_so_the_last_one_is_enough(browser, root):
    browser.open(page(root))
    browser.press("1", "2")
    assert labels(browser) == ["a/0.png cat", "a/1.png dog"]
    browser.press(BACKSPACE, "3", "n")
    again = labels(browser, name="labels (1).csv")
    assert again == ["a/0.png cat", "a/1.png bird", f"a/2.png {NONE}"]
    lines = (browser.downloads / "labels.csv").read_text("utf-8-sig").splitlines()
    assert lines[0] == "path,suggested,probability,label"
    assert len(lines) == 7


def test_names_are_text_and_come_back(browser, tmp_path):
    paths = [f"{HOSTILE[0]}/{HOSTILE[1]}", *HOSTILE[2:]]
    classes = ["<i>cat</i>", "dog & 'co', \"inc\"", "犬"]
    root = pictures(tmp_path / "pictures", paths)
    asked = [Asked(path, classes[1], 0.5) for path in paths]
    browser.open(page(root, asked, classes, "<b>pets</b></script><script>document.title='run'</script>"))
    assert browser.driver.title.startswith("<b>pets</b></script>")
    for path in paths:
        shown = browser.run("return document.getElementById('name').textContent")
        assert shown.endswith(path)
        browser.press("1")
    assert browser.run("return document.querySelectorAll('b, i, img[src=x]').length") == 0
    assert browser.all("#choices button")[0].text.split() == ["1", "<i>cat</i>"]
    assert read_csv(browser.saved(), classes, paths) == [Answer(path, classes[0]) for path in paths]
    assert not re.search(r"^[=+@-]", browser.saved("labels (1).csv").read_text("utf-8-sig"), re.MULTILINE)


def test_nothing_is_loaded_and_no_other_script_runs(browser, root):
    browser.open(page(root))
    tried = """
        const done = arguments[0], seen = [];
        document.addEventListener("securitypolicyviolation", (event) => {
            seen.push(event.effectiveDirective);
            if (seen.length === 4) done([seen.sort(), window.ran || 0]);
        });
        const add = (tag, more) => document.body.append(Object.assign(document.createElement(tag), more));
        add("script", { textContent: "window.ran = 1" });
        add("style", { textContent: "body { display: none }" });
        add("img", { src: "http://127.0.0.1:9/a.png" });
        fetch("http://127.0.0.1:9/").catch(() => 0);
    """
    refused, ran = browser.driver.execute_async_script(tried)
    assert [name.removesuffix("-elem") for name in refused] == ["connect-src", "img-src", "script-src", "style-src"]
    assert ran == 0
    browser.open(page(root, title="again"))
    assert not [entry for entry in browser.driver.get_log("browser") if "again" in str(entry)]
    assert browser.run("return performance.getEntriesByType('resource').filter(e => !e.name.startsWith('data:'))") == []


def test_a_picture_that_cannot_be_shown_is_a_gap_with_its_name(browser, root, capsys):
    (root / PATHS[1]).write_bytes(b"nothing")
    browser.open(page(root))
    assert "1 of 6 pictures cannot be shown, the first is a/1.png (it is none of" in capsys.readouterr().err
    assert browser.all("#picture")[0].is_displayed()
    browser.press(RIGHT)
    assert browser.text("#gap").startswith("a/1.png cannot be shown: it is none of JPEG")
    assert not browser.all("#picture")[0].is_displayed()
    browser.press("u")
    assert labels(browser) == [f"a/1.png {UNSURE}"]


def test_more_classes_than_digits_have_letters_and_more_than_keys_are_found_by_name(browser, root):
    classes = [f"kind {number:02}" for number in range(40)]
    browser.open(page(root, classes=classes))
    keys = [button.text.split()[0] for button in browser.all("#choices button")]
    assert "".join(keys[:34]) == "1234567890ABCDEFGHIJKLMOPQRSTVWXYZ"
    assert keys[34:] == ["kind"] * 6
    browser.press("9", "0", "z", "u", "/", "k", "i", "n", "d", " ", "3", "9", ENTER, "1")
    found = [f"a/0.png {classes[8]}", f"a/1.png {classes[9]}", f"a/2.png {classes[33]}", f"b/0.png {UNSURE}"]
    assert labels(browser, classes=classes) == [*found, f"b/1.png {classes[39]}", f"b/2.png {classes[0]}"]
    browser.press("/", "k", ENTER)
    assert browser.text("#notice") == "40 classes have that in their names: go on typing."
    browser.press("x", ENTER)
    assert browser.text("#notice") == "0 classes have that in their names: go on typing."
    browser.press(ESCAPE)
    assert all(button.is_displayed() for button in browser.all("#choices button"))


def test_a_whole_name_is_found_within_longer_ones(browser, root):
    classes = [*(f"wildcat {number}" for number in range(9)), "Cat"]
    browser.open(page(root, classes=classes))
    browser.press(*"/cat", ENTER)
    assert labels(browser, classes=classes) == ["a/0.png Cat"]


def test_keyboards_of_others_and_keys_that_are_held_down(browser, root):
    classes = [*CLASSES, *(f"kind {number}" for number in range(8))]
    browser.open(page(root, classes=classes))
    key(browser, "&", "Digit1")  # French: digits need shift
    key(browser, "ф", "KeyA")  # Russian: the eleventh class
    key(browser, "1", "Numpad1")
    key(browser, "1", "Numpad1", repeat=True)
    key(browser, "2", "Digit2", ctrlKey=True)
    key(browser, "d", "KeyD", altKey=True)
    assert labels(browser, classes=classes) == ["a/0.png cat", "a/1.png kind 7", "a/2.png cat"]


def test_a_class_that_is_called_like_a_key_has_that_key(browser, root):
    classes = ["zero", "0", "B", "n", "1"]
    browser.open(page(root, classes=classes))
    assert [button.text.split() for button in browser.all("#choices button")] == [
        *(["2", "zero"], ["0", "0"], ["B", "B"], ["3", "n"], ["1", "1"])
    ]
    browser.press(*"01bn3")
    assert labels(browser, classes=classes) == [
        *("a/0.png 0", "a/1.png 1", "a/2.png B", f"b/0.png {NONE}", "b/1.png n")
    ]


@pytest.mark.parametrize("width", [1280, 400])
@pytest.mark.parametrize("n_classes", [3, 40])
def test_it_fits_the_window_and_fingers(browser, root, width, n_classes):
    browser.resize(width, 800)
    names = [*CLASSES, *(f"a class with a rather long name, number {number}" for number in range(n_classes - 3))]
    browser.open(page(root, [Asked(path, "cat", 0.5) for path in PATHS], names, "a title " * 9))
    assert browser.run("return document.documentElement.scrollWidth") <= width
    for button in browser.all("button"):
        box = button.rect
        assert box["height"] >= 44
        assert box["x"] >= 0
        assert button.accessible_name.strip()
    picture = browser.all("#picture")[0].rect
    assert picture["height"] > 250
    fields = [field for field in browser.all("input, img#picture, progress") if field.is_displayed()]
    assert fields
    assert all(field.accessible_name for field in fields)
    first, accept = browser.all("#choices button")[0].rect, browser.all("#accept")[0].rect
    assert first["y"] + first["height"] < 800
    assert accept["y"] + accept["height"] < 800


def test_what_is_written_without_a_browser(root):
    file = page(root, [Asked(PATHS[0], "dog", 0.87654), Asked(PATHS[1])])
    data = embedded(file)
    assert [item["image"][:22] for item in data["items"]] == ["data:image/png;base64,"] * 2
    assert [item["probability"] for item in data["items"]] == [0.877, None]
    text = file.read_text()
    assert "http" not in re.sub(r"<meta http-equiv", "", text)
    assert "@POLICY@" not in text
    assert "@DATA@" not in text
    assert len(re.findall("'sha256-[A-Za-z0-9+/]{43}='", text)) == 2


def test_many_pictures_are_smaller_ones(tmp_path, monkeypatch):
    monkeypatch.setattr("tfal.labeling.page._PIXELS", 4 * 300 * 300)
    rng = np.random.default_rng(0)
    (tmp_path / "pictures").mkdir()
    Image.fromarray(rng.integers(256, size=(900, 1200, 3), dtype=np.uint8)).save(tmp_path / "pictures" / "a.jpg")
    for n, side in ((1, 600), (4, 300), (40, 192)):
        image = embedded(page(tmp_path / "pictures", [Asked("a.jpg")] * n))["items"][-1]["image"]
        assert Image.open(io.BytesIO(base64.b64decode(image.partition(",")[2]))).size == (side, side * 3 // 4)


@pytest.mark.parametrize(
    ("asked", "classes", "message"),
    [([], CLASSES, "needs pictures"), ([Asked("b\udcff.jpg")], CLASSES, "Rename"), (None, ["none"], "no class may be")],
)
def test_what_cannot_be_asked_is_refused_before_anything_is_written(root, asked, classes, message):
    file = root.parent / "to_label.html"
    with pytest.raises(InputError, match=message):
        write_page(file, [Asked(path) for path in PATHS] if asked is None else asked, classes, root, "pets")
    assert not file.exists()
