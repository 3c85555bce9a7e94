"""What a report costs: reading results, and the page of them with its figures and tables.

python -m benchmarks.report [--settings 4] [--strategies 50] [--reps 5] [--rounds 50] [--browser]

Runs are made up, with the files and columns that real ones leave: 1,000 by default. The page and what lies beside it
are made in a process of its own, whose seconds, processor time and largest memory are told. With --browser the page is
opened in Chromium (what tests/report needs), and the curves of its last setting are asked for.
"""

from __future__ import annotations

import argparse
import csv
import importlib
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from benchmarks.selection_measure import machine

_COLUMNS = ("val_accuracy", "train_loss", "seconds_train", "seconds_read", "seconds_query", "peak_memory_mb")
_READ = "from tfal.report.comparison import read_comparison; read_comparison([Path(sys.argv[1])])"
_PAGE = "from tfal.report.page import write_report; write_report([Path(sys.argv[1])], Path(sys.argv[2]))"

_DRAWN = """const [done, began] = [arguments[0], performance.now()];
const tab = [...document.querySelectorAll('[role=tab]')].at(-1);
tab.click();
const panel = document.getElementById(tab.getAttribute('aria-controls'));
(function wait() {
  if (panel.querySelector('.legendtoggle')) done(performance.now() - began); else requestAnimationFrame(wait);
})();"""


def main(argv: Sequence[str] | None = None) -> None:
    """Prints a table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    for name, value in (("settings", 4), ("strategies", 50), ("reps", 5), ("rounds", 50)):
        parser.add_argument(f"--{name}", type=int, default=value)
    parser.add_argument("--browser", action="store_true", help="open the page in Chromium, without a window")
    given = parser.parse_args(argv)
    with tempfile.TemporaryDirectory(prefix="tfal-report-") as place:
        results, page = Path(place) / "results", Path(place) / "page" / "report.html"
        for setting in range(given.settings):
            _make(results / f"set{setting}_SCNN", setting, given)
        runs = given.settings * given.strategies * given.reps
        print(f"{machine()}\n\n{runs} runs of {given.rounds} rounds\n")
        print("| what | seconds | processor time [s] | peak [MB] |\n| --- | --- | --- | --- |")
        for what, code in (("start of Python", ""), ("reading", _READ), ("page, figures, tables", _PAGE)):
            print(f"| {what} | {_measured(code, results, page)} |", flush=True)
        beside = sum(path.stat().st_size for path in page.parent.rglob("*") if path.is_file()) - page.stat().st_size
        print(f"\nPage: {page.stat().st_size / 1e6:.1f} MB; beside it {beside / 1e6:.1f} MB")
        if given.browser:
            print("\n".join(_opened(page)))


def _make(experiment: Path, setting: int, given: argparse.Namespace) -> None:
    """An experiment of strategies that differ a little; repetitions are paired."""
    rng, steps = np.random.default_rng(setting), np.arange(given.rounds)
    names = ["random", *(f"strategy{number:02d}" for number in range(1, given.strategies))]
    for name in names:
        lift = 0.0 if name == "random" else rng.normal(0.01, 0.02)
        for rep in range(1, given.reps + 1):
            folder = experiment / name / f"rep{rep:03d}"
            folder.mkdir(parents=True)
            curve = 0.9 - 0.6 * np.exp(-steps / 15) + lift * (steps > 0) + rng.normal(0, 0.01, len(steps))
            others = rng.random((len(steps), len(_COLUMNS)))
            with (folder / "rounds.csv").open("w", newline="") as file:
                writer = csv.writer(file)
                writer.writerow(["round", "labels", "test_accuracy", *_COLUMNS])
                for step in steps.tolist():
                    accuracy = float(np.clip(curve[step], 0, 1))
                    writer.writerow([step, 20 + 20 * step, accuracy, *others[step].tolist()])
            recipe = {
                "dataset": f"set{setting}",
                "network": "SCNN",
                "strategy": name,
                "seed": 0,
                "data": f"{setting:016x}",
            }
            (folder / "recipe.json").write_text(json.dumps({"recipe": recipe}))


def _measured(code: str, results: Path, page: Path) -> str:
    """Seconds, processor time and the largest memory of a process of its own, as cells."""
    tell = "import resource; print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)"
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    words = [sys.executable, "-c", f"import sys\nfrom pathlib import Path\n{code}\n{tell}", str(results), str(page)]
    done = subprocess.run(words, check=True, capture_output=True, text=True)
    seconds, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return f"{seconds:.1f} | {used:.1f} | {float(done.stdout.split()[-1]):.0f}"


def _opened(page: Path) -> Iterator[str]:
    """How long a browser takes to open the page, three times, and to draw the curves of the last setting."""
    browser = importlib.import_module("tests.labeling.browser").Browser(page.parent)
    try:
        for number in range(1, 4):
            browser.open(page)
            loaded = browser.run("return performance.getEntriesByType('navigation')[0].loadEventEnd") / 1000
            drawn = browser.driver.execute_async_script(_DRAWN) / 1000
            yield f"Opened, {number}: {loaded:.2f} s until it is loaded, {drawn:.2f} s more for the curves of a setting"
    finally:
        browser.driver.quit()


if __name__ == "__main__":
    main()
