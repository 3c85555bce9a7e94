"""The manifests of reproduce/: each one and its small variant means runs that can be, and the tables tell of all."""

import functools
import re
import subprocess
import sys

import pytest

from tests.conftest import ROOT, SHARED_DATA
from tfal.sweep.checks import faults
from tfal.sweep.expand import expand
from tfal.sweep.manifest import read_manifest

FOLDER = ROOT / "reproduce"
MANIFESTS = sorted(path.stem for path in FOLDER.glob("*.toml"))
ROW = re.compile(r"^\|.*`tfal sweep reproduce/(\w+)\.toml` \| (\d+) \| ([\d.]+) \| (\d+) \|$", re.MULTILINE)
ROWS = {name: rest for name, *rest in ROW.findall((FOLDER / "README.md").read_text())}
# What a CPU has: everybody's data, and a folder of photographs. Tables are looked for beside the manifest.
AT_HAND = {"digits", "mnist", "fashion_mnist", "cifar10", "imagenette", "imagenet"}


@functools.cache
def made(name, variant=None):
    manifest = read_manifest(FOLDER / f"{name}.toml", variant)
    return manifest, expand(manifest, FOLDER / "nowhere", {})


def test_the_tables_name_every_manifest_and_no_other():
    assert sorted(ROWS) == MANIFESTS
    named = set(re.findall(r"reproduce/(\w+)\.toml", (ROOT / "README.md").read_text()))
    assert named <= {*MANIFESTS}
    assert {name.partition("_")[0] for name in named} == {"ldms", "mqnet", "lowbudget", "initpools", "coldstart"}


@pytest.mark.parametrize("name", MANIFESTS)
def test_a_manifest_and_its_small_variant_mean_runs(name):
    """Without data; options that nothing looks at, names that do not exist and two runs that are one are refused."""
    whole, runs = made(name)
    small, few = made(name, "small")
    assert [str(len(runs)), f"{whole.gpu_hours:.1f}".removesuffix(".0"), str(len(few))] == [
        ROWS[name][0],
        ROWS[name][1].removesuffix(".0"),
        ROWS[name][2],
    ]
    assert min(len(text) for text in (whole.about, whole.source, small.about)) > 5
    assert (small.gpu_hours, small.published) == (None, ())
    ids = [run.job.id for run in (*runs, *few)]
    assert len({*ids}) == len(ids)
    assert {run.job.resources.gpus for run in few} == {0}
    recipes = [run.recipe for run in few if run.recipe is not None]
    assert {r.dataset for r in recipes if not r.csv} | {r.ood_dataset for r in recipes if r.ood_dataset} <= AT_HAND
    for run in (*runs, *few):
        assert {*run.job.needs} <= {*ids}


@pytest.mark.parametrize("name", MANIFESTS)
def test_what_is_published_is_what_a_run_measures(name):
    """A number of a set, strategy or budget that no run has would stand there as "nothing yet" for ever."""
    manifest, runs = made(name)
    for row in manifest.published:
        assert 0 < row["value"] < 1, "accuracies are fractions"
        of_row = [run.recipe for run in runs if run.recipe and run.set_name == row["set"]]
        (recipe, *_) = [recipe for recipe in of_row if recipe.strategy == row["strategy"]]
        budgets = [recipe.n_init + step * recipe.n_query for step in range(recipe.n_step + 1)]
        assert row["labels"] in (map(int, recipe.splits.split(",")) if recipe.splits else budgets)
        assert row.get("metric", "test_accuracy") in ("test_accuracy", "linear_top1", "knn_top1")


def test_manifests_need_no_tensorflow():
    code = (
        "import sys; from pathlib import Path; from tfal.sweep.manifest import read_manifest as read; "
        "from tfal.sweep.expand import expand; "
        "[expand(read(path, 'small'), Path('r'), {}) for path in sorted(Path('reproduce').glob('*t.toml'))]; "
        "print(*{'tensorflow', 'keras'} & {*sys.modules})"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


@pytest.mark.parametrize("name", ["ldms_tables", "mqnet_mnist", "mqnet_cifar100", "initpools_longtail"])
@pytest.mark.skipif(not SHARED_DATA.is_dir(), reason="the real data sets are not on this machine")
def test_small_variants_can_start_on_the_data_that_they_are_for(name):
    lie = {"": str(SHARED_DATA)}
    if name == "ldms_tables":
        lie = {"letter": str(SHARED_DATA / "letter"), "": str(SHARED_DATA / "tabular")}
    runs = expand(read_manifest(FOLDER / f"{name}.toml", "small"), FOLDER / "nowhere", lie)
    some = [
        run for run in runs if run.recipe and run.recipe.rep == 1 and run.recipe.strategy in ("ldms", "mqnet", "margin")
    ]
    assert some
    assert [*faults(some)] == []
