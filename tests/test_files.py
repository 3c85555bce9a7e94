"""Files that are whole or not there, and one line for whatever a disk answers."""

import errno
import os
import resource
import subprocess
import sys

import numpy as np
import pytest
from filelock import FileLock

from tests.conftest import ROOT
from tfal import files
from tfal.errors import InputError, StorageError
from tfal.files import check_writable, locked, make_folder, remove_leftovers, write_atomically, write_text


def _refuse(number):
    def call(*args, **options):
        raise OSError(number, os.strerror(number))

    return call


def test_permissions_are_those_of_the_umask(tmp_path):
    before = os.umask(0o027)
    try:
        write_text(tmp_path / "a", "text")
        assert (tmp_path / "a").stat().st_mode & 0o777 == 0o640
        os.umask(0o002)
        write_text(tmp_path / "a", "other")
        assert (tmp_path / "a").stat().st_mode & 0o777 == 0o664
    finally:
        os.umask(before)
    assert (tmp_path / "a").read_text() == "other"


@pytest.mark.parametrize("call", ["fsync", "replace", "open"])
@pytest.mark.parametrize(
    ("number", "mend"),
    [
        (errno.ENOSPC, "Free some space"),
        (errno.EDQUOT, "quota"),
        (errno.EROFS, "Choose a folder that can be written to"),
        (errno.EACCES, "Choose a folder"),
        (errno.ENAMETOOLONG, "shorter"),
        (errno.EIO, "Look at the disk"),
        (errno.ESTALE, "Look at the disk"),
    ],
)
def test_what_the_disk_refuses_is_one_line_and_leaves_the_old_file(call, number, mend, tmp_path, monkeypatch):
    path = tmp_path / "a"
    write_text(path, "old")
    with monkeypatch.context() as patch:
        patch.setattr(os, call, _refuse(number))
        with pytest.raises(StorageError, match=mend) as error:
            write_text(path, "new")
    assert str(error.value).startswith(f"{path}: {os.strerror(number)}. ")
    assert "\n" not in str(error.value)
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["a"]


def test_an_archive_that_the_disk_has_no_room_for(tmp_path):
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, before[1]))
        with pytest.raises(StorageError, match=r"a\.npz: File too large\. Raise the limit"):
            write_atomically(tmp_path / "a.npz", lambda file: np.savez(file, a=np.zeros(5000), b=np.zeros(9)))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert os.listdir(tmp_path) == []


def test_a_folder_stands_where_a_file_should_be(tmp_path):
    (tmp_path / "a").mkdir()
    with pytest.raises(StorageError, match=r"Is a directory\. Move away the folder"):
        write_text(tmp_path / "a", "text")
    write_text(tmp_path / "b", "text")
    with pytest.raises(StorageError, match="Move away the file"):
        write_text(tmp_path / "b" / "c", "text")
    with pytest.raises(StorageError, match="Move away the file"):
        make_folder(tmp_path / "b")
    with pytest.raises(StorageError, match="Move away the folder"), locked(tmp_path / "a"):
        pass


def test_removed_while_running(tmp_path):
    with locked(tmp_path / "run" / ".lock", "busy"):
        (tmp_path / "run" / ".lock").unlink()
        (tmp_path / "run").rmdir()
        with pytest.raises(StorageError, match=r"No such file or directory\. It was removed meanwhile"):
            write_text(tmp_path / "run" / "a", "text")


@pytest.mark.parametrize("number", [errno.EINVAL, errno.EOPNOTSUPP, None])
def test_the_folder_is_synced_after_a_rename_where_the_system_can(number, tmp_path, monkeypatch):
    synced, fsync = [], os.fsync

    def spy(descriptor):
        is_folder = os.path.isdir(f"/proc/self/fd/{descriptor}")
        synced.append("folder" if is_folder else "file")
        if is_folder and number:
            _refuse(number)()
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", spy)
    write_text(tmp_path / "a", "text")
    assert synced == ["file", "folder"]
    synced.clear()
    make_folder(tmp_path / "b" / "c")
    assert synced == ["folder", "folder"]


KILLED = """
import os, signal, sys
from pathlib import Path
from tfal import files
os.fsync = lambda descriptor: os.kill(os.getpid(), signal.SIGKILL)
files.write_text(Path(sys.argv[1]), "text")
"""


