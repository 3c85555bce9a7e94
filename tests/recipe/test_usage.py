"""Every option in every mode: it changes something there, or it is refused by its name."""

import dataclasses

import numpy as np
import pytest

import run_cifar10
import run_cifar100
import run_digits
import run_imagenet
import run_medmnist
import run_mnist
import run_tabular
from models import BUILDERS
from tfal.cli import main, parse
from tfal.coldstart.cli import parse as parse_study
from tfal.coldstart.study import DEFAULT, OPTIONS
from tfal.errors import InputError
from tfal.learners import LEARNERS
from tfal.recipe import Recipe, presets
from tfal.recipe.components import options
from tfal.recipe.groups import GROUPS
from tfal.recipe.options import flag
from tfal.recipe.usage import TAGS, idle, refuse_unused, usage, users

FIELDS = options()
SCRIPTS = [run_cifar10, run_cifar100, run_digits, run_imagenet, run_medmnist, run_mnist, run_tabular]
# What stands for everything: names, places, seeds, and what says which mode it is.
ALWAYS = {
    *(
        "network",
        "strategy",
        "seed",
        "n_rep",
        "rep",
        "prepare",
        "backend",
        "devices",
        "threads",
        "results_dir",
        "splits",
        "csv",
        "label",
        "csv_test",
        "drop",
    ),
}
ROUNDS = {
    *("n_train", "n_init", "n_valid", "n_pool", "n_query", "n_step", "initial", "long_tail", "log"),
    *("n_batch", "n_epoch", "n_step_epoch"),
    *(
        "optimizer",
        "learning_rate",
        "weight_decay",
        "schedule",
        "normalize",
        "warm_start",
        "keep_validation",
        "augment",
    ),
    *("n_class_known", "known_classes", "ood_dataset"),  # which make an open set of it
}
FOLDER = {"data_dir", "corrupt", "max_pixels"}
IMAGES = {"dataset", "image_size", *FOLDER}
CODER = {"n_batch_encoder", "n_warmup", "lr_encoder", "coder_input"}
SIMCLR = {
    *CODER,
    *("n_epoch_simclr", "simclr_optimizer", "simclr_decay", "simclr_temperature", "simclr_sides", "simclr_jitter"),
    *("simclr_hue", "simclr_crop"),
}
SCAN = {"n_epoch_scan", "n_neighbor_scan", "n_batch_scan", "lr_scan", "n_cluster"}
META = {"mqnet_mode", "meta_stats", "meta_epoch", "meta_batch", "meta_wd", "rank_ties", "steps"}
JUDGED = {"evaluate", "resume_indices", "encoder", *SIMCLR, "augment"}  # which SimCLR looks at, too

