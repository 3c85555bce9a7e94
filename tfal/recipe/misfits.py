"""What a recipe asks for and its data cannot give: all of it at once, and values that fit."""

from __future__ import annotations

from tfal.recipe import Recipe
from tfal.recipe.options import BALANCED, flag
from tfal.recipe.usage import usage


def misfits(recipe: Recipe, n_train: int, n_classes: int) -> list[str]:
    """What n_train training samples of n_classes classes cannot give, a sentence or two for each; [] if all is well."""
    found = []
    if _balanced(recipe) and recipe.n_init < n_classes:
        found.append(f"--nInit must be at least the number of classes, {n_classes}. Received: {recipe.n_init}.")
    for name in ("n_pool", "n_sample"):
        value = getattr(recipe, name)
        if value > n_train and name in usage(recipe).names:
            samples = f"the {n_train} training samples of {recipe.dataset}"
            found.append(f"{flag(name)} must be at most {samples}. Received: {value}.")
    if recipe.n_query > recipe.n_pool:
        found.append(
            f"--nQuery must be at most --nPool, {recipe.n_pool}, as the labels are chosen there. "
            f"Received: {recipe.n_query}."
        )
    return found


def over_budget(recipe: Recipe, n_members: int) -> list[str]:
    """Why a pool of n_members samples cannot give the labels that the recipe buys, in lines; [] where it can."""
    steps = max(recipe.n_step - 1, 0)
    before_last = recipe.n_init + recipe.n_valid + recipe.n_query * steps
    if before_last < n_members:
        return []
    where = "samples in the pool of" if recipe.is_open else "training samples of"
    return [
        f"--nInit + --nValid + --nQuery * (--nStep - 1) must be less than the {n_members} {where} {recipe.dataset}. "
        f"Received: {recipe.n_init} + {recipe.n_valid} + {recipe.n_query} * {steps} = {before_last}. Lower one of them."
    ]


def advice(recipe: Recipe, n_train: int, n_members: int, class_counts: list[int]) -> str:
    """Values that fit, as flags; "" where none were found, or where the open set or the tail decides.

    n_members: samples that may be in the pool. class_counts: how many of them each class has.
    """
    if recipe.is_open or recipe.long_tail or not min(class_counts):
        return ""
    fitting = _fitting(recipe, n_train, n_members, len(class_counts) * min(class_counts), len(class_counts))
    if misfits(fitting, n_train, len(class_counts)) or over_budget(fitting, n_members):
        return ""
    names = ("n_init", "n_valid", "n_pool", "n_query", "n_step", "n_sample")
    changed = [name for name in names if getattr(fitting, name) != getattr(recipe, name)]
    return f" These fit: {' '.join(f'{flag(name)} {getattr(fitting, name)}' for name in changed)}." if changed else ""


def _fitting(recipe: Recipe, n_train: int, n: int, balanced: int, n_classes: int) -> Recipe:
    """The recipe with the nearest values that fit; balanced: samples that are in a split with as many of each class."""
    n_init, n_valid = recipe.n_init, recipe.n_valid
    if _balanced(recipe):
        n_init = max(n_init, n_classes)
    if n_init + n_valid > balanced or n_init + n_valid >= n:
        n_init = max(min(n_init, balanced // 4), n_classes)
        n_valid = max(min(n_valid, balanced // 4, balanced - n_init), 0)
    n_pool = min(recipe.n_pool, n_train)
    left = max(n - n_init - n_valid, 1)
    n_query = min(recipe.n_query, n_pool, left)
    n_step = min(recipe.n_step, 1 + (left - 1) // n_query)
    n_sample = min(recipe.n_sample, n_train) if "n_sample" in usage(recipe).names else recipe.n_sample
    return recipe.replace(
        n_init=n_init, n_valid=n_valid, n_pool=n_pool, n_query=n_query, n_step=n_step, n_sample=n_sample
    )


def _balanced(recipe: Recipe) -> bool:
    """Whether the first labels are as many of each class."""
    return recipe.initial == BALANCED and not (recipe.is_open or recipe.long_tail)
