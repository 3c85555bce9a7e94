import numpy as np
import pytest

from tfal.data.class_lists import CIFAR10, CIFAR100, IMAGENET50, LISTS, known_classes
from tfal.errors import InputError


def test_the_published_lists_are_distinct_ascending_and_of_the_published_length():
    for name, length, n_classes in (("cifar10", 4, 10), ("cifar100", 40, 100), ("imagenet", 50, 1000)):
        assert len(LISTS[name]) == 5
        for classes in LISTS[name]:
            assert len(classes) == length
            assert list(classes) == sorted(set(classes))
            assert 0 <= classes[0] <= classes[-1] < n_classes
    assert CIFAR10[0] == (2, 4, 5, 7)
    assert CIFAR100[1][:3] == (3, 10, 11)
    assert IMAGENET50[-1] == 983


def test_a_trial_has_its_published_list():
    assert known_classes("cifar10", 10, 4, 3) == (1, 3, 8, 9)
    assert known_classes("imagenet", 1000, 50, 4) == IMAGENET50


def test_other_data_and_other_numbers_of_classes_get_drawn_lists():
    drawn = known_classes("digits", 10, 4, 0)
    assert drawn == known_classes("mine", 10, 4, 0)
    assert len({known_classes("digits", 10, 4, trial) for trial in range(8)}) > 4
    for classes in (drawn, known_classes("cifar10", 10, 6, 9)):
        assert list(classes) == sorted(set(classes))
        assert set(classes) <= set(np.arange(10).tolist())


def test_a_trial_out_of_range_is_refused():
    with pytest.raises(InputError, match=r"cifar10 has class lists for trials 0 to 4\. Received: trial 5"):
        known_classes("cifar10", 10, 4, 5)


@pytest.mark.parametrize("n_known", [1, 10, 11])
def test_some_classes_must_be_known_and_some_not(n_known):
    with pytest.raises(InputError, match=f"--nClassKnown must be from 2 to 9 .* Received: {n_known}"):
        known_classes("digits", 10, n_known, 0)
