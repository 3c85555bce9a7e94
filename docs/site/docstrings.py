"""Docstrings as this project writes them: plain text, and its parts.

Beside the sections of Google's style (Args, Returns, Raises, ...) a paragraph that begins with a name and a colon says
what that is, lines that are indented under it go on, and `this` is code. Nothing else has a meaning: stars, bars and
underscores are what they look like.
"""

from __future__ import annotations

import inspect
import re
from typing import NamedTuple

PARTS = ("Paper", "Formula", "Definition", "Cost", "Use")  # of a strategy's docstring
_PART = re.compile(rf"({'|'.join(PARTS)}): ")
_CONTINUED = re.compile(r"\s+\S")


class StrategyText(NamedTuple):
    """A strategy's docstring: its first paragraph, its PARTS by name, and the paragraphs that are left."""

    summary: str
    parts: dict[str, str]
    rest: list[str]


def read_strategy(docstring: str | None) -> StrategyText:
    """Takes a class docstring apart. A part that is not there has no key; one that is there twice is a ValueError."""
    blocks = re.split(r"\n\s*\n", inspect.cleandoc(docstring or ""))
    parts: dict[str, str] = {}
    rest = []
    for block in blocks[1:]:
        left: list[str] = []
        name = ""
        for line in block.splitlines():
            begins = _PART.match(line)
            if begins:
                name = begins[1]
                if name in parts:
                    raise ValueError(f"a docstring has one part of each name. Received: two called {name!r}.")
                parts[name] = line[begins.end() :]
            elif name and _CONTINUED.match(line):
                parts[name] += " " + line.strip()
            else:
                name = ""
                left.append(line)
        if left:
            rest.append("\n".join(left))
    return StrategyText(" ".join(blocks[0].split()), parts, rest)


def to_markdown(text: str) -> str:
    """A paragraph of a docstring as Markdown that looks like it; `this` stays code."""
    code = re.split(r"(`[^`]+`)", " ".join(text.split()))
    return "".join(part if part.startswith("`") else re.sub(r"([\\*_<>\[\]|#$~])", r"\\\1", part) for part in code)
