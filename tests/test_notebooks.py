"""The notebooks as they are committed: valid, with outputs of nobody's machine, one way of getting tfal in all of them.

What runs them is notebooks/run.py; .ci/run does that with all of them.
"""

import base64
import importlib.metadata
import json
import re
import subprocess
import types

import nbformat
import pytest

from notebooks import address
from notebooks import run as runner
from tests.conftest import ROOT

NAMES = runner.NAMES
GUIDE = (ROOT / "notebooks" / "README.md").read_text()
MACHINE = re.compile(r"(?<![\w.])/(?:tmp|root|home|work|Users|opt|usr)/")
KEPT = {"tensorflow", "keras", "numpy"}


def read(name):
    return nbformat.read(ROOT / "notebooks" / f"{name}.ipynb", as_version=4)


def code(name):
    return [cell for cell in read(name).cells if cell.cell_type == "code"]


def install_cell(name="quickstart"):
    return code(name)[0].source


def test_there_are_seven_and_the_guide_names_each():
    assert len(NAMES) == 7
    assert sorted(re.findall(r"\]\((\w+)\.ipynb\)", GUIDE)) == sorted(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_it_is_valid_and_small(name):
    nbformat.validate(read(name))
    assert (ROOT / "notebooks" / f"{name}.ipynb").stat().st_size < 500_000
    for cell in code(name):
        compile(cell.source, name, "exec")  # plain Python, without magics: it runs as a script, too


@pytest.mark.parametrize("name", NAMES)
def test_the_head_has_a_badge_of_this_notebook_and_every_section(name):
    book = read(name)
    head, rest = book.cells[0].source, "\n".join(c.source for c in book.cells[1:] if c.cell_type == "markdown")
    (repository,) = re.findall(r'^REPOSITORY = "https://github\.com/(.+)"$', install_cell(), re.MULTILINE)
    badge = f"https://colab.research.google.com/github/{repository}/blob/main/notebooks/{name}.ipynb"
    assert f"[![Open In Colab](https://colab.research.google.com/assets/colab-badge.svg)]({badge})" in head
    listed = re.findall(r"^\d+\. \[(.+)\]\(#([\w-]+)\)$", head, re.MULTILINE)
    assert [(title, anchor) for anchor, title in re.findall(r'<a name="([\w-]+)"></a>\n+## (.+)', rest)] == listed
    assert len(listed) >= 4
    others = re.findall(r"\]\((\w+)\.ipynb\)", rest)
    assert {*others} <= {*NAMES}


@pytest.mark.parametrize("name", NAMES)
def test_outputs_are_there_and_nothing_of_a_machine_is(name):
    cells = code(name)
    assert [cell.execution_count for cell in cells] == [*range(1, len(cells) + 1)]  # one run, from top to bottom
    outputs = [output for cell in cells for output in cell.outputs]
    assert {output.output_type for output in outputs} <= {"stream", "execute_result", "display_data"}
    assert not [output for output in outputs if output.get("name") == "stderr"]
    pictures = [base64.b64decode(o.data["image/png"]) for o in outputs if "image/png" in o.get("data", {})]
    assert pictures
    assert all(picture.startswith(b"\x89PNG") for picture in pictures)
    words = re.sub(r'"image/png": "[^"]*"', "", (ROOT / "notebooks" / f"{name}.ipynb").read_text())
    assert not MACHINE.findall(words)


@pytest.mark.parametrize("name", NAMES)
def test_tfal_is_had_in_the_same_way_in_all(name):
    assert install_cell(name) == install_cell()


def lines(*files):
    text = "\n".join((ROOT / file).read_text() for file in files)
    found = [line.partition("#")[0].strip() for line in text.splitlines()]
    return {re.match(r"[\w-]+", line)[0]: line for line in found if line}


def test_requirements_for_colab_are_those_of_tfal_and_of_the_page_but_for_what_stays():
    whole = lines("requirements.txt", "requirements-report.txt")
    assert lines("requirements-colab.txt") == {name: line for name, line in whole.items() if name not in KEPT}


# What is installed, by name; what a command of the cell makes of it, and says.
COLAB = {"tensorflow": "2.20.0", "keras": "3.13.2", "numpy": "2.1.3", "cupy-cuda12x": "14.0.1", "Some_Thing": "1.0"}


@pytest.fixture
def machine(monkeypatch, tmp_path):
    """A machine whose pip and git do what a test says: `do(command, installed)` gives the exit code and stderr."""
    installed, asked = dict(COLAB), []

    def run(command, **_):
        asked.append([*command])
        failed, stderr = here.do(command, installed)
        return subprocess.CompletedProcess(command, failed, "", stderr)

    def distributions():
        return [types.SimpleNamespace(name=name, version=version) for name, version in installed.items()]

    here = types.SimpleNamespace(installed=installed, asked=asked, do=lambda command, installed: (0, ""))
    monkeypatch.setattr(subprocess, "run", run)
    monkeypatch.setattr(importlib.metadata, "distributions", distributions)
    monkeypatch.setattr("sys.path", ["there"])
    monkeypatch.setenv("PYTHONPATH", "there")
    monkeypatch.delenv("TFAL_FOLDER", raising=False)
    monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", "2")
    monkeypatch.chdir(tmp_path)
    return here


def installs():
    exec(compile(install_cell(), "install", "exec"), {})


def test_what_is_there_stays_and_what_was_added_is_said(machine, monkeypatch, capsys):
    monkeypatch.setenv("TFAL_FOLDER", str(ROOT))
    machine.do = lambda command, installed: installed.update(plotly="6.1", some_thing="2.0") or (0, "")
    machine.installed["some_thing"] = machine.installed.pop("Some_Thing")
    installs()
    (command,) = machine.asked
    assert command[-6:-4] == ["-r", str(ROOT / "requirements-colab.txt")]
    assert command[-4:] == ["cupy-cuda12x==14.0.1", "keras==3.13.2", "numpy==2.1.3", "tensorflow==2.20.0"]
    said = capsys.readouterr().out.splitlines()
    assert said[1:] == [
        "cupy-cuda12x 14.0.1, now 14.0.1",
        "keras 3.13.2, now 3.13.2",
        "numpy 2.1.3, now 2.1.3",
        "tensorflow 2.20.0, now 2.20.0",
        "Added: plotly 6.1, some-thing 2.0.",
    ]


def test_it_stops_in_one_line_when_one_moved(machine, monkeypatch):
    monkeypatch.setenv("TFAL_FOLDER", str(ROOT))
    machine.do = lambda command, installed: installed.update(numpy="2.4.0") or (0, "")
    with pytest.raises(SystemExit, match=r"^Stopped: numpy changed, as seen above[^\n]*$"):
        installs()


def test_without_a_network_it_goes_on_and_says_what_is_missing(machine, monkeypatch, capsys):
    monkeypatch.setenv("TFAL_FOLDER", str(ROOT))
    machine.do = lambda command, installed: (1, "WARNING: retrying\nERROR: no matching distribution for plotly\n")
    installs()
    assert capsys.readouterr().out.splitlines()[-2:] == [
        "Added: nothing.",
        "Not all of requirements-colab.txt is here, and what needs the rest will say so: pip said ERROR: no matching "
        "distribution for plotly",
    ]


def test_without_tensorflow_or_tfal_it_stops_in_one_line(machine, monkeypatch):
    machine.do = lambda command, installed: (128, "fatal: could not resolve host\n")
    with pytest.raises(SystemExit, match=r"^Stopped: no tfal in https://[^\n]*could not resolve host[^\n]*$"):
        installs()
    assert [command[:2] for command in machine.asked] == [["git", "clone"]]
    monkeypatch.setenv("TFAL_FOLDER", "nowhere")
    with pytest.raises(SystemExit, match=r"^Stopped: no tfal in nowhere[^\n]*$"):
        installs()
    del machine.installed["keras"]
    with pytest.raises(SystemExit, match=r"^Stopped: TensorFlow is not here[^\n]*$"):
        installs()
    assert len(machine.asked) == 1


def test_it_is_cloned_once_where_there_is_no_checkout(machine, tmp_path):
    def clone(command, installed):
        if command[0] == "git":
            (tmp_path / command[-1]).mkdir()
            (tmp_path / command[-1] / "requirements-colab.txt").touch()
        return 0, ""

    machine.do = clone
    installs()
    installs()  # after a restart
    assert [command[0] for command in machine.asked].count("git") == 1


def book_of(*sources):
    return nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_code_cell(source) for source in sources],
        metadata={"kernelspec": {"name": "python3", "display_name": "Python 3"}},
    )


