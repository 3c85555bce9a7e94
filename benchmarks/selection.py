"""The selection kernels against the published formulations and other packages, and their growth, in one table.

python -m benchmarks.selection [--backend numpy|cupy] [--full] [--only NAME,NAME] [--out FOLDER]
"""

from __future__ import annotations

import argparse
import functools
import importlib
import json
import math
import sys
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import selection_closed_set, selection_draws, selection_open_set, selection_rows
from benchmarks import selection_growth as growth
from benchmarks.selection_inputs import write_head
from benchmarks.selection_measure import copy_bandwidth, machine, matmul_rate, measure
from benchmarks.selection_rows import Comparison

COMPARISONS = selection_rows.COMPARISONS | selection_closed_set.COMPARISONS | selection_open_set.COMPARISONS
COMPARISONS |= selection_draws.COMPARISONS
SIZES, FULL_SIZE = (10_000, 100_000), 1_000_000
D, Q, CLASSES = 512, 200, 10
# The rounds of the open-set experiments: CIFAR-10 with 4 known classes, of which the last has all others.
OPEN_SET_SIZES, OPEN_SET_Q, OPEN_SET_CLASSES = (3000, 10_000, 49_500), 500, 5
KERNELS = [*dict.fromkeys([*COMPARISONS, *growth.CASES])]  # some grow, and are compared with nothing
_MARKERS = "o^D"
Row = dict[str, Any]


def main() -> None:
    """Prints the tables as Markdown."""
    given = _arguments()
    xp = importlib.import_module(given.backend)
    only = given.only or KERNELS
    print(f"{machine(xp)}; {given.backend}\n")
    found: dict[str, Any] = {"machine": machine(xp), "backend": given.backend}
    builders = [build for name in only for build in COMPARISONS.get(name, [])]
    if given.backend == "cupy" and given.full and "k_center" in only:
        builders.append(functools.partial(selection_rows.k_center, n=FULL_SIZE))
    found["comparison"] = compare(xp, builders)
    print(comparison_table(found["comparison"]) + "\n", flush=True)
    bandwidth, rate = copy_bandwidth(xp=xp), matmul_rate(xp=xp)
    found |= {"bandwidth": bandwidth, "matmul": rate}
    print("".join(f"{line}\n" for line in products_made(found["comparison"], rate)), flush=True)
    sizes = (*SIZES, FULL_SIZE) if given.full else SIZES
    closed_set = set(growth.CASES) - set(growth.OPEN_SET)
    found["growth"] = grow([name for name in only if name in closed_set], sizes, xp=xp)
    open_set = [name for name in only if name in growth.OPEN_SET]
    found["growth"] += grow(open_set, OPEN_SET_SIZES, q=OPEN_SET_Q, classes=OPEN_SET_CLASSES, xp=xp)
    print(growth_table(found["growth"], bandwidth, rate))
    if given.out:
        write(found, given.out)


def _arguments() -> argparse.Namespace:
    def names(text: str) -> list[str]:
        unknown = set(text.split(",")) - set(KERNELS)
        if unknown:
            raise argparse.ArgumentTypeError(f"unknown {', '.join(sorted(unknown))}. Valid: {', '.join(KERNELS)}")
        return text.split(",")

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument(
        "--backend", choices=["numpy", "cupy"], default="numpy", help="what the arrays are made with; cupy: on a GPU"
    )
    parser.add_argument("--full", action="store_true", help=f"growth up to n = {FULL_SIZE:,}")
    parser.add_argument("--only", type=names, metavar="NAME,NAME", help=", ".join(KERNELS))
    parser.add_argument("--out", type=Path, default=None, metavar="FOLDER", help="for selection.json and growth.png")
    return parser.parse_args()


def compare(xp: Any, builders: Iterable[Callable[[Any], Comparison]]) -> list[Row]:
    """A row for every kernel and competitor, measured in turn in this process."""
    rows = []
    for build in builders:
        if xp is not np:  # what is left of the case before would count as memory of this one
            xp.get_default_memory_pool().free_all_blocks()
        case = build(xp)
        works = {"ours": case.ours} | {name: work for name, work in case.others.items() if work is not None}
        measured = measure(works, xp)
        ours, flops = measured["ours"], case.flops() if case.flops else None
        for name in case.others or {"": None}:
            row: Row = {"kernel": case.kernel, "sizes": case.sizes, "other": name or "none for this backend"}
            row |= {"ours_s": ours.seconds, "ours_mb": ours.peak_mb, "flops": flops}
            if name in measured:
                other = measured[name]
                row |= {"other_s": other.seconds, "other_mb": other.peak_mb, "ratio": other.seconds / ours.seconds}
                row["answers"] = case.agree(ours.answer, other.answer)
            elif name:
                row["answers"] = "not installed"
            rows.append(row)
            times = f"{_number(ours.seconds)} s, {row['other']} {_number(row.get('other_s'))} s"
            print(f"{case.kernel}, {case.sizes}: {times}", file=sys.stderr, flush=True)
    return rows


def grow(
    names: list[str], sizes: Iterable[int], d: int = D, q: int = Q, classes: int = CLASSES, *, xp: Any = np
) -> list[Row]:
    """A row for every kernel and size, each in a process of its own; on a GPU, whose memory pool tells all, in this."""
    rows = []
    for n in sizes if names else ():
        with tempfile.TemporaryDirectory() as folder:
            write_head(Path(folder), n, d, "float16" if n >= FULL_SIZE else "float32", classes)
            measured = growth.grow_in_new_process if xp is np else functools.partial(growth.grow, xp=xp)
            small_enough = [name for name in names if n < FULL_SIZE or name not in growth.QUADRATIC]
            rows += [measured(name, Path(folder), q) for name in small_enough]
    return sorted(rows, key=lambda row: [*growth.CASES].index(row["kernel"]))


