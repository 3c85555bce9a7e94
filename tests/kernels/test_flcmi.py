"""flcmi_greedy against vectors worked out by hand, its definition, plain greedy steps, and public code."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tfal.kernels import flcmi, flcmi_greedy, flcmi_screen
from tfal.kernels.flcmi import _Cover
from tfal.kernels.flcmi_held import held_picks
from tfal.kernels.parts import tiles
from tfal.kernels.similarity import Items

from .plain import plain_map
from .test_similarity import HAND_PRIVATE, HAND_QUERY, HAND_ROWS, sample_sets, similarities, slow_greedy


def cover(candidates, query, private):
    items = Items(candidates, plain_map)
    ceiling = items.nearest(Items(query, plain_map), plain_map)
    floor = items.nearest(Items(private, plain_map), plain_map) if private else 0 * ceiling
    found = _Cover(items, ceiling, floor, plain_map)
    assert flcmi._foreseen(found, 0) == []
    return found


def coverage(candidates, query, private=None, eta=1.0, nu=1.0):
    """w_ij, float64 (m, m)."""
    s, q = similarities(candidates, candidates), similarities(candidates, query).max(axis=1, initial=0)
    p = similarities(candidates, private).max(axis=1, initial=0) if private else 0 * q
    return np.maximum(np.minimum(s, eta * q[:, None]) - nu * p[:, None], 0)


def plain_greedy(w, n):
    """All gains anew for every pick; the lowest row of those within rounding."""
    covered, picks = np.zeros(len(w)), []
    for _ in range(n):
        gained = w - covered[:, None]
        gains = (gained * (gained > 1e-6)).sum(axis=0)
        gains[picks] = -1
        picks.append(int((gains >= gains.max() - 1e-6 * gains.max()).argmax()))
        covered = np.maximum(covered, w[:, picks[-1]])
    return picks


def definition(candidates, query, private, eta, nu):
    """I(A; Q | P) from f(X) = the sum over all candidates of the largest similarity to X, none below 0."""
    s = np.hstack([similarities(candidates, others) for others in (candidates, query, private)])
    m, q = len(candidates[0]), len(query[0])
    s[:, m : m + q] *= eta
    s[:, m + q :] *= nu
    queries, privates = list(range(m, m + q)), list(range(m + q, s.shape[1]))

    def f(*sets):
        return s[:, [row for some in sets for row in some]].max(axis=1, initial=0).sum()

    return lambda picks: f(picks, privates) + f(queries, privates) - f(picks, queries, privates) - f(privates)


def test_vector_by_hand():
    hand = cover(HAND_ROWS, HAND_QUERY, HAND_PRIVATE)
    gains = hand.gains(np.arange(4), hand.floor)
    np.testing.assert_allclose(gains, [1.780581, 1.270679, 0.168545, 1.031455], atol=1e-6)
    np.testing.assert_allclose(hand.bounds, gains, rtol=2e-4)
    assert np.all(hand.bounds >= gains)
    assert hand.next_pick() == 0
    hand.add(0)
    assert hand.next_pick() == 1
    np.testing.assert_allclose(hand.bounds[1], 0.102134, atol=1e-6)
    hand.add(1)
    assert hand.next_pick() is None
    assert flcmi_greedy(HAND_ROWS, 4, query=HAND_QUERY, private=HAND_PRIVATE).tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize("seed", range(10))
def test_picks_and_gains_are_those_of_the_definition(seed):
    sets = sample_sets(seed, sizes=(8, 3, 2))
    eta, nu = np.random.default_rng(seed).uniform(0.3, 1.5, size=2)
    information = definition(*sets, eta, nu)
    picks, gains = slow_greedy(information, 8, 8)
    fast = flcmi_greedy(sets[0], 8, query=sets[1], private=sets[2], eta=eta, nu=nu).tolist()
    assert fast == picks
    w = coverage(*sets, eta, nu)
    totals = [w[:, picks[: k + 1]].max(axis=1).sum() for k in range(8)]
    np.testing.assert_allclose(np.cumsum(gains), totals, atol=1e-9)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("seed", range(5))
def test_lazy_picks_are_those_of_plain_greedy_steps(seed, dtype):
    candidates, query, private = sample_sets(seed, sizes=(200, 10, 8), dtype=dtype)
    for others, weights in ((private, {}), (None, {}), (private, {"eta": 1.7, "nu": 0.4}), (private, {"nu": 0})):
        expected = plain_greedy(coverage(candidates, query, others, **weights), 60)
        assert flcmi_greedy(candidates, 60, query=query, private=others, **weights).tolist() == expected


@pytest.mark.parametrize("kind", ["not negative", "of both signs", "classes", "copies", "zeros", "common mean"])
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_a_narrow_factor_that_screens_rows_changes_no_pick(kind, dtype, monkeypatch):
    sets = [[*factors] for factors in sample_sets(3, sizes=(240, 10, 8), widths=(4, 48))]
    for some in sets:
        if kind == "of both signs":
            some[1] = some[1] * np.random.default_rng(4).choice([-1, 1], size=some[1].shape)
        elif kind == "classes":  # most cosines of the narrow factor are negative, as those of gradients are
            labels = np.arange(len(some[0])) % 4
            some[0] = 0.1 * np.abs(some[0]) - np.eye(4)[labels]
        elif kind == "copies":
            some[:] = [np.tile(factor[: -(-len(factor) // 4)], (4, 1)) for factor in some]
        elif kind == "zeros":
            some[0][::3], some[1][1::3] = 0, 0
        elif kind == "common mean":
            some[1] = some[1] + 8
        some[:] = [factor.astype(dtype) for factor in some]
    candidates, query, private = sets
    expected = plain_greedy(coverage(candidates, query, private, nu=0.6), 100)
    assert flcmi_greedy(candidates, 100, query=query, private=private, nu=0.6).tolist() == expected
    monkeypatch.setattr(flcmi_screen, "_NARROW", 0)
    assert flcmi_greedy(candidates, 100, query=query, private=private, nu=0.6).tolist() == expected


@pytest.mark.parametrize("wrong", [None, 0, 3])
@pytest.mark.parametrize("seed", range(3))
def test_what_is_guessed_changes_no_pick(wrong, seed, monkeypatch):
    (candidates, query, private), weights = sample_sets(seed, sizes=(200, 10, 8), widths=(3, 24)), {"nu": 0.5}
    expected = plain_greedy(coverage(candidates, query, private, **weights), 40)
    guesses, verified = flcmi._guesses, []

    def guessed(cover, n):
        picks, floors = guesses(cover, n)
        assert n == min(flcmi._GUESSED, 40) == len(picks)
        if wrong is not None:
            picks = [*expected[:wrong], *range(n - wrong)]
            for k, pick in enumerate(picks):
                floors[k + 1] = cover.raised(floors[k], pick)
        return picks, floors

    def foreseen(cover, n):
        verified.append(len(found := whole(cover, n)))
        return found

    whole = flcmi._foreseen
    monkeypatch.setattr(flcmi, "_WORTH", 0)
    monkeypatch.setattr(flcmi, "_guesses", guessed)
    monkeypatch.setattr(flcmi, "_foreseen", foreseen)
    assert flcmi_greedy(candidates, 40, query=query, private=private, **weights).tolist() == expected
    assert verified == [flcmi._GUESSED] if wrong is None else verified[0] >= wrong


def test_the_screen_leaves_out_rows_and_candidates(monkeypatch):
    compared = []
    similarities = Items.similarities

    def counted(self, directions, rows):
        if not isinstance(rows, slice):
            compared.append(len(directions[0]) * len(rows))
        return similarities(self, directions, rows)

    monkeypatch.setattr(Items, "similarities", counted)
    (_, wide), (_, query), _ = sample_sets(0, sizes=(400, 8, 1), widths=(4, 48))
    narrow, labels = np.eye(4, dtype=np.float32), np.arange(400) // 100
    cover((narrow[labels], wide), (narrow[np.arange(8) % 4], query), ())
    assert 0 < sum(compared) <= 4 * 100**2


@pytest.mark.parametrize(("least", "most", "block", "tile"), [(1, 1, 3, 1), (2, 7, 5, 900), (16, 4096, 1024, 1 << 20)])
def test_looks_blocks_and_tiles_of_any_size_give_the_same_picks(least, most, block, tile, monkeypatch):
    candidates, query, private = sample_sets(0, sizes=(150, 10, 8), widths=(3, 24))
    expected = flcmi_greedy(candidates, 50, query=query, private=private)
    monkeypatch.setattr(flcmi, "_LEAST_LOOK", {"numpy": least})
    monkeypatch.setattr(flcmi, "_MOST_LOOK", most)
    monkeypatch.setattr(flcmi_screen, "_BLOCK", block)
    monkeypatch.setattr(flcmi_screen, "_LEAST", block)
    monkeypatch.setitem(tiles._TILE_BYTES, "numpy", tile)
    monkeypatch.setattr(tiles, "LEAST_ROWS", block)
    monkeypatch.setattr(flcmi_screen, "LEAST_ROWS", block)
    np.testing.assert_array_equal(flcmi_greedy(candidates, 50, query=query, private=private), expected)


@pytest.mark.parametrize("sizes", [(150, 10, 8), (40, 1, 0)])
def test_from_all_similarities_at_once(sizes):
    candidates, query, private = sample_sets(1, sizes=sizes, widths=(3, 24))
    items = Items(candidates, plain_map)
    ceiling = items.nearest(Items(query, plain_map), plain_map)
    floor = items.nearest(Items(private, plain_map), plain_map) if sizes[2] else 0 * ceiling
    picks = held_picks(items, sizes[0], ceiling, floor, flcmi._ROUNDING, flcmi._TIES)
    expected = flcmi_greedy(candidates, sizes[0], query=query, private=private).tolist()
    assert picks == expected[: len(picks)]
    assert expected[len(picks) :] == sorted(expected[len(picks) :])  # which add nothing
    assert len(picks) > 3


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), m=st.integers(1, 25), data=st.data())
def test_ties_go_to_the_lowest_row(seed, m, data):
    rng = np.random.default_rng(seed)
    sets = [tuple(rng.integers(-1, 2, size=(n, 2)).astype(np.float32) for _ in range(2)) for n in (m, 2, 1)]
    n = data.draw(st.integers(1, m))
    picks = flcmi_greedy(sets[0], n, query=sets[1], private=sets[2]).tolist()
    assert picks == plain_greedy(coverage(*sets), n)
    assert len(set(picks)) == n


def test_rows_follow_from_the_lowest_once_nothing_is_gained():
    candidates = (np.array([(0.0, 1), (0, 2), (1, 0), (3, 0), (0, 0)]),)
    assert flcmi_greedy(candidates, 5, query=(np.array([(1.0, 0)]),)).tolist() == [2, 0, 1, 3, 4]
    assert flcmi_greedy(candidates, 3, query=(np.array([(-1.0, -1)]),)).tolist() == [0, 1, 2]
    assert flcmi_greedy(candidates, 3, query=(np.array([(1.0, 0)]),), eta=0).tolist() == [0, 1, 2]
    both = (np.array([(1.0, 0)]),)
    assert flcmi_greedy(candidates, 3, query=both, private=both).tolist() == [0, 1, 2]


@pytest.mark.parametrize("seed", range(3))
def test_a_copy_of_a_pick_adds_nothing(seed):
    candidates, query, _ = sample_sets(seed, sizes=(60, 4, 1), widths=(5, 300))
    copied = tuple(np.tile(factor, (3, 1)) for factor in candidates)
    assert flcmi_greedy(copied, 180, query=query).tolist() == plain_greedy(coverage(copied, query), 180)


@pytest.mark.parametrize("seed", range(5))
def test_every_pick_of_submodlib_is_a_best_one(seed):
    submodlib = pytest.importorskip("submodlib", reason="submodlib is not installed")
    candidates, query, private = sets = sample_sets(seed, sizes=(150, 10, 8))
    m, q, p = (len(factors[0]) for factors in sets)
    public = submodlib.FacilityLocationConditionalMutualInformationFunction(
        n=m,
        num_queries=q,
        num_privates=p,
        data_sijs=similarities(candidates, candidates),
        query_sijs=similarities(candidates, query),
        private_sijs=similarities(candidates, private),
    )
    found = public.maximize(
        budget=40, optimizer="NaiveGreedy", stopIfZeroGain=False, stopIfNegativeGain=False, show_progress=False
    )
    ours = cover(candidates, query, private)
    for row, gain in found:  # of equal gains, which are common, it takes any: so follow its picks
        best = ours.next_pick()
        gains = ours.gains(np.array([row, row if best is None else best]), ours.floor)
        np.testing.assert_allclose(gains, gain, rtol=1e-5, atol=1e-5)
        ours.add(row)
    assert found[12][1] > 0.05
