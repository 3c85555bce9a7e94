"""One job, by whichever engine: its command as a process of its own, its log, and what came of it."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tfal.sweep.folder import DONE, JobFolder, State
from tfal.sweep.job import Job

_LOOK = 0.2  # seconds between looks at a process, or at a lock that another one holds
_PATIENCE = 30.0  # seconds in which a command that was asked to end must have done so
# Exit codes of run_command, and of a command that is not so far yet; a scheduler warns with SIGUSR2.
_ASKED_TO_END = (
    *(128 + signal.SIGINT, 128 + signal.SIGTERM),
    *(-signal.SIGINT, -signal.SIGTERM, -getattr(signal, "SIGUSR2", signal.SIGTERM)),
)
_ROOT = Path(__file__).parent.parent.parent  # where `python -m tfal` finds this tfal


def work(
    folder: JobFolder,
    job: Job,
    environment: Mapping[str, str] | None = None,
    stop: threading.Event | None = None,
    about: Mapping[str, Any] | None = None,
) -> State:
    """Does a job unless it is done, and returns its state. Waits where another process works on it.

    Args:
        folder: where its log and its state go.
        job: what is to be done.
        environment: variables of the command beside those of this process, such as CUDA_VISIBLE_DEVICES.
        stop: set when the command is to end in order.
        about: what an engine wants to remember of this attempt.
    """
    stop = stop or threading.Event()
    while not stop.is_set():
        with folder.claimed(job.id) as descriptor:
            if descriptor is not None:
                return _attempt(folder, job, {**os.environ, **(environment or {})}, stop, about or {}, descriptor)
        stop.wait(_LOOK)
    return folder.state(job)


def _attempt(
    folder: JobFolder,
    job: Job,
    environment: Mapping[str, str],
    stop: threading.Event,
    about: Mapping[str, Any],
    descriptor: int,
) -> State:
    """The command once, by the holder of the lock."""
    record = folder.state(job, look_at_lock=False)
    if record.name == DONE:
        return record
    began: dict[str, Any] = {
        **about,
        "attempt": int(record.record.get("attempt", 0)) + 1,
        "began": time.time(),
        "host": os.uname().nodename if hasattr(os, "uname") else "",
        "command": list(job.command),
    }
    folder.write_state(job.id, began)
    with folder.log(job.id).open("ab") as log:
        log.write(f"=== attempt {began['attempt']}: python -m tfal {' '.join(job.command)}\n".encode())
        log.flush()
        start = time.monotonic()
        process = subprocess.Popen(
            program(job),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env={**environment, **python_path(environment), "PYTHONUNBUFFERED": "1"},
            pass_fds=(descriptor,) if os.name == "posix" else (),
        )
        ended = _ended(process, job.resources.minutes, stop)
    seconds = float(record.record.get("seconds", 0.0)) + time.monotonic() - start
    folder.write_state(job.id, {**began, **ended, "seconds": seconds})
    return folder.state(job, look_at_lock=False)


def program(job: Job) -> list[str]:
    """What is started for a job."""
    return [sys.executable, "-m", "tfal", *job.command]


def _ended(process: subprocess.Popen[bytes], minutes: float | None, stop: threading.Event) -> dict[str, Any]:
    """Waits for a command; how it ended. Asks it to end when `stop` is set, or its time is over."""
    until = None if minutes is None else time.monotonic() + 60 * minutes
    asked: dict[str, Any] = {}
    try:
        while process.poll() is None:
            if stop.is_set():
                asked = {"stopped": True}
            elif until is not None and time.monotonic() > until:
                asked = {"over_time": minutes}
            if asked:
                _end(process)
                break
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(_LOOK)
    except BaseException:  # this process is asked to end
        _end(process)
        raise
    code = process.returncode
    if code == 0:
        return {"code": 0}
    return {"code": code, **asked, **({"stopped": True} if code in _ASKED_TO_END and not asked else {})}


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(_PATIENCE)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def python_path(environment: Mapping[str, str]) -> dict[str, str]:
    """Where a checkout is used and not an installed tfal: its folder first, so that it is found from everywhere."""
    if not (_ROOT / "pyproject.toml").exists():
        return {}
    given = environment.get("PYTHONPATH")
    return {"PYTHONPATH": os.pathsep.join([str(_ROOT), *([given] if given else [])])}


def reason(state: State, last_line: str) -> str:
    """Why a job failed, in words."""
    record, code = state.record, int(state.record.get("code", 0))
    if record.get("because"):
        return f"{record['because']}; it said last: {last_line}"
    if "over_time" in record:
        limit = record["over_time"]
        return f"ended after its limit of {limit:g} minute{'s' * (limit != 1)}"
    if code < 0:
        try:
            name = signal.Signals(-code).name
        except ValueError:
            name = f"signal {-code}"
        short = ", as a system does where memory is short" if -code == signal.SIGKILL else ""
        return f"killed by {name}{short}; it said last: {last_line}"
    return last_line or f"exit code {code}"
