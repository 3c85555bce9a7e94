"""The feature store on digits: unit rows, one pass, the same bytes after a stop at any moment, nothing stale."""

import errno
import json
import os
import signal
import subprocess
import sys

import numpy as np
import pytest
from filelock import FileLock, Timeout

from tests.conftest import ROOT
from tfal.errors import InputError, StorageError
from tfal.storage import feature_store
from tfal.storage.feature_store import FeatureStore, normalized

N, BATCH = 103, 10
IDENTITY = {"data": "d1", "weights": "w1", "transform": "unit", "output": "features"}


class Pixels:
    """Images by id, without TensorFlow; counts the batches that were asked for."""

    def __init__(self, array):
        self.array, self.read_ids = array, []

    def batches(self, ids, batch_size):
        for start in range(0, len(ids), batch_size):
            self.read_ids += list(ids[start : start + batch_size])
            yield self.array[ids[start : start + batch_size]]


def flat(batch):
    return batch.reshape(len(batch), -1).astype(np.float32)


@pytest.fixture(autouse=True)
def _small_blocks(monkeypatch):
    monkeypatch.setattr(feature_store, "BLOCK", 25)  # 30 rows: whole batches


@pytest.fixture
def source(digits):
    return Pixels(digits.x_train)


def make(folder, source, read=flat, ids=N, batch_size=BATCH, identity=IDENTITY, **options):
    return FeatureStore(folder, identity).open_or_make(source, read, ids, batch_size, **options)


def contents(folder):
    return {name: (folder / name).read_bytes() for name in ("features.npy", "store.json")}


@pytest.mark.parametrize(("dtype", "atol"), [("float16", 1e-3), ("float32", 1e-6)])
def test_unit_rows_in_the_order_of_the_ids(dtype, atol, source, tmp_path):
    ids = np.array([5, 3, 3, 1000, 0])
    found = make(tmp_path / "new" / "store", source, ids=ids, batch_size=2, dtype=dtype)
    assert isinstance(found, np.memmap)
    assert found.dtype == dtype
    assert not found.flags.writeable
    rows = flat(source.array[ids])
    np.testing.assert_allclose(found, rows / np.linalg.norm(rows, axis=1, keepdims=True), atol=atol)
    np.testing.assert_array_equal(np.load(tmp_path / "new" / "store" / "features.npy"), found)


def test_normalised_by_hand():
    found = normalized(np.array([[3, 4], [0, 0], [-2, 0]], np.float32))
    np.testing.assert_allclose(found, [[0.6, 0.8], [0, 0], [-1, 0]])


def test_a_row_of_zeros_stays_zero(source, tmp_path):
    found = make(tmp_path, source, lambda batch: flat(batch) * (np.arange(len(batch)) != 2)[:, None], ids=5)
    assert not found[2].any()
    np.testing.assert_allclose(np.linalg.norm(np.float64(found[[0, 1, 3, 4]]), axis=1), 1, atol=1e-3)


def test_tensors_are_read_too(digits, tmp_path):
    import tensorflow as tf

    from tfal.data.images import Images

    found = make(tmp_path, Images(digits.x_train), lambda batch: tf.reshape(batch, [-1, 64]))
    np.testing.assert_array_equal(found, make(tmp_path / "plain", Pixels(digits.x_train / 255)))


def test_read_once_and_progress(source, tmp_path):
    seen = []
    first = make(tmp_path, source, on_block=lambda done, total: seen.append((done, total)))
    assert seen == [(30, N), (60, N), (90, N), (103, N)]
    assert source.read_ids == list(range(N))
    again = make(tmp_path, source, lambda batch: pytest.fail("read again"), on_block=lambda *_: pytest.fail("reported"))
    np.testing.assert_array_equal(first, again)
    assert source.read_ids == list(range(N))


def test_stopped_and_continued(source, tmp_path):
    make(tmp_path / "whole", source)

    def stop(done, total):
        if done == 60:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        make(tmp_path / "parts", source, on_block=stop)
    source.read_ids.clear()
    seen = []
    make(tmp_path / "parts", source, on_block=lambda done, total: seen.append(done))
    assert seen == [60, 90, 103]
    assert source.read_ids == list(range(60, N))
    assert contents(tmp_path / "parts") == contents(tmp_path / "whole")


CHILD = """
import os, signal, sys
from pathlib import Path
from tests.storage.test_feature_store import BATCH, IDENTITY, N, Pixels, flat
from tfal.storage import feature_store
from tfal.data import load
folder, event, left = sys.argv[1], sys.argv[2], int(sys.argv[3])
feature_store.BLOCK = 25

def die():
    global left
    left -= 1
    if left == 0:
        os.kill(os.getpid(), signal.SIGKILL)

replace = os.replace

def killed_replace(source, target):
    if event == "before the rename":
        die()
    replace(source, target)
    if event == "after the rename":
        die()

def killed_read(batch):
    if event == "reading":
        die()
    return flat(batch)

os.replace = killed_replace
store = feature_store.FeatureStore(folder, IDENTITY)
store.open_or_make(Pixels(load("digits").x_train), killed_read, N, BATCH)
"""


