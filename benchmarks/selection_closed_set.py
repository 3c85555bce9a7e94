"""Comparisons and growth of the strategies of 2021 and later that need features and logits alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks import selection_closed_set_others as others
from benchmarks.selection_inputs import Case, Inputs, relu_head
from benchmarks.selection_rows import Comparison, Work, packages, same
from tfal import kernels
from tfal.kernels.parts.xp import to_numpy

DROPS, ITERATIONS = 3, 5


def dropquery(xp: Any, n: int = 20_000, d: int = 512, q: int = 200) -> Comparison:
    """Against all masks at once and scikit-learn's k-means; and a package whose rule is another one."""
    head = relu_head(n, d)
    given = [xp.asarray(array) for array in (head.features, head.kernel, head.bias)]
    plain: dict[str, Work | None] = {"all masks at once, scikit-learn": lambda: others.plain_dropquery(head, q)}
    return Comparison(
        "dropquery",
        f"n={n:,} d={d} C=10 q={q}",
        lambda: _dropquery(given, q, 20),
        (plain if xp is np else {}) | packages(xp, {"scikit-activeml": lambda: others.skactiveml_dropquery(head, q)}),
        _random,
    )


def _dropquery(given: list[Any], q: int, n_iter: int) -> np.ndarray:
    flips = kernels.dropout_flips(*given, n_pass=DROPS, rng=_rng())
    return kernels.dropquery(to_numpy(flips), given[0], q, n_pass=DROPS, rng=_rng(), n_iter=n_iter)


def _grow_dropquery(given: Inputs, q: int) -> Case:
    n, d = given.features.shape
    passes = 1 + ITERATIONS + 2  # the flips, and those of k-means
    flops = 2.0 * n * d * (q * (passes - 1) + len(given.bias) * (DROPS + 1))
    return Case(lambda: _dropquery([given.features, given.kernel, given.bias], q, ITERATIONS), passes, flops)


def alfamix(xp: Any, n: int = 20_000, d: int = 512, q: int = 200, eps: float = 0.2) -> Comparison:
    """Against the mixtures of all rows with each mean, made one after the other."""
    head = relu_head(n, d)
    means = _means(head.features, head.features @ head.kernel + head.bias)
    given = [xp.asarray(array) for array in (*head, means)]
    theirs: dict[str, Work | None] = {"a mixture for each class": lambda: others.plain_mixtures(head, means, eps)}
    return Comparison(
        "alfamix",
        f"n={n:,} d={d} C=10, which candidates mixing changes",
        lambda: kernels.mixing_thresholds(*given) < eps / np.sqrt(d),
        theirs if xp is np else {},
        same("candidates"),
    )


def _means(features: Any, logits: Any, most: int = 200) -> Any:
    """The means of some rows by the classes that they are predicted to be."""
    return kernels.class_means(features[:most], to_numpy(logits[:most].argmax(axis=1)))


def _grow_alfamix(given: Inputs, q: int) -> Case:
    (n, d), means = given.features.shape, _means(given.features, given.logits)

    def work() -> Any:
        thresholds = kernels.mixing_thresholds(given.features, given.kernel, given.bias, means)
        return kernels.alfamix(thresholds, given.features, q, rng=_rng(), n_iter=ITERATIONS)

    passes = 2 + ITERATIONS + 2
    return Case(work, passes, 2.0 * n * d * (q * (passes - 2) + len(given.bias) + len(means)))


def average_linkage(xp: Any, n: int = 20_000, d: int = 512, linked: int = 1000) -> Comparison:
    """The clusters of Cluster-Margin, against scikit-learn's average linkage and all distances to its means."""
    features = xp.asarray(relu_head(n, d).features)
    theirs: dict[str, Work] = {"scikit-learn": lambda: others.sklearn_linkage(features, linked)}
    return Comparison(
        "average_linkage",
        f"n={n:,} d={d}, {linked:,} linked",
        lambda: kernels.average_linkage(features, n_linked=linked, rng=_rng()),
        packages(xp, theirs),
        _alike,
    )


def _alike(ours: Any, other: Any) -> str:
    """Clusters, whatever their numbers are."""
    pairs = len(np.unique(np.stack([ours, other]), axis=1).T)
    return "clusters equal" if pairs == len(np.unique(ours)) == len(np.unique(other)) else f"{pairs} pairs of clusters"


