"""The recipe: every option of a run, with its unit, default and source. Command line and json come from its fields."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from tfal.errors import InputError


def _option(default: Any, text: str, protocol: bool = False, least: int | None = None, identity: bool = True) -> Any:
    """A field. `protocol`: its default comes from the publication that a script reproduces. `least`: its smallest
    value. `identity`: a run folder belongs to one value of it."""
    metadata = {"help": text, "protocol": protocol, "least": least, "identity": identity}
    return field(default=default, metadata=metadata)


_published = partial(_option, protocol=True)


@dataclass(frozen=True)
class Recipe:
    """One strategy on one data set with one network; the defaults are the LDM-S paper's MNIST protocol.

    On the command line `n_query` is `--nQuery`, and so on. Raises InputError for values out of range.
    """

    dataset: str = _published("mnist", "data set: digits, mnist, cifar10, or what --dataDir holds")
    network: str = _published("SCNN", "network, a name of models.BUILDERS")
    strategy: str = _option("ldms", "query strategy; a comma list runs one after the other")
    n_batch: int = _published(32, "training batch [images]", least=1)
    n_epoch: int = _published(50, "training epochs in each round; the best by validation counts", least=1)
    n_valid: int = _published(5000, "validation set [images], class balanced; 0: the last epoch counts", least=0)
    n_init: int = _published(20, "initial labels [images], class balanced", least=1)
    n_pool: int = _published(2000, "candidates drawn from the unlabeled samples in each round [images]", least=1)
    n_query: int = _published(20, "labels bought in each round [images]", least=1)
    n_step: int = _published(50, "query rounds; nStep + 1 networks are trained", least=0)
    n_sample: int = _published(2000, "Monte-Carlo inputs for the disagree metric [images]", least=1)
    optimizer: str = _published("adam", "Keras optimizer by name")
    learning_rate: float = _published(1e-3, "learning rate, constant")
    augment: str = _published("none", "training augmentation: none or flip_crop")
    seed: int = _option(0, "seed of all random numbers; repetition r uses (seed, r)", least=0)
    backend: str = _option("auto", "where the kernels compute: auto, numpy or cupy", identity=False)
    n_rep: int = _published(5, "repetitions, each with its own split", least=1, identity=False)
    data_dir: str | None = _option(
        None, "folder with the data (else $TFAL_DATA_DIR, else tensorflow-datasets)", identity=False
    )
    results_dir: str = _published("results", "folder for the result files", identity=False)

    def __post_init__(self) -> None:
        for option in dataclasses.fields(self):
            value, least = getattr(self, option.name), option.metadata["least"]
            expected = str(option.type)
            if not _is_a(value, expected):
                raise InputError(f"{flag(option.name)} must be of type {expected}. Received: {value!r}.")
            if least is not None and value < least:
                raise InputError(f"{flag(option.name)} must be at least {least}. Received: {value}.")
        if not 0 < self.learning_rate < float("inf"):
            raise InputError(f"--learningRate must be a positive number. Received: {self.learning_rate}.")

    def each_strategy(self) -> list[Recipe]:
        """One recipe for each name in `strategy`, which may be a comma list."""
        names = [name.strip() for name in self.strategy.split(",")]
        if len(set(names)) < len(names):
            raise InputError(f"--strategy must name each strategy once. Received: {self.strategy!r}.")
        return [dataclasses.replace(self, strategy=name) for name in names]

    def check_against(self, n_train: int, n_classes: int) -> None:
        """Raises InputError when the options ask for more than n_train samples of n_classes classes can give."""
        if self.n_init < n_classes:
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
        before_last = self.n_init + self.n_valid + self.n_query * max(self.n_step - 1, 0)
        if before_last >= n_train:
            raise InputError(
                f"--nInit + --nValid + --nQuery * (--nStep - 1) must be less than the {n_train} training samples of "
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


def _is_a(value: Any, expected: str) -> bool:
    if expected == "int":
        return isinstance(value, int) and not isinstance(value, bool)
    if expected == "float":
        return isinstance(value, (int, float)) and not isinstance(value, bool)
    return isinstance(value, str) or (value is None and "None" in expected)
