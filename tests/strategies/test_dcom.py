"""dcom as a strategy: radii that stay, those of new labels, and what a round knows of the one before."""

import numpy as np
import pytest

import tfal
from tfal import kernels
from tfal.kernels.parts.pairwise import unit_rows
from tfal.pool import Pool
from tfal.pool.view import PoolView
from tfal.strategies.dcom import DCoM
from tfal.streams import Streams

RNG = np.random.default_rng(0)
FEATURES = RNG.normal(size=(90, 3)).astype(np.float32)
LOGITS = (3 * FEATURES @ RNG.normal(size=(3, 3))).astype(np.float32)
TRUTH = LOGITS.argmax(axis=1)
FIRST = np.array([3, 40, 77])


class Made:
    def chunks(self, learner, outputs, ids):
        yield {name: {"features": FEATURES, "logits": LOGITS}[name][ids] for name in outputs}


def _view(labeled, memory=None):
    pool = Pool.unlabeled_pool(90)
    pool.label_samples(np.sort(labeled), TRUTH[np.sort(labeled)], 0)
    return PoolView(pool, pool.unlabeled, Made(), Streams(0), memory, learners=DCoM.learners)


def _rng():
    return np.random.default_rng(0)


def test_a_round_by_hand():
    view = _view(FIRST)
    ids = np.append(view.candidates, FIRST)
    rows, labeled = unit_rows(FEATURES[ids]), np.arange(87, 90)
    radii = kernels.pure_radii(rows, labeled, TRUTH[ids], least=0.4)
    skill = kernels.competence(float(kernels.ball_coverage(rows, labeled, radii).mean()))
    doubt = np.append(1 - kernels.margin(LOGITS[view.candidates]), np.zeros(3))
    options = {"delta": radii.mean(), "uncertainty": doubt, "skill": skill, "labeled": labeled, "radii": radii}
    expected = view.candidates[kernels.dcom(rows, 7, **options, rng=_rng())]
    picks = DCoM().query(view, 7, _rng())
    assert picks.ids.tolist() == expected.tolist()
    assert picks.notes["radius_ids"].tolist() == FIRST.tolist()
    assert picks.notes["radii"] == pytest.approx(radii)


def test_radii_stay_and_new_labels_get_theirs_by_what_was_covered_before():
    first = DCoM().query(_view(FIRST), 5, _rng())
    memory = dict(DCoM().observe(None, first, _rng()))
    bought = np.append(FIRST, first.ids)
    view = _view(bought, memory | {"radii": np.array([0.5, 0.25, 0.125])})
    notes = DCoM().query(view, 5, _rng()).notes
    assert notes["radius_ids"].tolist() == sorted(bought.tolist())
    found = dict(zip(notes["radius_ids"].tolist(), notes["radii"].tolist(), strict=True))
    assert [found[each] for each in FIRST.tolist()] == [0.5, 0.25, 0.125]
    ids = np.append(view.candidates, view.labeled)
    rows, place = unit_rows(FEATURES[ids]), {each: row for row, each in enumerate(ids.tolist())}
    before = kernels.ball_coverage(rows, [place[each] for each in FIRST.tolist()], [0.5, 0.25, 0.125]).mean()
    new = sorted(first.ids.tolist())
    expected = kernels.pure_radii(rows, [place[each] for each in new], TRUTH[ids], least=0.4 + 0.2 * float(before))
    assert [found[each] for each in new] == pytest.approx(expected.tolist())


def test_nothing_labeled_is_a_cover_of_one_radius():
    picks = DCoM(dcom_delta=0.6).query(_view(FIRST[:0]), 4, _rng())
    assert picks.ids.tolist() == kernels.probcover(unit_rows(FEATURES), 4, delta=0.6, rng=_rng()).tolist()
    assert picks.notes["radii"].shape == (0,)


def test_a_campaign_keeps_the_radii(tmp_path):
    campaign = tfal.Campaign(tmp_path / "here", size=90)
    given = {"classifier": {"logits": LOGITS}}
    ids = campaign.ask("dcom", given, features=FEATURES, n=6)
    campaign.tell(ids, TRUTH[ids].tolist())
    second = campaign.ask("dcom", given, features=FEATURES, n=6)
    campaign.tell(second, TRUTH[second].tolist())
    third = tfal.Campaign(tmp_path / "here").ask("dcom", given, features=FEATURES, n=6)
    kept = np.load(sorted((tmp_path / "here" / "memory").glob("*.npz"))[-1])
    assert kept["notes/radius_ids"].tolist() == sorted([*ids.tolist(), *second.tolist()])
    assert kept["memory/radius_ids"].tolist() == sorted(ids.tolist())
    assert not np.isin(third, campaign.labeled).any()
