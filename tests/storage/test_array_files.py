"""Files that are anything but what their name says: one line each, no memory asked for, nothing unpickled."""

import io
import os
import struct
import zipfile

import numpy as np
import pytest

from tfal.errors import InputError
from tfal.pool import Pool
from tfal.storage.array_files import ArrayFileError, map_array, read_array, read_arrays, read_ids
from tfal.storage.checkpoint import EncoderFile
from tfal.storage.index_files import read_pool_ids
from tfal.storage.runfolder import read_memory
from tfal.strategies.ranking import ranked_ids


def _npy(shape="(3,)", descr="'<f8'", values=b"\0" * 24):
    text = f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}, }}"
    head = text.encode() + b" " * (-(len(text) + 11) % 64) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(head)) + head + values


def _saved(array, save=np.save, **options):
    content = io.BytesIO()
    save(content, array, **options)
    return content.getvalue()


def _zip(content, name="a.npy", encrypted=False, claims=None, method=zipfile.ZIP_DEFLATED):
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", method) as file:
        file.writestr(name, content)
    data = bytearray(archive.getvalue())
    local, central = data.index(b"PK\x03\x04"), data.index(b"PK\x01\x02")
    if encrypted:
        data[local + 6] |= 1
        data[central + 8] |= 1
    if claims:
        data[local + 22 : local + 26] = data[central + 24 : central + 28] = struct.pack("<I", claims)
    return bytes(data)


WHOLE = _saved(np.arange(1000.0))
NPY = {
    "text": b"hello",
    "empty": b"",
    "magic alone": b"\x93NUMPY",
    "cut header": WHOLE[:40],
    "cut values": WHOLE[:-1],
    "40 TB": _npy("(5000000000000,)"),
    "a shape that overflows": _npy("(4294967296, 4294967296, 4294967296)"),
    "a negative side": _npy("(-1,)"),
    "a side that is no number": _npy("('x',)"),
    "a header that is no dict": _npy()[:10] + b"[1, 2]".ljust(len(_npy()) - 34) + b"\0" * 24,
    "a long header": b"\x93NUMPY\x02\x00" + struct.pack("<I", 2**31) + b"{" * 20_000,
    "deep nesting": _npy("(" * 900 + ")" * 900),
    "a kind that is none": _npy(descr="'<q9'"),
    "objects": _saved(np.array([{}], dtype=object), allow_pickle=True),
    "a pickle": b"\x80\x04\x95\x05\x00\x00\x00\x00\x00\x00\x00K\x01.",
    "a zip": _zip(WHOLE),
    "version 9": b"\x93NUMPY\x09\x00" + _npy()[8:],
}
NPZ = {
    "text": b"hello",
    "empty": b"",
    "an npy": WHOLE,
    "cut": _zip(WHOLE)[:-30],
    "encrypted": _zip(WHOLE, encrypted=True),
    "damaged values": _zip(WHOLE, method=zipfile.ZIP_STORED).replace(WHOLE[200:300], b"\1" * 100),
    "a member of 40 TB": _zip(_npy("(5000000000000,)")),
    "a member that claims 4 GB": _zip(WHOLE, claims=2**32 - 2),
    "a member that is text": _zip(b"hello"),
    "a member of objects": _zip(_saved(np.array([{}], dtype=object), allow_pickle=True)),
    "another compression": _zip(WHOLE, method=zipfile.ZIP_LZMA),
}


@pytest.mark.parametrize("name", NPY)
def test_what_is_no_npy_is_refused_in_one_line(name, tmp_path):
    path = tmp_path / "a.npy"
    path.write_bytes(NPY[name])
    for read in (read_array, map_array, read_ids, lambda path, mend: read_pool_ids(path, np.arange(3))):
        with pytest.raises(ArrayFileError, match=r"a\.npy is damaged or no \.npy file \(.+\)\. \w") as error:
            read(path, "Mend it.")
        assert "\n" not in str(error.value)
    with pytest.raises(InputError, match="give the file with --ranking"):
        ranked_ids(str(path))


@pytest.mark.parametrize("name", NPZ)
def test_what_is_no_npz_is_refused_in_one_line(name, tmp_path):
    path = tmp_path / "a.npz"
    path.write_bytes(NPZ[name])
    encoder = EncoderFile(tmp_path, "e", {})
    encoder.path.write_bytes(NPZ[name])
    for read in (read_arrays, Pool.load, read_memory, lambda path: encoder.load()):
        with pytest.raises(InputError, match=r"\.npz is damaged .*\(.+\)") as error:
            read(path)
        assert "\n" not in str(error.value)


def test_what_is_no_file_is_refused(tmp_path):
    with pytest.raises(ArrayFileError, match=r"a\.npy is missing\. Mend it\."):
        read_array(tmp_path / "a.npy", "Mend it.")
    with pytest.raises(ArrayFileError, match="it is a folder"):
        read_array(tmp_path)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ArrayFileError, match="no regular file"):
        read_arrays(tmp_path / "pipe")
    with pytest.raises(ArrayFileError, match="File name too long"):
        read_array(tmp_path / ("a" * 300))
    with pytest.raises(ArrayFileError, match="null byte"):
        read_array(tmp_path / "a\0b")


def test_sound_files_are_read(tmp_path):
    made = {"a": np.arange(6).reshape(2, 3), "b": np.asfortranarray(np.ones((4, 5), np.float16)), "c": np.array("text")}
    np.savez(tmp_path / "plain.npz", **made)
    np.savez_compressed(tmp_path / "small.npz", **made, zeros=np.zeros(10**6))
    for path in (tmp_path / "plain.npz", tmp_path / "small.npz"):
        found = read_arrays(path)
        for name, array in made.items():
            assert found[name].dtype == array.dtype
            assert np.array_equal(found[name], array)
    assert list(read_arrays(tmp_path / "small.npz", names=["b"])) == ["b"]
    with pytest.raises(ArrayFileError, match="it holds no 'd', but 'a', 'b', 'c'"):
        read_arrays(tmp_path / "plain.npz", names=["a", "d"])
    np.save(tmp_path / "a.npy", np.zeros((0, 3)))
    assert read_array(tmp_path / "a.npy").shape == (0, 3)
    assert map_array(tmp_path / "a.npy").shape == (0, 3)


@pytest.mark.parametrize(
    ("ids", "message"),
    [
        ([[1, 2]], r"whole numbers of shape \(n,\)"),
        ([1.0, 2.0], "whole numbers"),
        ([1, 1, 2], "1 repeated"),
        ([3, -1], "the negative id -1"),
        (np.array([1, 2**63], np.uint64), "the id 9223372036854775808"),
        (np.array([True, False]), "whole numbers"),
    ],
)
def test_ids_that_are_none(ids, message, tmp_path):
    np.save(tmp_path / "ids.npy", ids)
    with pytest.raises(InputError, match=message):
        read_ids(tmp_path / "ids.npy")


def test_ids_keep_their_order(tmp_path):
    np.save(tmp_path / "ids.npy", np.array([5, 0, 3], np.uint8))
    assert read_ids(tmp_path / "ids.npy").tolist() == [5, 0, 3]
    assert read_ids(tmp_path / "ids.npy").dtype == np.int64


def test_a_map_is_of_the_same_values_and_reads_none(tmp_path):
    array = np.arange(12.0).reshape(3, 4)
    for order in "CF":
        np.save(tmp_path / "a.npy", np.asarray(array, order=order))
        found = map_array(tmp_path / "a.npy")
        assert isinstance(found, np.memmap)
        assert np.array_equal(found, array)
        assert not found.flags.writeable
