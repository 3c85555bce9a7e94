"""The page of a strategy: what of its class, of the plane and of the reference results stands on it."""

import pytest

from docs.site import curves, strategies
from docs.site.docstrings import to_markdown
from tfal.strategies import STRATEGIES


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("strategies")


def test_a_page_has_what_its_class_says_and_pictures(folder):
    text = strategies.page("typiclust", folder)
    assert text.startswith("# TypiClust\n\n`--strategy typiclust`: Typical candidates of clusters without labels")
    assert strategies.page("margin", None).startswith("# margin\n\n`--strategy margin`: Smallest difference")
    assert "**Paper.** Hacohen et al., Active Learning on a Budget" in text
    assert "**When to use it.** From no labels to some ten a class" in text
    assert (
        "| `n_redo` | `--nRedo` | `5` | k-means restarts, of which the best counts | low-budget public code |" in text
    )
    assert "| reads | encoder (trained on images) |" in text
    assert "### Of encoder, which it reads\n\n" in text
    assert "| `--nEpochCsi` | `1000` | pretraining epochs, csi | MQ-Net public code |" in strategies.page("mqnet", None)
    for name in ("picks", "curves"):
        assert f"](typiclust_{name}.png)" in text
        assert (folder / f"typiclust_{name}.png").read_bytes().startswith(b"\x89PNG")


def test_one_that_the_plane_or_the_results_have_nothing_of_says_so(folder):
    text = strategies.page("ranking", folder)
    assert "no picture of its picks in the plane: it reads a file of your own." in text
    assert "do not have it yet" in text
    assert not list(folder.glob("ranking*"))


@pytest.mark.parametrize("name", STRATEGIES)
def test_every_strategy_has_a_page_and_a_place_in_the_index(name):
    assert f"\n`--strategy {name}`: " in strategies.page(name, None)
    assert strategies.index().count(f"]({name}.md)") == 1


def test_groups():
    found = {name: strategies.group(name) for name in ("margin", "random", "typiclust", "similar", "uherding", "scan")}
    assert [*found.values()] == [
        "A trained classifier",
        "No labels needed",
        "No labels needed",
        "Open sets",
        "A trained classifier",
        "No labels needed",
    ]


def test_curves_are_those_of_the_reference_results():
    shown = {experiment.title: experiment for experiment in curves.of_strategy("ldms")}
    assert shown["vowel.train, MLP"].page == "results/reference/ldms_tables/README.md"
    assert shown["vowel.train, MLP"].curves["ldms"].accuracy.shape == (5, 11)
    starts = {experiment.title: experiment for experiment in curves.of_strategy("vae_loss")}
    assert {*starts} == {"digits, SCNN, first labels", "mnist, SCNN, first labels"}
    figure = curves.draw("vae_loss")
    panel = {line.get_label(): line for line in figure.axes[0].lines}
    first = curves.of_strategy("vae_loss")[0].curves["vae_loss"]
    assert panel["vae_loss"].get_ydata() == pytest.approx(100 * first.accuracy.mean(axis=0))
    assert figure.axes[0].get_xlabel() == "labeled samples"


def test_text_of_docstrings_is_text_in_markdown():
    assert to_markdown("a * b_c |x|\n  <y> [z] `p_1 * 2` #1") == r"a \* b\_c \|x\| \<y\> \[z\] `p_1 * 2` \#1"
