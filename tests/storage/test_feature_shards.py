"""Features that several processes read, a shard each: the bytes of one process, stops, two at once, what is missing."""

import itertools
import json
import os
import signal
from pathlib import Path

import numpy as np
import pytest
from filelock import FileLock, Timeout

from tests.storage.test_feature_store import BATCH, IDENTITY, N, Pixels, contents, flat, make
from tfal.errors import InputError
from tfal.storage import feature_store
from tfal.storage.feature_files import Shard
from tfal.storage.feature_store import FeatureStore


@pytest.fixture(autouse=True)
def _small_blocks(monkeypatch):
    monkeypatch.setattr(feature_store, "BLOCK", 10)  # 11 blocks of one batch, the last one of 3 rows


@pytest.fixture
def source(digits):
    return Pixels(digits.x_train)


@pytest.fixture
def whole(source, tmp_path):
    """What one process gives."""
    make(tmp_path / "whole", source)
    return contents(tmp_path / "whole")


def shard(folder, source, number, of, identity=IDENTITY, read=flat, **options):
    """Reads a shard; returns its rows, and the numbers of those that are missing."""
    store = FeatureStore(folder, identity, shard=Shard(number, of))
    return store.open_or_make(source, read, options.pop("ids", N), BATCH, **options), store.missing


