"""The steps of a cold-start study: rankings, pools, correlations. Pictures are drawn from what they leave."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from tfal.coldstart.criteria import CRITERIA, Oracle, SelfSupervised, pool_vectors
from tfal.coldstart.session import Session
from tfal.coldstart.study import RANDOM, Plan, Row, Work, make_row
from tfal.files import write_atomically
from tfal.report.correlation import correlate, pair_distance_sum, pool_sum
from tfal.storage.index_files import write_ids
from tfal.storage.tables import write_table
from tfal.streams import Streams

MEASURES = ("accuracy", "auc")


def run(plan: Plan, session: Session) -> Iterator[Row]:
    """Does all that is left, step by step; yields each new row of pools.csv when it is written. Hold plan.locked()."""
    write_rankings(plan, session)
    rows = plan.rows()
    for work in plan.left():
        rows.append(make_row(work, session.train(work)))
        write_table(plan.table, rows)
        yield rows[-1]
    path, found = plan.folder / "correlations.csv", correlations(plan, session, rows)
    asked = {_key(row) for row in found}
    write_table(path, [row for row in plan.correlations() if _key(row) not in asked] + found)


def write_rankings(plan: Plan, session: Session) -> None:
    """The rankings that are not there yet: ids best first, and the scores by id where single images have one."""
    for name in plan.criteria:
        if plan.ranking(name) is None:
            found = CRITERIA[name].rank(_read(name, session), Streams(plan.recipe.seed)("query"))
            if found.scores is not None:
                scores = np.full(len(plan.data.y_train), np.nan)  # NaN: images that cannot be read
                scores[plan.members] = found.scores
                _save(plan.scores_file(name), scores)
            ids = plan.members[found.rows]
            about = {"criterion": name, "oracle": CRITERIA[name].oracle, "n": len(ids), "seed": plan.recipe.seed}
            write_ids(plan.ranking_file(name), ids, about)


def correlations(plan: Plan, session: Session, rows: Sequence[Row]) -> list[Row]:
    """Rows of correlations.csv: for each budget and criterion, over the random pools, score against what it led to."""
    found = []
    for budget in plan.budgets:
        trained = [row for row in rows if row["budget"] == budget and row["criterion"] == RANDOM]
        for name in plan.criteria:
            scores = np.array([pool_score(plan, session, name, _work(row)) for row in trained])
            for measure in MEASURES:
                result = correlate(scores, np.array([row[measure] for row in trained]))
                note = "no score of single images" if trained and np.isnan(scores).all() else result.note
                found.append(
                    {"budget": budget, "criterion": name, "measure": measure} | result._asdict() | {"note": note}
                )
    return found


def pool_score(plan: Plan, session: Session, criterion: str, work: Work) -> float:
    """The score of a pool: the sum over its images, or over their pairs; NaN where the criterion has none."""
    ids = plan.pool(work)
    if CRITERIA[criterion].pairs:
        return pair_distance_sum(pool_vectors(_read(criterion, session))[np.searchsorted(plan.members, ids)])
    scores = plan.scores(criterion)
    return float("nan") if scores is None else pool_sum(scores, ids)


def _read(criterion: str, session: Session) -> Oracle | SelfSupervised:
    return session.oracle if CRITERIA[criterion].oracle else session.self_supervised


def _key(row: Row) -> tuple[int, str, str]:
    return row["budget"], row["criterion"], row["measure"]


def _work(row: Row) -> Work:
    return Work(row["budget"], row["criterion"], row["run"])


def _save(path: Any, array: np.ndarray) -> None:
    content = io.BytesIO()
    np.save(content, array)
    write_atomically(path, lambda file: file.write(content.getvalue()))
