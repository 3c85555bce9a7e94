"""Processes for tests at the price of a fork: their parent has imported TensorFlow, and computed nothing with it."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from tests.attack.children import ROOT, Child, Ended, command, prepare


class Nursery:
    """Runs commands one after another, each in a process of its own."""

    def __init__(self) -> None:
        server = [sys.executable, "-m", "tests.nursery"]
        self._server = subprocess.Popen(server, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self._count = 0

    def run(self, folder: Path, name: str, *argv: str) -> Ended:
        """What `python NAME ARGV`, `python -m NAME ARGV` or `python -c ARGV` comes to; its output goes below folder."""
        self._count += 1
        place = folder / f"process-{self._count}"
        print(json.dumps([name, argv, str(place)]), file=self._server.stdin, flush=True)
        answer = self._server.stdout.readline()
        assert answer, "the nursery has died"
        return Ended(**json.loads(answer))

    def close(self) -> None:
        """Ends the parent of all."""
        self._server.communicate()


def _work(name: str, argv: list[str]) -> Callable[[], object]:
    return (lambda: _code(*argv)) if name == "-c" else command(name, argv)


def _code(text: str, *argv: str) -> None:
    sys.argv = ["-c", *argv]
    exec(compile(text, "-c", "exec"), {"__name__": "__main__"})


def _serve() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the commands; then the tests end, and with them this
    prepare()
    for line in sys.stdin:
        name, argv, place = json.loads(line)
        ended = Child(_work(name, argv), Path(place)).end(900)
        print(json.dumps(vars(ended)), flush=True)


if __name__ == "__main__":
    _serve()
