"""One bad input, how it is tried, and what is wrong with the answer."""

from __future__ import annotations

import dataclasses
import functools
import re
import shlex
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from tests.attack.children import Child, Ended, command

REFUSED, ACCEPTED, EITHER = "refused", "accepted", "either"
_PATIENCE = 150  # seconds
_LONGEST = 1500  # characters of a message; lists of names are long


@dataclasses.dataclass(frozen=True)
class Case:
    """What is given: a command or a call.

    name: of its own. argv: script and flags, where {} stands for a folder that `make` has filled; results go to
    {}/results. call: in place of it, a function of the folder. expected: REFUSED, ACCEPTED, or EITHER, where only a
    traceback is wrong. says: text that must stand in a refusal. sound: what is wrong with the folder after an answer
    that was no refusal; "" for nothing.
    """

    name: str
    argv: tuple[str, ...] = ()
    call: Callable[[Path], object] | None = None
    make: Callable[[Path], object] | None = None
    expected: str = REFUSED
    says: str = ""
    sound: Callable[[Path], str] | None = None

    def command(self, folder: Path) -> tuple[str, list[str]]:
        """Script and flags with the folder filled in."""
        script, *flags = self.argv
        return script, [flag.replace("{}", str(folder)) for flag in flags]

    def spelled(self) -> str:
        """How to try it by hand."""
        if self.call:
            return f"a call: {self.name}"
        script, flags = self.command(Path("FOLDER"))
        return shlex.join(["python", *(["-m"] if not script.endswith(".py") else []), script, *flags])


@dataclasses.dataclass(frozen=True)
class Tried:
    """name, how to try it, what the answer was, and what is wrong with it: kind and words; "" for nothing."""

    name: str
    spelled: str
    refused: bool
    seconds: float
    fault: str
    answer: str


def tried(case: Case, folder: Path) -> Tried:
    """Gives the input to the project and judges the answer."""
    given = folder / "given"
    given.mkdir(parents=True)
    if case.make:
        made = Child(functools.partial(_make, case.make, given), folder / "making").end(_PATIENCE)
        if made.code != 0:
            raise RuntimeError(f"the input of {case.name!r} cannot be made: {made.err[-1000:]}")
    before = _listed(given)
    work = functools.partial(_called, case.call, given) if case.call else command(*case.command(given))
    ended = Child(work, folder / "child").end(_PATIENCE)
    fault = fault_of(case, ended, _listed(given) != before)
    if case.sound and not fault and ended.code == 0:
        fault = case.sound(given)
    return Tried(case.name, case.spelled(), ended.code != 0, ended.seconds, fault, ended.err.strip()[-600:])


def _make(make: Callable[[Path], object], folder: Path) -> int:
    make(folder)
    return 0


def _called(call: Callable[[Path], object], folder: Path) -> int:
    from tfal.errors import InputError, TrainingError

    try:
        print(call(folder))
    except (InputError, TrainingError) as error:
        print(f"call: error: {error}", file=sys.stderr)
        return 2 if isinstance(error, InputError) else 1
    return 0


def _listed(folder: Path) -> dict[str, tuple[int, int]]:
    """Size and time of all that lies in a folder, locks aside."""
    return {
        str(path): (path.lstat().st_size, path.lstat().st_mtime_ns)
        for path in folder.rglob("*")
        if not path.is_dir() and not path.name.endswith(".lock")
    }


def fault_of(case: Case, ended: Ended, wrote: bool) -> str:
    """What is wrong with an answer, in words that begin with the kind; "" for nothing."""
    lines = ended.err.strip().splitlines()
    last = lines[-1] if lines else ""
    if ended.code is None:
        return f"endless: did not end within {_PATIENCE} s"
    if "Traceback" in ended.err or ended.code < 0:
        return f"traceback: {last[:300] if lines else ended.code}"
    if ended.code == 0:
        return "accepted: what must be refused" if case.expected == REFUSED else ""
    if case.expected == ACCEPTED:
        return f"refused: what must be accepted: {last[:300]}"
    return _fault_of_a_refusal(case, ended.code, lines, wrote)


def _fault_of_a_refusal(case: Case, code: int, lines: Sequence[str], wrote: bool) -> str:
    errors = [line for line in lines if "error: " in line]
    if len(errors) != 1 or errors[0] != lines[-1] or len(errors[0]) > _LONGEST:
        return f"unclear: {len(errors)} lines of an error among {len(lines)}: {' / '.join(lines)[-300:]}"
    if code not in (1, 2):
        return f"unclear: exit code {code}"
    if case.says and case.says not in errors[0]:
        return f"unclear: does not say {case.says!r}: {errors[0][:300]}"
    if wrote and code == 2:
        return f"wrote: files changed before the refusal: {errors[0][:300]}"
    advised = {name for name in re.findall(r"(?<![\w-])--[A-Za-z][\w-]*", errors[0]) if f"{name[2:]}=" not in errors[0]}
    unknown = sorted(advised - set(case.argv) - _flags(case))
    return f"advice: names {unknown[0]}, which is none of its flags: {errors[0][:300]}" if unknown else ""


def _flags(case: Case) -> frozenset[str]:
    """The flags that exist where the message is read: those of the command; in Python those of the recipe's fields."""
    if case.call:
        return _help_of("run_digits.py") if not case.name.startswith("query") else frozenset()
    return _help_of(case.argv[0])


@functools.cache
def _help_of(script: str) -> frozenset[str]:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        ended = Child(command(script, ["--help", "all"]), Path(folder)).end(_PATIENCE)
    return frozenset(re.findall(r"--[A-Za-z]\w*", ended.out + ended.err))


def write(path: str, content: str | bytes) -> Callable[[Path], object]:
    """A maker of one file."""

    def make(folder: Path) -> None:
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content.encode() if isinstance(content, str) else content)

    return make


def together(*makers: Callable[[Path], object]) -> Callable[[Path], object]:
    """A maker that calls others."""
    return lambda folder: [make(folder) for make in makers]


def named(start: str, given: Mapping[str, object]) -> dict[str, object]:
    """The same with a start before each name."""
    return {f"{start}: {name}": value for name, value in given.items()}
