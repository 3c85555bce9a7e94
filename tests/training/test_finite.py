import keras
import numpy as np
import pytest
from keras import layers

from tfal.errors import InputError
from tfal.training.finite import check_finite_weights, non_finite_weights


def _network():
    inner = keras.Sequential([keras.Input((4,)), layers.Dense(3, activation="relu", name="hidden")], name="inner")
    last = [layers.BatchNormalization(name="norm"), layers.Dropout(0.5), layers.Dense(2, name="out")]
    return keras.Sequential([keras.Input((4,)), inner, *last], name="lab")


def test_a_network_of_numbers_passes():
    check_finite_weights(_network())
    check_finite_weights(keras.Sequential([keras.Input((4,)), layers.Flatten()]))  # it has no weights


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("part", ["inner", "norm", "out"])
def test_the_first_weight_that_is_no_number_is_named(part, value):
    model = _network()
    weight = model.get_layer(part).weights[-1]
    values = weight.numpy()
    values[1] = value
    weight.assign(values)
    assert non_finite_weights(model) == f"1 of {values.size} values of {weight.path!r} are NaN or infinite"
    model.get_layer("out").kernel.assign(np.full((3, 2), np.nan))
    with pytest.raises(InputError, match=r"model 'lab': expected finite weights, but .* NaN or infinite") as error:
        check_finite_weights(model)
    assert "\n" not in str(error.value)
    assert part in str(error.value)


def test_half_precision_is_looked_at():
    model = keras.Sequential([keras.Input((4,)), layers.Dense(2, dtype="bfloat16")])
    check_finite_weights(model)
    model.layers[0].kernel.assign(np.full((4, 2), np.inf))
    assert non_finite_weights(model).startswith("8 of 8 values")
