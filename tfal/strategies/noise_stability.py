"""NoiseStability: samples whose answers change most, and in different ways, when all weights are a little off.

Source: Li et al., Deep Active Learning with Noise Stability, AAAI 2024. Differences from its public code: see
tfal.kernels.noise_stability and tfal.reading.weight_noise.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from tfal import kernels
from tfal.kernels.parts.xp import row_squares, to_numpy
from tfal.pool.view import PoolView
from tfal.recipe.options import option
from tfal.strategies.base import Picks, Strategy, warn_if_alike

NOISE = "NoiseStability public code"


@dataclass(frozen=True)
class NoiseStability(Strategy):
    """Farthest-first choice among how the class distributions move under noise on all weights, from no move at all.

    Paper: Li et al., Deep Active Learning with Noise Stability, AAAI 2024.
    Formula: `d_i = concat_k (p_ik - p_i) / ||p_i||`, p_ik the class distribution when each kernel and scale w of the
        network is `w + noise_scale ||w|| x_k / ||x_k||`, x_k standard normal; greedy k-center on d_i, with the origin
        as first center.
    Cost: n_noise passes of the whole network over the candidates; n_noise C numbers a candidate are kept.
    Use: with any network of Keras layers, with or without dropout, where passes are cheap. ldms disturbs the last
        layer alone, by how little flips a label, and reads features once.
    """

    n_noise: int = option(50, "draws of noise on the weights", least=1, protocol=True, source=NOISE)
    noise_scale: float = option(
        0.001,
        "length of the noise, as a share of that of the weight",
        above=0,
        below=1,
        protocol=True,
        source=NOISE,
    )

    required_outputs = ("noise_logits",)

    def query(self, view: PoolView, n: int, rng: np.random.Generator) -> Picks:
        moved = view.map("classifier", ["logits", "noise_logits"], _deviations, view.candidates)
        lengths = np.sqrt(to_numpy(row_squares(moved)))
        warn_if_alike(lengths, n)
        rows = kernels.noise_stability(moved, n, rng=rng)
        return Picks(view.candidates[rows], lengths[rows])


def _deviations(out: Mapping[str, Any]) -> Any:
    return kernels.noise_deviations(out["logits"], out["noise_logits"])
