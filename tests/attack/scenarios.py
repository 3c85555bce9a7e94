"""What is attacked: small runs of every kind that tfal has, and how two results folders are compared."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.attack.children import command, spelled


@dataclasses.dataclass(frozen=True)
class Scenario:
    """A command without its results folder."""

    name: str
    script: str
    flags: tuple[str, ...]

    def _argv(self, results: Path) -> list[str]:
        return [*self.flags, "--resultsDir", str(results)]

    def work(self, results: Path) -> Callable[[], object]:
        """The command, for a fork."""
        return command(self.script, self._argv(results))

    def spelled(self, results: Path) -> list[str]:
        """The command, for a new interpreter."""
        return spelled(self.script, self._argv(results))


def _scenario(name: str, flags: str, script: str = "run_digits.py") -> Scenario:
    return Scenario(name, script, tuple(flags.split()))


_LOOP = "--nRep 1 --nEpoch 3 --nValid 50 --nPool 200 --nQuery 15"
_OPEN = "--preset openset --nRep 1 --nStep 2 --nEpoch 2 --nStepEpoch 3 --nInit 24 --nQuery 12"

SCENARIOS = (
    _scenario("loop", f"--network MLP --strategy ldms,badge --nSample 100 --nStep 2 {_LOOP}"),
    _scenario("warm start", f"--strategy margin --nStep 4 --warmStart on {_LOOP}"),
    _scenario("ensemble", f"--network MLP --strategy ensemble_entropy --nMember 2 --nStep 2 {_LOOP}"),
    _scenario("vaal", f"--strategy vaal --nEpochVaal 1 --nStep 1 {_LOOP}"),
    _scenario("open set", f"{_OPEN} --strategy mqnet --nEpochLoss 1 --nEpochCsi 3 --nBatchEncoder 128 --metaEpoch 3"),
    _scenario("low budget", "--preset lowbudget --nEpochSimclr 3 --nEpochLinear 2 --nRep 1 --splits 10,20 --nRedo 1 "
              "--strategy kmeans,entropy,uherding"),
    _scenario("first labels", f"--preset initpools --initial vae_loss --nEpochVae 6 --strategy margin "
              f"--nStep 1 {_LOOP}"),
    _scenario("cold start", "--dataset digits --network MLP --criteria simclr_loss,typiclust --budgets 20 --nRandom 2 "
              "--nRun 1 --nEpoch 2 --nStepEpoch 3 --nEpochSimclr 3", "tfal.coldstart"),
)  # fmt: skip


def contents(results: Path) -> dict[str, Any]:
    """What a run has found, by file: everything but seconds, memory and pixels."""
    found: dict[str, Any] = {}
    for path in sorted(results.rglob("*")):
        if path.is_file() and not path.name.endswith(".lock"):
            found[str(path.relative_to(results))] = _content(path)
    return found


def _content(path: Path) -> Any:
    if path.suffix == ".png":
        return "a picture"
    if path.suffix == ".csv":
        return _without_measurements(path.read_text())
    if path.suffix == ".json":
        return _without_seconds(json.loads(path.read_text()))
    return path.read_bytes()


def _measured(name: str) -> bool:
    return name.startswith("seconds") or name == "peak_memory_mb"


def _without_measurements(text: str) -> list[list[str]]:
    rows = list(csv.reader(io.StringIO(text)))
    kept = [place for place, name in enumerate(rows[0]) if not _measured(name)]
    return [[row[place] for place in kept] for row in rows]


def _without_seconds(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_seconds(inner) for name, inner in value.items() if not _measured(name)}
    return value


def differences(found: dict[str, Any], wanted: dict[str, Any]) -> list[str]:
    """Names of the files that are not alike."""
    return [name for name in sorted(found.keys() | wanted.keys()) if found.get(name) != wanted.get(name)]
