"""Runs that are stopped at random moments, or run out of disk, and started again until they are through."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import random
import resource
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from tests.attack.children import Child, Ended
from tests.attack.moments import REASONS, count_into, early, fail_from, phase, stop_at
from tests.attack.scenarios import Scenario, contents, differences

_SIGNALS = (signal.SIGKILL, signal.SIGKILL, signal.SIGKILL, signal.SIGTERM, signal.SIGINT)
_GOES_ON = "The same command goes on"
_PATIENCE = 240  # seconds for what takes a few
_INTERPRETER = 0.8  # seconds of computing in which a new interpreter gets to the first line of a script's main
_START = 12  # seconds in which a new interpreter loads TensorFlow


@dataclasses.dataclass(frozen=True)
class Reference:
    """An uninterrupted run: seconds it took, its operations on files, bytes on disk, and what it found."""

    scenario: Scenario
    seconds: float
    operations: int
    size: int
    found: dict[str, Any]


@dataclasses.dataclass(frozen=True)
class Trial:
    """One run with its stops. stops: (how, in what) of each. faults: what must not have been; differing: of results."""

    scenario: str
    seed: int
    stops: list[tuple[str, str]]
    faults: list[str]
    differing: list[str]


def reference(scenario: Scenario, folder: Path) -> Reference:
    """Runs a scenario in peace."""
    results = folder / "results"
    watch, count = count_into(results, folder / "count")
    ended = Child(scenario.work(results), folder, watch).end(_PATIENCE)
    if ended.code != 0:
        raise RuntimeError(f"{scenario.name} does not run, exit code {ended.code}: {ended.err[-2000:]}")
    size = sum(path.stat().st_size for path in results.rglob("*") if path.is_file())
    found = Reference(scenario, ended.seconds, count(), size, contents(results))
    shutil.rmtree(folder)
    return found


def killed(wanted: Reference, seed: int, folder: Path) -> Trial:
    """Up to four stops of one run, by any signal, then its end."""
    rng, results, stops, faults = random.Random(seed), folder / "results", [], list[str]()
    fresh = seed % 12 == 0  # a new interpreter, which can be stopped while it loads TensorFlow, too
    for _ in range(rng.randint(2, 4)):
        number = rng.choice(_SIGNALS)
        ended, what = _stopped(wanted, number, rng, folder, fresh)
        if ended.code == 0:
            break
        stops.append((number.name, what))
        faults += [f"{number.name} in {what}: {fault}" for fault in _faults_of_a_stop(ended, number, fresh)]
    faults += _run_to_the_end(wanted, folder)
    differing = differences(contents(results), wanted.found)
    return _done(Trial(wanted.scenario.name, seed, stops, faults, differing), folder)


def _stopped(
    wanted: Reference, number: signal.Signals, rng: random.Random, folder: Path, fresh: bool
) -> tuple[Ended, str]:
    """A child that is stopped somewhere, or ends before; and what it was doing."""
    results, scenario = folder / "results", wanted.scenario
    if not fresh and rng.random() < 0.5:
        place = 1 + int(early(rng, wanted.operations))
        inside = stop_at(results, folder / "stack", place, rng.random() < 0.5, number)
        child = Child(scenario.work(results), folder, inside)
        code = child.wait(_PATIENCE)
    else:
        child = Child(scenario.spelled(results) if fresh else scenario.work(results), folder)
        code = child.wait(early(rng, wanted.seconds + fresh * _START))
        if code is None:
            child.stop(number)
            code = child.wait(_PATIENCE)
    ended = child.end(0) if code is None else child.ended(code)
    return ended, "a new process" if fresh else phase(child.stack.read_text())


def _faults_of_a_stop(ended: Ended, number: signal.Signals, fresh: bool) -> list[str]:
    if number == signal.SIGKILL:
        return [] if ended.code == -number else [f"exit code {ended.code}"]
    if fresh and ended.processor < _INTERPRETER:
        return []  # Python's own words, before the command has begun
    lines = ended.err.strip().splitlines() or ["nothing"]
    faults = [] if ended.code in (128 + number, 128 + signal.SIGINT) else [f"exit code {ended.code}"]
    if "Traceback" in ended.err or "Exception ignored" in ended.err:
        faults.append(f"a traceback that ends in {lines[-1][:300]!r}")
    elif _GOES_ON not in lines[-1]:
        faults.append(f"last words {lines[-1][:300]!r}")
    return faults


def _run_to_the_end(wanted: Reference, folder: Path) -> list[str]:
    ended = Child(wanted.scenario.work(folder / "results"), folder).end(_PATIENCE)
    return [] if ended.code == 0 else [f"cannot be resumed, exit code {ended.code}: {ended.err.strip()[-400:]!r}"]


def _done(trial: Trial, folder: Path) -> Trial:
    shutil.rmtree(folder, ignore_errors=True)
    return trial


def out_of_space(wanted: Reference, seed: int, folder: Path) -> Trial:
    """A run whose disk is full, or has another fault, somewhere; then it is mended."""
    rng, results = random.Random(seed), folder / "results"
    kind = ("small disk", "file limit", "failing disk")[seed % 3]
    with contextlib.ExitStack() as stack:
        if kind == "small disk" and not _can_mount():
            kind = "failing disk"
        if kind == "small disk":
            stack.enter_context(_small_disk(results, 4096 + int(early(rng, wanted.size))))
        ended = Child(wanted.scenario.work(results), folder, _inside(kind, wanted, rng, results)).end(_PATIENCE)
        stops, faults = [], list[str]()
        if ended.code != 0:
            stops.append((kind, "an OSError"))
            faults = [f"{kind}: {fault}" for fault in _faults_of_an_error(ended)]
        if kind == "small disk":
            subprocess.run(["mount", "-o", "remount,size=100m", str(results)], check=True)
        faults += _run_to_the_end(wanted, folder)
        differing = differences(contents(results), wanted.found)
    return _done(Trial(wanted.scenario.name, seed, stops, faults, differing), folder)


def _inside(kind: str, wanted: Reference, rng: random.Random, results: Path) -> Callable[[], object] | None:
    if kind == "file limit":
        limit = 500 + int(early(rng, wanted.size / 4))
        return lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    if kind == "failing disk":
        return fail_from(results, 1 + int(early(rng, wanted.operations)), rng.choice(REASONS))
    return None


def _faults_of_an_error(ended: Ended) -> list[str]:
    lines = ended.err.strip().splitlines() or ["nothing"]
    faults = [] if ended.code in (1, 2) else [f"exit code {ended.code}"]
    if "Traceback" in ended.err or "Exception ignored" in ended.err:
        faults.append(f"a traceback that ends in {lines[-1][:300]!r}")
    elif ": error: " not in lines[-1]:
        faults.append(f"last words {lines[-1][:300]!r}")
    return faults


def _can_mount() -> bool:
    return hasattr(os, "geteuid") and os.geteuid() == 0 and shutil.which("mount") is not None


@contextlib.contextmanager
def _small_disk(folder: Path, size: int) -> Iterator[None]:
    folder.mkdir(parents=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)
