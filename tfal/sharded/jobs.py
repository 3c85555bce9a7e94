"""A selection as jobs: one for each shard, and one for the choice among what they found."""

from __future__ import annotations

from tfal.sharded.folder import SelectionFolder, described
from tfal.sharded.question import Question
from tfal.storage.folder import digest_of
from tfal.sweep.job import Job, Resources

UNION = "union"


def jobs(question: Question, folder: SelectionFolder, resources: Resources) -> list[Job]:
    """The jobs, that of the union last. resources: of each of them."""
    asked, name = described(question), described(question)["strategy"]

    def job(part: str, title: str, results: str, needs: tuple[str, ...]) -> Job:
        command = ("select", "--out", str(folder.path.absolute()), "--shard", part)
        number = digest_of({"selection": asked, "shard": part})[:12]
        return Job(number, f"{name}, {title}", title.split()[0], command, needs, resources, results)

    shards = [
        job(
            str(number + 1), f"shard {number + 1} of {question.n_shard}", f"shards/{folder.shard_path(number).name}", ()
        )
        for number in range(question.n_shard)
    ]
    union = job(UNION, f"union of {question.n_shard}", folder.picks.name, tuple(shard.id for shard in shards))
    return [*shards, union]
