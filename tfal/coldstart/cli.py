"""The command line of the cold-start benchmark: flags, a progress bar, a table and pictures."""

from __future__ import annotations

import argparse
import dataclasses
import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from tfal.cli import start_tensorflow
from tfal.coldstart.criteria import CRITERIA, resolve
from tfal.coldstart.data_maps import TEMPERATURES
from tfal.coldstart.study import DEFAULT, OPTIONS, RANDOM, Plan, Row, Study
from tfal.command import Parser, run_command
from tfal.errors import InputError, resolve_name
from tfal.flags import add_option
from tfal.progress import Progress
from tfal.recipe.components import options
from tfal.recipe.options import flag
from tfal.recipe.usage import kinds, refuse_unused, trained, usage_of
from tfal.report.correlation import table

if TYPE_CHECKING:
    from tfal.data import Dataset
    from tfal.learners.base import Builder

_FREE, _ORACLE = (", ".join(n for n, c in CRITERIA.items() if c.oracle == kind) for kind in (False, True))
_ENCODER = ("n_epoch_simclr", "n_batch_encoder", "n_warmup", "lr_encoder", "temperature")
_VAAL = ("n_epoch_vaal", "n_batch_vaal", "lr_vaal", "vaal_latent", "vaal_kl")
# Options that only some criteria look at.
USED_BY: dict[str, tuple[str, ...]] = {
    "n_pass": ("bald",),
    "n_view": ("consistency",),
    "n_cluster": ("easy", "ambiguous", "hard", "typiclust"),
    "oracle": tuple(name for name, criterion in CRITERIA.items() if criterion.oracle),
    **dict.fromkeys(_VAAL, ("vaal",)),
    **{option: tuple(name for name, criterion in CRITERIA.items() if not criterion.oracle) for option in _ENCODER},
}
_EPILOG = f"Label-free: {_FREE}. With --oracle, of a classifier that learned the labels of the test split: {_ORACLE}."


def main(
    networks: Mapping[str, Builder], argv: Sequence[str] | None = None, program: str = "python -m tfal.coldstart"
) -> int:
    """Runs a study from the command line.

    Args:
        networks: builders by name.
        argv: the arguments, sys.argv[1:] when not given.
        program: what the command is called in its messages.

    Returns:
        exit code, see run_command.
    """

    def work() -> int:
        study, typed = _parsed(networks, argv)
        return _run(study, typed, networks[study.recipe.network])

    return run_command(program, work)


def parse(networks: Mapping[str, Builder], argv: Sequence[str] | None = None) -> Study:
    """The study that a command line means. Raises InputError, also for flags that nothing would look at."""
    return _parsed(networks, argv)[0]


def _parsed(networks: Mapping[str, Builder], argv: Sequence[str] | None) -> tuple[Study, list[str]]:
    """The study, and the names of the options that were typed."""
    given = vars(_parser(networks).parse_args(argv))
    typed = list(given)
    recipe = DEFAULT.replace(**{name: given.pop(name) for name in OPTIONS if name in given})
    network = resolve_name("network", recipe.network, networks)
    study = Study(recipe.replace(network=network), **given)
    _refuse_unused(typed, study)
    return study, typed


def _refuse_unused(typed: Sequence[str], study: Study, data: Dataset | None = None) -> None:
    criteria = resolve(study.criteria, study.oracle)
    idle = [name for name in typed if name in USED_BY and not {*USED_BY[name]} & {*criteria}]
    if idle:
        shown = "; ".join(f"{flag(name)} goes with --criteria {','.join(USED_BY[name])}" for name in idle)
        raise InputError(f"nothing would look at what is given here: {shown}. Leave it out.")
    recipe = study.recipe
    refuse_unused(typed, usage_of(kinds(recipe, data) | trained(recipe), USED_BY))


