"""Active learning on ImageNet, ImageNet-LT or any tree of image files: low budgets, LDM-S, MQ-Net's ImageNet50."""

from __future__ import annotations

from tfal.recipe import Recipe
from tfal.recipe.presets import INITIAL_POOLS_TINY, LOW_BUDGET, MQNET_IMAGENET50

LOWBUDGET = LOW_BUDGET.replace(
    dataset="imagenet",
    network="ResNet18-ImageNet",
    augment="flip_crop",
    splits="1000,3000,7000",
    n_rep=1,
)

# Sizes as far as known; optimizer and epochs of the paper's ImageNet runs are not.
LDMS = Recipe(
    dataset="imagenet",
    network="ResNet18-ImageNet",
    n_init=128_120,
    n_valid=128_120,
    n_pool=256_240,
    n_query=64_060,
    n_step=4,
    n_batch=256,
    n_epoch=100,
    optimizer="sgd",
    learning_rate=0.1,
    momentum=0.9,
    weight_decay=1e-4,
    schedule="multistep",
    augment="flip_crop",
    normalize="channels",
    n_rep=1,
)

SOURCE = "low-budget study, arXiv 2110.12033"
PRESETS = {"lowbudget": LOWBUDGET, "ldms": LDMS, "openset": MQNET_IMAGENET50, "tiny_initpools": INITIAL_POOLS_TINY}
