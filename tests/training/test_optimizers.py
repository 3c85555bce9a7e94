import keras
import numpy as np
import pytest

from tfal.errors import InputError
from tfal.recipe import Recipe
from tfal.training.optimizers import (
    LARS,
    CoupledAdam,
    CoupledSGD,
    EpochCosine,
    RMSprop,
    WarmupCosine,
    lars_factor,
    learning_rate,
    make_optimizer,
)


def test_two_steps_by_hand():
    """w = 1, g = 0.5, then 0.2; decay 0.1, momentum 0.9, rate 0.1, then 0.01.

    g + decay * w = 0.6; m = 0.6; w = 0.94. Then 0.2 + 0.094 = 0.294; m = 0.54 + 0.294 = 0.834; w = 0.93166.
    """
    weight = keras.Variable([1.0])
    optimizer = CoupledSGD(0.1, momentum=0.9, decay=0.1)
    optimizer.apply([np.array([0.5], np.float32)], [weight])
    np.testing.assert_allclose(weight.numpy(), [0.94], rtol=1e-6)
    optimizer.learning_rate = 0.01
    optimizer.apply([np.array([0.2], np.float32)], [weight])
    np.testing.assert_allclose(weight.numpy(), [0.93166], rtol=1e-6)


def test_nesterov_by_hand():
    """As above, but the step is g + 0.9 m: 0.6 + 0.54 = 1.14, w = 0.886.

    Then g = 0.2 + 0.0886 = 0.2886; m = 0.54 + 0.2886 = 0.8286; step 0.2886 + 0.74574 = 1.03434; w = 0.8756566.
    """
    weight = keras.Variable([1.0])
    recipe = Recipe(optimizer="sgd", learning_rate=0.1, momentum=0.9, weight_decay=0.1, nesterov="on")
    optimizer = make_optimizer(recipe)
    optimizer.apply([np.array([0.5], np.float32)], [weight])
    np.testing.assert_allclose(weight.numpy(), [0.886], rtol=1e-6)
    optimizer.learning_rate = 0.01
    optimizer.apply([np.array([0.2], np.float32)], [weight])
    np.testing.assert_allclose(weight.numpy(), [0.8756566], rtol=1e-6)


def test_the_decay_of_adam_goes_through_its_moments():
    """Gradients of 0 and w = 1, decay 0.5: the first step of Adam has the length of the rate, whatever the decay."""
    weight = keras.Variable([1.0, -2.0])
    CoupledAdam(0.1, 0.5).apply([np.zeros(2, np.float32)], [weight])
    np.testing.assert_allclose(weight.numpy(), [0.9, -1.9], rtol=1e-5)
    decayed, plain = keras.Variable([0.7]), keras.Variable([0.7])
    ours, keras_adam = CoupledAdam(0.01, 3e-4), keras.optimizers.Adam(0.01)
    for gradient in np.random.default_rng(0).normal(size=(20, 1)).astype(np.float32):
        ours.apply([gradient], [decayed])
        keras_adam.apply([gradient + 3e-4 * plain.numpy()], [plain])
    np.testing.assert_allclose(decayed.numpy(), plain.numpy(), rtol=1e-6)


def test_two_steps_of_rmsprop_by_hand():
    """Rate 0.1. g = 0.5: v = 0.1 * 0.25 = 0.025, step 0.05 / 0.15811388 = 0.31622777.

    g = 1: v = 0.0225 + 0.1 = 0.1225, root 0.35, step 0.1 / 0.35 = 0.28571429.
    """
    weight = keras.Variable([1.0])
    optimizer = make_optimizer(Recipe(optimizer="rmsprop", learning_rate=0.1))
    optimizer.apply([np.array([0.5], np.float32)], [weight])
    np.testing.assert_allclose(weight.numpy(), [0.68377223], rtol=1e-6)
    optimizer.apply([np.array([1.0], np.float32)], [weight])
    np.testing.assert_allclose(weight.numpy(), [0.39805794], rtol=1e-6)


def test_rmsprop_takes_full_steps_down_to_its_epsilon():
    """g = 1e-6: the root is 1e-6 * sqrt(0.1) = 3.1622777e-7, so a step is 0.1 * 1e-6 / 4.1622777e-7 = 0.24025307.

    With epsilon inside the root it would be 0.1 * 1e-6 / sqrt(1e-13 + 1e-7) = 3.2e-4.
    """
    weight, theirs = keras.Variable([1.0]), keras.Variable([1.0])
    make_optimizer(Recipe(optimizer="rmsprop", learning_rate=0.1)).apply([np.array([1e-6], np.float32)], [weight])
    np.testing.assert_allclose(1 - weight.numpy(), [0.24025307], rtol=1e-6)
    keras.optimizers.RMSprop(0.1).apply([np.array([1e-6], np.float32)], [theirs])
    np.testing.assert_allclose(1 - theirs.numpy(), [3.16e-4], rtol=1e-2)


