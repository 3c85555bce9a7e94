"""A campaign: what is asked for, told, corrected, taken back; and what is refused in one line."""

import json
import os
import subprocess
import sys
import threading
import warnings

import numpy as np
import pytest

from tests.conftest import ROOT
from tfal import UNSURE, Campaign, InputError, query

IMAGES = np.random.default_rng(0).normal(size=(40, 3, 3, 1)).astype(np.float32)


@pytest.fixture
def campaign(tmp_path):
    return Campaign(tmp_path / "here", size=40, seed=5)


def _lines(campaign):
    return campaign._folder.journal.path.read_text().splitlines()


def test_the_first_batch_is_that_of_a_query_and_is_given_until_it_is_told(campaign):
    ids = campaign.ask("random", images=IMAGES, n=6)
    assert ids.tolist() == query("random", None, IMAGES, 6, seed=5).tolist()
    assert ids.dtype == np.int64
    for _ in range(2):
        assert campaign.ask("random", images=IMAGES, n=6).tolist() == ids.tolist()
    campaign.tell(ids[[4, 0]], [1, 0])
    left = ids[[1, 2, 3, 5]].tolist()
    assert campaign.pending.tolist() == campaign.ask("random", images=IMAGES, n=6).tolist() == left
    campaign.tell(left, [2, None, UNSURE, 1])
    assert not len(campaign.pending)
    again = campaign.ask("random", images=IMAGES, n=6)
    assert not np.isin(again, ids).any()
    assert [asked.ids.tolist() for asked in campaign.rounds] == [ids.tolist(), again.tolist()]
    assert campaign.labeled.tolist() == sorted(ids[[0, 1, 4, 5]])
    assert dict(zip(campaign.labeled.tolist(), campaign.labels.tolist(), strict=True)) == dict(
        zip(ids[[0, 1, 4, 5]].tolist(), [0, 2, 1, 1], strict=True)
    )
    assert (campaign.rejected.tolist(), campaign.unsure.tolist()) == ([ids[2]], [ids[3]])
    assert campaign.unlabeled.tolist() == sorted(set(range(40)) - set(ids.tolist()))


def test_rounds_are_repeated_by_seed_and_round(tmp_path):
    found = []
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        one = Campaign(tmp_path / name, size=40, seed=seed)
        batches = []
        for _ in range(3):
            one = Campaign(tmp_path / name)  # as another process would
            batches.append(one.ask("random", n=5).tolist())
            one.tell(one.pending, [0] * 5)
        found.append(batches)
    assert found[0] == found[1] != found[2]


def test_all_of_the_pool_and_no_more(campaign):
    with pytest.raises(
        InputError, match=r"n must be a whole number from 1 to the 40 samples that are left\. Received: 41"
    ):
        campaign.ask("random", n=41)
    assert _lines(campaign) == []
    ids = campaign.ask("random", n=40)
    campaign.tell(ids[:39], [0] * 13 + [None] * 13 + [UNSURE] * 13)
    campaign.withdraw()
    with pytest.raises(InputError, match=r"from 1 to the 1 samples that are left. Received: 2"):
        campaign.ask("random", n=2)
    assert campaign.ask("random", n=1).tolist() == ids[39:].tolist()
    campaign.tell(ids[39:], [3])
    with pytest.raises(InputError, match=r"nothing is left to ask for: of every sample something is known"):
        campaign.ask("random", n=1)


def test_something_else_while_a_batch_is_open_is_said(campaign):
    ids = campaign.ask("random", n=4)
    campaign.tell(ids[:1], [0])
    for other in ({"n": 5}, {"n": 3}):
        with pytest.warns(
            UserWarning, match="3 of the 4 ids that 'random' was asked for are open, and are given again"
        ) as said:
            assert campaign.ask("random", **other).tolist() == ids[1:].tolist()
        assert [one.filename for one in said] == [__file__]
    with pytest.warns(UserWarning, match="given again"):
        assert campaign.ask("typiclust", n=4).tolist() == ids[1:].tolist()
    with pytest.raises(InputError, match="Did you mean 'random'"):
        campaign.ask("randon", n=4)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert campaign.ask("random", n=4).tolist() == ids[1:].tolist()


