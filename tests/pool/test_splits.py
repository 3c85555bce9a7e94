import functools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tfal.data.class_lists import CIFAR100, IMAGENET50
from tfal.errors import InputError
from tfal.pool.splits import at_random, class_balanced, long_tail, open_set, renumbered


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


CIFAR10_LABELS = np.repeat(np.arange(10), 5000)


@pytest.mark.parametrize(
    ("rate", "n_out", "n_in_first", "n_out_first", "unlabeled"),
    [
        (0.1, 2222, 450, 50, 21722),
        (0.2, 5000, 400, 100, 24500),
        (0.4, 13333, 300, 200, 32833),
        (0.6, 30000, 200, 300, 49500),
    ],
)
def test_open_set_has_the_published_counts(rate, n_out, n_in_first, n_out_first, unlabeled):
    split = open_set(CIFAR10_LABELS, (2, 4, 5, 7), rate, 500, 0, np.random.default_rng(0))
    in_pool = np.setdiff1d(np.arange(50_000), split.dropped)
    assert np.sum(split.labels[in_pool] == 4) == n_out
    assert np.sum(split.labels[in_pool] < 4) == 20_000
    assert np.sum(split.labels[split.initial] < 4) == n_in_first
    assert np.sum(split.labels[split.initial] == 4) == n_out_first
    assert len(in_pool) - len(split.initial) == unlabeled


@functools.cache
def _imagenet_labels():
    labels = np.repeat(np.arange(1000), 1300)
    known_rows = np.flatnonzero(np.isin(labels, IMAGENET50))
    return np.delete(labels, known_rows[64_176:])  # the published number of images of these classes


@pytest.mark.parametrize(
    ("rate", "n_out", "initial"), [(0.1, 7131, 900), (0.2, 16044, 800), (0.4, 42784, 600), (0.6, 96264, 400)]
)
def test_open_set_counts_of_imagenet50(rate, n_out, initial):
    split = open_set(_imagenet_labels(), IMAGENET50, rate, 1000, 0, np.random.default_rng(0))
    assert np.sum(np.delete(split.labels, split.dropped) == 50) == n_out
    assert np.sum(split.labels[split.initial] < 50) == initial


def test_rounding_gives_the_rest_to_the_other_side():
    labels = np.repeat([0, 1, 2], [600, 600, 9000])
    split = open_set(labels, (0, 1), 0.8, 500, 0, np.random.default_rng(0))
    assert np.sum(split.labels[split.initial] < 2) == 100  # the public code truncates to 99


def test_classes_are_renumbered_by_a_table():
    """Trial 1 of CIFAR-100, where the public code's marker for unknown classes hits known ones."""
    labels = np.repeat(np.arange(100), 100)
    numbers = renumbered(labels, CIFAR100[1], 100)
    assert np.sum(numbers == 40) == 6000
    assert np.bincount(numbers[numbers < 40]).tolist() == [100] * 40
    for number, known in enumerate(CIFAR100[1]):
        assert set(numbers[labels == known]) == {number}
    assert renumbered(np.array([0, 5, 2, 6]), (5, 2), 6).tolist() == [2, 1, 0, 2]  # 6: of no class


@given(st.integers(0, 2**32), st.floats(0, 0.5), st.integers(4, 30), st.integers(0, 10))
def test_open_set_parts_are_disjoint_and_their_labels_right(seed, rate, n_init, n_valid):
    rng = np.random.default_rng(seed)
    labels = rng.permutation(np.repeat(np.arange(6), 20))
    known = rng.permutation(6)[:3].tolist()
    split = open_set(labels, known, rate, n_init, n_valid, rng)
    parts = np.concatenate([split.initial, split.validation, split.dropped])
    assert len(np.unique(parts)) == len(parts)
    assert (len(split.initial), len(split.validation)) == (n_init, n_valid)
    assert np.array_equal(split.labels < 3, np.isin(labels, known))
    assert np.all(split.labels[split.validation] < 3)
    assert np.all(split.labels[split.dropped] == 3)


