"""Files of earlier runs in which somebody has changed a value: rows, recipes and pools."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from tests.attack.inputs.case import EITHER, REFUSED, Case
from tests.attack.inputs.damaged import Copied, again, place, sound


def cases() -> Iterator[Case]:
    """All of them."""
    yield from _changed_rows()
    yield from _changed_recipes()
    yield from _changed_pools()


def _edited(run: str, name: str, edit: Callable[[str], str]) -> Callable[[Path], object]:
    def change(results: Path) -> None:
        path = place(run, name, results)
        path.write_text(edit(path.read_text()))

    return Copied(run, change)


def _changed_rows() -> Iterator[Case]:
    def cell(row: int, column: str, value: str) -> Callable[[str], str]:
        def edit(text: str) -> str:
            lines = [line.split(",") for line in text.splitlines()]
            lines[row][lines[0].index(column)] = value
            return "\n".join(",".join(line) for line in lines) + "\n"

        return edit

    for name, edit in {
        "hello for a round": cell(1, "round", "hello"),
        "hello for an accuracy": cell(1, "test_accuracy", "hello"),
        "no accuracy": cell(1, "test_accuracy", ""),
        "hello for labels": cell(2, "labels", "hello"),
        "no labels": cell(2, "labels", ""),
        "NaN labels": cell(3, "labels", "nan"),
        "other labels": cell(3, "labels", "31"),
        "a round twice": cell(2, "round", "0"),
        "a round of 7": cell(3, "round", "7"),
        "a round of 1.5": cell(2, "round", "1.5"),
        "NaN for a round": cell(2, "round", "nan"),
        "an infinite accuracy": cell(2, "test_accuracy", "inf"),
        "an accuracy of 7": cell(2, "test_accuracy", "7"),
        "no header": lambda text: text.split("\n", 1)[1],
        "a header only": lambda text: text.split("\n", 1)[0] + "\n",
        "half a row": lambda text: text[: len(text) - 25],
        "a row too long": lambda text: text.rstrip("\n") + ",5,6,7\n",
        "no column of labels": lambda text: text.replace("labels", "labelz"),
        "no column of accuracies": lambda text: text.replace("test_accuracy", "accuracy"),
        "a web page": lambda text: "<html></html>\n",
        "semicolons": lambda text: text.replace(",", ";"),
    }.items():
        make = _edited("loop", "rep001/rounds.csv", edit)
        yield Case(f"rounds.csv with {name}, resumed", again("loop"), make=make, expected=EITHER, sound=sound("loop"))
        yield Case(f"rounds.csv with {name}, more steps", again("loop", "--nStep", "3"), make=make, expected=EITHER)
        yield Case(
            f"rounds.csv with {name}, reported", ("tfal.report", "{}/results/digits_MLP"), make=make, expected=EITHER
        )
        compared = ("tfal.report.compare", "{}/results/digits_MLP", "{}/results/digits_MLP")
        yield Case(f"rounds.csv with {name}, compared", compared, make=make, expected=EITHER)


def _changed_recipes() -> Iterator[Case]:
    def field(name: str, value: object) -> Callable[[str], str]:
        def edit(text: str) -> str:
            stored = json.loads(text)
            stored["recipe"][name] = value
            return json.dumps(stored)

        return edit

    for name, edit, expected in (
        ("another seed", field("seed", 5), REFUSED),
        ("other data", field("data", "0123456789abcdef"), REFUSED),
        ("an unknown option", field("of_the_future", 3), EITHER),
        ("text for a number", field("n_query", "five"), REFUSED),
        ("null for a number", field("n_query", None), REFUSED),
        ("a list for a name", field("augment", ["crop"]), REFUSED),
        ("no recipe", lambda text: "{}", REFUSED),
        ("a list", lambda text: "[1, 2]", REFUSED),
        ("a number", lambda text: "3", REFUSED),
        ("null", lambda text: "null", REFUSED),
        ("a recipe of text", lambda text: '{"recipe": "margin"}', REFUSED),
        ("a recipe of pairs", lambda text: '{"recipe": [["seed", 0]]}', EITHER),
        ("half of it", lambda text: text[: len(text) // 2], REFUSED),
        ("deep brackets", lambda text: "[" * 100_000, REFUSED),
        ("no environment", lambda text: json.dumps({"recipe": json.loads(text)["recipe"]}), EITHER),
    ):
        make = _edited("loop", "rep001/recipe.json", edit)
        yield Case(f"recipe.json with {name}, resumed", again("loop", "--nStep", "3"), make=make, expected=expected)
        yield Case(
            f"recipe.json with {name}, reported", ("tfal.report", "{}/results/digits_MLP"), make=make, expected=EITHER
        )


def _changed_pools() -> Iterator[Case]:
    def arrays(change: Callable[[dict[str, np.ndarray]], object]) -> Callable[[Path], object]:
        def edit(results: Path) -> None:
            path = place("loop", "rep001/pool.npz", results)
            with np.load(path) as file:
                found = dict(file)
            change(found)
            content = io.BytesIO()
            np.savez(content, **found)
            path.write_bytes(content.getvalue())

        return Copied("loop", edit)

    def bought(found: dict[str, np.ndarray]) -> int:
        return int(np.flatnonzero(found["round"] == 1)[0])

    for name, change in {
        "a wrong label": lambda a: a["label"].__setitem__(bought(a), (a["label"][bought(a)] + 1) % 10),
        "a class of 99": lambda a: a["label"].__setitem__(bought(a), 99),
        "a class of -5": lambda a: a["label"].__setitem__(bought(a), -5),
        "a label taken away": lambda a: [
            a[part].__setitem__(bought(a), value) for part, value in (("state", 0), ("label", -1), ("round", -1))
        ],
        "a state of 9": lambda a: a["state"].__setitem__(0, 9),
        "a round of 99": lambda a: a["round"].__setitem__(bought(a), 99),
        "a round of -7": lambda a: a["round"].__setitem__(bought(a), -7),
        "fewer samples": lambda a: a.update({n: v[:-1] for n, v in a.items()}),
        "another dtype": lambda a: a.update(state=a["state"].astype(np.int64)),
        "floats": lambda a: a.update(label=a["label"].astype(float)),
        "one array missing": lambda a: a.pop("round"),
        "one array more": lambda a: a.update(more=np.arange(3)),
        "square arrays": lambda a: a.update({n: v.reshape(1, -1) for n, v in a.items()}),
        "no samples": lambda a: a.update({n: v[:0] for n, v in a.items()}),
        "another validation set": lambda a: a["state"].__setitem__(np.flatnonzero(a["state"] == 2)[0], 4),
    }.items():
        expected = EITHER if name == "one array more" else REFUSED
        yield Case(f"pool.npz with {name}", again("loop", "--nStep", "3"), make=arrays(change), expected=expected)