def test_withdrawn_ids_may_be_asked_for_again(campaign):
    ids = campaign.ask("random", n=40)
    campaign.withdraw(ids[:30])
    assert campaign.pending.tolist() == ids[30:].tolist()
    with pytest.raises(InputError, match=rf"ids must be pending.* Received: \[{ids[0]}\]\."):
        campaign.withdraw(ids[[0, 31]])
    campaign.withdraw()
    campaign.withdraw()
    campaign.withdraw([])
    assert len(_lines(campaign)) == 3
    assert len(campaign.ask("random", n=40)) == 40
    assert len(campaign.rounds) == 2


def test_candidates_as_ids_and_as_a_mask(campaign):
    campaign.tell([], [])
    mask = np.arange(40) % 4 == 0
    ids = campaign.ask("random", n=4, candidates=mask)
    assert mask[ids].all()
    campaign.tell(ids, [0] * 4)
    with pytest.raises(InputError, match="to the 6 samples that are left"):
        campaign.ask("random", n=7, candidates=np.flatnonzero(mask))
    with pytest.raises(InputError, match="nothing is left to ask for among the candidates"):
        campaign.ask("random", n=1, candidates=ids)
    with pytest.raises(InputError, match=r"candidates must hold distinct ids from 0 to 39\. Received: \[40\]"):
        campaign.ask("random", n=1, candidates=[1, 40])
    again = campaign.ask("random", n=3, candidates=mask)
    with pytest.warns(UserWarning, match=r"3 of the ids that are open are none of the candidates.* Withdraw"):
        assert campaign.ask("random", n=3, candidates=~mask).tolist() == again.tolist()


def test_a_part_of_the_candidates_is_looked_at(campaign):
    with pytest.raises(InputError, match="max_candidates must be a whole number >= 1"):
        campaign.ask("random", n=3, max_candidates=0)
    with pytest.raises(InputError, match=r"from 1 to the 3 candidates, of max_candidates. Received: 4"):
        campaign.ask("random", n=4, max_candidates=3)
    ids = campaign.ask("random", n=3, max_candidates=3)
    assert len(set(ids.tolist())) == 3


def test_labels_are_corrected_and_repeats_change_nothing(campaign):
    ids = campaign.ask("random", n=4)
    campaign.tell(ids, [0, None, UNSURE, 2])
    before = _lines(campaign)
    campaign.tell(ids[::-1], [2, UNSURE, None, 0])
    assert _lines(campaign) == before
    campaign.tell(ids, [0, 5, 6, UNSURE])
    assert json.loads(_lines(campaign)[-1]) == {"tell": ids[1:].tolist(), "labels": [5, 6, "unsure"]}
    assert campaign.labels[np.searchsorted(campaign.labeled, ids[:3])].tolist() == [0, 5, 6]
    assert (len(campaign.rejected), campaign.unsure.tolist()) == (0, ids[3:].tolist())


def test_ids_that_were_never_asked_for_are_allowed_and_said(campaign):
    with pytest.warns(UserWarning, match=r"2 of the ids were never asked for, such as \[3, 9\]\. Their labels count"):
        campaign.tell([3, 9], np.array([1, 0]))
    assert campaign.labeled.tolist() == [3, 9]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        campaign.tell([3, 9], [1, 0])
        with pytest.raises(UserWarning, match="never asked"):
            campaign.tell([4], [1])
    assert campaign.labeled.tolist() == [3, 9]
    assert not np.isin(campaign.ask("random", n=38), [3, 9]).any()


@pytest.mark.parametrize(
    ("ids", "labels", "message"),
    [
        ([40], [0], r"ids must hold distinct ids from 0 to 39\. Received: \[40\] outside"),
        ([-1], [0], "outside"),
        ([1, 1], [0, 0], "more than once"),
        ([1.0], [0], "ids must be a list of ids"),
        (["a"], [0], "ids must be a list of ids"),
        (1, 0, "ids must be a list of ids"),
        ([1, 2], [0], "labels must be 2"),
        ([1], [0.5], "Received: float64"),
        ([1], [-1], "Received: -1"),
        ([1], ["cat"], "names.index"),
        (np.ones(39, bool), [0] * 39, "mask must be 40 bools"),
    ],
)
def test_what_is_not_told(campaign, ids, labels, message):
    campaign.ask("random", n=3)
    before = _lines(campaign)
    with pytest.raises(InputError, match=message) as error:
        campaign.tell(ids, labels)
    assert "\n" not in str(error.value)
    assert _lines(campaign) == before


