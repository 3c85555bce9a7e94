"""The comparisons of the open-set kernels, as in selection_rows.py."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks import selection_open_set_others as others
from benchmarks.selection_inputs import coder_rows, similar_factors
from benchmarks.selection_rows import Comparison, Work, near, on_device, packages, same
from tfal import kernels


def flcmi(
    xp: Any, n: int = 3000, m: int = 200, p: int = 200, d: int = 512, q: int = 100, classes: int = 10
) -> Comparison:
    """The factors of SIMILAR: gradients of the last layer."""
    theirs = others.submodlib_flcmi, others.plain_flcmi
    return _mutual_information(xp, "flcmi", kernels.flcmi_greedy, theirs, (n, m, p, d, q, classes))


def logdetcmi(
    xp: Any, n: int = 3000, m: int = 200, p: int = 200, d: int = 512, q: int = 100, classes: int = 10
) -> Comparison:
    """The factors of SIMILAR, with log-determinants."""
    theirs = others.submodlib_logdetcmi, others.plain_logdetcmi
    return _mutual_information(xp, "logdetcmi", kernels.logdetcmi_greedy, theirs, (n, m, p, d, q, classes))


def _mutual_information(
    xp: Any,
    name: str,
    ours: Callable[..., Any],
    against: tuple[Callable[..., Any], Callable[..., Any]],
    given: tuple[int, ...],
) -> Comparison:
    """`against`: a package, and a plain formulation for a GPU."""
    (theirs, plain), (n, m, p, d, q, classes) = against, given
    sets = similar_factors(n, m, p, d, classes)
    candidates, query, private = ([xp.asarray(factor) for factor in factors] for factors in sets)
    works = {
        "submodlib, naive greedy": lambda: theirs(others.similarities(*sets), q, "NaiveGreedy"),
        "submodlib, lazy greedy": lambda: theirs(others.similarities(*sets), q, "LazyGreedy"),
    }
    if xp is np:
        ready = others.similarities(*sets)
        works["submodlib, lazy greedy, given the similarities"] = lambda: theirs(ready, q, "LazyGreedy")
    return Comparison(
        name,
        f"n={n:,} {m} labeled, {p} rejected, d={d} C={classes}+1 q={q}",
        lambda: ours(candidates, q, query=query, private=private),
        packages(xp, works)
        | on_device(xp, {"plain, all similarities": lambda: plain(candidates, query, private, q, xp=xp)}),
        same("picks"),
    )


def purity(xp: Any, n: int = 20_000, m: int = 2000, d: int = 128) -> Comparison:
    """On rows like those of a contrastive coder."""
    rows = coder_rows(n + m, 1, d)[:, 0]
    candidates, labeled = xp.asarray(rows[:n]), xp.asarray(rows[n:])
    return Comparison(
        "purity",
        f"n={n:,} {m:,} labeled, d={d}",
        lambda: kernels.purity(candidates, labeled),
        {"a candidate at a time": lambda: others.purity_one_at_a_time(candidates, labeled, xp=xp)},
        near("values", 1e-6),
    )


def ccal(
    xp: Any, n: int = 10_000, m: int = 1000, rotations: int = 4, d: int = 128, q: int = 100, classes: int = 10
) -> Comparison:
    """Both scores and the picks. Nothing beside it on a GPU, where a candidate at a time takes minutes."""
    rows, labels = coder_rows(n + m, rotations, d), np.arange(m) % classes
    candidates, labeled = xp.asarray(rows[:n]), xp.asarray(rows[n:])
    plain: dict[str, Work | None] = {
        "a candidate at a time": lambda: others.ccal_one_at_a_time(candidates, labeled, labels, q, xp=xp)
    }
    return Comparison(
        "ccal",
        f"n={n:,} {m:,} labeled, R={rotations} d={d} C={classes} q={q}",
        lambda: ccal_picks(candidates, labeled, labels, classes, q),
        plain if xp is np else {},
        same("picks"),
    )


def ccal_picks(candidates: Any, labeled: Any, labels: np.ndarray, classes: int, q: int) -> np.ndarray:
    """The three kernels of CCAL one after the other."""
    distinctive = kernels.distinctive_scores(candidates, labeled, labels, classes)
    semantic = kernels.semantic_scores(candidates[:, 0], labeled[:, 0])
    return kernels.round_robin(distinctive + semantic[:, None], q)


def neat(
    xp: Any, n: int = 20_000, m: int = 500, p: int = 500, d: int = 512, q: int = 100, classes: int = 10
) -> Comparison:
    """Picks by the neighbors of known and of unknown classes."""
    rows = coder_rows(n + m + p, 1, d)[:, 0]
    candidates, bought = xp.asarray(rows[:n]), xp.asarray(rows[n:])
    logits = xp.asarray(3 * rows[:n, :classes])
    labels = np.where(np.arange(m + p) < m, np.arange(m + p) % classes, -1)
    return Comparison(
        "neat",
        f"n={n:,} {m} labeled, {p} rejected, d={d} C={classes} q={q}",
        lambda: kernels.neat(candidates, logits, bought, labels, q),
        {"a candidate at a time": lambda: others.neat_one_at_a_time(candidates, logits, bought, labels, q, xp=xp)},
        same("picks"),
    )


COMPARISONS: dict[str, list[Callable[..., Comparison]]] = {
    "flcmi": [flcmi],
    "logdetcmi": [logdetcmi],
    "purity": [purity],
    "ccal": [ccal],
    "neat": [neat],
}
