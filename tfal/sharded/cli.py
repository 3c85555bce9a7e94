"""The command line of selection by shards: `tfal select FEATURES.npy`."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from pathlib import Path

from tfal.command import Parser, quiet_start, run_command
from tfal.errors import InputError
from tfal.files import locked
from tfal.flags import add_strategy_options, refuse_unknown
from tfal.recipe.components import owned
from tfal.recipe.options import flag
from tfal.sharded.checks import checked_question, of_arrays
from tfal.sharded.folder import SelectionFolder
from tfal.sharded.jobs import UNION, jobs
from tfal.sharded.question import Arrays
from tfal.storage.array_files import read_array
from tfal.strategies import STRATEGIES
from tfal.sweep import engines, status
from tfal.sweep.folder import DONE, JobFolder
from tfal.sweep.job import Resources

_MEND = "Save it with numpy.save."


def main(arguments: Sequence[str] | None = None, program: str = "python -m tfal select") -> int:
    """Does all shards of a selection, or one of them; returns the exit code: 0 once that is done."""

    def work() -> int:
        parser = _parser()
        given, unknown = parser.parse_known_args(arguments)
        if unknown:
            refuse_unknown(parser, unknown[0], "--help")
        if given.shard is not None:
            return _one(given, parser)
        return _all(given)

    return run_command(program, work)


def _parser() -> Parser:
    parser = Parser(
        description="Chooses n samples from a pool in parts, each a process that reads its part of the features alone.",
        epilog="The same command goes on from where it was stopped. The picks are ids in OUT/picks.npy.",
        allow_abbrev=False,
    )
    parser.add_argument("features", nargs="?", metavar="FEATURES.npy", help="embeddings (N, d), row i of sample i")
    parser.add_argument("--logits", metavar="FILE", help="(N, C) of a classifier (default: linear head on features)")
    parser.add_argument("--strategy", metavar="NAME", help=f"of {', '.join(_names())}")
    parser.add_argument("--n", type=int, metavar="N", help="samples to pick")
    parser.add_argument("--nShard", type=int, default=1, metavar="N", help="parts of the pool (default: 1)")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder of the selection")
    parser.add_argument("--labeled", metavar="FILE", help="ids that have labels, .npy, or a boolean mask (N,)")
    parser.add_argument("--labels", metavar="FILE", help="their classes, .npy, in the same order")
    parser.add_argument("--rejected", metavar="FILE", help="ids that are never picked either, .npy, or a mask")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of shards and draws (default: 0)")
    parser.add_argument(
        "--backend", choices=("auto", "numpy", "cupy"), default="auto", help="where it computes (default: auto)"
    )
    own = parser.add_argument_group("options of strategies")
    add_strategy_options(own, _names())
    where = parser.add_argument_group("jobs")
    engines.add_flags(where)
    where.add_argument("--threads", type=int, default=0, metavar="N", help="cores of a job; 0: all (default: 0)")
    where.add_argument("--memoryGB", type=float, metavar="X", help="memory of a job, for engines that ask")
    where.add_argument("--minutes", type=float, metavar="X", help="after which a job is ended")
    where.add_argument("--status", action="store_true", help="say how far the jobs are, and what they said last")
    where.add_argument("--shard", metavar=f"N|{UNION}", help="do one job of the selection in --out, and no more")
    return parser


def _names() -> list[str]:
    return sorted(name for name, kind in STRATEGIES.items() if kind.splits and of_arrays(kind))


def _one(given: argparse.Namespace, parser: argparse.ArgumentParser) -> int:
    """One job, as engines start it."""
    own = ("out", "shard")
    others = [name for name, value in vars(given).items() if name not in own and value != parser.get_default(name)]
    if others:
        name = "FEATURES.npy" if others[0] == "features" else flag(others[0])
        raise InputError(f"--shard goes with --out alone: what is asked stands there. Received: {name}, too.")
    folder = SelectionFolder(given.out)
    question = folder.question()
    if given.shard == UNION:
        folder.do_union(question)
        return 0
    if not given.shard.isdecimal() or not 1 <= int(given.shard) <= question.n_shard:
        raise InputError(
            f"--shard must be {UNION}, or a number from 1 to {question.n_shard}. Received: {given.shard!r}."
        )
    folder.do_shard(question, int(given.shard) - 1)
    return 0


def _all(given: argparse.Namespace) -> int:
    """All jobs by an engine."""
    missing = [name for name in ("strategy", "n") if getattr(given, name) is None]
    if missing:
        raise InputError(f"--{missing[0]} must be given. See --help.")
    files = (given.labeled, given.labels, given.rejected)
    labeled, labels, rejected = (None if file is None else read_array(Path(file), _MEND) for file in files)
    options = {name: getattr(given, name) for name in owned(_names()) if getattr(given, name) is not None}
    question = checked_question(
        given.strategy,
        given.n,
        Arrays(given.features, given.logits),
        (labeled, labels, rejected),
        n_shard=given.nShard,
        seed=given.seed,
        backend=given.backend,
        options=options,
    )
    folder, states = SelectionFolder(given.out), JobFolder(given.out)
    todo = jobs(question, folder, Resources(given.threads, 0, given.memoryGB, given.minutes))
    if given.status:
        found, doubt = engines.looked_up(states, todo)
        print(
            "\n".join([*([doubt] if doubt else []), status.overview(todo, found), *status.details(states, todo, found)])
        )
        return 0
    do = engines.engine(given, todo)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    with quiet_start():  # TensorFlow, if a linear head is trained
        folder.begin(question)
    with locked(states.path / ".lock", f"another process works in {given.out}. Wait for it to end."):
        states.plan(todo)
        found = do(states, todo)
    if found[todo[-1].id].name != DONE:
        return int(given.engine == "local")
    print(f"{given.n:,} picks of {len(question.candidates):,} candidates, ids in the order of picking: {folder.picks}")
    return 0
