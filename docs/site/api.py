"""A page for each public module, of its docstrings: which modules, and what Sphinx is given to read."""

from __future__ import annotations

import importlib
import inspect
import re
from collections.abc import Iterator
from pathlib import Path

from tfal.files import write_atomically

# Module: what it is for. Each has __all__, and what that names stands on its page.
MODULES = {
    "tfal": "what most need: query, rank, Campaign, run, Recipe, load",
    "tfal.strategies": "what a strategy is, and all of them by name; each has [a page](../strategies/index.md)",
    "tfal.kernels": "array functions on NumPy or CuPy",
    "tfal.learners": "what is trained and read, by name",
    "tfal.data": "data sets, and arrays of your own",
    "tfal.show": "pictures of what was picked",
    "tfal.report": "curves and tables of a folder of results",
    "tfal.low_budget": "studies at few labels, on frozen features",
    "tfal.sharded": "selection from a pool in parts",
}
# What has no docstring of its own.
VALUES = {
    "tfal.UNSURE": "What ``Campaign.tell`` takes of a sample of which nobody can say what it is.",
    "tfal.strategies.STRATEGIES": "All strategies by name, their classes, and those of plug-ins that were named.",
    "tfal.learners.LEARNERS": "All learners by name, a ``LearnerSpec`` each, and those of plug-ins.",
    "tfal.learners.Builder": "A function (input shape, number of classes) that gives a new keras.Model.",
    "tfal.learners.OnEpoch": "A function of each epoch: name of the learner, epoch from 1, number of epochs.",
    "tfal.data.DATASETS": "The data sets of TensorFlow Datasets that tfal knows by name.",
}
SECTIONS = "Args Attributes Example Examples Note Notes Raises Returns Warns Yields".split()
_SECTION = re.compile(rf"({'|'.join(SECTIONS)}):$")
_NAMED = re.compile(r"((?:[a-z]\w*|[A-Z][a-z]+)(?:, [a-z]\w*)*): ")
_DASH, _NUMBER = re.compile(r"- "), re.compile(r"\d\. ")
_SPECIAL = re.compile(r"([*|\\]|(?<=\w)_(?!\w))")


