"""What pip installs is whole: built like a release, every block of the README and its pages runs with it alone.

Commands run in a folder of their own, with options that make them small. What cannot run here stands below, with why.
"""

import glob
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import filelock
import pytest

from tests.conftest import ROOT
from tests.test_scripts import LOW_BUDGET, TINY, TINY_OPEN

# What the README tells in short, and where it is told in whole.
NAMES = "INSTALL OPEN_SET LOW_BUDGETS FIRST_LABELS LABELING REPORT DATA RESULTS".split()
TEXT = "\n".join(path.read_text() for path in (ROOT / "README.md", *(ROOT / "docs" / f"{name}.md" for name in NAMES)))
BLOCKS = re.findall(r"^```(sh|python|py)\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)
LINES = [line.partition(" #")[0].strip() for kind, block in BLOCKS if kind == "sh" for line in block.splitlines()]
PYTHON = [block for kind, block in BLOCKS if kind != "sh"]

_SCNN = [*TINY, "--network", "SCNN"]
# The lines that run, in this order, and what makes them small.
SMALL = {
    "tfal run mnist --strategy ldms,margin,random --nRep 5": [*_SCNN, "--nSample", "50", "--strategy", "ldms"],
    "tfal report results/mnist_SCNN": [],
    "tfal tidy results results.csv": [],
    "tfal run digits --preset openset": TINY_OPEN,
    "tfal run digits --preset lowbudget": LOW_BUDGET,
    "tfal run digits --preset initpools": [*_SCNN, "--strategy", "random"],  # what the last line compares with
    "tfal run digits --preset initpools --initial typiclust --strategy random,margin,bald": [
        *(*_SCNN, "--strategy", "random", "--nEpochSimclr", "1", "--nBatchEncoder", "512")
    ],
    "tfal compare results/digits-from-random_SCNN results/digits-from-*_SCNN": [],
    "tfal coldstart --dataset digits --network SCNN --budgets 20,50,100": (
        "--dataset mnist --network MLP --budgets 10 --criteria coreset --nRandom 1 --nRun 1 --nEpoch 1 --nStepEpoch 1 "
        "--nEpochSimclr 1 --nBatchEncoder 512"
    ).split(),
}
# Beginnings of those that do not: their options are looked at, where they have some.
ELSEWHERE = {
    "tfal run mnist --preset initpools": "what it does is done with digits above",
    "tfal run cifar10": "trains for hours on a data set that is not here",
    "tfal run cifar100": "trains for hours on a data set that is not here",
    "tfal run imagenet": "reads a data set and a checkpoint that are not here",
    "tfal select": "reads features that are not here; tests/sharded makes its own",
    "tfal folder": "asks people; tests/labeling answers in their place",
    "pip install label-studio": "downloads, into an environment of its own",
    "tfal convert-torch": "reads a checkpoint that is not here; test_convert_torch.py makes its own",
    "pip install . && tfal run digits": "downloads; the two halves are the fixture and the first test",
    "pip install -r": "downloads, for the checkout",
    "tfal report results/mnist_SCNN results/ldms_mnist": "reads a sweep that is not here; tests/report makes pages",
}
# What the README's Python takes for granted; and what makes it small.
GIVEN = """
import numpy as np, tfal
from tfal.models import BUILDERS
rng = np.random.default_rng(0)
images, labeled = rng.integers(256, size=(200, 8, 8, 1), dtype=np.uint8), np.arange(20)
model = BUILDERS["MLP"]((8, 8, 1), 4)
features, kernel, bias = rng.normal(size=(200, 6)), rng.normal(size=(6, 4)), np.zeros(4)
mc_features = features
np.save("embeddings.npy", features)
labels, wrapped = np.arange(20) % 4, lambda batch: model(batch)["logits"]
classes = [0] * 25 + [None] * 24 + [tfal.UNSURE]
build, recipe = BUILDERS["MLP"], tfal.Recipe(dataset="mine", strategy="random", **SMALL)
list(tfal.run(tfal.Recipe(dataset="digits", strategy="margin", **SMALL), build))
with open("results.csv", "w") as file:
    file.write("dataset,strategy,labels,metric,value\\nmnist,ldms,20,test_accuracy,0.5\\nmnist,ldms,20,nll,2\\n")
x_train, y_train, x_test, y_test = images, np.arange(200) % 4, images[:40], np.arange(40) % 4
"""
THEN = """
assert len(scores) == 180 and len(set(ids.tolist())) == 50
assert campaign.labeled.tolist() == sorted(ids[:25].tolist()) and len(campaign.rejected) == 24
assert table["ldms"].tolist() == [0.5]
assert len(set(rows.tolist())) == 100 and len(set(first.tolist())) == 20
assert round.row["labels"] == 25 and data.n_classes == 4 and [done.row["labels"] for done in rounds] == [20, 25]
"""
OPTIONS = {"n_rep": 1, "n_step": 1, "n_epoch": 1, "n_init": 20, "n_valid": 20, "n_pool": 60, "n_query": 5}

# In a fork that has read the checkout's modules already: those of the installed files take their place.
ENTER = """
import os, runpy, sys
installed, folder, *sys.argv = sys.argv[1:]
for name in [name for name in sys.modules if name.partition(".")[0] in ("tfal", "models")]:
    del sys.modules[name]
sys.path[:] = [installed, *(path for path in sys.path if path and not os.path.exists(os.path.join(path, "tfal")))]
os.chdir(folder)
import tfal
assert os.path.dirname(os.path.dirname(tfal.__file__)) == installed
"""
COMMAND = f"{ENTER}\nrunpy.run_path(sys.argv[0], run_name='__main__')"
PARSE = f"""{ENTER}
from tfal.cli import parse
from tfal.networks import builders
from tfal.recipe.protocols import protocol
for line in sys.argv:
    name, *flags = line.split()
    found = protocol(name)
    print(parse(found.__doc__, found.PRESETS, builders(), found.SOURCE, flags).dataset)
"""


@pytest.fixture(scope="session")
def installed(tmp_path_factory):
    """The folder of an installation by pip, without dependencies: made of an sdist, so that this is whole, too."""
    shared = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        shared = shared.parent
    place = shared / "installed"
    with filelock.FileLock(f"{place}.lock"):
        if not place.exists():
            _install(place, tmp_path_factory.mktemp("built"))
    return place


def _install(place, built):
    source = built / "source"
    for name in ("tfal", "models"):
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    for path in (*ROOT.glob("requirements*.txt"), *(ROOT / name for name in ("LICENSE", "README.md", "setup.py"))):
        shutil.copy(path, source)
    shutil.copy(ROOT / "pyproject.toml", source)
    sdist = "import sys; from setuptools import build_meta; build_meta.build_sdist(sys.argv[1])"
    _run([sys.executable, "-c", sdist, str(built)], source)
    (archive,) = built.glob("*.tar.gz")
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "--no-index", "--no-deps"]
    _run([*pip, "--no-build-isolation", "--target", str(place), str(archive)], built)


