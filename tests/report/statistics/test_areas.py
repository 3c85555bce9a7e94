import numpy as np
import pytest

from tfal.errors import InputError
from tfal.report.statistics.areas import AXES, area_under_budget_curve

LABELS, VALUES = np.array([20, 40, 80, 160]), np.array([0.5, 0.7, 0.8, 0.9])


@pytest.mark.parametrize(("axis", "expected"), [("labels", 0.785714), ("rounds", 0.733333), ("log labels", 0.733333)])
def test_the_three_axes(axis, expected):
    assert area_under_budget_curve(LABELS, VALUES, axis) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("axis", AXES)
def test_a_flat_curve_is_its_height(axis):
    assert area_under_budget_curve(LABELS, np.full((3, 4), 0.25), axis) == pytest.approx(np.full(3, 0.25))
    assert area_under_budget_curve(LABELS[:1], VALUES[:1], axis) == 0.5


@pytest.mark.parametrize(
    ("labels", "values", "axis", "found"),
    [
        (LABELS, VALUES, "time", "axis must be one of"),
        (LABELS[::-1], VALUES, "labels", "ascend"),
        (np.array([0, 20]), VALUES[:2], "log labels", "at least 1"),
        (LABELS, VALUES[:3], "labels", "must fit"),
        (LABELS[:0], VALUES[:0], "labels", "must fit"),
    ],
)
def test_what_has_no_area(labels, values, axis, found):
    with pytest.raises(InputError, match=found):
        area_under_budget_curve(labels, values, axis)