# mode: a recipe, and all that changes something in it, by hand.
MODES = {
    "rounds": ({"strategy": "margin"}, ROUNDS | IMAGES),
    "rounds of ldms": ({}, ROUNDS | IMAGES | {"n_sample"}),
    "the digits have no folder": ({"dataset": "digits", "strategy": "random"}, ROUNDS | IMAGES - FOLDER),
    "a table": ({"csv": "a.csv", "label": "x", "strategy": "bald"}, ROUNDS | {"n_pass"}),
    "sgd": (
        {"strategy": "random", "optimizer": "sgd", "momentum": 0.9, "n_step_epoch": 3},
        ROUNDS | IMAGES | {"momentum", "nesterov", "steps"},
    ),
    "sgd without momentum": (
        {"strategy": "random", "optimizer": "sgd"},
        ROUNDS | IMAGES | {"momentum"},
    ),
    "rmsprop": ({"strategy": "random", "optimizer": "rmsprop"}, (ROUNDS | IMAGES) - {"weight_decay"}),
    "an open set": (
        {"strategy": "random", "n_class_known": 4},
        ROUNDS | IMAGES | {"trial", "ood_rate", "missing_classes"},
    ),
    "an open set by list, mqnet": (
        {"strategy": "mqnet", "known_classes": "1,2", "ood_rate": 0.5},
        ROUNDS
        | IMAGES
        | {"ood_rate", "missing_classes", *META, "n_epoch_loss", "classifier_bias"}
        | CODER
        | {"n_epoch_csi"},
    ),
    "mqnet by confidence": (
        {"strategy": "mqnet", "mqnet_mode": "conf"},
        ROUNDS | IMAGES | META | CODER | {"n_epoch_csi"},
    ),
    "ccal": (
        {"strategy": "ccal,similar"},
        ROUNDS | IMAGES | CODER | {"n_epoch_ccal", "ccal_views", "submodular"},
    ),
    "neat": (
        {"strategy": "neat", "encoder": "a.keras"},
        ROUNDS | IMAGES | {"encoder", "trust_encoder", "n_neighbor_open", "n_likely"},
    ),
    "a long tail, with labels within a query": (
        {"strategy": "galaxy,direct,entropy_cb,coreset_cb", "long_tail": 0.1},
        ROUNDS | IMAGES | {"missing_classes", "n_parallel", "balance_weight"},
    ),
    "eoal": (
        {"strategy": "eoal"},
        ROUNDS
        | IMAGES
        | {"n_epoch_entropic", "lr_entropic", "halve_entropic", "entropic_temperature", "pareto_alpha"}
        | {"cluster_weight"},
    ),
    "eaoa": (
        {"strategy": "eaoa"},
        ROUNDS
        | IMAGES
        | {"n_epoch_energy", "lr_energy", "halve_energy", "energy_weight", "energy_known", "energy_unknown"}
        | {"n_likely", "n_reverse", "target_purity"},
    ),
    "lfosa": (
        {"strategy": "lfosa"},
        ROUNDS | IMAGES | {"n_epoch_detector", "lr_detector", "halve_detector", "detector_temperature"},
    ),
    "first labels": ({"strategy": "random", "initial": "random"}, ROUNDS | IMAGES | {"missing_classes"}),
    "first labels of a clustering": (
        {"strategy": "ensemble_entropy", "initial": "self_label"},
        ROUNDS | IMAGES | {"missing_classes", "n_member", "n_epoch_self_label", *SCAN, *SIMCLR},
    ),
    "first labels of features": (
        {"strategy": "random", "initial": "typiclust"},
        ROUNDS | IMAGES | {"missing_classes", "encoder", "n_redo", "n_iter", *SIMCLR},
    ),
    "first labels of other features": (
        {"strategy": "consistency", "initial": "probcover", "encoder": "keras:ResNet50"},
        ROUNDS | IMAGES | {"missing_classes", "encoder", "n_view", "delta", "n_anchor", "n_clusters"},
    ),
    "first labels of a converted checkpoint": (
        {"strategy": "random", "initial": "maxherding", "encoder": "a.weights.h5"},
        ROUNDS | IMAGES | {"missing_classes", "encoder", "encoder_statistics", "sigma", "n_anchor"},
    ),
    "first labels by two losses": (
        {"strategy": "vaal", "initial": "cluster_ranking", "rank_score": "vae_loss", "rank_clusters": "scan"},
        ROUNDS
        | IMAGES
        | {"missing_classes", "rank_score", "rank_clusters", *SCAN, *SIMCLR}
        | {"n_epoch_vae", "n_batch_vae", "lr_vae", "vae_latent"}
        | {"n_epoch_vaal", "n_batch_vaal", "lr_vaal", "vaal_latent", "vaal_kl"},
    ),
    "batches of classes, draws and information": (
        {"strategy": "batchbald,power_entropy,bait"},
        ROUNDS | IMAGES | {"n_candidate", "n_pass", "beta", "ridge", "max_size"},
    ),
    "small margins of clusters": (
        {"strategy": "cluster_margin"},
        ROUNDS | IMAGES | {"n_linked", "margin_factor", "margin_member"},
    ),
    "information of the predicted class": (
        {"strategy": "bait_binary"},
        ROUNDS | IMAGES | {"ridge", "bait_weights", "max_features"},
    ),
    "drawn by probabilities": ({"strategy": "falcun"}, ROUNDS | IMAGES | {"falcun_gamma"}),
    "first labels near directions": (
        {"strategy": "random", "initial": "activeft", "encoder": "keras:ResNet50"},
        ROUNDS | IMAGES | {"missing_classes", "encoder", "ft_temperature", "ft_balance", "ft_iter", "ft_lr"},
    ),
    "what a small change turns": (
        {"strategy": "dropquery,alfamix"},
        ROUNDS | IMAGES | {"n_drop", "drop_rate", "n_contested", "mix_eps", "mix_mode", "n_redo", "n_iter"},
    ),
    "information on targets": (
        {"strategy": "epig"},
        ROUNDS | IMAGES | {"n_pass", "n_epig_target", "epig_targets"},
    ),
    "many strategies, one after the other": (
        {"strategy": "refine", "encoder": "a.keras"},
        ROUNDS
        | IMAGES
        | {"encoder", "trust_encoder", "n_refine", "refine_draws", "refine_pool", "refine_first"}
        | {"refine_share", "refine_by"},
    ),
    "balls of labels": (
        {"strategy": "dcom", "encoder": "a.keras"},
        ROUNDS | IMAGES | {"encoder", "trust_encoder", "dcom_delta", "dcom_most", "dcom_at", "dcom_slope", "n_anchor"},
    ),
    "herding with a temperature": (
        {"strategy": "uherding", "encoder": "a.keras"},
        ROUNDS | IMAGES | {"encoder", "trust_encoder", "sigma", "n_anchor", "temperature"},
    ),
    "noise on weights": ({"strategy": "noise_stability"}, ROUNDS | IMAGES | {"n_noise", "noise_scale"}),
    "a long tail": ({"strategy": "random", "long_tail": 0.1}, ROUNDS | IMAGES | {"missing_classes"}),
    "low budgets": ({"strategy": "random", "splits": "10,20", "evaluate": "knn"}, IMAGES | JUDGED | {"n_neighbor"}),
    "low budgets, linear": (
        {"strategy": "kmeans", "splits": "10,20", "evaluate": "linear"},
        IMAGES | JUDGED | {"lr_linear", "lr_schedule", "n_epoch_linear", "n_redo", "n_iter"},
    ),
    "low budgets, a head that is asked": (
        {"strategy": "margin", "splits": "10,20", "evaluate": "knn", "encoder": "a.keras"},
        IMAGES
        | {"evaluate", "resume_indices", "encoder", "trust_encoder", "n_neighbor", "n_epoch_linear"}
        | {"lr_head", "head_input", "lr_schedule"},
    ),
    "low budgets, a switch": (
        {"strategy": "tcm", "splits": "10,20", "evaluate": "knn", "encoder": "a.keras"},
        IMAGES
        | {"evaluate", "resume_indices", "encoder", "trust_encoder", "n_neighbor", "n_epoch_linear"}
        | {"lr_head", "head_input", "lr_schedule", "n_redo", "n_iter", "switch_at"},
    ),
    "low budgets, a part of the features": (
        {"strategy": "random", "splits": "10,20", "evaluate": "knn", "prepare": "on", "n_shard": 3, "shard": 2},
        IMAGES | JUDGED | {"n_neighbor", "n_shard", "shard"},
    ),
    "low budgets, all features": (
        {"strategy": "random", "splits": "10,20", "evaluate": "knn", "prepare": "on"},
        IMAGES | JUDGED | {"n_neighbor", "shard"},
    ),
    "low budgets, trained": (
        {"strategy": "random", "splits": "10,20", "evaluate": "finetune,scratch", "encoder": "a.keras"},
        IMAGES
        | {"evaluate", "resume_indices", "encoder", "trust_encoder", "augment", "n_batch"}
        | {"n_epoch_linear", "lr_linear", "lr_finetune", "lr_scratch", "lr_schedule"},
    ),
}


