"""Whether the runs of a sweep can start: their data are there, and their strategies can work on them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from tfal.errors import InputError
from tfal.recipe import Recipe
from tfal.recipe.groups import DataOptions
from tfal.recipe.usage import refuse_unused, usage
from tfal.sweep import networks
from tfal.sweep.expand import SingleRun
from tfal.sweep.networks import Wanted


def faults(runs: Sequence[SingleRun]) -> Iterator[str]:
    """Why runs cannot start, a line each, the same one once. Loads each data set once; writes nothing."""
    said: set[str] = set()
    loaded: dict[Any, Any] = {}
    checked: set[str] = set()
    wanted: list[Wanted] = []
    for run in runs:
        if run.recipe is None or run.job.group in checked:
            continue
        checked.add(run.job.group)
        fault = _fault(run, run.recipe, loaded, wanted)
        if fault and fault not in said:
            said.add(fault)
            yield fault
    yield from networks.faults(wanted)


def _fault(run: SingleRun, recipe: Recipe, loaded: dict[Any, Any], wanted: list[Wanted]) -> str:
    """Why a run cannot start; "" where it can, which may need a network, and is `wanted` then."""
    from tfal import jobs, low_budget
    from tfal.data import load_for

    of_data = recipe.replace(threads=0)  # fixing them would load TensorFlow
    key = (*(getattr(recipe, name) for name in DataOptions.__dataclass_fields__), recipe.ood_dataset)
    try:
        if key not in loaded:
            loaded.clear()  # runs of one data set stand together
            loaded[key] = _loaded(load_for, of_data)
        data = loaded[key]
        if isinstance(data, InputError):
            return f"{run.set_name or recipe.dataset}: {data}"
        refuse_unused(run.typed, usage(recipe, data))
        recipe = recipe.replace(dataset=data.name)
        if recipe.splits:
            low_budget.plan(recipe, data)
            return ""
        job = jobs.plan(recipe, data)[0]
        if job.strategy.required_outputs:
            wanted.append(Wanted(run.job.group, recipe, data.input_shape, job.task.n_classes))
    except InputError as error:
        return f"{run.job.group}: {error}"
    return ""


def _loaded(load: Any, recipe: Recipe) -> Any:
    try:
        return load(recipe)
    except InputError as error:
        return error
