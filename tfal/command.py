"""What every command shares: errors of one line, exit codes, signals, and terminals that cannot show or take text.

A command is `run_command(program, work)` around all that it does. In there

- an InputError, a TrainingError and whatever the system refuses end it with one line on stderr;
- Ctrl-C and SIGTERM end it with one line that says how to go on, at once where TensorFlow is being loaded;
- a reader that went away (`| head`), closed descriptors (`2>&-`) and terminals without some characters stop nothing:
  what is left to do is done, and the text is dropped or spelled out.
"""

from __future__ import annotations

import argparse
import atexit
import codecs
import contextlib
import errno
import os
import signal
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from typing import Any, NoReturn

from tfal.errors import InputError, StorageError, TrainingError

_ASCII = {"±": "+-"}
_WORDS = {signal.SIGINT: "interrupted", signal.SIGTERM: "terminated"}
_PATIENCE = 10.0  # seconds in which an interruption must have come through
_GOES_ON = "The same command goes on from here."


class Parser(argparse.ArgumentParser):
    """Raises InputError for a wrong flag or value. In a command it goes by that one's name."""

    def __init__(self, **options: Any) -> None:
        if _Signals.current is not None:
            options.setdefault("prog", _Signals.current.program)
        super().__init__(**options)

    def error(self, message: str) -> NoReturn:
        raise InputError(f"{message}. See --help.")


def run_command(program: str, work: Callable[[], int], again: str = _GOES_ON) -> int:
    """Does `work`, the whole of a command; returns its exit code.

    Args:
        program: what the command is called in its messages.
        work: returns an exit code; may raise the errors named above.
        again: what a user does after an interruption.

    Returns:
        what work returned; 1: training or a disk went wrong; 2: something given cannot be used; 130: interrupted;
        143: terminated.
    """
    _open_descriptors()
    with _lasting_streams() as streams, _Signals(program, again) as signals:
        try:
            code = _code_of(program, work, signals)
            code = _flushed(program, streams, code)
            signals.at_once = 2  # there is nothing left to interrupt
        except BaseException as error:
            if signals.received is None and not isinstance(error, KeyboardInterrupt):
                raise  # a fault of the program: its traceback is shown
            code = signals.leave_in_order()  # whatever the interruption became on its way through other code
    atexit.register(signal.signal, signal.SIGINT, signal.SIG_IGN)  # while the process is taken down
    return code


def _code_of(program: str, work: Callable[[], int], signals: _Signals) -> int:
    from tfal.files import storage_error

    try:
        return work()
    except SystemExit as error:  # of argparse
        return error.code if isinstance(error.code, int) else int(error.code is not None)
    except TrainingError as error:
        return _say(program, f"error: {error}", 1)
    except StorageError as error:
        return _say(program, f"error: {error}", 1)
    except InputError as error:
        return _say(program, f"error: {error}", 2)
    except MemoryError as error:
        return _say(program, f"error: not enough memory ({_first_line(error)}). Free some, or take fewer images.", 1)
    except OSError as error:
        if signals.received is not None:
            raise
        return _say(program, f"error: {storage_error(error)}", 1)


def _flushed(program: str, streams: tuple[_Lasting, ...], code: int) -> int:
    for stream in streams:
        stream.flush()
    lost = next((stream.error for stream in streams if stream.error), None)
    if lost is None or code:
        return code
    return _say(program, f"error: output was lost ({lost.strerror}). All files were written.", 1)


def _first_line(error: BaseException) -> str:
    return str(error).strip().partition("\n")[0] or type(error).__name__


def _say(program: str, message: str, code: int = 0) -> int:
    print(f"{program}: {message}", file=sys.stderr, flush=True)
    return code


class Stopped(KeyboardInterrupt):
    """A signal asked the command to end."""


