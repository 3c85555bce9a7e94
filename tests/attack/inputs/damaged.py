"""Files of earlier runs that are damaged, cut, or of somebody else; made by real runs once, then copied."""

from __future__ import annotations

import dataclasses
import functools
import io
import shutil
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import numpy as np

from tests.attack.inputs.case import EITHER, REFUSED, Case
from tests.attack.inputs.files import damages
from tests.attack.scenarios import contents

TEMPLATES = Path("/dev/null")  # where `make_templates` has put the runs
_SHORT = "--network MLP --nRep 1"
_ROUNDS = "--nStep 2 --nEpoch 1 --nInit 20 --nValid 20 --nPool 60 --nQuery 5"
RUNS = {
    "loop": f"run_digits.py {_SHORT} {_ROUNDS} --strategy margin",
    "warm": f"run_digits.py {_SHORT} {_ROUNDS} --strategy random --warmStart on",
    "open": f"run_digits.py --preset openset {_SHORT} --nStep 2 --nEpoch 1 --nStepEpoch 1 --nInit 24 --nQuery 5 "
    "--nEpochLoss 1 --nEpochCsi 1 --nBatchEncoder 256 --metaEpoch 1",
    "low": f"run_digits.py --preset lowbudget {_SHORT} --nEpochSimclr 1 --nEpochLinear 1 --splits 10,20 --nRedo 1 "
    "--strategy kmeans",
}
_FOLDER = {
    **{"loop": "digits_MLP/margin", "warm": "digits_MLP/random", "low": "digits-lowbudget_MLP/kmeans"},
    "open": "digits-4known-ood50_MLP/mqnet",
}
_FILES = {
    "loop": ("rep001/recipe.json", "rep001/rounds.csv", "rep001/pool.npz", "test_accs_001.txt"),
    "open": ("rep001/memory/round002.npz", "encoders"),
    "low": (
        *("rep001/rounds.csv", "rep001/recipe.json", "rep001/kmeans_digits_10.npy", "rep001/kmeans_digits_10.json"),
        *("features.npy", "store.json", "encoders"),
    ),
}


def templates(folder: Path, cases: Iterable[Case]) -> dict[str, list[str]]:
    """The commands that make the runs of these cases, by name."""
    wanted = {case.make.run for case in cases if isinstance(case.make, Copied)}
    return {name: [*RUNS[name].split(), "--resultsDir", str(folder / name / "results")] for name in sorted(wanted)}


@dataclasses.dataclass(frozen=True)
class Copied:
    """Makes the results of one of RUNS, changed."""

    run: str
    change: Callable[[Path], object]

    def __call__(self, folder: Path) -> None:
        """In this folder."""
        shutil.copytree(TEMPLATES / self.run / "results", folder / "results")
        self.change(folder / "results")


def place(run: str, name: str, results: Path) -> Path:
    """The file that a short name means."""
    if name == "encoders":
        return next((results / "encoders").glob("*.npz"))
    if name in ("features.npy", "store.json"):
        return sorted((results / "features").glob(f"*/{name}"))[0]
    return results / _FOLDER[run] / name


def again(run: str, *more: str) -> tuple[str, ...]:
    return (*RUNS[run].split(), "--resultsDir", "{}/results", *more)


def cases() -> Iterator[Case]:
    """All of them."""
    for run, files in _FILES.items():
        for name in files:
            yield from _of_file(run, name)
    yield from _other_files()


def _of_file(run: str, name: str) -> Iterator[Case]:
    def damage(content: Callable[[bytes], bytes]) -> Callable[[Path], object]:
        def change(results: Path) -> None:
            path = place(run, name, results)
            path.write_bytes(content(path.read_bytes()))
            _undo_a_bit(run, results)

        return Copied(run, change)

    for kind in damages(b"PK" * 2000):
        make = damage(functools.partial(_damaged, kind))
        yield Case(f"{run}, {name}: {kind}", again(run), make=make, expected=EITHER, sound=sound(run))

    def replace_by_folder(results: Path) -> None:
        path = place(run, name, results)
        path.unlink()
        path.mkdir()
        _undo_a_bit(run, results)

    def remove(results: Path) -> None:
        place(run, name, results).unlink()
        _undo_a_bit(run, results)

    for kind, change in (("a folder in its place", replace_by_folder), ("missing", remove)):
        yield Case(f"{run}, {name}: {kind}", again(run), make=Copied(run, change), expected=EITHER, sound=sound(run))


