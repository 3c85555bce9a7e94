"""What a query strategy is, and the check of its answers."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from types import MappingProxyType
from typing import Any, ClassVar

import numpy as np

from tfal import kernels
from tfal.errors import InputError, TrainingError
from tfal.kernels.parts.xp import to_numpy
from tfal.learners import LEARNERS
from tfal.pool.asked import Asked, Tell
from tfal.pool.view import PoolView


@dataclass(frozen=True)
class Picks:
    """An answer.

    ids: (n,) int64 in pick order. scores: (n,), when the strategy has some. notes, by_pick: arrays that `observe`
    needs, by name; those of by_pick have a row for each pick, (n, ...).
    """

    ids: np.ndarray
    scores: np.ndarray | None = None
    notes: Mapping[str, np.ndarray] = field(default_factory=dict)
    by_pick: Mapping[str, np.ndarray] = field(default_factory=dict)

    def only(self, rows: np.ndarray) -> Picks:
        """Those in `rows`: positions, or a mask (n,). What is in `notes` stays whole."""
        by_pick = {name: array[rows] for name, array in self.by_pick.items()}
        return Picks(self.ids[rows], None if self.scores is None else self.scores[rows], self.notes, by_pick)


class Strategy:
    """Base of all query strategies.

    A strategy is a frozen dataclass; its fields are its options, made by tfal.recipe.options.option, with a text,
    limits and a source, or plain ones. In a run they are options of the recipe, and flags. What it learns for later
    rounds goes through `observe` and `view.memory`.

    learners: names of the learners that it reads; trained for it by the loop.
    task_learner: the learner whose test accuracy is the result.
    required_outputs: outputs of `task_learner` that not every network can give; asked before anything is trained.
    uses_labels: whether it asks for the classes of labeled samples.
    first: the strategy that chooses the first budget of a low-budget study in its place, where it needs labels.
    nested_budgets: whether each budget of a low-budget study holds those before it; False: each is chosen anew.
    oracle: whether it looks at labels that nobody has bought: a bound, not a method.
    open_sets: whether it is for pools with samples of no class; in others it has less to tell.
    asks: whether its `query` asks for labels by view.ask. It may be asked several times for one answer then.
    original_path: whether its accuracies are written where the method's public code puts them, too.
    revision: raised when its rule changes, so that rounds of two rules never stand in one folder.
    memory_shapes: of the arrays that `observe` gives back, all of them finite numbers; None: any length.
    splits: how it chooses from a pool in parts (tfal.sharded): "scores", by `row_scores` of every candidate, which do
        not depend on what other candidates there are, and then `choose`; "rounds", by `query` of each part and then of
        what it chose there; None: it cannot.
    observes: the outputs of the picks that `observe` reads, by learner. Where labels come when the networks of the
        round are gone (tfal.Campaign), these are kept with the round, and nothing else can be read of them.
    """

    learners: tuple[str, ...] = ("classifier",)
    task_learner: str = "classifier"
    required_outputs: ClassVar[tuple[str, ...]] = ()
    uses_labels: ClassVar[bool] = False
    first: ClassVar[str] = "random"
    nested_budgets: ClassVar[bool] = True
    oracle: ClassVar[bool] = False
    open_sets: ClassVar[bool] = False
    asks: ClassVar[bool] = False
    original_path: ClassVar[bool] = False
    revision: ClassVar[int] = 1
    splits: ClassVar[str | None] = None
    memory_shapes: ClassVar[Mapping[str, tuple[int | None, ...]]] = MappingProxyType({})
    observes: Mapping[str, tuple[str, ...]] = MappingProxyType({})

    @property
    def needs_labels(self) -> bool:
        """Whether it can only choose once something is labeled, as its learners are trained on that."""
        return any(name in LEARNERS and LEARNERS[name].trained_on == "labels" for name in self.learners)

    @property
    def parts(self) -> tuple[Strategy, ...]:
        """The strategies that it is made of, where it only says which of them is asked."""
        return ()

    def in_round(self, round: int) -> Strategy:
        """The strategy that is asked in a round, from 0: itself, but for those that switch."""
        return self

    @property
    def needs_validation(self) -> bool:
        """Whether it reads labels of validation samples, so that there must be some."""
        return False

    @property
    def options_used(self) -> frozenset[str]:
        """The names of the fields that change something, given the others."""
        return frozenset(option.name for option in fields(self))  # type: ignore[arg-type]

    def check_pool(self, candidates: np.ndarray, n: int, size: int) -> None:
        """Asked before anything is trained, with the first candidates of a training set of `size` samples.

        Raises InputError where n of them can never be chosen.
        """

    def query(self, view: PoolView, n: int, rng: np.random.Generator) -> Picks:
        """n distinct ids out of view.candidates; the same view and rng give the same picks."""
        raise TypeError(f"{type(self).__name__} does not define query(view, n, rng)")

    def scores(self, view: PoolView) -> Any:
        """(m,) real numbers, NumPy or CuPy, one a candidate: the larger, the sooner it is asked for, whatever else is.

        Only of strategies that rank single samples, for tfal.rank; at best a quantity that does not saturate.
        """
        raise TypeError(f"{type(self).__name__} does not define scores(view)")

    def row_scores(self, view: PoolView) -> Any:
        """(m,) what `choose` needs to know of each candidate, NumPy or CuPy; where `splits` is "scores"."""
        return self.scores(view)

    def choose(self, view: PoolView, scores: Any, n: int, rng: np.random.Generator) -> Picks:
        """The answer of `query`, which reads nothing but `row_scores`, from these."""
        return best_picks(view, scores, n, rng)

    @property
    def n_target(self) -> int:
        """How many samples of the whole pool it looks at as `view.targets`, where `splits` is "rounds"."""
        return 0

    def stands_for(self, view: PoolView, picks: np.ndarray) -> np.ndarray | None:
        """(n,) how many candidates each pick stands for, the pick included: `view.weights` of the second round.

        None: it looks at no weights.
        """
        return None

    def shown(self, scores: np.ndarray) -> np.ndarray:
        """What tfal.rank shows in place of `scores` (m,): a quantity as it is known, in the same order."""
        return scores

    def observe(self, view: PoolView, picks: Picks, rng: np.random.Generator) -> Mapping[str, np.ndarray]:
        """Called after the picks' labels are revealed, while this round's networks are still there.

        What it gives back is saved with the round, and is the next round's `view.memory`. Of picks that nobody could
        label (tfal.Campaign) it hears nothing: `picks` is those that have labels, and their rows of `by_pick`.
        """
        return {}

    @classmethod
    def draw(cls, memories: Sequence[Mapping[str, np.ndarray]], title: str) -> Any:
        """A matplotlib figure of what `observe` gave back in each round, for strategies that have one; else None."""
        return None


def best_picks(
    view: PoolView,
    scores: Any,
    n: int,
    rng: np.random.Generator,
    meaning: Callable[[np.ndarray], np.ndarray] = lambda scores: scores,
) -> Picks:
    """The n candidates of the largest scores, the largest first; equal scores in random order.

    Args:
        view: whose candidates were scored.
        scores: shape (m,), one a candidate, NumPy or CuPy: what ranks them, at best a quantity that does not saturate,
            such as a logarithm.
        n: how many.
        rng: the random stream of the query.
        meaning: what the answer shows in place of the scores: of those picked, (n,), the score as it is known.

    Warns:
        UserWarning: see warn_if_alike.
    """
    scores = to_numpy(scores)
    warn_if_alike(scores, n)
    rows = kernels.top_n(scores, n, rng=rng)
    return Picks(view.candidates[rows], meaning(scores[rows]))


def warn_if_alike(scores: np.ndarray, n: int) -> None:
    """Warn (UserWarning) when n of the candidates are chosen by scores that are all the same."""
    if n < len(scores) and scores.min() == scores.max():
        warnings.warn(
            "all candidates have the same score, which tells none of them apart. Likely causes: images that are not "
            "scaled as in training, a diverged network, or a last layer whose weights are all 0.",
            stacklevel=3,
        )


def no_validation(strategy: str) -> InputError:
    """The error where a strategy's options read validation samples, and there are none."""
    return InputError(
        f"strategy {strategy!r} is to look at labels of validation samples. Received: none. Give --nValid in query "
        "rounds; elsewhere, set the option that reads them, such as --temperature, to off."
    )


