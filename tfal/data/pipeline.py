"""The one step that all tf.data pipelines take in parallel, and how they run.

They run without tf.data's autotuning. With it, a thread of each iterator adapts parallelism and buffers to what it
measures, and while one is there, operations of the network are often computed by one thread after the other in place of
all at once: on two cores a pass of the S-CNN over 5,000 images took 1.27 s in 7 of 11 calls and 0.66 s in the others;
without autotuning 0.66 to 0.70 s in 11 of 11, at equal processor time (TensorFlow 2.21; see benchmarks.cores). It was
the same when each thread that computes was bound to a core of its own, so it is not the system that moves them
together; where in TensorFlow it arises is not known.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from tfal.storage.environment import usable_cores

PREFETCH = 4
AUTOTUNING = False  # a constant, so that benchmarks.cores can measure both
_BATCHES = 16  # that are made at once, at most: each of them takes memory


def as_written(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function, traced without autograph: its branches and loops over tensors are tf.cond and the like already."""
    found: Callable[..., Any] = tf.autograph.experimental.do_not_convert(function)
    return found


def parallel_map(dataset: tf.data.Dataset, function: Callable[..., Any], single: bool = False) -> tf.data.Dataset:
    """function(element) for each element, in order, on all cores; what is built on it runs without autotuning, too.

    single: whether elements are single images, of which any number can be in work, and not batches.
    """
    cores = usable_cores()
    options = tf.data.Options()
    options.autotune.enabled = AUTOTUNING
    calls = cores if single else min(cores, _BATCHES)
    return dataset.map(as_written(function), num_parallel_calls=calls, deterministic=True).with_options(options)
