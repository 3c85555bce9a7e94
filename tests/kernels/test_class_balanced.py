"""Class-balanced picks: what classes lack, an exact solver of the integer program, a greedy loop, refusals."""

import numpy as np
import pytest
from scipy.optimize import Bounds, LinearConstraint, milp
from scipy.special import entr, softmax

from tfal.kernels import balanced_entropy, balanced_k_center, class_needs, top_n

from .plain import check_refusal


def case(seed, m=60, classes=4):
    """A pool in which the first class is frequent."""
    rng = np.random.default_rng(seed)
    return (2 * rng.normal(size=(m, classes)) + [2, *[0] * (classes - 1)]).astype(np.float32)


def worth(rows, p, needs, weight):
    return entr(p[rows]).sum() - weight * np.abs(needs - p[rows].sum(axis=0)).sum()


def best_by_solver(p, n, needs, weight):
    """The largest worth of n rows: HiGHS on z and the absolute values t >= +-(needs - p' z)."""
    m, classes = p.shape
    cost = np.concatenate([-entr(p).sum(axis=1), np.full(classes, weight)])
    limits = [
        LinearConstraint(np.append(np.ones(m), np.zeros(classes)), n, n),
        LinearConstraint(np.hstack([p.T, np.eye(classes)]), needs, np.inf),
        LinearConstraint(np.hstack([-p.T, np.eye(classes)]), -needs, np.inf),
    ]
    whole = np.append(np.ones(m), np.zeros(classes))
    found = milp(
        cost, constraints=limits, integrality=whole, bounds=Bounds(0, np.append(np.ones(m), [np.inf] * classes))
    )
    return -found.fun


def test_what_classes_lack():
    assert class_needs([5, 1, 0], 6).tolist() == [0, 3, 4]
    assert class_needs(np.array([2, 2]), 2).tolist() == [1, 1]


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(("n", "weight"), [(10, 0.6), (10, 2.0), (25, 0.6), (1, 0.6)])
def test_nearly_as_good_as_an_exact_solver(seed, n, weight):
    logits = case(seed)
    p = softmax(logits.astype(float), axis=1)
    needs = class_needs([30, 5, 5, 0], n)
    rows = balanced_entropy(logits, n, needs=needs, weight=weight)
    assert len({*rows.tolist()}) == n
    best = best_by_solver(p, n, needs, weight)
    assert best - 0.05 * weight - 0.02 <= worth(rows, p, needs, weight) <= best + 1e-6
    plain = top_n(entr(p).sum(axis=1), n)
    assert worth(rows, p, needs, weight) >= worth(plain, p, needs, weight) - 1e-6


def test_without_weight_it_is_entropy_and_with_a_large_one_it_is_balance():
    logits = case(0, m=300)
    p = softmax(logits.astype(float), axis=1)
    plain = top_n(entr(p).sum(axis=1), 30)
    assert balanced_entropy(logits, 30, needs=np.ones(4), weight=0).tolist() == plain.tolist()
    needs = np.array([0.0, 5, 5, 20])
    rows = balanced_entropy(logits, 30, needs=needs, weight=50.0)
    assert np.abs(needs - p[rows].sum(axis=0)).sum() < np.abs(needs - p[plain].sum(axis=0)).sum() / 2


def picked_one_by_one(features, p, n, centers, needs, weight):
    picks, left = [], needs.copy()
    for _ in range(n):
        others = np.concatenate([centers, features[picks]])
        distances = np.linalg.norm(features[:, None] - others, axis=2).min(axis=1)
        score = distances - weight / len(needs) * np.abs(left - p).sum(axis=1)
        score[picks] = -np.inf
        picks.append(int(score.argmax()))
        left = left - p[picks[-1]]
    return picks


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("weight", [0.0, 1.0, 5.0])
def test_k_center_equals_the_loop(seed, weight):
    rng = np.random.default_rng(seed)
    features, centers, logits = rng.normal(size=(80, 6)), rng.normal(size=(9, 6)), case(seed, m=80)
    needs = class_needs([7, 1, 1, 0], 15)
    rows = balanced_k_center(features, logits, 15, centers=centers, needs=needs, weight=weight)
    p = softmax(logits.astype(float), axis=1)
    assert rows.tolist() == picked_one_by_one(features, p, 15, centers, needs, weight)


@pytest.mark.parametrize("balanced", ["entropy", "k_center"])
def test_ties_are_drawn_and_the_draw_repeats(balanced):
    given = {"needs": np.ones(3)}
    kernel, arrays = balanced_entropy, (np.zeros((40, 3)),)
    if balanced == "k_center":
        kernel, arrays, given["centers"] = balanced_k_center, (np.ones((40, 2)), *arrays), np.zeros((1, 2))
    drawn = [kernel(*arrays, 5, rng=np.random.default_rng(seed), **given).tolist() for seed in (0, 0, 1)]
    assert drawn[0] == drawn[1] != drawn[2]
    assert sorted(kernel(*arrays, 40, **given).tolist()) == list(range(40))


@pytest.mark.parametrize(
    ("changed", "parts"),
    [
        ({"needs": np.ones(3)}, ["needs:", "(4,)", "(3,)"]),
        ({"needs": [1, 2, 3, np.inf]}, ["needs:", "finite"]),
        ({"weight": -1}, ["weight:", "-1"]),
        ({"weight": True}, ["weight:", "True"]),
        ({"n": 61}, ["n:", "from 1 to 60"]),
        ({"logits": np.full((60, 4), np.nan)}, ["logits:", "NaN"]),
        ({"logits": np.ones((60, 1))}, ["logits:", "at least 2 classes"]),
    ],
)
def test_refusals(changed, parts):
    given = {"logits": case(0), "n": 3, "needs": np.ones(4)} | changed
    check_refusal(parts, balanced_entropy, **given)
    check_refusal(parts, balanced_k_center, np.ones((60, 2)), centers=np.ones((1, 2)), **given)


def test_k_center_needs_centers():
    check_refusal(
        ["centers:", "(0, 2)"],
        balanced_k_center,
        np.ones((60, 2)),
        case(0),
        3,
        centers=np.ones((0, 2)),
        needs=np.ones(4),
    )
