"""Active learning on CIFAR-100: the open-set protocol of MQ-Net (Park et al., NeurIPS 2022), 40 known classes."""

from __future__ import annotations

from tfal.recipe.presets import INITIAL_POOLS, LOW_BUDGET, MQNET

OPENSET = MQNET.replace(dataset="cifar100", n_class_known=40)

LOWBUDGET = LOW_BUDGET.replace(
    dataset="cifar100", network="ResNet18", splits="100,300,1000", encoder_statistics="channels"
)

SOURCE = "MQ-Net paper and public code"
# The study pretrains on the 20 super-classes: 20 clusters, of which it leaves one out, and SCAN's longer training.
INITPOOLS = INITIAL_POOLS.replace(dataset="cifar100", n_cluster=20, n_epoch_scan=100, n_batch_scan=512)

PRESETS = {
    "openset": OPENSET,
    "lowbudget": LOWBUDGET,
    "initpools": INITPOOLS,
    "quick": OPENSET.replace(  # a look, not a result
        network="ResNet18-16", n_epoch=3, n_step=2, n_epoch_loss=2, n_epoch_csi=1, n_epoch_ccal=1, n_rep=1
    ),
}