@pytest.mark.parametrize("mode", MODES)
def test_what_changes_something_in_a_mode(mode):
    options, expected = MODES[mode]
    assert usage(Recipe(**options)).names == expected | ALWAYS


@pytest.mark.parametrize("mode", MODES)
def test_an_option_that_is_set_in_vain_is_refused_by_name(mode):
    options, expected = MODES[mode]
    preset = Recipe(**options)
    for name, option in FIELDS.items():
        if name not in expected | ALWAYS:
            with pytest.raises(InputError) as error:
                _set(preset, name, _another(option, getattr(preset, name)))
            assert flag(name) in str(error.value), name
            assert "\n" not in str(error.value)


def _set(recipe, name, value):
    """As a command line does it."""
    refuse_unused([name], usage(recipe.replace(**{name: value})))


@pytest.mark.parametrize("name", sorted(set(FIELDS) - ALWAYS))
def test_a_flag_that_is_typed_in_vain_is_refused_by_name(name):
    """As above, from a command line: in the first mode that has no use for it."""
    preset = Recipe(**next(options for options, expected in MODES.values() if name not in expected))
    argv = [flag(name), str(_another(FIELDS[name], getattr(preset, name)))]
    with pytest.raises(InputError, match=f"{flag(name)} ") as error:
        parse("test", {"preset": preset}, BUILDERS, "test", argv)
    assert "\n" not in str(error.value)


def test_every_option_is_used_somewhere():
    assert set(FIELDS) == ALWAYS | set().union(*(expected for _, expected in MODES.values())) | {"ranking"}


def _another(option, value):
    """A value that the option may have, and not the one that it has."""
    if option.metadata["choices"]:
        return next(choice for choice in option.metadata["choices"] if choice != value)
    kind = option.type.partition(" ")[0]
    if kind in ("int", "float"):
        return 3 if kind == "int" else 0.25
    return {"known_classes": "1,2", "splits": "1,2", "log": "wandb"}.get(option.name, value)


