"""dcom, competence, ball_coverage and pure_radii: vectors, plain referees, properties, bad inputs."""

import sys

import numpy as np
import pytest

from tfal.kernels import ball_coverage, competence, dcom, probcover, pure_radii
from tfal.kernels.parts import pairwise
from tfal.kernels.top import tie_order

from .plain import check_refusal

LINE = np.array([[0.0], [1.0], [2.0], [5.0], [6.0]])


def case(seed, m=80, d=3):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(m, d)).astype(np.float32), rng.random(m), rng.choice(m, 8, replace=False), rng.random(8)


def apart(features):
    return np.sqrt(np.square(features[:, None].astype(float) - features).sum(axis=2))


def plain(features, n, *, delta, uncertainty, skill, labeled=(), radii=(), anchors=None):
    """All distances, and all degrees anew for every pick."""
    gaps, taken, picks = apart(features), list(labeled), []
    counted = np.isin(np.arange(len(features)), np.arange(len(features)) if anchors is None else anchors)
    covered = (gaps[:, labeled] <= radii).any(axis=1) if len(labeled) else np.zeros(len(features), bool)

    def scaled(values, rows):
        low, high = values[rows].min(), values[rows].max()
        return (values - low) / (high - low) if high > low else np.zeros(len(values))

    doubt = scaled(uncertainty, np.setdiff1d(np.arange(len(features)), labeled))
    while len(picks) < n:
        rows = np.setdiff1d(np.arange(len(features)), taken)
        degrees = (gaps[:, counted & ~covered] <= delta).sum(axis=1).astype(float)
        scores = skill * doubt + (1 - skill) * scaled(degrees, rows)
        picks.append(int(rows[scores[rows].argmax()]))
        taken.append(picks[-1])
        covered |= gaps[picks[-1]] <= delta
    return picks


def plain_radius(features, row, classes, least, most, step):
    gaps, low, high = apart(features)[row], 0.0, most
    while high - low > step:
        middle = (low + high) / 2
        ball = classes[gaps <= middle]
        low, high = (middle, high) if np.mean(ball == classes[row]) >= least else (low, middle)
    return low


@pytest.mark.parametrize(
    ("slope", "expected"),
    [(50, [0, 0, 0.006693, 0.500023, 0.993352, 1]), (30, [0, 0.000124, 0.047543, 0.501239, 0.954935, 1])],
)
def test_the_vector_of_the_competence(slope, expected):
    found = [competence(c, slope=slope) for c in (0, 0.5, 0.7, 0.8, 0.9, 1)]
    assert found == pytest.approx(expected, abs=1e-6)
    assert 0 < found[0] < found[1]  # not rounded
    assert competence(0.0, slope=1e6) == 0


def test_a_line_by_hand():
    doubt = np.array([0.0, 0, 0, 0.2, 0.9])
    assert dcom(LINE, 2, delta=1.0, uncertainty=doubt, skill=0).tolist() == [1, 3]
    assert dcom(LINE, 2, delta=1.0, uncertainty=doubt, skill=1).tolist() == [4, 3]
    # Row 1 is worth 0.5, rows 3 and 4 half of 0.2 and 0.9 over 0.9; degrees 3, 2 and 2 are scaled from 2 to 3.
    assert dcom(LINE, 1, delta=1.0, uncertainty=doubt, skill=0.5).tolist() == [1]
    assert dcom(LINE, 1, delta=1.0, uncertainty=doubt, skill=0.6).tolist() == [4]