def test_killed_at_any_moment_and_continued_gives_the_same_bytes(source, tmp_path, nursery):
    """In one folder, each time a little further: before anything, at the start, in the second and in the last block."""
    make(tmp_path / "whole", source)
    killed = tmp_path / "killed"
    moments = [
        ("reading", 1, None),
        ("before the rename", 1, None),
        ("after the rename", 1, 0),  # the json says 0 rows, features.npy is not there yet
        ("reading", 2, 0),
        ("before the rename", 2, 0),
        ("after the rename", 2, 30),  # the start and one block
        ("reading", 2, 30),
        ("before the rename", 2, 60),
        ("after the rename", 2, 103),
    ]
    for event, count, done in moments:
        ended = nursery.run(tmp_path / "output", "-c", CHILD, str(killed), event, str(count))
        assert ended.code == -signal.SIGKILL, ended.err
        path = killed / "store.json"
        assert (json.loads(path.read_text())["done"] if path.exists() else None) == done
    assert contents(killed) == contents(tmp_path / "whole")  # the last one died behind the last note
    make(killed, source)
    assert contents(killed) == contents(tmp_path / "whole")


def test_killed_and_continued_by_another_process_leaves_nothing_behind(source, tmp_path, nursery):
    folder = tmp_path / "store"
    ended = nursery.run(tmp_path, "-c", CHILD, str(folder), "before the rename", "3")
    assert ended.code == -signal.SIGKILL, ended.err
    assert len(list(folder.glob(".store.json.*"))) == 1
    make(folder, source)
    assert sorted(path.name for path in folder.iterdir() if path.name != ".lock") == ["features.npy", "store.json"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"identity": IDENTITY | {"weights": "w2"}}, r"weights: 'w1' there, 'w2' here\)"),
        ({"identity": IDENTITY | {"data": "d2"}}, r"data: 'd1' there, 'd2' here\)"),
        ({"identity": IDENTITY | {"transform": "code"}}, r"transform: 'unit' there, 'code' here\)"),
        ({"identity": IDENTITY | {"output": "projection"}}, r"output: 'features' there, 'projection' here\)"),
        ({"identity": IDENTITY | {"new": 1}}, r"new: None there, 1 here\)"),
        ({"ids": N - 1}, r"ids: '\w+' there, '\w+' here; n_images: 103 there, 102 here\)"),
        ({"ids": np.arange(N)[::-1]}, r"ids: '\w+' there, '\w+' here\)"),
        ({"dtype": "float32"}, r"dtype: 'float16' there, 'float32' here\)"),
        ({"batch_size": 7}, r"batch_size: 10 there, 7 here\)"),
    ],
)
def test_stale_features_are_refused(change, message, source, tmp_path):
    make(tmp_path, source)
    before = contents(tmp_path)
    with pytest.raises(InputError, match=rf"holds features of something else \({message}\. Remove the folder"):
        make(tmp_path, source, **change)
    assert contents(tmp_path) == before


def test_foreign_files_are_refused(source, tmp_path):
    np.save(tmp_path / "features.npy", np.zeros(3))
    with pytest.raises(InputError, match=r"holds features\.npy but no store\.json"):
        make(tmp_path, source)
    for text in ("{", "{}", "[]", '{"depends": 1, "dim": 2, "done": 3}'):
        (tmp_path / "store.json").write_text(text)
        with pytest.raises(InputError, match=r"store\.json is damaged .* Remove the folder"):
            make(tmp_path, source)
    np.testing.assert_array_equal(np.load(tmp_path / "features.npy"), np.zeros(3))


@pytest.mark.parametrize("finished", [True, False])
def test_a_table_of_another_size_is_refused(finished, source, tmp_path):
    make(tmp_path, source)
    table, state = tmp_path / "features.npy", tmp_path / "store.json"
    if not finished:
        state.write_text(json.dumps(json.loads(state.read_text()) | {"done": 30}))
    content = table.read_bytes()
    for wrong in (content[:-2], content + b"00", content[:40], b""):
        table.write_bytes(wrong)
        with pytest.raises(InputError, match=r"features\.npy (is missing or damaged|must hold \(103, 64\) float16)"):
            make(tmp_path, source)
    np.save(table, np.zeros((N, 63), np.float16))
    with pytest.raises(InputError, match=r"must hold \(103, 64\) float16\. Received: \(103, 63\) float16, \d+ bytes"):
        make(tmp_path, source)
    table.unlink()
    with pytest.raises(InputError, match="is missing or damaged"):
        make(tmp_path, source)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize(("row", "done"), [(7, None), (47, 30), (102, 90)])
