"""What every command shares, in processes that load no TensorFlow: signals, closed descriptors, odd terminals."""

import errno
import io
import os
import signal
import subprocess
import sys

import pytest

from tests.conftest import ROOT
from tfal.command import Parser, _spelled_out, run_command
from tfal.errors import InputError, StorageError, TrainingError


def _raise(error):
    raise error


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (InputError("give another"), 2, "p: error: give another\n"),
        (TrainingError("the loss"), 1, "p: error: the loss\n"),
        (StorageError("a: full. Free some"), 1, "p: error: a: full. Free some\n"),
        (OSError(errno.EACCES, "Permission denied", "/x/y"), 1, "p: error: /x/y: Permission denied. Choose a folder"),
        (OSError("odd"), 1, "p: error: odd. Look at the disk"),
        (MemoryError(), 1, "p: error: not enough memory"),
        (KeyboardInterrupt(), 130, "p: interrupted. The same command goes on from here.\n"),
        (SystemExit(0), 0, ""),
        (SystemExit("text"), 1, ""),
    ],
)
def test_errors_are_one_line_with_an_exit_code(error, code, message, capsys):
    assert run_command("p", lambda: _raise(error)) == code
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(message)
    assert err.count("\n") == bool(message)


def test_a_fault_of_the_program_shows_itself():
    with pytest.raises(ZeroDivisionError):
        run_command("p", lambda: 1 // 0)


def test_a_wrong_flag_is_one_line(capsys):
    assert run_command("p", lambda: Parser(prog="p").parse_args(["--odd"]) and 0) == 2
    assert capsys.readouterr().err == "p: error: unrecognized arguments: --odd. See --help.\n"


@pytest.fixture
def of_a_terminal():
    """Signals as a command in a terminal finds them; of the tests as a background job SIGINT is ignored."""
    handlers = signal.default_int_handler, signal.SIG_DFL
    before = [signal.signal(*pair) for pair in zip((signal.SIGINT, signal.SIGTERM), handlers, strict=True)]
    yield
    signal.signal(signal.SIGINT, before[0])
    signal.signal(signal.SIGTERM, before[1])


@pytest.mark.parametrize(("number", "word"), [(signal.SIGINT, "interrupted"), (signal.SIGTERM, "terminated")])
def test_signals_end_the_work_in_order(number, word, capsys, of_a_terminal):
    handlers, cleaned = signal.getsignal(number), []

    def work():
        try:
            os.kill(os.getpid(), number)
            return 0
        finally:
            cleaned.append(True)

    assert run_command("p", work) == 128 + number
    assert capsys.readouterr().err == f"p: {word}. The same command goes on from here.\n"
    assert cleaned
    assert signal.getsignal(number) is handlers


def test_an_interruption_that_became_another_error_is_one_still(capsys, of_a_terminal):
    def work():
        try:
            os.kill(os.getpid(), signal.SIGTERM)
        except KeyboardInterrupt:
            raise RuntimeError("as other libraries do") from None

    assert run_command("p", work) == 143
    assert capsys.readouterr().err.startswith("p: terminated.")


def test_what_a_background_job_ignores_stays_ignored():
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        assert run_command("p", lambda: os.kill(os.getpid(), signal.SIGINT) or 0) == 0
    finally:
        signal.signal(signal.SIGINT, before)


class _Full(io.StringIO):
    def write(self, text):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


class _Gone(io.StringIO):
    def flush(self):
        raise BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE))


def test_a_reader_that_went_away_stops_nothing(monkeypatch, capsys):
    monkeypatch.setattr(sys, "stdout", _Gone())
    assert run_command("p", lambda: print("text", flush=True) or 0) == 0
    monkeypatch.setattr(sys, "stdout", _Full())
    assert run_command("p", lambda: print("text", flush=True) or 0) == 1
    assert "output was lost (No space left on device)" in capsys.readouterr().err


