"""What the figures of tfal.show contain, and what they refuse."""

import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

import tfal
from tests.conftest import ROOT
from tests.show.conftest import CLASSES, N, bought
from tfal.data import from_arrays
from tfal.data.listing import Listing
from tfal.errors import InputError
from tfal.show import class_histogram, contact_sheet, embedding
from tfal.show.plane import in_the_plane


def blocks(figure):
    """Of each block of a sheet: head, pictures, words, counts of classes."""
    tiles = [axes for axes in figure.axes if axes.images]
    bars = [[bar.get_height() for bar in axes.patches] for axes in figure.axes if axes.patches] or [None] * len(tiles)
    return [
        (
            axes.get_title(loc="left"),
            [np.asarray(image.get_array()) for image in axes.images],
            [text.get_text() for text in axes.texts],
            count,
        )
        for axes, count in zip(tiles, bars, strict=True)
    ]


def test_a_sheet_shows_the_pictures_with_class_and_score(data):
    figure = contact_sheet(data, (np.array([9, 4, 5]), np.array([0.5, 0.25, 1 / 3])), title="mine")
    ((head, pictures, words, counts),) = blocks(figure)
    assert head == "3 picks, 3 of 3 classes"
    assert [picture[0, 0] for picture in pictures] == [9, 4, 5]
    assert all(picture.shape == (6, 4) for picture in pictures)
    assert words == ["ant\n0.5", "bee\n0.25", "cat\n0.333"]
    assert counts == [1, 1, 1]
    assert figure.get_suptitle() == "mine"
    (bars,) = [axes for axes in figure.axes if axes.patches]
    assert (bars.get_xlabel(), bars.get_ylabel()) == ("class", "picks")
    assert [label.get_text() for label in bars.get_xticklabels()] == list(CLASSES)
    assert figure._repr_png_().startswith(b"\x89PNG")


def test_a_sheet_of_strategies_is_the_first_query_of_each(data, runs):
    found = blocks(contact_sheet(data, runs, most=3))
    assert [head for head, *_ in found] == [
        "margin, round 1: 4 picks, the first 3 shown, 1 of 3 classes",
        "random, round 1: 4 picks, the first 3 shown, 3 of 3 classes",
    ]
    assert [[picture[0, 0] for picture in pictures] for _, pictures, _, _ in found] == [[30, 33, 36], [10, 11, 12]]
    assert found[0][3] == [4, 0, 0]
    assert found[1][3] == [1, 2, 1]


@pytest.mark.parametrize("names", [CLASSES, [f"a class called {number}" for number in range(3)]])
def test_names_of_classes_have_room(data, names):
    pool = bought(data.y_train, [0, 1, 2], [3, 4, 5])
    figure = contact_sheet(data.x_train, pool, class_names=[*names, *(f"{name} too" for name in names)])
    figure.draw_without_rendering()
    first, second = [axes.xaxis.get_tightbbox() for axes in figure.axes if axes.patches]
    heads = [axes.title.get_window_extent() for axes in figure.axes if axes.images]
    assert heads[1].y1 <= first.y0  # the head of a block is below what stands below the bars before
    assert second.y0 >= 0


def test_a_sheet_of_many_rounds_is_some_of_them(data):
    pool = bought(data.y_train, *[[step] for step in range(50)])
    figure = contact_sheet(data, pool)
    heads = [head.partition(":")[0] for head, *_ in blocks(figure)]
    assert heads[0] == "first labels"
    assert heads[-1] == "round 49"
    assert len(heads) == 12
    assert figure.get_suptitle() == "12 of 50 groups of picks"


def test_classes_come_from_the_labels_that_were_bought(data):
    pool = bought(data.y_train, [0, 1, 2, 5], n_known=2)
    ((head, _, words, counts),) = blocks(contact_sheet(data.x_train, pool))
    assert words == ["0", "1", "unknown", "unknown"]
    assert counts == [1, 1, 2]
    assert head == "first labels: 4 picks, 3 of 3 classes"
    (tiles,) = [axes for axes in contact_sheet(data.x_train, pool).axes if axes.images]
    assert len(tiles.lines) == 2  # frames


