"""The recipe: every option of a run, with its unit, default and source. Command line and json come from its fields."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import Any

from tfal.errors import InputError

LDMS_CODE = "LDM-S public code"
_NON_NEGATIVE, _POSITIVE = 0, 1


def _option(default: Any, text: str, source: str = "tfal", least: int | None = None, identity: bool = True) -> Any:
    """A field; `least` is its smallest value; fields without `identity` may differ when a run is resumed."""
    return field(default=default, metadata={"help": text, "source": source, "least": least, "identity": identity})


@dataclass(frozen=True)
class Recipe:
    """One strategy on one data set with one network; the defaults are the LDM-S paper's MNIST protocol.

    On the command line `n_query` is `--nQuery`, and so on. Raises InputError for values out of range.
    """

    dataset: str = _option("mnist", "data set: digits, mnist, cifar10, or what --dataDir holds", LDMS_CODE)
    network: str = _option("SCNN", "network, a name of models.BUILDERS", LDMS_CODE)
    strategy: str = _option("ldms", "query strategy; a comma list runs one after the other")
    n_batch: int = _option(32, "training batch [images]", LDMS_CODE, _POSITIVE)
    n_epoch: int = _option(50, "training epochs in each round; the best by validation counts", LDMS_CODE, _POSITIVE)
    n_valid: int = _option(5000, "validation set [images], class balanced; 0: the last epoch counts", LDMS_CODE, 0)
    n_init: int = _option(20, "initial labels [images], class balanced", LDMS_CODE, _POSITIVE)
    n_pool: int = _option(2000, "candidates drawn from the unlabeled samples in each round [images]", LDMS_CODE, 1)
    n_query: int = _option(20, "labels bought in each round [images]", LDMS_CODE, _POSITIVE)
    n_step: int = _option(50, "query rounds; nStep + 1 networks are trained", LDMS_CODE, _NON_NEGATIVE)
    n_sample: int = _option(2000, "Monte-Carlo inputs for the disagree metric [images]", LDMS_CODE, _POSITIVE)
    optimizer: str = _option("adam", "Keras optimizer by name", LDMS_CODE)
    learning_rate: float = _option(1e-3, "learning rate, constant", LDMS_CODE)
    augment: str = _option("none", "training augmentation: none or flip_crop", LDMS_CODE)
    seed: int = _option(0, "seed of all random numbers; repetition r uses (seed, r)", least=_NON_NEGATIVE)
    backend: str = _option("auto", "where the kernels compute: auto, numpy or cupy", identity=False)
    n_rep: int = _option(5, "repetitions, each with its own split", LDMS_CODE, _POSITIVE, identity=False)
    data_dir: str | None = _option(
        None, "folder with the data (else $TFAL_DATA_DIR, else tensorflow-datasets)", identity=False
    )
    results_dir: str = _option("results", "folder for the result files", LDMS_CODE, identity=False)

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
