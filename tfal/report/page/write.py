"""The page: sections of charts and tables in one html file that loads nothing, and their files beside it.

A policy in its head lets it run its own two scripts alone, Plotly and page.js, whose digests it names. All words that
come from results are escaped.
"""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from tfal.errors import InputError
from tfal.files import check_writable, make_folder, write_text
from tfal.report.cautions import cautions
from tfal.report.comparison import Comparison, read_comparison
from tfal.report.figures import Style
from tfal.report.group import largest_group
from tfal.report.page.beside import Beside
from tfal.report.page.charts import Chart, looks, overall_charts, setting_charts
from tfal.report.page.interactive import figure_json, in_script, plotly_script
from tfal.report.page.memories import memory_pictures
from tfal.report.page.picks import Picture, pick_pictures
from tfal.report.page.pictures import KINDS, write_pictures
from tfal.report.tables import Table, measured_tables, overall_tables, recipe_tables, setting_tables
from tfal.report.words import counted

_TEMPLATE = Path(__file__).with_name("page.html")
_PROSE = ("runs", "machines", "shared")  # tables of words
_OF_TABLES = ("csv", "tex")
_UNSAFE = re.compile(r"[^A-Za-z0-9._-]+")


@dataclass
class Section:
    """A tab. name: what it is called. folder: of its files. picks: figures. pictures: html of images."""

    name: str
    folder: str
    charts: Sequence[Chart] = ()
    tables: Sequence[Table] = ()
    picks: Sequence[Picture] = ()
    pictures: Sequence[str] = ()


def write_report(folders: Sequence[Path], file: Path, data_dirs: Mapping[str, str] = MappingProxyType({})) -> list[str]:
    """Reads results and writes the page, and in the folder <its name>_files every figure and table.

    Args:
        folders: see `read_comparison`.
        file: the page, a name that ends in .html.
        data_dirs: where data lie, by the name of a data set, "" for all others, for pictures of what was picked.

    Returns:
        What was written, in a few lines.

    Raises:
        InputError: Plotly is not installed, another name, no results, damaged ones, a place that cannot be written to,
            data that are not those of the runs.
        StorageError: the disk is full, and the like.
    """
    if file.suffix.lower() not in (".html", ".htm"):
        raise InputError(f"--html must name a file that ends in .html. Received: {str(file)!r}.")
    script = plotly_script()
    beside = file.with_name(f"{file.stem}_files")
    check_writable(file.parent, "the folder of the page", "Give another --html.")
    check_writable(beside, "the folder of figures and tables", "Give another --html.")
    comparison = read_comparison(folders)
    picks, without = pick_pictures(comparison, data_dirs)
    warnings, styles = [*cautions(comparison), *without], looks(comparison)
    sections = _sections(comparison, picks)
    files = Beside(beside, {section.folder: _names(section) for section in sections})
    for section in sections:
        _write_files(section, beside, styles)
    parts = _Parts(styles, beside.name)
    body = "\n".join(parts.section(section, warnings if place == 0 else None) for place, section in enumerate(sections))
    write_text(file, _page(comparison, sections, body, script))
    files.remove_stale()
    runs = sum(len(by_rep) for setting in comparison.settings for by_rep in setting.runs.values())
    return [
        f"Read: {counted(runs, 'run')} of {counted(len(comparison.strategies), 'strategy', 'strategies')} in "
        f"{counted(len(comparison.settings), 'setting')}.",
        *(f"Note: {sentence}" for sentence in warnings),
        f"Page: {file}   Figures and tables: {beside}/ ({files.n} files)",
    ]


def _sections(comparison: Comparison, picks: Mapping[str, Sequence[Picture]]) -> list[Section]:
    group = largest_group(comparison)
    found = [
        Section("Overview", "overview", tables=recipe_tables(comparison)),
        Section("All settings", "all_settings", overall_charts(group), overall_tables(comparison, group)),
    ]
    taken = {section.folder for section in found}
    for setting in comparison.settings:
        folder = stem = _UNSAFE.sub("_", setting.name).strip(".") or "setting"
        number = 1
        while folder in taken:
            folder, number = f"{stem}_{number + 1}", number + 1
        taken.add(folder)
        tables = [*setting_tables(setting), *measured_tables(setting)]
        charts, drawn = setting_charts(setting), picks.get(setting.name, ())
        found.append(Section(setting.name, folder, charts, tables, drawn, memory_pictures(setting)))
    return found


def _names(section: Section) -> list[str]:
    """The files of a section."""
    figures = [part.key for part in (*section.charts, *section.picks)]
    tables = [table.key for table in section.tables if table.rows]
    return [
        f"{key}.{kind}" for keys, kinds in ((figures, KINDS), (tables, _OF_TABLES)) for key in keys for kind in kinds
    ]


def _write_files(section: Section, beside: Path, styles: Mapping[str, Style]) -> None:
    folder = beside / section.folder
    make_folder(folder)
    for chart in section.charts:
        write_pictures(chart, styles, folder, section.name)
    for picture in section.picks:
        picture.write(folder)
    for table in section.tables:
        if table.rows:
            write_text(folder / f"{table.key}.csv", table.csv())
            write_text(folder / f"{table.key}.tex", table.latex())


