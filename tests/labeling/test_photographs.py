"""Pictures by id, whatever happens in their folder between two looks at it."""

import os
import re

import numpy as np
import pytest

from tfal.errors import InputError
from tfal.labeling import photographs
from tfal.labeling.photographs import CACHE, TABLE, Photographs


@pytest.fixture
def scan(tmp_path):
    """Looks through tmp_path / "in"; the tables lie in tmp_path / "out"."""
    (tmp_path / "out").mkdir()

    def look(**files):
        for name, text in files.items():
            write(tmp_path / "in", name + ".jpg", text)
        return Photographs.scan(tmp_path / "in", tmp_path / "out")

    return look


def write(root, name, text):
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode())


def there(found):
    return [path for path, is_there in zip(found.paths, found.is_there, strict=True) if is_there]


def test_ids_are_those_of_first_sight(scan, tmp_path):
    assert scan(b="1", c="2").paths == ["b.jpg", "c.jpg"]
    found = scan(a="3", d="4")
    assert found.paths == ["b.jpg", "c.jpg", "a.jpg", "d.jpg"]
    assert found.ids == {"b.jpg": 0, "c.jpg": 1, "a.jpg": 2, "d.jpg": 3}
    assert list(found.notes) == ["2 new"]
    table = (tmp_path / "out" / TABLE).read_text().splitlines()
    assert table[0] == "id,path,blake2b"
    assert re.fullmatch("2,a.jpg,[0-9a-f]{32}", table[3])


def test_moved_and_renamed_ones_keep_their_ids_and_gone_ones_theirs(scan, tmp_path):
    scan(a="1", b="2", c="3")
    root = tmp_path / "in"
    (root / "sub").mkdir()
    os.replace(root / "a.jpg", root / "sub" / "z.jpg")
    os.replace(root / "c.jpg", root / "a.jpg")
    (root / "b.jpg").unlink()
    found = scan()
    assert found.paths == ["sub/z.jpg", "b.jpg", "a.jpg"]
    assert there(found) == ["sub/z.jpg", "a.jpg"]
    assert found.ids == {"a.jpg": 2, "sub/z.jpg": 0}
    assert list(found.notes) == ["2 moved or renamed", "1 gone"]
    again = scan(other="2")  # back, by another name
    assert again.paths == ["sub/z.jpg", "other.jpg", "a.jpg"]
    assert again.is_there.all()


def test_equal_copies_are_one_picture_which_outlives_each_of_them(scan, tmp_path):
    found = scan(a="1", b="1", c="2")
    assert (found.paths, found.ids) == (["a.jpg", "c.jpg"], {"a.jpg": 0, "b.jpg": 0, "c.jpg": 1})
    assert list(found.notes) == ["1 equal to others, which count once"]
    (tmp_path / "in" / "a.jpg").unlink()
    assert scan().ids == {"b.jpg": 0, "c.jpg": 1}


def test_other_contents_under_the_same_name_are_another_picture(scan):
    scan(a="1", b="2")
    found = scan(a="longer")
    assert found.paths == ["a.jpg", "b.jpg", "a.jpg"]
    assert found.is_there.tolist() == [False, True, True]
    assert found.ids == {"a.jpg": 2, "b.jpg": 1}


def test_only_files_that_have_changed_are_read_again(scan, tmp_path, monkeypatch):
    scan(a="1", b="2")
    read = []
    digests = photographs._digests
    monkeypatch.setattr(photographs, "_digests", lambda root, new: digests(root, read.append(new) or new))
    scan()
    scan(c="3")
    os.utime(tmp_path / "in" / "a.jpg", ns=(1, 1))
    scan()
    assert [[path for path, *_ in new] for new in read] == [[], ["c.jpg"], ["a.jpg"]]


