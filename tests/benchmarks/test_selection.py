"""The selection benchmark at tiny sizes: it runs, its competitors agree with the kernels, memory is measured."""

import functools
import json
import subprocess
import sys
import types

import numpy as np
import pytest

from benchmarks import selection, selection_growth, selection_open_set_others, selection_rows
from benchmarks.selection_inputs import labeled_factors, relu_head, similar_factors, trained_head, write_head
from benchmarks.selection_measure import (
    LONG,
    LONG_ON_GPU,
    REPEATS,
    Measured,
    copy_bandwidth,
    machine,
    matmul_rate,
    measure,
)
from tests.conftest import ROOT
from tests.kernels import stand_in
from tfal.kernels.parts.xp import to_numpy

TINY = {
    "ldm": {"n": 120, "m": 60, "d": 8},
    "ldm_seeding": {"n": 60, "d": 8, "q": 10},
    "badge": {"n": 80, "d": 8, "q": 10},
    "badge_package": {"n": 60, "d": 8, "q": 6},
    "k_center": {"n": 100, "d": 8, "q": 10},
    "k_center_package": {"n": 60, "d": 8, "q": 6},
    "kmeans_plusplus": {"n": 100, "d": 8, "k": 6},
    "kmeans": {"n": 200, "d": 8, "k": 4},
    "nearest_neighbors": {"n": 100, "m": 30, "d": 8, "k": 5},
    "dropquery": {"n": 120, "d": 8, "q": 10},
    "alfamix": {"n": 120, "d": 8, "q": 10},
    "bait_binary": {"n": 120, "d": 8, "q": 10},
    "falcun": {"n": 120, "d": 8, "q": 10},
    "activeft": {"n": 120, "d": 8, "q": 10, "n_iter": 3},
    "average_linkage": {"n": 120, "d": 8, "linked": 60},
    "dcom": {"n": 150, "d": 8, "q": 12},
    "epig": {"n": 60, "m": 7, "draws": 4},
    "noise_stability": {"n": 90, "draws": 4, "q": 10},
    "flcmi": {"n": 80, "m": 6, "p": 5, "d": 8, "q": 5, "classes": 3},
    "logdetcmi": {"n": 80, "m": 6, "p": 5, "d": 8, "q": 5, "classes": 3},
    "purity": {"n": 90, "m": 20, "d": 8},
    "neat": {"n": 90, "m": 10, "p": 10, "d": 12, "q": 10, "classes": 3},
    "ccal": {"n": 90, "m": 20, "rotations": 2, "d": 8, "q": 10, "classes": 3},
}
BUILDERS = {build.__name__: build for builders in selection.COMPARISONS.values() for build in builders}
PICKS = ["ldm_seeding", "badge", "badge_package", "k_center", "k_center_package", "kmeans_plusplus"]
PICKS += ["flcmi", "logdetcmi", "ccal", "neat"]
PICKS += ["dropquery"]
PICKS += ["noise_stability", "dcom"]


@pytest.fixture
def unwatched(monkeypatch):
    """Nothing is repeated for the sake of its memory, which is not looked at."""
    monkeypatch.setattr("benchmarks.selection_measure.WATCHED", 0)


def tiny(name):
    return BUILDERS[name](np, **TINY[name])


def test_every_comparison_is_tested():
    assert set(TINY) == set(BUILDERS)


@pytest.mark.parametrize("name", TINY)
def test_others_agree_with_ours(name):
    case = tiny(name)
    ours = case.ours()
    installed = {other: work for other, work in case.others.items() if work is not None}
    if not installed:
        pytest.skip(f"not installed: {', '.join(case.others)}")
    for other, work in installed.items():
        answer = work()
        assert np.shape(answer) == np.shape(ours), other
        if name in PICKS:
            assert len(set(answer.tolist())) == len(answer)
            assert set(answer.tolist()) <= set(range(TINY[name]["n"]))
        assert case.agree(ours, answer).endswith((" equal", "random draws", " within 1e-06"))
        if (name, other[:15]) != ("logdetcmi", "submodlib, lazy"):  # which misses some: not submodular
            assert "%" not in case.agree(ours, answer), other


