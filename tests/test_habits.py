"""What runs for every change: the oldest versions that the files allow, and every Python of the package."""

import json
import re
import runpy
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SCRIPT = ROOT / ".ci" / "oldest.py"
oldest = runpy.run_path(str(SCRIPT))["oldest"]


def test_the_oldest_versions_by_hand():
    text = "# Two:\nnumpy>=2.0\n\ntensorflow[and-cuda]>=2.19  # loose, >= on purpose\n"
    assert oldest(text) == ["numpy==2.0", "tensorflow==2.19"]


@pytest.mark.parametrize(
    "line", ["numpy", "numpy>=2.0,<3", "numpy==2.0", "-r other.txt", "numpy>2", "numpy>=2.0; linux"]
)
def test_a_line_without_one_lower_bound_is_refused(line):
    with pytest.raises(ValueError, match=re.escape(repr(line))):
        oldest(f"scipy>=1.13\n{line}\n")


def test_every_requirement_has_its_oldest_version():
    names = ["requirements.txt", "requirements-dev.txt"]
    found = subprocess.run(
        [sys.executable, SCRIPT, *names], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    listed = [line for name in names for line in (ROOT / name).read_text().splitlines() if line and line[0] != "#"]
    assert len(found.split()) == len(listed)
    assert all(line.count("==") == 1 for line in found.split())
    assert "tensorflow==2.20" in found.split()


def test_the_workflow_runs_every_python_of_the_package():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    promised = [re.fullmatch(r"Programming Language :: Python :: (3\.\d+)", line) for line in project["classifiers"]]
    text = (ROOT / ".github" / "workflows" / "tests.yml").read_text()
    (line,) = re.findall(r"^ +python: (\[.*\])$", text, re.MULTILINE)
    assert json.loads(line) == [match[1] for match in promised if match]
    for name in re.findall(r"requirements[\w-]*\.txt|\.ci/[\w.]+", text):
        assert (ROOT / name).exists()
