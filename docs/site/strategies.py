"""A page for each strategy, made of its class: what it says of itself, options, picks in the plane, curves."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from docs.gallery import picture
from docs.site import curves
from docs.site.docstrings import read_strategy, to_markdown
from docs.toy import N_QUERY, N_ROUND
from tfal.errors import InputError
from tfal.files import write_atomically
from tfal.learners import LEARNERS
from tfal.recipe.components import strategy_options
from tfal.recipe.options import flag
from tfal.report.figures import save as save_figure
from tfal.strategies import STRATEGIES, Strategy

TITLES = {"Use": "When to use it"}
GROUPS = {
    "A trained classifier": "They ask what the classifier of the round says, and so need first labels.",
    "No labels needed": "They read images or frozen features alone, and can choose the first labels (`--initial`).",
    "Open sets": "For pools with samples of no class of interest; see [open sets](../OPEN_SET.md).",
}


_GALLERY = "[![Picks of all strategies of closed sets on one pool, by round](../gallery.png)](../gallery.png)\n"


def write(folder: Path, pictures: bool = True) -> None:
    """Writes index.md, and a page with its pictures for every strategy, into a folder, which is made."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in STRATEGIES:
        _write(folder / f"{name}.md", page(name, folder if pictures else None))
    _write(folder / "index.md", index())


def _write(path: Path, text: str) -> None:
    write_atomically(path, lambda file: file.write(text.encode()))


def group(name: str) -> str:
    """Which of GROUPS a strategy is in."""
    if STRATEGIES[name].open_sets:
        return "Open sets"
    return "A trained classifier" if "labels" in _trained_on(STRATEGIES[name]).values() else "No labels needed"


def index() -> str:
    """The overview: the gallery, and a table for each group."""
    parts = ["# Strategies\n", _GALLERY]
    parts.append(
        "Four rounds on one pool in the plane, from the same first labels; colors are classes, regions what the last "
        "network says. The upper left end of the upper moon holds 40 near copies of one sample. Made by "
        "`python -m docs.gallery`; what stands for networks is said in `docs/toy.py`.\n"
    )
    for title, about in GROUPS.items():
        rows = [
            f"| [{name}]({name}.md) | {to_markdown(read_strategy(STRATEGIES[name].__doc__).summary)} |"
            for name in STRATEGIES
            if group(name) == title
        ]
        parts += [f"## {title}\n", f"{about}\n", "| | |\n|---|---|\n" + "\n".join(rows) + "\n"]
    return "\n".join(parts)


def page(name: str, folder: Path | None) -> str:
    """The page of one strategy as Markdown. folder: where its pictures are written; None: it has none."""
    strategy, text = STRATEGIES[name], read_strategy(STRATEGIES[name].__doc__)
    title, summary = _title(name, text.summary)
    parts = [f"# {title}\n", f"`--strategy {name}`: {_sentence(summary)}\n", _picks(name, folder)]
    parts += [f"**{TITLES.get(part, part)}.** {_sentence(said)}\n" for part, said in text.parts.items()]
    of_fields = [paragraph for paragraph in text.rest if _names_a_field(paragraph, strategy)]
    parts += [to_markdown(paragraph) + "\n" for paragraph in text.rest if paragraph not in of_fields]
    parts += ["## What it needs\n", _needs(strategy), "## Options\n"]
    parts += [to_markdown(paragraph) + "\n" for paragraph in of_fields] + [_options(strategy)]
    parts += ["## Measured\n", _curves(name, folder), "## In Python\n"]
    kind = f"{strategy.__module__}.{strategy.__qualname__}"
    parts.append(
        f"`tfal.query({name!r}, ...)`, see [tfal](../api/tfal.md), or the class itself, `{kind}`, in a recipe. Where "
        "a method is not what its public code does, [What differs from the originals](../DIFFERENCES.md) says so.\n"
    )
    return "\n".join(parts)


def _title(name: str, summary: str) -> tuple[str, str]:
    """What the paper calls it, where the summary begins with that, else its name here; and the rest of the summary."""
    known, colon, rest = summary.partition(": ")
    return (known, rest) if colon and " " not in known else (name, summary)


