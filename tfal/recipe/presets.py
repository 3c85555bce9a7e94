"""Published protocols that several run scripts share."""

from __future__ import annotations

from typing import Any

from tfal.recipe import Recipe

# Open-set pools: Park et al., Meta-Query-Net, NeurIPS 2022; 500 labels a round, to 5,000 labels, on CIFAR-10. Where its
# code disagrees with it, the paper's value; n_pool is the code's subset, there of ll, mqnet, ccal and similar alone.
MQNET = Recipe(
    dataset="cifar10",
    network="ResNet18",
    strategy="mqnet",
    n_init=500,
    n_valid=0,
    n_pool=50_000,
    n_query=500,
    n_step=9,
    n_batch=64,
    n_epoch=200,
    n_step_epoch=100,
    optimizer="sgd",
    learning_rate=0.1,
    momentum=0.9,
    weight_decay=5e-4,
    schedule="multistep",
    augment="flip_crop",
    normalize="channels",
    n_class_known=4,
    ood_rate=0.6,
)

# The same on ImageNet50: 50 of ImageNet's classes, from scratch; 1,000 labels a round.
MQNET_IMAGENET50 = MQNET.replace(
    dataset="imagenet", network="ResNet18-ImageNet", n_init=1000, n_query=1000, n_class_known=50
)

# Low budgets: arXiv 2110.12033; strategies on frozen features, 5 seeds; batches and rates as in its public code, which
# asks for entropy a head on raw features at a rate of .001, and judges by one on unit rows at .01.
LOW_BUDGET = Recipe(
    strategy="random,uniform,kmeans,multi_kmeans,coreset,entropy,typiclust,probcover,maxherding,uherding",
    n_valid=0,
    n_batch=128,
    evaluate="linear,knn",
    splits="10,20,50,100",
    head_input="raw",
    lr_head=1e-3,
)

# Initial pools: "On Initial Pools for Deep Active Learning" (2020), a tenth of CIFAR at the start and in each round.
# There, a round goes on from the weights of the one before (--warmStart on) and validates on augmented images; its
# SimCLR's views are of plain images, its SCAN's strong views are others: see docs/DIFFERENCES.md.
SIMCLR_OF_INITIAL_POOLS: dict[str, Any] = {
    "n_epoch_simclr": 500,
    "n_batch_encoder": 512,
    "n_warmup": 0,
    "lr_encoder": 0.4,
    "simclr_optimizer": "sgd",
    "simclr_decay": 1e-4,
    "simclr_temperature": 0.1,
    "simclr_sides": "one",
    "simclr_jitter": 0.8,
    "simclr_hue": 0.2,
    "simclr_crop": 0.2,
}
INITIAL_POOLS = Recipe(
    dataset="cifar10",
    network="ResNet18-Dropout",
    strategy="random,margin,entropy,dbal,bald,coreset,vaal,ensemble_entropy",
    initial="random",
    n_init=5000,
    n_valid=5000,
    n_pool=40_000,
    n_query=5000,
    n_step=5,
    n_batch=96,
    n_epoch=200,
    optimizer="sgd",
    learning_rate=0.025,
    momentum=0.9,
    nesterov="on",
    weight_decay=3e-4,
    schedule="cosine",
    augment="flip_crop",
    normalize="channels",
    n_rep=5,
    **SIMCLR_OF_INITIAL_POOLS,
)

# The same with a fiftieth in each of 10 rounds.
INITIAL_POOLS_SMALL = INITIAL_POOLS.replace(n_init=1000, n_query=1000, n_step=10, n_epoch=100)

# The same on a long tail: 13,996 images, of which the smallest class has a fiftieth of the largest.
INITIAL_POOLS_LONG_TAIL = INITIAL_POOLS.replace(long_tail=0.02, n_init=1399, n_valid=1399, n_query=1400, n_pool=11_198)

INITIAL_POOLS_TINY = INITIAL_POOLS.replace(
    dataset="tiny_imagenet",
    n_init=10_000,
    n_query=10_000,
    n_pool=85_000,
    n_batch=200,
    n_epoch=100,
    optimizer="adam",
    learning_rate=1e-3,
    momentum=0.0,
    nesterov="off",
    schedule="constant",
    n_epoch_vae=100,
    vae_latent=512,
    vaal_latent=64,
)

# Its cold-start fork: 20 images, 10 in each of 10 rounds, on MedMNIST; there a tenth validates, and all are asked.
COLD_START_MEDMNIST = INITIAL_POOLS_TINY.replace(
    dataset="pathmnist",
    strategy="random,entropy,margin,bald,coreset",
    n_init=20,
    n_valid=1000,
    n_pool=5000,
    n_query=10,
    n_step=10,
    n_batch=128,
    n_epoch=200,
    learning_rate=3e-4,
    image_size=28,
    vae_latent=128,
    vaal_latent=32,
)
