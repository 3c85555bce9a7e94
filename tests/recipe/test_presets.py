"""The presets have the values of the publications that they claim."""

import pytest

import run_cifar10
import run_cifar100
import run_imagenet
import run_medmnist
import run_mnist

SIMCLR = {
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
CIFAR_ROUNDS = {"optimizer": "sgd", "learning_rate": 0.025, "momentum": 0.9, "nesterov": "on", "weight_decay": 3e-4}
SCAN = {"n_epoch_scan": 50, "n_batch_scan": 128, "lr_scan": 1e-4, "n_neighbor_scan": 20}
LONG_SCAN = {**SCAN, "n_epoch_scan": 100, "n_batch_scan": 512}
VAE = {"n_epoch_vae": 200, "n_batch_vae": 200, "lr_vae": 1e-3, "vae_latent": 128}
VAAL = {"n_epoch_vaal": 100, "n_batch_vaal": 64, "lr_vaal": 5e-4, "vaal_latent": 32}
# (script, preset) -> values, of the public code where nothing else is said
PUBLISHED = {
    # acl21/init-pools-dal and its configurations
    (run_cifar10, "initpools"): {
        **SIMCLR,
        "n_epoch_simclr": 500,
        **CIFAR_ROUNDS,
        **SCAN,
        **VAE,
        **VAAL,
        "n_epoch": 200,
    },
    (run_cifar10, "initpools_small"): {**SIMCLR, "n_epoch_simclr": 500, "n_epoch": 100, "n_init": 1000, "n_step": 10},
    (run_cifar10, "initpools_longtail"): {**SIMCLR, **SCAN, "long_tail": 0.02, "n_init": 1399, "n_query": 1400},
    (run_cifar100, "initpools"): {**SIMCLR, "n_epoch_simclr": 500, **CIFAR_ROUNDS, **LONG_SCAN, "n_cluster": 20},
    (run_imagenet, "tiny_initpools"): {
        **SIMCLR,
        "n_epoch_simclr": 500,
        **SCAN,
        **VAE,
        "n_epoch_vae": 100,
        "vae_latent": 512,
        "vaal_latent": 64,
        "optimizer": "adam",
        "learning_rate": 1e-3,
        "weight_decay": 3e-4,
        "n_batch": 200,
    },
    (run_mnist, "initpools"): {
        **SIMCLR,
        **LONG_SCAN,
        "optimizer": "adam",
        "learning_rate": 5e-3,
        "weight_decay": 3e-4,
        "n_batch": 64,
        "n_epoch": 100,
        "n_init": 60,
    },
    (run_medmnist, "coldstart"): {"optimizer": "adam", "learning_rate": 3e-4, "weight_decay": 3e-4, "vae_latent": 128},
    # ipcng00/LDM-S
    (run_cifar10, "ldms"): {"optimizer": "rmsprop", "learning_rate": 1e-4, "weight_decay": 0.0, "schedule": "constant"},
    # Park et al., NeurIPS 2022
    (run_cifar10, "openset"): {
        "meta_batch": 64,
        "meta_wd": 5e-4,
        "meta_epoch": 100,
        "n_step_epoch": 100,
        "n_batch": 64,
    },
}


@pytest.mark.parametrize(("script", "preset"), PUBLISHED, ids=lambda value: getattr(value, "__name__", value))
def test_values_are_the_published_ones(script, preset):
    recipe, values = script.PRESETS[preset], PUBLISHED[script, preset]
    assert {name: getattr(recipe, name) for name in values} == values