@pytest.mark.parametrize("skill", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("seed", range(3))
def test_the_plain_referee(seed, skill):
    features, doubt, labeled, radii = case(seed)
    options = {"delta": 0.7, "uncertainty": doubt, "skill": skill}
    assert dcom(features, 20, **options).tolist() == plain(features, 20, **options)
    options |= {"labeled": labeled, "radii": radii}
    assert dcom(features, 72, **options).tolist() == plain(features, 72, **options)


def test_without_skill_it_is_probcover_as_long_as_something_is_left_to_cover():
    features, doubt, labeled, _ = case(4)
    found = dcom(features, 9, delta=0.7, uncertainty=doubt, skill=0, labeled=labeled, rng=np.random.default_rng(1))
    assert found.tolist() == probcover(features, 9, delta=0.7, labeled=labeled, rng=np.random.default_rng(1)).tolist()


def test_anchors_are_drawn():
    features, doubt, labeled, radii = case(5)
    options = {"delta": 0.8, "skill": 0.2}
    left = np.setdiff1d(np.arange(80), labeled)
    anchors = np.random.default_rng(3).choice(left, 25, replace=False)
    found = dcom(
        *(features, 15),
        **{**options, "uncertainty": doubt, "labeled": labeled, "radii": radii, "n_anchor": 25},
        rng=np.random.default_rng(3),
    )
    order = tie_order(80, np.random.default_rng(3))
    place = order.argsort()
    given = {"uncertainty": doubt[order], "labeled": place[labeled], "radii": radii, "anchors": place[anchors]}
    assert found.tolist() == order[plain(features[order], 15, **options, **given)].tolist()


def test_balls_that_hold_much_of_a_large_pool_are_counted_by_fewer_rows(monkeypatch):
    features, doubt, labeled, radii = case(8)
    options = {"delta": 1.5, "uncertainty": doubt, "skill": 0.2, "labeled": labeled, "radii": radii}
    within = int((apart(features) <= 1.5).sum())
    monkeypatch.setattr(sys.modules["tfal.kernels.dcom"], "_MOST_PAIRS", within // 3 + 1)
    assert dcom(features, 15, **options).tolist() == plain(features, 15, **options, anchors=np.arange(0, 80, 3))
    monkeypatch.setattr(sys.modules["tfal.kernels.dcom"], "_MOST_PAIRS", within)
    assert dcom(features, 15, **options).tolist() == plain(features, 15, **options)


def test_equal_rows_go_by_chance():
    options = {"delta": 0.5, "uncertainty": np.zeros(30), "skill": 0.5}
    found = {tuple(dcom(np.zeros((30, 2)), 3, **options, rng=np.random.default_rng(seed))) for seed in range(5)}
    assert len(found) > 1
    assert dcom(np.zeros((30, 2)), 3, **options).tolist() == [0, 1, 2]


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.float16])
def test_coverage(dtype, monkeypatch):
    features, _, labeled, radii = case(6)
    features = features.astype(dtype)
    expected = (apart(features)[:, labeled] <= radii).any(axis=1)
    assert 0 < expected.sum() < 80
    assert ball_coverage(features, labeled, radii).tolist() == expected.tolist()
    monkeypatch.setitem(pairwise._TILE, "numpy", (7, 3))
    assert ball_coverage(features, labeled, radii).tolist() == expected.tolist()
    assert ball_coverage(features, [], []).tolist() == [False] * 80
    assert ball_coverage(features, labeled, np.zeros(8)).nonzero()[0].tolist() == sorted(labeled.tolist())


@pytest.mark.parametrize("least", [0.0, 0.5, 0.8, 1.0])
def test_radii(least, monkeypatch):
    features, _, rows, _ = case(7)
    classes = (features[:, 0] > 0).astype(int)
    options = {"least": least, "most": 2.0, "step": 0.1}
    expected = [plain_radius(features, row, classes, *options.values()) for row in rows]
    assert pure_radii(features, rows, classes, **options) == pytest.approx(expected)
    monkeypatch.setattr(sys.modules["tfal.kernels.dcom"], "_HELD", 1)
    assert pure_radii(features, rows, classes, **options) == pytest.approx(expected)
    assert pure_radii(features, [], classes, **options).tolist() == []
    assert (np.array(expected) > 2.0 - 0.1).all() == (least == 0)


def test_a_center_among_others_has_no_ball():
    features, classes = np.zeros((4, 2)), np.array([0, 1, 1, 1])
    assert pure_radii(features, [0, 1], classes, least=0.5).round(2).tolist() == [0, 1.07]


GOOD = {"delta": 1.0, "uncertainty": np.zeros(5), "skill": 0.5}


@pytest.mark.parametrize(
    ("given", "parts"),
    [
        ({"delta": -1.0}, ["delta", "received -1.0"]),
        ({"delta": np.nan}, ["delta"]),
        ({"skill": 1.5}, ["skill: expected a share", "1.5"]),
        ({"uncertainty": np.zeros(4)}, ["uncertainty: expected shape (5,)"]),
        ({"uncertainty": np.full(5, np.nan)}, ["uncertainty", "NaN"]),
        ({"labeled": [0, 9]}, ["labeled: expected distinct rows from 0 to 4"]),
        ({"labeled": [0, 1], "radii": [1.0]}, ["radii: expected 2 numbers"]),
        ({"labeled": [0], "radii": [-1.0]}, ["radii", "from -1"]),
        ({"n_anchor": 2}, ["rng"]),
    ],
)
def test_what_cannot_be_used_is_named(given, parts):
    check_refusal(parts, dcom, LINE, 2, **{**GOOD, **given})


def test_radii_and_coverages_that_are_none_are_named():
    check_refusal(["coverage", "1.5"], competence, 1.5)
    check_refusal(["classes: expected integers of shape (5,)"], pure_radii, LINE, [0], np.zeros(5), least=0.5)
    check_refusal(["least", "2"], pure_radii, LINE, [0], np.zeros(5, int), least=2)
    check_refusal(["labeled", "distinct"], ball_coverage, LINE, [1, 1], [0.5, 0.5])