@pytest.mark.parametrize(("n", "block", "of"), [(103, 10, 1), (103, 10, 3), (103, 10, 7), (103, 10, 20), (5, 10, 2)])
def test_shards_are_whole_blocks_that_follow_one_another(n, block, of):
    parts = [Shard(number, of).rows(n, block) for number in range(1, of + 1)]
    assert [row for part in parts for row in part] == list(range(n))
    assert all(part.start % block == 0 or part.start == n for part in parts)
    sizes = [-(-len(part) // block) for part in parts]
    assert max(sizes) - min(sizes) <= 1


@pytest.mark.parametrize("order", [1, -1])
@pytest.mark.parametrize("of", [1, 2, 3, 7, 20])
def test_the_bytes_are_those_of_one_process(of, order, source, whole, tmp_path):
    source.read_ids.clear()
    numbers = list(range(1, of + 1))[::order]
    rows = {number: Shard(number, of).rows(N, 10) for number in numbers}
    for place, number in enumerate(numbers):
        found, missing = shard(tmp_path / "parts", source, number, of)
        assert missing == sorted(left for left in numbers[place + 1 :] if rows[left])
        if rows[number]:
            np.testing.assert_array_equal(found, np.load(tmp_path / "whole" / "features.npy")[rows[number]])
    assert contents(tmp_path / "parts") == whole
    assert sorted(source.read_ids) == list(range(N))
    assert not list((tmp_path / "parts").glob("shard-*"))
    make(tmp_path / "parts", source, lambda batch: pytest.fail("read again"))


def test_raw_rows_and_any_ids(source, tmp_path):
    ids, identity = np.arange(N)[::-1].copy(), IDENTITY | {"rows": "raw"}
    expected = make(tmp_path / "whole", source, ids=ids, identity=identity, dtype="float32")
    for number in (2, 1):
        shard(tmp_path / "parts", source, number, 2, identity, ids=ids, dtype="float32")
    assert contents(tmp_path / "parts") == contents(tmp_path / "whole")
    np.testing.assert_array_equal(expected, flat(source.array[ids]))


def test_progress_is_that_of_the_shard(source, tmp_path):
    seen = []
    shard(tmp_path, source, 2, 3, on_block=lambda done, total: seen.append((done, total)))
    assert seen == [(10, 40), (20, 40), (30, 40), (40, 40)]


CHILD = """
import os, signal, sys
from tests.storage.test_feature_shards import *
folder, number, of, event, left = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4], int(sys.argv[5])
feature_store.BLOCK = 10

def die(what):
    global left
    left -= what == event
    if left == 0:
        os.kill(os.getpid(), signal.SIGKILL)

replace, create = os.replace, feature_store.FeatureFiles.create

def watched(source, target):
    name = os.path.basename(target)
    die("before " + name)
    replace(source, target)
    die("after " + name)

def created(*args):
    create(*args)
    die("created")

os.replace, feature_store.FeatureFiles.create = watched, created
from tfal.data import load
shard(folder, Pixels(load("digits").x_train), number, of, read=lambda batch: (die("reading"), flat(batch))[1])
"""


def test_killed_at_any_moment_and_gone_on_with(source, whole, tmp_path, nursery):
    """In one folder, each time a little further; the last one dies between the end of all and the end of its notes."""
    killed = tmp_path / "killed"
    moments = [
        (2, "reading", 1),
        (2, "before store.json", 1),
        (2, "after store.json", 1),  # that the store is there, without a table
        (2, "created", 1),
        (2, "before store.json", 2),
        (2, "after store.json", 2),  # that shards read it
        (3, "reading", 2),
        (2, "after shard-2-of-3.json", 1),
        (2, "reading", 3),
        (1, "before shard-1-of-3.json", 3),
        (1, "reading", 1),
    ]
    for number, event, count in moments:
        ended = nursery.run(tmp_path / "output", "-c", CHILD, str(killed), f"{number}", "3", event, f"{count}")
        assert ended.code == -signal.SIGKILL, (event, ended.err)
    assert json.loads((killed / "store.json").read_text())["n_shard"] == 3
    assert shard(killed, source, 2, 3)[1] == [1, 3]
    assert shard(killed, source, 1, 3)[1] == [3]
    ended = nursery.run(tmp_path / "output", "-c", CHILD, str(killed), "3", "3", "before store.json", "1")
    assert ended.code == -signal.SIGKILL, ended.err
    source.read_ids.clear()
    make(killed, source)
    assert not source.read_ids  # all was there but the last word
    assert contents(killed) == whole
    assert sorted(path.name for path in killed.iterdir() if path.name[0] != ".") == ["features.npy", "store.json"]


def test_one_process_reads_what_others_left(source, whole, tmp_path, monkeypatch):
    said = []
    monkeypatch.setattr(feature_store.LOGGER, "warning", lambda text, *args: said.append(text % args))
    shard(tmp_path / "parts", source, 2, 4)
    source.read_ids.clear()
    make(tmp_path / "parts", source)
    assert [" ".join(line.split()[:6]) for line in said] == [f"features of shard {number} of 4" for number in (1, 3, 4)]
    assert not set(source.read_ids) & set(Shard(2, 4).rows(N, 10))
    assert contents(tmp_path / "parts") == whole


def test_shards_go_on_where_one_process_was_stopped(source, whole, tmp_path):
    def stop(done, total):
        if done == 60:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        make(tmp_path / "parts", source, on_block=stop)
    source.read_ids.clear()
    assert shard(tmp_path / "parts", source, 1, 2)[1] == [2]  # rows 0 to 49
    assert source.read_ids == []
    assert shard(tmp_path / "parts", source, 2, 2)[1] == []
    assert source.read_ids == list(range(60, N))
    assert contents(tmp_path / "parts") == whole


def test_two_processes_with_one_shard(source, whole, tmp_path, monkeypatch):
    """The second waits, and finds the work of the first."""
    folder, locked = tmp_path / "parts", feature_store.FeatureFiles.shard_locked

    def is_held(done, total):
        with pytest.raises(Timeout):
            FileLock(folder / ".shard-1-of-2.lock", timeout=0).acquire()
        FileLock(folder / ".lock", timeout=0).acquire().lock.release()  # other shards can work

    def wait(files, of):
        monkeypatch.setattr(feature_store.FeatureFiles, "shard_locked", locked)
        shard(folder, source, 1, 2, on_block=is_held)
        return locked(files, of)

    monkeypatch.setattr(feature_store.FeatureFiles, "shard_locked", wait)
    shard(folder, source, 1, 2, read=lambda batch: pytest.fail("read twice"))
    shard(folder, source, 2, 2)
    assert contents(folder) == whole


def test_shards_that_take_turns_write_between_each_other(source, whole, tmp_path, monkeypatch):
    """Each block of a shard is followed by one of every other, as with processes that work at the same time."""
    folder, running = tmp_path / "parts", []

    def turn(done, total):
        if len(running) < 3:
            running.append(1)
            shard(folder, source, len(running) + 1, 4, on_block=turn)

    shard(folder, source, 1, 4, on_block=turn)
    assert contents(folder) == whole


TOGETHER = """
import os, signal, sys
from tests.storage.test_feature_shards import *
from tfal.data import load
feature_store.BLOCK, source = 10, Pixels(load("digits").x_train)

def fork(number, reads):
    pid = os.fork()
    if pid:
        return pid
    def read(batch):
        nonlocal reads
        reads -= 1
        if not reads:
            os.kill(os.getpid(), signal.SIGKILL)
        return flat(batch)
    shard(sys.argv[1], source, number, 4, read=read)
    os._exit(0)

for reads in (2, 3, 0):  # killed while the second and the third block are read, then to the end; one of them twice
    pids = [fork(number, reads) for number in (1, 2, 3, 4, 4)]
    print([os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in pids])
"""


def test_processes_at_the_same_time_that_are_killed_and_started_again(whole, tmp_path, nursery):
    ended = nursery.run(tmp_path / "output", "-c", TOGETHER, str(tmp_path / "parts"))
    assert ended.code == 0, ended.err
    *_, last = ended.out.splitlines()
    assert last == "[0, 0, 0, 0, 0]", ended.out + ended.err
    assert contents(tmp_path / "parts") == whole


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"identity": IDENTITY | {"weights": "w2"}}, r"weights: 'w1' there, 'w2' here\)"),
        ({"identity": IDENTITY | {"data": "d2"}}, r"data: 'd1' there, 'd2' here\)"),
        ({"ids": N - 1}, r"ids: '\w+' there, '\w+' here; n_images: 103 there, 102 here\)"),
    ],
)
def test_a_shard_of_something_else_is_refused(change, message, source, tmp_path):
    shard(tmp_path, source, 1, 2)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.name[0] != "."}
    with pytest.raises(InputError, match=rf"holds features of something else \({message}\. Remove the folder"):
        shard(tmp_path, source, 2, 2, **change)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.name[0] != "."} == before


