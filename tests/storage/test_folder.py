"""A folder that tells what it was made with: its json file, its lock, its network, and what another try left."""

import json
from pathlib import Path

import pytest

from tfal.errors import InputError
from tfal.files import read_json
from tfal.storage.folder import Folder, differing, digest_of, held, network_differences


@pytest.fixture
def folder(tmp_path):
    return Folder(tmp_path / "made", "about.json", ["table.csv", "more.npy"], "Mend it.")


def read(path):
    return read_json(path, "Remove it.")


def test_what_is_written_is_stored_in_a_form_for_eyes(folder):
    assert folder.stored(read) is None
    folder.path.mkdir()
    folder.write({"b": 1, "a": [0.5, "x"]})
    assert folder.about.read_text() == '{\n  "b": 1,\n  "a": [\n    0.5,\n    "x"\n  ]\n}\n'
    assert folder.stored(read) == {"b": 1, "a": [0.5, "x"]}


@pytest.mark.parametrize("name", ["table.csv", "more.npy"])
def test_results_that_nothing_tells_about_are_foreign(folder, name):
    folder.path.mkdir()
    (folder.path / "other.txt").touch()
    assert folder.stored(read) is None
    (folder.path / name).touch()
    with pytest.raises(InputError, match=rf"made holds {name} but no about\.json\. Mend it\.$"):
        folder.stored(read)


def test_what_another_process_makes_meanwhile_is_not_foreign(folder, monkeypatch):
    """It begins between the look for the json file and that for the others."""
    exists, path = Path.exists, folder.path

    def meanwhile(asked):
        found = exists(asked)
        if asked == folder.about and not path.exists():
            path.mkdir()
            folder.write({"a": 1})
            (path / "table.csv").touch()
        return found

    monkeypatch.setattr(Path, "exists", meanwhile)
    assert folder.stored(read) == {"a": 1}


def test_a_damaged_file_counts_only_where_something_belongs_to_it(folder):
    folder.path.mkdir()
    folder.about.write_text("{")
    assert folder.stored(read, committed=False) is None
    with pytest.raises(InputError, match=r"about\.json is damaged .* Remove it\.$"):
        folder.stored(read, committed=True)


def test_one_at_a_time_and_leftovers_go(folder, tmp_path):
    left = [tmp_path / place / ".a.txt.0123abcd.part" for place in ("made", "beside", "elsewhere")]
    for part in left:
        part.parent.mkdir()
        part.touch()
    with folder.locked([tmp_path / "beside", tmp_path / "not there"]):
        assert [part.exists() for part in left] == [False, False, True]
        busy = r"another process works in .*made\. Wait for it to end, or give another --resultsDir\.$"
        with pytest.raises(InputError, match=busy), Folder(folder.path, "about.json", []).locked():
            pass
    with folder.locked(wait=True), held(tmp_path / "other.lock", [tmp_path / "elsewhere"]):
        assert not left[2].exists()


def test_a_network_is_held_against_that_of_the_results(folder):
    assert not folder.has_other_network(["Dense 3", "outputs"])  # before it is known which one works here
    with pytest.raises(InputError, match=r"layer 1 of the network: Dense 4 there, Dense 3 here\)\. Use the same"):
        folder.check_network(["Input", "Dense 4"], ["Input", "Dense 3"])
    assert folder.network == []
    for there in (None, [], ["Input", "Dense 3"]):
        folder.check_network(there, ["Input", "Dense 3"])
        assert not folder.has_other_network(there)
    assert folder.network == ["Input", "Dense 3"]
    assert folder.has_other_network(["Input"])
    assert network_differences(["Input"], folder.network) == ["layer 1 of the network: none there, Dense 3 here"]


def test_only_what_the_patterns_name_is_discarded(folder):
    kept, gone = ("about.json", "memory/a.txt", "b_1.npy"), ("pool.npz", "memory/a.npz", "a_1.npy", "a_2.npy")
    (folder.path / "memory").mkdir(parents=True)
    for name in kept + gone:
        (folder.path / name).touch()
    folder.discard(["pool.npz", "memory/*.npz", "a_*.npy", "nothing/*"])
    found = {str(path.relative_to(folder.path)) for path in folder.path.rglob("*") if path.is_file()}
    assert found == set(kept)


def test_differences_name_both_sides_and_what_is_missing():
    assert differing({"b": 1, "a": "x", "c": None}, {"a": "y", "b": 1.0}) == ["a: 'x' there, 'y' here"]
    assert differing({}, {"b": 2, "a": [1]}) == ["a: None there, [1] here", "b: None there, 2 here"]


def test_a_digest_does_not_depend_on_the_order_of_keys():
    text = json.dumps({"a": 1, "b": [2]}, sort_keys=True)
    assert digest_of({"b": [2], "a": 1}) == digest_of({"a": 1, "b": [2]}) == digest_of(text.encode())
    assert digest_of({"a": 1, "b": [3]}) != digest_of(text.encode())
    assert digest_of(b"") == "e4a6a0577479b2b4"  # BLAKE2b of nothing, 8 bytes