def test_hashing_that_was_stopped_goes_on(scan, monkeypatch, tmp_path):
    monkeypatch.setattr(photographs, "_AT_ONCE", 2)
    monkeypatch.setattr(photographs, "_SAVED", 1)
    digests, parts = photographs._digests, []

    def stopped(root, new):
        for part in digests(root, new):
            parts.append([*part])
            yield part
            if len(parts) == 2:
                raise KeyboardInterrupt

    monkeypatch.setattr(photographs, "_digests", stopped)
    names = {name: name for name in "abcdefg"}
    with pytest.raises(KeyboardInterrupt):
        scan(**names)
    assert not (tmp_path / "out" / TABLE).exists()
    assert len(scan()) == 7
    assert parts == [["a.jpg", "b.jpg"], ["c.jpg", "d.jpg"], ["e.jpg", "f.jpg"], ["g.jpg"]]


def test_what_lies_around_is_passed_over_in_one_line(scan, tmp_path, capsys):
    root = tmp_path / "in"
    for name in ("a.jpg", "deep/er/B.PNG", ".hidden/c.jpg", ".d.jpg", "notes.txt", "Thumbs.db", "results/x/e.jpg"):
        write(root, name, name)
    (root / "deep" / "loop").symlink_to(root)
    (root / "dead.jpg").symlink_to(root / "nowhere.jpg")
    (root / os.fsdecode(b"\xff.jpg")).write_bytes(b"6")
    found = Photographs.scan(root, tmp_path / "out", [root / "results"])
    assert found.paths == ["a.jpg", "deep/er/B.PNG"]
    line = capsys.readouterr().err
    assert line.count("\n") == 1
    assert line.startswith("in: passed over: 1 x .txt (")
    assert "1 x dead link (" in line
    assert "1 x name that is not UTF-8 (" in line


def test_a_file_that_cannot_be_opened_is_said_and_left_out(scan, tmp_path, monkeypatch):
    for name in "ab":
        write(tmp_path / "in", name + ".jpg", name)
    opened = photographs.Path.open

    def refuse(self, *arguments, **options):
        if self.name == "b.jpg":
            raise PermissionError
        return opened(self, *arguments, **options)

    monkeypatch.setattr(photographs.Path, "open", refuse)
    found = scan()
    assert found.paths == ["a.jpg"]
    assert list(found.notes) == ["1 that cannot be read (the first is b.jpg)"]
    monkeypatch.undo()
    assert scan().paths == ["a.jpg", "b.jpg"]


def test_names_of_every_kind_come_back_from_the_tables(scan, tmp_path):
    names = ['quote".jpg', "comma,.jpg", "line\nbreak.jpg", "Zoë 猫.jpg", "=1+1.jpg", "<script>.jpg", " .jpg", "0.jpg"]
    for name in names:
        write(tmp_path / "in", name, name)
    first, again = scan(), scan()
    assert (again.paths, again.ids) == (first.paths, first.ids)
    assert sorted(names) == first.paths


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("id,path\n0,a.jpg\n", "it has no column 'blake2b'"),
        (f"id,path,blake2b\n1,a.jpg,{'0' * 32}\n", "it must hold ids 0, 1, 2, ... of distinct hashes"),
        (f"id,path,blake2b\n0,a.jpg,{'0' * 32}\n1,b.jpg,{'0' * 32}\n", "of distinct hashes"),
        ("id,path,blake2b\n0,a.jpg,12\n", "32 digits"),
    ],
)
def test_a_damaged_table_is_refused_in_one_line(scan, tmp_path, text, said):
    (tmp_path / "out" / TABLE).write_text(text)
    with pytest.raises(InputError, match=re.escape(said)):
        scan(a="1")
    assert (tmp_path / "out" / TABLE).read_text() == text


def test_folders_without_pictures(scan, tmp_path):
    with pytest.raises(InputError, match="must be a folder of pictures"):
        scan()
    write(tmp_path / "in", "a.txt", "1")
    with pytest.raises(InputError, match=re.escape("Received: none; passed over: 1 x .txt")):
        scan()
    assert not any((tmp_path / "out").iterdir())


def test_a_listing_reads_them_by_id(scan, tmp_path):
    found = scan(a="1", b="2")
    listing = found.listing(64)
    assert listing.shape == (2, 64, 64, 3)
    assert listing.path(1) == tmp_path / "in" / "b.jpg"
    assert np.array_equal(listing.file_sizes(np.arange(2)), [1, 1])
    assert (tmp_path / "out" / CACHE).exists()
