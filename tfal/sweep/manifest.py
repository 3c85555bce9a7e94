"""A manifest: one TOML file that says what is compared. docs/SWEEPS.md tells how to write one."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tfal.errors import InputError, folded, resolve_name
from tfal.files import storage_errors
from tfal.recipe.names import check_part
from tfal.sweep.option_sets import OptionSet, option_sets
from tfal.sweep.tables import Options, inside, refuse_unknown, resources_of, rows_of, table_of

_TABLES = ("sweep", "base", "grid", "set", "strategy", "resources", "published")
_OF_A_VARIANT = _TABLES
_OF_THE_WHOLE = ("published", "gpu_hours")  # what is known of a manifest says nothing of its variants
_PUBLISHED = {"labels": (int,), "value": (float, int), "source": (str,)}
_TOLD = {"set": (str,), "strategy": (str,), "std": (float, int), "metric": (str,)}


@dataclass(frozen=True)
class Manifest:
    """What is compared, and what is known of it.

    about, source: in words; the publication. gpu_hours: an estimate; None: none. n_shard: jobs that read the features
    of one data set. published: numbers of the publication: labels, value, source, perhaps set, strategy, std, metric.
    """

    path: Path
    name: str
    sets: tuple[OptionSet, ...]
    about: str = ""
    source: str = ""
    gpu_hours: float | None = None
    n_shard: int = 1
    published: tuple[Options, ...] = ()


def read_manifest(path: Path, variant: str | None = None) -> Manifest:
    """The manifest in a file; with `variant`, what its table of that name changes.

    Raises InputError for a file that is none, for unknown keys, with the nearest known one, and for an empty grid.
    """
    content, where = _content(path), str(path)
    variants = [name for name in content if name not in _TABLES and isinstance(content[name], dict)]
    refuse_unknown(where, {name: 0 for name in content if name not in variants}, _TABLES)
    for name in variants:
        refuse_unknown(f"{where}, variant [{name}] (or a misspelt table)", content[name], _OF_A_VARIANT)
    changes = content if variant is None else content[resolve_name(f"variant of {path}", variant, variants)]
    if variant is not None:
        content = _varied(content, changes)
    about = table_of(where, content, "sweep")
    with inside(where):
        name = check_part("name", str(about.get("name", path.stem)))
    refuse_unknown(f"{where}, [sweep]", about, ("name", "about", "source"))
    resources, shared = resources_of(where, table_of(where, content, "resources"))
    used = table_of(where, changes, "strategy")  # of a variant its own: it may have fewer strategies than the whole
    return Manifest(
        path,
        f"{name}-{variant}" if variant else name,
        tuple(option_sets(where, content, resources, used)),
        str(about.get("about", "")),
        str(about.get("source", "")),
        published=tuple(_published(where, row) for row in rows_of(where, content, "published")),
        **shared,
    )


def _content(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise InputError(
            f"there is no manifest {path}. Give the path of a TOML file, such as reproduce/ldms_mnist.toml."
        )
    with storage_errors(path), path.open("rb") as file:
        try:
            return tomllib.load(file)
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise InputError(f"{path} is not TOML: {error}. Mend it there.") from None


def _varied(content: dict[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """The tables with what a variant changes, key by key; lists, of sets and of published numbers, as a whole."""
    kept = {name: table for name, table in content.items() if name not in _OF_THE_WHOLE}
    if isinstance(kept.get("resources"), dict):
        kept["resources"] = {key: value for key, value in kept["resources"].items() if key not in _OF_THE_WHOLE}
    return kept | {
        name: _changed(kept.get(name, {}), table) if isinstance(table, dict) else table
        for name, table in changes.items()
    }


def _changed(table: Any, changes: Mapping[str, Any]) -> dict[str, Any]:
    """A table with other values of some keys, which may be spelled as flags in one and as fields in the other."""
    new = {folded(key) for key in changes}
    kept = table.items() if isinstance(table, dict) else ()
    return {key: value for key, value in kept if folded(key) not in new} | dict(changes)


def _published(where: str, row: Options) -> Options:
    kinds = {**_PUBLISHED, **_TOLD}
    refuse_unknown(f"{where}, published", row, kinds)
    wrong = [name for name in kinds if name in row and not isinstance(row[name], kinds[name])]
    wrong += [name for name in _PUBLISHED if name not in row]
    if wrong:
        raise InputError(
            f"{where}, published: each needs labels (a whole number), value (a number) and source (text). "
            f"Received: {row}. Mend {wrong[0]}."
        )
    return row
