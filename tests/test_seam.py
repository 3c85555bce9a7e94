import subprocess
import sys

from tests.conftest import ROOT

MODULES = (
    "kernels strategies pool pool.splits pool.task pool.view recipe recipe.presets recipe.protocols.mnist "
    "networks data loop campaign asking asking.round single_query initial_pool report.compare report.comparison "
    "report.correlation report.tables coldstart.criteria coldstart.data_maps coldstart.pictures coldstart.study "
    "show sweep.cli sweep.checks sweep.one sharded"
)
ARRAY_SIDE = ", ".join(["tfal", *(f"tfal.{name}" for name in MODULES.split())])


def test_the_array_side_imports_neither_tensorflow_nor_keras():
    others = ("tensorflow", "keras", "tensorboard", "wandb")
    code = f"import {ARRAY_SIDE}, sys; print([m for m in {others} if m in sys.modules])"
    found = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


def test_help_needs_no_tensorflow():
    code = (
        "import run_mnist, sys; sys.argv[1:] = ['--help']; import atexit\n"
        "atexit.register(lambda: print('loaded', 'tensorflow' in sys.modules))\n"
        "run_mnist.main(run_mnist.__doc__, run_mnist.PRESETS, run_mnist.BUILDERS, run_mnist.SOURCE)"
    )
    found = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert found.stdout.strip().endswith("loaded False")
    assert "--nQuery" in found.stdout
