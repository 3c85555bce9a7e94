"""The command tfal: what it answers, and the name that it goes by."""

import subprocess
import sys

import pytest

import tfal
from tests.conftest import ROOT
from tfal.__main__ import COMMANDS, main
from tfal.recipe.protocols import NAMES


@pytest.fixture(autouse=True)
def _as_a_script(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["/somewhere/bin/tfal"])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("", "tfal: error: the command comes first, one of run, sweep, select, report, "),
        ("--odd", "tfal: error: the command comes first, one of run, sweep, select, report, "),
        ("bananas", "tfal: error: unknown command 'bananas'. Valid: coldstart, "),
        ("reprot results", "tfal: error: unknown command 'reprot'. Did you mean 'report'? "),
        ("run", "tfal: error: the protocol comes first, one of digits, mnist, "),
        ("run --strategy badge", "Received: --strategy. See tfal run --help."),
        ("run mnits", "tfal: error: unknown protocol 'mnits'. Did you mean 'mnist'? "),
        ("run mnist --nQury 5", "tfal run mnist: error: unknown argument '--nQury'. Did you mean --nQuery?"),
        ("run mnist --nQuery", "tfal run mnist: error: argument --nQuery: expected one argument. See --help."),
        ("report", "tfal report: error: give at least one folder of results"),
        ("correlation", "tfal correlation: error: give at least one folder of results"),
        ("compare", "tfal compare: error: the following arguments are required: reference"),
        ("join results", "tfal join: error: the following arguments are required: target"),
        ("join . joined", "tfal join: error: no results in "),
        ("coldstart --odd", "tfal coldstart: error: unrecognized arguments: --odd. See --help."),
        ("folder --images here", "tfal folder: error: --classes must be given. For example: --images PHOTOS "),
        ("convert_torch in.pth out.h5", "tfal convert-torch: error: the new file must end in .weights.h5."),
    ],
)
def test_what_cannot_be_used_is_one_line(arguments, message, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(arguments.split()) == 2
    out, err = capsys.readouterr()
    assert message in err
    assert err.startswith("tfal")
    assert (out, err.count("\n")) == ("", 1)
    assert list(tmp_path.iterdir()) == []


def test_the_first_page_is_short_and_names_all_commands(capsys):
    assert main(["--help"]) == 0
    page = capsys.readouterr().out
    assert page.startswith("usage: tfal COMMAND [...]\n")
    assert {line.split()[0] for line in page.splitlines() if line.startswith("  ")} == {*COMMANDS}
    assert len(page.splitlines()) < 20


def test_the_page_of_run_names_all_protocols(capsys):
    assert main(["run", "-h"]) == 0
    page = capsys.readouterr().out
    assert page.startswith("usage: tfal run PROTOCOL [...]\n")
    assert [line.split()[0] for line in page.splitlines() if line.startswith("  ")] == [*NAMES]


@pytest.mark.parametrize(
    "command", ["run mnist", "report", "compare", "correlation", "join", "coldstart", "convert-torch", "run tabular"]
)
def test_help_names_the_command_as_it_was_started(command, capsys, monkeypatch):
    assert main([*command.split(), "--help"]) == 0
    assert capsys.readouterr().out.startswith(f"usage: tfal {command} ")
    monkeypatch.setattr(sys, "argv", ["/site-packages/tfal/__main__.py"])
    assert main([*command.split(), "--help"]) == 0
    assert capsys.readouterr().out.startswith(f"usage: python -m tfal {command} ")


def test_the_version(capsys):
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"tfal {tfal.__version__}\n"


@pytest.mark.parametrize(
    "name",
    [
        "tfal",
        "tfal.report",
        "tfal.report.compare",
        "tfal.report.correlation",
        "tfal.report.join",
        "tfal.coldstart",
    ],
)
def test_modules_go_by_their_own_names(name):
    done = subprocess.run([sys.executable, "-m", name, "--help"], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.startswith(f"usage: python -m {name} ")


def test_its_page_loads_neither_networks_nor_arrays():
    code = (
        "import sys; from tfal.__main__ import main; main(['--help']); main(['run', '--help'])\n"
        "print([name for name in ('tensorflow', 'keras', 'matplotlib', 'scipy') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.endswith("\n[]\n")