@pytest.mark.parametrize(
    ("known", "rate", "n_init", "message"),
    [
        ((0, 0), 0.2, 20, r"must be distinct numbers from 0 to 3. Received: \[0, 0\]"),
        ((0, 4), 0.2, 20, r"must be distinct numbers from 0 to 3. Received: \[0, 4\]"),
        ((-1, 2), 0.2, 20, r"Received: \[-1, 2\]"),
        ((0, 1), 1.0, 20, "--oodRate must be at least 0 and less than 1. Received: 1.0"),
        ((0, 1), -0.1, 20, "Received: -0.1"),
        ((0, 1), 0.6, 20, r"needs 60 samples of unknown classes .* Received: 40\. Lower it to at most 0\.5"),
        ((0, 1), 0.45, 90, "take 50 known and 40 unknown samples. Received: a pool of 40 and 33"),
    ],
)
def test_open_set_refuses_what_cannot_be(known, rate, n_init, message):
    labels = np.repeat(np.arange(4), 20)
    with pytest.raises(InputError, match=message):
        open_set(labels, known, rate, n_init, 0, np.random.default_rng(0))


def test_an_initial_set_without_a_known_sample_is_refused():
    labels = np.repeat(np.arange(4), 20)
    with pytest.raises(InputError, match=r"--nInit 1 at --oodRate 0\.51 holds no known sample"):
        open_set(np.append(labels, np.full(9, 3)), (0, 1), 0.51, 1, 0, np.random.default_rng(0))


@pytest.mark.parametrize(
    ("n_classes", "rho", "total", "counts"),
    [
        (10, 0.01, 12_406, [5000, 2997, 1796, 1077, 645, 387, 232, 139, 83, 50]),
        (10, 0.02, 13_996, [5000, 3237, 2096, 1357, 878, 568, 368, 238, 154, 100]),
        (100, 0.01, 10_847, None),
        (100, 0.02, 12_608, None),
    ],
)
def test_a_long_tail_has_the_published_counts(n_classes, rho, total, counts):
    labels = np.random.default_rng(1).permutation(np.repeat(np.arange(n_classes), 50_000 // n_classes))
    kept = long_tail(labels, rho, np.random.default_rng(0))
    found = np.bincount(labels[kept])
    assert (len(kept), found.sum()) == (total, total)
    assert np.all(np.diff(kept) > 0)
    assert np.all(np.diff(found) <= 0)
    assert counts is None or found.tolist() == counts


@given(st.integers(0, 2**32), st.floats(0.1, 0.99))
def test_a_class_that_is_too_small_for_its_tail_stays_whole(seed, rho):
    labels = np.random.default_rng(seed).permutation(np.repeat([0, 1, 2], [40, 3, 20]))
    kept = long_tail(labels, rho, np.random.default_rng(seed))
    expected = [min(size, int(40 * rho ** (c / 2))) for c, size in enumerate((40, 3, 20))]
    assert np.bincount(labels[kept]).tolist() == expected
    assert np.array_equal(kept, long_tail(labels, rho, np.random.default_rng(seed)))


def test_every_sample_of_a_class_is_as_likely_to_stay():
    labels = np.repeat([0, 1], [8, 8])
    stays = np.zeros(16)
    for seed in range(2000):
        stays[long_tail(labels, 0.5, np.random.default_rng(seed))] += 1
    assert stays[:8].tolist() == [2000] * 8
    assert np.abs(stays[8:] / 2000 - 0.5).max() < 0.05  # 4.5 standard errors


@pytest.mark.parametrize(
    ("labels", "rho", "message"),
    [
        ([0, 1], 0.0, "--longTail must be above 0 and below 1"),
        ([0, 1], 1.0, "Received: 1.0 for 2"),
        ([0, 0], 0.5, "for at least 2 classes. Received: 0.5 for 1"),
        (
            [0] * 9 + [1] * 9,
            0.1,
            r"--longTail 0.1 leaves class 1 without a sample: .* has 9. Raise it to at least 0.11",
        ),
    ],
)
def test_a_long_tail_that_cannot_be(labels, rho, message):
    with pytest.raises(InputError, match=message):
        long_tail(np.array(labels), rho, np.random.default_rng(0))


def test_random_parts_and_validation_first():
    initial, validation = at_random(30, 7, 5, np.random.default_rng(0))
    assert len(set(initial) | set(validation)) == 12
    assert np.array_equal(at_random(30, 25, 5, np.random.default_rng(0))[1], validation)
    with pytest.raises(InputError, match=r"at most the 30 samples that are there. Received: 26 \+ 5"):
        at_random(30, 26, 5, np.random.default_rng(0))


def test_a_split_that_is_far_too_large_is_refused_at_once():
    with pytest.raises(InputError, match=r"take up to 5000000000 of each of 2 classes\. Lower --nInit or --nValid"):
        class_balanced(np.arange(10) % 2, 10**10, 0, np.random.default_rng(0))