def test_outputs_are_cleaned(tmp_path):
    book = book_of("x", "y")
    page = {"text/html": "<p>" * runner.MOST, "text/plain": "<IPython.core.display.HTML object>"}
    book.cells[0].outputs = [nbformat.v4.new_output("stream", name="stdout", text=f"Curves: {tmp_path}/a {tmp_path}\n")]
    book.cells[1].outputs = [nbformat.v4.new_output("display_data", data=page)]
    book.cells[0].metadata["execution"] = {"iopub.execute_input": "2026"}
    runner.clean(book, tmp_path)
    assert book.cells[0].outputs[0].text == "Curves: a .\n"
    assert book.cells[1].outputs[0].data == {"text/plain": runner.SHOWN}
    assert "execution" not in book.cells[0].metadata


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nothing"], "there is no notebook 'nothing'. Valid: "),
        (["--small", "--keep"], "--keep commits figures"),
    ],
)
def test_wrong_arguments_are_refused(arguments, message, capsys):
    with pytest.raises(SystemExit):
        runner.main(arguments)
    assert message in capsys.readouterr().err


def test_a_cell_that_fails_or_warns_ends_the_run_in_one_line(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(runner, "__file__", str(tmp_path / "run.py"))
    monkeypatch.setattr(runner, "NAMES", ("good", "fails", "warns"))
    ending = "import os, sys\nprint(os.environ.get('TFAL_NOTEBOOK'))"
    for name, source in (("good", ending), ("fails", "1 / 0"), ("warns", "import sys\nprint('odd', file=sys.stderr)")):
        nbformat.write(book_of(source), tmp_path / f"{name}.ipynb")
    assert runner.main(["good", "fails", "--small", "--folder", str(tmp_path / "made")]) == 1
    told = capsys.readouterr()
    assert told.err.splitlines()[-1] == "fails: ZeroDivisionError: division by zero"
    made = json.loads((tmp_path / "made" / "good" / "good.ipynb").read_text())
    assert "".join(made["cells"][0]["outputs"][0]["text"]) == "small\n"
    assert runner.main(["warns"]) == 1
    assert capsys.readouterr().err.splitlines()[-1] == "warns: Cell 1 writes to stderr: odd"


# Cells of a notebook as a script; where `ended` is not 0, the process is killed when so many lines of the run are said.
AS_SCRIPT = """
import json, os, signal, sys
from pathlib import Path
folder, root, ended, cells = sys.argv[1], sys.argv[2], int(sys.argv[3]), json.loads(sys.argv[4])
os.environ["TFAL_NOTEBOOK"] = "small"
os.chdir(folder)
said = print

def print(*words, **options):
    global ended
    said(*words, **options, flush=True)
    ended -= " rep. " in str(words[0])
    if ended == 0:
        os.kill(os.getpid(), signal.SIGKILL)

ended = ended or -1
for cell in cells:
    exec(compile(cell, "cell", "exec"), globals())
"""


def test_a_session_that_was_cut_off_goes_on(nursery, tmp_path):
    needed = ("RESULTS = ", "class Density(", "tfal.run(")
    cells = [cell.source for cell in code("own_strategy") if any(part in cell.source for part in needed)]
    assert len(cells) == len(needed)
    ended = {}
    for lines_said in ("1", "0"):
        done = nursery.run(tmp_path, "-c", AS_SCRIPT, str(tmp_path), str(ROOT), lines_said, json.dumps(cells))
        ended[lines_said] = re.findall(r"^(\S+) rep\. 1: 40 labels", done.out, re.MULTILINE)
        assert done.code == (0 if lines_said == "0" else -9), done.err
    assert ended == {"1": ["__main__:Density"], "0": ["entropy", "random"]}
    assert len([*tmp_path.rglob("pool.npz")]) == 3


def test_a_copy_of_the_repository_says_where_it_is():
    for file in address.files():
        text = file.read_text()
        there = address.renamed(text, "some-body/tfal.copy")
        assert "OWNER/tfal" not in there
        assert there.count("some-body/tfal.copy") == text.count("OWNER/tfal") > 0
        assert address.renamed(there, "OWNER/tfal") == text
    assert address.renamed("https://github.com/actions/checkout", "a/b") == "https://github.com/actions/checkout"


@pytest.mark.parametrize("given", ["tfal", "https://github.com/a/b", "a/b/c"])
def test_an_address_that_is_none_is_refused(given, capsys):
    with pytest.raises(SystemExit):
        address.main([given])
    assert "must be owner/name" in capsys.readouterr().err
