"""A network of one's own: any function (input_shape, n_classes) -> keras.Model that ends in logits."""

from typing import Any


def tiny(input_shape: tuple[int, int, int], n_classes: int) -> Any:
    """One hidden layer of 32 units, whose outputs are the features."""
    import keras

    inputs = keras.Input(input_shape)
    features = keras.layers.Dense(32, "relu", name="features")(keras.layers.Flatten()(inputs))
    return keras.Model(inputs, keras.layers.Dense(n_classes, name="logits")(features))