class _Parts:
    """The html of sections. beside: name of the folder with the files."""

    def __init__(self, styles: Mapping[str, Style], beside: str) -> None:
        self._styles, self._beside = styles, beside

    def section(self, section: Section, warnings: Sequence[str] | None) -> str:
        """A tab's panel; warnings: None but for the first one."""
        hidden = "" if warnings is not None else " hidden"
        where = f'id="panel-{section.folder}" role="tabpanel" aria-labelledby="tab-{section.folder}"'
        parts = [f"<section {where}{hidden}>", f"<h2>{_text(section.name)}</h2>"]
        parts += _warnings(warnings) if warnings is not None else []
        parts += [self._chart(section.folder, chart) for chart in section.charts]
        parts += [self._picture(section.folder, picture) for picture in section.picks]
        parts += section.pictures
        parts += [_table(section.folder, table) for table in section.tables]
        return "\n".join([*parts, "</section>"])

    def _chart(self, folder: str, chart: Chart) -> str:
        name, data = f"{folder}-{chart.key}", figure_json(chart, self._styles)
        return (
            f'<figure id="figure-{name}"><h3>{_text(chart.title)} {self._files(folder, chart.key)}</h3>'
            f'<div class="chart" id="chart-{name}"></div><figcaption>{_text(chart.caption)}</figcaption>'
            f'<script type="application/json">{in_script(data)}</script></figure>'
        )

    def _picture(self, folder: str, picture: Picture) -> str:
        title = _text(picture.title)
        return (
            f'<div class="pictures" id="picture-{folder}-{picture.key}"><h3>{title} {self._files(folder, picture.key)}'
            f'</h3><img alt="{title}" src="{picture.png()}"><p class="note">{_text(picture.caption)}</p></div>'
        )

    def _files(self, folder: str, key: str) -> str:
        where = f"{_text(self._beside)}/{folder}/{key}"
        links = " ".join(f'<a href="{where}.{kind}" download>{kind.upper()}</a>' for kind in KINDS)
        return f'<span class="files">{links}</span>'


def _warnings(sentences: Sequence[str]) -> list[str]:
    if not sentences:
        return ['<p class="note">Nothing to warn of was found.</p>']
    items = "".join(f"<li>{_text(sentence)}</li>" for sentence in sentences)
    return [f'<div class="warnings" role="note"><h3>Read this first</h3><ul>{items}</ul></div>']


def _table(folder: str, table: Table) -> str:
    """A table with its buttons; what they copy stands beside it."""
    notes = "".join(f'<p class="note">{_text(note)}</p>' for note in table.notes)
    if not table.rows:
        return f'<div class="table"><h3>{_text(table.title)}</h3>{notes}</div>'
    buttons = "".join(
        f'<button type="button" data-copy="{kind}">Copy {text}</button>'
        for kind, text in (("csv", "CSV"), ("tex", "LaTeX"))
    )
    texts = "".join(
        f'<script type="text/plain" data-kind="{kind}">{in_script(json.dumps(text))}</script>'
        for kind, text in (("csv", table.csv()), ("tex", table.latex()))
    )
    prose = ' class="prose"' if table.key in _PROSE else ""
    head = "".join(f'<th scope="col">{_text(cell)}</th>' for cell in table.head)
    rows = "".join(
        f'<tr><th scope="row">{_text(first)}</th>{"".join(f"<td>{_text(cell)}</td>" for cell in rest)}</tr>'
        for first, *rest in table.rows
    )
    return (
        f'<div class="table" id="table-{folder}-{table.key}">'
        f'<h3>{_text(table.title)} <span class="files">{buttons}</span></h3>'
        f'<div class="scroll" tabindex="0"><table{prose}><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>'
        f"</div>{notes}{texts}</div>"
    )


def _page(comparison: Comparison, sections: Sequence[Section], body: str, plotly_script: str) -> str:
    style, script, page = (_TEMPLATE.with_suffix(kind).read_text(encoding="utf-8") for kind in (".css", ".js", ".html"))
    policy = (
        "default-src 'none'; base-uri 'none'; form-action 'none'; img-src data: blob:; style-src 'unsafe-inline'; "
        f"script-src {_digest(plotly_script)} {_digest(script)}"
    )
    first = comparison.settings[0].name
    title = first if len(comparison.settings) == 1 else f"{len(comparison.settings)} settings"
    given = {
        "POLICY": policy,
        "STYLE": style,
        "TITLE": _text(f"Active learning: {title}"),
        "TABS": "\n".join(_tabs(sections)),
        "BODY": body,
        "PLOTLY": plotly_script,
        "SCRIPT": script,
    }
    return re.sub(r"@([A-Z]+)@", lambda match: given.get(match[1], match[0]), page)


def _tabs(sections: Sequence[Section]) -> Iterator[str]:
    for place, section in enumerate(sections):
        state = f'aria-selected="{"false" if place else "true"}" aria-controls="panel-{section.folder}"'
        name = re.sub(r"([/_])", r"\1<wbr>", _text(section.name))  # where a long one may be broken
        yield f'<button type="button" role="tab" id="tab-{section.folder}" {state}>{name}</button>'


def _digest(text: str) -> str:
    """What a policy calls a script that may be used."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _text(text: str) -> str:
    return html.escape(text)
