"""The results folder of a folder of pictures: what it was made for, its names, and its lock. Loads no TensorFlow.

```
results/labeling/PHOTOS/
  to_label.html, to_label.csv    the batch that is open: answer in the one or in the other
  answers.csv, asked.csv         every answer, with its file; every question, with the path of that day
  rounds.csv                     a row a round: labels, accuracy, its interval, strategy
  model.keras, model.json        the classifier, and what its outputs are called
  photographs.csv, files.csv     ids and hashes of the pictures; hashes of all files
  labeling.json, campaign/       what all this was made for; which pictures are labeled, and what is asked for
  encoder/                       the frozen encoder, where it was trained here, and the features of all pictures
```
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tfal.errors import InputError
from tfal.files import check_writable, read_json
from tfal.labeling.options import Options
from tfal.storage.folder import Folder, differing, digest_of

FORMAT = 1
_MEND = "Bring back a copy of it, or give another --resultsDir."
_KEPT = ("encoder_statistics", "image_size", "seed")  # options that belong to the features


class Place:
    """The results folder of `options`. Raises InputError where it is of something else; writes nothing.

    Attributes: root, the folder of pictures; path, the results folder; outside, folders for results, which are no
    pictures even where they lie among them; moved, whether it was made when the pictures lay somewhere else; added,
    classes that follow those before; renamed, whether the classes are others than those of the page that is there.
    """

    def __init__(self, options: Options) -> None:
        self.root = Path(options.images)
        name = self.root.resolve().name or "pictures"
        results = Path(options.results_dir)
        self.path = results / "labeling" / name
        inside = results.resolve() != self.root.resolve() and results.resolve().is_relative_to(self.root.resolve())
        self.outside = [results if inside else self.path]
        self._folder = Folder(self.path, "labeling.json", ["photographs.csv"])
        self._about = self._described(options)
        check_writable(self.path)
        if options.predict:
            _check_file(Path(options.predict))
        stored = self._folder.stored(lambda path: read_json(path, _MEND))
        self.moved = stored is not None and stored.get("images") != self._about["images"]
        self.renamed = stored is not None and stored.get("classes") != self._about["classes"]
        self.added = self._added(stored) if stored else []
        self._stored = stored

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Holds the folder for this process. Raises InputError when another one has it."""
        with self._folder.locked((self.path / "encoder", self.path / "campaign")):
            yield

    def write(self) -> None:
        """Notes what it is made for. Raises StorageError."""
        if self._stored != self._about:
            self._folder.write(self._about)
            self._stored = self._about

    def _described(self, options: Options) -> dict[str, Any]:
        about = {
            "format": FORMAT,
            "images": str(self.root.resolve()),
            "classes": list(options.class_names),
            "encoder": _encoder(options.encoder),
            **{name: getattr(options, name) for name in _KEPT},
        }
        return about | ({"network": options.network} if options.encoder == "simclr" else {})

    def _added(self, stored: dict[str, Any]) -> list[str]:
        """Classes that were not there before; InputError where anything else is other than it was.

        Before anything is answered, the classes may be any others, and before features are read, the options of these.
        """
        before, here = list(stored.get("classes", ())), list(self._about["classes"])
        there, now = (
            {name: value for name, value in about.items() if name not in ("images", "classes")}
            for about in (stored, self._about)
        )
        is_read = any((self.path / "encoder" / name).exists() for name in ("encoder.keras", "features.json"))
        differences = differing(there, now) if is_read else []
        answered = (self.path / "answers.csv").exists()
        if answered and here[: len(before)] != before:
            differences.append(f"classes: {','.join(before)} there, {','.join(here)} here; new ones go to the end")
        if differences:
            raise InputError(
                f"{self.path} was made with other options ({'; '.join(differences)}). Use the same ones to go on, or "
                "give another --resultsDir."
            )
        return here[len(before) :] if here[: len(before)] == before else []


def _check_file(file: Path) -> None:
    """Raises InputError where the predictions could not be written at the end."""
    if file.is_dir():
        raise InputError(
            f"--predict must be a csv file to write. Received: the folder {str(file)!r}. Name a file in it."
        )
    check_writable(file.parent, "the folder of --predict", "Give another file.")


def _encoder(given: str) -> str:
    """The encoder, a file by its contents. Raises InputError where there is no such file."""
    if given == "simclr" or given.startswith("keras:"):
        return given
    file = Path(given)
    if not file.is_file():
        raise InputError(f"--encoder: there is no file {given!r}. Correct the path, or give simclr or keras:NAME.")
    return f"{file.name} {digest_of(file.read_bytes())}"