def test_a_sheet_without_classes_has_no_bars(data):
    figure = contact_sheet(data.x_train, {"a $x^$": [3], "b": [1, 2]}, labels=None)
    assert [(head, words) for head, _, words, _ in blocks(figure)] == [
        (r"a \$x^\$: 1 pick", [""]),
        ("b: 2 picks", ["", ""]),
    ]
    assert not [axes for axes in figure.axes if axes.patches]
    figure.draw_without_rendering()  # no formula


def test_colors_and_floating_point_are_shown_as_they_are():
    values = np.zeros((3, 2, 2, 3))
    values[1], values[2] = 0.5, 1
    pictures = blocks(contact_sheet(values, [0, 1, 2]))[0][1]
    assert [picture.max() for picture in pictures] == [0, 0.5, 1]
    stretched = blocks(contact_sheet(4 * values - 2, [0, 1, 2]))[0][1]
    assert [picture.max() for picture in stretched] == [0, 0.5, 1]


def test_image_files_are_shown(tmp_path):
    for number in range(3):
        Image.new("RGB", (400, 300), (80 * number, 0, 0)).save(tmp_path / f"{number}.png")
    names = [f"{number}.png" for number in range(3)]
    listing = Listing(str(tmp_path), np.array([name.encode() for name in names]), np.zeros(3, np.int64))
    for images in ([tmp_path / name for name in names], listing):
        pictures = blocks(contact_sheet(images, [2, 0]))[0][1]
        assert [picture[0, 0].tolist() for picture in pictures] == [[160, 0, 0], [0, 0, 0]]
        assert pictures[0].shape == (144, 192, 3)
    (tmp_path / "1.png").write_text("none")
    with pytest.raises(InputError, match=r"1\.png, image 1, cannot be shown: it is none of JPEG"):
        contact_sheet(listing, [1])


def test_a_histogram_is_made_of_rounds(data, runs):
    figure = class_histogram(data, runs, title="small")
    first, second = figure.axes
    assert (first.get_title(), second.get_title()) == ("margin: 9 labels", "random: 9 labels")
    assert (first.get_xlabel(), first.get_ylabel()) == ("class", "labels")
    heights = [[bar.get_height() for bar in bars] for bars in second.containers]
    assert heights == [[1, 1, 1], [1, 2, 1], [1, 0, 1]]
    assert [bar.get_y() for bar in second.containers[2]] == [2, 3, 2]  # on those before
    assert second.lines[0].get_ydata()[0] == 3  # 9 labels, 3 classes
    (legend,) = figure.legends
    names = {text.get_text() for text in legend.get_texts()}
    assert names == {"first labels", "round 1", "round 2", "as many of each class"}


def test_labels_alone_make_a_histogram(data):
    figure = class_histogram(data.y_train, {"mine": [0, 1], "yours": [1, 4]}, class_names=CLASSES)
    (axes,) = figure.axes
    assert [[bar.get_height() for bar in bars] for bars in axes.containers] == [[1, 1, 0], [0, 2, 0]]
    assert [bar.get_y() for bar in axes.containers[1]] == [0, 0, 0]  # they share a sample: side by side
    assert not axes.lines
    assert figure.axes[0].get_title() == "3 labels"


def test_many_rounds_have_a_scale(data):
    figure = class_histogram(data, bought(data.y_train, *[[step] for step in range(20)]))
    axes, scale = figure.axes
    assert len(axes.containers) == 20
    assert [label.get_text() for label in scale.get_yticklabels()][::4] == ["first labels", "round 19"]


def test_an_embedding_has_the_picks_of_each_round(data, runs):
    figure = embedding(data, runs, method="pca", title="small")
    assert figure.get_suptitle() == "small\npixels, PCA; 60 samples"
    first, second = figure.axes
    assert (first.get_xlabel(), first.get_ylabel()) == ("PCA, first axis", "PCA, second axis")
    sizes = {points.get_label(): len(points.get_offsets()) for points in first.collections}
    assert sizes == {"not picked": 51, "first labels": 3, "round 1": 4, "round 2": 2}
    same = [np.concatenate([points.get_offsets() for points in axes.collections]) for axes in (first, second)]
    assert {tuple(point) for point in same[0].tolist()} == {tuple(point) for point in same[1].tolist()}


