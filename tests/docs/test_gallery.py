"""The plane and the gallery: what is played, what is drawn of it, and what the committed picture holds."""

import contextlib

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from docs import gallery, toy
from tests.conftest import ROOT
from tfal.errors import InputError
from tfal.pool import Pool
from tfal.strategies import STRATEGIES


def labeled_pool(ids, classes):
    pool = Pool.unlabeled_pool(len(classes))
    pool.label_samples(ids, classes[ids], 0)
    return pool


def test_a_strategy_plays_the_same_each_time_and_asks_for_each_sample_once():
    played, again = toy.play("badge"), toy.play("badge")
    ids = np.concatenate([played.first, *played.rounds])
    assert len(set(ids.tolist())) == len(ids) == 9 + 4 * 9
    assert all(np.array_equal(a, b) for a, b in zip(played.rounds, again.rounds, strict=True))
    assert np.array_equal(played.networks.labeled, np.sort(ids))


def test_margin_asks_where_the_network_of_the_first_labels_hesitates():
    points, classes = toy.plane()
    first = toy.first_labels(classes)
    assert np.bincount(classes[first]).tolist() == [3, 3, 3]
    networks = toy.Networks(points, labeled_pool(first, classes))
    p = np.exp(networks.logits) / np.exp(networks.logits).sum(axis=1, keepdims=True)
    two = np.sort(p, axis=1)[:, -2:]
    margins = two[:, 1] - two[:, 0]
    margins[first] = np.inf
    assert set(toy.play("margin").rounds[0].tolist()) == set(np.argsort(margins)[:9].tolist())
    assert np.array_equal(networks.predicted(points), networks.logits.argmax(axis=1))


def test_outputs_have_a_row_for_each_sample_and_belong_to_networks_that_saw_the_labels():
    points, classes = toy.plane()
    first = toy.first_labels(classes)
    networks = toy.Networks(points, labeled_pool(first, classes))
    assert networks.mc_logits.shape == (410, 20, 3)
    assert networks.view_logits.shape == (410, 10, 3)
    assert networks.noise_logits.shape == (410, 20, 3)
    assert 0 < np.abs(networks.noise_logits - networks.logits[:, None]).max() < 0.5
    assert networks.member_logits.shape == (410, 5, 3)
    for name in ("predicted_loss", "labeled_logit", "simclr_loss", "vae_loss"):
        assert getattr(networks, name).shape == (410,)
    for logits in (networks.logits, networks.member_logits.mean(axis=1), networks.view_logits.mean(axis=1)):
        assert np.array_equal(logits.argmax(axis=1)[first], classes[first])
    kernel, bias = networks.head("classifier")
    assert np.allclose(networks.features @ kernel + bias, networks.logits, atol=1e-4)


def test_in_an_open_set_samples_of_the_third_class_train_nothing():
    played = toy.play("similar", open_set=True)
    _, classes = toy.plane()
    assert set(played.networks.labels.tolist()) == {0, 1}
    assert len(played.networks.labeled) < 9 + 4 * 9
    assert played.networks.head("classifier")[0].shape == (64, 2)
    bought = np.concatenate([played.first, *played.rounds])
    assert np.array_equal(played.networks.detector_logits.argmax(axis=1)[bought], classes[bought])
    assert np.array_equal(played.networks.binary_logits[bought, :, 1] > 0, np.eye(3, dtype=bool)[classes[bought], :2])
    assert played.networks.center_distances.shape == (410, 2)
    assert np.isin(classes[played.first], 2).any()


def test_two_strategies_that_follow_each_other_are_each_asked_in_their_rounds():
    both, first = toy.play("tcm"), toy.play("typiclust")
    alike = [np.array_equal(a, b) for a, b in zip(both.rounds, first.rounds, strict=True)]
    assert alike == [True, True, True, False]


def test_what_the_plane_does_not_have_is_said():
    with pytest.raises(InputError, match="a file of your own"):
        toy.play("ranking")
    points, classes = toy.plane()
    networks = toy.Networks(points, labeled_pool(toy.first_labels(classes), classes))
    with pytest.raises(InputError, match="reads 'sound' of 'ear', which the plane has none of"):
        next(networks.chunks("ear", ["sound"], np.arange(3)))


def test_a_panel_shows_the_pool_and_the_picks_of_each_round():
    played, axes = toy.play("random"), Figure().subplots()
    gallery.draw_picks(axes, played)
    drawn = {str(part.get_label()): np.asarray(part.get_offsets()) for part in axes.collections}
    points, _ = toy.plane()
    for number, ids in enumerate(played.rounds, 1):
        assert np.array_equal(drawn[f"picks of round {number}"], points[ids])
    assert np.array_equal(drawn["first labels"], points[played.first])
    assert sum(len(part.get_offsets()) for part in axes.collections) == 410 + 9 + 4 * 9


def test_strategies_of_open_sets_are_not_in_the_gallery():
    assert {name for name, kind in STRATEGIES.items() if kind.open_sets} == {
        *("similar", "mqnet", "ccal", "lfosa", "neat", "eoal", "eaoa")
    }
    assert not {"similar", "eaoa", "mqnet"} & {*gallery.closed_set()}
    assert "ranking" not in gallery.closed_set()
    assert {"ldms", "badge", "typiclust"} <= {*gallery.closed_set()} < {*STRATEGIES}


def test_the_committed_picture_is_small_and_has_every_strategy_of_closed_sets(monkeypatch):
    monkeypatch.setattr(toy, "N_ROUND", 1)  # what the plane lacks is asked for in the first
    file = ROOT / "docs" / "gallery.png"
    assert file.stat().st_size < 400_000
    with Image.open(file) as picture:
        drawn = picture.text["Description"].split()
    assert drawn == [*drawn_in_the_plane()], "draw it again: python -m docs.gallery docs/gallery.png"


def drawn_in_the_plane():
    for name in gallery.closed_set():
        with contextlib.suppress(InputError):
            toy.play(name)
            yield name
