"""Choosing from a pool that is too large for one process, in parts.

Strategies that score single samples give the picks of one process, exactly: each shard scores some blocks of the pool,
and ties and noise are drawn for all scores at once. Those that choose by what else they choose do so in two rounds:
each shard, a random part of the pool, picks n candidates, and n of all these are picked then. What is known of how
good such picks are stands at each strategy (tfal.strategies).

`partition` deals out the pool, `question` and `checks` say what is asked of it, `rounds` does it, `folder` remembers
what was found, and `cli` makes jobs of it, for the engines of sweeps.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np

from tfal.sharded.checks import checked_question, tried
from tfal.sharded.folder import SelectionFolder
from tfal.sharded.question import Arrays
from tfal.sharded.rounds import shard, union
from tfal.strategies import Strategy

__all__ = ["select"]


def select(
    strategy: str | Strategy,
    n: int,
    *,
    features: Any = None,
    logits: Any = None,
    labeled: Any = None,
    labels: Any = None,
    rejected: Any = None,
    n_shard: int = 1,
    seed: int = 0,
    folder: str | os.PathLike[str] | None = None,
    backend: str = "auto",
    **options: Any,
) -> np.ndarray:
    """Which n samples should be labeled next, chosen shard by shard, so that one of them fits in memory at a time?

    Of one shard these are the picks of tfal.query, and of any number of shards for strategies that score single
    samples: entropy, margin, least_confidence, max_logit, power_margin, power_entropy. coreset, badge, kmeans,
    probcover, maxherding and uherding choose in two rounds.

    Args:
        strategy: a name, or a Strategy of one's own that says how it `splits`.
        n: number of samples to pick.
        features: embeddings (N, d), row i of sample i: an array, a memory map, or the path of an .npy file; see
            tfal.query.
        logits: (N, C) of a classifier, in the same way; None: where they are asked for, those of a linear head that is
            trained on the features and classes of the labeled samples.
        labeled: ids of the samples that have labels, or a boolean mask (N,); they are never picked.
        labels: (len(labeled),) integer classes, in the order of `labeled` (of a mask: ascending).
        rejected: ids of samples that are never picked either, or a boolean mask.
        n_shard: in how many parts; in two rounds each must have n candidates.
        seed: the same seed and inputs give the same picks, shards included.
        folder: where what each shard found is kept, so that a call that was stopped goes on; None: nowhere.
        backend: "numpy", "cupy" or "auto".
        options: options of the strategy. probcover needs delta where there are several shards.

    Returns:
        ids (n,) int64, distinct, in the order of picking.

    Raises:
        InputError: something cannot be used, or the folder holds another selection; one line says what, what was
            expected, and how to mend it.
    """
    known = labeled, labels, rejected
    question = checked_question(
        strategy, n, Arrays(features, logits), known, n_shard=n_shard, seed=seed, backend=backend, options=options
    )
    if folder is None:
        question = tried(question)
        return union(question, [shard(question, number) for number in range(question.n_shard)])
    kept = SelectionFolder(Path(folder))
    question = kept.begin(question)
    for number in range(question.n_shard):
        kept.do_shard(question, number)
    return kept.do_union(question)
