"""class_order, galaxy and direct: published orders, step-by-step referees, every answer that people give."""

import itertools

import numpy as np
import pytest

from tfal.kernels import class_order, direct, galaxy
from tfal.kernels.direct import _ends, _goodness, _moved

from .plain import check_refusal

P = np.array([[0.7, 0.2, 0.1], [0.4, 0.35, 0.25], [0.1, 0.6, 0.3], [0.33, 0.34, 0.33]])


def line(p, k):
    """Sorted as the formula has it."""
    gap = [(p[i, k] - p[i].max(), p[i].max()) for i in range(len(p))]
    return sorted(range(len(p)), key=lambda i: gap[i], reverse=True)


def softmax(logits):
    p = np.exp(logits - logits.max(axis=1, keepdims=True))
    return p / p.sum(axis=1, keepdims=True)


def case(seed, m=60, classes=4, n_labeled=12):
    """Logits that say something of the true classes, and labels of some; the last class is none of those known."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, classes + 1, m)
    logits = 1.5 * rng.normal(size=(m, classes)) + 2 * (truth[:, None] == np.arange(classes))
    labels = np.full(m, -2)
    labels[:n_labeled] = truth[:n_labeled]
    return logits, np.where(labels == classes, -1, labels), np.where(truth == classes, -1, truth)


def test_the_published_orders():
    assert [class_order(np.log(P), k).tolist() for k in range(3)] == [[0, 1, 3, 2], [2, 3, 1, 0], [3, 1, 2, 0]]


@pytest.mark.parametrize("seed", range(3))
def test_orders_equal_the_formula(seed):
    logits = case(seed)[0]
    for k in range(4):
        assert class_order(logits, k).tolist() == line(softmax(logits), k)


def test_confident_rows_keep_their_order_and_equal_ones_are_drawn():
    logits = np.array([[900.0, 0], [1000.0, 0], [50, 0], [0, 60.0]])
    assert class_order(logits, 0).tolist() == [1, 0, 2, 3]
    drawn = [class_order(np.zeros((30, 3)), 1, rng=np.random.default_rng(seed)).tolist() for seed in (0, 0, 1)]
    assert drawn[0] == drawn[1] != drawn[2]
    assert class_order(np.zeros((30, 3)), 1).tolist() == list(range(30))


def next_by_hand(order, labels, k):
    """What GALAXY asks for on a line, by looking at every place; None: anything."""
    known = [(place, labels[row] == k) for place, row in enumerate(order) if labels[row] != -2]
    pairs = [(a, b) for (a, own), (b, other) in itertools.pairwise(known) if own != other]
    runs = [(b - a, a, b) for a, b in pairs if b - a > 1]
    if runs:
        _, a, b = min(runs)
        return order[(a + 1 + b - 1) // 2]
    found = [
        (a - place if place < a else place - b, place > a, place)
        for a, b in pairs
        for place, row in enumerate(order)
        if labels[row] == -2
    ]
    return order[min(found)[2]] if found else None


@pytest.mark.parametrize("seed", range(6))
def test_galaxy_takes_a_step_of_one_of_the_lines(seed):
    logits, labels, truth = case(seed)
    known, asked = labels.copy(), []

    def ask(rows):
        asked.extend(rows.tolist())
        return truth[rows]

    picks = galaxy(logits, labels, 40, ask=ask, rng=np.random.default_rng(seed))
    assert len({*picks.tolist()}) == 40
    assert asked == picks[:-1].tolist()
    assert (labels[picks] == -2).all()
    orders = [line(softmax(logits), k) for k in range(4)]
    for row in picks.tolist():
        wanted = {next_by_hand(order, known, k) for k, order in enumerate(orders)}
        assert None in wanted or row in wanted
        known[row] = truth[row]


@pytest.mark.parametrize("seed", range(6))
def test_galaxy_on_one_line_is_the_referee(seed):
    """Two classes have one line, so that nothing but a start without two sides is drawn."""
    logits, labels, truth = case(seed, classes=2, n_labeled=20)
    known, order = labels.copy(), line(softmax(logits), 0)
    for row in galaxy(logits, labels, 40, ask=lambda rows: truth[rows], rng=np.random.default_rng(seed)).tolist():
        assert row == next_by_hand(order, known, 0)
        known[row] = truth[row]


def test_galaxy_finds_a_cut_by_halving():
    """One sample of class 0 at the one end, one of class 1 at the other; the cut is at 37."""
    logits = np.stack([np.linspace(5, -5, 101), np.zeros(101)], axis=1)
    labels = np.full(101, -2)
    labels[0], labels[100] = 0, 1
    truth = (np.arange(101) >= 37).astype(int)
    picks = galaxy(logits, labels, 9, ask=lambda rows: truth[rows], rng=np.random.default_rng(0))
    assert picks[:7].tolist() == [50, 25, 37, 31, 34, 35, 36]
    assert picks[7:].tolist() == [38, 39]  # beside the cut of 36 and 37, the nearer ones first: 34 to 36 are known


def test_galaxy_asks_for_some_at_a_time():
    logits, labels, truth = case(1)
    sizes = []
    given = {"rng": np.random.default_rng(0), "n_parallel": 6}
    picks = galaxy(logits, labels, 20, ask=lambda rows: sizes.append(len(rows)) or truth[rows], **given)
    assert sizes == [6, 6, 6]
    assert len({*picks.tolist()}) == 20


@pytest.mark.parametrize("kernel", [galaxy, direct])
@pytest.mark.parametrize("answers", ["of one class", "none of them", "nobody can say"])
def test_any_answers_give_n_picks(kernel, answers):
    logits, labels, _ = case(2, n_labeled=0)
    said = {"of one class": 0, "none of them": -1, "nobody can say": -2}[answers]
    for n in (1, 7, 60):
        picks = kernel(logits, labels, n, ask=lambda rows: np.full(len(rows), said), rng=np.random.default_rng(0))
        assert len({*picks.tolist()}) == n


@pytest.mark.parametrize("kernel", [galaxy, direct])
def test_the_same_draws_and_answers_give_the_same_picks(kernel):
    logits, labels, truth = case(3)
    runs = [kernel(logits, labels, 30, ask=lambda rows: truth[rows], rng=np.random.default_rng(s)) for s in (4, 4, 5)]
    assert runs[0].tolist() == runs[1].tolist() != runs[2].tolist()
    turned = kernel(logits, labels, 30, ask=lambda rows: 3 - truth[rows], rng=np.random.default_rng(4))
    assert turned.tolist() != runs[0].tolist()


def goodness_by_hand(order, labels, k, place):
    sides = [(at < place) == (labels[row] == k) for at, row in enumerate(order) if labels[row] != -2]
    return sum(1 if right else -1 for right in sides)


@pytest.mark.parametrize("seed", range(4))
def test_thresholds_and_ends_by_looking_at_every_place(seed):
    logits, labels, _ = case(seed, n_labeled=25)
    for k in range(4):
        order = class_order(logits, k)
        places = np.flatnonzero(labels[order] != -2)
        of_class = labels[order][places] == k
        every = np.arange(len(order))
        by_hand = [goodness_by_hand(order.tolist(), labels, k, place) for place in every]
        assert _goodness(places, of_class, every).tolist() == by_hand
        first, last = _ends(places, of_class, len(order))
        leading = [p for p, own in zip(places, of_class, strict=True) if own and not (~of_class[places < p]).any()]
        trailing = [p for p, own in zip(places, of_class, strict=True) if not own and not of_class[places > p].any()]
        assert (first, last) == (max(leading, default=0), min(trailing, default=len(order) - 1))


@pytest.mark.parametrize("seed", range(4))
def test_ends_move_as_one_step_after_the_other(seed):
    rng = np.random.default_rng(seed)
    good = np.repeat(rng.integers(0, 4, 12), rng.integers(1, 9, 12))
    free = np.flatnonzero(rng.random(3 * len(good)) < 0.5)[: len(good)]
    good = good[: len(free)]
    for left in range(1, len(free) + 1):
        low, high, even = 0, len(free) - 1, True
        while high - low + 1 > left:
            if good[low] == good[high]:
                low, high, even = (low + 1, high, False) if even else (low, high - 1, True)
            else:
                low, high, even = (low + 1, high, True) if good[low] < good[high] else (low, high - 1, True)
        found = _moved(free, good, left)
        assert abs(np.searchsorted(free, found[0]) - low) <= 1  # who moves first after a change may differ
        assert np.searchsorted(free, found[1]) - np.searchsorted(free, found[0]) + 1 == left


def test_direct_narrows_a_threshold_down_and_asks_around_it():
    """Of 4,000 on a line, the first 1,234 are of class 0."""
    m = 4000
    logits = np.stack([np.linspace(9, -9, m), np.zeros(m)], axis=1)
    labels = np.full(m, -2)
    labels[0], labels[-1] = 0, 1
    truth, sizes = (np.arange(m) >= 1234).astype(int), []

    def ask(rows):
        sizes.append(len(rows))
        return truth[rows]

    picks = direct(logits, labels, 160, ask=ask, rng=np.random.default_rng(0))
    assert sizes == [20, 20, 20, 7]  # 4000 / 8, 500 / 8, 63 / 8, of which one was asked for: 7 are left
    assert np.abs(picks[67:] - 1234).max() < 120
    assert abs(np.mean(picks[67:] < 1234) - 0.5) < 0.1


def test_direct_shares_its_budget_between_the_classes():
    logits, labels, truth = case(0, m=400)
    batches = []
    given = {"rng": np.random.default_rng(0), "n_parallel": 3}
    picks = direct(logits, labels, 50, ask=lambda rows: batches.append(len(rows)) or truth[rows], **given)
    assert batches[: 4 * 2] == [3, 3] * 4  # 50 // 8 of each class
    assert sum(batches) < 50 == len({*picks.tolist()})
    assert batches[8:] == [6, 7, 6]  # and 26 around the thresholds, the last 7 of which are not asked for


@pytest.mark.parametrize("kernel", [galaxy, direct])
@pytest.mark.parametrize(
    ("changed", "parts"),
    [
        ({"labels": np.zeros(4, int)}, ["labels:", "-2 for at least one candidate"]),
        ({"labels": np.full(4, -3)}, ["labels:", "-3 to -3"]),
        ({"labels": np.full(3, -2)}, ["labels:", "(4,)", "(3,)"]),
        ({"labels": np.full(4, -2.0)}, ["labels:", "float64"]),
        ({"n": 5}, ["n:", "from 1 to 4"]),
        ({"n_parallel": 0}, ["n_parallel:", "at least 1"]),
        ({"logits": np.full((4, 3), np.nan)}, ["logits:", "12 NaN"]),
        ({"logits": np.zeros((4, 1))}, ["logits:", "at least 2 classes"]),
    ],
)
def test_refusals(kernel, changed, parts):
    given = {"logits": P, "labels": np.full(4, -2), "n": 2} | changed
    check_refusal(parts, kernel, **given, ask=lambda rows: rows, rng=np.random.default_rng(0))


@pytest.mark.parametrize("k", [-1, 3, 1.0, True])
def test_classes_that_are_not_there(k):
    check_refusal(["k:", "from 0 to 2"], class_order, P, k)
