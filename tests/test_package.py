"""What `import tfal` shows."""

import ast
import subprocess
import sys

import pytest

import tfal
from tests.conftest import ROOT

NAMES = ("InputError", "Recipe", "TrainingError", "load", "query", "run", "data", "kernels", "report", "strategies")


def test_what_the_package_offers_is_listed_and_there():
    assert set(NAMES) <= set(tfal.__all__) <= set(dir(tfal))
    assert [name for name in dir(tfal) if not name.startswith("__")] == sorted(tfal.__all__)
    assert {"__version__", "__doc__"} <= set(dir(tfal))
    for name in tfal.__all__:
        assert getattr(tfal, name) is not None
    with pytest.raises(AttributeError, match="module 'tfal' has no attribute 'quary'"):
        tfal.quary  # noqa: B018


def test_type_checkers_see_what_the_package_offers():
    (block,) = [
        node
        for node in ast.parse((ROOT / "tfal" / "__init__.py").read_text()).body
        if isinstance(node, ast.If) and getattr(node.test, "id", None) == "TYPE_CHECKING"
    ]
    assert {alias.name for line in block.body for alias in line.names} == set(tfal.__all__)


def test_importing_it_loads_nothing_and_its_parts_come_when_asked_for():
    code = (
        "import sys, tfal; light = sorted({'numpy', 'tensorflow', 'keras'} & set(sys.modules)); dir(tfal)\n"
        "assert sorted({'numpy', 'tensorflow', 'keras'} & set(sys.modules)) == light == []\n"
        "import numpy as np; x, y = np.zeros((4, 8, 8), np.uint8), np.array([0, 1, 0, 1])\n"
        "assert tfal.data.from_arrays('mine', x, y, x, y).n_classes == 2\n"
        "assert tfal.kernels.margin is not None and 'tensorflow' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)
