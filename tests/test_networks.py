"""Where the networks of the commands come from."""

import subprocess
import sys

import pytest

from models import BUILDERS
from tests.conftest import ROOT
from tfal import networks
from tfal.errors import InputError


def test_in_a_checkout_they_stand_beside_tfal():
    assert list(networks.builders()) == list(BUILDERS)
    assert networks.builders()["MLP"]((4, 4, 1), 3).name == "MLP"


def test_a_package_of_somebody_elses_called_models_is_left_alone(tmp_path):
    (tmp_path / "models.py").write_text("BUILDERS = {'mine': None}")
    code = (
        "import sys; sys.path.insert(1, sys.argv[1]); from tfal.networks import builders; import models\n"
        "print('mine' in models.BUILDERS, 'mine' in builders(), 'SCNN' in builders(), sys.modules['models'] is models)"
    )
    command = [sys.executable, "-c", code, str(ROOT)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout == "True False True True\n"


def test_where_there_are_none_the_line_says_so(tmp_path, monkeypatch):
    monkeypatch.delitem(sys.modules, "tfal.models", raising=False)
    monkeypatch.setattr(networks, "__file__", str(tmp_path / "tfal" / "networks.py"))
    with pytest.raises(InputError, match=r"the networks are missing: there is no folder .*models\. Install tfal anew"):
        networks.builders()
