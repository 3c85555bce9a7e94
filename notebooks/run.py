"""Runs the notebooks from top to bottom, each in a folder of its own: `python -m notebooks.run quickstart --small`.

Needs notebooks/requirements.txt, or nbclient and ipykernel beside what tfal needs. Nothing in the checkout changes,
unless `--keep` writes their outputs into the notebooks, as they are committed: nothing of this machine, no pages of
megabytes.
"""

from __future__ import annotations

import argparse
import base64
import io
import os
import re
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
from PIL import Image

ROOT = Path(__file__).parents[1]
NAMES = tuple(sorted(path.stem for path in Path(__file__).parent.glob("*.ipynb")))
MOST = 100_000  # characters of html that are kept, of one output: a table, but no page
SHOWN = "(The page is shown here when the cell is run.)"
_COLOURS = re.compile(r"\x1b\[[0-9;]*m")
# Lines that TensorFlow's C++ writes to stderr, which Colab shows elsewhere.
_NOTES = re.compile(
    r"^(WARNING: All log messages before absl|[IWE]\d{4} [\d:. ]+|[\d-]+ [\d:.]+: [IWE] ).*\n?", re.MULTILINE
)


def run(name: str, folder: Path, *, small: bool, timeout: int = 3600) -> Any:
    """The notebook with its outputs, run in `folder`, where its results lie; run there again it goes on.

    Raises RuntimeError for a cell that fails, that takes longer than `timeout` [seconds], or that writes to stderr,
    where warnings go; what goes on may say there that some of it is done.
    """
    goes_on = any(folder.iterdir())
    book = nbformat.read(Path(__file__).with_name(f"{name}.ipynb"), as_version=4)  # type: ignore[no-untyped-call]
    place: Any = {"metadata": {"path": str(folder)}}
    client = NotebookClient(book, timeout=timeout, kernel_name="python3", coalesce_streams=True, resources=place)
    try:
        client.execute(env=_environment(folder, small))
    except (CellExecutionError, CellTimeoutError, DeadKernelError) as error:
        lines = [line for line in _COLOURS.sub("", str(error)).splitlines() if line.strip()]
        raise RuntimeError(f"{name}: {lines[-1] if lines else type(error).__name__}{_complaints(book)}") from error
    complaints = _complaints(book)
    if complaints and not goes_on:
        raise RuntimeError(f"{name}:{complaints}")
    return book


def _environment(folder: Path, small: bool) -> dict[str, str]:
    given = {"TFAL_FOLDER": str(ROOT), "TFDS_DATA_DIR": str(folder / "tfds"), "PIP_ROOT_USER_ACTION": "ignore"}
    return os.environ | given | ({"TFAL_NOTEBOOK": "small"} if small else {})


def _complaints(book: Any) -> str:
    """What cells write to stderr, but for notes of C++, which are taken out."""
    found = ""
    for number, cell in enumerate(book.cells, 1):
        for output in cell.get("outputs", ()):
            if output.get("name") == "stderr":
                output["text"] = _NOTES.sub("", output["text"])
                found += f" Cell {number} writes to stderr: {output['text'].strip()}" if output["text"].strip() else ""
        if "outputs" in cell:
            cell["outputs"] = [output for output in cell["outputs"] if output.get("text", "some").strip()]
    return found


def clean(book: Any, folder: Path) -> None:
    """Makes the notebook what is committed.

    Paths are as if `folder` were the current one, pages are said and not shown, and pictures have 256 colors at most.
    """
    for cell in book.cells:
        cell.metadata.pop("execution", None)
        for output in cell.get("outputs", ()):
            data = output.get("data", {})
            if len(data.get("text/html", "")) > MOST:
                data.pop("text/html")
                data["text/plain"] = SHOWN
            if "image/png" in data:
                data["image/png"] = _fewer_colors(data["image/png"])
            for held in (output, data):
                for key in [key for key in held if key.startswith("text")]:
                    held[key] = held[key].replace(f"{folder}/", "").replace(str(folder), ".").replace(f"{ROOT}/", "")
    book.metadata = {"kernelspec": book.metadata["kernelspec"], "language_info": {"name": "python"}}


def _fewer_colors(png: str) -> str:
    """A picture in base64, with a palette: a third of the bytes."""
    picture, written = Image.open(io.BytesIO(base64.b64decode(png))), io.BytesIO()
    picture.convert("RGB").quantize(256, Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE).save(
        written, "PNG", optimize=True
    )
    return base64.b64encode(written.getvalue()).decode()


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; returns 1 when a notebook fails, which ends the others, too."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    listed = ", ".join(NAMES)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"which of them, all when none is named: {listed}")
    parser.add_argument("--small", action="store_true", help="with settings of a minute, whose figures mean nothing")
    parser.add_argument(
        "--folder", type=Path, help="run in FOLDER/<name>, which keeps results and outputs; go on there"
    )
    parser.add_argument("--keep", action="store_true", help="write the outputs into the notebooks of the checkout")
    given = parser.parse_args(arguments)
    unknown = sorted({*given.names} - {*NAMES})
    if unknown:
        parser.error(f"there is no notebook {unknown[0]!r}. Valid: {listed}.")
    if given.keep and given.small:
        parser.error("--keep commits figures, and those of --small mean nothing. Leave one of them out.")
    with tempfile.TemporaryDirectory() as temporary:
        for name in given.names or NAMES:
            folder = ((given.folder or Path(temporary)) / name).resolve()
            folder.mkdir(parents=True, exist_ok=True)
            began = time.monotonic()
            try:
                book = run(name, folder, small=given.small)
            except RuntimeError as error:
                print(error, file=sys.stderr)
                return 1
            clean(book, folder)
            place = Path(__file__).parent if given.keep else folder
            nbformat.write(book, place / f"{name}.ipynb")  # type: ignore[no-untyped-call]
            print(f"{name}: {len(book.cells)} cells, {time.monotonic() - began:.0f} s", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