def write(folder: Path) -> None:
    """Writes index.md and a page for each of MODULES into a folder, which is made."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = "\n".join(f"| [{module}]({module}.md) | {about} |" for module, about in MODULES.items())
    _write(folder / "index.md", f"# API\n\nOf each module, all names that are public.\n\n| | |\n|---|---|\n{rows}\n")
    for module in MODULES:
        directives = f".. automodule:: {module}\n   :members:\n   :imported-members:\n"
        directives += "".join(
            f"\n.. py:data:: {name.rpartition('.')[2]}\n\n   {VALUES[name]}\n" for name in values(module)
        )
        _write(folder / f"{module}.md", f"# {module}\n\n```{{eval-rst}}\n{directives}```\n")


def values(module: str) -> list[str]:
    """The public names of a module that are neither functions nor classes, nor modules: they have no docstring."""
    home = importlib.import_module(module)
    items = {name: getattr(home, name) for name in home.__all__}
    kinds = (inspect.isclass, inspect.isroutine, inspect.ismodule)
    return [f"{module}.{name}" for name, item in items.items() if not any(kind(item) for kind in kinds)]


def _write(path: Path, text: str) -> None:
    write_atomically(path, lambda file: file.write(text.encode()))


def to_rst(docstring: str) -> list[str]:
    """Lines of a docstring, without its margin, as reStructuredText; the sections of Google's style stay as they are.

    Paragraphs that begin with a name and a colon become items of a list, what is indented under them goes on; lists
    have blank lines around them; nothing but `this`, which is code, has a meaning.
    """
    return [line for block in _blocks(docstring.splitlines()) for line in block]


def _blocks(lines: list[str]) -> Iterator[list[str]]:
    """Sections as they are but for text and lists in them; all else as paragraphs and lists."""
    while lines:
        if _SECTION.match(lines[0]):
            end = next((i for i, line in enumerate(lines[1:], 1) if line and not line.startswith(" ")), len(lines))
            yield ["", lines[0], *_separated([_text(line) for line in lines[1:end]]), ""]
        else:
            end = next((i for i, line in enumerate(lines[1:], 1) if _SECTION.match(line)), len(lines))
            yield from map(_paragraph, _paragraphs(lines[:end]))
        lines = lines[end:]


def _paragraphs(lines: list[str]) -> Iterator[list[str]]:
    block: list[str] = []
    for line in [*lines, ""]:
        if line.strip():
            block.append(line)
        elif block:
            yield block
            block = []


def _paragraph(lines: list[str]) -> list[str]:
    """A paragraph, its items, and the lists in it: dashes, numbers, or lines that are indented under its text."""
    if lines[0].lstrip().startswith(">>>"):
        return ["", *lines, ""]
    found: list[str] = [""]
    indents = [len(line) - len(line.lstrip()) for line in lines]
    margin = min(indents)
    step = min((indent for indent in indents if indent > margin), default=0)
    inside, width = "text", 0  # of what goes on: a list's item is as wide as its mark
    for indent, line in zip(indents, lines, strict=True):
        text = _text(line.strip())
        named, listed = _NAMED.match(text), _DASH.match(text)
        if inside == "numbers" or len(found) == 1:
            listed = listed or _NUMBER.match(text)
        if indent > margin and (inside in ("names", "dashes", "numbers") or indent > step):
            found.append(" " * width + text)
        elif indent > margin:
            found += [""] * (inside == "text") + [f"* {text}"]
            inside, width = "indented", 2
        elif named:
            found += ["", f"* **{named[1]}**: {text[named.end() :]}"]
            inside, width = "names", 2
        elif listed:
            kind = "dashes" if text.startswith("-") else "numbers"
            found += [""] * (inside != kind) + [text]
            inside, width = kind, listed.end()
        else:
            found.append(" " * width + text)
    return [*found, ""]


def _separated(lines: list[str]) -> list[str]:
    """Blank lines around the items of lists, which stand under a line of text."""
    found: list[str] = []
    inside: int | None = None
    for line in lines:
        indent = len(line) - len(line.lstrip())
        if line.lstrip().startswith("- "):
            if inside is None:
                found.append("")
            inside = indent
        elif inside is not None and line.strip() and indent <= inside:
            found.append("")
            inside = None
        found.append(line)
    return found


def _text(line: str) -> str:
    """A line in which stars, bars and underscores mean nothing, and `this` is code."""
    if line.lstrip().startswith((">>>", "...")):
        return line
    parts = re.split(r"(`[^`]+`)", line)
    return "".join(f"`{part}`" if part.startswith("`") else _SPECIAL.sub(r"\\\1", part) for part in parts)


def read_docstring(app: object, what: str, name: str, item: object, options: object, lines: list[str]) -> None:
    """What Sphinx asks for each docstring, before the sections are read."""
    lines[:] = to_rst("\n".join(lines))
    if what in ("attribute", "data", "property"):  # where napoleon takes what stands before a colon for a type
        lines[:] = "\n".join(lines).strip().replace(": ", ":\n", 1).splitlines()


def skip_member(app: object, what: str, name: str, item: object, skip: bool, options: object) -> bool | None:
    """What Sphinx asks for each member: fields of named tuples, which say their number alone, go."""
    return True if (inspect.getdoc(item) or "").startswith("Alias for field number") else None


def read_signature(
    app: object, what: str, name: str, item: object, options: object, signature: str | None, returns: str | None
) -> tuple[str | None, str | None]:
    """What Sphinx asks for each signature: defaults that are made anew each time are no Python."""
    return signature and signature.replace("<factory>", "..."), returns
