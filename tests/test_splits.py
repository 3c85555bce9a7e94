import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tfal.errors import InputError
from tfal.splits import class_balanced


def _item_by_item(labels, n_init, n_valid, rng):
    """The rule as it is written: item i is the (i // C)-th sample of class i mod C in a random order."""
    order = rng.permutation(len(labels))
    n_classes = labels.max() + 1
    chosen = []
    for i in range(n_init + n_valid):
        of_class = [sample for sample in order if labels[sample] == i % n_classes]
        chosen.append(of_class[i // n_classes])
    return chosen[:n_init], chosen[n_init:]


@given(st.integers(0, 2**32), st.integers(3, 9), st.integers(0, 9))
def test_equals_the_rule_item_by_item(seed, n_init, n_valid):
    labels = np.random.default_rng(seed).permutation(np.repeat([0, 1, 2], 7))
    initial, validation = class_balanced(labels, n_init, n_valid, np.random.default_rng(seed))
    expected = _item_by_item(labels, n_init, n_valid, np.random.default_rng(seed))
    assert initial.tolist() == expected[0]
    assert validation.tolist() == expected[1]
    assert len(np.unique(np.concatenate([initial, validation]))) == n_init + n_valid


def test_both_sets_are_balanced_when_multiples_of_the_classes():
    labels = np.random.default_rng(1).integers(10, size=2000)
    initial, validation = class_balanced(labels, 20, 500, np.random.default_rng(0))
    assert np.bincount(labels[initial]).tolist() == [2] * 10
    assert np.bincount(labels[validation]).tolist() == [50] * 10


def test_a_class_that_is_too_small_is_named():
    labels = np.array([0] * 9 + [1] * 3)
    with pytest.raises(InputError, match="class 1 has only 3 training samples"):
        class_balanced(labels, 2, 6, np.random.default_rng(0))