def _run(command, folder, **environment):
    done = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, env=os.environ | environment, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_all_files_of_the_checkout_are_there(installed):
    found = {path.relative_to(installed).as_posix() for path in (installed / "tfal").rglob("*.py")}
    here = {path.relative_to(ROOT).as_posix() for path in (ROOT / "tfal").rglob("*.py")}
    assert found == here | {f"tfal/models/{path.name}" for path in (ROOT / "models").glob("*.py")}
    assert (installed / "tfal" / "py.typed").exists()
    for name in ("page.html", "page.css", "page.js"):
        page = Path("tfal") / "labeling" / name
        assert (installed / page).read_bytes() == (ROOT / page).read_bytes()
    assert {path.name for path in installed.iterdir() if not path.name.endswith(".dist-info")} == {"tfal", "bin"}
    (metadata,) = installed.glob("*.dist-info/METADATA")
    needs = re.findall(r"^Requires-Dist: (\S+?)[<>=;\[ ]", metadata.read_text(), re.MULTILINE)
    assert {"tensorflow", "numpy", "filelock", "cupy-cuda12x", "torch", "pytest"} <= {*needs}


def test_a_user_starts_it_in_an_empty_folder(installed, tmp_path):
    tfal, path = str(installed / "bin" / "tfal"), {"PYTHONPATH": str(installed)}
    assert _run([tfal, "--help"], tmp_path, **path).startswith("usage: tfal COMMAND ")
    assert _run([sys.executable, "-m", "tfal", "--help"], tmp_path, **path).startswith("usage: python -m tfal COMMAND ")
    assert list(tmp_path.iterdir()) == []
    table = _run([tfal, "run", "digits", *TINY, "--nSample", "50"], tmp_path, **path)
    assert "ldms (1 rep.)" in table
    assert (tmp_path / "results" / "digits_MLP" / "curves.png").exists()


