"""Whether networks give what strategies need of them, such as passes with dropout: asked before a sweep begins."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import NamedTuple

import numpy as np

from tfal.command import quiet_start
from tfal.errors import InputError
from tfal.networks import builders
from tfal.plugins import load_network
from tfal.recipe import Recipe
from tfal.strategies import make_strategy


class Wanted(NamedTuple):
    """A strategy with outputs that not every network can give, and for which images and classes it is built."""

    group: str
    recipe: Recipe
    input_shape: tuple[int, int, int]
    n_classes: int


def faults(wanted: Sequence[Wanted]) -> list[str]:
    """A line for each whose network cannot give what its strategy needs.

    Networks are built in a process of its own, which sees no GPU: TensorFlow would keep those of its process.
    """
    if not wanted:
        return []
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as process:
        try:
            return process.submit(_faults, list(wanted)).result()
        except BrokenProcessPool:
            groups = ", ".join(dict.fromkeys(each.group for each in wanted))
            return [f"{groups}: the process that builds their networks was killed, or ended by itself. Has it memory?"]


def _faults(wanted: list[Wanted]) -> list[str]:
    os.environ |= {"CUDA_VISIBLE_DEVICES": "-1", "TF_CPP_MIN_LOG_LEVEL": "3"}
    with quiet_start():
        import tensorflow as tf

        tf.zeros(())
    found = [f"{each.group}: {fault}" for each in wanted if (fault := _fault(each))]
    return list(dict.fromkeys(found))


def _fault(wanted: Wanted) -> str:
    from tfal.data.images import Images
    from tfal.learners import LEARNERS
    from tfal.training.built import checked_builder

    recipe = wanted.recipe
    strategy = make_strategy(recipe.strategy, recipe)
    try:
        build = checked_builder(load_network(recipe.network, builders()), recipe.network)
        image = Images(np.random.default_rng(0).integers(256, size=(1, *wanted.input_shape), dtype=np.uint8))
        LEARNERS[strategy.task_learner](build, image, wanted.n_classes, recipe).check_outputs(strategy.required_outputs)
    except InputError as error:
        return str(error)
    except Exception as error:  # whatever a network of a stranger's raises: a line for each, and all at once
        said = " ".join(str(error).split()) or "without a word"
        return f"network {recipe.network!r} cannot be asked. Received: {type(error).__name__}: {said}"
    return ""
