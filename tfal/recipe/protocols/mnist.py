"""Active learning on MNIST: the protocol of LDM-S (Cho et al., ICLR 2024) with S-CNN."""

from __future__ import annotations

from tfal.recipe import Recipe
from tfal.recipe.presets import LOW_BUDGET, SIMCLR_OF_INITIAL_POOLS

LDMS = Recipe(dataset="mnist", network="SCNN")  # the recipe's own defaults are this protocol

# 4 known digits, half of the pool unknown: MQ-Net's protocol with the S-CNN and epochs that a CPU can do.
OPENSET = LDMS.replace(
    strategy="mqnet",
    n_class_known=4,
    ood_rate=0.5,
    n_valid=0,
    n_init=100,
    n_pool=50_000,
    n_query=100,
    n_step=9,
    n_epoch=20,
    n_step_epoch=100,
    n_epoch_loss=12,
    n_epoch_csi=10,
    n_epoch_ccal=10,
    n_warmup=2,
)

LOWBUDGET = LOW_BUDGET.replace(dataset="mnist", network="SCNN", splits="10,20,50,100,500")

# The study of initial pools: 60 labels and 60 more in each of 10 rounds; S-CNN in place of a ResNet-18, 10 epochs of
# SimCLR and 20 of the VAE in place of 100, which a CPU can do; no crops and no mirrored digits.
INITPOOLS = LDMS.replace(
    strategy="random,margin,entropy,dbal,bald,coreset",
    initial="random",
    n_init=60,
    n_valid=6000,
    n_pool=53_940,
    n_query=60,
    n_step=10,
    n_batch=64,
    n_epoch=100,
    learning_rate=5e-3,
    weight_decay=3e-4,
    n_epoch_vae=20,
    n_epoch_scan=100,
    n_batch_scan=512,
    **{**SIMCLR_OF_INITIAL_POOLS, "n_epoch_simclr": 10},
)

SOURCE = "LDM-S public code"
PRESETS = {
    "ldms": LDMS,
    "openset": OPENSET,
    "lowbudget": LOWBUDGET,
    "initpools": INITPOOLS,
    "quick": LDMS.replace(n_epoch=5, n_valid=500, n_step=5, n_rep=1),  # a look, not a result
}