def test_what_a_killed_write_left_is_removed_and_nothing_else(tmp_path):
    command = [sys.executable, "-c", KILLED, str(tmp_path / "a")]
    subprocess.run(command, cwd=ROOT, check=False)
    subprocess.run([*command[:-1], str(tmp_path / "b")], cwd=ROOT, check=False)
    (tmp_path / ".mine.part").write_text("of somebody else")
    assert len(os.listdir(tmp_path)) == 3
    write_text(tmp_path / "a", "text")  # removes those of its own name
    left = sorted(os.listdir(tmp_path))
    assert len(left) == 3
    assert left[1:] == [".mine.part", "a"]
    remove_leftovers(tmp_path)
    assert sorted(os.listdir(tmp_path)) == [".mine.part", "a"]


def test_what_is_being_written_stays(tmp_path, monkeypatch):
    """In the middle of it, and when all is written and has no name yet."""
    replace = os.replace

    def write(file):
        remove_leftovers(tmp_path)
        file.write(b"text")

    monkeypatch.setattr(os, "replace", lambda *paths: (remove_leftovers(tmp_path), replace(*paths)))
    write_atomically(tmp_path / "a", write)
    assert (tmp_path / "a").read_text() == "text"


@pytest.mark.parametrize("error", [OSError(errno.ENOLCK, "No locks available"), NotImplementedError("no flock")])
def test_a_disk_without_locks(error, tmp_path, monkeypatch):
    class Lock:
        def __init__(self, *args, **options):
            pass

        def acquire(self):
            raise error

    monkeypatch.setattr(files, "FileLock", Lock)
    message = "It needs file locks: choose a folder on a local disk"
    with pytest.raises(StorageError, match=message), locked(tmp_path / ".lock", "busy"):
        pass


def test_who_waits_for_a_lock_says_so(tmp_path, monkeypatch):
    other, said = FileLock(tmp_path / ".lock"), []
    other.acquire()
    monkeypatch.setattr(files.LOGGER, "warning", lambda text, *args: (said.append(text % args), other.release()))
    with locked(tmp_path / ".lock"):
        assert said == [f"waits for another process, which holds {tmp_path / '.lock'}."]
    with locked(tmp_path / ".lock"):
        assert len(said) == 1


@pytest.mark.parametrize(
    ("folder", "reason"),
    [
        ("/proc/x/y", "No such file or directory"),
        ("file/results", "it is a file"),
        ("a" * 300, "File name too long"),
        ("a/" + "b" * 300, "File name too long"),
        ("/".join("a" * 200 for _ in range(30)), "File name too long"),
        ("a\0b", "null"),
        ("read-only", "Read-only file system"),
    ],
)
def test_folders_that_cannot_be_written_to(folder, reason, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("text")
    if folder == "read-only":  # mounts need rights that tests have not everywhere
        monkeypatch.setattr(files.tempfile, "mkdtemp", _refuse(errno.EROFS))
    with pytest.raises(InputError, match=reason) as error:
        check_writable(tmp_path / folder)
    assert str(error.value).endswith("Give another one with --resultsDir.")
    assert os.listdir(tmp_path) == ["file"]


def test_a_folder_that_can_be_made(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for folder in (tmp_path, tmp_path / "a" / "b", files.Path("."), files.Path("results")):
        check_writable(folder)
    assert os.listdir(tmp_path) == []


@pytest.mark.skipif(files.fcntl is None, reason="there an open file cannot be removed")
@pytest.mark.parametrize("ends", ["before", "after"])
def test_a_part_that_another_process_took_for_a_leftover_is_written_again(ends, tmp_path, monkeypatch):
    """It looks for leftovers after a part was made and before that is locked; it ends before the lock, or after."""
    try_lock, held, seen = files._try_lock, [], []

    def meanwhile(descriptor, **options):
        parts = list(tmp_path.glob(".curves.png.*.part"))
        if parts and not seen:  # of this process, without a lock
            seen.append(parts[0])
            other = os.open(parts[0], os.O_RDWR)
            assert try_lock(other)
            parts[0].unlink()
            held.append(other) if ends == "after" else os.close(other)
        return try_lock(descriptor, **options)

    monkeypatch.setattr(files, "_try_lock", meanwhile)
    write_text(tmp_path / "curves.png", "whole")
    assert seen
    assert os.listdir(tmp_path) == ["curves.png"]
    assert (tmp_path / "curves.png").read_text() == "whole"
    for other in held:
        os.close(other)


@pytest.mark.skipif(files.fcntl is None, reason="there are no such locks")
def test_where_there_are_no_locks_files_are_written_all_the_same(tmp_path, monkeypatch):
    def no_locks(*_):
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(files.fcntl, "flock", no_locks)
    write_text(tmp_path / "a", "whole")
    assert (tmp_path / "a").read_text() == "whole"
