import dataclasses

import numpy as np
import pytest

from tfal.data import with_unknown
from tfal.errors import InputError
from tfal.pool.task import make_task
from tfal.recipe import Recipe
from tfal.recipe.components import options
from tfal.recipe.options import flag


@pytest.fixture
def open_recipe(small):
    return dataclasses.replace(small, n_class_known=4, ood_rate=0.4, n_init=40, n_valid=10)


def test_a_closed_task_is_the_whole_data_set(small, digits):
    task = make_task(small, 1, digits)
    assert task.n_classes == 10
    assert task.labels is digits.y_train
    assert len(task.start.labeled) == small.n_init
    assert task.test_ids.tolist() == list(range(len(digits.y_test)))


def test_an_open_task_knows_four_classes(open_recipe, digits):
    task = make_task(open_recipe, 1, digits)
    pool = task.start
    assert task.n_classes == 4
    assert (len(pool.labeled), len(pool.rejected), len(pool.validation)) == (24, 16, 10)
    assert pool.check() is None
    assert set(task.labels[pool.labeled]) <= {0, 1, 2, 3}
    assert set(task.labels[pool.rejected]) == {4}
    known = np.unique(digits.y_train[pool.labeled])
    assert np.array_equal(np.isin(digits.y_test, known), np.isin(np.arange(len(digits.y_test)), task.test_ids))
    members = task.labels[pool.members]
    assert np.mean(members == 4) == pytest.approx(0.4, abs=0.001)


def test_repetitions_have_lists_of_their_own_unless_a_trial_is_named(open_recipe, digits):
    def known(**options):
        recipe = dataclasses.replace(open_recipe, **options)
        return [tuple(np.unique(digits.y_train[make_task(recipe, rep, digits).start.labeled])) for rep in (1, 2, 3)]

    assert len(set(known())) == 3
    assert len(set(known(trial=1))) == 1
    assert known(trial=1)[0] == known()[1]
    assert (
        len({tuple(make_task(dataclasses.replace(open_recipe, trial=1), r, digits).start.labeled) for r in (1, 2)}) == 2
    )
    assert known(known_classes="8,3, 5", n_class_known=0) == [(3, 5, 8)] * 3


def test_images_of_another_data_set_as_unknown_classes(small, digits):
    other = dataclasses.replace(digits, name="mine", x_train=digits.x_train[:300], y_train=digits.y_train[:300])
    few = dataclasses.replace(digits, x_train=digits.x_train[:400], y_train=digits.y_train[:400])
    mixed = with_unknown(few, other)
    assert mixed.n_classes == 10
    recipe = dataclasses.replace(small, ood_dataset="mine", ood_rate=0.25, n_init=40)
    task = make_task(recipe, 1, mixed)
    assert task.n_classes == 10
    assert np.array_equal(task.labels[:400], few.y_train)
    assert set(task.labels[400:]) == {10}
    assert len(task.start.members) == 400 + 133
    assert len(task.test_ids) == len(digits.y_test)
    assert len(task.start.rejected) == 10
    with pytest.raises(InputError, match="must have one shape"):
        with_unknown(digits, dataclasses.replace(digits, x_train=digits.x_train[:, :4]))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"known_classes": "1,x"}, "--knownClasses must be class numbers"),
        ({"known_classes": "1,2,3"}, "as many as --nClassKnown says"),
        ({"known_classes": "3", "n_class_known": 0}, "at least 2 classes"),
        ({"known_classes": "1,2,3,3"}, "must be distinct numbers from 0 to 9"),
        ({"known_classes": "1,2,3,12"}, "must be distinct numbers from 0 to 9"),
        ({"n_class_known": 10}, "must be from 2 to 9"),
        ({"ood_rate": 0.7}, "samples of unknown classes"),
        ({"n_query": 150, "n_step": 8}, "samples in the pool of digits"),
    ],
)
def test_what_the_data_cannot_give_is_refused(open_recipe, digits, options, message):
    with pytest.raises(InputError, match=message) as error:
        make_task(dataclasses.replace(open_recipe, **options), 1, digits)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"ood_rate": 1.0}, "--oodRate must be less than 1"),
        ({"ood_rate": -0.1}, "--oodRate must be at least 0"),
        ({"ood_rate": 0.5}, "need to know which classes are known"),
        ({"trial": 1}, "need to know which classes are known"),
        ({"trial": -1, "n_class_known": 4}, "--trial must be at least 0"),
        ({"trial": 1, "known_classes": "1,2"}, "Leave one of them out"),
        ({"ood_dataset": "svhn", "n_class_known": 4}, "Set --nClassKnown 0"),
        ({"mqnet_mode": "CONF"}, "--mqnetMode must be one of conf, ll. Received: 'CONF'"),
        ({"momentum": 1.0}, "--momentum must be less than 1"),
        ({"lr_encoder": 0.0}, "--lrEncoder must be a positive number"),
    ],
)
def test_options_that_contradict_each_other_are_refused(options, message):
    with pytest.raises(InputError, match=message):
        Recipe(**options)


def test_a_long_tailed_task(small, digits):
    recipe = dataclasses.replace(small, long_tail=0.1)
    first, second = (make_task(recipe, rep, digits) for rep in (1, 2))
    counts = np.bincount(digits.y_train[first.start.members])
    sizes = np.bincount(digits.y_train)
    assert counts.tolist() == [min(size, int(sizes.max() * 0.1 ** (c / 9))) for c, size in enumerate(sizes)]
    assert (len(first.start.labeled), len(first.start.validation)) == (20, 50)
    assert first.start.check() is None
    assert first.labels is digits.y_train
    assert len(first.test_ids) == len(digits.y_test)  # the test set stays balanced
    assert not np.array_equal(first.start.members, second.start.members)
    assert make_task(recipe, 1, digits).start == first.start


