"""A page that people label pictures on: one html file that needs no server and no network.

All that it shows lies in it. A policy in its head lets it load nothing and run nothing but its own script, whose digest
it names; names of files are data, escaped as such, and shown as text.
"""

from __future__ import annotations

import base64
import hashlib
import json
import math
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Any

from tfal.errors import InputError
from tfal.files import write_atomically
from tfal.labeling.answers import COLUMNS, NONE, UNSURE, Asked, check_classes, written
from tfal.labeling.thumbnails import data_uri

_TEMPLATE = Path(__file__).with_name("page.html")
_LARGEST, _SMALLEST = 800, 192  # height and width of a picture on the page [pixels]
_PIXELS = 64_000_000  # of all pictures together: some 16 MB


def write_page(
    file: Path,
    asked: Sequence[Asked],
    classes: Sequence[str],
    root: Path,
    title: str,
    save_as: str = "labels.csv",
) -> None:
    """Writes the page for `asked`; what it saves is read by `read_csv`.

    A picture that cannot be shown is a named gap on the page, and said in a line on stderr. What was labeled before on
    a page of this place, title, classes and pictures is still on it, where the browser keeps it.

    Args:
        file: the page. It asks people to move what they save beside it.
        asked: the pictures, one at least; small copies of them are in the page, one in memory at a time.
        classes: their names, in the order of their keys; see `check_classes`.
        root: the folder of pictures.
        title: what stands above it, such as the campaign and the round.
        save_as: name of the csv that the browser saves, half filled in or whole, with all pictures in it.

    Raises:
        InputError: nothing is asked, a class or the name of a picture cannot be used.
        StorageError: the page cannot be written.
    """
    check_classes(classes)
    if not asked:
        raise InputError("a page needs pictures to be labeled. Received: none. Ask for some.")
    paths = [written(each.path) for each in asked]
    identity = json.dumps([str(file.resolve()), title, list(classes), paths])
    head = {
        "title": title,
        "key": f"tfal {hashlib.blake2b(identity.encode(), digest_size=16).hexdigest()}",
        "folder": str(file.resolve().parent),
        "save_as": save_as,
        "columns": COLUMNS,
        "classes": list(classes),
        "none": NONE,
        "unsure": UNSURE,
    }
    before, after = _template()
    lost: list[str] = []

    def write(out: IO[bytes]) -> None:
        out.write(f'{before}{_json(head)[:-1]}, "items": ['.encode())
        for number, item in enumerate(_items(asked, paths, root)):
            out.write(f"{',' * (number > 0)}\n{_json(item)}".encode())
            if item["why"]:
                lost.append(f"{item['path']} ({item['why']})")
        out.write(f"]}}{after}".encode())

    write_atomically(file, write)
    if lost:
        print(f"{file}: {len(lost)} of {len(asked)} pictures cannot be shown, the first is {lost[0]}.", file=sys.stderr)


def _items(asked: Sequence[Asked], paths: Sequence[str], root: Path) -> Iterator[dict[str, Any]]:
    side = min(_LARGEST, max(_SMALLEST, math.isqrt(_PIXELS // len(asked))))
    for each, path in zip(asked, paths, strict=True):
        image = why = ""
        try:
            image = data_uri(root / each.path, side)
        except InputError as error:
            why = str(error)
        probability = None if each.probability is None else round(each.probability, 3)
        yield {"path": path, "suggestion": each.suggestion, "probability": probability, "image": image, "why": why}


def _template() -> tuple[str, str]:
    """What stands before and behind the data, with the policy."""
    style, script, page = (_TEMPLATE.with_suffix(kind).read_text(encoding="utf-8") for kind in (".css", ".js", ".html"))
    policy = "default-src 'none'; base-uri 'none'; form-action 'none'; img-src data:"
    policy += f"; style-src {_digest(style)}; script-src {_digest(script)}"
    for mark, text in (("@POLICY@", policy), ("@STYLE@", style), ("@SCRIPT@", script)):
        page = page.replace(mark, text)
    before, _, after = page.partition("@DATA@")
    return before, after


def _digest(text: str) -> str:
    """What a policy calls a style or a script that may be used."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _json(content: dict[str, Any]) -> str:
    """Text that ends no script element, whatever stands in it."""
    return json.dumps(content, allow_nan=False).replace("<", "\\u003c")
