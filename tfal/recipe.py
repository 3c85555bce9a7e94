"""The recipe: every option of a run, with its unit, default and source. Command line and json come from its fields."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from functools import partial
from hashlib import blake2b
from typing import Any

from tfal.errors import InputError
from tfal.names import BALANCED, resolved
from tfal.options import check_value, flag, option

_published = partial(option, protocol=True)
_pool = partial(_published, group="pool and budget")
_training = partial(_published, group="training of the classifier")
_open = partial(option, group="open set")
_encoder = partial(_published, group="encoders: csi for mqnet, two for ccal")
_low_budget = partial(_published, group="low budgets")
_unsupervised = partial(_published, group="vae, scan and vaal: learners without labels")
_strategy = partial(option, group="options of single strategies")
_table = partial(option, None, group="tables")
_MOST = 120  # characters of a list of classes in the name of a folder


@dataclass(frozen=True)
class Recipe:
    """One strategy on one data set with one network; the defaults are the LDM-S paper's MNIST protocol.

    On the command line `n_query` is `--nQuery`, and so on. Names may be written in small or capital letters, with or
    without hyphens and underscores; here they stand in their one spelling, see tfal.names. Raises InputError for values
    out of range.
    """

    dataset: str = _published(
        "mnist",
        "data set: digits, mnist, cifar10, cifar20, cifar100, svhn, tiny_imagenet, food101, imagenet, imagenet_lt, or "
        "what --dataDir holds",
    )
    network: str = _published("SCNN", "network")
    strategy: str = option("ldms", "query strategy, or a comma list that runs one after the other")
    seed: int = option(0, "seed of all random numbers; repetition r uses (seed, r)", least=0)
    n_rep: int = _published(5, "repetitions, each with its own split", least=1, identity=False)
    backend: str = option("auto", "where the kernels compute: auto, numpy or cupy", identity=False)
    devices: str = option(
        "one",
        "where networks train and read: one GPU, or all of this machine, each with a part of every batch, which is "
        "all that batch normalization sees there",
        choices=("one", "all"),
    )
    data_dir: str | None = option(
        None, "folder with the data (else $TFAL_DATA_DIR, else tensorflow-datasets)", identity=False
    )
    image_size: int = option(224, "side of images that are read from files [pixels]", least=1)
    corrupt: str = option(
        "refuse", "image files that cannot be read: refuse, or find and skip them first", choices=("refuse", "skip")
    )
    results_dir: str = _published("results", "folder for the result files", identity=False)

    csv: str | None = _table("a csv file of numbers with one column of classes, in place of --dataset", identity=False)
    label: str | None = _table("column of the classes: its name in the first line, or its place from 0; -1: the last")
    csv_test: str | None = _table("csv file of the test rows; not set: a fifth of each class of --csv", identity=False)

    n_init: int = _pool(20, "initial labels [images], class balanced; open set: at random", least=1)
    n_valid: int = _pool(5000, "validation set [images], class balanced; 0: the last epoch counts", least=0)
    n_pool: int = _pool(2000, "candidates drawn from the unlabeled samples in each round [images]", least=1)
    n_query: int = _pool(20, "labels bought in each round [images]", least=1)
    n_step: int = _pool(50, "query rounds; nStep + 1 networks are trained", least=0)
    initial: str = _pool(
        BALANCED,
        "initial labels: class_balanced (open set: at random), or any strategy that needs no classifier, such as "
        "random, kmeans, typiclust, simclr_loss, vae_loss, scan, ranking",
    )
    missing_classes: str = _pool(
        "allow", "classes without a label at the start: allow, or refuse", choices=("allow", "refuse")
    )
    long_tail: float = _pool(
        0.0,
        "size of the smallest class over that of the largest, exponential in between; 0: as it is",
        least=0,
        below=1,
    )

    n_batch: int = _training(32, "training batch [images]", least=1)
    n_epoch: int = _training(50, "training epochs in each round; the best by validation counts", least=1)
    n_step_epoch: int = _training(0, "training steps of an epoch; 0: one pass over the labeled samples", least=0)
    steps: str = _training(
        "exactly",
        "at_least: whole passes until nStepEpoch is reached; of mqnet's meta-model until 100",
        choices=("exactly", "at_least"),
    )
    optimizer: str = _training("adam", "Keras optimizer by name")
    learning_rate: float = _training(1e-3, "learning rate at the start", above=0)
    momentum: float = _training(0.0, "momentum, of sgd only", least=0, below=1)
    weight_decay: float = _training(
        0.0, "added to the gradient of every weight, times the weight; sgd and adam", least=0
    )
    nesterov: str = _training("off", "Nesterov momentum, of sgd only", choices=("off", "on"))
    schedule: str = _training(
        "constant",
        "multistep: a tenth at 50 and at 75 percent of the epochs; cosine: to 0 at the end",
        choices=("constant", "multistep", "cosine"),
    )
    warm_start: str = _training("off", "on: a round goes on from the weights of the one before", choices=("off", "on"))
    augment: str = _training(
        "none", "training augmentation: none, crop, flip_crop (of image files: random resized crops) or randaugment"
    )
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
    lr_encoder: float = _encoder(0.1, "learning rate before the warm-up", above=0)
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
    lr_linear: float = _low_budget(0.01, "learning rate of linear heads; a tenth at 50 and at 75 percent", above=0)
    n_epoch_linear: int = _low_budget(100, "epochs of linear heads, of fine-tuning and from scratch", least=1)
    lr_finetune: float = _low_budget(1e-4, "learning rate of the network, finetune", above=0)
    lr_scratch: float = _low_budget(0.1, "learning rate, scratch; a tenth at 30, 60 and 90 percent", above=0)

    n_epoch_vae: int = _unsupervised(200, "pretraining epochs, vae", least=1)
    n_batch_vae: int = _unsupervised(200, "batch, vae [images]", least=1)
    lr_vae: float = _unsupervised(1e-3, "learning rate of Adam, vae", above=0)
    vae_latent: int = _unsupervised(128, "dimensions of the latent space, vae", least=1)
    n_epoch_scan: int = _unsupervised(50, "epochs of the clustering, scan", least=1)
    n_epoch_self_label: int = _unsupervised(200, "epochs of the self-label stage, self_label", least=1)
    n_batch_scan: int = _unsupervised(128, "batch, scan [images]", least=2)
    lr_scan: float = _unsupervised(1e-4, "learning rate of Adam, scan", above=0)
    n_neighbor_scan: int = _unsupervised(20, "nearest neighbors of an image, scan", least=1)
    n_epoch_vaal: int = _unsupervised(100, "epochs of vae and discriminator in each round, vaal", least=1)
    n_batch_vaal: int = _unsupervised(64, "batch from each pool, vaal [images]", least=1)
    lr_vaal: float = _unsupervised(5e-4, "learning rate of Adam, vaal", above=0)
    vaal_latent: int = _unsupervised(32, "dimensions of the latent space, vaal", least=1)
    vaal_kl: str = _unsupervised(
        "mean", "vaal: divergence as a mean like the error, or summed as in the code", choices=("mean", "sum")
    )

    n_cluster: int = _strategy(
        0, "scan, self_label, kmeans_clusters, cluster_ranking: clusters; 0: as many as classes", least=0
    )
    ranking: str | None = _strategy(None, "ranking: an .npy file of ids, best first")
    rank_score: str = _strategy(
        "simclr_loss",
        "cluster_ranking: score, or ranking: the order in the file of --ranking",
        choices=("simclr_loss", "vae_loss", "ranking"),
    )
    rank_clusters: str = _strategy("kmeans", "cluster_ranking: clusters", choices=("kmeans", "scan", "self_label"))
    n_pass: int = _strategy(25, "dbal, bald, batchbald: passes with dropout", protocol=True, least=2)
    n_member: int = _strategy(3, "variation_ratio, ensemble_entropy: networks", protocol=True, least=2)
    n_view: int = _strategy(10, "consistency: augmented views of an image", protocol=True, least=2)
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
    meta_epoch: int = _strategy(
        100, "mqnet: epochs of the meta-model, 100 steps each, see steps", protocol=True, least=1
    )
    meta_batch: int = _strategy(64, "mqnet: batch of the meta-model; 32 in the code", least=2)
    meta_wd: float = _strategy(5e-4, "mqnet: weight decay of the meta-model; 0 in the code", least=0)
    submodular: str = _strategy("logdetcmi", "similar: set function", choices=("logdetcmi", "flcmi"))
    ccal_views: str = _strategy(
        "mild", "ccal: mean over 10 crops of 54 percent, or heavy: one random view", choices=("mild", "heavy")
    )

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            check_value(field, getattr(self, field.name))
        for name, value in resolved(vars(self)).items():
            object.__setattr__(self, name, value)
        self._check_open_set()
        self._check_initial()

    def _check_initial(self) -> None:
        if self.long_tail and (self.is_open or self.splits):
            raise InputError(
                "--longTail is of closed sets in rounds. Received: --splits, or options of an open set too. Leave one "
                "of them out."
            )
        if self.splits and self.initial != BALANCED:
            raise InputError(
                f"--initial has no place with --splits, where every budget is chosen. Received: {self.initial!r}. "
                "Name it as --strategy."
            )

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
        return [dataclasses.replace(self, strategy=name) for name in self.strategy.split(",")]

    @property
    def is_open(self) -> bool:
        """Whether the pool holds classes that are not asked for."""
        return bool(self.n_class_known or self.known_classes or self.ood_dataset)

    @property
    def title(self) -> str:
        """The data set and its variant, as result folders are named: "cifar10", or "cifar10-4known-ood60"."""
        if self.splits:
            return f"{self.dataset}-lowbudget"
        start = "" if self.initial == BALANCED else f"-from-{self.initial}"
        tail = f"-longtail{self.long_tail:g}" if self.long_tail else ""
        return f"{self.dataset}{self._open_title if self.is_open else tail}{start}"

    @property
    def _open_title(self) -> str:
        if self.ood_dataset:
            known = f"+{self.ood_dataset}"
        elif self.known_classes:
            known = f"-known{_shortened(self.known_classes.replace(',', '.'))}"
        else:
            known = f"-{self.n_class_known}known"
        trial = "" if self.trial is None else f"-trial{self.trial}"
        return f"{known}-ood{100 * self.ood_rate:g}{trial}"

    def check_against(self, n_train: int, n_classes: int) -> None:
        """Raises InputError when the options ask for more than n_train samples of n_classes classes can give."""
        if self.n_init < n_classes and self.initial == BALANCED and not (self.is_open or self.long_tail):
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


def _shortened(text: str) -> str:
    """The text, or the beginning and a hash of one that is too long for a folder's name."""
    return text if len(text) <= _MOST else f"{text[:20]}...{blake2b(text.encode(), digest_size=6).hexdigest()}"