def test_a_shard_of_something_else_that_began_before_the_first_note(source, tmp_path):
    """Both find an empty folder; the second one to write is refused."""
    other = IDENTITY | {"weights": "w2"}

    def read(batch):
        if not (tmp_path / "store.json").exists():
            shard(tmp_path, source, 2, 2, other)
        return flat(batch)

    with pytest.raises(InputError, match="weights: 'w2' there, 'w1' here"):
        shard(tmp_path, source, 1, 2, read=read)


def test_another_number_of_shards_is_refused_and_the_advice_works(source, whole, tmp_path):
    folder = tmp_path / "parts"
    shard(folder, source, 2, 3)
    with pytest.raises(InputError, match=r"is being read in 3 shards\. Received: 4\. Give --nShard 3, or leave"):
        shard(folder, source, 1, 4)
    shard(folder, source, 1, 3)
    make(folder, source)
    assert contents(folder) == whole
    shard(folder, source, 1, 4, read=lambda batch: pytest.fail("read again"))  # all is there


def test_damaged_files_are_refused(source, tmp_path):
    shard(tmp_path, source, 1, 2)
    note, table = tmp_path / "shard-1-of-2.json", tmp_path / "features.npy"
    for text in ("{", "{}", '{"done": -1}', '{"done": 51}', '{"done": true}', '{"done": 1.5}'):
        note.write_text(text)
        with pytest.raises(InputError, match=r"shard-1-of-2\.json is damaged .* Remove the folder"):
            shard(tmp_path, source, 1, 2)
    note.write_text('{"done": 20}')
    table.write_bytes(table.read_bytes()[:-2])
    for number in (1, 2):
        with pytest.raises(InputError, match=r"features\.npy (is missing or damaged|must hold \(103, 64\) float16)"):
            shard(tmp_path, source, number, 2)


def test_notes_of_a_store_that_was_removed_mean_nothing(source, whole, tmp_path):
    folder = tmp_path / "parts"
    shard(folder, source, 1, 2)
    for name in ("store.json", "features.npy"):
        (folder / name).unlink()
    for number in (2, 1):
        shard(folder, source, number, 2)
    assert contents(folder) == whole


def test_features_that_are_no_numbers_and_of_another_shape(source, tmp_path):
    with pytest.raises(InputError, match="NaN or infinity for id 50"):
        shard(tmp_path / "a", source, 2, 2, read=lambda batch: flat(batch) * np.nan)
    assert not list((tmp_path / "a").glob("*.npy"))
    shard(tmp_path / "b", source, 1, 2)
    with pytest.raises(InputError, match=r"must hold \(103, 60\) float16\. Received: \(103, 64\)"):
        shard(tmp_path / "b", source, 2, 2, read=lambda batch: flat(batch)[:, :60])
    short = Pixels(source.array)
    short.batches = lambda ids, batch_size: itertools.islice(source.batches(ids, batch_size), 2)
    with pytest.raises(InputError, match=r"one row for each of 50 images\. Received: 20 rows"):
        shard(tmp_path / "c", short, 1, 2)


def test_files_are_written_without_being_read(source, tmp_path, monkeypatch):
    """What neighbors write on other machines is never in the memory of this one, so it cannot be sent back."""
    opened = []
    real = os.open

    def watched(path, flags, *mode, **options):
        if Path(path).name == "features.npy":
            opened.append(flags)
        return real(path, flags, *mode, **options)

    monkeypatch.setattr("os.open", watched)
    shard(tmp_path, source, 1, 2)
    assert len(opened) == 5
    assert all(flags & os.O_ACCMODE == os.O_WRONLY and flags & os.O_DSYNC for flags in opened)