class _Signals:
    """Turns SIGINT and SIGTERM into Stopped; the second one, and any while TensorFlow loads, ends the process at once.

    So does the first one where Stopped does not come through in time: Python drops what is raised in a destructor or in
    the callback of a library. Nothing that is on the disk needs an orderly end: a commit is one rename, and locks go
    with the process.
    """

    current: _Signals | None = None

    def __init__(self, program: str, again: str) -> None:
        self.received: int | None = None
        self.at_once: int | None = None  # the descriptor to say it on, while nothing may be raised
        self.program, self._again = program, again
        self._before: dict[int, Any] = {}
        self._watch: threading.Timer | None = None

    def __enter__(self) -> _Signals:
        if threading.current_thread() is threading.main_thread():
            for number in _WORDS:
                if signal.getsignal(number) is not signal.SIG_IGN:  # a background job of a shell ignores Ctrl-C
                    self._before[number] = signal.signal(number, self._handle)
        self._outer, _Signals.current = _Signals.current, self
        return self

    def __exit__(self, *error: object) -> None:
        self.at_once = 2
        if self._watch is not None:
            self._watch.cancel()
        _Signals.current = self._outer
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def leave_in_order(self) -> int:
        """Says what happened; the exit code."""
        number, self.at_once = int(self.received or signal.SIGINT), 2
        with contextlib.suppress(KeyboardInterrupt):
            print(self._line(number), file=sys.stderr, end="", flush=True)
        return 128 + number

    def _line(self, number: int) -> str:
        return f"{self.program}: {_WORDS[signal.Signals(number)]}. {self._again}\n"

    def _handle(self, number: int, frame: object) -> None:
        if self.at_once is None and self.received is None:
            self.received = number
            self._watch = threading.Timer(_PATIENCE, self._leave_at_once, [number])
            self._watch.daemon = True
            self._watch.start()
            raise Stopped
        self._leave_at_once(number)

    def _leave_at_once(self, number: int) -> NoReturn:
        with contextlib.suppress(Exception):
            sys.stdout.flush()
        with contextlib.suppress(OSError):
            os.write(self.at_once or 2, self._line(number).encode("ascii", "replace"))
        os._exit(128 + number)


@contextlib.contextmanager
def quiet_start() -> Iterator[None]:
    """Holds back what libraries write to stderr while they are loaded; it is shown when that fails.

    A signal in here ends the process at once: loading a library may not be interrupted half-way, and nothing has been
    written yet.
    """
    sys.stderr.flush()
    stderr = os.dup(2)
    signals = _Signals.current
    with tempfile.TemporaryFile() as notes:
        os.dup2(notes.fileno(), 2)
        if signals:
            signals.at_once = stderr
        try:
            yield
        except BaseException:
            notes.seek(0)
            with contextlib.suppress(OSError):
                os.write(stderr, notes.read())
            raise
        finally:
            os.dup2(stderr, 2)
            if signals:
                signals.at_once = None
            os.close(stderr)


@contextlib.contextmanager
def loads_tensorflow() -> Iterator[None]:
    """Around an import that may be the first one of TensorFlow: where a command runs, its start-up notes are held back.

    Those of its first operation too, so what has to be set before that is set in here.
    """
    if _Signals.current is None or "tensorflow" in sys.modules:
        yield
        return
    with quiet_start():
        yield
        if "tensorflow" in sys.modules:
            sys.modules["tensorflow"].zeros(())


def _open_descriptors() -> None:
    """Opens those of 0, 1, 2 that are closed, so that no file of results gets one of these numbers, and its notes."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free


class _Lasting:
    """A text stream whose writes never fail. error: why text was lost, unless the reader just went away."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self.error: OSError | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        """Writes what can be written."""
        try:
            self._stream.write(text)
        except (OSError, ValueError) as error:  # ValueError: somebody closed it
            self._lose(error)
        return len(text)

    def flush(self) -> None:
        """Flushes, or drops what cannot be written."""
        try:
            self._stream.flush()
        except (OSError, ValueError) as error:
            self._lose(error)

    def _lose(self, error: Exception) -> None:
        if isinstance(error, OSError) and error.errno not in (errno.EPIPE, errno.EBADF):
            self.error = self.error or error
        with contextlib.suppress(OSError, ValueError):
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self._stream.fileno())  # for this and all that is still in its buffer
            os.close(nowhere)


@contextlib.contextmanager
def _lasting_streams() -> Iterator[tuple[_Lasting, ...]]:
    """stdout and stderr that take every character and never fail, for as long as the context lasts."""
    codecs.register_error("tfal", _spelled_out)
    before = sys.stdout, sys.stderr
    kept = [stream if stream is not None else open(os.devnull, "w") for stream in before]  # noqa: SIM115
    errors = [getattr(stream, "errors", None) for stream in kept]
    _set_errors(kept, ["tfal", "tfal"])
    streams = tuple(_Lasting(stream) for stream in kept)
    sys.stdout, sys.stderr = streams
    try:
        yield streams
    finally:
        _set_errors(kept, errors)
        sys.stdout, sys.stderr = before


def _set_errors(streams: list[Any], handlers: list[Any]) -> None:
    for stream, handler in zip(streams, handlers, strict=True):
        if handler is not None and hasattr(stream, "reconfigure"):
            with contextlib.suppress(OSError, ValueError):
                stream.reconfigure(errors=handler)


def _spelled_out(error: UnicodeError) -> tuple[str, int]:
    """For characters that a terminal cannot show: others that mean the same, or their code."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    part = error.object[error.start : error.end]
    return "".join(_ASCII.get(c, c.encode("ascii", "backslashreplace").decode()) for c in part), error.end