def test_points_of_two_columns_are_drawn_as_they_are():
    points = np.arange(20.0).reshape(10, 2)
    (axes,) = embedding(points, [3, 4]).axes
    others, picked = axes.collections
    assert picked.get_offsets().tolist() == points[[3, 4]].tolist()
    assert len(others.get_offsets()) == 8
    assert axes.get_xlabel() == "given, first axis"


def test_a_large_pool_is_a_seeded_part_and_says_so():
    features = np.random.default_rng(0).normal(size=(500, 5)).astype(np.float16)

    def drawn(picks, seed=0):
        figure = embedding(features, picks, most=40, method="pca", seed=seed)
        assert "40 of 500 samples" in figure.get_suptitle()
        return figure.axes[0], [points.get_offsets().tolist() for points in figure.axes[0].collections]

    few, offsets = drawn([1, 2, 3])
    assert [len(points) for points in offsets] == [37, 3]
    assert few.get_title() == "3 picks"
    assert drawn([1, 2, 3])[1] == offsets
    assert drawn([1, 2, 3], seed=1)[1] != offsets
    many, offsets = drawn(np.arange(300))
    assert [len(points) for points in offsets] == [20, 20]
    assert many.get_title() == "300 picks (20 shown)"


@pytest.mark.parametrize(("n_picked", "expected"), [(10, 10), (60, 20), (75, 20), (90, 30), (100, 40)])
def test_samples_are_drawn_however_many_were_picked(n_picked, expected):
    (axes,) = embedding(np.arange(200.0).reshape(100, 2), np.arange(n_picked), most=40).axes
    n_others, n_picks = (len(points.get_offsets()) for points in axes.collections)
    assert n_picks == expected
    assert n_others + n_picks == 40


def test_only_members_of_the_pool_are_drawn(data):
    pool = bought(data.y_train, [0, 1, 2])
    pool.exclude(np.arange(40, N))
    (axes,) = embedding(data, pool, method="pca").axes
    assert sum(len(points.get_offsets()) for points in axes.collections) == 40


def test_t_sne_keeps_clusters_apart(tmp_path):
    rng = np.random.default_rng(0)
    features = np.concatenate([rng.normal(size=(20, 4)), 100 + rng.normal(size=(20, 4))])
    points, how = in_the_plane(features)
    assert how == "t-SNE"
    assert points.dtype == np.float32
    within = max(np.linalg.norm(part - part.mean(axis=0), axis=1).max() for part in (points[:20], points[20:]))
    assert np.linalg.norm(points[:20].mean(axis=0) - points[20:].mean(axis=0)) > within
    np.save(tmp_path / "features.npy", features)
    (axes,) = embedding(tmp_path / "features.npy", [0]).axes
    drawn = np.concatenate([one.get_offsets() for one in axes.collections])
    assert np.allclose(sorted(drawn.tolist()), sorted(points.tolist()))


