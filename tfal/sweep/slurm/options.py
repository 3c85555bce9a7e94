"""What jobs ask a cluster for: resources of a manifest, and whatever the command line passes through."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from tfal.errors import InputError
from tfal.sweep.job import Resources

# What others must not set, since arrays, logs and the ends of jobs depend on it.
_OURS = (
    *("array", "dependency", "kill_on_invalid_dep", "job_name", "output", "error", "open_mode", "signal", "chdir"),
    *("wrap", "parsable", "test_only", "wait", "nodes", "ntasks", "ntasks_per_node"),
    *("folder", "python", "self", "setup", "teardown", "srun_args", "use_srun", "stderr_to_stdout"),  # submitit's own
    *("additional_parameters", "command", "map_count"),
)
_WHOLE = ("time", "cpus_per_task", "gpus_per_node", "array_parallelism", "signal_delay_s", "max_num_timeout")
# Other ways to say what a manifest says: with one of them, that is left out.
_INSTEAD = {
    "mem": ("mem_per_cpu", "mem_per_gpu"),
    "gpus_per_node": ("gres", "gpus", "gpus_per_task"),
    "cpus_per_task": ("cpus_per_gpu",),
}
_SIGNAL_S = 90  # seconds before its limit at which a job hears of it


def passed_through(partition: str | None, account: str | None, others: Sequence[str]) -> dict[str, Any]:
    """Parameters of sbatch by name, with underscores: partition, account, and KEY=VALUE or KEY of others.

    Raises InputError for what is no such text, is given twice, or is tfal's to set.
    """
    found: dict[str, Any] = {"partition": partition, "account": account}
    found = {name: value for name, value in found.items() if value is not None}
    for text in others:
        key, equals, value = text.partition("=")
        name = key.strip().removeprefix("--").replace("-", "_")
        if not name.isidentifier() or (equals and not value):
            raise InputError(
                f"--slurm must be a parameter of sbatch: KEY=VALUE, or KEY where it has no value. Received: {text!r}."
            )
        if name in _OURS:
            raise InputError(f"--slurm {key} is set by tfal. Received: {text!r}. Leave it out.")
        if name in found:
            raise InputError(f"the Slurm parameter {name} is given twice. Received: {text!r}. Leave one out.")
        if name in _WHOLE and not value.isdecimal():
            raise InputError(f"--slurm {key} must be a whole number. Received: {text!r}.")
        found[name] = int(value) if name in _WHOLE else value if equals else True
    return found


def parameters(asked: Resources, given: Mapping[str, Any]) -> dict[str, Any]:
    """Parameters of sbatch for jobs that need `asked`; those given take their place.

    Raises InputError where no time limit is known: a cluster would take its own, and end what it does not fit.
    """
    found: dict[str, Any] = {"requeue": True}
    if "no_requeue" in given:
        del found["requeue"]
    if asked.minutes is not None:
        found["time"] = math.ceil(asked.minutes)
    if asked.threads:
        found["cpus_per_task"] = asked.threads
    if asked.memory_gb is not None:
        found["mem"] = f"{math.ceil(asked.memory_gb * 1e9 / 2**20)}M"
    if asked.gpus:
        found["gpus_per_node"] = asked.gpus
    found = {name: value for name, value in found.items() if not {*_INSTEAD.get(name, ())} & given.keys()} | {**given}
    if not found.get("time"):
        raise InputError(
            "Slurm needs to know how many minutes a job may take. Received: none. Give --slurm time=MINUTES, or write "
            "minutes = ... in [resources]."
        )
    # Slurm looks at limits twice a minute: short ones need a shorter warning.
    found.setdefault("signal_delay_s", min(_SIGNAL_S, 15 * found["time"]))
    return found


def flags(found: Mapping[str, Any], of_submitit: Sequence[str]) -> list[str]:
    """The parameters as sbatch takes them, without those that only submitit has."""
    told = {name: value for name, value in found.items() if name not in of_submitit}
    return [f"--{name.replace('_', '-')}" + ("" if value is True else f"={value}") for name, value in told.items()]
