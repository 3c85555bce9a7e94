"""What people are asked and what they answer: to_label.csv, the csv that the page saves, and the words in them.

Both are one table with the columns path, suggested, probability and label, of which only path and label are read. It
comes back from spreadsheets, editors and data frames, so separators, encodings and spellings are taken as those write
them, as long as every path and every label means exactly one thing; anything else is refused with file and line.
"""

from __future__ import annotations

import csv
import functools
import io
import posixpath
import sys
import unicodedata
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import NamedTuple

from tfal.data.csv_file import number
from tfal.data.listing import folded
from tfal.errors import InputError, unknown_name
from tfal.files import storage_errors, write_text

NONE = "none"  # none of the classes
UNSURE = "unsure"  # cannot say: never asked again
COLUMNS = ("path", "suggested", "probability", "label")
_NEEDED = ("path", "label")
_SEPARATORS = ",;\t"
_FORMULA = ("=", "+", "-", "@")  # what a cell begins with that a spreadsheet runs
_MARKS = {b"\xef\xbb\xbf": "utf-8-sig", b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}
_UTF8 = "Save it as 'CSV UTF-8'"


class Asked(NamedTuple):
    """A picture that people shall label.

    path: relative to the folder of pictures, with "/". suggestion: the class that the trained classifier says, "" where
    there is none yet. probability: of it, 0 to 1.
    """

    path: str
    suggestion: str = ""
    probability: float | None = None


class Answer(NamedTuple):
    """path: as in `Asked`. label: a class, NONE or UNSURE."""

    path: str
    label: str


def check_classes(classes: Sequence[str]) -> None:
    """Raises InputError unless each class is a name that csv files, spreadsheets and people tell from all others.

    Refused: no classes at all; an empty name, or one with spaces around; a control character; NONE or UNSURE; two that
    differ by case, spaces, the encoding of accents or, as numbers, by how they are written (1 and 01); a beginning that
    spreadsheets take for a formula.
    """
    if not classes:
        raise InputError("--classes must name at least one class. Received: none. Give them, like cat,dog,bird.")
    seen: dict[str | float, str] = {}
    for name in classes:
        if not name or name != name.strip() or any(unicodedata.category(one) in ("Cc", "Cs") for one in name):
            raise InputError(f"a class must be a name on one line, without spaces around. Received: {name!r}. Mend it.")
        if _fold(name) in (NONE, UNSURE):
            raise InputError(
                f"no class may be called {name!r}: {NONE!r} is the answer for none of the classes, {UNSURE!r} for "
                "cannot say. Rename it."
            )
        value = number(name)
        if name.startswith(_FORMULA) and value is None:
            raise InputError(f"class {name!r} begins with {name[0]!r}: spreadsheets take it for a formula. Rename it.")
        keys: list[str | float] = [_fold(name), *([] if value is None else [value])]
        for key in keys:
            other = seen.setdefault(key, name)
            if other != name or list(classes).count(name) > 1:
                raise InputError(f"classes {other!r} and {name!r} are one and the same name. Rename or remove one.")


class Labels:
    """The answers that can be given: classes, NONE and UNSURE, however they are spelled."""

    def __init__(self, classes: Sequence[str]) -> None:
        check_classes(classes)
        self._names = {_fold(name): name for name in (*classes, NONE, UNSURE)}

    def find(self, text: str) -> str:
        """The class that `text` means: case, spaces and how accents or numbers are written make no difference.

        Raises InputError, with the nearest class, when there is none.
        """
        found = self._names.get(_fold(text))
        if found is None and (value := number(text)) is not None:  # a data frame with gaps makes 3.0 of 3
            found = next((name for name in self._names.values() if number(name) == value), None)
        if found is None:
            raise unknown_name("class", text.strip()[:80], self._names.values())
        return found


class Paths:
    """Pictures by their path, however it is spelled. paths: of all pictures, as in `Asked`."""

    def __init__(self, paths: Collection[str]) -> None:
        self._paths = frozenset(paths)

    def find(self, text: str) -> str:
        """The path that `text` means; "./a" and "a" are one, and so are both ways to encode accents or to part folders.

        Raises InputError, with a picture of the same name in another folder if there is one.
        """
        spellings = [text, *(posixpath.normpath(each) for each in (text, text.strip(), text.replace("\\", "/")))]
        for each in spellings:
            if each in self._paths:
                return each
        found = {path for each in spellings for path in self._encoded.get(_composed(each), ())}
        if len(found) == 1:
            return found.pop()
        if found:
            raise InputError(f"{text!r} may be {' or '.join(map(ascii, sorted(found)))}. Rename one of these files.")
        name = folded(posixpath.basename(spellings[-1]))
        moved = min((path for path in self._paths if folded(posixpath.basename(path)) == name), default="")
        hint = f" Did you mean {moved!r}?" if moved else ""
        raise InputError(f"no picture has the path {text[:200]!r}.{hint} Mend the path, or remove the line.")

    @functools.cached_property
    def _encoded(self) -> dict[str, list[str]]:
        groups: dict[str, list[str]] = {}
        for path in self._paths:
            groups.setdefault(_composed(path), []).append(path)
        return groups