def comparison_table(rows: list[Row]) -> str:
    """Markdown."""
    head = "kernel|sizes|ours [s]|the other|the other [s]|ratio|ours, peak [MB]|the other, peak [MB]|answers"
    columns = [
        [row["kernel"], row["sizes"], _number(row["ours_s"]), row["other"], _number(row.get("other_s"))]
        + [f"{row['ratio']:.1f}x" if "ratio" in row else "-", _number(row["ours_mb"]), _number(row.get("other_mb"))]
        + [row.get("answers", "-")]
        for row in rows
    ]
    return _table(head, columns) + "\n\nPeaks: memory beyond the inputs, in the first calls."


def products_made(rows: list[Row], rate: float) -> list[str]:
    """A line for every kernel that counts the products it makes: how far it is from their time."""
    lines = []
    for row in rows:
        if row["flops"]:
            limit, rounded = row["flops"] / rate, f"{row['flops'] / 1e9:,.0f} Gflop"
            lines.append(
                f"{row['kernel']}, {row['sizes']}: products of {rounded}, {_number(limit)} s at the {rate / 1e9:.0f} "
                f"Gflop/s measured in this run; it takes {row['ours_s'] / limit:.1f}x that."
            )
    return lines


def growth_table(rows: list[Row], bandwidth: float, rate: float) -> str:
    """Markdown; the limit is that of working pass by pass."""
    head = (
        "kernel|n|features|time [s]|time per candidate [us]|peak beyond them [MB]|share of float32|limit [s]|of limit"
    )
    columns = []
    for row in rows:
        limit = max(row["bytes"] / bandwidth, row["flops"] / rate)
        of = "products" if row["flops"] / rate > row["bytes"] / bandwidth else "reading"
        each = f" a {row['unit']}" if row["unit"] else ""
        columns.append(
            [row["kernel"], f"{row['n']:,}", row["stored"], _number(row["seconds"])]
            + [_number(row["candidate_us"]) + each, _number(row["peak_mb"]), f"{row['share']:.1%}"]
            + [f"{_number(limit)} ({of})", f"{row['seconds'] / limit:.1f}x"]
        )
    title = f"Growth, d = {rows[0]['d'] if rows else D}:"
    note = (
        f"Measured in this run: copying {bandwidth / 1e9:.1f} GB/s (read and written), float32 products "
        f"{rate / 1e9:.0f} Gflop/s. The limit is the longer of two times at these rates: reading the features once a "
        "pick (iteration, hypothesis), and the products of all rows with all picks. Below 1x, picks share passes or "
        f"rows are left out. q = k = {Q}; ldm: {growth.HYPOTHESES} hypotheses, M = 2,000, C = 10; kmeans: first "
        f"centers and {growth.N_ITER} iterations; nearest_neighbors: {growth.QUERIES:,} queries, "
        f"k = {growth.NEIGHBORS}.{_open_set_note()}"
    )
    return f"{title}\n\n{_table(head, columns)}\n\n{note}"


def _open_set_note() -> str:
    return (
        f" Open-set kernels: q = {OPEN_SET_Q}, {OPEN_SET_CLASSES - 1} classes, {growth.LABELED} labeled and "
        f"{growth.REJECTED} rejected samples; purity and ccal: coder rows of {D // growth.ROTATIONS} numbers, "
        f"{growth.ROTATIONS} rotations for ccal; flcmi's products are those of all pairs of candidates."
    )


def _table(head: str, columns: list[list[str]]) -> str:
    names = head.split("|")
    lines = [names, ["---"] * len(names), *columns]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _number(value: float | None) -> str:
    """Three digits that count."""
    if value is None or math.isnan(value):
        return "-"
    if value == 0:
        return "0"
    return f"{value:,.{max(0, 2 - math.floor(math.log10(abs(value))))}f}"


def write(found: dict[str, Any], folder: Path) -> None:
    """selection.json, and growth.png where growth was measured."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "selection.json").write_text(json.dumps(found, indent=1) + "\n")
    if found.get("growth"):
        _plot(found["growth"], folder / "growth.png")


def _plot(rows: list[Row], path: Path) -> None:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 4.2), layout="constrained")
    FigureCanvasAgg(figure)
    left, right = figure.subplots(1, 2)
    for number, name in enumerate(dict.fromkeys(row["kernel"] for row in rows)):
        mine = [row for row in rows if row["kernel"] == name]
        n, unit = [row["n"] for row in mine], mine[0]["unit"]
        style = "s--" if name in growth.OPEN_SET else f"{_MARKERS[number // 10 % len(_MARKERS)]}-"  # colors come again
        left.plot(n, [row["candidate_us"] for row in mine], style, label=f"{name}, a {unit}" if unit else name)
        right.plot(n, [max(row["share"], 1e-4) for row in mine], style, label=name)
    for axes, title in ((left, "time per candidate [µs]"), (right, "peak memory / float32 size of the inputs")):
        axes.set(xscale="log", yscale="log", xlabel=f"candidates n (d = {rows[0]['d']})", ylabel=title)
        sizes = sorted({row["n"] for row in rows})
        axes.set_xticks(sizes, [f"{n:,}" for n in sizes], fontsize=8)
        axes.set_xticks([], minor=True)
        axes.grid(alpha=0.3)
    right.axhline(1, color="gray", lw=0.8, ls="--")
    figure.legend(*left.get_legend_handles_labels(), loc="outside lower center", ncols=6, fontsize=8)
    figure.savefig(path, dpi=120)


if __name__ == "__main__":
    main()