def test_every_line_of_the_readme_is_known_here():
    unknown = [line for line in LINES if line not in SMALL and not line.startswith((*ELSEWHERE,))]
    assert unknown == [], "run it in SMALL, or say in ELSEWHERE why not"
    assert {*SMALL} - {*LINES} == {"tfal run digits --preset initpools"}, "no longer in the README"
    assert all(any(line.startswith(known) for line in LINES) for known in ELSEWHERE), "no longer in the README"


def test_the_commands_of_the_readme(installed, nursery, tmp_path, made):
    for line, small in SMALL.items():
        tfal, *words = shlex.split(line)
        argv = [found for word in words for found in sorted(glob.glob(word, root_dir=tmp_path)) or [word]]
        data = ["--dataDir", str(made)] if "mnist" in (*argv, *small) else []
        started = (str(installed), str(tmp_path), str(installed / "bin" / tfal), *argv, *small, *data)
        done = nursery.run(tmp_path / "output", "-c", COMMAND, *started)
        assert done.code == 0, f"{line}\n{done.err}"
    assert (tmp_path / "results" / "mnist_SCNN" / "curves.png").exists()
    assert (tmp_path / "results" / "coldstart" / "mnist_MLP").is_dir()


def test_the_options_of_the_other_commands(installed, nursery, tmp_path):
    runs = [line.removeprefix("tfal run ") for line in LINES if line.startswith("tfal run ")]
    done = nursery.run(tmp_path / "output", "-c", PARSE, str(installed), str(tmp_path), *runs)
    assert done.code == 0, done.err
    assert done.out.split() == [line.split()[0] for line in runs]


def test_a_checkpoint_of_pytorch_that_is_not_there(installed, nursery, tmp_path):
    (line,) = [line for line in LINES if line.startswith("tfal convert-torch")]
    started = (str(installed), str(tmp_path), str(installed / "bin" / "tfal"), *line.split()[1:])
    done = nursery.run(tmp_path / "output", "-c", COMMAND, *started)
    assert done.code == 2
    assert re.fullmatch("tfal convert-torch: error: .*(needs PyTorch|there is no checkpoint).*\n", done.err)


def test_the_python_of_the_readme(installed, nursery, tmp_path, made):
    whole = 'Recipe(dataset="mnist", n_query=50, n_step=10)'
    small = f'Recipe(**SMALL, dataset="mnist", strategy="random", data_dir={str(made)!r})'
    text = "\n".join(PYTHON)
    assert whole in text
    given = f"SMALL = {OPTIONS}\n{GIVEN}"
    code = "\n".join([ENTER, given, text.replace(whole, small), THEN])
    done = nursery.run(tmp_path / "output", "-c", code, str(installed), str(tmp_path))
    assert done.code == 0, done.err
