"""The other commands: report, compare, cold start, checkpoints of PyTorch; and terminals that are none."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from tests.attack.inputs.case import ACCEPTED, EITHER, REFUSED, Case, together, write
from tests.attack.inputs.files import damages

_COLD = (
    *("tfal.coldstart", "--dataset", "digits", "--network", "MLP", "--criteria", "simclr_loss", "--budgets", "20"),
    *(
        "--nRandom",
        "2",
        "--nRun",
        "1",
        "--nEpoch",
        "1",
        "--nStepEpoch",
        "1",
        "--nEpochSimclr",
        "1",
        "--resultsDir",
        "{}/results",
    ),
)


def run(
    strategy: str, rep: int, accuracies: list[float], folder: str = "digits_MLP", **recipe: object
) -> Callable[[Path], object]:
    """A maker of a results folder as a run leaves it, as far as reports read it."""
    rows = "".join(f"{step},{10 * step + 10},{value}\n" for step, value in enumerate(accuracies))
    stored = {"recipe": {"seed": 0, "dataset": "digits", "data": "0" * 16, "strategy": strategy, **recipe}}
    place = f"{folder}/{strategy}/rep{rep:03d}"
    return together(
        write(f"{place}/rounds.csv", "round,labels,test_accuracy\n" + rows),
        write(f"{place}/recipe.json", json.dumps(stored)),
    )


def _runs(folder: str = "digits_MLP", **recipe: object) -> Callable[[Path], object]:
    names = [(name, rep) for name in ("random", "margin") for rep in (1, 2, 3)]
    return together(*(run(name, rep, [rep / 10, rep / 9], folder, **recipe) for name, rep in names))


def cases() -> Iterator[Case]:
    """All of them."""
    yield from _reports()
    yield from _comparisons()
    yield from _cold_starts()
    yield from _checkpoints()


def _reports() -> Iterator[Case]:
    for name, flags in {
        "nothing": (),
        "a missing folder": ("{}/gone",),
        "an empty folder": ("{}",),
        "a file": ("{}/digits_MLP/random/rep001/rounds.csv",),
        "the results above": ("{}/digits_MLP/..",),
        "a strategy's folder": ("{}/digits_MLP/random",),
        "a repetition's folder": ("{}/digits_MLP/random/rep001",),
        "one good, one missing": ("{}/digits_MLP", "{}/gone"),
        "a flag": ("--nonsense",),
        "an empty name": ("",),
        "a long name": ("{}/" + "x" * 400,),
        "a line end": ("{}/a\nb",),
        "/dev/null": ("/dev/null",),
        "/proc": ("/proc/self",),
    }.items():
        expected = EITHER if name == "a missing folder beside" else REFUSED
        yield Case(
            f"report of {name}",
            ("tfal.report", *flags),
            make=_runs() if "empty folder" not in name else None,
            expected=expected,
        )
    for name, make in {
        "plain": _runs(),
        "one round": run("random", 1, [0.5]),
        "repetitions of other lengths": together(run("random", 1, [0.1, 0.2]), run("random", 2, [0.1])),
        "a strategy without rows": together(run("random", 1, [0.1]), run("margin", 1, [])),
        "an unknown strategy": run("mine", 1, [0.1, 0.2]),
        "a stray file": together(_runs(), write("digits_MLP/notes.txt", "hello")),
        "a stray folder": together(_runs(), write("digits_MLP/random/rep001/x/y", "hello")),
        "a repetition called repABC": together(_runs(), write("digits_MLP/random/repABC/rounds.csv", "x")),
        "no recipe": together(
            _runs(), write("digits_MLP/bald/rep001/rounds.csv", "round,labels,test_accuracy\n0,10,0.5\n")
        ),
        "40 strategies": together(*(run(f"s{number}", 1, [0.1, 0.2]) for number in range(40))),
        "a name of LaTeX": run("$x_{1}$", 1, [0.1, 0.2]),
        "a name of markdown": run("a|b", 1, [0.1, 0.2]),
    }.items():  # fmt: skip
        expected = (
            ACCEPTED if name in ("plain", "one round", "40 strategies", "a stray file", "a name of LaTeX") else EITHER
        )
        yield Case(f"report: {name}", ("tfal.report", "{}/digits_MLP"), make=make, expected=expected)


def _comparisons() -> Iterator[Case]:
    other = {
        "seed": _runs("other", seed=7),
        "data": _runs("other", data="1" * 16),
        "data set": _runs("other", dataset="letter"),
    }
    for name, make in other.items():
        yield Case(
            f"compare with another {name}",
            ("tfal.report.compare", "{}/digits_MLP", "{}/other"),
            make=together(_runs(), make),
            expected=EITHER,
        )
    for name, flags in {
        "nothing": (),
        "a missing folder": ("{}/gone",),
        "a second missing folder": ("{}/digits_MLP", "{}/gone"),
        "an empty folder": ("{}", "{}/digits_MLP"),
        "itself": ("{}/digits_MLP", "{}/digits_MLP"),
        "a file": ("{}/digits_MLP/random/rep001/rounds.csv",),
        "a flag": ("--nonsense", "{}/digits_MLP"),
        "a long name": ("{}/" + "x" * 400,),
        "an empty name": ("",),
    }.items():
        yield Case(f"compare of {name}", ("tfal.report.compare", *flags), make=_runs())
    for name, make, expected in (
        ("plain", _runs(), ACCEPTED),
        ("no random", run("margin", 1, [0.1, 0.2]), REFUSED),
        ("random alone", run("random", 1, [0.1, 0.2]), REFUSED),
        ("one repetition", together(run("margin", 1, [0.1, 0.2]), run("random", 1, [0.1, 0.2])), EITHER),
        ("other repetitions", together(run("margin", 1, [0.1, 0.2]), run("random", 2, [0.1, 0.2])), EITHER),
        ("one budget in common", together(run("margin", 1, [0.1]), run("random", 1, [0.1, 0.2])), EITHER),
        (
            "other splits of one folder",
            together(run("margin", 1, [0.1, 0.2], seed=1), run("random", 1, [0.1, 0.2])),
            EITHER,
        ),
    ):
        yield Case(f"compare: {name}", ("tfal.report.compare", "{}/digits_MLP"), make=make, expected=expected)


def _cold_starts() -> Iterator[Case]:
    for flags in (
        *(
            "--criteria nonsense",
            "--criteria entropy",
            "--criteria simclr_loss,simclr_loss",
            "--criteria ,",
            "--criteria=",
        ),
        *(
            "--budgets 0",
            "--budgets -5",
            "--budgets a",
            "--budgets 10,10",
            "--budgets 5000",
            "--budgets 1.5",
            "--budgets 0.0000001",
        ),
        *(
            "--budgets=",
            "--budgets nan",
            "--budgets 20,inf",
            "--nRandom -1",
            "--nRandom a",
            "--nRun 0",
            "--nRun -1",
            "--nCluster 0",
        ),
        *(
            "--nCluster 1",
            "--nCluster 5000",
            "--temperature 0",
            "--temperature 7",
            "--temperature nan",
            "--strategy margin",
        ),
        *("--nQuery 5", "--nEpoch 0", "--learningRate inf", "--learningRate 0", "--nBatch 0", "--network nonsense"),
        *(
            "--dataset nonsense --dataDir {}",
            "--dataset ../x",
            "--resultsDir /proc/x",
            "--resultsDir /dev/null/x",
            "--oracle 5",
        ),
        *(
            "--preset lowbudget",
            "--nonsense",
            "--seed -1",
            "--optimizer nonsense",
            "--augment nonsense",
            "--momentum 2",
        ),
    ):
        expected = EITHER if flags == "--nRandom 1" else REFUSED
        yield Case(f"cold start: {flags}", (*_COLD, *flags.split()), expected=expected)
    table = f"coldstart/digits_MLP/{'x'}"
    yield Case("cold start: plain", _COLD, expected=ACCEPTED)
    yield Case("cold start: results are a file", _COLD, make=write("results", "a file"))
    yield Case("cold start: a stray file", _COLD, make=write(f"results/{table}", ""), expected=EITHER)


def _checkpoints() -> Iterator[Case]:
    convert = ("tfal.convert_torch",)
    good = np.zeros(3, np.float32).tobytes()
    for name, content in damages(good * 300).items():
        yield Case(f"checkpoint: {name}", (*convert, "{}/x.pth", "{}/x.weights.h5"), make=write("x.pth", content))
    for name, flags in {
        "nothing": (),
        "one name": ("{}/x.pth",),
        "a missing file": ("{}/gone.pth", "{}/x.weights.h5"),
        "a folder": ("{}", "{}/x.weights.h5"),
        "another ending": ("{}/x.pth", "{}/x.h5"),
        "an unknown network": ("{}/x.pth", "{}/x.weights.h5", "--arch", "vgg16"),
        "a flag": ("{}/x.pth", "{}/x.weights.h5", "--nonsense"),
        "no place to write": ("{}/x.pth", "/proc/x.weights.h5"),
        "a file for a folder": ("{}/x.pth", "{}/x.pth/x.weights.h5"),
        "an empty name": ("", "{}/x.weights.h5"),
    }.items():
        yield Case(f"convert: {name}", (*convert, *flags), make=write("x.pth", b"no checkpoint"))
    low = (
        "run_digits.py",
        "--preset",
        "lowbudget",
        "--network",
        "MLP",
        "--nRep",
        "1",
        "--splits",
        "10,20",
        "--strategy",
        "kmeans",
    )
    for ending in (".keras", ".weights.h5"):
        for name, content in damages(good * 300).items():
            argv = (*low, "--encoder", "{}/e" + ending, "--resultsDir", "{}/results")
            yield Case(f"encoder e{ending}: {name}", argv, make=write(f"e{ending}", content))
    for name in ("e.h5", "e.pt", "e.onnx", "e.npz", "e", "e.KERAS"):
        argv = (*low, "--encoder", "{}/" + name, "--resultsDir", "{}/results")
        yield Case(f"encoder {name}", argv, make=write(name, good))
    for place in (
        "{}/file",
        "{}/file/x",
        "/proc/x",
        "/dev/null",
        "/dev/null/x",
        "/sys/x",
        "{}/" + "x" * 300,
        "{}/a\nb/" + "y" * 300,
        "{}/loop",
    ):
        make = together(write("file", "a file"), lambda folder: (folder / "loop").symlink_to(folder / "loop"))
        yield Case(f"results in {place[:20]!r}, rounds", (*_loop(), "--resultsDir", place), make=make)
        yield Case(f"results in {place[:20]!r}, splits", (*low, "--resultsDir", place), make=make)


def _loop() -> tuple[str, ...]:
    from tests.attack.inputs.options import TINY

    return TINY[:-2]
