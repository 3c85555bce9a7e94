"""The comparisons: every kernel with its inputs, its competitors, and what must be equal."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from benchmarks import selection_others as others
from benchmarks.selection_inputs import relu_head, trained_head
from tfal import kernels
from tfal.kernels.parts.xp import to_numpy

Work = Callable[[], Any]


class Comparison(NamedTuple):
    """One kernel at one size."""

    kernel: str
    sizes: str
    ours: Work
    others: dict[str, Work | None]  # None: the package is not installed
    agree: Callable[[Any, Any], str]  # of our answer and another's: what is equal
    flops: Callable[[], float] | None = None  # of the products that ours makes, where its inputs tell how many


def ldm(xp: Any, n: int = 20_000, m: int = 2000, d: int = 128) -> Comparison:
    """On features of a trained network: random ones need fewer hypotheses."""
    head = trained_head(n + m, d)
    given = [xp.asarray(a) for a in (head.features[:n], head.features[n:], head.kernel, head.bias)]
    ours = lambda: kernels.least_disagree_metric(*given, rng=np.random.default_rng(1))  # noqa: E731
    return Comparison(
        "ldm",
        f"n={n:,} M={m:,} d={d} C={len(head.bias)}",
        ours,
        {
            "one hypothesis at a time": lambda: others.one_hypothesis_at_a_time(
                *given, rng=np.random.default_rng(1), xp=xp
            )
        },
        same("values"),
        lambda: flops_of_flips(ours),
    )


def flops_of_flips(work: Work) -> float:
    """Float operations of the products of rows and hypotheses that a call makes."""
    module: Any = importlib.import_module("tfal.kernels.hypotheses")
    flips, made = module._flips, list[int]()

    def counted(tile: Any, columns: Any, hypotheses: Any) -> Any:
        made.append(2 * hypotheses.size * len(tile.label))
        return flips(tile, columns, hypotheses)

    module._flips = counted
    try:
        work()
    finally:
        module._flips = flips
    return float(sum(made))


def ldm_seeding(xp: Any, n: int = 4000, d: int = 512, q: int = 400) -> Comparison:
    """Values as the estimator gives them: multiples of 1/2000, growing with the rank."""
    head = relu_head(n, d)
    features = xp.asarray(head.features)
    values = xp.asarray(
        np.random.default_rng(0).permutation(np.sort(np.random.default_rng(1).integers(1, 1200, n))) / 2000
    )
    return Comparison(
        "ldm_seeding",
        f"n={n:,} d={d} q={q}",
        lambda: kernels.ldm_seeding(values, features, q, rng=np.random.default_rng(1)),
        {"dense matrix, a distribution a pick": lambda: others.dense_ldm_seeding(values, features, q, seed=1, xp=xp)},
        _random,
    )


def badge(xp: Any, n: int = 20_000, d: int = 512, q: int = 200) -> Comparison:
    """Against the published loop."""
    features, logits = _features_and_logits(xp, n, d)
    published: dict[str, Work | None] = {
        "factored loop, a distribution a pick": lambda: others.factored_badge(features, logits, q, seed=1, xp=xp)
    }
    return Comparison(
        "badge",
        f"n={n:,} d={d} C=10 q={q}",
        lambda: kernels.badge_seeding(features, logits, q, rng=np.random.default_rng(1)),
        published | on_device(xp, {"plain loop": lambda: others.plain_badge(features, logits, q, seed=1, xp=xp)}),
        _random,
    )


def badge_package(xp: Any, n: int = 2000, d: int = 512, q: int = 100) -> Comparison:
    """Smaller: the package builds the embeddings, n x d C numbers in float64."""
    features, logits = _features_and_logits(xp, n, d)
    return Comparison(
        "badge",
        f"n={n:,} d={d} C=10 q={q}",
        lambda: kernels.badge_seeding(features, logits, q, rng=np.random.default_rng(1)),
        packages(xp, {"scikit-activeml": lambda: others.skactiveml_badge(features, logits, q)})
        | on_device(xp, {"plain loop": lambda: others.plain_badge(features, logits, q, seed=1, xp=xp)}),
        _random,
    )


def k_center(xp: Any, n: int = 20_000, d: int = 512, q: int = 200) -> Comparison:
    """Row 0 is the labeled one."""
    features = xp.asarray(relu_head(n, d).features)
    plain: dict[str, Work | None] = {"plain loop": lambda: others.plain_k_center(features, q, features[:1], xp=xp)}
    return Comparison(
        "k_center",
        f"n={n:,} d={d} q={q}",
        lambda: kernels.k_center_greedy(features, q, centers=features[:1]),
        plain | packages(xp, {"scikit-activeml": lambda: others.skactiveml_k_center(features, q)}),
        same("picks"),
    )


def k_center_package(xp: Any, n: int = 2000, d: int = 512, q: int = 100) -> Comparison:
    """Smaller: the package holds all n x n distances in lists. Its first pick, the last row, is a center for ours."""
    features = xp.asarray(relu_head(n, d).features)
    return Comparison(
        "k_center",
        f"n={n:,} d={d} q={q}",
        lambda: np.append(n - 1, kernels.k_center_greedy(features, q - 1, centers=features[-1:])),
        packages(xp, {"submodlib": lambda: others.submodlib_disparity_min(features, q)})
        | on_device(
            xp,
            {"plain loop": lambda: np.append(n - 1, others.plain_k_center(features, q - 1, features[-1:], xp=xp))},
        ),
        same("picks"),
    )


def kmeans_plusplus(xp: Any, n: int = 20_000, d: int = 512, k: int = 200) -> Comparison:
    """The drawing of first centers alone."""
    features = xp.asarray(relu_head(n, d).features)
    return Comparison(
        "kmeans_plusplus",
        f"n={n:,} d={d} k={k}",
        lambda: kernels.kmeans_plusplus(features, k, rng=np.random.default_rng(1)),
        packages(xp, {"scikit-learn": lambda: others.sklearn_kmeans_plusplus(features, k)})
        | on_device(xp, {"plain loop": lambda: others.plain_kmeans_plusplus(features, k, seed=1, xp=xp)}),
        _random,
    )


def kmeans(xp: Any, n: int = 20_000, d: int = 512, k: int = 200, n_iter: int = 10) -> Comparison:
    """All from the same first centers."""
    host = relu_head(n, d).features
    start = host[kernels.kmeans_plusplus(host, k, rng=np.random.default_rng(0))]
    features, centers = xp.asarray(host), xp.asarray(start)
    if xp is np:
        found = packages(
            xp,
            {
                "faiss": lambda: others.faiss_kmeans(host, start, n_iter),
                "scikit-learn": lambda: others.sklearn_kmeans(host, start, n_iter),
            },
        )
    else:
        found = {"plain Lloyd": lambda: others.plain_lloyd(features, centers, n_iter, xp=xp)}
    return Comparison(
        "kmeans",
        f"n={n:,} d={d} k={k}, {n_iter} iterations",
        lambda: kernels.kmeans(features, k, rng=np.random.default_rng(0), init=centers, n_iter=n_iter).labels,
        found,
        same("labels"),
    )


def nearest_neighbors(xp: Any, n: int = 20_000, m: int = 4000, d: int = 512, k: int = 10) -> Comparison:
    """Queries among the points, as TypiClust and k-NN evaluation ask."""
    points = xp.asarray(relu_head(n, d).features)
    queries = points[:m]
    if xp is np:
        found = packages(
            xp,
            {
                "faiss": lambda: others.faiss_neighbors(queries, points, k),
                "scikit-learn": lambda: others.sklearn_neighbors(queries, points, k),
            },
        )
        found["tfal without faiss"] = lambda: kernels.nearest_neighbors(queries, points, k, backend="array").rows
    else:
        found = {"plain, all distances sorted": lambda: others.plain_neighbors(queries, points, k, xp=xp)}
    return Comparison(
        "nearest_neighbors",
        f"{m:,} queries, n={n:,} d={d} k={k}",
        lambda: kernels.nearest_neighbors(queries, points, k).rows,
        found,
        same("neighbors"),
    )


COMPARISONS: dict[str, list[Callable[..., Comparison]]] = {
    "ldm": [ldm],
    "ldm_seeding": [ldm_seeding],
    "badge": [badge, badge_package],
    "k_center": [k_center, k_center_package],
    "kmeans_plusplus": [kmeans_plusplus],
    "kmeans": [kmeans],
    "nearest_neighbors": [nearest_neighbors],
}
MODULES = {
    "scikit-activeml": "skactiveml.pool",
    "submodlib": "submodlib",
    "scikit-learn": "sklearn.cluster",
    "faiss": "faiss",
}


def same(what: str) -> Callable[[Any, Any], str]:
    """Tells what share of two answers is equal."""

    def agree(ours: Any, other: Any) -> str:
        ours, other = to_numpy(ours), to_numpy(other)
        equal = int((ours == other).sum())
        return f"{what} equal" if equal == ours.size else f"{equal / ours.size:.3%} of {what} equal"

    return agree


def near(what: str, atol: float) -> Callable[[Any, Any], str]:
    """Tells how far two answers are from each other when it is more than rounding explains."""

    def agree(ours: Any, other: Any) -> str:
        apart = float(np.abs(to_numpy(ours) - to_numpy(other)).max())
        return f"{what} {f'within {atol:g}' if apart <= atol else f'up to {apart:.2g} apart'}"

    return agree


def _random(ours: Any, other: Any) -> str:
    """Both draw, from different numbers: only the law is the same."""
    return "random draws"


def _features_and_logits(xp: Any, n: int, d: int) -> tuple[Any, Any]:
    head = relu_head(n, d)
    return xp.asarray(head.features), xp.asarray(head.features @ head.kernel + head.bias)


def packages(xp: Any, works: dict[str, Work]) -> dict[str, Work | None]:
    """Packages compute on the host, so they stand beside NumPy only; loaded before anything is measured.

    In a name, a comma and what follows tell how a package is used.
    """
    if xp is not np:
        return {}
    return {name: work if _loaded(MODULES[name.partition(",")[0]]) else None for name, work in works.items()}


def on_device(xp: Any, works: dict[str, Work]) -> dict[str, Work | None]:
    """What a GPU makes of a method in its plain form stands beside CuPy only."""
    return {} if xp is np else {**works}


def _loaded(module: str) -> bool:
    if importlib.util.find_spec(module.partition(".")[0]) is None:
        return False
    importlib.import_module(module)
    return True
