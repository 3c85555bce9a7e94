"""Array kernels: pure functions on NumPy or CuPy arrays, without TensorFlow or Keras."""

from tfal.kernels.badge import badge_seeding
from tfal.kernels.k_center import k_center_greedy
from tfal.kernels.ldm import least_disagree_metric
from tfal.kernels.ldm_seeding import ldm_seeding
from tfal.kernels.top import top_n
from tfal.kernels.uncertainty import entropy, least_confidence, margin

__all__ = [
    "badge_seeding",
    "entropy",
    "k_center_greedy",
    "ldm_seeding",
    "least_confidence",
    "least_disagree_metric",
    "margin",
    "top_n",
]
