"""All pictures of a cold-start study, from its files and from what was read of its images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path

import numpy as np

from tfal.coldstart import pictures
from tfal.coldstart.criteria import CRITERIA
from tfal.coldstart.run import pool_score
from tfal.coldstart.session import Session
from tfal.coldstart.study import RANDOM, Plan, Row, Work
from tfal.report.correlation import correlate
from tfal.report.figures import styles


def draw(plan: Plan, session: Session) -> list[Path]:
    """Draws them all anew; where they are. Hold plan.locked()."""
    return _Gallery(plan, session).draw()


class _Gallery:
    def __init__(self, plan: Plan, session: Session) -> None:
        self._plan, self._session, self._rows = plan, session, plan.rows()
        self._paths: list[Path] = []
        self._head = f"{plan.data.name}, {plan.recipe.network}"
        self._names = plan.data.class_names or tuple(map(str, range(plan.data.n_classes)))
        self._labels = plan.data.y_train[plan.members]

    def draw(self) -> list[Path]:
        chosen = {name: {b: self._values(name, b) for b in self._plan.budgets} for name in self._plan.criteria}
        random = {b: self._values(RANDOM, b) for b in self._plan.budgets}
        looks = styles(map(_shown, chosen), list(map(_shown, CRITERIA)))
        pictures.accuracy_curves(self._path("accuracy"), random, _by_shown_name(chosen), looks, self._head)
        for name in self._plan.criteria:
            for budget in self._plan.budgets:
                self._scatter(name, budget)
            self._histogram(name)
        self._data_maps()
        if self._label_free:
            for name in self._plan.criteria:
                self._embedding(name)
        return self._paths

    @property
    def _label_free(self) -> bool:
        return any(not CRITERIA[name].oracle for name in self._plan.criteria)

    def _path(self, name: str) -> Path:
        self._paths.append(self._plan.folder / f"{name}.png")
        return self._paths[-1]

    def _of(self, name: str, budget: int) -> list[Row]:
        rows = [row for row in self._rows if row["criterion"] == name and row["budget"] == budget]
        return sorted(rows, key=lambda row: row["run"])

    def _values(self, name: str, budget: int) -> np.ndarray:
        return np.array([row["accuracy"] for row in self._of(name, budget)])

    def _scores(self, criterion: str, works: Sequence[Work]) -> np.ndarray:
        return np.array([pool_score(self._plan, self._session, criterion, work) for work in works])

    def _scatter(self, name: str, budget: int) -> None:
        works = [Work(budget, RANDOM, row["run"]) for row in self._of(RANDOM, budget)]
        x, y = self._scores(name, works), self._values(RANDOM, budget)
        if np.isnan(x).any():
            return
        (own,) = self._scores(name, [Work(budget, name, 1)])
        shown, summed = _shown(name), "cosine distance" if CRITERIA[name].pairs else f"score of {name}"
        names = (f"{self._head}: {shown}, {budget} images", shown, summed)
        path = self._path(f"scatter_{name}_{budget}")
        pictures.scatter(path, (x, y), (own, self._values(name, budget)), correlate(x, y), names)

    def _histogram(self, name: str) -> None:
        chosen = {b: self._counts([Work(b, name, 1)]) for b in self._plan.budgets}
        random = {b: self._counts([Work(b, RANDOM, r["run"]) for r in self._of(RANDOM, b)]) for b in chosen}
        titles = (f"{self._head}: classes chosen by {_shown(name)}", _shown(name))
        pictures.class_histogram(self._path(f"classes_{name}"), random, chosen, self._names, titles)

    def _counts(self, works: Sequence[Work]) -> np.ndarray:
        """Images of each class, (C,), the mean over pools."""
        labels, n_classes = self._plan.data.y_train, self._plan.data.n_classes
        counts = [np.bincount(labels[self._plan.pool(work)], minlength=n_classes) for work in works]
        found: np.ndarray = np.mean(counts, axis=0)
        return found

    def _data_maps(self) -> None:
        plan = self._plan
        if self._label_free:
            found = self._session.self_supervised.map
            titles = (f"{self._head}: contrastive data map", f"p(other view) at temperature {plan.study.temperature:g}")
            self._data_map("contrastive", found.variability, found.confidence, titles)
        if any(CRITERIA[name].oracle for name in plan.criteria):
            known = self._session.oracle.map
            titles = (f"{self._head}: supervised data map, oracle", "p(true class)")
            self._data_map("supervised", known.variability, known.confidence, titles)

    def _data_map(self, kind: str, variability: np.ndarray, confidence: np.ndarray, titles: tuple[str, str]) -> None:
        path = self._path(f"data_map_{kind}")
        pictures.data_map(path, variability, confidence, self._labels, self._names, titles)

    @cached_property
    def _points(self) -> tuple[np.ndarray, str]:
        return pictures.embedding(self._session.self_supervised.features, self._plan.recipe.seed)

    def _embedding(self, name: str) -> None:
        budget = self._plan.budgets[0]
        points, how = self._points
        selected = np.searchsorted(self._plan.members, self._plan.pool(Work(budget, name, 1)))
        titles = (f"{self._head}: {how} of self-supervised features, {_shown(name)}", how)
        path = self._path(f"embedding_{name}_{budget}")
        pictures.embedding_map(path, points, self._labels, selected, self._names, titles)


def _by_shown_name(values: Mapping[str, dict[int, np.ndarray]]) -> dict[str, dict[int, np.ndarray]]:
    return {_shown(name): found for name, found in values.items()}


def _shown(name: str) -> str:
    """The criterion, and that it has seen labels which nobody has."""
    return f"{name}, oracle" if CRITERIA[name].oracle else name