def picks_of(
    strategy: Strategy, view: PoolView, n: int, rng: np.random.Generator, name: str = "", tell: Tell | None = None
) -> Picks:
    """The answer of a strategy's query, if it is n distinct candidates.

    name: what errors call the strategy; its class's when not given. tell: gives the labels that a strategy with `asks`
    buys within its query; None: nobody does. Raises InputError.
    """
    if strategy.asks and tell is not None:
        view.asked = Asked(view.candidates, n, tell)
    picks = strategy.query(view, n, rng)
    return check_picks(picks, view.candidates, n, name or type(strategy).__name__, view.asked)


def check_picks(picks: Picks, candidates: np.ndarray, n: int, strategy: str, asked: Asked | None = None) -> Picks:
    """The picks, if they are n distinct candidates, with all that were asked for; InputError otherwise."""
    expected = f"strategy {strategy!r} must answer {n} distinct ids out of view.candidates as an int64 array in Picks"
    if not isinstance(picks, Picks):
        raise InputError(f"{expected}. Received: a {type(picks).__name__}.")
    ids = picks.ids
    if not isinstance(ids, np.ndarray) or ids.dtype != np.int64 or ids.shape != (n,):
        raise InputError(f"{expected}. Received: {getattr(ids, 'dtype', type(ids).__name__)} {np.shape(ids)}.")
    distinct, times = np.unique(ids, return_counts=True)
    if len(distinct) != n:
        raise InputError(f"{expected}. Received: {n - len(distinct)} repeated ids, {distinct[times > 1][:5].tolist()}.")
    foreign = ids[~np.isin(ids, candidates)]
    if len(foreign):
        raise InputError(f"{expected}. Received: {foreign[:5].tolist()}, which are no candidates.")
    if asked is not None:
        asked.check_picked(ids, strategy)
    for name, array in picks.by_pick.items():
        if np.shape(array)[:1] != (n,):
            raise InputError(
                f"strategy {strategy!r} must have {n} rows in by_pick, one a pick. Received: {name!r} of shape "
                f"{np.shape(array)}. What is not of single picks belongs in notes."
            )
    return picks


def check_memory(memory: Any, where: str) -> Mapping[str, np.ndarray]:
    """What `observe` gave back, if it is arrays by name; `where` it was, for errors.

    Raises InputError for anything else, TrainingError for numbers that are NaN or infinite.
    """
    if not isinstance(memory, Mapping) or not all(isinstance(array, np.ndarray) for array in memory.values()):
        found = (
            {name: type(array).__name__ for name, array in memory.items()} if isinstance(memory, Mapping) else memory
        )
        raise InputError(f"observe must give back NumPy arrays by name. Received: {found}, in {where}.")
    odd = [name for name, array in memory.items() if array.dtype.kind == "f" and not np.isfinite(array).all()]
    if odd:
        raise TrainingError(f"{odd[0]!r}, which the strategy keeps for the next round, is NaN or infinite, of {where}.")
    return memory