def test_a_long_tail_takes_only_what_can_be_read(small, digits):
    data = dataclasses.replace(digits, corrupt=np.arange(0, 1437, 3))
    start = make_task(dataclasses.replace(small, long_tail=0.2), 1, data).start
    assert not np.intersect1d(start.members, data.corrupt).size


def test_a_long_tail_may_miss_classes_at_the_start(small, digits):
    recipe = dataclasses.replace(small, long_tail=0.02, n_init=10)
    labels = digits.y_train[make_task(recipe, 1, digits).start.labeled]
    assert len(np.unique(labels)) < 10
    with pytest.raises(InputError, match=r"miss \d of 10 classes: .* Raise --nInit, or give --missingClasses allow"):
        make_task(dataclasses.replace(recipe, missing_classes="refuse"), 1, digits)
    with pytest.raises(InputError, match="--longTail is of closed sets"):
        make_task(dataclasses.replace(recipe, n_class_known=4), 1, digits)


def test_all_misfits_are_said_at_once_with_values_that_fit(digits):
    few = dataclasses.replace(digits, x_train=digits.x_train[:60], y_train=np.arange(60) % 10)
    with pytest.raises(InputError) as error:
        make_task(Recipe(dataset="digits"), 1, few)
    text = str(error.value)
    for part in ("--nPool must be", "--nSample must be", "class 0 has only 6 training samples", "These fit: "):
        assert part in text
    assert "\n" not in text
    assert make_task(_advised(Recipe(dataset="digits"), text), 1, few).start.check() is None


@pytest.mark.parametrize("seed", range(40))
def test_the_advice_fits(digits, seed):
    """Whatever is asked of whatever data: what the message says passes, and says nothing more."""
    rng = np.random.default_rng(seed)
    n_classes, n = int(rng.integers(2, 11)), int(rng.integers(40, 300))
    labels = np.append(np.arange(n_classes).repeat(2), rng.integers(n_classes, size=n - 2 * n_classes))
    data = dataclasses.replace(
        digits, name="mine", x_train=digits.x_train[:n], y_train=labels, class_names=tuple("abcdefghij"[:n_classes])
    )
    sizes = ("n_init", "n_valid", "n_pool", "n_query", "n_step", "n_sample")
    recipe = Recipe(
        dataset="mine",
        strategy=str(rng.choice(["ldms", "random"])),
        initial=str(rng.choice(["class_balanced", "random"])),
        **{name: int(2 ** rng.uniform(0, 10)) for name in sizes},
    )
    refused = _refused(recipe, data)
    assert refused is None or _refused(_advised(recipe, refused), data) is None


def _refused(recipe, data):
    try:
        make_task(recipe, 1, data)
    except InputError as error:
        return str(error)
    return None


def _advised(recipe, text):
    words = text.partition("These fit: ")[2].rstrip(".").split()
    names = {flag(name): name for name in options()}
    return dataclasses.replace(recipe, **{names[f]: int(v) for f, v in zip(words[::2], words[1::2], strict=True)})


def test_classes_that_are_missing_from_an_open_pool_are_refused_too(open_recipe, digits):
    recipe = dataclasses.replace(open_recipe, n_init=4)
    labels = digits.y_train[make_task(recipe, 1, digits).start.labeled]
    assert len(np.unique(labels)) < 4
    with pytest.raises(InputError, match=r"miss \d of 4 classes"):
        make_task(dataclasses.replace(recipe, missing_classes="refuse"), 1, digits)


def test_a_part_of_the_training_samples(small, digits):
    """The same for all strategies, another one in each repetition; of what can be read."""
    broken = dataclasses.replace(digits, corrupt=np.arange(0, 1437, 3))
    recipe = dataclasses.replace(small, n_train=300)
    members = [set(make_task(recipe, rep, broken).start.members.tolist()) for rep in (1, 1, 2)]
    assert [len(found) for found in members] == [300] * 3
    assert members[0] == members[1] != members[2]
    assert not (members[0] | members[2]) & set(broken.corrupt.tolist())
    other = dataclasses.replace(recipe, strategy="random", n_init=30, n_query=7)
    assert set(make_task(other, 1, broken).start.members.tolist()) == members[0]
    whole = dataclasses.replace(small, n_train=1437)
    assert set(make_task(whole, 1, digits).start.members.tolist()) == set(range(1437))


def test_a_part_of_the_training_samples_in_an_open_set_and_a_long_tail(open_recipe, small, digits):
    pool = make_task(dataclasses.replace(open_recipe, n_train=500), 1, digits).start
    labels = make_task(open_recipe, 1, digits).labels[pool.members]
    assert len(pool.members) <= 500
    assert np.mean(labels == 4) == pytest.approx(0.4, abs=0.005)
    tail = dataclasses.replace(small, long_tail=0.1, n_train=500, missing_classes="allow")
    assert len(make_task(tail, 1, digits).start.members) < 300
    mixed = with_unknown(digits, dataclasses.replace(digits, name="mine"))
    pool = make_task(dataclasses.replace(small, ood_dataset="mine", ood_rate=0.25, n_train=400), 1, mixed).start
    assert 200 < len(pool.members) < 350
    assert np.mean(pool.members >= 1437) == pytest.approx(0.25, abs=0.005)


def test_more_training_samples_than_there_are_is_refused(small, digits):
    broken = dataclasses.replace(digits, corrupt=np.arange(37))
    with pytest.raises(InputError, match="--nTrain must be at most the 1400 training samples of digits"):
        make_task(dataclasses.replace(small, n_train=1401), 1, broken)