def test_characters_that_a_terminal_has_not():
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    sys.stdout, before = stream, sys.stdout
    try:
        assert run_command("p", lambda: print("1 ± 2 é \udcff") or 0) == 0
    finally:
        sys.stdout = before
    assert stream.buffer.getvalue() == b"1 +- 2 \\xe9 \\udcff\n"
    assert stream.errors == "strict"
    with pytest.raises(UnicodeDecodeError):
        _spelled_out(UnicodeDecodeError("ascii", b"\xff", 0, 1, "odd"))


START = """
import sys, os, signal, time
from tfal.command import run_command, quiet_start
signal.signal(signal.SIGINT, signal.default_int_handler)  # as in a terminal, though the tests be a background job
"""


def _shell(code, redirect, **environment):
    command = f'"{sys.executable}" -c "$CODE" {redirect}'
    environment = os.environ | {"CODE": START + code, "PYTHONPATH": str(ROOT)} | environment
    return subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False, env=environment)


@pytest.mark.parametrize(
    ("redirect", "environment"),
    [
        ("2>&-", {}),
        (">&-", {}),
        (">&- 2>&- <&-", {}),
        ("| head -1; exit ${PIPESTATUS[0]}", {}),
        ("2>&1 | head -1; exit ${PIPESTATUS[0]}", {"PYTHONUNBUFFERED": "1"}),
        ("", {"PYTHONIOENCODING": "ascii"}),
        ("", {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}),
    ],
)
def test_work_is_done_whatever_takes_its_text(redirect, environment, tmp_path):
    code = f"""
def work():
    for i in range(20000): print('text', chr(177), i)
    print('note', chr(177), file=sys.stderr)
    with open({str(tmp_path / "out")!r}, 'w') as file: file.write(str(file.fileno()))
    return 0
sys.exit(run_command('p', work))
"""
    done = _shell(code, redirect, **environment)
    assert done.returncode == 0
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr
    assert int((tmp_path / "out").read_text()) > 2  # no file of results gets the number of a closed descriptor


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_while_libraries_load_is_one_line(number):
    code = f"""
def work():
    with quiet_start():
        os.write(2, b'a note of a library')
        os.kill(os.getpid(), {int(number)})
        time.sleep(60)
sys.exit(run_command('p', work))
"""
    done = _shell(code, "")
    assert done.returncode == 128 + number
    assert done.stderr.endswith("The same command goes on from here.\n")
    assert done.stderr.count("\n") == 1
    assert "library" not in done.stderr


def test_a_second_signal_does_not_wait():
    code = """
def work():
    try:
        os.kill(os.getpid(), signal.SIGTERM)
    finally:
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(60)
sys.exit(run_command('p', work))
"""
    done = _shell(code, "")
    assert done.returncode == 143
    assert done.stderr == "p: terminated. The same command goes on from here.\n"


def test_a_signal_that_is_swallowed_ends_the_work_all_the_same():
    """As in a destructor, in which Python drops whatever is raised."""
    code = """
import os, signal, threading
import tfal.command
from tfal.command import run_command
tfal.command._PATIENCE = 0.1
class Swallows:
    def __del__(self):
        os.kill(os.getpid(), signal.SIGTERM)
        for _ in range(100):  # the handler runs between two of these
            pass
def work():
    Swallows()
    print("goes on", flush=True)
    threading.Event().wait()
run_command("p", work)
"""
    found = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert found.returncode == 143
    assert found.stdout == "goes on\n"
    assert found.stderr.endswith("p: terminated. The same command goes on from here.\n")


def test_notes_of_a_start_that_fails_are_shown():
    code = """
def work():
    with quiet_start():
        os.write(2, b'cannot find a library\\n')
        raise ImportError('no library')
run_command('p', work)
"""
    done = _shell(code, "")
    assert done.returncode == 1
    assert done.stderr.startswith("cannot find a library\n")
    assert "ImportError: no library" in done.stderr


@pytest.mark.parametrize("module", ["report", "report.compare", "report.correlation", "convert_torch"])
def test_commands_use_it(module, tmp_path):
    flags = "odd.pth odd.h5" if module == "convert_torch" else str(tmp_path)
    command = [sys.executable, "-m", f"tfal.{module}", *flags.split()]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "error: " in done.stderr
    assert done.stderr.count("\n") == 1
