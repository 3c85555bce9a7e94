"""Array kernels: pure functions on NumPy or CuPy arrays, without TensorFlow or Keras."""

from tfal.kernels.activeft import activeft
from tfal.kernels.alfamix import alfamix, class_means, mixing_thresholds
from tfal.kernels.badge import badge_nearest, badge_seeding
from tfal.kernels.bait import bait
from tfal.kernels.bait_binary import bait_binary
from tfal.kernels.batchbald import batchbald
from tfal.kernels.bayesian import (
    bald,
    log_bald,
    log_mean_entropy,
    log_predictive_variance,
    mean_entropy,
    predictive_variance,
    variation_ratio,
)
from tfal.kernels.ccal import distinctive_scores, round_robin, semantic_scores
from tfal.kernels.class_balanced import balanced_entropy, balanced_k_center, class_needs
from tfal.kernels.cluster_margin import average_linkage, cluster_margin
from tfal.kernels.dcom import ball_coverage, competence, dcom, pure_radii
from tfal.kernels.direct import direct
from tfal.kernels.dropquery import dropout_flips, dropquery
from tfal.kernels.eaoa import eaoa, energy_uncertainty, reverse_neighbor_votes
from tfal.kernels.eoal import eoal, eoal_scores
from tfal.kernels.epig import epig
from tfal.kernels.falcun import falcun
from tfal.kernels.finch import finch
from tfal.kernels.flcmi import flcmi_greedy
from tfal.kernels.galaxy import class_order, galaxy
from tfal.kernels.herding import max_herding
from tfal.kernels.k_center import k_center_greedy
from tfal.kernels.kmeans import KMeans, kmeans, kmeans_plusplus
from tfal.kernels.ldm import least_disagree_metric
from tfal.kernels.ldm_seeding import ldm_seeding
from tfal.kernels.lfosa import LfosaScores, lfosa, lfosa_scores
from tfal.kernels.logdetcmi import logdetcmi_greedy
from tfal.kernels.neat import NeatScores, neat, neat_scores
from tfal.kernels.neighbors import Neighbors, nearest_neighbors
from tfal.kernels.noise_stability import noise_deviations, noise_stability
from tfal.kernels.parts.pairwise import cosine_similarities, reduce_distances, squared_distances
from tfal.kernels.probcover import probcover, purity_radius
from tfal.kernels.purity import purity
from tfal.kernels.quotas import cluster_ranking, in_turn, quota_picks, ranked
from tfal.kernels.representatives import farthest_first, kmeans_directions, representatives
from tfal.kernels.top import power_top_n, top_n
from tfal.kernels.typiclust import typiclust
from tfal.kernels.uncertainty import (
    confidence_log_odds,
    entropy,
    least_confidence,
    log_entropy,
    margin,
    margin_log_odds,
    max_logit,
)

__all__ = [
    "KMeans",
    "LfosaScores",
    "NeatScores",
    "Neighbors",
    "activeft",
    "alfamix",
    "average_linkage",
    "badge_nearest",
    "badge_seeding",
    "bait",
    "bait_binary",
    "balanced_entropy",
    "balanced_k_center",
    "bald",
    "ball_coverage",
    "batchbald",
    "class_means",
    "class_needs",
    "class_order",
    "cluster_margin",
    "cluster_ranking",
    "competence",
    "confidence_log_odds",
    "cosine_similarities",
    "dcom",
    "direct",
    "distinctive_scores",
    "dropout_flips",
    "dropquery",
    "eaoa",
    "energy_uncertainty",
    "entropy",
    "eoal",
    "eoal_scores",
    "epig",
    "falcun",
    "farthest_first",
    "finch",
    "flcmi_greedy",
    "galaxy",
    "in_turn",
    "k_center_greedy",
    "kmeans",
    "kmeans_directions",
    "kmeans_plusplus",
    "ldm_seeding",
    "least_confidence",
    "least_disagree_metric",
    "lfosa",
    "lfosa_scores",
    "log_bald",
    "log_entropy",
    "log_mean_entropy",
    "log_predictive_variance",
    "logdetcmi_greedy",
    "margin",
    "margin_log_odds",
    "max_herding",
    "max_logit",
    "mean_entropy",
    "mixing_thresholds",
    "nearest_neighbors",
    "neat",
    "neat_scores",
    "noise_deviations",
    "noise_stability",
    "power_top_n",
    "predictive_variance",
    "probcover",
    "pure_radii",
    "purity",
    "purity_radius",
    "quota_picks",
    "ranked",
    "reduce_distances",
    "representatives",
    "reverse_neighbor_votes",
    "round_robin",
    "semantic_scores",
    "squared_distances",
    "top_n",
    "typiclust",
    "variation_ratio",
]
