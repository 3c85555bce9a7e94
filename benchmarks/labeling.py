"""What labeling a folder is worth: a tree of classes becomes a folder without labels, whose true labels answer.

    python -m benchmarks.labeling --data ../shared/data/imagenette-mini --classes n01440764,n02102040,n03028079

Pictures of train/<class>/ are copied into one folder, shuffled and renamed; the classes that are not named are "none".
Each of `--strategies` is asked `--rounds` times by the command itself; after each round model.keras is tested on val/.
"default" is the command without --strategy and --initial. Other flags go to the command. With --browser the answers are
keys pressed on the page in Chromium, and the csv that it saves; --shots keeps pictures of it, 1280 and 400 pixels wide.
"""

from __future__ import annotations

import argparse
import contextlib
import csv
import functools
import importlib
import io
import json
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np

from tfal.labeling import cli
from tfal.labeling.answers import NONE
from tfal.networks import builders

_SUFFIXES = (".jpg", ".jpeg", ".png")


def pictures(data: Path, part: str, classes: Sequence[str]) -> list[tuple[Path, str]]:
    """Files of data/part/<class>/ with their answers, sorted."""
    files = sorted(path for path in (data / part).glob("*/*") if path.suffix.lower() in _SUFFIXES)
    return [(path, path.parent.name if path.parent.name in classes else NONE) for path in files]


def without_labels(found: Sequence[tuple[Path, str]], folder: Path, seed: int) -> dict[str, str]:
    """Copies pictures into `folder` under names that tell nothing; the answer for each name."""
    folder.mkdir(parents=True)
    truth = {}
    for number, place in enumerate(np.random.default_rng(seed).permutation(len(found))):
        path, answer = found[place]
        name = f"{number:05}{path.suffix.lower()}"
        shutil.copyfile(path, folder / name)
        truth[name] = answer
    with (folder.parent / "truth.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("path", "label"), *truth.items()])
    return truth


def answer_in_csv(results: Path, truth: dict[str, str]) -> int:
    """Fills in to_label.csv; how many pictures."""
    table = results / "to_label.csv"
    with table.open(newline="", encoding="utf-8-sig") as file:
        rows = list(csv.DictReader(file))
    with table.open("w", newline="", encoding="utf-8") as file:
        out = csv.writer(file)
        out.writerow(("path", "label"))
        out.writerows((row["path"], truth[row["path"].removeprefix("./")]) for row in rows)
    return len(rows)


def answer_on_page(results: Path, truth: dict[str, str], shots: Path | None = None) -> int:
    """Presses the keys of the answers on to_label.html, and moves what it saves to it; how many pictures."""
    browser = importlib.import_module("tests.labeling.browser").Browser(results)
    try:
        browser.open(results / "to_label.html")
        data = json.loads(browser.run("return document.getElementById('data').textContent"))
        keys = {button.get_attribute("data-answer"): button for button in browser.all("button[data-answer]")}
        keys = {name: button.find_element("css selector", "kbd").text.lower() for name, button in keys.items()}
        for number, item in enumerate(data["items"]):
            browser.press(keys[truth[item["path"].removeprefix("./")]])
            if shots and number == len(data["items"]) // 2:
                for width in (1280, 400):
                    browser.resize(width, 800)
                    browser.driver.save_screenshot(str(shots / f"{data['save_as']}-{width}.png"))
                browser.resize(1280, 800)
        browser.saved(data["save_as"])
    finally:
        browser.driver.quit()
    return len(data["items"])


def tested(results: Path, held_out: Sequence[tuple[Path, str]]) -> tuple[float, float]:
    """Accuracy of model.keras, and the mean of the recalls of its outputs."""
    import keras

    from tfal.data.listing import Listing
    from tfal.data.pictures import squares

    about = json.loads((results / "model.json").read_text())
    model = keras.saving.load_model(results / "model.keras")
    root = held_out[0][0].parents[1]
    paths = np.array([str(path.relative_to(root)).encode() for path, _ in held_out])
    listing = Listing(str(root), paths, np.zeros(len(paths), np.int64), about["size"])
    batches = squares(listing, np.arange(len(paths)), 50)
    found = np.concatenate([model(images).numpy().argmax(axis=1) for _, images in batches])
    said, true = np.array(about["outputs"])[found], np.array([label for _, label in held_out])
    recalls = [np.mean(said[true == label] == label) for label in sorted({*true})]
    return float(np.mean(said == true)), float(np.mean(recalls))


def rounds(command: Sequence[str], answer: Callable[[], int], n: int) -> Iterator[int]:
    """Runs the command, answers, and runs it again, n times; the number of labels after each run that had some."""
    labels = 0
    for step in range(n + 1):
        with contextlib.redirect_stdout(io.StringIO()):
            code = cli.main(builders(), command, "labeling")
        if code:
            sys.exit(code)
        if step:
            yield labels
        if step < n:
            labels += answer()


def main(arguments: Sequence[str] | None = None) -> None:
    """Prints a row for each seed, strategy and round."""
    given, flags = _parser().parse_known_args(arguments)
    found, held_out = (pictures(given.data, part, given.classes.split(",")) for part in ("train", "val"))
    shares = np.unique([label for _, label in held_out], return_counts=True)[1] / len(held_out)
    print(f"{len(found)} pictures; {len(held_out)} held out; always the same answer is right for {shares.max():.3f}")
    print("| seed | strategy | labels | of the classes | accuracy | mean recall |\n|---|---|---|---|---|---|")
    with contextlib.ExitStack() as stack:
        place = given.keep or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        for seed in given.seeds.split(","):
            images, encoder = place / f"seed{seed}" / "photos", place / f"seed{seed}" / "encoder"
            truth = without_labels(found, images, int(seed))
            for strategy in given.strategies.split(","):
                results = place / f"seed{seed}" / strategy
                folder = results / "labeling" / images.name
                if encoder.exists():  # which does not depend on the strategy
                    shutil.copytree(encoder, folder / "encoder")
                command = ["--images", images, "--classes", given.classes, "--nQuery", given.n_query, "--seed", seed]
                command += [] if strategy == "default" else ["--strategy", strategy, "--initial", strategy]
                words = [str(word) for word in (*command, "--resultsDir", results, *flags)]
                answer = functools.partial(answer_in_csv, folder, truth)
                if given.browser:
                    answer = functools.partial(answer_on_page, folder, truth, given.shots)
                for labels in rounds(words, answer, given.rounds):
                    with (folder / "answers.csv").open(newline="") as file:
                        known = sum(row["label"] != NONE for row in csv.DictReader(file))
                    accuracy, recall = tested(folder, held_out)
                    print(f"| {seed} | {strategy} | {labels} | {known} | {accuracy:.3f} | {recall:.3f} |", flush=True)
                if not encoder.exists():
                    shutil.copytree(folder / "encoder", encoder)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="a folder with train/<class>/ and val/<class>/")
    parser.add_argument("--classes", required=True, help="names of the classes that are asked for, a comma list")
    parser.add_argument("--strategies", default="default,random")
    parser.add_argument("--seeds", default="0", help="of the pictures' order and of the command, a comma list")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--nQuery", dest="n_query", default="30")
    parser.add_argument("--keep", type=Path, help="an empty folder for pictures, truth.csv and results")
    parser.add_argument("--browser", action="store_true", help="answer on the page; needs what its tests need")
    parser.add_argument("--shots", type=Path, help="folder for pictures of the page, with --browser")
    return parser


if __name__ == "__main__":
    main()