def test_a_pool_that_grows_at_its_end(campaign):
    ids = campaign.ask("random", images=IMAGES, n=3)
    campaign.extend(50)
    campaign.extend(50)
    assert campaign.size == 50
    more = np.concatenate([IMAGES, IMAGES[:10] + 1])
    assert campaign.ask("random", images=more, n=3).tolist() == ids.tolist()
    with pytest.raises(InputError, match=r"images must be of the 50 samples of the campaign. Received: 40. Give all"):
        campaign.ask("random", images=IMAGES, n=3)
    campaign.tell(ids, [0, 1, 2])
    with pytest.raises(InputError, match="images must be those of the rounds before"):
        campaign.ask("random", images=more[::-1], n=3)
    campaign.ask("random", images=more, n=3)
    campaign.withdraw()
    with pytest.raises(InputError, match="images must be those of the rounds before"):
        campaign.ask("random", images=np.concatenate([IMAGES, IMAGES[:10]]), n=3)  # the new ones count from then on
    with pytest.raises(InputError, match=r"Received: 60\. Where new samples stand at their end, call extend\(60\)"):
        campaign.ask("random", images=np.concatenate([more, more[:10]]), n=3)
    with pytest.raises(InputError, match=r"size must be at least 50, that of the pool. Received: 49"):
        campaign.extend(49)
    for size, message in ((60.0, "size must be a whole number"), (10**15, "size must be at most 1000000000")):
        with pytest.raises(InputError, match=message):
            campaign.extend(size)
    assert campaign.size == 50


def test_another_pool_is_refused(campaign, tmp_path):
    campaign.tell(campaign.ask("random", images=IMAGES, n=3), [0, 1, 2])
    before = _lines(campaign)
    others = [IMAGES[::-1], IMAGES.astype(np.float64), IMAGES.reshape(40, 9, 1), IMAGES + 1]
    for other in others:
        with pytest.raises(InputError, match=r"Campaign\(folder, fingerprint='\.\.\.'\)") as error:
            campaign.ask("random", images=other, n=3)
        assert "\n" not in str(error.value)
    assert _lines(campaign) == before
    # the advice works
    named = Campaign(tmp_path / "here", fingerprint="birds 2")
    with pytest.warns(UserWarning, match="images are others than in the rounds before") as said:
        ids = named.ask("random", images=others[1], n=3)
    assert [one.filename for one in said] == [__file__]
    assert named.ask("random", images=others[1], n=3).tolist() == ids.tolist()
    with pytest.raises(InputError, match=r"of the pool 'birds 2'. Received: fingerprint='birds'"):
        Campaign(tmp_path / "here", fingerprint="birds")
    assert Campaign(tmp_path / "here").pending.tolist() == ids.tolist()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"size": 39}, r"campaign of 40 samples\. Received: size=39\. Give the folder of this pool"),
        ({"size": 41}, r"open it without size and call extend\(41\)"),
        ({"seed": 4}, "campaign with seed 5. Received: seed=4"),
        ({"size": 0}, "size must be a whole number >= 1"),
        ({"size": True}, "size must be"),
        ({"size": 10**15}, r"size must be at most 1000000000"),
        ({"seed": -1}, "seed must be"),
        ({"fingerprint": ""}, "fingerprint must be a text"),
        ({"fingerprint": 3}, "fingerprint must be a text"),
    ],
)
def test_a_campaign_of_something_else(campaign, tmp_path, options, message):
    with pytest.raises(InputError, match=message):
        Campaign(tmp_path / "here", **options)
    assert Campaign(tmp_path / "here", size=40, seed=5).size == 40