def test_the_published_badge_and_seeding_follow_the_law_of_ours():
    head = relu_head(8, 6)
    logits = head.features @ head.kernel
    theirs = [selection_rows.others.factored_badge(head.features, logits, 2, seed=s, xp=np) for s in range(1500)]
    ours = [
        selection_rows.kernels.badge_seeding(head.features, logits, 2, rng=np.random.default_rng(s))
        for s in range(1500)
    ]
    shares = [np.bincount(np.array(picks)[:, 1], minlength=8) / 1500 for picks in (theirs, ours)]
    assert np.abs(shares[0] - shares[1]).max() < 0.06
    ldm = np.arange(1, 9) / 10
    theirs = [selection_rows.others.dense_ldm_seeding(ldm, head.features, 2, seed=s, xp=np) for s in range(1500)]
    ours = [
        selection_rows.kernels.ldm_seeding(ldm, head.features, 2, rng=np.random.default_rng(s)) for s in range(1500)
    ]
    shares = [np.bincount(np.array(picks)[:, 1], minlength=8) / 1500 for picks in (theirs, ours)]
    assert np.abs(shares[0] - shares[1]).max() < 0.06


def test_the_plain_loops_of_a_gpu_follow_the_law_of_ours():
    head = relu_head(8, 6)
    features, logits = head.features, head.features @ head.kernel
    draws = [
        (
            [selection_rows.others.plain_badge(features, logits, 3, seed=s, xp=np) for s in range(1500)],
            [
                selection_rows.kernels.badge_seeding(features, logits, 3, rng=np.random.default_rng(s))
                for s in range(1500)
            ],
        ),
        (
            [selection_rows.others.plain_kmeans_plusplus(features, 3, seed=s, xp=np) for s in range(1500)],
            [selection_rows.kernels.kmeans_plusplus(features, 3, rng=np.random.default_rng(s)) for s in range(1500)],
        ),
    ]
    for theirs, ours in draws:
        assert {len(set(picks.tolist())) for picks in theirs} == {3}
        for place in (1, 2):
            shares = [np.bincount(np.array(picks)[:, place], minlength=8) / 1500 for picks in (theirs, ours)]
            assert np.abs(shares[0] - shares[1]).max() < 0.06


@pytest.mark.parametrize("name", ["flcmi", "logdetcmi"])
def test_the_plain_open_set_formulations_of_a_gpu_pick_alike(name):
    candidates, query, private = similar_factors(90, 8, 7, 8, 3)
    plain = getattr(selection_open_set_others, f"plain_{name}")
    ours = getattr(selection_rows.kernels, f"{name}_greedy")(candidates, 12, query=query, private=private)
    np.testing.assert_array_equal(plain(candidates, query, private, 12, xp=np), ours)


def test_on_a_gpu_the_first_call_compiles_and_is_not_measured():
    calls = []
    waits = types.SimpleNamespace(synchronize=lambda: calls.append("wait"))
    pool = types.SimpleNamespace(free_all_blocks=lambda: None, used_bytes=lambda: 2e6, total_bytes=lambda: 5e6)
    gpu = types.SimpleNamespace(
        cuda=types.SimpleNamespace(Device=lambda: waits), get_default_memory_pool=lambda: pool, __name__="cupy"
    )
    found = measure({"work": lambda: calls.append("work")}, gpu, repeats=2)["work"]
    assert calls == ["work", "wait"] * 4
    assert found.peak_mb == 3
    assert found.seconds < LONG_ON_GPU


def test_the_comparison_table(unwatched):
    build = functools.partial(selection_rows.k_center, **TINY["k_center"])
    rows = selection.compare(np, [build])
    table = selection.comparison_table(rows)
    lines = table.splitlines()
    assert lines[0].startswith("| kernel | sizes | ours [s] | the other")
    assert {line.count("|") for line in lines[:3]} == {10}
    assert "plain loop" in table
    assert "picks equal" in table


def test_the_products_that_ldm_makes_are_counted():
    rng = np.random.default_rng(0)
    given = [rng.normal(size=size) for size in ((90, 6), (50, 6), (6, 3), 3)]
    sigmas = np.array([1e3])  # so large that no row is left out

    def work():
        with selection_growth.fixed_hypotheses():
            selection_rows.kernels.least_disagree_metric(*given, rng=rng, sigmas=sigmas, patience=16)

    flops = selection_rows.flops_of_flips(work)
    assert flops == 2 * 16 * (6 + 1) * (3 - 1) * (90 + 50)  # 16 hypotheses, with bias, without class 0
    row = {"kernel": "ldm", "sizes": "n=90", "flops": flops, "ours_s": 3.0}
    (line,) = selection.products_made([row, row | {"flops": None}], flops / 2)
    assert line.startswith("ldm, n=90: products of 0 Gflop, 2.00 s at the 0 Gflop/s")
    assert line.endswith("it takes 1.5x that.")


