"""What people are asked, as tasks for Label Studio, and what they answered, as its export."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path

from tfal.labeling.answers import Answer, Asked


def write_tasks(folder: Path, asked: Sequence[Asked], classes: Sequence[str], root: Path) -> None:
    """Writes label_studio_tasks.json, to be imported, and label_studio_config.xml, the project's labeling interface."""
    raise NotImplementedError


def read_label_studio(
    file: Path, classes: Sequence[str], paths: Collection[str], disagreement: str = "majority"
) -> list[Answer]:
    """The answers in an export (JSON or JSON-MIN). disagreement: of annotators: "majority" or "refuse"."""
    raise NotImplementedError
