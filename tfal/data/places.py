"""Where data lie, as a command line says it: one folder for all data sets, or one by name."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from tfal.errors import InputError, unknown_name


def data_dirs(given: Sequence[str]) -> dict[str, str]:
    """Folders of --dataDir [NAME=]DIR by the name of a set or data set; "" for all others.

    Raises InputError where one is given twice.
    """
    found: dict[str, str] = {}
    for text in given:
        name, equals, where = text.rpartition("=") if not Path(text).exists() else ("", "", text)
        if name in found:
            raise InputError(f"--dataDir is given twice for {name or 'all runs'}. Received: {text!r}. Leave one out.")
        found[name] = str(Path(where if equals else text).absolute())
    return found


def data_dir(known: Mapping[str, str], *names: str) -> str | None:
    """The folder that is given for the first of these names that has one, or else for all; None without any."""
    return next((known[name] for name in (*names, "") if name in known), None)


def check_named(
    known: Mapping[str, str], names: Collection[str], unknown_sets: Collection[str], folderless: Collection[str] = ()
) -> None:
    """Raises InputError where a folder is given for a name that is none of these, as nobody would look there.

    unknown_sets: data sets whose images are the unknown classes of others; they are looked for beside the known ones.
    folderless: names of data that come with a library.
    """
    valid = {*names} - {""}
    for name in known.keys() - valid - {""}:
        if name in unknown_sets:
            raise InputError(
                f"--dataDir {name}={known[name]}: the images of {name} are unknown classes of another data set here, "
                "and looked for in its folder. Give one folder that has both, as --dataDir DIR."
            )
        if name in folderless:
            raise InputError(f"--dataDir {name}={known[name]}: the data of {name} come with a library. Leave it out.")
        if not valid:
            raise InputError(f"--dataDir {name}={known[name]}: no data set here has a name. Give --dataDir DIR.")
        raise InputError(f"--dataDir {name}={known[name]}: {unknown_name('set or data set', name, valid)}")
