"""Learners by name: what is trained, and what can be read from it. TensorFlow is loaded when one is made."""

from __future__ import annotations

from tfal.errors import InputError
from tfal.learners.base import Builder, Learner, LearnerSpec, OnEpoch, check_learner
from tfal.learners.specs import LEARNERS

__all__ = ["LEARNERS", "Builder", "Learner", "LearnerSpec", "OnEpoch", "check_learner", "register_learner"]


def register_learner(spec: LearnerSpec) -> None:
    """Makes a learner known under its name: strategies may read it, and its options are options of their runs.

    One that is made by the same class or path as before takes its place, as when a notebook's cell runs again. Raises
    InputError for a name that another learner has, or an option that is something else elsewhere.
    """
    from tfal.recipe.components import check_new

    before = LEARNERS.get(spec.name)
    if before is not None and before.origin != spec.origin:
        raise InputError(f"a learner {spec.name!r} is registered already. Give yours another name.")
    LEARNERS.pop(spec.name, None)
    try:
        check_new(f"learner {spec.name!r}", spec.fields)
    except InputError:
        if before is not None:
            LEARNERS[spec.name] = before
        raise
    LEARNERS[spec.name] = spec
