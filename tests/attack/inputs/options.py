"""Every option of the recipe with values that it cannot have, and ways to mistype a flag."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

from tests.attack.inputs.case import ACCEPTED, EITHER, REFUSED, Case
from tfal.recipe.components import options
from tfal.recipe.options import flag

TINY = (
    *("run_digits.py", "--network", "MLP", "--nRep", "1", "--nStep", "1", "--nEpoch", "1", "--nInit", "20"),
    *("--nValid", "20", "--nPool", "60", "--nQuery", "5", "--strategy", "ldms"),
    *("--resultsDir", "{}/results"),
)
_LONG = "x" * 5000
_HUGE = "9" * 25
_BAD = {
    "int": ("abc", "", "1.5", "nan", "1e3", "-1"),
    "float": ("abc", "", "nan", "inf", "-inf", "1e400", "-1"),
    "choice": ("nonsense", "", "off,on", "0"),
}
_NAME = (
    "nonsense",
    "",
    " ",
    ",",
    "../x",
    "../../../../tmp/x",
    "/etc/passwd",
    "..",
    "a\nb",
    "naïve",
    "%s{}%n",
    _LONG,
    "a" * 300,
)
_NO_LIMIT = ("n_epoch", "n_rep", "n_pass", "n_member", "n_redo", "n_iter", "n_view", "meta_epoch", "seed", "trial")
_NAMES = {  # options that hold names or lists, and the flags beside which they are looked at
    "dataset": (),
    "network": (),
    "strategy": (),
    "initial": (),
    "optimizer": (),
    "augment": (),
    "backend": (),
    "ood_dataset": (),
    "encoder": ("--preset", "lowbudget", "--splits", "10,20"),
    "evaluate": ("--preset", "lowbudget", "--splits", "10,20"),
    "splits": ("--preset", "lowbudget"),
    "known_classes": ("--preset", "openset", "--strategy", "random", "--nClassKnown", "0"),
    "resume_indices": ("--preset", "lowbudget", "--splits", "10,20"),
    "ranking": ("--strategy", "random", "--initial", "ranking"),
    "csv": ("--label", "0"),
    "csv_test": ("--label", "0", "--csv", "gone.csv"),
    "drop": ("--label", "0", "--csv", "gone.csv"),
    "data_dir": ("--dataset", "mine"),
}


def cases() -> Iterator[Case]:
    """All of them."""
    for field in options().values():
        yield from _of_field(field)
        yield Case(f"option {flag(field.name)} without a value", (*TINY, flag(field.name)), says=flag(field.name))
    yield from _mistyped()


def _of_field(field: dataclasses.Field[Any]) -> Iterator[Case]:
    kind, limits = str(field.type).partition(" ")[0], field.metadata
    if limits["choices"]:
        kind = "choice"
    for value in _BAD.get(kind, ()):
        if not (value == "-1" and limits.get("least") is None and kind == "int"):
            yield _case(field.name, value)
    if kind == "choice":
        yield _case(field.name, limits["choices"][-1].upper(), EITHER)
    if limits.get("least") in (1, 2) or limits.get("above") == 0:
        yield _case(field.name, "0")
    if limits.get("least") == 2:
        yield _case(field.name, "1")
    if limits.get("below") == 1:
        yield _case(field.name, "1")
    if kind == "int" and not field.name.startswith(_NO_LIMIT):
        yield _case(field.name, _HUGE, EITHER)
    for value in _NAME if field.name in _NAMES else ():
        harmless = field.name in ("data_dir", "csv_test") or (field.name == "ood_dataset" and not value.strip())
        yield _case(field.name, value, EITHER if harmless else REFUSED, _NAMES[field.name])


def _case(name: str, value: str, expected: str = REFUSED, beside: tuple[str, ...] = ()) -> Case:
    shown = repr(value if len(value) < 60 else f"{value[:3]}... ({len(value)} characters)")
    return Case(f"option {flag(name)} {shown}", (*TINY, *beside, f"{flag(name)}={value}"), expected=expected)


def _mistyped() -> Iterator[Case]:
    for given in (
        *("--nQuerry 5", "--nquery 5", "-nQuery 5", "--nQ 5", "--n_query 5", "--NQUERY 5", "--strat ldms"),
        *("nonsense", "5", "--nQuery 5 6", "--learningRate 0,001", "--preset", "--preset nonsense", "--preset ../x"),
        *("--network ResNet", "--network resnet18x", "--", "-- nonsense", "--seed 1 --sead 2", "--help=5", "-h5"),
        *("--=5", "—nQuery 5", "--nQuery\uff15", "--no-such", "-x", "@file", "--nEpoch 1 --nEpoch abc"),
    ):
        expected = EITHER if given in ("--", "-h5", "--help=5") else REFUSED
        yield Case(f"mistyped: {given}", (*TINY, *given.split()), expected=expected)
    for given in (
        *("--nQuery 6 --nQuery 5", "--strategy LDMS", "--strategy margin,random", "--network mlp", "--optimizer Adam"),
        *("--dataset DIGITS", "--initial class-balanced", "--initial Random", "--nStep 0", "--nValid 0", "--nQuery 60"),
        *("--seed 4294967296", "--seed 99999999999999999999", "--learningRate 1e-300", "--nBatch 100000", "--nBatch 1"),
        *("--strategy margin, random", "--weightDecay 0.1", "--augment crop", "--schedule cosine", "--nStepEpoch 1"),
    ):
        strategy = () if "--strategy" in given else ("--strategy", "ldms")
        flags = given.split(" ", 1) if "," in given else given.split()
        yield Case(f"good: {given}", (*TINY, *strategy, *flags), expected=ACCEPTED)