TABLE = np.zeros((5, 1, 1, 7), np.float32)


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        (lambda: contact_sheet(np.zeros((4, 3)), [0]), r"must be pictures. Received: float64 of shape \(4, 3\)"),
        (lambda: contact_sheet(TABLE, [0]), "rows of a table"),
        (lambda: contact_sheet(np.zeros((4, 3, 3, 2)), [0]), "1, 3 or 4 channels"),
        (lambda: contact_sheet(np.zeros((4, 3, 3), int), [0]), r"Received: int64. Give x.astype"),
        (lambda: contact_sheet(np.full((4, 3, 3), np.nan), [0]), "must be finite"),
        (lambda: contact_sheet("photos", [0]), "must be pictures"),
        (lambda: contact_sheet(np.zeros((4, 3, 3)), [0], most=0), "most must be a whole number >= 1"),
        (lambda: contact_sheet(np.zeros((4, 3, 3)), [0], labels=[0, 1]), "labels must be 4 integers"),
        (lambda: contact_sheet(np.zeros((4, 3, 3)), [0], labels=[0, 1, 2, -2]), "or -1. Received: -2"),
        (lambda: contact_sheet(np.zeros((4, 3, 3)), [0], labels=[0, 1, 2, 0], class_names=["a"]), "must be 3 names"),
        (lambda: contact_sheet(np.zeros((4, 3, 3)), [0], labels=[0, 1, 2, 0], class_names="abc"), "Received: 'abc'"),
        (lambda: class_histogram(7, [0]), "Received: a int"),
        (lambda: class_histogram([-1, 0, 0], [0]), "none that is known"),
        (lambda: class_histogram([0.5, 1.0], [0]), "labels must be 2 integers"),
        (lambda: embedding(np.zeros((4, 3)), [0]), "Received: all alike"),
        (lambda: embedding(np.eye(4)[:, :1], [0]), "2 columns or more"),
        (lambda: embedding(np.full((4, 3), np.inf), [0]), "must be finite"),
        (lambda: embedding(np.array([["a", "b"]]), [0]), "features must be numbers"),
        (lambda: embedding("nothing.npy", [0]), "nothing.npy is missing"),
        (lambda: embedding(np.eye(4), [0], method="umap"), "method must be 'tsne' or 'pca'. Received: 'umap'"),
        (lambda: embedding(np.eye(4), [0], most=1), "most must be a whole number >= 2"),
        (lambda: embedding(np.eye(4), [9]), "distinct ids from 0 to 3"),
    ],
)
def test_what_cannot_be_drawn_is_one_line(call, expected):
    with pytest.raises(InputError, match=expected) as error:
        call()
    assert len(str(error.value).splitlines()) == 1


def test_more_strategies_than_a_sheet_holds_are_refused():
    pools = {f"s{number}": bought(np.zeros(99, int), [number]) for number in range(61)}
    with pytest.raises(InputError, match=r"at most 60 groups of picks\. Received: 61"):
        contact_sheet(np.zeros((99, 3, 3)), pools)


def test_other_data_than_those_of_the_runs_are_refused(data, runs):
    other = from_arrays("small", 255 - data.x_train, data.y_train, data.x_test, data.y_test, CLASSES)
    for draw in (contact_sheet, class_histogram, embedding):
        with pytest.raises(InputError, match=r"must be those of the runs\. Received: 'small' with other contents"):
            draw(other, runs)


def test_labels_of_other_samples_than_the_runs_bought_are_refused(data):
    pool = bought(data.y_train, [0, 1, 2, 3, 4])
    renumbered = np.array([7, 4, 9])[data.y_train]
    assert class_histogram(renumbered, pool).axes[0].get_title() == "5 labels"
    wrong = np.roll(data.y_train, 1)
    wrong[3] = 0
    with pytest.raises(InputError, match=r"Received: \[0, 2\] for samples that are all of class 0 there"):
        class_histogram(wrong, pool)
    with pytest.raises(InputError, match="Give the training set of that run, in its order"):
        contact_sheet(data.x_train, pool, labels=wrong)


def test_a_table_has_an_embedding(data):
    features = np.random.default_rng(0).normal(size=(N, 1, 1, 3)).astype(np.float32)
    table = tfal.data.Dataset("table", features, data.y_train, features[:3], data.y_train[:3])
    assert embedding(table, [1], method="pca").get_suptitle() == "columns, PCA; 60 samples"
    assert class_histogram(table, [1]).axes[0].get_title() == "1 label"


def test_importing_it_loads_neither_tensorflow_nor_matplotlib():
    code = (
        "import sys, tfal; assert not {'numpy', 'matplotlib'} & set(sys.modules); tfal.show.embedding\n"
        "print([m for m in ('tensorflow', 'keras', 'matplotlib', 'sklearn') if m in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
