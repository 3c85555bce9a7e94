"""uherding with logits scaled by a temperature that fits validation labels, and where there are none."""

import dataclasses

import numpy as np
import pytest

import tfal
from models import BUILDERS
from tfal import low_budget
from tfal.errors import InputError
from tfal.evaluation.calibration import temperature
from tfal.kernels import margin, max_herding
from tfal.kernels.parts.pairwise import unit_rows
from tfal.loop import plan, run
from tfal.pool import Pool
from tfal.pool.view import PoolView
from tfal.strategies.covering import UHerding
from tfal.streams import Streams

RNG = np.random.default_rng(0)
FEATURES = RNG.normal(size=(80, 4)).astype(np.float32)
LOGITS = (12 * RNG.normal(size=(80, 3))).astype(np.float32)  # far too sure
TRUTH = RNG.integers(0, 3, 80)
HELD_OUT = np.arange(0, 80, 4)


class Made:
    def chunks(self, learner, outputs, ids):
        yield {name: {"features": FEATURES, "logits": LOGITS}[name][ids] for name in outputs}


def _view(validation=HELD_OUT):
    pool = Pool.unlabeled_pool(80)
    pool.label_samples(np.array([1, 2]), TRUTH[[1, 2]], 0)
    if len(validation):
        pool.set_validation(validation, TRUTH[validation])
    return PoolView(pool, pool.unlabeled, Made(), Streams(0))


def test_margins_are_those_of_scaled_logits():
    view, scale = _view(), temperature(LOGITS[HELD_OUT], TRUTH[HELD_OUT])
    assert scale > 5
    weights = [1 - margin(LOGITS[view.candidates] / divisor) for divisor in (scale, 1.0)]
    rows = unit_rows(FEATURES[np.append(view.candidates, view.labeled)])
    labeled = np.arange(len(view.candidates), len(rows))

    def expected(weights):
        weights = np.append(weights / weights.max(), [0, 0])
        return view.candidates[max_herding(rows, 8, labeled=labeled, sigma=0.5, weights=weights)].tolist()

    def found(**options):
        return UHerding(sigma=0.5, **options).query(view, 8, np.random.default_rng(0)).ids.tolist()

    assert found(temperature="validation") == expected(weights[0]) != found()
    assert found() == expected(weights[1])  # as it was


def test_a_run_fits_it_in_each_round(small, digits, monkeypatch):
    fitted = []
    monkeypatch.setattr(
        "tfal.strategies.covering._fitted_temperature", lambda view: fitted.append(len(view.validation)) or 2.0
    )
    recipe = dataclasses.replace(
        small,
        strategy="uherding",
        n_epoch=1,
        n_query=5,
        n_epoch_simclr=1,
        n_batch_encoder=256,
        temperature="validation",
    )
    assert len(list(run(recipe, BUILDERS["MLP"], data=digits))) == 3
    assert fitted == [50, 50]


def test_without_validation_samples_it_is_refused_before_anything_is_written(small, digits, tmp_path):
    scaled = dataclasses.replace(small, strategy="uherding", temperature="validation")
    with pytest.raises(InputError, match=r"'uherding' is to look at labels of validation samples. Received: none"):
        plan(dataclasses.replace(scaled, n_valid=0), digits)
    for splits in ("uherding", "random@1+uherding"):
        with pytest.raises(InputError, match=f"'{splits.replace('+', '.')}' is to look at labels of validation"):
            low_budget.plan(dataclasses.replace(scaled, strategy=splits, splits="10,20"), digits)
    given = {"features": FEATURES, "temperature": "validation"}
    with pytest.raises(InputError, match="set the option that reads them, such as --temperature, to off"):
        tfal.query("uherding", None, None, 3, labeled=[0, 1], labels=[0, 1], **given)
    campaign = tfal.Campaign(tmp_path / "here", size=80)
    campaign.tell(campaign.ask("random", n=4), [0, 1, 0, 1])
    with pytest.raises(InputError, match="validation samples"):
        campaign.ask("uherding", n=3, **given)
    assert len(campaign.rounds) == 1
    assert not (tmp_path / "results").exists()