def test_folders_of_others(tmp_path):
    with pytest.raises(InputError, match=r"holds no campaign yet. Give size="):
        Campaign(tmp_path / "new")
    assert not (tmp_path / "new").exists()
    for folder in ("", None, 3, b"here"):
        with pytest.raises(InputError, match=r"folder must be the path of the campaign's folder\. Received"):
            Campaign(folder, size=3)
    with pytest.raises(InputError, match="cannot write to the campaign's folder"):
        Campaign("/proc/campaign", size=3)
    for name, content, message in (
        ("recipe.json", "{}", "holds recipe.json but no campaign.json. Give the campaign another folder"),
        ("journal.jsonl", '{"tell": [1], "labels": [0]}\n', "holds journal.jsonl but no campaign.json"),
        ("campaign.json", "{", "campaign.json is damaged"),
        ("campaign.json", "{}", "is no campaign of tfal. Give the campaign another folder"),
        ("campaign.json", '{"campaign": 2}', "of a newer version of tfal. Update tfal"),
        ("campaign.json", '{"campaign": 1, "size": 3, "seed": 0}', "journal.jsonl is missing"),
    ):
        folder = tmp_path / f"{name}{len(content)}"
        folder.mkdir()
        (folder / name).write_text(content)
        with pytest.raises(InputError, match=message) as error:
            Campaign(folder, size=3)
        assert "\n" not in str(error.value)
        assert os.listdir(folder) == [name]


@pytest.mark.parametrize(
    "about", ['"size": 0, "seed": 0', '"size": 3', '"size": 3, "seed": "1"', '"size": 3, "seed": 0, "fingerprint": 7']
)
def test_a_damaged_campaign(campaign, about):
    (campaign._folder.path / "campaign.json").write_text(f'{{"campaign": 1, {about}}}')
    with pytest.raises(InputError, match=r"campaign.json is damaged .* Put it back"):
        Campaign(campaign._folder.path)


def test_a_damaged_line_stops_everything_and_says_which(campaign):
    campaign.tell(campaign.ask("random", n=3), [0, 1, 2])
    path = campaign._folder.journal.path
    first, second = path.read_text().splitlines()
    path.write_text(f"{first}\n{second.replace('0, 1, 2', '0, 1')}\n")
    message = r"line 2: damaged \(it has 3 ids and 2 labels\)\. Put back a copy of it, or mend that line by hand"
    for call in (lambda: Campaign(path.parent), lambda: campaign.labeled, lambda: campaign.tell([1], [1])):
        with pytest.raises(InputError, match=message):
            call()
    path.write_text(f"{first}\n{second}\n")
    assert len(campaign.labeled) == 3


def test_a_folder_that_can_only_be_read(campaign):
    campaign.tell(campaign.ask("random", n=3), [0, 1, 2])
    for path in [*campaign._folder.path.iterdir(), campaign._folder.path]:
        path.chmod(0o555 if path.is_dir() else 0o444)
    try:
        assert len(Campaign(campaign._folder.path).labeled) == 3
    finally:
        campaign._folder.path.chmod(0o755)


OTHER = """
import sys, numpy as np
from tfal import Campaign
campaign = Campaign(sys.argv[1])
print(campaign.pending.tolist())
campaign.tell(campaign.pending[:2], [7, None])
campaign.extend(41)
print(campaign.labels.tolist())
campaign = Campaign(sys.argv[1] + '-of-features', size=50)
for _ in range(2):
    ids = campaign.ask('probcover', features=np.random.default_rng(0).normal(size=(50, 4)), n=5)
    campaign.tell(ids, ids % 3)
print(sorted({'tensorflow', 'keras'} & sys.modules.keys()))
"""


def test_another_process_which_loads_no_tensorflow_for_features_alone(campaign):
    ids = campaign.ask("random", n=3)
    command = [sys.executable, "-c", OTHER, str(campaign._folder.path)]
    found = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert found.stdout.splitlines() == [str(ids.tolist()), "[7]", "[]"]
    assert campaign.labeled_set == (ids[:1], [7])
    assert campaign.pending.tolist() == ids[2:].tolist()
    assert campaign.size == 41


