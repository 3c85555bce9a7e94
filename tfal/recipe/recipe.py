"""The recipe: every option of a run, with its unit, default and source. Command line and json come from its fields."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

from tfal.errors import InputError
from tfal.recipe.method_options import MethodOptions
from tfal.recipe.names import BALANCED, resolved
from tfal.recipe.options import check_value, flag
from tfal.recipe.run_options import RunOptions

_MOST = 120  # characters of a list of classes in the name of a folder


@dataclass(frozen=True)
class Recipe(MethodOptions, RunOptions):
    """One strategy on one data set with one network; the defaults are the LDM-S paper's MNIST protocol.

    On the command line `n_query` is `--nQuery`, and so on. Names may be written in small or capital letters, with or
    without hyphens and underscores; here they stand in their one spelling, see tfal.recipe.names. Raises InputError for
    values out of range.
    """

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            check_value(field, getattr(self, field.name))
        for name, value in resolved(vars(self)).items():
            object.__setattr__(self, name, value)
        self._check_open_set()
        self._check_initial()
        if self.lr_schedule is not None:
            _percents(self.lr_schedule)
        if self.simclr_optimizer == "sgd" and self.n_warmup:
            raise InputError(f"--simclrOptimizer sgd has no warm-up. Set --nWarmup 0. Received: {self.n_warmup}.")

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
            given = [flag(name) for name in ("n_class_known", "known_classes", "ood_dataset") if getattr(self, name)]
            raise InputError(f"--splits is of closed sets. Received: {' and '.join(given)} too. Leave one of them out.")
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
    def milestones(self) -> tuple[int, ...] | None:
        """Those of `lr_schedule`, percent of the epochs; None where each training has its own."""
        return None if self.lr_schedule is None else _percents(self.lr_schedule)

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

    def identity(self) -> dict[str, Any]:
        """The options that the results depend on; a run folder belongs to one such set."""
        return {o.name: getattr(self, o.name) for o in dataclasses.fields(self) if o.metadata["identity"]}


def _shortened(text: str) -> str:
    """The text, or the beginning and a hash of one that is too long for a folder's name."""
    return text if len(text) <= _MOST else f"{text[:20]}...{blake2b(text.encode(), digest_size=6).hexdigest()}"


def _percents(text: str) -> tuple[int, ...]:
    """Ascending whole numbers from 1 to 99, from a comma list."""
    try:
        found = tuple(int(number) for number in text.split(","))
    except ValueError:
        found = ()
    if not found or list(found) != sorted({*found}) or not 0 < found[0] <= found[-1] < 100:
        raise InputError(
            f"--lrSchedule must be ascending whole numbers from 1 to 99, percent of the epochs, such as 50,75. "
            f"Received: {text!r}."
        )
    return found
