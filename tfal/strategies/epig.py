"""EPIG: samples whose class would tell most about the classes of others.

Source: Bickford Smith et al., Prediction-Oriented Bayesian Active Learning, AISTATS 2023. Differences from its public
code: see tfal.kernels.epig.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tfal import kernels
from tfal.errors import InputError
from tfal.pool.view import PoolView
from tfal.recipe.options import option, shared
from tfal.storage.array_files import read_ids
from tfal.strategies.bayesian import DBAL
from tfal.strategies.top_scores import TopScore


@dataclass(frozen=True)
class EPIG(TopScore):
    """Largest mutual information of a candidate's class and that of a target, mean over the targets.

    Paper: Bickford Smith et al., Prediction-Oriented Bayesian Active Learning, AISTATS 2023.
    Formula: `mean_x* I(y; y* | x, x*)`, largest first, of the joint distribution `mean_t p_t(y | x) p_t(y* | x*)`, p_t
        the class distribution in pass t with dropout, x* a target.
    Cost: n_pass passes with dropout over candidates and targets, as bald; then for m targets and C classes m C^2
        logarithms a candidate.
    Use: with a network that has dropout, where bald spends labels on odd samples: only what helps to predict the
        targets counts. Picks of a batch may be near copies.

    n_epig_target: targets, drawn once a repetition from the whole pool, labels unseen. epig_targets: path of an .npy
        file of their ids instead, such as samples like those that are to be predicted.
    """

    n_pass: int = shared(DBAL, "n_pass")
    n_epig_target: int = option(100, "targets, drawn from the whole pool, epig", least=1, protocol=True)
    epig_targets: str | None = option(None, "an .npy file of ids that are the targets, epig", file=True, protocol=True)

    required_outputs = ("mc_logits",)

    @property
    def options_used(self) -> frozenset[str]:
        """Without the number of targets where a file names them."""
        return super().options_used - ({"n_epig_target"} if self.epig_targets else set())

    def check_pool(self, candidates: np.ndarray, n: int, size: int) -> None:
        if self.epig_targets is not None:
            _ids_of(self.epig_targets, size)

    def scores(self, view: PoolView) -> Any:
        named = self.epig_targets
        ids = view.fixed_sample(self.n_epig_target) if named is None else _ids_of(named, view.size)
        targets = view.read("classifier", ["mc_logits"], ids)["mc_logits"]  # first, so that nothing of all is kept
        return view.map(
            "classifier", ["mc_logits"], lambda out: kernels.epig(out["mc_logits"], targets), view.candidates
        )


def _ids_of(path: str, size: int) -> np.ndarray:
    """The ids of targets in a file. Raises InputError for one without, or with others than those below `size`."""
    ids = read_ids(Path(path), "Save ids with numpy.save, and give the file with --epigTargets, or epig_targets=.")
    if not len(ids) or ids.max() >= size:
        received = ids.max() if len(ids) else "none"
        raise InputError(f"{path} must hold ids of targets, from 0 to {size - 1}. Received: {received}. Save others.")
    return ids