def test_features_that_are_no_numbers(value, row, done, source, tmp_path):
    ids = np.arange(N)[::-1].copy()

    def read(batch):
        found = flat(batch)
        found[(batch == source.array[ids[row]]).all(axis=(1, 2, 3)), 5] = value
        return found

    folder = tmp_path / "store"
    with pytest.raises(InputError, match=rf"NaN or infinity for id {ids[row]}\. Look at this image"):
        make(folder, source, read, ids=ids)
    state = folder / "store.json"
    assert (json.loads(state.read_text())["done"] if state.exists() else None) == done
    assert (folder / "features.npy").exists() == (done is not None)
    make(folder, source, ids=ids)
    make(tmp_path / "whole", source, ids=ids)
    assert contents(folder) == contents(tmp_path / "whole")


@pytest.mark.parametrize(
    ("read", "message"),
    [
        (lambda batch: batch, r"must be of shape \(B, d\)\. Received: \(10, 8, 8, 1\)"),
        (lambda batch: flat(batch)[:, :0], r"must be of shape \(B, d\)\. Received: \(10, 0\)"),
        (lambda batch: flat(batch)[1:], r"must be of shape \(10, 64\)\. Received: \(9, 64\)"),
        (lambda batch: flat(batch)[:, : 60 + len(batch) % 10], r"must be of shape \(3, 60\)\. Received: \(3, 63\)"),
    ],
)
def test_features_of_another_shape(read, message, source, tmp_path):
    with pytest.raises(InputError, match=message):
        make(tmp_path, source, read)


def test_the_dimension_that_was_promised(source, tmp_path):
    with pytest.raises(InputError, match=r"must be of shape \(10, 512\)\. Received: \(10, 64\)"):
        make(tmp_path, source, identity=IDENTITY | {"dim": 512})
    assert not (tmp_path / "features.npy").exists()


def test_a_source_that_ends_early(source, tmp_path):
    short = Pixels(source.array)
    short.batches = lambda ids, batch_size: source.batches(ids[:20], batch_size)
    with pytest.raises(InputError, match=r"one row for each of 103 images\. Received: 20 rows"):
        make(tmp_path, short)


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ({"ids": 0}, r"ids must be whole numbers of shape \(n,\), at least one"),
        ({"ids": np.zeros((2, 2), int)}, r"Received: int64 of shape \(2, 2\)"),
        ({"ids": np.array([0.5])}, "Received: float64"),
        ({"batch_size": 0}, "batch_size must be a whole number >= 1. Received: 0"),
        ({"dtype": "bfloat16"}, "dtype must be one of float16, float32. Received: 'bfloat16'"),
    ],
)
def test_odd_options_are_refused_before_anything_is_written(option, message, source, tmp_path):
    with pytest.raises(InputError, match=message):
        make(tmp_path / "store", source, **option)
    assert not (tmp_path / "store").exists()


def test_room_on_the_disk_is_taken_before_anything_is_read_into_it(source, tmp_path, monkeypatch):
    def full(*args):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(os, "posix_fallocate", full)
        with pytest.raises(StorageError, match=r"features\.npy: No space left on device\. Free some space"):
            make(tmp_path, source)
    assert np.array_equal(make(tmp_path, source), make(tmp_path / "other", source))


def test_a_second_writer_waits(source, tmp_path):
    def other(done, total):
        with pytest.raises(Timeout):
            FileLock(tmp_path / ".lock", timeout=0).acquire()

    make(tmp_path, source, on_block=other)
    FileLock(tmp_path / ".lock", timeout=0).acquire().lock.release()


def test_what_another_writer_finished_is_taken(source, tmp_path, monkeypatch):
    """The first one finishes while the second one waits for the lock."""
    locked = feature_store.FeatureFiles.locked
    waited = []

    def wait(files):
        if not waited:
            waited.append(True)
            make(tmp_path, source)
        return locked(files)

    monkeypatch.setattr(feature_store.FeatureFiles, "locked", wait)
    found = make(tmp_path, source, lambda batch: pytest.fail("read twice"))
    assert found.shape == (N, 64)


def test_the_default_folder_follows_from_all_that_counts(source, tmp_path):
    for identity, dtype in ((IDENTITY, "float16"), (IDENTITY, "float32"), (IDENTITY | {"weights": "w2"}, "float16")):
        store = FeatureStore(None, identity, results_dir=tmp_path)
        store.open_or_make(source, flat, N, BATCH, dtype)
        store.open_or_make(source, lambda batch: pytest.fail("read again"), N, BATCH, dtype)
    assert len(list((tmp_path / "features").iterdir())) == 3


def test_neither_tensorflow_nor_torch_is_needed():
    code = "import tfal.storage.feature_store, tfal.convert_torch, sys; print([m for m in BAD if m in sys.modules])"
    code = code.replace("BAD", "('tensorflow', 'keras', 'torch')")
    found = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