def _parser(networks: Mapping[str, Builder]) -> Parser:
    parser = Parser(
        description="Ranks all training images without labels, and says what the first of them are worth.",
        epilog=_EPILOG,
        allow_abbrev=False,
        argument_default=argparse.SUPPRESS,
    )
    own = parser.add_argument_group("cold start")
    own.add_argument("--criteria", metavar="NAMES", help="a comma list (default: all that may be used)")
    own.add_argument("--budgets", metavar="LIST", help="pools [images], or shares such as 0.01 (default: 20,50,100)")
    own.add_argument("--nRandom", dest="n_random", type=int, metavar="N", help="random pools of a budget (default: 20)")
    own.add_argument("--nRun", dest="n_run", type=int, metavar="N", help="trainings of a chosen pool (default: 3)")
    own.add_argument("--nCluster", dest="n_cluster", type=int, metavar="N", help="K-means clusters (default: 30)")
    shown = ", ".join(f"{value:g}" for value in TEMPERATURES)
    own.add_argument("--temperature", type=float, metavar="X", help=f"data map: one of {shown} (default: 0.05)")
    own.add_argument("--oracle", action="store_true", help="allow criteria that have seen labels of the test split")
    fields = options()
    shared = parser.add_argument_group("as in the run scripts")
    for name in OPTIONS:
        listed = f": {', '.join(networks)}" if name == "network" else ""
        add_option(shared, fields[name], getattr(DEFAULT, name), "tfal", listed)
    return parser


def _run(study: Study, typed: Sequence[str], build: Builder) -> int:
    from tfal.data import load_for

    data = load_for(study.recipe)
    _refuse_unused(typed, study, data)
    plan = Plan(study, data)
    start_tensorflow(dataclasses.replace(study.recipe, backend="numpy"))
    from tfal.coldstart.draw import draw
    from tfal.coldstart.run import run
    from tfal.coldstart.session import Session
    from tfal.data.image_files import named_errors
    from tfal.training.built import checked_builder
    from tfal.training.layers import Watched
    from tfal.training.optimizers import make_optimizer

    make_optimizer(study.recipe)  # refused now, not when the encoder is trained
    build = checked_builder(build, study.recipe.network)
    plan.check_network(Watched(build).described(data.input_shape, data.n_classes))
    with plan.locked(), named_errors():
        with _Progress(len(plan.left())) as progress:
            session = Session(plan, build, progress.epoch)
            for row in run(plan, session):
                progress.pool(row)
        paths = draw(plan, session)
    print(f"\nTest accuracy [%], mean ± standard deviation over pools and trainings: {plan.folder.name}")
    print(summary(plan.rows(), plan.budgets, plan.criteria))
    found = [row for row in plan.correlations() if row["criterion"] in plan.criteria]
    print("\nOver random pools, summed score against test accuracy:")
    print(
        table(
            [row for row in found if row["measure"] == "accuracy" and row["budget"] in plan.budgets],
            ("budget", "criterion"),
        )
    )
    print(f"\nPictures: {len(paths)}, such as {paths[0]}   Files: {plan.folder}{os.sep}")
    return 0


def summary(rows: Sequence[Row], budgets: Sequence[int], criteria: Sequence[str]) -> str:
    """Accuracy and coverage [%] of random and chosen pools, as text: a line for each criterion, columns by budget."""
    names = [RANDOM, *criteria]
    shown = [f"{name}, oracle" if name != RANDOM and CRITERIA[name].oracle else name for name in names]
    lines = [["", *(f"{budget} images (coverage)" for budget in budgets)]]
    for name, label in zip(names, shown, strict=True):
        found = [[row for row in rows if row["criterion"] == name and row["budget"] == b] for b in budgets]
        lines.append([label, *(_cell(part) for part in found)])
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    return "\n".join(
        "  ".join([line[0].ljust(widths[0]), *(c.rjust(w) for c, w in zip(line[1:], widths[1:], strict=True))])
        for line in lines
    )


def _cell(rows: Sequence[Row]) -> str:
    if not rows:
        return "-"
    accuracy = 100 * np.array([row["accuracy"] for row in rows])
    spread = f"{accuracy.std(ddof=1):5.2f}" if len(rows) > 1 else "    -"
    coverage = 100 * np.mean([row["coverage"] for row in rows])
    return f"{accuracy.mean():6.2f} ±{spread} ({coverage:3.0f})"


class _Progress(Progress):
    """A bar over the pools, and one below it while the encoder or the oracle is trained."""

    def __init__(self, n_pools: int) -> None:
        super().__init__(n_pools, "pool", "pools")

    def epoch(self, learner: str, epoch: int, epochs: int) -> None:
        """An epoch of the encoder or of the oracle is over."""
        self.below(f"training {learner}", "epoch", epoch, epochs)

    def pool(self, row: Row) -> None:
        """One pool is trained."""
        what, accuracy = f"{row['criterion']}, {row['budget']} images", f"{100 * row['accuracy']:.1f} %"
        self.result(f"{what}: {accuracy}", f"{what}, run {row['run']}: {accuracy}, {row['seconds_train']:.1f} s")
        self.advance()
