"""The frozen encoder of a folder: SimCLR trained here once, features read once, pictures that cannot be read."""

import keras
import numpy as np
import pytest

from tests.labeling.pictures import draw, encoder
from tfal.errors import InputError
from tfal.labeling import encoding
from tfal.labeling.encoding import Budget, Encoding, budget, side_of
from tfal.labeling.options import Options
from tfal.labeling.photographs import Photographs
from tfal.labeling.rows import Rows
from tfal.networks import builders


@pytest.fixture
def scan(tmp_path):
    (tmp_path / "out").mkdir()
    draw(tmp_path / "in", 8)
    return lambda: Photographs.scan(tmp_path / "in", tmp_path / "out")


def options(tmp_path, **given):
    return Options(images=str(tmp_path / "in"), classes="red,green", network="MLP", image_size=16, **given)


def opened(tmp_path, photographs, **given):
    return Encoding(tmp_path / "out" / "encoder", options(tmp_path, **given), photographs, builders()["MLP"])


@pytest.mark.parametrize(
    ("n", "expected"),
    [
        (2, Budget(2, 300, 30, 2)),
        (50, Budget(50, 300, 30, 25)),
        (300, Budget(300, 50, 5, 64)),
        (1000, Budget(1000, 30, 3, 64)),
        (100_000, Budget(20_000, 3, 1, 64)),
    ],
)
def test_the_number_of_pictures_that_are_seen_is_bounded(n, expected):
    assert budget(n) == expected


def test_simclr_is_trained_once_and_only_new_pictures_are_read(scan, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(encoding, "_SEEN", (16, 16))
    monkeypatch.setattr(encoding, "_EPOCHS", (1, 2))
    first, ids = opened(tmp_path, scan()).features()
    first = np.array(first)
    assert (len(first), ids.tolist()) == (8, [*range(8)])
    assert np.allclose(np.linalg.norm(first, axis=1), 1)
    assert (
        "SimCLR with MLP, trained here without labels on 8 pictures of 16 x 16 pixels, 2 times."
        in capsys.readouterr().out
    )
    assert sorted(path.name for path in (tmp_path / "out" / "encoder").iterdir()) == [
        "encoder.keras",
        "features.f32",
        "features.json",
    ]
    draw(tmp_path / "in", 3, seed=1)
    read, squares = [], encoding.squares
    monkeypatch.setattr(encoding, "squares", lambda listing, ids, size: squares(listing, read.append(ids) or ids, size))
    second, ids = opened(tmp_path, scan()).features()
    assert (len(second), len(ids)) == (11, 11)
    assert [part.tolist() for part in read] == [[8, 9, 10]]
    assert np.array_equal(second[:8], first)
    assert capsys.readouterr().out == ""


def test_what_cannot_be_decoded_is_tried_again_with_another_limit(scan, tmp_path, capsys):
    file = encoder(tmp_path / "e.keras")
    (tmp_path / "in" / "x.png").write_bytes(b"\x89PNG nonsense")
    _, ids = opened(tmp_path, scan(), encoder=str(file)).features()
    assert [scan().paths[id] for id in range(9) if id not in ids] == ["x.png"]
    assert "1 of 9 files cannot be read" in capsys.readouterr().err
    _, ids = opened(tmp_path, scan(), encoder=str(file), max_pixels=100).features()
    assert len(ids) == 8  # what is known stays known
    (tmp_path / "out" / "encoder").joinpath("features.json").unlink()
    with pytest.raises(InputError, match="9 of 9 files cannot be read"):
        opened(tmp_path, scan(), encoder=str(file), max_pixels=100).features()
    features, ids = opened(tmp_path, scan(), encoder=str(file)).features()
    assert len(ids) == 8
    assert np.count_nonzero(np.linalg.norm(features, axis=1)) == 8


def test_features_of_another_encoder_are_refused(scan, tmp_path):
    file = encoder(tmp_path / "e.keras")
    opened(tmp_path, scan(), encoder=str(file)).features()
    model = keras.saving.load_model(file)
    model.set_weights([2 * weight for weight in model.get_weights()])
    model.save(file)
    with pytest.raises(InputError, match="holds features of something else"):
        opened(tmp_path, scan(), encoder=str(file)).features()


def test_the_side_is_that_of_the_encoder(tmp_path):
    (tmp_path / "in").mkdir()
    file = encoder(tmp_path / "e.keras")
    given = {"images": "in", "classes": "a", "encoder": str(file)}
    assert side_of(Options(**given)) == 16
    assert side_of(Options(**given, image_size=20)) == 20
    assert side_of(Options(**(given | {"encoder": "keras:MobileNetV2"}))) == 224
    assert side_of(Options(**(given | {"encoder": "simclr"}))) == 32


def test_rows_are_there_once_the_json_says_so(tmp_path):
    depends = {"encoder": "x"}
    rows = Rows(tmp_path, depends)
    assert (rows.n, rows.dim) == (0, 0)
    rows.put(0, np.arange(6.0).reshape(3, 2), said=1)
    with (tmp_path / "features.f32").open("ab") as file:
        file.write(b"the beginning of a row")
    again = Rows(tmp_path, depends)
    assert (again.n, again.dim, again.notes) == (3, 2, {"said": 1})
    again.put(3, np.full((1, 2), 9.0))
    again.put(1, np.full((1, 2), 7.0))
    assert Rows(tmp_path, depends).open().tolist() == [[0, 1], [7, 7], [4, 5], [9, 9]]
    (tmp_path / "features.f32").write_bytes(b"")
    with pytest.raises(InputError, match="it is shorter than 4 rows"):
        Rows(tmp_path, depends)
