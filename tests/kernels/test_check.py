"""Every refusal of the four selecting kernels: one line that names what, expected, received and a way out."""

import subprocess
import sys

import numpy as np
import pytest

from tfal.kernels import badge_seeding, k_center_greedy, ldm_seeding, least_disagree_metric

from .plain import check_refusal


def rng():
    return np.random.default_rng(0)


def ldm_call(**change):
    given = {
        "features": np.ones((5, 3)),
        "mc_features": np.ones((7, 3)),
        "kernel": np.ones((3, 4)),
        "bias": np.ones(4),
        "rng": rng(),
        "sigmas": [0.1],
    }
    return least_disagree_metric(**(given | change))


def seeding_call(**change):
    return ldm_seeding(**({"ldm": np.linspace(0, 1, 5), "features": np.ones((5, 3)), "n": 2, "rng": rng()} | change))


def badge_call(**change):
    return badge_seeding(**({"features": np.ones((5, 3)), "logits": np.ones((5, 4)), "n": 2, "rng": rng()} | change))


def center_call(**change):
    return k_center_greedy(**({"features": np.ones((5, 3)), "n": 2, "centers": np.ones((2, 3))} | change))


WITH_NAN = np.array([[1.0, np.nan, 1.0]] * 5)

CASES = [
    (ldm_call, {"features": np.ones(3)}, ["features", "(n, d)", "(3,)"]),
    (ldm_call, {"features": np.ones((5, 2, 2))}, ["features", "(n, d)", "(5, 2, 2)", "one row"]),
    (ldm_call, {"features": np.ones((0, 3))}, ["features", "(0, 3)", "empty"]),
    (ldm_call, {"features": None}, ["features", "(n, d)", "()"]),
    (ldm_call, {"features": np.ones((5, 3), np.uint8)}, ["features", "float32", "uint8", ".astype"]),
    (ldm_call, {"features": WITH_NAN}, ["features", "finite", "5 NaN or infinite of 15"]),
    (ldm_call, {"features": np.full((5, 3), 1e20)}, ["features", "up to 1e+15", "received 1e+20"]),
    (ldm_call, {"features": np.full((5, 3), -1e20)}, ["features", "up to 1e+15", "received 1e+20"]),
    (ldm_call, {"mc_features": np.ones((7, 2))}, ["mc_features", "(M, 3)", "(7, 2)"]),
    (ldm_call, {"mc_features": np.ones((0, 3))}, ["mc_features", "(0, 3)"]),
    (ldm_call, {"kernel": np.ones((4, 3))}, ["kernel", "(3, C)", "(4, 3)"]),
    (ldm_call, {"kernel": np.ones((3, 1)), "bias": np.ones(1)}, ["kernel", "2 classes", "(3, 1)"]),
    (ldm_call, {"bias": np.ones(3)}, ["bias", "(4,)", "(3,)"]),
    (ldm_call, {"bias": np.ones((1, 4))}, ["bias", "(4,)", "(1, 4)"]),
    (ldm_call, {"bias": np.array([0, 0, 0, np.inf])}, ["bias", "1 NaN or infinite of 4"]),
    (ldm_call, {"rng": 0}, ["rng", "Generator", "int", "default_rng"]),
    (ldm_call, {"rng": np.random.RandomState(0)}, ["rng", "Generator", "RandomState"]),
    (ldm_call, {"sigmas": []}, ["sigmas", "positive", "[]"]),
    (ldm_call, {"sigmas": [0.1, 0.0]}, ["sigmas", "positive", "[0.1, 0.0]"]),
    (ldm_call, {"sigmas": [-0.1]}, ["sigmas", "positive"]),
    (ldm_call, {"sigmas": [np.nan]}, ["sigmas", "nan"]),
    (ldm_call, {"sigmas": 0.1}, ["sigmas", "0.1", "Leave it out"]),
    (ldm_call, {"sigmas": np.zeros((40, 40))}, ["sigmas"]),
    (ldm_call, {"sigmas": ["a"]}, ["sigmas", "'a'"]),
    (ldm_call, {"patience": 0}, ["patience", "at least 1", "received 0"]),
    (ldm_call, {"patience": 2.5}, ["patience", "integer", "2.5"]),
    (seeding_call, {"ldm": np.ones((5, 1))}, ["ldm", "(m,)", "(5, 1)"]),
    (seeding_call, {"ldm": np.ones(5, int)}, ["ldm", "int64"]),
    (seeding_call, {"ldm": np.array([0, 0.1, 0.2, 0.3, np.nan])}, ["ldm", "1 NaN or infinite of 5"]),
    (seeding_call, {"ldm": np.linspace(-0.5, 1, 5)}, ["ldm", "from 0 to 1", "-0.5"]),
    (seeding_call, {"ldm": np.linspace(0, 7, 5)}, ["ldm", "0 to 7", "least_disagree_metric"]),
    (seeding_call, {"features": np.ones((4, 3))}, ["features", "(5, d)", "(4, 3)"]),
    (seeding_call, {"features": WITH_NAN}, ["features", "finite"]),
    (seeding_call, {"n": 6}, ["n:", "from 1 to 5", "received 6"]),
    (seeding_call, {"n": 0}, ["n:", "from 1 to 5", "received 0"]),
    (seeding_call, {"n": -1}, ["n:", "received -1"]),
    (seeding_call, {"n": np.arange(900)}, ["n:", "array"]),
    (seeding_call, {"rng": None}, ["rng", "NoneType"]),
    (badge_call, {"features": np.ones((4, 3))}, ["features", "(5, d)", "(4, 3)"]),
    (badge_call, {"features": WITH_NAN}, ["features", "finite"]),
    (badge_call, {"features": np.ones((5, 3), int)}, ["features", "int64"]),
    (badge_call, {"logits": np.ones(5)}, ["logits", "(n, C)", "(5,)"]),
    (badge_call, {"logits": np.ones((5, 1))}, ["logits", "2 classes"]),
    (badge_call, {"logits": WITH_NAN}, ["logits", "finite"]),
    (badge_call, {"n": 6}, ["n:", "from 1 to 5"]),
    (badge_call, {"rng": 7}, ["rng", "int"]),
    (center_call, {"features": np.ones(5)}, ["features", "(m, d)"]),
    (center_call, {"features": WITH_NAN}, ["features", "finite"]),
    (center_call, {"centers": np.ones((2, 4))}, ["centers", "(k, 3)", "(2, 4)"]),
    (center_call, {"centers": np.ones((0, 3))}, ["centers", "(0, 3)"]),
    (center_call, {"centers": WITH_NAN}, ["centers", "finite"]),
    (center_call, {"n": 6}, ["n:", "from 1 to 5"]),
    (center_call, {"centers": None, "rng": 3}, ["rng", "int"]),
]


@pytest.mark.parametrize(
    ("call", "change", "parts"),
    CASES,
    ids=[f"{c.__name__[:-5]}-{next(iter(k))}-{i}" for i, (c, k, _) in enumerate(CASES)],
)
def test_refusals(call, change, parts):
    call()  # what is not changed is accepted
    check_refusal([*parts, "expected", "received"], call, **change)


def test_numpy_integers_and_lists_are_accepted():
    assert len(seeding_call(n=np.int32(3))) == 3
    assert len(center_call(features=[[0.0, 1.0], [1.0, 2.0]], centers=[[0.0, 0.0]], n=1)) == 1


def test_importing_the_kernels_loads_no_tensorflow():
    code = "import sys, tfal.kernels; print(sorted({'tensorflow', 'keras', 'cupy', 'faiss'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