def _steps(optimizer, n):
    weight, rng = keras.Variable(np.linspace(-1, 1, 5, dtype=np.float32)), np.random.default_rng(0)
    for _ in range(n):
        optimizer.apply([rng.normal(size=5).astype(np.float32)], [weight])
    return weight.numpy()


def test_without_decay_and_at_one_rate_it_is_keras_sgd():
    for momentum in (0.0, 0.9):
        for nesterov in (False, True):
            ours = CoupledSGD(0.05, momentum, nesterov=nesterov)
            theirs = keras.optimizers.SGD(0.05, momentum, nesterov)
            np.testing.assert_allclose(_steps(ours, 20), _steps(theirs, 20), rtol=1e-5, atol=1e-6)


def test_decay_reaches_scales_offsets_and_biases():
    images = keras.Input((3,))
    network = keras.Model(images, keras.layers.Dense(2)(keras.layers.BatchNormalization()(images)))
    for variable in network.trainable_variables:
        variable.assign(np.ones(variable.shape))
    still = [np.zeros(variable.shape, np.float32) for variable in network.trainable_variables]
    make_optimizer(Recipe(optimizer="sgd", learning_rate=0.1, weight_decay=0.5)).apply(
        still, network.trainable_variables
    )
    assert len(still) == 4
    for variable in network.trainable_variables:
        np.testing.assert_allclose(variable.numpy(), 0.95)


def test_it_is_built_again_from_its_config():
    again = CoupledSGD.from_config(CoupledSGD(0.2, 0.9, 5e-4, True).get_config())
    assert (float(again.learning_rate.numpy()), again.momentum, again.decay) == (pytest.approx(0.2), 0.9, 5e-4)
    assert again.nesterov
    rmsprop = RMSprop.from_config(RMSprop(0.2, 0.8, 1e-5).get_config())
    assert (float(rmsprop.learning_rate.numpy()), rmsprop.rho, rmsprop.epsilon) == (pytest.approx(0.2), 0.8, 1e-5)
    with pytest.raises(TypeError, match="momentum"):
        RMSprop(0.2, momentum=0.9)
    adam = CoupledAdam.from_config(CoupledAdam(0.2, 3e-4).get_config())
    assert (float(adam.learning_rate.numpy()), adam.decay) == (pytest.approx(0.2), 3e-4)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("adam", keras.optimizers.Adam),
        ("RMSprop", RMSprop),
        ("rmsprop", RMSprop),
        ("sgd", CoupledSGD),
        ("SGD", CoupledSGD),
    ],
)
def test_optimizers_go_by_name(name, kind):
    optimizer = make_optimizer(Recipe(optimizer=name, learning_rate=0.03))
    assert type(optimizer) is kind
    assert float(optimizer.learning_rate.numpy()) == pytest.approx(0.03)


def test_adam_with_decay_is_coupled():
    optimizer = make_optimizer(Recipe(optimizer="Adam", learning_rate=0.03, weight_decay=3e-4))
    assert (type(optimizer), optimizer.decay) == (CoupledAdam, 3e-4)
    assert float(optimizer.learning_rate.numpy()) == pytest.approx(0.03)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"optimizer": "adamm"}, "must be the name of a Keras optimizer"),
        ({"momentum": 0.9}, "--momentum goes with --optimizer sgd. Received: 0.9 with adam"),
        (
            {"optimizer": "rmsprop", "weight_decay": 5e-4},
            "goes with --optimizer sgd or adam. Received: 0.0005 with rms",
        ),
        ({"nesterov": "on", "optimizer": "sgd"}, "--nesterov on needs --optimizer sgd and a --momentum above 0"),
        ({"nesterov": "on"}, "--nesterov on needs --optimizer sgd and a --momentum above 0. Received: adam with 0.0"),
    ],
)
def test_what_does_not_go_together_is_refused(options, message):
    with pytest.raises(InputError, match=message):
        make_optimizer(Recipe(**options))


def test_the_rate_falls_at_half_and_at_three_quarters():
    recipe = Recipe(learning_rate=0.1, n_epoch=200, schedule="multistep")
    rates = {epoch: learning_rate(recipe, epoch) for epoch in (0, 99, 100, 149, 150, 199)}
    assert rates == pytest.approx({0: 0.1, 99: 0.1, 100: 0.01, 149: 0.01, 150: 0.001, 199: 0.001})
    short = Recipe(learning_rate=1.0, n_epoch=5, schedule="multistep")
    assert [learning_rate(short, epoch) for epoch in range(5)] == pytest.approx([1, 1, 1, 0.1, 0.01])
    assert {learning_rate(Recipe(learning_rate=0.3), epoch) for epoch in range(50)} == {0.3}