def _damaged(kind: str, good: bytes) -> bytes:
    return damages(good)[kind]


def _undo_a_bit(run: str, results: Path) -> None:
    """Takes the last rows back, so that the run has something left to do and looks at all of its files."""
    path = results / _FOLDER[run] / "rep001" / "rounds.csv"
    if run != "loop" and path.is_file() and path.stat().st_size and path.read_bytes().isascii():
        lines = path.read_text().splitlines(keepends=True)
        if len(lines) > 2:
            path.write_text("".join(lines[: 2 if run == "open" else -1]))


def sound(run: str) -> Callable[[Path], str]:
    """Whoever goes on must come to what the run came to; damage may have been mended, never believed."""

    def check(folder: Path) -> str:
        wanted, found = contents(TEMPLATES / run / "results"), contents(folder / "results")
        kept = {name for name in wanted if "/features/" not in f"/{name}"}
        wrong = sorted(name for name in kept if found.get(name) != wanted[name])
        return f"believed: {wrong[0]} is another one now" if wrong else ""

    return check


def _other_files() -> Iterator[Case]:
    def ids(change: Callable[[np.ndarray], np.ndarray]) -> Callable[[Path], object]:
        def edit(results: Path) -> None:
            path = place("low", "rep001/kmeans_digits_10.npy", results)
            np.save(path, change(np.load(path)), allow_pickle=True)
            _undo_a_bit("low", results)

        return Copied("low", edit)

    for name, change in {
        "9 ids": lambda a: a[:-1],
        "an id twice": lambda a: np.append(a[:-1], a[0]),
        "an id of 99999": lambda a: np.append(a[:-1], 99999),
        "an id of -1": lambda a: np.append(a[:-1], -1),
        "floats": lambda a: a / 2,
        "a column": lambda a: a[:, None],
        "text": lambda a: a.astype(str),
    }.items():
        yield Case(f"an index file with {name}", again("low"), make=ids(change), expected=REFUSED)

    def weights(change: Callable[[dict[str, np.ndarray]], object], run: str, pattern: str) -> Callable[[Path], object]:
        def edit(results: Path) -> None:
            path = next(results.glob(pattern))
            with np.load(path) as file:
                found = dict(file)
            change(found)
            content = io.BytesIO()
            np.savez(content, **found)
            path.write_bytes(content.getvalue())
            _undo_a_bit(run, results)
            shutil.rmtree(results / "features", ignore_errors=True)

        return Copied(run, edit)

    for name, change in {
        "a weight missing": lambda a: a.pop("weight_0000"),
        "a weight of another shape": lambda a: a.update(weight_0000=np.zeros((2, 2), np.float32)),
        "weights of NaN": lambda a: a.update(weight_0000=np.full_like(a["weight_0000"], np.nan)),
        "text for an epoch": lambda a: a.update(epoch=np.array("one")),
        "another identity": lambda a: a.update(identity=np.array("{}")),
        "an epoch of -3": lambda a: a.update(epoch=np.array(-3)),
    }.items():
        make = weights(change, "low", "encoders/*.npz")
        yield Case(f"an encoder with {name}", again("low"), make=make, expected=EITHER, sound=sound("low"))
    for name, change in {
        "nothing in it": lambda a: a.clear(),
        "an array more": lambda a: a.update(more=np.arange(3)),
        "arrays of text": lambda a: a.update({n: v.astype(str) for n, v in a.items()}),
        "arrays of another shape": lambda a: a.update({n: np.zeros((2, 3)) for n in a}),
        "arrays of NaN": lambda a: a.update({n: np.full(v.shape, np.nan) for n, v in a.items()}),
    }.items():
        for run, pattern in (("open", "*/mqnet/rep001/memory/round001.npz"), ("warm", "*/random/rep001/*/*.npz")):
            yield Case(
                f"{run}: memory with {name}",
                again(run, "--nStep", "3"),
                make=weights(change, run, pattern),
                expected=EITHER,
            )