def test_a_missing_package_is_listed(monkeypatch, unwatched):
    monkeypatch.setattr(selection_rows.importlib.util, "find_spec", lambda name: None)
    rows = selection.compare(np, [functools.partial(selection_rows.k_center, **TINY["k_center"])])
    assert [row["answers"] for row in rows] == ["picks equal", "not installed"]
    assert selection.comparison_table(rows).splitlines()[3].endswith("| not installed |")


@pytest.mark.parametrize("dtype", ["float32", "float16"])
@pytest.mark.parametrize("kernel", selection_growth.CASES)
def test_growth_case(kernel, dtype, tmp_path, unwatched):
    write_head(tmp_path, 300, 8, dtype)
    row = selection_growth.grow(kernel, tmp_path, 10)
    assert row["n"] == 300
    assert row["stored"] == ("float16 memory map" if dtype == "float16" else "float32")
    assert row["seconds"] > 0
    assert row["candidate_us"] > 0
    assert row["bytes"] >= 300 * (2 if kernel == "purity" else 8) * np.dtype(dtype).itemsize


def test_written_inputs_are_those_in_memory(tmp_path):
    write_head(tmp_path, 70, 8, "float32")
    given, head = selection_growth.load(tmp_path), relu_head(70, 8)
    np.testing.assert_array_equal(given.features, head.features)
    np.testing.assert_array_equal(given.kernel, head.kernel)
    np.testing.assert_allclose(given.logits, head.features @ head.kernel, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("kernel", selection_growth.CASES)
def test_growth_case_on_the_stand_in_for_cupy(kernel, tmp_path, monkeypatch):
    xp = stand_in.installed(monkeypatch)
    write_head(tmp_path, 300, 64, "float32", 5)
    on_host, on_device = (
        selection_growth.CASES[kernel](selection_growth.load(tmp_path, each), 10).work() for each in (np, xp)
    )
    for ours, host in zip(
        *(found if isinstance(found, tuple) else (found,) for found in (on_device, on_host)), strict=True
    ):
        np.testing.assert_allclose(to_numpy(ours), host, rtol=1e-4)


def test_growth_in_new_processes_files_and_plot(tmp_path):
    rows = selection.grow(["k_center"], [150, 300], d=8, q=10)
    assert [row["n"] for row in rows] == [150, 300]
    table = selection.growth_table(rows, 1e10, 1e11)
    assert "| k_center | 150 | float32 |" in table
    assert "10.0 GB/s" in table
    selection.write({"growth": rows}, tmp_path / "new")
    assert json.loads((tmp_path / "new" / "selection.json").read_text())["growth"] == rows
    assert (tmp_path / "new" / "growth.png").stat().st_size > 10_000


def test_open_set_growth_has_its_own_sizes_and_classes(tmp_path):
    rows = selection.grow(["ccal"], [160], d=16, q=10, classes=5)
    assert [row["n"] for row in rows] == [160]
    table = selection.growth_table(rows, 1e10, 1e11)
    assert "| ccal | 160 | float32 |" in table
    assert "200 labeled and 300 rejected" in table
    assert selection.grow([], [160]) == []
    closed = [row | {"kernel": "k_center"} for row in rows]
    selection.write({"growth": closed + rows}, tmp_path)
    assert (tmp_path / "growth.png").stat().st_size > 10_000


def test_factors_of_similar():
    (errors, extended), (a, f), (rejected, _) = similar_factors(30, 6, 5, 8, 3)
    assert [x.shape for x in (errors, extended, a, f, rejected)] == [(30, 4), (30, 9), (6, 4), (6, 9), (5, 4)]
    np.testing.assert_allclose(np.concatenate([errors, a, rejected]).sum(axis=1), 0, atol=1e-6)
    assert np.all(extended[:, 0] == 1)
    assert np.all((errors < 0).sum(axis=1) == 1)  # the predicted class alone
    assert np.all(a[:, 3] > 0)  # labeled samples are not of the last class, rejected ones are
    assert np.all(rejected.argmin(axis=1) == 3)
    np.testing.assert_array_equal(labeled_factors(6, 5, 8, 3)[0][0], a)


def test_answers_that_are_only_near():
    agree = selection_rows.near("values", 1e-6)
    assert agree(np.zeros(2), np.array([0, 1e-7])) == "values within 1e-06"
    assert agree(np.zeros(2), np.array([0, 0.5])) == "values up to 0.5 apart"


def test_similarities_for_submodlib():
    sets = similar_factors(7, 4, 3, 8, 2)
    found = selection_open_set_others.similarities(*sets)
    outer = [np.einsum("ni,nj->nij", *factors).reshape(len(factors[0]), -1) for factors in sets]
    unit = [rows / np.linalg.norm(rows, axis=1, keepdims=True) for rows in outer]
    for part, (i, j) in zip(found, [(0, 0), (0, 1), (0, 2), (1, 1), (2, 2), (1, 2)], strict=True):
        np.testing.assert_allclose(part, unit[i] @ unit[j].T, atol=1e-6)


def test_features_of_the_trained_network_are_sparse_and_its_head_knows_digits():
    head = trained_head(500, 32)
    assert 0.1 < np.mean(head.features == 0) < 0.95
    labels = (head.features @ head.kernel + head.bias).argmax(axis=1)
    assert len(set(labels.tolist())) == 10
    assert [a.dtype.name for a in head] == ["float32"] * 3


def test_peak_memory_is_seen_and_what_is_free_does_not_hide_it():
    def work():
        np.ones(10_000_000)  # 80 MB for a moment
        return 1

    first, second = (measure({"work": work}, repeats=1)["work"] for _ in range(2))
    for found in (first, second):
        if np.isnan(found.peak_mb):
            pytest.skip("no RssAnon on this system")
        assert found.answer == 1
        assert 60 < found.peak_mb < 120


def test_a_memory_map_does_not_count(tmp_path):
    np.ones(10_000_000).tofile(tmp_path / "file")
    mapped = np.memmap(tmp_path / "file", np.float64, "r")
    found = measure({"work": mapped.sum}, repeats=0)["work"]
    assert np.isnan(found.peak_mb) or found.peak_mb < 20


def test_long_calls_are_not_repeated(monkeypatch):
    calls = []
    monkeypatch.setattr("benchmarks.selection_measure._timed", lambda work, xp: (work(), None))
    monkeypatch.setattr("benchmarks.selection_measure.WATCHED", 0)
    found = measure({"long": lambda: calls.append("long") or LONG + 1, "short": lambda: calls.append("short") or 1.0})
    assert calls.count("long") == 1
    assert calls.count("short") == 1 + REPEATS
    assert isinstance(found["long"], Measured)
    assert (found["long"].seconds, found["short"].seconds) == (LONG + 1, 1)


def test_the_machine():
    assert copy_bandwidth(1 << 20) > 1e6
    assert matmul_rate(64) > 1e6
    assert "numpy" in machine()


@pytest.mark.parametrize(
    ("value", "text"), [(None, "-"), (0.0, "0"), (0.012345, "0.0123"), (1234.5, "1,234"), (9.999, "10.00")]
)
def test_numbers(value, text):
    assert selection._number(value) == text


def test_neither_tensorflow_nor_keras_nor_faiss_is_imported():
    code = (
        "import sys, numpy, benchmarks.selection as s, benchmarks.selection_rows as r\n"
        "class NotNumpy:\n"
        "    __name__ = 'cupy'\n"
        "    asarray = staticmethod(numpy.asarray)\n"
        f"tiny = {TINY!r}\n"
        "for builders in s.COMPARISONS.values():\n"
        "    for build in builders:\n"
        "        case = build(NotNumpy(), **tiny[build.__name__])\n"
        "        assert not set(case.others) & set(r.MODULES), case.others\n"
        "print([m for m in ('tensorflow', 'keras', 'faiss') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_command_line_on_its_own(tmp_path):
    code = (
        "import sys, functools, benchmarks.selection as s\n"
        f"s.COMPARISONS['k_center'] = [functools.partial(s.COMPARISONS['k_center'][0], **{TINY['k_center']!r})]\n"
        "s.SIZES = (120,); s.grow.__defaults__ = (8, 10, 10)\n"
        "s.copy_bandwidth = s.matmul_rate = lambda xp: 1e10\n"
        "s.main()\n"
        "print([m for m in ('tensorflow', 'keras') if m in sys.modules])"
    )
    command = [sys.executable, "-c", code, "--only", "k_center", "--out", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
    assert "| k_center | 120 | float32 |" in done.stdout
    assert set(json.loads((tmp_path / "selection.json").read_text())) >= {"machine", "comparison", "growth", "matmul"}


def test_an_unknown_name_is_refused():
    command = [sys.executable, "-m", "benchmarks.selection", "--only", "kcenter"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "Valid: ldm, " in done.stderr