def test_the_cosine_falls_to_zero():
    recipe = Recipe(learning_rate=0.025, n_epoch=200, schedule="cosine")
    rates = [learning_rate(recipe, epoch) for epoch in (0, 50, 100, 150, 199)]
    assert rates == pytest.approx([0.025, 0.0213388, 0.0125, 0.00366117, 1.542e-6], rel=1e-4)
    assert learning_rate(Recipe(n_epoch=1, schedule="cosine"), 0) == Recipe().learning_rate


STEPS = 1000  # an epoch, so that fractions of epochs are whole steps


@pytest.mark.parametrize(
    ("epoch", "fraction", "expected"),
    [
        (0, 0, 0.01),
        (0, 0.5, 0.055),
        (1, 0, 0.1),
        (6, 0, 0.55),
        (11, 0, 1.0),
        (511, 0, 0.5),
        (999, 0.999, 0.000299),
    ],
)
def test_the_published_schedule(epoch, fraction, expected):
    rate = WarmupCosine(0.1, n_warmup=10, n_epochs=1000, steps_per_epoch=STEPS)
    assert float(rate(round((epoch + fraction) * STEPS))) == pytest.approx(expected, rel=2e-3)


def test_the_cosine_ends_at_the_floor():
    """Coders of CCAL: 700 epochs down to 1e-4; half way is the mean of both ends."""
    rate = WarmupCosine(0.1, 10, 700, STEPS, floor=1e-4)
    assert float(rate((11 + 350) * STEPS)) == pytest.approx((1 + 1e-4) / 2, rel=1e-4)
    assert float(rate((11 + 700) * STEPS)) == pytest.approx(1e-4, abs=1e-6)


@pytest.mark.parametrize("n_warmup", [1, 3, 8, 20])
def test_any_warm_up_rises_to_the_tenfold_and_is_never_negative(n_warmup):
    rate = WarmupCosine(0.2, n_warmup, 50, 10)
    rates = np.array([float(rate(step)) for step in range(10 * (n_warmup + 1) + 1)])
    assert np.all(np.diff(rates) >= -1e-6)
    assert rates[0] >= 0.02 - 1e-7
    assert rates[-1] == pytest.approx(2)
    assert rates.max() == pytest.approx(2)


def test_without_warm_up_the_peak_comes_first():
    rate = WarmupCosine(0.1, 0, 100, 10)
    assert float(rate(0)) == pytest.approx(1)
    assert float(rate(10 + 500)) == pytest.approx(0.5, abs=1e-6)


@pytest.mark.parametrize(("epoch", "expected"), [(0, 0.4), (250, 0.2002), (499, 4.0394e-4)])
def test_a_cosine_by_epochs_is_the_published_one(epoch, expected):
    """SimCLR of the initial pools: 500 epochs from 0.4 to 4e-4; all steps of an epoch alike."""
    rate = EpochCosine(0.4, 500, STEPS, floor=4e-4)
    for step in (0, STEPS - 1):
        assert float(rate(epoch * STEPS + step)) == pytest.approx(expected, rel=1e-4)


def test_lars_factor():
    """V = 0.001 * 5 / (0.1 + 1e-6 * 5 + 1e-8); and 1 where a norm is 0."""
    assert float(lars_factor(np.float32(5), np.float32(0.1), 1e-6)) == pytest.approx(0.0499975, rel=1e-5)
    assert float(lars_factor(np.float32(0), np.float32(0.1), 1e-6)) == 1
    assert float(lars_factor(np.float32(5), np.float32(0), 1e-6)) == 1


def test_two_steps_of_lars_by_hand():
    """Every variable on its own, momentum after the factor, the rate of now; weights of zero take the gradient."""
    rates, gradients = [0.5, 0.25], [[np.array([3.0, 4.0]), np.array([0.2])], [np.array([0.0, 1.0]), np.array([0.1])]]
    weights = [np.array([1.0, 2.0]), np.array([0.0])]
    variables = [keras.Variable(w) for w in weights]
    optimizer = LARS(0.5, momentum=0.9, decay=0.1, trust=0.01)
    optimizer.build(variables)
    velocities = [np.zeros(2), np.zeros(1)]
    for rate, gs in zip(rates, gradients, strict=True):
        optimizer.learning_rate = rate
        optimizer.apply(gs, variables)
        for i, g in enumerate(gs):
            w, w_norm, g_norm = weights[i], np.linalg.norm(weights[i]), np.linalg.norm(g)
            factor = 0.01 * w_norm / (g_norm + 0.1 * w_norm + 1e-8) if w_norm and g_norm else 1
            velocities[i] = 0.9 * velocities[i] + (g + 0.1 * w) * factor
            weights[i] = w - rate * velocities[i]
    for variable, expected in zip(variables, weights, strict=True):
        np.testing.assert_allclose(variable, expected, rtol=1e-5)
