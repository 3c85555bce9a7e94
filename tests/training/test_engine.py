"""What all trainings share that begin anew: fresh values, one tracing, a rate for each epoch, a stop at no number."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from tfal.errors import TrainingError
from tfal.training.engine import Engine
from tfal.training.replicas import WholeBatchModel
from tfal.training.runtime import distribution, prepare_tensorflow

X = np.random.default_rng(0).normal(size=(12, 3)).astype(np.float32)
Y = np.arange(12) % 2


def build():
    x = keras.Input((3,))
    return keras.Model(x, layers.Dense(2)(layers.Dropout(0.5)(layers.BatchNormalization()(x))))


@pytest.fixture
def engine():
    prepare_tensorflow()
    network, strategy = build(), distribution("one")
    model = WholeBatchModel(network.inputs, network.output, strategy=strategy)
    optimizer = keras.optimizers.SGD(1.0, momentum=0.9)
    return Engine(build, network, model, optimizer, strategy)


def train(engine, n=12, rate=lambda epoch: 0.1, callbacks=()):
    batches = tf.data.Dataset.from_tensor_slices((X[:n], Y[:n])).batch(4).repeat(2)
    return engine.train(batches, n // 4, 2, rate, callbacks)


def test_each_training_begins_anew_and_is_traced_once(engine):
    metrics, traced = engine.model.compute_metrics, []
    engine.model.compute_metrics = lambda *given, **named: (traced.append(1), metrics(*given, **named))[1]
    found = []
    for seed, n in ((1, 12), (2, 8), (1, 12)):
        engine.reset(seed)
        history = train(engine, n)
        found.append((history, engine.model.get_weights(), len(traced)))
    assert {n_traced for *_, n_traced in found} == {len(traced)} != {0}
    (first, weights, _), (other, *_), (again, same, _) = found
    assert first == again != other
    assert set(first) == {"loss"}
    assert all(np.array_equal(a, b) for a, b in zip(weights, same, strict=True))


def test_a_start_of_ones_own_counts_and_the_optimizer_forgets(engine):
    engine.reset(3)
    train(engine)
    engine.reset(3, lambda: engine.model.set_weights([np.full_like(w, 0.25) for w in engine.model.get_weights()]))
    assert all((w == 0.25).all() for w in engine.model.get_weights())
    optimizer = engine.model.optimizer
    assert len(optimizer.momentums) == 4
    assert not any(variable.numpy().any() for variable in (*optimizer.momentums, optimizer.iterations))


def test_every_epoch_has_its_rate_before_other_callbacks_see_it(engine):
    seen = []
    watch = keras.callbacks.LambdaCallback(
        on_epoch_begin=lambda epoch, logs: seen.append((epoch, float(engine.model.optimizer.learning_rate.numpy())))
    )
    engine.reset(0)
    train(engine, rate=np.array([0.5, 0.25]).__getitem__, callbacks=[watch])
    assert seen == [(0, 0.5), (1, 0.25)]


def test_a_loss_that_is_no_number_ends_it_before_it_is_reported(engine):
    reported = []
    report = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: reported.append(epoch))
    engine.reset(0, lambda: engine.model.set_weights([np.full_like(w, np.nan) for w in engine.model.get_weights()]))
    with pytest.raises(TrainingError, match=r"^the training loss became nan in epoch 1$"):
        train(engine, callbacks=[report])
    assert reported == []


def test_a_weight_that_became_none_in_the_last_step_ends_it(engine):
    kernel = engine.model.layers[-1].kernel
    spoil = keras.callbacks.LambdaCallback(on_train_end=lambda logs: kernel.assign(tf.fill(kernel.shape, np.inf)))
    engine.reset(0)
    with pytest.raises(TrainingError, match=r"6 of 6 values of .* are NaN or infinite after the last step"):
        train(engine, callbacks=[spoil])
