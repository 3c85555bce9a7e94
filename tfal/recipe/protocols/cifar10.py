"""Active learning on CIFAR-10: the protocols of LDM-S (ICLR 2024, K-CNN) and of MQ-Net (NeurIPS 2022, ResNet-18)."""

from __future__ import annotations

from tfal.recipe import Recipe
from tfal.recipe.presets import INITIAL_POOLS, INITIAL_POOLS_LONG_TAIL, INITIAL_POOLS_SMALL, LOW_BUDGET, MQNET

LDMS = Recipe(
    dataset="cifar10",
    network="KCNN",
    n_batch=64,
    n_epoch=150,
    n_init=200,
    n_pool=4000,
    n_query=400,
    n_step=24,
    n_sample=4000,
    optimizer="rmsprop",
    learning_rate=1e-4,
)

# The study normalises CIFAR by its own statistics, whatever the checkpoint saw.
LOWBUDGET = LOW_BUDGET.replace(
    dataset="cifar10", network="ResNet18", splits="10,50,100,500", encoder_statistics="channels"
)

SOURCE = "LDM-S public code"
PRESETS = {
    "ldms": LDMS,
    "openset": MQNET,
    "lowbudget": LOWBUDGET,
    "initpools": INITIAL_POOLS,
    "initpools_small": INITIAL_POOLS_SMALL,
    "initpools_longtail": INITIAL_POOLS_LONG_TAIL,
    "quick": LDMS.replace(n_epoch=5, n_valid=500, n_step=3, n_rep=1),  # a look, not a result
}
