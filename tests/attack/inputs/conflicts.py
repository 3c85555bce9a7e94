"""Options that do not go together, or not with these data."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from tests.attack.inputs.case import ACCEPTED, EITHER, REFUSED, Case
from tests.attack.inputs.options import TINY

_LOW = (
    *("run_digits.py", "--preset", "lowbudget", "--network", "MLP", "--nEpochSimclr", "1", "--nEpochLinear", "1"),
    *("--nRep", "1", "--resultsDir", "{}/results"),
)
_OPEN = (
    *("run_digits.py", "--preset", "openset", "--network", "MLP", "--nRep", "1", "--nStep", "1", "--nEpoch", "1"),
    *("--nStepEpoch", "1", "--nInit", "40", "--nPool", "60", "--nQuery", "5", "--resultsDir", "{}/results"),
)

_CLOSED_REFUSED = (
    *("--nInit 9", "--nInit 2000", "--nQuery 61", "--nPool 5000", "--nPool 1438", "--nSample 5000", "--nValid 1400"),
    *("--nStep 1000", "--nInit 1437 --nValid 0", "--missingClasses refuse --longTail 0.01 --nInit 12"),
    *("--oodRate 0.5", "--trial 0", "--oodDataset digits --nClassKnown 4", "--knownClasses 1,2 --trial 0"),
    *("--longTail 0.5 --nClassKnown 4", "--longTail 0.1 --splits 10", "--initial margin", "--initial ldms"),
    *("--initial uniform,random", "--initial ldms --splits 10", "--strategy mqnet,mqnet", "--strategy ranking"),
    *("--strategy random,random", "--strategy Random,random", "--momentum 0.9", "--nesterov on", "--momentum 1"),
    *("--encoder simclr", "--evaluate linear", "--nNeighbor 3", "--resumeIndices gone.npy", "--csv gone.csv"),
    *("--csvTest gone.csv", "--label 3", "--ranking gone.npy", "--nCluster 5", "--metaEpoch 3", "--mqnetMode conf"),
    *("--nPass 5", "--nMember 5", "--nEpochVae 3", "--nEpochScan 3", "--vaalKl sum", "--submodular flcmi"),
    *("--imageSize 32", "--corrupt skip", "--dataDir gone", "--coderInput code", "--rankTies code"),
    *("--steps at_least", "--metaWd 0.1", "--ccalViews heavy", "--lrFinetune 0.1", "--lrScratch 0.1", "--nRedo 3"),
    *("--network ResNet18-ImageNet --imageSize 7", "--strategy bald --network MLP"),
    *("--strategy variation_ratio --nMember 1", "--optimizer nonsense", "--optimizer sgd --momentum -1"),
    *("--weightDecay 0.1 --optimizer rmsprop", "--knownClasses 1,2 --splits 10", "--backend cupy", "--devices two"),
)
_CLOSED_GOOD = (
    *("--optimizer sgd --momentum 0.9 --nesterov on", "--nInit 10", "--initial kmeans", "--longTail 0.5"),
    *("--strategy random --initial ranking --ranking {}/ids.npy", "--strategy badge --nPool 5"),
    *("--initial random --nInit 3", "--nStep 0 --strategy random", "--optimizer sgd --learningRate 0.01"),
)
_OPEN_REFUSED = (
    *("--nClassKnown 1", "--nClassKnown 11", "--nClassKnown 10 --oodRate 0.5", "--oodRate 0.99", "--oodRate 1"),
    *("--knownClasses 1,1", "--knownClasses 1", "--knownClasses 1,99", "--knownClasses 1,-2", "--knownClasses a,b"),
    *("--knownClasses 1,2,3", "--trial 99999 --knownClasses 1,2,3,4", "--nInit 5000", "--nQuery 2000 --nPool 2000"),
    *("--nClassKnown 4 --oodDataset digits", "--oodDataset nonsense --nClassKnown 0", "--splits 10,20"),
    *(
        "--longTail 0.1",
        "--strategy nonsense",
        "--nEpochLoss -1",
        "--metaBatch 1",
        "--nBatchEncoder 1",
        "--lrEncoder 0",
    ),
    *("--csv gone.csv --label 0", "--oodDataset mnist --nClassKnown 0 --dataDir {}/gone"),
)
_LOW_REFUSED = (
    *("--splits 0", "--splits -1", "--splits 20,10", "--splits 10,10", "--splits 10,a", "--splits 10,", "--splits ,"),
    *(
        "--splits 1.5",
        "--splits 1e3",
        "--splits 5000",
        "--splits 1438",
        "--evaluate nonsense",
        "--evaluate linear,linear",
    ),
    *("--evaluate ,", "--strategy ldms,mqnet", "--strategy badge,nonsense", "--strategy ll", "--strategy ccal"),
    *("--encoder gone.keras", "--encoder keras:Nonsense", "--encoder keras:", "--encoder gone.weights.h5"),
    *(
        "--encoder {}",
        "--encoder nonsense",
        "--resumeIndices gone.npy",
        "--resumeIndices {}",
        "--splits 3 --resumeIndices {}/ids.npy",
    ),
    *("--nNeighbor 0", "--nRedo 0", "--nIter 0", "--lrLinear 0", "--lrLinear inf", "--initial random", "--nStep 3"),
    *(
        "--nInit 30",
        "--nQuery 30",
        "--nPool 30",
        "--nValid 30",
        "--warmStart on",
        "--longTail 0.1",
        "--missingClasses refuse",
    ),
    *("--nBatch 0", "--normalize channels", "--lrFinetune 0.1", "--nNeighbor 2 --evaluate linear"),
    *(
        "--resumeIndices {}/floats.npy",
        "--resumeIndices {}/twice.npy",
        "--resumeIndices {}/far.npy",
        "--resumeIndices {}/negative.npy",
    ),
    *("--resumeIndices {}/square.npy", "--resumeIndices {}/text.npy", "--resumeIndices {}/objects.npy"),
)
_RANKINGS = ("floats", "twice", "far", "negative", "square", "text", "objects", "short", "empty")


def cases() -> Iterator[Case]:
    """All of them."""
    for start, given, expected in (
        (TINY, _CLOSED_REFUSED, REFUSED),
        (TINY, _CLOSED_GOOD, ACCEPTED),
        (_OPEN, _OPEN_REFUSED, REFUSED),
        (_LOW, _LOW_REFUSED, REFUSED),
    ):
        kind = start[2] if start[1] == "--preset" else "closed"
        for flags in given:
            yield Case(f"together, {kind}: {flags}", (*start, *flags.split()), make=ids, expected=expected)
    for name in _RANKINGS:
        argv = (*TINY, "--strategy", "random", "--initial", "ranking", "--ranking", f"{{}}/{name}.npy")
        expected = EITHER if name == "short" else REFUSED
        yield Case(f"ranking with {name} ids", argv, make=ids, expected=expected)


def ids(folder: Path) -> None:
    """Files of ids, good and bad."""
    good = np.arange(100)
    files = {
        "ids": good,
        "floats": good / 2,
        "twice": np.append(good, 5),
        "far": np.append(good, 10**6),
        "negative": good - 1,
        "square": good.reshape(10, 10),
        "text": good.astype(str),
        "objects": good.astype(object),
        "short": good[:3],
        "empty": good[:0],
    }
    for name, array in files.items():
        np.save(folder / f"{name}.npy", array, allow_pickle=True)