@pytest.mark.parametrize("option", FIELDS.values(), ids=FIELDS)
def test_every_tag_means_something(option):
    """A tag is in TAGS, or a learner."""
    tags = option.metadata["uses"].replace("|", " ").split()
    assert {*tags} <= TAGS.keys() | LEARNERS.keys()
    if tags or option.name not in GROUPS:
        assert users(option.name)


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.__name__)
def test_presets_stay_valid(script):
    table = ["--csv", "a.csv", "--label", "x"] if script is run_tabular else []
    for name in script.PRESETS:
        assert parse("test", script.PRESETS, BUILDERS, script.SOURCE, ["--preset", name, *table])


def test_what_is_not_used_where_images_are_arrays(digits, small, capsys):
    recipe = dataclasses.replace(small, strategy="random")
    assert "image_size" in usage(recipe).names
    assert not {"image_size", "corrupt"} & usage(recipe, digits).names
    assert "image_size" in usage(dataclasses.replace(recipe, image_size=8), digits).names  # may have been resized
    with pytest.raises(InputError, match="--corrupt goes with data sets that lie in a folder"):
        refuse_unused(["corrupt"], usage(recipe, digits))
    argv = ["--corrupt", "skip", "--resultsDir", str(small.results_dir)]
    assert main("test", {"digits": recipe}, BUILDERS, "test", argv) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_a_file_of_ids_is_used_where_it_is_read(tmp_path):
    np.save(tmp_path / "ids.npy", np.arange(5))
    path = str(tmp_path / "ids.npy")
    assert {"ranking"} <= usage(Recipe(initial="ranking", ranking=path)).names
    scores = Recipe(strategy="random", initial="cluster_ranking", ranking=path, rank_score="ranking")
    assert {"ranking", "n_redo", "n_cluster"} <= usage(scores).names
    assert not {"ranking", "n_epoch_vae"} & usage(dataclasses.replace(scores, rank_score="simclr_loss")).names
    with pytest.raises(InputError, match="Give it: --ranking FILE"):
        parse("test", {"preset": Recipe()}, BUILDERS, "test", ["--initial", "ranking"])


@pytest.mark.parametrize("criteria", ["coreset", "typiclust", "entropy", "bald", "consistency", "vaal"])
def test_every_option_of_a_cold_start_is_used_or_refused_by_name(criteria):
    """Of OPTIONS and of the command's own: what the criteria look at, by hand."""
    label_free = {"n_epoch_simclr", "n_batch_encoder", "n_warmup", "lr_encoder", "temperature"}
    vaal = {"n_epoch_vaal", "n_batch_vaal", "lr_vaal", "vaal_latent", "vaal_kl"}
    looked_at = {
        "coreset": label_free,
        "typiclust": label_free | {"n_cluster"},
        "entropy": set(),
        "bald": {"n_pass"},
        "consistency": {"n_view"},
        "vaal": vaal,
    }[criteria]
    always = {*OPTIONS} - label_free - vaal - {"n_pass", "n_view", "momentum", "nesterov"}
    needed = ["--oracle"] if criteria not in ("coreset", "typiclust") else []
    argv = ["--dataset", "mnist", "--criteria", criteria, *needed]
    for name in [*OPTIONS, "n_cluster", "temperature"]:
        typed = [*argv, flag(name), {"temperature": "0.1", "network": "MLP"}.get(name, str(_value(name)))]
        if name in always | looked_at:
            parse_study(BUILDERS, typed)
        else:
            with pytest.raises(InputError, match=f"{flag(name)} goes with"):
                parse_study(BUILDERS, typed)
    if not needed:
        with pytest.raises(InputError, match="--oracle goes with --criteria entropy"):
            parse_study(BUILDERS, [*argv, "--oracle"])


def _value(name):
    option = FIELDS.get(name)
    if option is None:
        return 3
    return "digits" if name == "dataset" else _another(option, getattr(DEFAULT, name))


def test_in_python_what_changes_nothing_is_said(digits):
    recipe = Recipe(dataset="digits", strategy="random", n_sample=150, n_epoch_csi=3)
    (line,) = idle(recipe, digits)
    assert line.startswith("nothing here looks at n_epoch_csi (strategy mqnet), n_sample (strategy ldms);")
    assert idle(dataclasses.replace(recipe, strategy="ldms,mqnet"), digits) == []
    assert idle(dataclasses.replace(presets.LOW_BUDGET, dataset="digits"), digits) == []  # with its batch, in vain