def written(path: str) -> str:
    """A path as it stands in files for people: "./" comes before one that spreadsheets would take for a formula.

    Raises InputError for a name that no text file can hold.
    """
    try:
        path.encode()
    except UnicodeEncodeError:
        raise InputError(f"the name of {path!r} is no text in UTF-8. Rename the file.") from None
    return f"./{path}" if path.startswith(_FORMULA) else path


def write_csv(file: Path, asked: Sequence[Asked]) -> None:
    """Writes a table of `asked` with an empty column label, in UTF-8 with the mark that spreadsheets know it by.

    Raises InputError for a name that is no text, StorageError.
    """
    text = io.StringIO()
    lines = csv.writer(text, lineterminator="\r\n")  # both are quoted, then
    lines.writerow(COLUMNS)
    for path, suggestion, probability in asked:
        lines.writerow((written(path), suggestion, "" if probability is None else f"{probability:.3f}", ""))
    write_text(file, f"\ufeff{text.getvalue()}")


def read_csv(file: Path, classes: Sequence[str], paths: Collection[str]) -> list[Answer]:
    """The labels in a csv, in the order of its lines; a path without a label is not labeled yet, and left out.

    Read are UTF-8, UTF-16 with its mark, and Windows' Western European (cp1252); commas, semicolons and tabs. Columns
    that are not ours are passed over, and said in a line on stderr.

    Args:
        file: the csv. Its first line names the columns, path and label among them.
        classes: their names; see `check_classes`.
        paths: of all pictures, as in `Asked`; answers have them in the same spelling.

    Raises:
        InputError: in one line that names the file, and the line where it can: a path or a class that is not known, two
            labels for one path, a line of another length, text that is no such table.
        StorageError: the file cannot be read.
    """
    known, labels = Paths(paths), Labels(classes)
    text, hint = _text(file)
    rows = _rows(file, text)
    columns, n = _columns(file, rows), len(rows[0][1])
    found: dict[str, tuple[str, int]] = {}
    for line, row in rows[1:]:
        if len(row) < n or any(row[n:]):
            raise InputError(
                f"{file}, line {line}: must have {n} cells as the first line. Received: {len(row)}. Mend the line."
            )
        path, label = (row[columns[name]] for name in _NEEDED)
        try:
            path = known.find(path)
            answer = labels.find(label) if label.strip() else ""
        except InputError as error:
            raise InputError(f"{file}, line {line}: {error}{hint}") from None
        before, where = found.get(path, ("", line))
        if answer and before not in ("", answer):
            raise InputError(
                f"{file}, line {line}: {path!r} is {answer!r}, and {before!r} in line {where}. Remove one of them."
            )
        found[path] = (before, where) if before else (answer, line)
    return [Answer(path, label) for path, (label, _) in found.items() if label]


def _text(file: Path) -> tuple[str, str]:
    """The text of a file, and what is to be said with an error where its encoding is a guess."""
    data = b""
    with storage_errors(file):
        data = file.read_bytes()
    marked = next((encoding for mark, encoding in _MARKS.items() if data.startswith(mark)), "")
    for encoding, hint in ((marked, ""),) if marked else (("utf-8", ""), ("cp1252", f" {_UTF8}.")):
        try:
            text = data.decode(encoding)
        except UnicodeDecodeError:
            continue
        if "\0" not in text:
            return text, hint
    raise InputError(f"{file} is no text in {marked.removesuffix('-sig') or 'UTF-8'}. {_UTF8}, with commas.")


def _rows(file: Path, text: str) -> list[tuple[int, list[str]]]:
    """First line and cells of each row that is not empty, by the separator that gives the first one our columns."""
    for separator in _SEPARATORS:
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
        rows: list[tuple[int, list[str]]] = []
        line = 1
        try:
            for row in reader:
                if any(cell.strip() for cell in row):
                    rows.append((line, row))
                    if not {_fold(cell) for cell in rows[0][1]}.issuperset(_NEEDED):
                        break
                line = reader.line_num + 1
            else:
                if rows:
                    return rows
        except csv.Error as error:
            if rows:
                raise InputError(
                    f"{file}, line {line}: quotes that are not closed, or not doubled inside of others ({error}). "
                    "Mend them."
                ) from None
    begin = text.strip().partition("\n")[0][:80]
    raise InputError(
        f"{file}: the first line must name the columns path and label, with commas, semicolons or tabs between them. "
        f"Received: {begin!r}. Add it."
    )


def _columns(file: Path, rows: Sequence[tuple[int, list[str]]]) -> dict[str, int]:
    """Where our columns stand. Raises InputError for one that stands there twice; says which are not ours."""
    header = [_fold(cell) for cell in rows[0][1]]
    for name in _NEEDED:
        if header.count(name) > 1:
            raise InputError(f"{file}: the first line must name the column {name} once. Received: twice. Remove one.")
    others = [cell.strip() for cell in rows[0][1] if cell.strip() and _fold(cell) not in COLUMNS]
    if others:
        print(f"{file}: passed over: the columns {', '.join(map(repr, others))}.", file=sys.stderr)
    return {name: header.index(name) for name in _NEEDED}


def _fold(name: str) -> str:
    return folded(" ".join(name.split()))


def _composed(path: str) -> str:
    return unicodedata.normalize("NFC", path)
