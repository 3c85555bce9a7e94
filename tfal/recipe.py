"""The recipe: every option of a run, with its unit, default and source. Command line and json come from its fields."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from tfal.errors import InputError


def _option(
    default: Any,
    text: str,
    group: str = "run",
    *,
    protocol: bool = False,
    least: float | None = None,
    below: float | None = None,
    choices: tuple[str, ...] = (),
    identity: bool = True,
) -> Any:
    """A field.

    group: heading in --help. protocol: its default comes from the publication that a script reproduces. least, below:
    its smallest value, and what it must be less than. choices: its values, when they are few. identity: a run folder
    belongs to one value of it.
    """
    limits = {"least": least, "below": below, "choices": choices}
    return field(
        default=default,
        metadata={"help": text, "group": group, "protocol": protocol, **limits} | {"identity": identity},
    )


_published = partial(_option, protocol=True)
_pool = partial(_published, group="pool and budget")
_training = partial(_published, group="training of the classifier")
_open = partial(_option, group="open set")
_encoder = partial(_published, group="encoders: csi for mqnet, two for ccal")
_low_budget = partial(_published, group="low budgets")
_strategy = partial(_option, group="options of single strategies")


@dataclass(frozen=True)
class Recipe:
    """One strategy on one data set with one network; the defaults are the LDM-S paper's MNIST protocol.

    On the command line `n_query` is `--nQuery`, and so on. Raises InputError for values out of range.
    """

    dataset: str = _published(
        "mnist", "data set: digits, mnist, cifar10, cifar100, svhn, imagenet, imagenet_lt, or what --dataDir holds"
    )
    network: str = _published("SCNN", "network")
    strategy: str = _option("ldms", "query strategy, or a comma list that runs one after the other")
    seed: int = _option(0, "seed of all random numbers; repetition r uses (seed, r)", least=0)
    n_rep: int = _published(5, "repetitions, each with its own split", least=1, identity=False)
    backend: str = _option("auto", "where the kernels compute: auto, numpy or cupy", identity=False)
    devices: str = _option(
        "one",
        "where networks train and read: one GPU, or all of this machine, each with a part of every batch, which is "
        "all that batch normalization sees there",
        choices=("one", "all"),
    )
    data_dir: str | None = _option(
        None, "folder with the data (else $TFAL_DATA_DIR, else tensorflow-datasets)", identity=False
    )
    image_size: int = _option(224, "side of images that are read from files [pixels]", least=1)
    corrupt: str = _option(
        "refuse", "image files that cannot be read: refuse, or find and skip them first", choices=("refuse", "skip")
    )
    results_dir: str = _published("results", "folder for the result files", identity=False)

    n_init: int = _pool(20, "initial labels [images], class balanced; open set: at random", least=1)
    n_valid: int = _pool(5000, "validation set [images], class balanced; 0: the last epoch counts", least=0)
    n_pool: int = _pool(2000, "candidates drawn from the unlabeled samples in each round [images]", least=1)
    n_query: int = _pool(20, "labels bought in each round [images]", least=1)
    n_step: int = _pool(50, "query rounds; nStep + 1 networks are trained", least=0)

    n_batch: int = _training(32, "training batch [images]", least=1)
    n_epoch: int = _training(50, "training epochs in each round; the best by validation counts", least=1)
    n_step_epoch: int = _training(0, "training steps of an epoch; 0: one pass over the labeled samples", least=0)
    steps: str = _training(
        "exactly", "at_least: whole passes until nStepEpoch is reached", choices=("exactly", "at_least")
    )
    optimizer: str = _training("adam", "Keras optimizer by name")
    learning_rate: float = _training(1e-3, "learning rate at the start")
    momentum: float = _training(0.0, "momentum, of sgd only", least=0, below=1)
    weight_decay: float = _training(0.0, "added to the gradient of every weight, times the weight; sgd only", least=0)
    schedule: str = _training(
        "constant", "multistep: a tenth at 50 and at 75 percent of the epochs", choices=("constant", "multistep")
    )
    augment: str = _training("none", "training augmentation: none, or flip_crop (of image files: random resized crops)")
    normalize: str = _training(
        "none",
        "channels: subtract the training images' mean of each channel, divide by its deviation",
        choices=("none", "channels"),
    )

    n_class_known: int = _open(0, "known classes; 0: all of them, a closed set", least=0)
    known_classes: str | None = _open(None, "the known classes by number, a comma list, in place of --trial's")
    trial: int | None = _open(None, "list of known classes, from 0; not set: repetition r uses list r - 1", least=0)
    ood_rate: float = _open(0.0, "share of unknown classes in pool and initial labels", least=0, below=1)
    ood_dataset: str | None = _open(None, "second data set, all of it unknown classes, in place of the other classes")

    n_epoch_csi: int = _encoder(1000, "pretraining epochs, csi", least=1)
    n_epoch_ccal: int = _encoder(700, "pretraining epochs, ccal", least=1)
    n_batch_encoder: int = _encoder(32, "pretraining batch before views and rotations [images]", least=2)
    n_warmup: int = _encoder(10, "epochs in which the learning rate rises to its tenfold", least=0)
    lr_encoder: float = _encoder(0.1, "learning rate before the warm-up")
    coder_input: str = _encoder(
        "unit", "values that encoders see: unit range, or as in MQ-Net's code", choices=("unit", "code")
    )

    encoder: str = _low_budget(
        "simclr",
        "where frozen features come from: simclr (trained here), a .keras file, or keras:NAME for ImageNet weights",
    )
    n_epoch_simclr: int = _low_budget(200, "pretraining epochs, simclr", least=1)
    splits: str | None = _low_budget(None, "budgets [images], an ascending comma list; not set: nInit, + nQuery, ...")
    evaluate: str = _low_budget("linear,knn", "a comma list of linear, knn, finetune, scratch")
    resume_indices: str | None = _low_budget(None, "an .npy file of ids to start from")
    n_neighbor: int = _low_budget(1, "neighbors that vote, knn", least=1)
    n_redo: int = _low_budget(5, "k-means restarts, of which the best counts", least=1)
    n_iter: int = _low_budget(20, "k-means iterations", least=1)
    lr_linear: float = _low_budget(0.01, "learning rate of linear heads; a tenth at 50 and at 75 percent")
    n_epoch_linear: int = _low_budget(100, "epochs of linear heads, of fine-tuning and from scratch", least=1)
    lr_finetune: float = _low_budget(1e-4, "learning rate of the network, finetune")
    lr_scratch: float = _low_budget(0.1, "learning rate, scratch; a tenth at 30, 60 and 90 percent")

    n_sample: int = _strategy(2000, "ldms: Monte-Carlo inputs for the disagree metric [images]", protocol=True, least=1)
    n_epoch_loss: int = _strategy(
        120, "ll, mqnet: epochs in which the predicted loss trains the whole network", protocol=True, least=0
    )
    rank_ties: str = _strategy(
        "mask", "ll, mqnet: equal losses make no pair, or as in the code", choices=("mask", "code")
    )
    classifier_bias: str = _strategy("on", "ll, mqnet: code leaves the head's bias out", choices=("on", "code"))
    mqnet_mode: str = _strategy(
        "ll", "mqnet: informativeness from confidence or predicted loss", choices=("conf", "ll")
    )
    meta_stats: str = _strategy(
        "from_u", "mqnet: statistics that standardise the meta-model's inputs", choices=("from_u", "code")
    )
    meta_epoch: int = _strategy(100, "mqnet: epochs of the meta-model, 100 steps each", protocol=True, least=1)
    meta_batch: int = _strategy(64, "mqnet: batch of the meta-model; 32 in the code", least=2)
    meta_wd: float = _strategy(5e-4, "mqnet: weight decay of the meta-model; 0 in the code", least=0)
    submodular: str = _strategy("logdetcmi", "similar: set function", choices=("logdetcmi", "flcmi"))
    ccal_views: str = _strategy(
        "mild", "ccal: mean over 10 crops of 54 percent, or heavy: one random view", choices=("mild", "heavy")
    )

    def __post_init__(self) -> None:
        for option in dataclasses.fields(self):
            _check_value(option, getattr(self, option.name))
        for name in ("learning_rate", "lr_encoder", "lr_linear", "lr_finetune", "lr_scratch"):
            if not 0 < getattr(self, name) < float("inf"):
                raise InputError(f"{flag(name)} must be a positive number. Received: {getattr(self, name)}.")
        self._check_open_set()

    def _check_open_set(self) -> None:
        if self.splits and self.is_open:
            raise InputError("--splits is of closed sets. Received: options of an open set too. Leave one of them out.")
        if self.ood_dataset and (self.n_class_known or self.known_classes):
            raise InputError(
                "--oodDataset makes all classes of the first data set known. Received: --nClassKnown or --knownClasses "
                "too. Set --nClassKnown 0 and leave out the other."
            )
        if self.known_classes and self.trial is not None:
            raise InputError("--knownClasses and --trial both say which classes are known. Leave one of them out.")
        if not self.is_open and (self.ood_rate or self.trial is not None):
            raise InputError(
                "--oodRate and --trial need to know which classes are known. Give --nClassKnown, --knownClasses or "
                "--oodDataset."
            )

    def each_strategy(self) -> list[Recipe]:
        """One recipe for each name in `strategy`, which may be a comma list."""
        names = [name.strip() for name in self.strategy.split(",")]
        if len(set(names)) < len(names):
            raise InputError(f"--strategy must name each strategy once. Received: {self.strategy!r}.")
        return [dataclasses.replace(self, strategy=name) for name in names]

    @property
    def is_open(self) -> bool:
        """Whether the pool holds classes that are not asked for."""
        return bool(self.n_class_known or self.known_classes or self.ood_dataset)

    @property
    def label(self) -> str:
        """The data set and its variant, as result folders are named: "cifar10", or "cifar10-4known-ood60"."""
        if self.splits:
            return f"{self.dataset}-lowbudget"
        if not self.is_open:
            return self.dataset
        if self.ood_dataset:
            known = f"+{self.ood_dataset}"
        elif self.known_classes:
            known = "-known" + ".".join(name.strip() for name in self.known_classes.split(","))
        else:
            known = f"-{self.n_class_known}known"
        trial = "" if self.trial is None else f"-trial{self.trial}"
        return f"{self.dataset}{known}-ood{100 * self.ood_rate:g}{trial}"

    def check_against(self, n_train: int, n_classes: int) -> None:
        """Raises InputError when the options ask for more than n_train samples of n_classes classes can give."""
        if self.n_init < n_classes and not self.is_open:
            raise InputError(f"--nInit must be at least the number of classes, {n_classes}. Received: {self.n_init}.")
        for name in ("n_pool", "n_sample"):
            if getattr(self, name) > n_train:
                raise InputError(
                    f"{flag(name)} must be at most the {n_train} training samples of {self.dataset}. "
                    f"Received: {getattr(self, name)}."
                )
        if self.n_query > self.n_pool:
            raise InputError(
                f"--nQuery must be at most --nPool, {self.n_pool}, as the labels are chosen there. "
                f"Received: {self.n_query}."
            )

    def check_budget(self, n_pool_members: int) -> None:
        """Raises InputError when the budget is more than a pool of this size can give."""
        before_last = self.n_init + self.n_valid + self.n_query * max(self.n_step - 1, 0)
        if before_last >= n_pool_members:
            where = "samples in the pool of" if self.is_open else "training samples of"
            raise InputError(
                f"--nInit + --nValid + --nQuery * (--nStep - 1) must be less than the {n_pool_members} {where} "
                f"{self.dataset}. Received: {self.n_init} + {self.n_valid} + {self.n_query} * "
                f"{max(self.n_step - 1, 0)} = {before_last}. Lower one of them."
            )

    def identity(self) -> dict[str, Any]:
        """The options that the results depend on; a run folder belongs to one such set."""
        return {o.name: getattr(self, o.name) for o in dataclasses.fields(self) if o.metadata["identity"]}


def flag(name: str) -> str:
    """The command-line flag of a field: n_query -> --nQuery."""
    first, *rest = name.split("_")
    return "--" + first + "".join(word.capitalize() for word in rest)


def _check_value(option: dataclasses.Field[Any], value: Any) -> None:
    expected, limits = str(option.type), option.metadata
    if not _is_a(value, expected):
        raise InputError(f"{flag(option.name)} must be of type {expected}. Received: {value!r}.")
    if value is None:
        return
    if limits["choices"] and value not in limits["choices"]:
        raise InputError(f"{flag(option.name)} must be one of {', '.join(limits['choices'])}. Received: {value!r}.")
    if limits["least"] is not None and not value >= limits["least"]:
        raise InputError(f"{flag(option.name)} must be at least {limits['least']}. Received: {value}.")
    if limits["below"] is not None and not value < limits["below"]:
        raise InputError(f"{flag(option.name)} must be less than {limits['below']}. Received: {value}.")


def _is_a(value: Any, expected: str) -> bool:
    if value is None:
        return "None" in expected
    kind = expected.partition(" ")[0]
    if kind == "int":
        return isinstance(value, int) and not isinstance(value, bool)
    if kind == "float":
        return isinstance(value, (int, float)) and not isinstance(value, bool)
    return isinstance(value, str)