def test_threads_that_tell_at_once_lose_nothing(campaign, tmp_path):
    ids = campaign.ask("random", n=40)
    twin = Campaign(tmp_path / "here")

    def work(one, part):
        for number in part:
            one.tell([number], [number % 3])

    parts = [(campaign, ids[:10]), (campaign, ids[10:20]), (twin, ids[20:30]), (twin, ids[30:])]
    threads = [threading.Thread(target=work, args=part) for part in parts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for one in (campaign, twin, Campaign(tmp_path / "here")):
        assert one.labeled.tolist() == list(range(40))
        assert one.labels.tolist() == [number % 3 for number in range(40)]
    assert len(_lines(campaign)) == 41


def _dataset(images):
    import tensorflow as tf

    return tf.data.Dataset.from_tensor_slices(images).batch(7)


def _file(images, tmp_path):
    path = tmp_path / f"{len(list(tmp_path.iterdir()))}.npy"
    np.save(path, images.reshape(len(images), -1))
    return path


def test_data_sets_and_files_have_fingerprints_too(campaign, tmp_path):
    more = np.concatenate([IMAGES, IMAGES[:5] + 1])
    first = {"images": _dataset(IMAGES), "features": _file(IMAGES, tmp_path)}
    for number in range(2):
        for name, given in first.items():
            given = {name: given}
            campaign.tell(campaign.ask("random", **given, n=2), [number, number])
            assert json.loads(_lines(campaign)[-2])["prints"].keys() == (given.keys() if number == 0 else set())
    for given in ({"images": _dataset(IMAGES[::-1])}, {"features": _file(IMAGES[::-1], tmp_path)}):
        with pytest.raises(InputError, match="must be those of the rounds before"):
            campaign.ask("random", **given, n=2)
    campaign.extend(45)
    for given in ({"images": _dataset(more)}, {"features": _file(more, tmp_path)}):
        campaign.tell(campaign.ask("random", **given, n=2), [0, 0])


def test_features_may_change_where_the_pool_has_a_name(tmp_path):
    rng = np.random.default_rng(1)
    folder = tmp_path / "named"
    Campaign(folder, size=60, fingerprint="birds")
    for number in range(3):
        campaign = Campaign(folder)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            ids = campaign.ask("typiclust", features=rng.normal(size=(60, 4)), n=3)
        campaign.tell(ids, [0, 1, 2])
        assert json.loads(_lines(campaign)[-2])["prints"].keys() == {"features"}, number


def test_what_the_model_cannot_have_learned_is_refused(campaign):
    logits = np.random.default_rng(0).normal(size=(40, 3)).astype(np.float32)
    model = {"classifier": {"logits": logits}}
    ids = campaign.ask("margin", model, n=3)
    assert ids.tolist() == query("margin", model, None, 3, seed=5).tolist()
    campaign.tell(ids, [0, 3, 2])
    with pytest.raises(
        InputError, match=r"labels must be from 0 to 2, the model's classes\. Told: \[3\] of ids"
    ) as error:
        campaign.ask("margin", model, n=3)
    assert "\n" not in str(error.value)
    campaign.tell(ids[1:2], [None])
    assert len(campaign.ask("margin", model, n=3)) == 3


def test_two_that_ask_at_once_get_one_batch(campaign, tmp_path):
    found, start = [], threading.Barrier(4)

    def work(one):
        start.wait()
        found.append(one.ask("random", n=6).tolist())

    threads = [threading.Thread(target=work, args=(Campaign(tmp_path / "here"),)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [campaign.pending.tolist()] * 4
    assert len(campaign.rounds) == 1


def test_the_last_line_may_be_taken_back_by_hand(campaign):
    campaign.extend(400)
    path = campaign._folder.journal.path
    path.write_text("")
    assert campaign.size == 40
    campaign.tell(campaign.ask("random", n=3), [0, 1, 2])
    lines = path.read_text().splitlines()
    path.write_text("\n".join(lines))  # an editor that ends no line
    assert len(Campaign(path.parent).labeled) == 0  # it counts once somebody writes
    campaign.tell(campaign.rounds[0].ids[:1], [5])
    assert campaign.labels[np.searchsorted(campaign.labeled, campaign.rounds[0].ids)].tolist() == [5, 1, 2]
    assert len(path.read_text().splitlines()) == 3
