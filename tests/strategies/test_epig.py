"""epig as a strategy: which targets it reads, by chance or from a file, and what it refuses."""

import numpy as np
import pytest

import tfal
from tfal.errors import InputError
from tfal.kernels import epig
from tfal.recipe import Recipe
from tfal.recipe.usage import usage
from tfal.strategies import make_strategy

PASSES = np.random.default_rng(0).normal(size=(60, 4, 3)).astype(np.float32)
GIVEN = {"classifier": {"mc_logits": PASSES}}
LABELED = np.arange(0, 60, 4)


def _file(tmp_path, ids):
    np.save(tmp_path / "targets.npy", np.array(ids, np.int64))
    return str(tmp_path / "targets.npy")


def test_the_largest_information_on_the_targets_of_a_file(tmp_path):
    ids, scores = tfal.rank("epig", GIVEN, None, labeled=LABELED, epig_targets=_file(tmp_path, [3, 0, 58]))
    expected = epig(PASSES[ids], PASSES[[0, 3, 58]])
    np.testing.assert_allclose(scores, expected, rtol=1e-9)
    assert (np.diff(scores) <= 0).all()
    assert tfal.query("epig", GIVEN, None, 5, labeled=LABELED, epig_targets=_file(tmp_path, [3, 0, 58])).tolist() == (
        ids[:5].tolist()
    )


def test_targets_are_drawn_from_the_whole_pool_by_the_seed():
    few = {"labeled": LABELED, "n_epig_target": 5}
    first, again = (tfal.rank("epig", GIVEN, None, seed=1, **few) for _ in range(2))
    assert first.scores.tolist() == again.scores.tolist()
    assert sorted(first.scores) != sorted(tfal.rank("epig", GIVEN, None, seed=2, **few).scores)
    every = tfal.rank("epig", GIVEN, None, labeled=LABELED)  # 100 are asked for, and 60 are there
    np.testing.assert_allclose(every.scores, epig(PASSES[every.ids], PASSES), rtol=1e-9)


def test_a_file_takes_the_place_of_the_number(tmp_path):
    recipe = Recipe(strategy="epig", epig_targets=_file(tmp_path, [1]))
    assert {"epig_targets", "n_pass"} <= usage(recipe).names
    assert "n_epig_target" not in usage(recipe).names
    assert "n_epig_target" in usage(Recipe(strategy="epig")).names


@pytest.mark.parametrize(
    ("ids", "message"), [([], "must hold ids of targets, from 0 to 59. Received: none"), ([60], "Received: 60")]
)
def test_targets_that_are_none_are_refused(tmp_path, ids, message):
    made = make_strategy("epig", type("Options", (), {"epig_targets": _file(tmp_path, ids)}))
    with pytest.raises(InputError, match=message):
        made.check_pool(np.arange(60), 3, 60)


def test_a_file_that_is_missing_is_named_with_its_option(tmp_path):
    with pytest.raises(InputError, match="--epigTargets"):
        tfal.query("epig", GIVEN, None, 3, epig_targets=str(tmp_path / "none.npy"))
