"""What several runs of a sweep need once, as jobs that they wait for: `tfal run ... --prepare on`."""

from __future__ import annotations

from pathlib import PurePosixPath

from tfal.prepare import PLACES, Needs
from tfal.recipe import Recipe
from tfal.recipe.components import options
from tfal.storage.folder import digest_of
from tfal.sweep.job import Job


def preparations(needed: Needs, run: Job, recipe: Recipe, n_shard: int) -> list[Job]:
    """The jobs that make what a run and others need, those first that the others wait for.

    Args:
        needed: tfal.prepare.needs(recipe).
        run: the first of these runs; its command, and --prepare, is that of the jobs.
        n_shard: jobs that read features together.
    """
    by_shards = n_shard > 1 and needed.features
    encoders, found = ", ".join(needed.encoders), list[Job]()
    if needed.encoders:
        both = needed.features and not by_shards
        what = f"encoder {encoders}" + " and features" * bool(both)
        found.append(_job(needed, run, recipe, what, "--prepare", "on" if both or not needed.features else "encoders"))
    if by_shards:
        first = tuple(job.id for job in found)
        words = ("--prepare", "on", "--nShard", f"{n_shard}", "--shard")
        for shard in range(1, n_shard + 1):
            found.append(_job(needed, run, recipe, "features", *words, f"{shard}", needs=first))
    elif not needed.encoders:
        found.append(_job(needed, run, recipe, "features", "--prepare", "on"))
    return found


def _job(needed: Needs, run: Job, recipe: Recipe, what: str, *words: str, needs: tuple[str, ...] = ()) -> Job:
    """words: what the command of the run ends in."""
    known, folder = options(), PurePosixPath(run.results).parents[3].as_posix()
    depends = [(name, v) for name, v in needed.depends if name not in PLACES]
    about = {
        "folder": folder,
        "needs": [needed.encoders, needed.features],
        "depends": [[name, v] for name, v in depends if name not in known or v != known[name].default or name == "rep"],
        "table": recipe.csv and PurePosixPath(run.results).parents[2].name,
        "words": words,
    }
    group = f"{run.group.rpartition(', ')[0]}, {what}"
    part = f", shard {words[-1]} of {words[-3]}" if "--shard" in words else ""
    rep = f", repetition {recipe.rep}" if "rep" in dict(depends) else ""
    return Job(
        digest_of(about)[:12], f"{group}{part}{rep}", group, (*run.command, *words), needs, resources=run.resources
    )
