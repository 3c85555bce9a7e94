"""The Bayesian family and VAAL through the loop with their real learners, on digits."""

import dataclasses

import keras
import pytest

from models import BUILDERS
from tfal.learners import vaal_networks
from tfal.loop import run


def _narrow(shape, n_classes):
    """The MLP with 16 features: the matrices of BAIT have as many rows as features times classes."""
    images = keras.Input(shape)
    features = keras.layers.Dense(16, activation="relu")(keras.layers.Flatten()(images))
    return keras.Model(images, keras.layers.Dense(n_classes)(features))


STRATEGIES = ["dbal", "bald", "batchbald", "bait", "consistency", "variation_ratio", "ensemble_entropy", "vaal"]
STRATEGIES += ["noise_stability", "epig"]


@pytest.mark.parametrize("name", STRATEGIES)
def test_a_run_repeats_and_labels_what_it_should(small, digits, tmp_path, monkeypatch, name):
    for constant, value in {"CHANNELS": (4, 8, 8, 16), "N_HIDDEN": 2, "WIDTH": 16}.items():
        monkeypatch.setattr(vaal_networks, constant, value)
    network = "MLP" if name in ("bait", "variation_ratio", "ensemble_entropy", "vaal") else "SCNN"
    options = {"n_step": 1, "n_epoch": 1, "n_query": 5, "n_pool": 60, "n_pass": 5, "n_view": 3, "n_epoch_vaal": 1}
    options |= {"n_noise": 3}
    build = _narrow if name == "bait" else BUILDERS[network]
    recipe = dataclasses.replace(small, network=network, strategy=name, **options)
    rounds = list(run(recipe, build, data=digits))
    assert [r.row["labels"] for r in rounds] == [20, 25]
    again = run(dataclasses.replace(recipe, results_dir=str(tmp_path / "again")), build, data=digits)
    assert next(again).picks.ids.tolist() == rounds[0].picks.ids.tolist()
    again.close()
