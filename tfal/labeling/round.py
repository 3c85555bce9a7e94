"""One round: answers are read, a classifier is trained and judged, and the next pictures are asked for.

Whatever ends a round at any moment, the next call goes on: answers are kept before anything is made of them, what is
asked for is kept before it is shown, and all else is made anew.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tfal.campaign import Campaign
from tfal.evaluation.calibration import temperature
from tfal.files import write_json
from tfal.labeling.accuracy import FEW, TEMPERATURES, Accuracy, accuracy, too_few
from tfal.labeling.answer_files import BATCH, PAGE, PATTERNS, AnswerFiles, Question
from tfal.labeling.answers import NONE, UNSURE, write_csv, written
from tfal.labeling.classifier import Classifiers, Labeled, Trained
from tfal.labeling.encoding import Encoding, save
from tfal.labeling.label_studio import TASKS, write_tasks
from tfal.labeling.options import Options
from tfal.labeling.page import write_page
from tfal.labeling.photographs import Photographs
from tfal.labeling.place import Place
from tfal.pool.told import UNSURE as CANNOT_SAY
from tfal.storage.tables import read_table, write_table

if TYPE_CHECKING:
    from tfal.learners.base import Builder

_SHARE = 0.5  # of the pictures, which must be in a folder that is taken for one that was moved
_INPUT = (
    "RGB as floats from 0 to 1: the shorter side scaled to 8/7 of size, and size x size pixels of the centre cut out"
)


class Round:
    """One call of the command, in `place`, which is locked.

    Raises InputError for answers that cannot be used, an encoder or pictures that do not fit.
    """

    def __init__(self, place: Place, options: Options, build: Builder) -> None:
        self._place, self._options, self._build = place, options, build
        others = [Path(name.strip()) for name in (options.labels or "").split(",") if name.strip()]
        self._answers = AnswerFiles(place.path, options.class_names, others, options.disagreement)
        place.write()
        share = _SHARE if place.moved else 0.0
        self._photographs = Photographs.scan(place.root, place.path, place.outside, share)
        self._campaign = _campaign(place.path / "campaign", len(self._photographs), options.seed)
        self._say_pictures()
        self._take()
        self._say_passed_over()

    def run(self) -> None:
        """Does all of it, and says what was done."""
        encoding = Encoding(self._place.path / "encoder", self._options, self._photographs, self._build)
        features, readable = encoding.features()
        self._usable = readable[self._photographs.is_there[readable]]
        labeled, names = self._labeled()
        self._say_labels(labeled, names)
        trained, found = None, None
        if len(np.unique(labeled.labels)) > 1:
            classifiers = Classifiers(self._options, encoding, features, self._build)
            found, divisor = self._judged(classifiers, labeled, names)
            trained = classifiers.train(labeled, self._usable, divisor)
            self._keep(trained, names, encoding.size)
        self._take()  # what was answered meanwhile
        self._next(trained, names, features)
        self._note(labeled, found)
        if self._options.predict:
            self._predict(Path(self._options.predict), trained, names)

    def _say_pictures(self) -> None:
        photographs = self._photographs
        notes = f" ({', '.join(photographs.notes)})" if photographs.notes else ""
        print(f"{self._place.root.name}: {int(np.count_nonzero(photographs.is_there)):,} pictures{notes}.")
        if self._place.added:
            print(
                f"Classes added: {', '.join(self._place.added)}. Pictures that were answered {NONE!r} before stay so; "
                f"those of the new classes can be corrected in any csv of answers."
            )

    def _say_passed_over(self) -> None:
        names = self._answers.passed_over()
        if names:
            print(
                f"Not read: {', '.join(names)}. Answers in {self._place.path} are to_label.csv and files called "
                f"{' or '.join(PATTERNS)}; others go with --labels.",
                file=sys.stderr,
            )

    def _take(self) -> None:
        """Reads all answers, and tells them."""
        answers = self._answers.take(self._photographs.ids)
        numbers: dict[str, Any] = {name: number for number, name in enumerate(self._options.class_names)}
        labels = [(numbers | {NONE: None, UNSURE: CANNOT_SAY})[label] for label in answers.values()]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # of pictures that nobody asked for, which are welcome
            self._campaign.tell(list(answers), labels)

    def _labeled(self) -> tuple[Labeled, list[str]]:
        """The labeled pictures that are there, and the names of the outputs that they are of."""
        (ids, labels), rejected = self._campaign.labeled_set, self._campaign.rejected
        names = list(self._options.class_names)
        if len(rejected) or len(names) == 1:
            ids = np.concatenate([ids, rejected])
            labels = np.concatenate([labels, np.full(len(rejected), len(names))])
            names.append(NONE)
        usable = np.isin(ids, self._usable)
        return Labeled(ids[usable], labels[usable].astype(np.int64), len(names)), names

    def _say_labels(self, labeled: Labeled, names: Sequence[str]) -> None:
        counts = np.bincount(labeled.labels, minlength=len(names))
        parts = [f"{name} {count:,}" for name, count in zip(names, counts, strict=True)]
        n_unsure = len(self._campaign.unsure)
        cannot = f"; cannot say {n_unsure:,}" if n_unsure else ""
        print(f"Labels: {len(labeled.ids):,} ({', '.join(parts)}{cannot}).")
        n_lost = len(self._campaign.labeled) + len(self._campaign.rejected) - len(labeled.ids)
        if n_lost:
            print(f"{n_lost:,} more are of pictures that are gone or cannot be read; they train nothing.")

    def _judged(
        self, classifiers: Classifiers, labeled: Labeled, names: Sequence[str]
    ) -> tuple[Accuracy | None, float]:
        """How good such a classifier is, and what its logits are to be divided by to be as sure as it may be."""
        missing = too_few(labeled.labels, names)
        if missing:
            print(f"Accuracy: no figure yet, for which every class needs two labels: {', '.join(missing)}.")
            return None, 1.0
        logits, n_folds = classifiers.cross_validated(labeled)
        found = accuracy(labeled.labels, logits.argmax(axis=1))
        print(f"Accuracy, cross-validated in {n_folds} folds: {found}.")
        few = f"{found.n} labels are few: trust the range more than the figure. " if found.n < FEW else ""
        print(f"{few}It is that of the labeled pictures, which were chosen, often as hard ones; all others may differ.")
        return found, temperature(logits, labeled.labels, TEMPERATURES)

    def _keep(self, trained: Trained, names: Sequence[str], size: int) -> None:
        write_json(
            self._place.path / "model.json",
            {"outputs": list(names), "model": self._options.model, "size": size, "input": _INPUT},
        )
        save(trained.network, self._place.path / "model.keras")

    def _next(self, trained: Trained | None, names: Sequence[str], features: np.ndarray) -> None:
        """Asks for the next batch, unless the last one is still unanswered, and shows it."""
        campaign = self._campaign
        pending = campaign.pending
        gone = pending[~np.isin(pending, self._usable)]
        if len(gone):
            print(f"{len(gone):,} pictures of the open batch are gone.")
            campaign.withdraw(gone)
        asked = np.array(campaign.rounds[-1].ids if campaign.rounds else (), np.int64)
        again = np.array_equal(campaign.pending, asked) and self._options.open_batch == "same"
        if not again or not len(asked):
            if len(campaign.pending):
                print(f"{len(campaign.pending):,} pictures of the last batch go back to the others, unanswered.")
                campaign.withdraw()
            if not self._ask(trained, features):
                return
        number = len(campaign.rounds) - 1
        questions = [question for question in self._answers.questions if question.round == number]
        if not questions:
            questions = self._questions(number, trained, names)
            self._answers.ask(questions)
        self._show(questions, number, again=bool(again and len(asked)))

    def _ask(self, trained: Trained | None, features: np.ndarray) -> bool:
        """Whether there was something left to ask for."""
        left = np.intersect1d(self._campaign.unlabeled, self._usable)
        if not len(left):
            print("Every picture is answered: nothing is left to ask for.")
            return False
        options = self._options
        n = min(options.n_query or min(50, max(10, round(len(self._usable) / 10))), len(left))
        rounds = self._campaign.rounds
        number = rounds[-1].query + 1 if rounds else 0
        asked = options.made(options.strategy).in_round(number)
        name = options.strategy if trained or not asked.needs_labels else options.initial
        chosen = options.made(name)
        read = chosen.in_round(number).learners
        by_head = trained if "classifier" in read else None
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "images are|features are", UserWarning)  # they change with each training
            self._campaign.ask(
                chosen,
                by_head and by_head.on_features(),
                by_head and by_head.features,
                features if "encoder" in read or not by_head else None,
                n=n,
                candidates=left,
                max_candidates=options.max_candidates,
                backend=options.backend,
            )
        why = "" if name == options.strategy else f", as --strategy {options.strategy} needs labels of two classes"
        print(f"Next batch: {n:,} of {len(left):,} pictures, chosen by {name}{why}.")
        return True

    def _questions(self, number: int, trained: Trained | None, names: Sequence[str]) -> list[Question]:
        ids = self._campaign.pending
        paths = [self._photographs.paths[id] for id in ids]
        if trained is None:
            return [Question(number, int(id), path, "", "") for id, path in zip(ids, paths, strict=True)]
        found = trained.probabilities(ids)
        return [
            Question(number, int(id), path, names[row.argmax()], f"{row.max():.4f}")
            for id, path, row in zip(ids, paths, found, strict=True)
        ]

    def _show(self, questions: Sequence[Question], number: int, again: bool) -> None:
        folder, classes = self._place.path, self._options.class_names
        asked = [question.asked for question in questions]
        page, table = folder / PAGE, folder / BATCH
        if again:
            print(f"No answer to the open batch yet: the same {len(asked):,} pictures again.")
        if not (again and page.exists() and _holds(table, asked) and not self._place.renamed):
            self._take()  # what was answered while the batch was chosen, before its csv is replaced
            title = f"{self._place.root.resolve().name}, round {number + 1}"
            write_page(page, asked, classes, self._place.root, title, f"labels-{number + 1}.csv")
            write_csv(table, asked)
        if self._options.export == "label-studio":
            write_tasks(folder, asked, classes, self._place.root)
            print(f"Tasks for Label Studio: {folder / TASKS}")
        print(f"Label them on the page {page}, or in {table}; then run the same command again.")

    def _note(self, labeled: Labeled, found: Accuracy | None) -> None:
        """The row of this round in rounds.csv, which a call with other answers to the same batch replaces."""
        file, number = self._place.path / "rounds.csv", max(len(self._campaign.rounds) - 1, 0)
        text = ("strategy", "model")
        rows = [row for row in read_table(file, ("round",), text) if row["round"] < number]
        row = {"round": number, "labels": len(labeled.ids), "unsure": len(self._campaign.unsure)}
        figures = found._asdict() if found else dict.fromkeys(Accuracy._fields, "")
        figures.pop("n")
        strategy = self._campaign.rounds[-1].strategy if self._campaign.rounds else ""
        write_table(file, [*rows, {**row, **figures, "model": self._options.model, "strategy": strategy}])

    def _predict(self, file: Path, trained: Trained | None, names: Sequence[str]) -> None:
        if trained is None:
            print(
                f"{file} is not written: there is nothing to predict by before two classes have labels.",
                file=sys.stderr,
            )
            return
        usable = {int(id) for id in self._usable}
        paths = sorted((path, id) for path, id in self._photographs.ids.items() if id in usable)
        found = trained.probabilities(np.array([id for _, id in paths]))
        rows = [
            {"path": written(path), "class": names[row.argmax()], "probability": round(float(row.max()), 4)}
            | {f"p_{name}": round(float(value), 4) for name, value in zip(names, row, strict=True)}
            for (path, _), row in zip(paths, found, strict=True)
        ]
        write_table(file, rows)
        print(f"Predictions of {len(rows):,} pictures: {file}")


def _campaign(folder: Path, size: int, seed: int) -> Campaign:
    """The campaign in `folder`, for so many pictures."""
    if not (folder / "campaign.json").exists():
        return Campaign(folder, size=size, seed=seed, fingerprint="photographs.csv")
    campaign = Campaign(folder, fingerprint="photographs.csv")
    if size > campaign.size:
        campaign.extend(size)
    return campaign


def _holds(table: Path, asked: Sequence[Any]) -> bool:
    """Whether a csv is there and names all that is asked for."""
    if not table.exists():
        return False
    text = table.read_bytes().decode(errors="replace")
    return all(written(one.path).replace('"', '""') in text for one in asked)