def _grow_cluster_margin(given: Inputs, q: int) -> Case:
    n, d = given.features.shape

    def work() -> Any:
        clusters = kernels.average_linkage(given.features, rng=_rng())
        return kernels.cluster_margin(kernels.margin_log_odds(given.logits), clusters, q, rng=_rng())

    return Case(work, 1, 2.0 * n * d * min(n, 1000) / 2)


def bait_binary(xp: Any, n: int = 2000, d: int = 128, q: int = 40) -> Comparison:
    """Against two rows a sample, whose products with both matrices are made anew for every pick."""
    head = relu_head(n, d)
    features, logits = xp.asarray(head.features), xp.asarray(head.features @ head.kernel + head.bias)
    theirs: dict[str, Work | None] = {"two rows a sample": lambda: others.plain_bait_binary(features, logits, q, xp=xp)}
    return Comparison(
        "bait_binary",
        f"n={n:,} d={d} C=10 q={q}",
        lambda: kernels.bait_binary(features, logits, q),
        theirs,
        same("picks"),
    )


def _grow_bait_binary(given: Inputs, q: int) -> Case:
    n, d = given.features.shape
    work = lambda: kernels.bait_binary(given.features, given.logits, q)  # noqa: E731
    return Case(work, 2 * q + 2, n * (6.0 * d * d + 8 * d * q))


def falcun(xp: Any, n: int = 20_000, d: int = 512, q: int = 200) -> Comparison:
    """Against a distribution of all candidates for every pick, and a package, which scales distances otherwise."""
    head = relu_head(n, d)
    logits = head.features @ head.kernel + head.bias
    plain: dict[str, Work | None] = {"a distribution a pick": lambda: others.plain_falcun(logits, q)}
    theirs = packages(xp, {"scikit-activeml": lambda: others.skactiveml_falcun(head, q)})
    given = xp.asarray(logits)
    ours = lambda: kernels.falcun(given, q, rng=_rng())  # noqa: E731
    return Comparison("falcun", f"n={n:,} C=10 q={q}", ours, (plain if xp is np else {}) | theirs, _random)


def _grow_falcun(given: Inputs, q: int) -> Case:
    """Differences of probabilities in place of products; its share is that of features, which it does not read."""
    n, n_classes = given.logits.shape
    return Case(lambda: kernels.falcun(given.logits, q, rng=_rng()), q, 2.0 * n * q * n_classes)


def activeft(xp: Any, n: int = 20_000, d: int = 512, q: int = 200, n_iter: int = 10) -> Comparison:
    """Against all products of rows and directions at once."""
    features = xp.asarray(relu_head(n, d).features)
    theirs: dict[str, Work | None] = {"all products at once": lambda: others.plain_activeft(features, q, n_iter, xp=xp)}
    ours = lambda: kernels.activeft(features, q, rng=_rng(), n_iter=n_iter)  # noqa: E731
    return Comparison("activeft", f"n={n:,} d={d} q={q}, {n_iter} steps", ours, theirs, same("picks"))


def _grow_activeft(given: Inputs, q: int) -> Case:
    n, d = given.features.shape
    work = lambda: kernels.activeft(given.features, q, rng=_rng(), n_iter=ITERATIONS)  # noqa: E731
    return Case(work, ITERATIONS + 1, 2.0 * n * d * q * (ITERATIONS + 1))


def _rng() -> np.random.Generator:
    return np.random.default_rng(0)


def _random(ours: Any, other: Any) -> str:
    return "random draws"


COMPARISONS: dict[str, list[Callable[..., Comparison]]] = {
    "dropquery": [dropquery],
    "alfamix": [alfamix],
    "cluster_margin": [average_linkage],
    "bait_binary": [bait_binary],
    "falcun": [falcun],
    "activeft": [activeft],
}
GROWTH: dict[str, Callable[[Inputs, int], Case]] = {
    "dropquery": _grow_dropquery,
    "alfamix": _grow_alfamix,
    "cluster_margin": _grow_cluster_margin,
    "bait_binary": _grow_bait_binary,
    "falcun": _grow_falcun,
    "activeft": _grow_activeft,
}