def _sentence(text: str) -> str:
    return to_markdown(text[:1].upper() + text[1:])


def _names_a_field(paragraph: str, strategy: type[Strategy]) -> bool:
    first = re.match(r"\w+", paragraph)
    return first is not None and first[0] in {field.name for field in strategy_options(strategy)}


def _picks(name: str, folder: Path | None) -> str:
    if folder is None:
        return ""
    try:
        save_figure(picture(name), folder / f"{name}_picks.png")
    except InputError as error:
        return f"There is no picture of its picks in the plane: {to_markdown(str(error))}.\n"
    unknown = " Crosses are of a class of no interest." if STRATEGIES[name].open_sets else ""
    return (
        f"![Picks of {name} in the plane, by round]({name}_picks.png)\n\n"
        f"*{N_ROUND} rounds of {N_QUERY} picks in the plane of the [gallery](index.md), default options.{unknown}*\n"
    )


def _trained_on(strategy: type[Strategy]) -> dict[str, str]:
    """What each learner that it reads is trained on."""
    try:
        learners = strategy().learners
    except InputError:  # one that cannot be made without a file
        learners = strategy.learners
    return {learner: LEARNERS[learner].trained_on for learner in learners}


def _needs(strategy: type[Strategy]) -> str:
    trained_on = _trained_on(strategy)
    ranks = strategy.scores is not Strategy.scores
    in_parts = {"scores": "yes, exactly", "rounds": "yes, in two rounds"}.get(strategy.splits or "", "no")
    rows = [
        ("reads", ", ".join(f"{learner} (trained on {on})" for learner, on in trained_on.items()) or "no network"),
        ("needs labels before its first query", "yes" if "labels" in trained_on.values() else "no"),
        ("looks at classes of labeled samples", "yes" if strategy.uses_labels else "no"),
        ("`tfal.rank`", "scores single samples" if ranks else "chooses a batch; there are no scores"),
        ("[very large pools](../LARGE_POOLS.md)", in_parts),
        ("keeps from round to round", ", ".join(f"`{key}`" for key in strategy.memory_shapes) or "nothing"),
    ]
    if strategy.oracle:
        rows.append(("oracle", "it looks at labels that nobody has bought: a bound, not a method"))
    return _table(("", ""), rows)


def _options(strategy: type[Strategy]) -> str:
    """Its own, and those of the learners that it reads."""
    own = strategy_options(strategy)
    parts = [_table_of(own) if own else "It has none of its own.\n"]
    for learner in _trained_on(strategy):
        fields = LEARNERS[learner].fields
        parts += [f"### Of {learner}, which it reads\n", _table_of(fields)] if fields else []
    return "\n".join(parts)


def _table_of(fields: Sequence[dataclasses.Field[Any]]) -> str:
    rows = []
    for field in fields:
        notes = field.metadata
        choices = f" ({', '.join(notes['choices'])})" if notes.get("choices") else ""
        default = "not set" if field.default in (None, "") else f"`{field.default}`"
        rows.append(
            (
                f"`{field.name}`",
                f"`{flag(field.name)}`",
                default,
                to_markdown(notes.get("help", "") + choices),
                notes.get("source") or "tfal",
            )
        )
    return _table(("in Python", "flag", "default", "what it is", "default of"), rows)


def _curves(name: str, folder: Path | None) -> str:
    shown = curves.of_strategy(name)
    if not shown:
        return "The [reference results](../../results/reference/README.md) do not have it yet.\n"
    if folder is None:
        return ""
    save_figure(curves.draw(name), folder / f"{name}_curves.png")
    pages = dict.fromkeys(experiment.page for experiment in shown)
    links = ", ".join(f"[{Path(page).parent.name}](../../{page})" for page in pages)
    return (
        f"![Learning curves of {name}]({name}_curves.png)\n\n"
        f"*Mean and standard deviation over repetitions; settings and commands: {links}.*\n"
    )


def _table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    lines = [tuple(head), *map(tuple, rows)]
    lines.insert(1, ("---",) * len(lines[0]))
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"
