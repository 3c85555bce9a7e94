"""How strategies look in pictures, and that pictures leave matplotlib as it was."""

from itertools import combinations

import matplotlib
import numpy as np

from tfal.report.figures import N_STYLES, panels, style, styles
from tfal.strategies import STRATEGIES

NAMES = list(STRATEGIES)


def test_all_strategies_and_forty_others_look_different():
    looks = styles([*NAMES, *(f"mine{number}" for number in range(40))], NAMES)
    assert len(looks) == len(NAMES) + 40
    assert len(set(looks.values())) == len(looks)
    assert len({style(number) for number in range(N_STYLES)}) == N_STYLES
    assert len({style(number)[:2] for number in range(57)}) == 57  # in color or marker


def test_a_strategy_keeps_its_look_whatever_else_is_drawn():
    everything = styles([*NAMES, "mine"], NAMES)
    for few in (["ldms"], ["random", "ldms"], ["mine", "badge"], NAMES[::-1]):
        assert styles(few, NAMES) == {name: everything[name] for name in styles(few, NAMES)}


def test_no_other_strategy_is_as_black_as_random():
    assert [name for name, look in styles(NAMES, NAMES).items() if look.color == style(0).color] == ["random"]


def test_more_names_than_looks_still_get_one():
    looks = styles([f"mine{number}" for number in range(200)], NAMES)
    assert len(looks) == 200


def test_colors_are_told_apart_by_color_blind_readers():
    # Viénot, Brettel and Mollon 1999, in linear RGB: what is left of a color without red or without green receptors.
    protan = np.array([[0.11238, 0.88762, 0], [0.11238, 0.88762, 0], [0.00401, -0.00401, 1]])
    deutan = np.array([[0.29275, 0.70725, 0], [0.29275, 0.70725, 0], [-0.02234, 0.02234, 1]])
    from matplotlib.colors import to_rgb

    linear = np.array([to_rgb(style(number).color) for number in range(8)]) ** 2.2
    for seen in (linear @ np.eye(3), linear @ protan.T, linear @ deutan.T):
        shown = np.clip(seen, 0, 1) ** (1 / 2.2)
        assert min(np.linalg.norm(a - b) for a, b in combinations(shown, 2)) > 0.12


def test_a_figure_leaves_the_backend_as_it_was():
    before = matplotlib.rcParams._get_backend_or_none()
    figure, grid = panels(1, 2, (4, 2))
    assert grid.shape == (1, 2)
    assert figure.canvas.manager is None  # no window, nothing for pyplot to close
    assert matplotlib.rcParams._get_backend_or_none() == before
