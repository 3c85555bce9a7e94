"""A page that people label pictures on: one html file, without a server."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tfal.labeling.answers import Asked


def write_page(file: Path, asked: Sequence[Asked], classes: Sequence[str], root: Path, title: str) -> None:
    """Writes the page for `asked`, pictures below the folder `root`; what it saves is read by `read_csv`.

    title: what stands above it, the campaign and the round. What was labeled on a page of the same place, title,
    classes and pictures before is still there. It saves <name of file without .html>_labels.csv.
    """
    raise NotImplementedError
