"""Options that belong to no strategy and no learner: groups of them, of which a Recipe is put together."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import Field, dataclass, fields
from functools import partial
from types import MappingProxyType
from typing import Any

from tfal.recipe.options import BALANCED, LDMS, LOW_BUDGET, option

_published = partial(option, protocol=True)
_of_ldms = partial(_published, source=LDMS)
_data = partial(option, group="data")
_pool = partial(_published, group="pool and budget")
_training = partial(_published, group="training of the classifier")
_open = partial(_published, group="open set")
_table = partial(option, None, group="tables")
_low_budget = partial(_published, group="low budgets")


@dataclass(frozen=True)
class RunOptions:
    """What is run, how often and where."""

    network: str = _of_ldms("SCNN", "network")
    strategy: str = option(
        "ldms",
        "query strategy, or a comma list of them, a run each; typiclust@3+margin: one for 3 queries, then the other",
    )
    seed: int = option(0, "seed of all random numbers; repetition r uses (seed, r)", least=0, most=math.inf)
    n_rep: int = _of_ldms(5, "repetitions, each with its own split", least=1, identity=False, uses="repetitions")
    rep: int = option(
        0,
        "the one repetition to run, by its number from 1, beside others of them elsewhere; 0: all of nRep",
        least=0,
        identity=False,
    )
    prepare: str = option(
        "off",
        "on: what several runs need once is made, and nothing is run: encoders that their strategies read and, with "
        "--splits, the features of the frozen one; encoders: without features",
        choices=("off", "on", "encoders"),
        identity=False,
    )
    n_shard: int = option(
        1,
        "jobs that read the features together, each a part that follows that of the job before",
        least=1,
        most=100_000,
        identity=False,
        uses="features shard",
    )
    shard: int = option(
        0,
        "the one part of the features to read, by its number from 1, beside others of nShard elsewhere; 0: all",
        least=0,
        identity=False,
        uses="features",
    )
    backend: str = option("auto", "where the kernels compute: auto, numpy or cupy", identity=False)
    devices: str = option(
        "one",
        "where networks train and read: one GPU, or all of this machine, each with a part of every batch, which is "
        "all that batch normalization sees there",
        choices=("one", "all"),
    )
    threads: int = option(
        0,
        "threads of a CPU, on which single picks can depend: fixed, for runs that must agree between machines; 0: as "
        "many as there are cores",
        least=0,
    )
    results_dir: str = option("results", "folder for the result files", identity=False)
    log: str | None = option(
        None,
        "what is told of each round, beside rounds.csv: a comma list of tensorboard and wandb, packages of their own",
        identity=False,
        uses="rounds",
    )


@dataclass(frozen=True)
class DataOptions:
    """Where images, or rows of a table, come from."""

    dataset: str = _data(
        "mnist",
        "data set: digits, mnist, cifar10, cifar20, cifar100, svhn, tiny_imagenet, food101, imagenet, imagenet_lt, or "
        "what --dataDir holds",
        uses="images",
        protocol=True,
        source=LDMS,
    )
    data_dir: str | None = _data(
        None,
        "folder with the data (else $TFAL_DATA_DIR, else tensorflow-datasets)",
        identity=False,
        uses="folder",
    )
    image_size: int = _data(224, "side of images that are read from files [pixels]", least=1, uses="files")
    corrupt: str = _data(
        "refuse",
        "image files that cannot be read: refuse, or find and skip them first",
        choices=("refuse", "skip"),
        uses="folder",
    )
    max_pixels: int = _data(
        100_000_000, "largest image file that is decoded [pixels]", least=1, identity=False, uses="folder"
    )
    csv: str | None = _table("a csv file of numbers with one column of classes, in place of --dataset", identity=False)
    label: str | None = _table("column of the classes: its name in the first line, or its place from 0; -1: the last")
    csv_test: str | None = _table("csv file of the test rows; not set: a fifth of each class of --csv", identity=False)
    drop: str | None = _table("columns that are no features: a comma list of names, or of places as for --label")


@dataclass(frozen=True)
class PoolOptions:
    """The pool, the first labels, and the budget of the rounds."""

    n_train: int = _pool(
        0,
        "training samples that pool and validation set are made of, drawn at random in each repetition; 0: all",
        least=0,
        uses="rounds",
    )
    n_init: int = _pool(
        20, "initial labels [images], class balanced; open set: at random", least=1, uses="rounds", source=LDMS
    )
    n_valid: int = _pool(
        5000, "validation set [images], class balanced; 0: the last epoch counts", least=0, uses="rounds", source=LDMS
    )
    n_pool: int = _pool(
        2000, "candidates drawn from the unlabeled samples in each round [images]", least=1, uses="rounds", source=LDMS
    )
    n_query: int = _pool(20, "labels bought in each round [images]", least=1, uses="rounds", source=LDMS)
    n_step: int = _pool(
        50, "query rounds; nStep + 1 networks are trained", least=0, identity=False, uses="rounds", source=LDMS
    )
    initial: str = _pool(
        BALANCED,
        "initial labels: class_balanced (open set: at random), or any strategy that needs no classifier, such as "
        "random, kmeans, typiclust, simclr_loss, vae_loss, scan, ranking",
        uses="rounds",
    )
    missing_classes: str = _pool(
        "allow",
        "classes without a label at the start: allow, or refuse",
        choices=("allow", "refuse"),
        uses="rounds first | rounds tail | rounds open",
    )
    long_tail: float = _pool(
        0.0,
        "size of the smallest class over that of the largest, exponential in between; 0: as it is",
        least=0,
        below=1,
        uses="rounds",
    )


@dataclass(frozen=True)
class TrainingOptions:
    """The training of the classifier."""

    n_batch: int = _training(32, "training batch [images]", least=1, uses="training | finetune | scratch", source=LDMS)
    n_epoch: int = _training(
        50, "training epochs in each round; the best by validation counts", least=1, uses="training", source=LDMS
    )
    n_step_epoch: int = _training(
        0, "training steps of an epoch; 0: one pass over the labeled samples", least=0, uses="training"
    )
    steps: str = _training(
        "exactly",
        "at_least: whole passes until nStepEpoch is reached; of mqnet's meta-model until 100",
        choices=("exactly", "at_least"),
        uses="training steps",
    )
    optimizer: str = _training("adam", "Keras optimizer by name", uses="training", source=LDMS)
    learning_rate: float = _training(1e-3, "learning rate at the start", above=0, uses="training", source=LDMS)
    momentum: float = _training(0.0, "momentum, of sgd only", least=0, below=1, uses="training sgd")
    weight_decay: float = _training(
        0.0,
        "added to the gradient of every weight, times the weight; sgd and adam",
        least=0,
        uses="training sgd | training adam",
    )
    nesterov: str = _training(
        "off", "Nesterov momentum, of sgd only", choices=("off", "on"), uses="training sgd momentum"
    )
    schedule: str = _training(
        "constant",
        "multistep: a tenth at 50 and at 75 percent of the epochs; cosine: to 0 at the end",
        choices=("constant", "multistep", "cosine"),
        uses="training",
    )
    keep_validation: str = option(
        "on",
        "whether validation images in memory stay, as uint8, on the device where they are read, from one epoch to the "
        "next: on or off",
        choices=("on", "off"),
        group="training of the classifier",
        identity=False,
        uses="training",
    )
    warm_start: str = _training(
        "off", "on: a round goes on from the weights of the one before", choices=("off", "on"), uses="rounds"
    )
    augment: str = _training(
        "none",
        "training augmentation: none, crop, flip_crop (of image files: random resized crops) or randaugment",
        uses="training | finetune | scratch | csi | ccal_semantic | simclr",
    )
    normalize: str = _training(
        "none",
        "channels: subtract the training images' mean of each channel, divide by its deviation",
        choices=("none", "channels"),
        uses="training",
    )


@dataclass(frozen=True)
class OpenSetOptions:
    """Unknown classes in the pool."""

    n_class_known: int = _open(0, "known classes; 0: all of them, a closed set", least=0, uses="rounds")
    known_classes: str | None = _open(
        None, "the known classes by number, a comma list, in place of --trial's", uses="rounds"
    )
    trial: int | None = _open(
        None, "list of known classes, from 0; not set: repetition r uses list r - 1", least=0, uses="counted"
    )
    ood_rate: float = _open(0.0, "share of unknown classes in pool and initial labels", least=0, below=1, uses="open")
    ood_dataset: str | None = _open(
        None, "second data set, all of it unknown classes, in place of the other classes", uses="rounds"
    )


@dataclass(frozen=True)
class LowBudgetOptions:
    """The study of low budgets on frozen features."""

    splits: str | None = _low_budget(None, "budgets [images], an ascending comma list; not set: nInit, + nQuery, ...")
    evaluate: str = _low_budget("linear,knn", "a comma list of linear, knn, finetune, scratch", uses="splits")
    resume_indices: str | None = _low_budget(None, "an .npy file of ids to start from", uses="splits", file=True)
    n_neighbor: int = _low_budget(1, "neighbors that vote, knn", least=1, uses="knn", source=LOW_BUDGET)
    head_input: str = _low_budget(
        "unit",
        "what the linear head sees that strategies ask: features of length 1, or raw, as they are",
        choices=("unit", "raw"),
        uses="head",
    )
    lr_head: float = _low_budget(0.01, "learning rate of the linear head that strategies ask", above=0, uses="head")
    lr_linear: float = _low_budget(
        0.01, "learning rate of linear heads that judge", above=0, uses="linear | finetune", source=LOW_BUDGET
    )
    lr_schedule: str | None = _low_budget(
        None,
        "where linear heads, finetune and scratch go on at a tenth of the rate [percent of the epochs], an ascending "
        "comma list; not set: 50,75, of scratch 30,60,90",
        uses="linear | finetune | scratch | head",
    )
    n_epoch_linear: int = _low_budget(
        100,
        "epochs of linear heads, of fine-tuning and from scratch",
        least=1,
        uses="linear | finetune | scratch | head",
        source=LOW_BUDGET,
    )
    lr_finetune: float = _low_budget(
        1e-4, "learning rate of the network, finetune", above=0, uses="finetune", source=LOW_BUDGET
    )
    lr_scratch: float = _low_budget(0.1, "learning rate, scratch", above=0, uses="scratch", source=LOW_BUDGET)


# All of them by name, in the order of --help.
GROUPS: Mapping[str, Field[Any]] = MappingProxyType(
    {
        field.name: field
        for group in (RunOptions, DataOptions, PoolOptions, TrainingOptions, OpenSetOptions, LowBudgetOptions)
        for field in fields(group)
    }
)
