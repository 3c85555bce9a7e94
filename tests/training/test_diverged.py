"""A diverged network is never a result: nothing of it is committed, in the last step too, and the round is named."""

import dataclasses
import random

import keras
import numpy as np
import pytest

from models import BUILDERS
from tfal.coldstart.session import Session
from tfal.coldstart.study import RANDOM, Plan, Study, Work
from tfal.data.images import Images
from tfal.errors import InputError, TrainingError
from tfal.evaluation.trainer import Training
from tfal.evaluation.transfer import scratch_trainer
from tfal.loop import run
from tfal.storage.checkpoint import EncoderFile, Snapshot
from tfal.storage.runfolder import RunFolder
from tfal.training.finite import check_trained, checked_logits

# The only step: its loss is finite, since it was taken before the weights changed.
ONE_STEP = [({"optimizer": "sgd", "weight_decay": 1e6}, "after the last step"), ({}, "the logits of .* images")]


@pytest.fixture
def diverging(small):
    return dataclasses.replace(small, n_epoch=1, n_valid=0, n_step=0, strategy="random")


@pytest.mark.parametrize(("options", "message"), ONE_STEP)
def test_a_round_that_diverges_in_its_last_step_is_not_committed(options, message, diverging, digits):
    recipe = dataclasses.replace(diverging, learning_rate=1e37, **options)
    random.seed(1)
    with pytest.raises(TrainingError, match=message) as error:
        list(run(recipe, BUILDERS["MLP"], data=digits))
    assert "NaN or infinite" in str(error.value)
    assert "of round 0 in repetition 1 of random. Lower --learningRate" in str(error.value)
    assert not (RunFolder(recipe, 1, "").path / "rounds.csv").exists()
    assert random.random() == random.Random(1).random()  # what the run seeded is as it was


def test_a_pool_of_the_cold_start_names_itself(diverging, digits):
    recipe = dataclasses.replace(diverging, learning_rate=1e30)
    plan = Plan(Study(recipe, criteria="easy", budgets="12", n_random=1), digits)
    with pytest.raises(TrainingError, match=r"infinite, of training 1 of random, 12 images\. Lower --learningRate"):
        Session(plan, BUILDERS["MLP"], None).train(Work(12, RANDOM, 1))


def test_training_from_scratch(digits):
    trainer = scratch_trainer(BUILDERS["MLP"], Images(digits.x_train), 10, Training(1, 16), 3e38)

    def judged():
        trainer.fit(np.arange(12), digits.y_train[:12], 0)
        trainer.scores(Images(digits.x_test), np.arange(5), digits.y_test[:5])

    with pytest.raises(TrainingError, match="NaN or infinite"):
        judged()
    trainer._network.set_weights([np.full_like(w, np.nan) for w in trainer._network.get_weights()])
    with pytest.raises(TrainingError, match="the logits of 5 of 5 images"):
        trainer.scores(Images(digits.x_test), np.arange(5), digits.y_test[:5])


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_an_encoder_keeps_the_epoch_before(value, tmp_path):
    file = EncoderFile(tmp_path, "e", {})
    state = np.array([2**32 - 1, 0], np.uint32)
    file.save(Snapshot(1, 0.5, [np.ones(3), state], []))
    with pytest.raises(TrainingError, match="encoder e became NaN or infinite in epoch 2"):
        file.save(Snapshot(2, 0.5, [np.array([1, value, 1]), state], []))
    found = file.load()
    assert found is not None
    assert found.epoch == 1
    np.savez(file.path, identity="{}", epoch=2, loss=0.5, weight_0000=np.array([value]))
    with pytest.raises(InputError, match="it holds weights that are NaN or infinite"):
        file.load()


def test_weights_and_logits_that_are_none():
    network = keras.Sequential([keras.Input((2,)), keras.layers.Dense(3, name="last")])
    check_trained(network)
    kernel, bias = network.get_weights()
    kernel[1, 2] = np.inf
    network.set_weights([kernel, bias])
    with pytest.raises(TrainingError, match=r"1 of 6 values of '.*last/kernel' are NaN or infinite after the last"):
        check_trained(network)
    logits = np.zeros((4, 3))
    assert checked_logits(logits) is logits
    logits[2, 1] = np.nan
    with pytest.raises(TrainingError, match="logits of 1 of 4 images"):
        checked_logits(logits)
