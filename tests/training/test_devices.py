"""All devices of a machine; see two_devices.py for what needs more than one."""

import numpy as np
import pytest
import tensorflow as tf

import tfal
from models import BUILDERS
from tests.conftest import ROOT
from tfal.cli import _devices
from tfal.training.runtime import distribution

TWO_DEVICES = """
import os, sys
import pytest
os.environ["CUDA_VISIBLE_DEVICES"] = "-1"
sys.exit(pytest.main(["-q", *sys.argv[1:]]))
"""


def test_on_two_devices(nursery, tmp_path):
    """The CPU can be made two devices only before TensorFlow starts, so another process runs these tests."""
    done = nursery.run(tmp_path, "-c", TWO_DEVICES, str(ROOT / "tests" / "training" / "two_devices.py"))
    assert done.code == 0, done.out[-8000:] + done.err[-2000:]


@pytest.mark.skipif(len(tf.config.list_physical_devices("GPU")) > 1, reason="there are several GPUs")
def test_all_of_one_device_is_that_device(digits, small, change):
    assert distribution("all") is distribution("one")
    found = {}
    for devices in ("one", "all"):
        recipe = change(small, n_step=1, devices=devices, results_dir=f"{small.results_dir}/{devices}")
        rounds = list(tfal.run(recipe, BUILDERS["MLP"], data=digits))
        found[devices] = rounds[0].picks.ids, [done.row["test_accuracy"] for done in rounds]
    assert np.array_equal(found["all"][0], found["one"][0])
    assert found["all"][1] == found["one"][1]


def test_the_start_line_names_the_devices():
    assert _devices("one", gpus=0, used=1) == "the CPU"
    assert _devices("one", gpus=1, used=1) == "the GPU"
    assert _devices("one", gpus=4, used=1) == "1 of 4 GPUs"
    assert _devices("all", gpus=4, used=4) == "4 GPUs"
    assert _devices("all", gpus=1, used=1) == "the GPU, the only device that --devices all finds"
