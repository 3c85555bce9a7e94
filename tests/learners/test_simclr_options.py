"""SimCLR's options: each trains another encoder in another file, and at their defaults nothing changes."""

from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from models import BUILDERS
from tfal.data.images import Images
from tfal.errors import InputError
from tfal.learners.contrastive_encoders import _SIMCLR_DEFAULTS, SimCLR
from tfal.recipe import Recipe
from tfal.recipe.presets import SIMCLR_OF_INITIAL_POOLS
from tfal.storage.checkpoint import EncoderFile
from tfal.streams import Streams
from tfal.training.optimizers import CoupledSGD, EpochCosine, WarmupCosine
from tfal.training.runtime import prepare_tensorflow

N = 24
OPTIONS = [
    ({"simclr_optimizer": "sgd", "n_warmup": 0}, {"step"}),
    ({"simclr_decay": 0.1}, {"step"}),
    ({"simclr_temperature": 0.1}, {"loss"}),
    ({"simclr_sides": "one"}, {"loss"}),
    ({"simclr_jitter": 0.8}, {"views", "loss"}),
    ({"simclr_hue": 0.2}, {"views", "loss"}),
    ({"simclr_crop": 0.2}, {"views", "loss"}),
]


@pytest.fixture
def images(digits):
    """In colours: grey ones have no hue."""
    return Images((digits.x_train[:N] * np.array([1.0, 0.5, 0.2])).astype(np.uint8))


@pytest.fixture
def recipe(small, change):
    prepare_tensorflow()
    return change(small, n_epoch_simclr=2, n_batch_encoder=N, n_warmup=1, lr_encoder=0.05)


def one_step(images, recipe, seen):
    """The first batch's views, their loss, and the step that the optimizer makes of a gradient; the file's name."""
    learner = SimCLR(BUILDERS["MLP"], images, 10, recipe)
    network = learner._new_network()
    trainer = learner._trainer(network, N)
    of_views = recipe.simclr_jitter, recipe.simclr_hue, recipe.simclr_crop
    if of_views not in seen:  # a pipeline takes seconds to build
        seen[of_views] = next(iter(learner.views(np.arange(N), (0, 1))))
    views = seen[of_views]
    loss = trainer.compute_loss(y_pred={"projection": tf.reshape(views, [2 * N, -1])[:, ::3]})
    weight = trainer.trainable_variables[0]
    before = weight.numpy()
    trainer.optimizer.apply([np.full(w.shape, 0.1, np.float32) for w in trainer.trainable_variables])
    name = EncoderFile(Path(), "simclr", learner._identity(np.arange(N), 0)).path.name
    return round(float(tf.reduce_sum(views)), 3), round(float(loss), 5), float((weight - before)[0, 0]), name


def test_each_option_is_another_training_in_another_file(images, recipe, change):
    """And changes only what it says: views, loss or step."""
    keras.utils.set_random_seed(0)
    seen = {}
    start = one_step(images, recipe, seen)
    names = {start[3]}
    for options, changed in OPTIONS:
        keras.utils.set_random_seed(0)
        found = one_step(images, change(recipe, **options), seen)
        differing = {part for part, a, b in zip(("views", "loss", "step"), start, found, strict=False) if a != b}
        assert differing == changed, options
        names.add(found[3])
    assert len(names) == len(OPTIONS) + 1


def test_files_from_before_there_were_options_are_still_found(digits, small, change):
    """The name that this training had then."""
    prepare_tensorflow()
    images = Images(digits.x_train[:45])
    recipe = change(small, network="SCNN", n_epoch_simclr=2, n_batch_encoder=20, n_warmup=1, lr_encoder=0.02)
    learner = SimCLR(BUILDERS["SCNN"], images, 10, recipe)
    seed = int(Streams(0)("pretrain").integers(2**31, size=3)[0])
    identity = learner._identity(np.arange(45), seed)
    assert EncoderFile(Path(), "simclr", identity).path.name == "simclr-d2484cbb9cb990ac.npz"


def test_defaults_are_those_of_the_recipe():
    assert {name: getattr(Recipe(), name) for name in _SIMCLR_DEFAULTS} == _SIMCLR_DEFAULTS


def test_the_training_of_the_initial_pools(images, small, change):
    """SGD 0.4, momentum 0.9, decay 1e-4, T 0.1, one-sided: as the study's public code."""
    prepare_tensorflow()
    options = {name: value for name, value in SIMCLR_OF_INITIAL_POOLS.items() if name != "n_epoch_simclr"}
    learner = SimCLR(BUILDERS["MLP"], images, 10, change(small, **options))
    trainer = learner._trainer(learner._new_network(), N)
    optimizer, rate = trainer.optimizer, learner._schedule(1)
    assert type(optimizer) is CoupledSGD
    assert (optimizer.momentum, optimizer.decay, optimizer.nesterov) == (0.9, 1e-4, False)
    assert type(rate) is EpochCosine
    assert float(rate(0)) == pytest.approx(0.4)
    assert float(rate(small.n_epoch_simclr)) == pytest.approx(4e-4, rel=1e-3)
    z = np.array([(1, 0), (0, 1), (0.6, 0.8), (0.8, 0.6)], np.float32)
    assert float(trainer.compute_loss(y_pred={"projection": z})) == pytest.approx(2.127224, abs=1e-5)
    assert type(SimCLR(BUILDERS["MLP"], images, 10, small)._schedule(1)) is WarmupCosine


def test_sgd_has_no_warm_up():
    with pytest.raises(InputError, match=r"--simclrOptimizer sgd has no warm-up\. Set --nWarmup 0\. Received: 10\."):
        Recipe(simclr_optimizer="sgd")
