"""Active learning on scikit-learn's digits: the quickest way to see it work. No download, under 3 minutes."""

from __future__ import annotations

from tfal.recipe import Recipe
from tfal.recipe.presets import LOW_BUDGET

DIGITS = Recipe(
    dataset="digits",
    network="SCNN",
    strategy="ldms,random",
    n_epoch=30,
    n_valid=200,
    n_init=20,
    n_pool=1000,
    n_query=20,
    n_step=8,
    n_sample=1000,
    n_rep=3,
)

# 4 known classes, half of the pool unknown: MQ-Net's protocol, small enough for a CPU.
OPENSET = DIGITS.replace(
    strategy="mqnet",
    n_class_known=4,
    ood_rate=0.5,
    n_valid=0,
    n_init=20,
    n_query=20,
    n_step=8,
    n_epoch=30,
    n_step_epoch=10,
    n_epoch_loss=18,
    n_epoch_csi=100,
    n_epoch_ccal=100,
)

# Its smallest budgets make a hundred steps of a head, too few at the study's rate for sampling.
LOWBUDGET = LOW_BUDGET.replace(dataset="digits", network="SCNN", n_epoch_simclr=100, head_input="unit", lr_head=0.01)

# First labels by --initial: 20, and 20 more in each of 5 rounds.
INITPOOLS = DIGITS.replace(
    strategy="random,margin,ldms,bald",
    initial="random",
    n_step=5,
    n_rep=5,
    n_epoch_simclr=30,
    n_batch_encoder=128,
    n_warmup=3,
    lr_encoder=0.3,
    n_epoch_vae=100,
    n_batch_vae=100,
    n_neighbor_scan=10,
    n_epoch_scan=100,
    n_epoch_self_label=30,
    lr_scan=1e-3,
    n_epoch_vaal=20,
)

SOURCE = "our choice for this data set"
PRESETS = {"digits": DIGITS, "openset": OPENSET, "lowbudget": LOWBUDGET, "initpools": INITPOOLS}
