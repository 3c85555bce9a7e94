"""Real commands in children that are cheap: forks of a parent that has imported TensorFlow but not used it."""

from __future__ import annotations

import contextlib
import dataclasses
import gc
import importlib
import os
import runpy
import signal
import subprocess
import sys
import time
import traceback
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NoReturn

ROOT = Path(__file__).parent.parent.parent
_IMPORTED = (
    *("keras", "sklearn.cluster", "sklearn.datasets", "tensorflow", "matplotlib.pyplot", "tfal.single_query"),
    *("tfal.coldstart.cli", "tfal.coldstart.run", "tfal.report.compare", "tfal.reading.reader", "tfal.loop"),
    *("tfal.low_budget.session", "tfal.report"),
)
_POLL = 0.004  # seconds between two looks at a child
THREADS = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "TF_NUM_INTRAOP_THREADS"), "1")


def prepare() -> None:
    """Imports what all children need. Nothing of TensorFlow may run here: its threads would not survive a fork."""
    import matplotlib as mpl

    mpl.use("Agg")

    for name in _IMPORTED:
        importlib.import_module(name)
    gc.freeze()  # no child looks through what all have
    gc.set_threshold(50_000, 20, 20)


@dataclasses.dataclass(frozen=True)
class Ended:
    """How a child ended. code: its exit code, or minus the signal; None where it had to be ended after its time.

    seconds: on the clock. processor: seconds of computing.
    """

    code: int | None
    out: str
    err: str
    seconds: float
    processor: float = 0.0


class Child:
    """A process that runs `work`, which is a function in a fork of this one, or a command line for a new interpreter.

    folder: gets the child's output. inside: called in a fork before the work, as an attack that changes the child.
    """

    def __init__(
        self, work: Callable[[], object] | Sequence[str], folder: Path, inside: Callable[[], object] | None = None
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._out, self._err, self.stack = (folder / name for name in ("stdout", "stderr", "stack"))
        self.stack.write_text("")
        self._start = time.perf_counter()
        if callable(work):
            sys.stdout.flush()
            sys.stderr.flush()
            self.pid = os.fork()
            if self.pid == 0:
                self._be(work, inside)
        else:
            with self._out.open("wb") as out, self._err.open("wb") as err:
                environment = {**os.environ, "PYTHONPATH": str(ROOT)}
                self._process = subprocess.Popen(
                    work, stdin=subprocess.DEVNULL, stdout=out, stderr=err, env=environment, preexec_fn=_usual_signals
                )
            self.pid = self._process.pid

    def _be(self, work: Callable[[], object], inside: Callable[[], object] | None) -> NoReturn:
        code = 1
        try:
            _usual_signals()
            for number, path in ((0, os.devnull), (1, self._out), (2, self._err)):
                flags = os.O_RDONLY if number == 0 else os.O_WRONLY | os.O_CREAT | os.O_TRUNC
                os.dup2(os.open(path, flags, 0o644), number)
            sys.stdout = os.fdopen(1, "w", closefd=False)
            sys.stderr = os.fdopen(2, "w", buffering=1, errors="backslashreplace", closefd=False)
            self._note_stacks()
            if inside:
                inside()
            code = int(work() or 0)
        except SystemExit as end:
            code = _exit_code(end)
        except BaseException:
            traceback.print_exc()
        finally:
            with contextlib.suppress(BaseException):
                sys.stdout.flush()
                sys.stderr.flush()
            os._exit(code)

    def _note_stacks(self) -> None:
        import faulthandler

        self._stack_file = self.stack.open("w")
        faulthandler.register(signal.SIGUSR1, self._stack_file, all_threads=False)

    def stop(self, number: int) -> None:
        """Sends a signal, after noting in `stack` what a fork was doing."""
        with contextlib.suppress(ProcessLookupError):
            if not hasattr(self, "_process"):
                os.kill(self.pid, signal.SIGUSR1)
                until = time.perf_counter() + 0.1
                while not self.stack.stat().st_size and time.perf_counter() < until:
                    time.sleep(_POLL)
            os.kill(self.pid, number)

    def wait(self, seconds: float) -> int | None:
        """The exit code, or None when it still runs after so many seconds."""
        until = time.perf_counter() + seconds
        while True:
            pid, status, usage = os.wait4(self.pid, os.WNOHANG)
            if pid:
                self._processor = usage.ru_utime + usage.ru_stime
                return os.waitstatus_to_exitcode(status)
            if time.perf_counter() > until:
                return None
            time.sleep(_POLL)

    def end(self, seconds: float = 180) -> Ended:
        """Waits for the end."""
        code = self.wait(seconds)
        if code is None:
            os.kill(self.pid, signal.SIGKILL)
            self.wait(60)
        return self.ended(code)

    def ended(self, code: int | None) -> Ended:
        """What came of a child that `wait` has seen the end of."""
        if hasattr(self, "_process"):
            self._process.returncode = code
        out, err = (path.read_text(errors="replace").replace("\r", "\n") for path in (self._out, self._err))
        return Ended(code, out, err, time.perf_counter() - self._start, self._processor)


def _usual_signals() -> None:
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _exit_code(end: SystemExit) -> int:
    if isinstance(end.code, str):
        print(end.code, file=sys.stderr)
        return 1
    return int(end.code or 0)


def command(name: str, argv: Sequence[str]) -> Callable[[], object]:
    """What `python NAME ARGV` does, or `python -m NAME ARGV` for a module of the project."""

    def work() -> None:
        warnings.filterwarnings("ignore", ".*found in sys.modules", RuntimeWarning)
        os.chdir(ROOT)
        sys.argv = [name, *argv]
        if name.endswith(".py"):
            runpy.run_path(str(ROOT / name), run_name="__main__")
        else:
            runpy.run_module(name, run_name="__main__", alter_sys=True)

    return work


def spelled(name: str, argv: Sequence[str]) -> list[str]:
    """The same for a new interpreter."""
    return [sys.executable, *([str(ROOT / name)] if name.endswith(".py") else ["-m", name]), *argv]
